// IPv6 multicast groups of devices, and MLDv2 reports about them (Linux: net/ipv6/mcast.c; RFC 3810).
import type { Actor } from '../../sim/sim.ts';
import { csumFold, csumPartial, pseudoHeaderSum6 } from '../../wire/checksum.ts';
import { ICMPV6, IPPROTO, Ipv6Hdr, NEXTHDR_HOP } from '../../wire/headers.ts';
import type { Kernel } from '../kernel.ts';
import { IFF, type NetDevice } from '../net_device.ts';
import type { SkBuff } from '../skbuff.ts';
import { IFA_F } from '../rtnl_records.ts';
import { IN6_ANY, IN6_LL_ALLNODES, IN6_MLDV2_ROUTERS, eq6, multicastMac6 } from './in6.ts';
import { Ifmcaddr6, in6Dev, type Inet6Dev } from './ipv6_net.ts';
import { skb_transport_header } from '../skb_inline.ts';

/** Record types, RFC 3810 §5.2.12 */
const MLD2 = { MODE_IS_EXCLUDE: 2, CHANGE_TO_INCLUDE: 3, CHANGE_TO_EXCLUDE: 4 } as const;
const OP_IFC = 0;
const OP_DAD = 1;
const OP_GQ = 2;
const OP_GROUP = 3;
const MS = 1e6;
const JIFFY = 4e6;

export class Mcast6 implements Actor {
  constructor(readonly kernel: Kernel) {}

  ipv6_dev_mc_inc(dev: NetDevice, addr: Uint8Array): void {
    const idev = in6Dev(dev);
    if (idev === undefined) return;
    const known = idev.mc_list.find((m) => eq6(m.addr, addr));
    if (known !== undefined) {
      known.users++;
      return;
    }
    const mc = new Ifmcaddr6(idev, addr.slice(), this);
    mc.noreport = eq6(addr, IN6_LL_ALLNODES) || (addr[1] & 0xf) < 2;
    idev.mc_list.unshift(mc);
    const tomb = idev.mc_tomb.findIndex((m) => eq6(m.addr, addr));
    if (tomb >= 0) idev.mc_tomb.splice(tomb, 1);
    this.igmp6_group_added(mc);
  }

  ipv6_dev_mc_dec(dev: NetDevice, addr: Uint8Array): void {
    const idev = in6Dev(dev);
    const mc = idev?.mc_list.find((m) => eq6(m.addr, addr));
    if (idev === undefined || mc === undefined || --mc.users > 0) return;
    idev.mc_list.splice(idev.mc_list.indexOf(mc), 1);
    this.igmp6_group_dropped(mc);
  }

  ipv6_chk_mcast_addr(dev: NetDevice, addr: Uint8Array): boolean {
    return in6Dev(dev)?.mc_list.some((m) => eq6(m.addr, addr)) === true;
  }

  igmp6_group_added(mc: Ifmcaddr6): void {
    const { dev } = mc.idev;
    if ((mc.addr[1] & 0xf) < 2) return;
    if (!mc.loaded) {
      mc.loaded = true;
      if ((dev.flags & IFF.LOOPBACK) === 0) this.kernel.net.addrs.dev_mc_add(dev, multicastMac6(mc.addr));
    }
    if ((dev.flags & IFF.UP) === 0 || mc.noreport) return;
    mc.crcount = mc.idev.mc_qrv;
    this.mld_ifc_event(mc.idev);
  }

  igmp6_group_dropped(mc: Ifmcaddr6): void {
    const { dev } = mc.idev;
    if ((mc.addr[1] & 0xf) < 2) return;
    if (mc.loaded) {
      mc.loaded = false;
      if ((dev.flags & IFF.LOOPBACK) === 0) this.kernel.net.addrs.dev_mc_del(dev, multicastMac6(mc.addr));
    }
    this.kernel.timers.del_timer(mc.timer);
    if (mc.noreport || mc.users > 0 || mc.idev.dead || (dev.flags & IFF.UP) === 0) return;
    mc.crcount = mc.idev.mc_qrv;
    mc.idev.mc_tomb.push(mc);
    this.mld_ifc_event(mc.idev);
  }

