// Reassembly of IPv4 datagrams (Linux: net/ipv4/ip_fragment.c, inet_fragment.c; RFC 791 §3.2, RFC 5722's rule on overlaps).
import type { Actor } from '../../sim/sim.ts';
import type { Gpa } from '../../base/units.ts';
import { ICMP, IP_MF, IP_OFFSET, IpHdr } from '../../wire/headers.ts';
import type { Kernel } from '../kernel.ts';
import type { NetDevice } from '../net_device.ts';
import type { Net } from '../net_namespace.ts';
import { CHECKSUM_NONE, PACKET_HOST, type SkBuff } from '../skbuff.ts';
import { skb_network_header, skb_reserve, skb_reset_network_header } from '../skb_inline.ts';
import { TimerList } from '../timer.ts';
import { ipv4Net, type Ipv4Net } from './ipv4_net.ts';
import { IPSTATS } from './mib.ts';

/** Pieces of one datagram, by offset. */
export class FragQueue {
  readonly pieces: SkBuff[] = [];
  readonly timer: TimerList;
  /** Length of the whole payload once the last piece is here, -1 before. */
  total = -1;
  meat = 0;
  mem = 0;
  constructor(
    readonly net: Net,
    readonly key: string,
    owner: Actor,
  ) {
    this.timer = new TimerList(owner, 0, this);
  }
}

export class IpFragment implements Actor {
  constructor(readonly kernel: Kernel) {}

  onEvent(_op: number, arg: unknown): void {
    this.ip_expire(arg as FragQueue);
  }

  /** The whole datagram, or undefined: the piece was kept or dropped. */
  ip_defrag(skb: SkBuff): SkBuff | undefined {
    const { skb: skbs } = this.kernel;
    const { ram } = skbs;
    const dev = skb.dev as NetDevice;
    const n4 = ipv4Net(dev.net);
    n4.mib.ip[IPSTATS.ReasmReqds]++;
    const at = skb_network_header(skb);
    const key = `${ram.u32be(at + 12)} ${ram.u32be(at + 16)} ${ram.u16be(at + 4)} ${ram.u8(at + 9)}`;
    let q = n4.frags.get(key);
    if (q === undefined) {
      if (n4.fragMem > n4.sysctl.ipfrag_high_thresh) {
        n4.mib.ip[IPSTATS.ReasmFails]++;
        skbs.kfree_skb(skb);
        return undefined;
      }
      q = new FragQueue(dev.net, key, this);
      n4.frags.set(key, q);
      this.kernel.timers.startIn(q.timer, n4.sysctl.ipfrag_time * 1e9);
    }
    return this.ip_frag_queue(n4, q, skb);
  }

  ip_frag_queue(n4: Ipv4Net, q: FragQueue, skb: SkBuff): SkBuff | undefined {
    const { skb: skbs } = this.kernel;
    const { ram } = skbs;
    const at = skb_network_header(skb);
    const field = IpHdr.frag_off.get(ram, at);
    const offset = (field & IP_OFFSET) << 3;
    const hlen = (ram.u8(at) & 15) * 4;
    let length = skb.len - hlen;
    if ((field & IP_MF) !== 0) length &= ~7;
    const end = offset + length;
    if ((field & IP_MF) === 0) {
      if (q.total >= 0 && q.total !== end) return this.drop(n4, skb);
      q.total = end;
    } else if (length === 0 || (q.total >= 0 && end > q.total)) return this.drop(n4, skb);
    if (end > 0xffff) return this.drop(n4, skb);
    skb.cb2 = offset;
    skb.cb3 = length;
    const i = q.pieces.findIndex((p) => p.cb2 + p.cb3 > offset);
    const next = i < 0 ? undefined : q.pieces[i];
    if (next !== undefined && next.cb2 < end) {
      if (next.cb2 <= offset && next.cb2 + next.cb3 >= end) {
        skbs.kfree_skb_reason(skb, 'DUP_FRAG');
        return undefined;
      }
      n4.mib.ip[IPSTATS.ReasmOverlaps]++;
      this.kill(n4, q);
      return this.drop(n4, skb);
    }
    q.pieces.splice(i < 0 ? q.pieces.length : i, 0, skb);
    q.meat += length;
    q.mem += skb.truesize;
    n4.fragMem += skb.truesize;
    const { dst } = skb;
    skb.dst = undefined;
    if (q.total < 0 || q.meat !== q.total) return undefined;
    const whole = this.ip_frag_reasm(n4, q);
    if (whole !== undefined) whole.dst = dst;
    return whole;
  }

