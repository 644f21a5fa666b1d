// ARP: asking, answering, and learning (Linux: net/ipv4/arp.c; RFC 826, RFC 5227).
import { ARPOP_REPLY, ARPOP_REQUEST, ArpHdr, ETH_P, IpHdr } from '../../wire/headers.ts';
import type { Kernel } from '../kernel.ts';
import { IFF, type NetDevice } from '../net_device.ts';
import type { NetdevEvent } from '../netdev_events.ts';
import { AF, NUD, RTN, RT_SCOPE } from '../rtnl_records.ts';
import { PACKET_HOST, PACKET_LOOPBACK, PACKET_OTHERHOST, type SkBuff } from '../skbuff.ts';
import { skb_network_header, skb_reserve, skb_reset_network_header } from '../skb_inline.ts';
import { inDev, ipv4Net } from './ipv4_net.ts';
import { NEIGH_OUT, NEIGH_UPDATE_F, NUD_VALID, type NeighProtocol, type NeighTable, type Neighbour } from './neigh_table.ts';
import type { NeighCore } from './neighbour.ts';
import type { Rtable } from './route.ts';

export function v4bytes(a: number): Uint8Array {
  const b = new Uint8Array(4);
  b[0] = a >>> 24;
  b[1] = a >>> 16;
  b[2] = a >>> 8;
  b[3] = a;
  return b;
}
export const v4number = (b: Uint8Array): number => ((b[0] << 24) | (b[1] << 16) | (b[2] << 8) | b[3]) >>> 0;

/** Headroom that a link-layer header of the device needs, rounded as Linux does. */
export const LL_RESERVED_SPACE = (dev: NetDevice): number => ((dev.hard_header_len + dev.needed_headroom) & ~15) + 16;

export class Arp implements NeighProtocol {
  /** A member of an operation table, and inline functions. */
  static readonly inlined: readonly string[] = ['error_report'];
  readonly tbl: NeighTable;
  private readonly sha = new Uint8Array(6);

  constructor(
    readonly kernel: Kernel,
    neigh: NeighCore,
  ) {
    this.tbl = neigh.neigh_table_init(AF.INET, 'arp_cache', this, ETH_P.IP, 1000);
  }

  construct(n: Neighbour): number {
    return this.arp_constructor(n);
  }

  arp_constructor(n: Neighbour): number {
    const { dev } = n;
    const { fib } = this.kernel.ipv4;
    n.type = fib.inet_addr_type(dev.net, n.key as number);
    if (dev.addr_len === 0) {
      n.nud_state = NUD.NOARP;
      n.output = NEIGH_OUT.DIRECT;
      return 0;
    }
    if (n.type === RTN.MULTICAST) {
      n.nud_state = NUD.NOARP;
      const key = n.key as number;
      n.ha.set([0x01, 0x00, 0x5e, (key >>> 16) & 0x7f, (key >>> 8) & 0xff, key & 0xff]);
    } else if ((dev.flags & (IFF.NOARP | IFF.LOOPBACK)) !== 0) {
      n.nud_state = NUD.NOARP;
      n.ha.set(dev.dev_addr);
    } else if (n.type === RTN.BROADCAST || (dev.flags & IFF.POINTOPOINT) !== 0) {
      n.nud_state = NUD.NOARP;
      n.ha.set(dev.broadcast);
    }
    n.output = (n.nud_state & NUD_VALID) !== 0 ? NEIGH_OUT.CONNECTED : NEIGH_OUT.RESOLVE;
    return 0;
  }

  /** The entry for a next hop; on loopback there is one for all. */
  lookupOrCreate(dev: NetDevice, addr: number): Neighbour | undefined {
    const key = (dev.flags & (IFF.LOOPBACK | IFF.POINTOPOINT)) !== 0 ? 0 : addr;
    const { neigh } = this.kernel.ipv4;
    return neigh.neigh_lookup(this.tbl, key, dev) ?? neigh.__neigh_create(this.tbl, key, v4bytes(key), dev);
  }

  solicit(n: Neighbour, skb: SkBuff | undefined): void {
    this.arp_solicit(n, skb);
  }

