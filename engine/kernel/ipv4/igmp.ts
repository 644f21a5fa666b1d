// IPv4 multicast memberships of devices, and IGMPv3/v2 reports about them (Linux: net/ipv4/igmp.c; RFC 3376, RFC 2236).
import type { Actor } from '../../sim/sim.ts';
import { csumFold, csumPartial } from '../../wire/checksum.ts';
import { IPPROTO, IpHdr, ETH_P } from '../../wire/headers.ts';
import type { Kernel } from '../kernel.ts';
import { IFF, type NetDevice } from '../net_device.ts';
import type { SkBuff } from '../skbuff.ts';
import { skb_reserve, skb_reset_network_header, skb_transport_header } from '../skb_inline.ts';
import { TimerList } from '../timer.ts';
import { LL_RESERVED_SPACE } from './arp.ts';
import type { InDevice } from './devinet.ts';
import { inDev, ipv4Net } from './ipv4_net.ts';

const IGMP_ALL_HOSTS = 0xe0000001;
const IGMPV3_ALL_MCR = 0xe0000016;
const IGMP_ALL_ROUTER = 0xe0000002;
const HOST_MEMBERSHIP_QUERY = 0x11;
const IGMPV2_HOST_MEMBERSHIP_REPORT = 0x16;
const IGMP_HOST_LEAVE_MESSAGE = 0x17;
const IGMPV3_HOST_MEMBERSHIP_REPORT = 0x22;
/** Group record types, RFC 3376 §4.2.12 */
const IGMPV3 = { MODE_IS_EXCLUDE: 2, CHANGE_TO_INCLUDE: 3, CHANGE_TO_EXCLUDE: 4 } as const;

const OP_IFC = 0;
const OP_GQ = 1;
const OP_GROUP = 2;

export class IpMcList {
  users = 1;
  loaded = false;
  reporter = false;
  /** State-change reports still to send. */
  crcount = 0;
  /** Group left: reports of leaving still to send. */
  leaving = false;
  readonly timer: TimerList;
  constructor(
    readonly idev: InDevice,
    readonly multiaddr: number,
    igmp: Igmp,
  ) {
    this.timer = new TimerList(igmp, OP_GROUP, this);
  }
}

const ipMcMap = (a: number): Uint8Array => Uint8Array.of(0x01, 0x00, 0x5e, (a >>> 16) & 0x7f, (a >>> 8) & 0xff, a & 0xff);

export class Igmp implements Actor {
  /** Groups left whose leaving is still to be reported. */
  private readonly left: IpMcList[] = [];
  constructor(readonly kernel: Kernel) {}

  ip_mc_init_dev(idev: InDevice): void {
    idev.mr_ifc_timer = new TimerList(this, OP_IFC, idev);
    idev.mr_gq_timer = new TimerList(this, OP_GQ, idev);
  }

  ip_mc_up(idev: InDevice): void {
    this.__ip_mc_inc_group(idev, IGMP_ALL_HOSTS);
    for (const im of idev.mc_list) if (!im.loaded) this.igmp_group_added(im);
  }

  ip_mc_down(idev: InDevice): void {
    for (const im of idev.mc_list) this.igmp_group_dropped(im);
    this.kernel.timers.del_timer(idev.mr_ifc_timer);
    this.kernel.timers.del_timer(idev.mr_gq_timer);
    idev.mr_ifc_count = 0;
    this.__ip_mc_dec_group(idev, IGMP_ALL_HOSTS);
  }

  ip_mc_destroy_dev(idev: InDevice): void {
    this.kernel.timers.del_timer(idev.mr_ifc_timer);
    this.kernel.timers.del_timer(idev.mr_gq_timer);
    for (const im of idev.mc_list.splice(0)) {
      if (im.loaded) this.kernel.net.addrs.dev_mc_del(idev.dev, ipMcMap(im.multiaddr));
      this.kernel.timers.del_timer(im.timer);
    }
  }

  ip_check_mc_rcu(idev: InDevice, addr: number): boolean {
    return idev.mc_list.some((im) => im.multiaddr === addr);
  }

  __ip_mc_inc_group(idev: InDevice, addr: number): void {
    const known = idev.mc_list.find((im) => im.multiaddr === addr);
    if (known !== undefined) {
      known.users++;
      return;
    }
    const im = new IpMcList(idev, addr, this);
    idev.mc_list.unshift(im);
    this.igmp_group_added(im);
    ipv4Net(idev.dev.net).rtGenid++;
  }