  private drop(n4: Ipv4Net, skb: SkBuff): undefined {
    n4.mib.ip[IPSTATS.ReasmFails]++;
    this.kernel.skb.kfree_skb(skb);
    return undefined;
  }

  private kill(n4: Ipv4Net, q: FragQueue): void {
    this.kernel.timers.del_timer(q.timer);
    n4.frags.delete(q.key);
    n4.fragMem -= q.mem;
    for (const p of q.pieces.splice(0)) this.kernel.skb.kfree_skb(p);
  }

  /** One skb of all pieces, with the first one's header. */
  ip_frag_reasm(n4: Ipv4Net, q: FragQueue): SkBuff | undefined {
    const { skb: skbs, ipv4 } = this.kernel;
    const { ram } = skbs;
    const first = q.pieces[0];
    const from = skb_network_header(first);
    const hlen = (ram.u8(from) & 15) * 4;
    const whole = hlen + q.total > 0xffff ? undefined : skbs.alloc_skb(64 + hlen + q.total);
    if (whole === undefined) {
      n4.mib.ip[IPSTATS.ReasmFails]++;
      this.kill(n4, q);
      return undefined;
    }
    skb_reserve(whole, 64);
    skb_reset_network_header(whole);
    const at = skbs.skb_put(whole, hlen + q.total);
    ram.copy(at, from, hlen);
    for (const p of q.pieces) skbs.skb_copy_bits(p, hlen, (at + hlen + p.cb2) as Gpa, p.cb3);
    whole.parent = first.id;
    whole.dev = first.dev;
    whole.protocol = first.protocol;
    whole.pkt_type = first.pkt_type;
    whole.skb_iif = first.skb_iif;
    whole.tstamp = first.tstamp;
    whole.mark = first.mark;
    whole.ip_summed = CHECKSUM_NONE;
    whole.transport_header = whole.network_header + hlen;
    IpHdr.tot_len.set(ram, at, hlen + q.total);
    IpHdr.frag_off.set(ram, at, 0);
    ipv4.output.ip_send_check(at, hlen);
    this.kernel.charge(((q.total + 15) >> 4) * this.kernel.platform.costs.copy_per_16_bytes);
    n4.mib.ip[IPSTATS.ReasmOKs]++;
    const pieces = q.pieces.splice(0);
    this.kill(n4, q);
    for (const p of pieces) skbs.consume_skb(p);
    return whole;
  }

  /** Time is up: the sender is told when the first piece was received. */
  ip_expire(q: FragQueue): void {
    const n4 = ipv4Net(q.net);
    n4.mib.ip[IPSTATS.ReasmFails]++;
    n4.mib.ip[IPSTATS.ReasmTimeout]++;
    const first = q.pieces.at(0);
    if (first !== undefined && first.cb2 === 0) {
      const { ram } = this.kernel.skb;
      const at = skb_network_header(first);
      const rt = this.kernel.ipv4.route.ip_route_input_noref(first, ram.u32be(at + 16), ram.u32be(at + 12), 0, first.dev as NetDevice);
      if (rt !== undefined && first.pkt_type === PACKET_HOST) {
        first.dst = rt;
        this.kernel.ipv4.icmp.__icmp_send(first, ICMP.TIME_EXCEEDED, 1, 0);
      }
    }
    n4.frags.delete(q.key);
    n4.fragMem -= q.mem;
    for (const p of q.pieces.splice(0)) this.kernel.skb.kfree_skb_reason(p, 'FRAG_REASM_TIMEOUT');
  }
}