  arp_solicit(n: Neighbour, skb: SkBuff | undefined): void {
    const { dev } = n;
    const idev = inDev(dev);
    if (idev === undefined) return;
    const { devinet, fib } = this.kernel.ipv4;
    const target = n.key as number;
    const announce = Math.max(idev.cnf.arp_announce, ipv4Net(dev.net).confAll.arp_announce);
    let saddr = 0;
    if (skb !== undefined && announce < 2) {
      const own = IpHdr.saddr.get(this.kernel.skb.ram, skb_network_header(skb));
      if (fib.inet_addr_type(dev.net, own) === RTN.LOCAL && (announce === 0 || devinet.inet_addr_onlink(idev, target, own))) saddr = own;
    }
    if (saddr === 0) saddr = devinet.inet_select_addr(dev, target, RT_SCOPE.LINK);
    if (n.probes < n.parms.ucast_solicit) {
      this.arp_send(ARPOP_REQUEST, target, dev, saddr, n.ha, dev.dev_addr, undefined);
      return;
    }
    if (n.probes - n.parms.ucast_solicit >= n.parms.app_solicit)
      this.arp_send(ARPOP_REQUEST, target, dev, saddr, undefined, dev.dev_addr, undefined);
  }

  error_report(n: Neighbour, skb: SkBuff): void {
    this.arp_error_report(n, skb);
  }

  arp_error_report(_n: Neighbour, skb: SkBuff): void {
    this.kernel.ipv4.route.ipv4_link_failure(skb);
    this.kernel.skb.kfree_skb_reason(skb, 'NEIGH_FAILED');
  }

  /** Sends to `dest_hw`, or to everybody. `target_hw` goes into the packet (zeros when undefined). */
  arp_send(
    op: number,
    dest_ip: number,
    dev: NetDevice,
    src_ip: number,
    dest_hw: Uint8Array | undefined,
    src_hw: Uint8Array,
    target_hw: Uint8Array | undefined,
  ): void {
    if ((dev.flags & IFF.NOARP) !== 0) return;
    const skb = this.arp_create(op, dest_ip, dev, src_ip, dest_hw, src_hw, target_hw);
    if (skb !== undefined) this.arp_xmit(skb);
  }

  arp_create(
    op: number,
    dest_ip: number,
    dev: NetDevice,
    src_ip: number,
    dest_hw: Uint8Array | undefined,
    src_hw: Uint8Array,
    target_hw: Uint8Array | undefined,
  ): SkBuff | undefined {
    const { skb: skbs } = this.kernel;
    const hlen = LL_RESERVED_SPACE(dev);
    const skb = skbs.alloc_skb(ArpHdr.$size + hlen);
    if (skb === undefined) return undefined;
    skb_reserve(skb, hlen);
    skb_reset_network_header(skb);
    const at = skbs.skb_put(skb, ArpHdr.$size);
    skb.dev = dev;
    skb.protocol = ETH_P.ARP;
    const { ram } = skbs;
    ArpHdr.ar_hrd.set(ram, at, dev.type);
    ArpHdr.ar_pro.set(ram, at, ETH_P.IP);
    ArpHdr.ar_hln.set(ram, at, 6);
    ArpHdr.ar_pln.set(ram, at, 4);
    ArpHdr.ar_op.set(ram, at, op);
    ram.write(at + ArpHdr.ar_sha.offset, src_hw, 0, 6);
    ArpHdr.ar_sip.set(ram, at, src_ip);
    ram.write(at + ArpHdr.ar_tha.offset, target_hw ?? ZERO_MAC, 0, 6);
    ArpHdr.ar_tip.set(ram, at, dest_ip);
    this.kernel.charge(this.kernel.platform.costs.ip_layer);
    if (this.kernel.net.eth.eth_header(skb, dev, ETH_P.ARP, dest_hw ?? dev.broadcast, src_hw, skb.len) < 0) {
      skbs.kfree_skb(skb);
      return undefined;
    }
    return skb;
  }

  arp_xmit(skb: SkBuff): void {
    this.kernel.net.xmit.dev_queue_xmit(skb);
  }

