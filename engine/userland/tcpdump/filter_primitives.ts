// What the words of a filter test in a packet: addresses, ports, protocols, tags (pcap-filter(7)).
import { BPF, SKF_AD, SKF_AD_OFF } from '../../kernel/bpf.ts';
import { PACKET_OUTGOING } from '../../kernel/skbuff.ts';
import { ETH_P, EthHdr, IP_OFFSET, IpHdr, Ipv6Hdr, TcpHdr } from '../../wire/headers.ts';
import { allOf, and, anyOf, type Condition, field, insn, type LinkLayout, loadAbs, loadInd, not, or, test } from './filter_code.ts';
import { FilterError } from './filter_lexer.ts';

export type Direction = 'src' | 'dst' | 'either' | 'both';

const RARP = 0x8035;
const SCTP = 132;
const FRAGMENT = 44;
const VLAN_TYPES = [0x8100, 0x88a8, 0x9100] as const;
/** Sender and target protocol addresses of an ARP packet. */
const ARP_SPA = 14;
const ARP_TPA = 24;
/** From a fragment header to what it says follows. */
const FRAGMENT_NEXT = 40;

export const PROTOCOLS: Readonly<Record<string, number>> = Object.freeze({
  icmp: 1,
  igmp: 2,
  tcp: 6,
  udp: 17,
  esp: 50,
  ah: 51,
  icmp6: 58,
  pim: 103,
  vrrp: 112,
  sctp: SCTP,
});
export const ETHER_TYPES: Readonly<Record<string, number>> = Object.freeze({ ip: ETH_P.IP, arp: ETH_P.ARP, rarp: RARP, ip6: ETH_P.IPV6 });
/** What a port may belong to. */
const WITH_PORTS = ['udp', 'tcp', 'sctp'] as const;

const word = (b: Uint8Array, at: number): number => ((b[at] << 24) | (b[at + 1] << 16) | (b[at + 2] << 8) | b[at + 3]) >>> 0;

/** One expression's generator: a `vlan` in it shifts everything behind the tag. */
export class Primitives {
  private shift = 0;
  constructor(readonly link: LinkLayout) {}

  get network(): number {
    return this.link.network + this.shift;
  }
  etherType(type: number): Condition {
    const at = this.link.etherType;
    return field(at >= SKF_AD_OFF ? at : at + this.shift, 2, type);
  }

  /** Addresses of 4 or 16 bytes under a mask of the same length. `protocol` limits where they are looked for. */
  host(address: Uint8Array, mask: Uint8Array, direction: Direction, protocol: string | undefined): Condition {
    if (address.length === 16) {
      if (protocol !== undefined && protocol !== 'ip6') throw new FilterError(`'${protocol}' modifier applied to ip6 host`);
      return and(this.etherType(ETH_P.IPV6), this.directed(direction, Ipv6Hdr.saddr.offset, Ipv6Hdr.daddr.offset, address, mask));
    }
    const ip = (): Condition =>
      and(this.etherType(ETH_P.IP), this.directed(direction, IpHdr.saddr.offset, IpHdr.daddr.offset, address, mask));
    const arp = (type: number): Condition => and(this.etherType(type), this.directed(direction, ARP_SPA, ARP_TPA, address, mask));
    switch (protocol) {
      case undefined:
        return anyOf([ip(), arp(ETH_P.ARP), arp(RARP)]);
      case 'ip':
        return ip();
      case 'arp':
      case 'rarp':
        return arp(ETHER_TYPES[protocol]);
      default:
        throw new FilterError(`'${protocol}' modifier applied to host`);
    }
  }

  etherHost(mac: Uint8Array, direction: Direction): Condition {
    this.ethernetOnly('ethernet addresses supported only on ethernet/FDDI/token ring/802.11/ATM LANE/Fibre Channel');
    const at = (offset: number): Condition => and(field(offset + 2, 4, word(mac, 2)), field(offset, 2, (mac[0] << 8) | mac[1]));
    return this.combine(direction, at(EthHdr.h_source.offset), at(EthHdr.h_dest.offset));
  }

  /** A port or a range of them; `protocol` undefined: of any that has ports. */
  ports(low: number, high: number, direction: Direction, protocol: string | undefined): Condition {
    const protocols = protocol === undefined ? WITH_PORTS : WITH_PORTS.filter((p) => p === protocol);
    if (protocols.length === 0) throw new FilterError(`illegal qualifier of 'port'`);
    const l4 = this.network + Ipv6Hdr.$size;
    const v6 = this.combine(direction, range([loadAbs(l4, 2)], low, high), range([loadAbs(l4 + 2, 2)], low, high));
    const { network } = this;
    const at = (offset: number): Condition => range([insn(BPF.LDX | BPF.B | BPF.MSH, network), loadInd(network + offset, 2)], low, high);
    const v4 = and(this.unfragmented(), this.combine(direction, at(TcpHdr.source.offset), at(TcpHdr.dest.offset)));
    const any = (offset: number): Condition => anyOf(protocols.map((p) => field(network + offset, 1, PROTOCOLS[p])));
    return or(
      allOf([this.etherType(ETH_P.IPV6), any(Ipv6Hdr.nexthdr.offset), v6]),
      allOf([this.etherType(ETH_P.IP), any(IpHdr.protocol.offset), v4]),
    );
  }