  ipv6_mc_init_dev(idev: Inet6Dev): void {
    idev.mc_qrv = 2;
  }

  /** Groups are (re)installed and reported; the device has come up, or may be on another link now. */
  ipv6_mc_up(idev: Inet6Dev): void {
    for (const mc of idev.mc_list) this.igmp6_group_added(mc);
  }

  ipv6_mc_down(idev: Inet6Dev): void {
    const { workqueues, timers } = this.kernel;
    idev.mc_ifc_count = idev.mc_dad_count = 0;
    workqueues.cancel_delayed_work(idev.mc_ifc_work);
    workqueues.cancel_delayed_work(idev.mc_dad_work);
    timers.del_timer(idev.mc_gq_timer);
    for (const mc of idev.mc_list) this.igmp6_group_dropped(mc);
    workqueues.cancel_delayed_work(idev.mc_ifc_work);
    idev.mc_tomb.length = 0;
  }

  ipv6_mc_destroy_dev(idev: Inet6Dev): void {
    this.ipv6_mc_down(idev);
    for (const mc of idev.mc_list.splice(0)) this.kernel.timers.del_timer(mc.timer);
  }

  mld_ifc_event(idev: Inet6Dev): void {
    idev.mc_ifc_count = idev.mc_qrv;
    this.mld_ifc_start_work(idev, 1);
  }

  private random(below: number): number {
    return this.kernel.platform.sim.random(`${this.kernel.platform.machine}:mld`).below(Math.max(1, Math.floor(below)));
  }

  /** `delay` in jiffies. */
  mld_ifc_start_work(idev: Inet6Dev, delay: number): void {
    this.kernel.workqueues.mod_delayed_work(idev.mc_ifc_work, (this.random(delay) + 2) * JIFFY);
  }
  mld_dad_start_work(idev: Inet6Dev, delay: number): void {
    this.kernel.workqueues.mod_delayed_work(idev.mc_dad_work, (this.random(delay) + 2) * JIFFY);
  }
  unsolicited_report_interval(idev: Inet6Dev): number {
    return Math.max(1, (idev.cnf.mldv2_unsolicited_report_interval * MS) / JIFFY);
  }

  onEvent(op: number, arg: unknown): void {
    if (op === OP_IFC) this.mld_ifc_work(arg as Inet6Dev);
    else if (op === OP_DAD) this.mld_dad_work(arg as Inet6Dev);
    else if (op === OP_GQ) this.mld_gq_work(arg as Inet6Dev);
    else if (op === OP_GROUP) this.mld_sendpack((arg as Ifmcaddr6).idev, [[MLD2.MODE_IS_EXCLUDE, (arg as Ifmcaddr6).addr]]);
  }

  mld_ifc_work(idev: Inet6Dev): void {
    this.mld_send_cr(idev);
    if (idev.mc_ifc_count === 0) return;
    idev.mc_ifc_count--;
    if (idev.mc_ifc_count > 0) this.mld_ifc_start_work(idev, this.unsolicited_report_interval(idev));
  }

  /** State changes since: groups left, groups joined. */
  mld_send_cr(idev: Inet6Dev): void {
    const records: [number, Uint8Array][] = [];
    for (const mc of idev.mc_tomb.slice()) {
      records.push([MLD2.CHANGE_TO_INCLUDE, mc.addr]);
      if (--mc.crcount <= 0) idev.mc_tomb.splice(idev.mc_tomb.indexOf(mc), 1);
    }
    for (const mc of idev.mc_list) {
      if (mc.crcount <= 0) continue;
      mc.crcount--;
      records.push([MLD2.CHANGE_TO_EXCLUDE, mc.addr]);
    }
    this.mld_sendpack(idev, records);
  }