  arp_rcv(skb: SkBuff, dev: NetDevice): number {
    const { skb: skbs } = this.kernel;
    if ((dev.flags & IFF.NOARP) !== 0 || skb.pkt_type === PACKET_OTHERHOST || skb.pkt_type === PACKET_LOOPBACK) {
      skbs.consume_skb(skb);
      return 0;
    }
    const own = skbs.skb_share_check(skb);
    if (own === undefined) return 0;
    const { ram } = skbs;
    if (
      !skbs.pskb_may_pull(own, ArpHdr.$size) ||
      ArpHdr.ar_hln.get(ram, skb_network_header(own)) !== 6 ||
      ArpHdr.ar_pln.get(ram, skb_network_header(own)) !== 4
    ) {
      skbs.kfree_skb(own);
      return 0;
    }
    return this.arp_process(own, dev);
  }

  arp_process(skb: SkBuff, dev: NetDevice): number {
    const { skb: skbs, ipv4 } = this.kernel;
    const { ram } = skbs;
    const idev = inDev(dev);
    const at = skb_network_header(skb);
    const op = ArpHdr.ar_op.get(ram, at);
    const sip = ArpHdr.ar_sip.get(ram, at);
    const tip = ArpHdr.ar_tip.get(ram, at);
    this.kernel.charge(this.kernel.platform.costs.ip_layer);
    if (
      idev === undefined ||
      ArpHdr.ar_hrd.get(ram, at) !== dev.type ||
      ArpHdr.ar_pro.get(ram, at) !== ETH_P.IP ||
      (op !== ARPOP_REPLY && op !== ARPOP_REQUEST) ||
      tip >>> 28 === 0xe ||
      (idev.cnf.route_localnet === 0 && tip >>> 24 === 127)
    ) {
      skbs.kfree_skb(skb);
      return 0;
    }
    const { sha } = this;
    ram.read(at + ArpHdr.ar_sha.offset, sha, 0, 6);
    if (sip === 0) {
      if (op === ARPOP_REQUEST && ipv4.fib.inet_addr_type(dev.net, tip) === RTN.LOCAL && !this.arp_ignore(dev, sip, tip))
        this.arp_send(ARPOP_REPLY, sip, dev, tip, sha.slice(), dev.dev_addr, sha.slice());
      skbs.consume_skb(skb);
      return 0;
    }
    if (op === ARPOP_REQUEST) {
      const rt = ipv4.route.ip_route_input_noref(skb, tip, sip, 0, dev);
      if (rt !== undefined && rt.rt_type === RTN.LOCAL) {
        if (!this.arp_ignore(dev, sip, tip) && !this.arp_filter(sip, tip, dev)) {
          const hw = sha.slice();
          if (this.neigh_event_ns(hw, sip, dev) !== undefined) this.arp_send(ARPOP_REPLY, sip, dev, tip, hw, dev.dev_addr, hw);
        }
        skbs.consume_skb(skb);
        return 0;
      }
      if (rt !== undefined && idev.cnf.forwarding !== 0 && this.arp_fwd_proxy(dev, rt, tip)) {
        const hw = sha.slice();
        if (this.neigh_event_ns(hw, sip, dev) !== undefined) this.arp_send(ARPOP_REPLY, sip, dev, tip, hw, dev.dev_addr, hw);
        skbs.consume_skb(skb);
        return 0;
      }
    }
    this.learn(skb, dev, op, sip, tip);
    skbs.consume_skb(skb);
    return 0;
  }

  /** Updates a known entry from what the packet says; gratuitous packets create one only with arp_accept. */
  private learn(skb: SkBuff, dev: NetDevice, op: number, sip: number, tip: number): void {
    const { neigh, fib } = this.kernel.ipv4;
    const isGarp = sip === tip && (op === ARPOP_REQUEST || op === ARPOP_REPLY);
    let n = neigh.neigh_lookup(this.tbl, sip, dev);
    const accept = inDev(dev)?.cnf.arp_accept === 1;
    if (n === undefined && accept && (isGarp || op === ARPOP_REPLY) && fib.inet_addr_type(dev.net, sip) === RTN.UNICAST)
      n = this.lookupOrCreate(dev, sip);
    if (n === undefined) return;
    const override = this.kernel.now() > n.updated + n.parms.locktime_ms * 1e6 || isGarp;
    const state = op !== ARPOP_REPLY || skb.pkt_type !== PACKET_HOST ? NUD.STALE : NUD.REACHABLE;
    neigh.neigh_update(n, this.sha, state, override ? NEIGH_UPDATE_F.OVERRIDE : 0);
  }