  __ip_mc_dec_group(idev: InDevice, addr: number): void {
    const im = idev.mc_list.find((i) => i.multiaddr === addr);
    if (im === undefined || --im.users > 0) return;
    idev.mc_list.splice(idev.mc_list.indexOf(im), 1);
    this.igmp_group_dropped(im);
    ipv4Net(idev.dev.net).rtGenid++;
  }

  igmp_group_added(im: IpMcList): void {
    const { dev } = im.idev;
    if (!im.loaded && (dev.flags & IFF.MULTICAST) !== 0) {
      im.loaded = true;
      this.kernel.net.addrs.dev_mc_add(dev, ipMcMap(im.multiaddr));
    } else im.loaded = true;
    if (im.multiaddr === IGMP_ALL_HOSTS || im.idev.dead || (dev.flags & IFF.UP) === 0) return;
    im.crcount = im.idev.mr_qrv;
    this.igmp_ifc_event(im.idev);
  }

  igmp_group_dropped(im: IpMcList): void {
    const { dev } = im.idev;
    if (im.loaded) {
      im.loaded = false;
      if ((dev.flags & IFF.MULTICAST) !== 0) this.kernel.net.addrs.dev_mc_del(dev, ipMcMap(im.multiaddr));
    }
    this.kernel.timers.del_timer(im.timer);
    if (im.multiaddr === IGMP_ALL_HOSTS || im.users > 0 || im.idev.dead || (dev.flags & IFF.UP) === 0) return;
    if (im.idev.mr_v2_seen > this.kernel.now()) {
      if (im.reporter) this.igmp_send_report(im, IGMP_HOST_LEAVE_MESSAGE);
      return;
    }
    im.leaving = true;
    im.crcount = im.idev.mr_qrv;
    this.left.push(im);
    this.igmp_ifc_event(im.idev);
  }

  igmp_ifc_event(idev: InDevice): void {
    idev.mr_ifc_count = idev.mr_qrv;
    this.igmp_ifc_start_timer(idev, 4_000_000);
  }

  igmp_ifc_start_timer(idev: InDevice, maxDelay: number): void {
    const random = this.kernel.platform.sim.random(`${this.kernel.platform.machine}:igmp`);
    this.kernel.timers.startIn(idev.mr_ifc_timer, random.below(maxDelay) + 8_000_000);
  }

  onEvent(op: number, arg: unknown): void {
    if (op === OP_IFC) this.igmp_ifc_timer_expire(arg as InDevice);
    else if (op === OP_GQ) this.igmp_gq_timer_expire(arg as InDevice);
    else this.igmp_timer_expire(arg as IpMcList);
  }

  igmp_ifc_timer_expire(idev: InDevice): void {
    this.igmpv3_send_cr(idev);
    if (idev.mr_ifc_count > 0) {
      idev.mr_ifc_count--;
      if (idev.mr_ifc_count > 0) this.igmp_ifc_start_timer(idev, idev.cnf.igmpv3_unsolicited_report_interval * 1e6);
    }
  }

  /** State-change report: groups joined since, and groups left. */
  igmpv3_send_cr(idev: InDevice): void {
    const records: [number, number][] = [];
    for (let i = this.left.length - 1; i >= 0; i--) {
      const im = this.left[i];
      if (im.idev !== idev) continue;
      records.push([IGMPV3.CHANGE_TO_INCLUDE, im.multiaddr]);
      if (--im.crcount <= 0) this.left.splice(i, 1);
    }
    for (const im of idev.mc_list) {
      if (im.crcount <= 0) continue;
      im.crcount--;
      records.push([IGMPV3.CHANGE_TO_EXCLUDE, im.multiaddr]);
    }
    this.igmpv3_sendpack(idev, records);
  }

  igmp_gq_timer_expire(idev: InDevice): void {
    this.igmpv3_sendpack(
      idev,
      idev.mc_list.filter((im) => im.multiaddr !== IGMP_ALL_HOSTS).map((im) => [IGMPV3.MODE_IS_EXCLUDE, im.multiaddr]),
    );
  }

  igmp_timer_expire(im: IpMcList): void {
    if (im.idev.mr_v2_seen > this.kernel.now()) {
      im.reporter = true;
      this.igmp_send_report(im, IGMPV2_HOST_MEMBERSHIP_REPORT);
    } else this.igmpv3_sendpack(im.idev, [[IGMPV3.MODE_IS_EXCLUDE, im.multiaddr]]);
  }