  /** All groups again, now that there is an address to report from. */
  ipv6_mc_dad_complete(idev: Inet6Dev): void {
    idev.mc_dad_count = idev.mc_qrv;
    this.mld_send_initial_cr(idev);
    idev.mc_dad_count--;
    if (idev.mc_dad_count > 0) this.mld_dad_start_work(idev, this.unsolicited_report_interval(idev));
  }
  mld_dad_work(idev: Inet6Dev): void {
    this.mld_send_initial_cr(idev);
    if (idev.mc_dad_count === 0) return;
    idev.mc_dad_count--;
    if (idev.mc_dad_count > 0) this.mld_dad_start_work(idev, this.unsolicited_report_interval(idev));
  }
  mld_send_initial_cr(idev: Inet6Dev): void {
    this.mld_sendpack(
      idev,
      idev.mc_list.filter((m) => !m.noreport).map((m) => [MLD2.CHANGE_TO_EXCLUDE, m.addr]),
    );
  }
  mld_gq_work(idev: Inet6Dev): void {
    this.mld_sendpack(
      idev,
      idev.mc_list.filter((m) => !m.noreport).map((m) => [MLD2.MODE_IS_EXCLUDE, m.addr]),
    );
  }

  /** Report to all MLDv2 routers, with the hop-by-hop router alert (RFC 2711). */
  mld_sendpack(idev: Inet6Dev, records: readonly (readonly [number, Uint8Array])[]): void {
    if (records.length === 0) return;
    const { ipv6, skb: skbs } = this.kernel;
    const { dev } = idev;
    const saddr = ipv6.addrconf.ipv6_get_lladdr(dev, IFA_F.TENTATIVE) ?? IN6_ANY;
    const length = 8 + 20 * records.length;
    const skb = ipv6.output.ip6_alloc(dev, 40 + 8 + length);
    if (skb === undefined) return;
    const { ram } = skbs;
    const at = skbs.skb_put(skb, 40 + 8 + length);
    ipv6.output.ip6_nd_hdr(at, saddr, IN6_MLDV2_ROUTERS, NEXTHDR_HOP, 1, 8 + length);
    ram.setU32be(at + 40, (IPPROTO.ICMPV6 << 24) | (0 << 16) | 0x0502);
    ram.setU32be(at + 44, 0x00000100);
    const body = at + 48;
    ram.setU32be(body, ICMPV6.MLD2_REPORT << 24);
    ram.setU32be(body + 4, records.length);
    records.forEach(([type, group], i) => {
      ram.setU32be(body + 8 + 20 * i, type << 24);
      ram.write(body + 12 + 20 * i, group, 0, 16);
    });
    const sum = pseudoHeaderSum6(ram, at + Ipv6Hdr.saddr.offset, at + Ipv6Hdr.daddr.offset, IPPROTO.ICMPV6, length);
    ram.setU16be(body + 2, csumFold(csumPartial(ram, body, length, sum)));
    skb.transport_header = skb.network_header + 48;
    ipv6.output.sendLinkLocal(skb, IN6_MLDV2_ROUTERS, ICMPV6.MLD2_REPORT);
  }

  /** A router asks (RFC 3810 §6.2): general queries are answered for all groups, others for the one. */
  igmp6_event_query(skb: SkBuff): void {
    const { skb: skbs } = this.kernel;
    const idev = in6Dev(skb.dev as NetDevice);
    if (idev === undefined || !skbs.pskb_may_pull(skb, 24)) return;
    const at = skb_transport_header(skb);
    const group = new Uint8Array(16);
    skbs.ram.read(at + 8, group, 0, 16);
    const code = skbs.ram.u16be(at + 4);
    const max = (code < 32768 ? code : ((code & 0xfff) | 0x1000) << (((code >> 12) & 7) + 3)) * MS;
    if (eq6(group, IN6_ANY)) {
      if (!this.kernel.timers.timer_pending(idev.mc_gq_timer))
        this.kernel.timers.startIn(idev.mc_gq_timer, this.random(max / JIFFY) * JIFFY);
      return;
    }
    const mc = idev.mc_list.find((m) => eq6(m.addr, group) && !m.noreport);
    if (mc !== undefined && !this.kernel.timers.timer_pending(mc.timer))
      this.kernel.timers.startIn(mc.timer, this.random(max / JIFFY) * JIFFY);
  }
}
