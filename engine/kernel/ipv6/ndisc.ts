// Neighbour discovery: solicitations, advertisements, router solicitations (Linux: net/ipv6/ndisc.c; RFC 4861).
import { csumFold, csumPartial, pseudoHeaderSum6 } from '../../wire/checksum.ts';
import { ETH_P, ICMPV6, IPPROTO, Ipv6Hdr } from '../../wire/headers.ts';
import type { Gpa } from '../../base/units.ts';
import type { Kernel } from '../kernel.ts';
import { IFF, type NetDevice } from '../net_device.ts';
import { AF, IFA_F, NUD, RTN } from '../rtnl_records.ts';
import type { SkBuff } from '../skbuff.ts';
import { skb_network_header, skb_transport_header } from '../skb_inline.ts';
import { NEIGH_OUT, NEIGH_UPDATE_F, NUD_VALID, type NeighProtocol, type NeighTable, type Neighbour } from '../ipv4/neigh_table.ts';
import type { NeighCore } from '../ipv4/neighbour.ts';
import { IN6_LL_ALLNODES, eq6, isAny6, isMulticast6, multicastMac6, solicitedNode, v6key } from './in6.ts';
import { in6Dev, ipv6Net } from './ipv6_net.ts';

/** Option types, RFC 4861 §4.6 and RFC 3971 §5.3.2 */
const ND_OPT = { SOURCE_LL_ADDR: 1, TARGET_LL_ADDR: 2, NONCE: 14 } as const;

export class Ndisc implements NeighProtocol {
  static readonly inlined: readonly string[] = ['error_report'];
  readonly tbl: NeighTable;
  constructor(
    readonly kernel: Kernel,
    neigh: NeighCore,
  ) {
    this.tbl = neigh.neigh_table_init(AF.INET6, 'ndisc_cache', this, ETH_P.IPV6, 0);
  }

  construct(n: Neighbour): number {
    return this.ndisc_constructor(n);
  }

  ndisc_constructor(n: Neighbour): number {
    const { dev } = n;
    const multicast = isMulticast6(n.addr);
    n.type = multicast ? RTN.MULTICAST : RTN.UNICAST;
    if (dev.addr_len === 0) {
      n.nud_state = NUD.NOARP;
      n.output = NEIGH_OUT.DIRECT;
      return 0;
    }
    if (multicast) {
      n.nud_state = NUD.NOARP;
      n.ha.set(multicastMac6(n.addr));
    } else if ((dev.flags & (IFF.NOARP | IFF.LOOPBACK)) !== 0) {
      n.nud_state = NUD.NOARP;
      n.ha.set(dev.dev_addr);
      if ((dev.flags & IFF.LOOPBACK) !== 0) n.type = RTN.LOCAL;
    } else if ((dev.flags & IFF.POINTOPOINT) !== 0) {
      n.nud_state = NUD.NOARP;
      n.ha.set(dev.broadcast);
    }
    n.output = (n.nud_state & NUD_VALID) !== 0 ? NEIGH_OUT.CONNECTED : NEIGH_OUT.RESOLVE;
    return 0;
  }

  lookupOrCreate(dev: NetDevice, addr: Uint8Array): Neighbour | undefined {
    const { neigh } = this.kernel.ipv4;
    const key = v6key(addr);
    return neigh.neigh_lookup(this.tbl, key, dev) ?? neigh.__neigh_create(this.tbl, key, addr.slice(), dev);
  }

  solicit(n: Neighbour, skb: SkBuff | undefined): void {
    this.ndisc_solicit(n, skb);
  }

  ndisc_solicit(n: Neighbour, skb: SkBuff | undefined): void {
    const { dev } = n;
    let saddr: Uint8Array | undefined;
    if (skb !== undefined && skb.network_header >= 0) {
      const source = this.readAddr(skb_network_header(skb) + Ipv6Hdr.saddr.offset);
      if (this.kernel.ipv6.addrconf.ipv6_chk_addr(dev.net, source, dev)) saddr = source;
    }
    if (n.probes < n.parms.ucast_solicit) this.ndisc_send_ns(dev, n.addr, n.addr, saddr, undefined);
    else if (n.probes - n.parms.ucast_solicit >= n.parms.app_solicit)
      this.ndisc_send_ns(dev, n.addr, solicitedNode(n.addr), saddr, undefined);
  }

