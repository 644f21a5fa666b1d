// What a reader gets of a queued packet: bytes, sender and control data (Linux: the recvmsg functions of each protocol, ip_recv_error()).
import { IPPROTO, IpHdr, Ipv6Hdr } from '../wire/headers.ts';
import { PacketSock } from './af_packet.ts';
import { InetSock } from './ipv4/inet_sock.ts';
import { v4bytes } from './ipv4/arp.ts';
import type { Kernel } from './kernel.ts';
import type { SkBuff } from './skbuff.ts';
import { skb_mac_header, skb_mac_header_was_set, skb_network_header, skb_transport_header } from './skb_inline.ts';
import { MSG, SOCK, type Message, type Sock, type SockAddr, type SockError } from './sock.ts';

type Writable<T> = { -readonly [K in keyof T]: T[K] };

export class SockMessages {
  constructor(readonly kernel: Kernel) {}

  read(sk: Sock, skb: SkBuff, size: number): Message {
    const data = this.bytes(skb, size);
    const m: Writable<Message> = {
      data,
      length: skb.len,
      from: undefined,
      flags: skb.len > data.length ? MSG.TRUNC : 0,
      tstamp: skb.tstamp,
      ifindex: skb.dev === undefined ? 0 : skb.dev.ifindex,
      ttl: 0,
      tos: 0,
      options: undefined,
      daddr: undefined,
      err: undefined,
    };
    if (sk instanceof InetSock) this.readInet(sk, skb, m);
    else if (sk instanceof PacketSock) m.from = this.packetFrom(skb);
    return m;
  }

  private readInet(sk: InetSock, skb: SkBuff, m: Writable<Message>): void {
    const { ram } = this.kernel.skb;
    const iph = skb_network_header(skb);
    if (ram.u8(iph) >> 4 === 6) {
      const src = new Uint8Array(16);
      const dst = new Uint8Array(16);
      ram.read(iph + Ipv6Hdr.saddr.offset, src, 0, 16);
      ram.read(iph + Ipv6Hdr.daddr.offset, dst, 0, 16);
      const port = sk.protocol === IPPROTO.UDP && sk.type === SOCK.DGRAM ? ram.u16be(skb_transport_header(skb)) : 0;
      const scope = (src[0] === 0xfe && (src[1] & 0xc0) === 0x80) || src[0] === 0xff ? skb.skb_iif || (skb.dev?.ifindex ?? 0) : 0;
      m.from = { family: 10, addr: src, port, scope_id: scope };
      m.ttl = Ipv6Hdr.hop_limit.get(ram, iph);
      m.tos = (ram.u16be(iph) >> 4) & 0xff;
      if (sk.v6?.rxinfo === true) m.daddr = dst;
      return;
    }
    const port = sk.protocol === IPPROTO.UDP && sk.type === SOCK.DGRAM ? ram.u16be(skb_transport_header(skb)) : 0;
    const source = v4bytes(IpHdr.saddr.get(ram, iph));
    m.from =
      sk.family === 2
        ? { family: 2, addr: source, port }
        : { family: 10, addr: Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ...source), port, scope_id: 0 };
    const optlen = (ram.u8(iph) & 15) * 4 - 20;
    if (optlen > 0 && (sk.retopts || sk.recvopts)) {
      m.options = new Uint8Array(optlen);
      ram.read(iph + 20, m.options, 0, optlen);
    }
    m.ttl = IpHdr.ttl.get(ram, iph);
    m.tos = IpHdr.tos.get(ram, iph);
    if (sk.pktinfo) m.daddr = v4bytes(IpHdr.daddr.get(ram, iph));
  }

  private bytes(skb: SkBuff, size: number): Uint8Array {
    const length = Math.min(size, skb.len);
    this.kernel.charge(((length + 15) >> 4) * this.kernel.platform.costs.copy_per_16_bytes);
    return this.kernel.skb.toArray(skb, length);
  }

  private packetFrom(skb: SkBuff): SockAddr {
    const { dev } = skb;
    const addr = new Uint8Array(dev?.addr_len ?? 0);
    if (skb_mac_header_was_set(skb) && addr.length === 6) this.kernel.skb.ram.read(skb_mac_header(skb) + 6, addr, 0, 6);
    return { family: 17, protocol: skb.protocol, ifindex: dev?.ifindex ?? 0, hatype: dev?.type ?? 0, pkttype: skb.pkt_type, addr };
  }

  errorMessage(entry: SockError, size: number): Message {
    const { skb } = entry;
    const data = skb === undefined ? new Uint8Array(0) : this.bytes(skb, size);
    const { ram } = this.kernel.skb;
    // the header of the ICMP packet that brought the error
    const iph = skb === undefined ? 0 : skb_network_header(skb);
    const ttl = iph === 0 ? 0 : ram.u8(iph) >> 4 === 6 ? Ipv6Hdr.hop_limit.get(ram, iph) : IpHdr.ttl.get(ram, iph);
    const message: Message = {
      data,
      length: skb?.len ?? 0,
      from: entry.addr,
      flags: MSG.ERRQUEUE,
      tstamp: skb?.tstamp ?? this.kernel.now(),
      ifindex: skb?.dev?.ifindex ?? 0,
      ttl,
      tos: 0,
      options: undefined,
      daddr: undefined,
      err: entry.err,
    };
    if (skb !== undefined) this.kernel.skb.consume_skb(skb);
    return message;
  }
}