  /** A protocol by its keyword: `arp`, `tcp`, `icmp6` … */
  named(name: string): Condition {
    if (Object.hasOwn(ETHER_TYPES, name)) return this.etherType(ETHER_TYPES[name]);
    if (name === 'icmp' || name === 'igmp') return this.ipProtocol(PROTOCOLS[name]);
    if (name === 'icmp6') return this.ip6Protocol(PROTOCOLS[name]);
    return or(this.ip6Protocol(PROTOCOLS[name]), this.ipProtocol(PROTOCOLS[name]));
  }
  ipProtocol(n: number): Condition {
    return and(this.etherType(ETH_P.IP), field(this.network + IpHdr.protocol.offset, 1, n));
  }
  /** Also behind a fragment header; not behind others. */
  ip6Protocol(n: number): Condition {
    const next = this.network + Ipv6Hdr.nexthdr.offset;
    const fragment = and(field(next, 1, FRAGMENT), field(this.network + FRAGMENT_NEXT, 1, n));
    return and(this.etherType(ETH_P.IPV6), or(field(next, 1, n), fragment));
  }

  broadcast(protocol: string | undefined): Condition {
    if (protocol === 'ip') throw new FilterError("netmask not known, so 'ip broadcast' not supported");
    if (protocol !== undefined && protocol !== 'ether') throw new FilterError('only link-layer/IP broadcast filters supported');
    return this.etherHost(new Uint8Array(6).fill(0xff), 'dst');
  }
  multicast(protocol: string | undefined): Condition {
    switch (protocol) {
      case undefined:
      case 'ether':
        this.ethernetOnly('link-layer multicast filters supported only on ethernet/FDDI/token ring/ARCNET/802.11/ATM LANE/Fibre Channel');
        return test([loadAbs(EthHdr.h_dest.offset, 1)], 1, BPF.JSET);
      case 'ip':
        return and(this.etherType(ETH_P.IP), test([loadAbs(this.network + IpHdr.daddr.offset, 1)], 224, BPF.JGE));
      case 'ip6':
        return and(this.etherType(ETH_P.IPV6), field(this.network + Ipv6Hdr.daddr.offset, 1, 0xff));
      default:
        throw new FilterError('link-layer/IP/IPv6 multicast filters supported only');
    }
  }

  /** A tagged frame; what follows in the expression looks behind the tag. */
  vlan(id: number | undefined): Condition {
    this.ethernetOnly(`no VLAN support for ${this.link.name}`);
    if (id !== undefined && id > 0xfff) throw new FilterError(`VLAN tag ${id} greater than maximum 4095`);
    const tagged = anyOf(VLAN_TYPES.map((t) => this.etherType(t)));
    const tci = this.network;
    this.shift += 4;
    return id === undefined ? tagged : and(tagged, field(tci, 2, id, 0x0fff));
  }

  direction(inbound: boolean): Condition {
    const outgoing = field(SKF_AD_OFF + SKF_AD.PKTTYPE, 2, PACKET_OUTGOING);
    return inbound ? not(outgoing) : outgoing;
  }

  /** Where `name[…]` counts from: conditions that must hold, and loads that leave the base's variable part in X. */
  base(name: string): { readonly guard: Condition | undefined; readonly offset: number; readonly header: number | undefined } {
    if (name === 'ether' || name === 'link') return { guard: undefined, offset: 0, header: undefined };
    if (Object.hasOwn(ETHER_TYPES, name)) return { guard: this.etherType(ETHER_TYPES[name]), offset: this.network, header: undefined };
    if (name === 'icmp6') return { guard: this.ip6Protocol(PROTOCOLS.icmp6), offset: this.network + Ipv6Hdr.$size, header: undefined };
    return { guard: and(this.ipProtocol(PROTOCOLS[name]), this.unfragmented()), offset: this.network, header: this.network };
  }

  private unfragmented(): Condition {
    return not(test([loadAbs(this.network + IpHdr.frag_off.offset, 2)], IP_OFFSET, BPF.JSET));
  }

  private directed(direction: Direction, source: number, destination: number, address: Uint8Array, mask: Uint8Array): Condition {
    return this.combine(direction, this.bytes(this.network + source, address, mask), this.bytes(this.network + destination, address, mask));
  }
  private bytes(at: number, address: Uint8Array, mask: Uint8Array): Condition {
    const parts: Condition[] = [];
    for (let i = 0; i < address.length; i += 4) if (word(mask, i) !== 0) parts.push(field(at + i, 4, word(address, i), word(mask, i)));
    return parts.length === 0 ? { kind: 'always' } : allOf(parts);
  }
  private combine(direction: Direction, source: Condition, destination: Condition): Condition {
    if (direction === 'src') return source;
    if (direction === 'dst') return destination;
    return direction === 'both' ? and(source, destination) : or(source, destination);
  }
  private ethernetOnly(otherwise: string): void {
    if (this.link.name !== 'EN10MB') throw new FilterError(otherwise);
  }
}

/** The 16-bit value after `loads` lies in the range. */
function range(loads: readonly ReturnType<typeof insn>[], low: number, high: number): Condition {
  return low === high ? test(loads, low) : and(test(loads, low, BPF.JGE), not(test(loads, high, BPF.JGT)));
}

/** Names usable in `name[expr:size]`. */
export const isBase = (name: string): boolean =>
  name === 'ether' || name === 'link' || Object.hasOwn(ETHER_TYPES, name) || Object.hasOwn(PROTOCOLS, name);