  error_report(_n: Neighbour, skb: SkBuff): void {
    this.ndisc_error_report(skb);
  }

  ndisc_error_report(skb: SkBuff): void {
    this.kernel.ipv6.icmp.icmp6_send(skb, ICMPV6.DEST_UNREACH, 3, 0);
    this.kernel.skb.kfree_skb_reason(skb, 'NEIGH_FAILED');
  }

  private readAddr(at: number): Uint8Array {
    const out = new Uint8Array(16);
    this.kernel.skb.ram.read(at, out, 0, 16);
    return out;
  }

  /** A message: ICMPv6 header words, then 16 bytes of target (or none), then options. */
  private send(
    dev: NetDevice,
    type: number,
    word: number,
    target: Uint8Array | undefined,
    options: readonly (readonly [number, Uint8Array])[],
    saddr: Uint8Array,
    daddr: Uint8Array,
  ): void {
    const { ipv6, skb: skbs } = this.kernel;
    const length = 8 + (target === undefined ? 0 : 16) + 8 * options.length;
    const skb = ipv6.output.ip6_alloc(dev, 40 + length);
    if (skb === undefined) return;
    const { ram } = skbs;
    const at = skbs.skb_put(skb, 40 + length);
    skb.transport_header = skb.network_header + 40;
    ipv6.output.ip6_nd_hdr(at, saddr, daddr, IPPROTO.ICMPV6, 255, length);
    const body = at + 40;
    ram.setU32be(body, type << 24);
    ram.setU32be(body + 4, word);
    let option = body + 8;
    if (target !== undefined) {
      ram.write(option, target, 0, 16);
      option += 16;
    }
    for (const [kind, bytes] of options) {
      ram.setU8(option, kind);
      ram.setU8(option + 1, 1);
      ram.write(option + 2, bytes, 0, 6);
      option += 8;
    }
    const sum = pseudoHeaderSum6(ram, at + Ipv6Hdr.saddr.offset, at + Ipv6Hdr.daddr.offset, IPPROTO.ICMPV6, length);
    ram.setU16be(body + 2, csumFold(csumPartial(ram, body, length, sum)));
    this.kernel.charge(this.kernel.platform.costs.ip_layer);
    ipv6.output.sendLinkLocal(skb, daddr, type);
  }

  /** `saddr` undefined: the link-local address; unspecified: duplicate address detection. */
  ndisc_send_ns(dev: NetDevice, target: Uint8Array, daddr: Uint8Array, saddr: Uint8Array | undefined, nonce: Uint8Array | undefined): void {
    const source = saddr ?? this.kernel.ipv6.addrconf.ipv6_get_lladdr(dev, IFA_F.TENTATIVE | IFA_F.OPTIMISTIC);
    if (source === undefined) return;
    const options: [number, Uint8Array][] = [];
    if (!isAny6(source) && dev.addr_len === 6) options.push([ND_OPT.SOURCE_LL_ADDR, dev.dev_addr]);
    if (nonce !== undefined) options.push([ND_OPT.NONCE, nonce]);
    this.send(dev, ICMPV6.NS, 0, target, options, source, daddr);
  }

  ndisc_send_na(dev: NetDevice, daddr: Uint8Array, target: Uint8Array, router: boolean, solicited: boolean, override: boolean): void {
    const { addrconf } = this.kernel.ipv6;
    const own = addrconf.ipv6_get_ifaddr(dev, target);
    const source = own !== undefined ? target : addrconf.ipv6_dev_get_saddr(dev.net, dev, daddr);
    if (source === undefined) return;
    const flags = ((router ? 0x80000000 : 0) | (solicited ? 0x40000000 : 0) | (override ? 0x20000000 : 0)) >>> 0;
    this.send(dev, ICMPV6.NA, flags, target, [[ND_OPT.TARGET_LL_ADDR, dev.dev_addr]], source, daddr);
  }