  neigh_event_ns(sha: Uint8Array, sip: number, dev: NetDevice): Neighbour | undefined {
    const n = this.lookupOrCreate(dev, sip);
    if (n !== undefined) this.kernel.ipv4.neigh.neigh_update(n, sha, NUD.STALE, NEIGH_UPDATE_F.OVERRIDE);
    return n;
  }

  /** Linux: arp_ignore(). Should the request stay unanswered? */
  arp_ignore(dev: NetDevice, sip: number, tip: number): boolean {
    const idev = inDev(dev);
    const has = idev?.ifa_list.find((a) => a.local === tip);
    switch (Math.max(idev?.cnf.arp_ignore ?? 0, ipv4Net(dev.net).confAll.arp_ignore)) {
      case 0:
        return false;
      case 1:
        return has === undefined;
      case 2:
        return has === undefined || ((has.address ^ sip) & has.mask) !== 0;
      case 3: {
        const scoped = this.kernel.ipv4.devinet.__ip_dev_find(dev.net, tip);
        return scoped === undefined || inDev(scoped)?.ifa_list.find((a) => a.local === tip)?.scope === RT_SCOPE.HOST;
      }
      case 8:
        return true;
      default:
        return false;
    }
  }

  arp_filter(sip: number, tip: number, dev: NetDevice): boolean {
    if (inDev(dev)?.cnf.arp_filter !== 1 && ipv4Net(dev.net).confAll.arp_filter !== 1) return false;
    const rt = this.kernel.ipv4.route.ip_route_output(dev.net, sip, tip, 0);
    if (typeof rt === 'number') return true;
    if (rt.dev === dev) return false;
    ipv4Net(dev.net).mib.arpFilter++;
    return true;
  }

  arp_fwd_proxy(dev: NetDevice, rt: Rtable, tip: number): boolean {
    if (rt.dev === dev) return false;
    const proxied = this.tbl.proxies.some((p) => p.net === dev.net && (p.dev === undefined || p.dev === dev) && v4number(p.addr) === tip);
    return proxied || inDev(dev)?.cnf.proxy_arp === 1 || ipv4Net(dev.net).confAll.proxy_arp === 1;
  }

  arp_invalidate(dev: NetDevice, ip: number): void {
    const { neigh } = this.kernel.ipv4;
    const n = neigh.neigh_lookup(this.tbl, ip, dev);
    if (n === undefined) return;
    if ((n.nud_state & NUD_VALID & ~NUD.NOARP) !== 0)
      neigh.neigh_update(n, undefined, NUD.FAILED, NEIGH_UPDATE_F.OVERRIDE | NEIGH_UPDATE_F.ADMIN);
    neigh.neigh_remove_one(n);
  }

  arp_ifdown(dev: NetDevice): void {
    this.kernel.ipv4.neigh.neigh_ifdown(this.tbl, dev);
  }

  arp_netdev_event(event: NetdevEvent, dev: NetDevice, flagsChanged: number): void {
    const { neigh } = this.kernel.ipv4;
    if (event === 'NETDEV_CHANGEADDR') {
      neigh.neigh_changeaddr(this.tbl, dev);
      ipv4Net(dev.net).rtGenid++;
    } else if (event === 'NETDEV_CHANGE') {
      if ((flagsChanged & IFF.NOARP) !== 0) neigh.neigh_changeaddr(this.tbl, dev);
      const evict = inDev(dev)?.cnf.arp_evict_nocarrier ?? 1;
      if (evict !== 0 && !this.kernel.net.link.netif_carrier_ok(dev)) neigh.neigh_carrier_down(this.tbl, dev);
    }
  }
}

const ZERO_MAC = new Uint8Array(6);