  igmpv3_sendpack(idev: InDevice, records: readonly (readonly [number, number])[]): void {
    if (records.length === 0) return;
    const body = new Uint8Array(8 + 8 * records.length);
    const view = new DataView(body.buffer);
    body[0] = IGMPV3_HOST_MEMBERSHIP_REPORT;
    view.setUint16(6, records.length);
    records.forEach(([type, group], i) => {
      body[8 + 8 * i] = type;
      view.setUint32(12 + 8 * i, group);
    });
    this.send(idev.dev, IGMPV3_ALL_MCR, body);
  }

  igmp_send_report(im: IpMcList, type: number): void {
    const body = new Uint8Array(8);
    body[0] = type;
    new DataView(body.buffer).setUint32(4, im.multiaddr);
    this.send(im.idev.dev, type === IGMP_HOST_LEAVE_MESSAGE ? IGMP_ALL_ROUTER : im.multiaddr, body);
  }

  /** IP header with router alert (RFC 2113), TTL 1. */
  private send(dev: NetDevice, dst: number, body: Uint8Array): void {
    const { skb: skbs, ipv4 } = this.kernel;
    const rt = ipv4.route.ip_route_output(dev.net, dst, 0, dev.ifindex);
    if (typeof rt === 'number') return;
    const hlen = LL_RESERVED_SPACE(dev);
    const skb = skbs.alloc_skb(hlen + 24 + body.length);
    if (skb === undefined) return;
    skb_reserve(skb, hlen);
    skb_reset_network_header(skb);
    const at = skbs.skb_put(skb, 24);
    const { ram } = skbs;
    skb.dev = dev;
    skb.dst = rt;
    skb.protocol = ETH_P.IP;
    skb.transport_header = skb.network_header + 24;
    IpHdr.version_ihl.set(ram, at, 0x46);
    IpHdr.tos.set(ram, at, 0xc0);
    IpHdr.frag_off.set(ram, at, 0x4000);
    IpHdr.ttl.set(ram, at, 1);
    IpHdr.protocol.set(ram, at, IPPROTO.IGMP);
    IpHdr.saddr.set(ram, at, ipv4.devinet.inet_select_addr(dev, 0, 253));
    IpHdr.daddr.set(ram, at, dst);
    ipv4.output.ip_select_ident(dev.net, at);
    ram.setU32(at + 20, 0x00000494);
    const data = skbs.skb_put(skb, body.length);
    ram.write(data, body, 0, body.length);
    ram.setU16be(data + 2, 0);
    ram.setU16be(data + 2, csumFold(csumPartial(ram, data, body.length)));
    ipv4.output.ip_local_out(dev.net, skb);
  }

  igmp_rcv(skb: SkBuff): number {
    const { skb: skbs } = this.kernel;
    const dev = skb.dev as NetDevice;
    const idev = inDev(dev);
    if (idev === undefined || !skbs.pskb_may_pull(skb, 8)) {
      skbs.kfree_skb(skb);
      return 0;
    }
    const at = skb_transport_header(skb);
    const type = skbs.ram.u8(at);
    if (type === HOST_MEMBERSHIP_QUERY) this.igmp_heard_query(idev, skb, at);
    else if (type === IGMPV2_HOST_MEMBERSHIP_REPORT) {
      const im = idev.mc_list.find((i) => i.multiaddr === skbs.ram.u32be(at + 4));
      if (im !== undefined && this.kernel.timers.del_timer(im.timer)) im.reporter = false;
    }
    skbs.consume_skb(skb);
    return 0;
  }

  igmp_heard_query(idev: InDevice, skb: SkBuff, at: number): void {
    const { ram } = this.kernel.skb;
    const group = ram.u32be(at + 4);
    const code = ram.u8(at + 1);
    const random = this.kernel.platform.sim.random(`${this.kernel.platform.machine}:igmp`);
    const max = (code === 0 ? 100 : code >= 128 ? (16 + (code & 15)) << (((code >> 4) & 7) + 3) : code) * 100_000_000;
    if (skb.len === 8) idev.mr_v2_seen = this.kernel.now() + 400e9;
    else if (group === 0) {
      if (!this.kernel.timers.timer_pending(idev.mr_gq_timer)) this.kernel.timers.startIn(idev.mr_gq_timer, random.below(max) + 8_000_000);
      return;
    }
    for (const im of idev.mc_list) {
      if ((group !== 0 && im.multiaddr !== group) || im.multiaddr === IGMP_ALL_HOSTS) continue;
      if (!this.kernel.timers.timer_pending(im.timer)) this.kernel.timers.startIn(im.timer, random.below(max) + 8_000_000);
    }
  }
}