  ndisc_send_rs(dev: NetDevice, saddr: Uint8Array, daddr: Uint8Array): void {
    const options: [number, Uint8Array][] = isAny6(saddr) ? [] : [[ND_OPT.SOURCE_LL_ADDR, dev.dev_addr]];
    this.send(dev, ICMPV6.RS, 0, undefined, options, saddr, daddr);
  }

  ndisc_rcv(skb: SkBuff): void {
    const { skb: skbs } = this.kernel;
    const { ram } = skbs;
    if (skbs.skb_linearize(skb) !== 0) return;
    const at = skb_transport_header(skb);
    const iph = skb_network_header(skb);
    if (Ipv6Hdr.hop_limit.get(ram, iph) !== 255 || ram.u8(at + 1) !== 0) return;
    switch (ram.u8(at)) {
      case ICMPV6.NS:
        this.ndisc_recv_ns(skb);
        break;
      case ICMPV6.NA:
        this.ndisc_recv_na(skb);
        break;
      case ICMPV6.RS:
        this.ndisc_recv_rs(skb);
        break;
      default:
        break;
    }
  }

  /** Value of an option, undefined when absent or when the options are malformed. */
  private option(skb: SkBuff, from: Gpa, kind: number): Uint8Array | undefined {
    const { ram } = this.kernel.skb;
    const end = skb_transport_header(skb) + (skb.len - (skb_transport_header(skb) - skb.data));
    for (let at: number = from; at + 8 <= end;) {
      const length = ram.u8(at + 1) * 8;
      if (length === 0) return undefined;
      if (ram.u8(at) === kind) {
        const out = new Uint8Array(6);
        ram.read(at + 2, out, 0, 6);
        return out;
      }
      at += length;
    }
    return undefined;
  }

  ndisc_recv_ns(skb: SkBuff): void {
    const { ipv4, ipv6 } = this.kernel;
    const dev = skb.dev as NetDevice;
    const iph = skb_network_header(skb);
    const at = skb_transport_header(skb);
    const saddr = this.readAddr(iph + Ipv6Hdr.saddr.offset);
    const daddr = this.readAddr(iph + Ipv6Hdr.daddr.offset);
    const target = this.readAddr(at + 8);
    const dad = isAny6(saddr);
    if (isMulticast6(target) || (dad && !(daddr[0] === 0xff && daddr[11] === 1 && daddr[12] === 0xff))) return;
    const lladdr = this.option(skb, (at + 24) as Gpa, ND_OPT.SOURCE_LL_ADDR);
    if (dad && lladdr !== undefined) return;
    const ifp = ipv6.addrconf.ipv6_get_ifaddr(dev, target);
    if (ifp === undefined) {
      this.maybeProxy(dev, target, saddr, lladdr, dad, !isMulticast6(daddr));
      return;
    }
    if ((ifp.flags & (IFA_F.TENTATIVE | IFA_F.OPTIMISTIC)) !== 0) {
      if (!dad) return;
      const nonce = this.option(skb, (at + 24) as Gpa, ND_OPT.NONCE);
      // our own probe, looped back
      if (nonce !== undefined && ifp.dad_nonce !== undefined && nonce.every((b, i) => b === ifp.dad_nonce?.[i])) return;
      ipv6.addrconf.addrconf_dad_failure(ifp, this.sender(skb));
      return;
    }
    const router = (in6Dev(dev)?.cnf.forwarding ?? 0) !== 0;
    if (dad) {
      this.ndisc_send_na(dev, IN6_LL_ALLNODES, target, router, false, true);
      return;
    }
    const inc = isMulticast6(daddr);
    if (inc) ipv4.neigh.stat(this.tbl).rcv_probes_mcast++;
    else ipv4.neigh.stat(this.tbl).rcv_probes_ucast++;
    const n = inc || lladdr !== undefined ? this.lookupOrCreate(dev, saddr) : ipv4.neigh.neigh_lookup(this.tbl, v6key(saddr), dev);
    if (n !== undefined) ipv4.neigh.neigh_update(n, lladdr, NUD.STALE, NEIGH_UPDATE_F.WEAK_OVERRIDE | NEIGH_UPDATE_F.OVERRIDE);
    this.ndisc_send_na(dev, saddr, target, router, true, inc);
  }

  private sender(skb: SkBuff): string {
    const mac = new Uint8Array(6);
    if (skb.mac_header >= 0) this.kernel.skb.ram.read(skb.head + skb.mac_header + 6, mac, 0, 6);
    return Array.from(mac, (b) => b.toString(16).padStart(2, '0')).join(':');
  }

  private maybeProxy(
    dev: NetDevice,
    target: Uint8Array,
    saddr: Uint8Array,
    lladdr: Uint8Array | undefined,
    dad: boolean,
    unicast: boolean,
  ): void {
    const cnf = in6Dev(dev)?.cnf;
    const proxied = this.tbl.proxies.some((p) => p.net === dev.net && (p.dev === undefined || p.dev === dev) && eq6(p.addr, target));
    if (!proxied || (cnf?.forwarding !== 1 && cnf?.proxy_ndp !== 1) || dad) return;
    const n = this.lookupOrCreate(dev, saddr);
    if (n !== undefined) this.kernel.ipv4.neigh.neigh_update(n, lladdr, NUD.STALE, NEIGH_UPDATE_F.WEAK_OVERRIDE | NEIGH_UPDATE_F.OVERRIDE);
    this.ndisc_send_na(dev, saddr, target, cnf?.forwarding === 1, true, !unicast);
  }

  ndisc_recv_na(skb: SkBuff): void {
    const { ipv4, ipv6, skb: skbs } = this.kernel;
    const dev = skb.dev as NetDevice;
    const at = skb_transport_header(skb);
    const flags = skbs.ram.u32be(at + 4);
    const solicited = (flags & 0x40000000) !== 0;
    const target = this.readAddr(at + 8);
    const daddr = this.readAddr(skb_network_header(skb) + Ipv6Hdr.daddr.offset);
    if (isMulticast6(target) || (isMulticast6(daddr) && solicited)) return;
    const lladdr = this.option(skb, (at + 24) as Gpa, ND_OPT.TARGET_LL_ADDR);
    const ifp = ipv6.addrconf.ipv6_get_ifaddr(dev, target);
    if (ifp !== undefined) {
      if ((ifp.flags & IFA_F.TENTATIVE) !== 0) ipv6.addrconf.addrconf_dad_failure(ifp, this.sender(skb));
      return;
    }
    const n = ipv4.neigh.neigh_lookup(this.tbl, v6key(target), dev);
    if (n === undefined || (n.nud_state & NUD.FAILED) !== 0) return;
    const wasRouter = (n.flags & 0x80) !== 0;
    let update: number = NEIGH_UPDATE_F.WEAK_OVERRIDE | NEIGH_UPDATE_F.OVERRIDE_ISROUTER;
    if ((flags & 0x20000000) !== 0) update |= NEIGH_UPDATE_F.OVERRIDE;
    if ((flags & 0x80000000) !== 0) update |= NEIGH_UPDATE_F.ISROUTER;
    ipv4.neigh.neigh_update(n, lladdr, solicited ? NUD.REACHABLE : NUD.STALE, update);
    if (wasRouter && (flags & 0x80000000) === 0) ipv6Net(dev.net).genid++;
  }

  /** Routers learn who asks. */
  ndisc_recv_rs(skb: SkBuff): void {
    const dev = skb.dev as NetDevice;
    if ((in6Dev(dev)?.cnf.forwarding ?? 0) === 0) return;
    const saddr = this.readAddr(skb_network_header(skb) + Ipv6Hdr.saddr.offset);
    if (isAny6(saddr)) return;
    const lladdr = this.option(skb, (skb_transport_header(skb) + 8) as Gpa, ND_OPT.SOURCE_LL_ADDR);
    const n = this.lookupOrCreate(dev, saddr);
    if (n !== undefined)
      this.kernel.ipv4.neigh.neigh_update(
        n,
        lladdr,
        NUD.STALE,
        NEIGH_UPDATE_F.WEAK_OVERRIDE | NEIGH_UPDATE_F.OVERRIDE | NEIGH_UPDATE_F.OVERRIDE_ISROUTER,
      );
  }
}
