// IPv6 addresses of devices: link-local configuration, duplicate address detection, router solicitation (Linux: net/ipv6/addrconf.c; RFC 4862).
import { Errno } from '../../base/errno.ts';
import type { Actor } from '../../sim/sim.ts';
import { ARPHRD, IFF, type NetDevice } from '../net_device.ts';
import type { NetdevEvent } from '../netdev_events.ts';
import { IFA_F, INFINITY_LIFE_TIME, RTN, RTPROT, RT_SCOPE, RT_TABLE } from '../rtnl_records.ts';
import { AddrSelect } from './addr_select.ts';
import { Fib6Info } from './ip6_fib.ts';
import {
  IN6_ANY,
  IN6_IL_ALLNODES,
  IN6_LINKLOCAL_PREFIX,
  IN6_LL_ALLNODES,
  IN6_LL_ALLROUTERS,
  IN6_LOOPBACK,
  IN6_MULTICAST_PREFIX,
  commonPrefix,
  eq6,
  isLinkLocal6,
  isMulticast6,
  maskPrefix,
  scope6,
  scopeValue6,
  solicitedNode,
} from './in6.ts';
import { IFADDR6, Inet6Dev, Inet6Ifaddr, in6Dev, ipv6Net } from './ipv6_net.ts';

const OP_DAD = 0;
const OP_RS = 1;
const OP_LIFETIME = 2;
const MIN_MTU = 1280;
const SECOND = 1e9;
/** Linux: IP6_RT_PRIO_ADDRCONF */
const PRIO_ADDRCONF = 256;

export class Addrconf extends AddrSelect implements Actor {
  private random(below: number): number {
    return this.kernel.platform.sim.random(`${this.kernel.platform.machine}:addrconf`).below(Math.max(1, Math.floor(below)));
  }

  onEvent(op: number, arg: unknown): void {
    if (op === OP_DAD) this.addrconf_dad_work(arg as Inet6Ifaddr);
    else if (op === OP_RS) this.addrconf_rs_timer(arg as Inet6Dev);
    else if (op === OP_LIFETIME) this.addrconf_verify_work(arg as Inet6Ifaddr);
  }

  addrconf_link_ready(dev: NetDevice): boolean {
    return this.kernel.net.link.netif_oper_up(dev) && !dev.queues.every((q) => q.qdisc.kind === 'noop');
  }

  addrconf_notify(event: NetdevEvent, dev: NetDevice, flagsChanged: number): void {
    const { ipv6 } = this.kernel;
    let idev = in6Dev(dev);
    switch (event) {
      case 'NETDEV_REGISTER':
        if (idev === undefined && dev.mtu >= MIN_MTU) this.ipv6_add_dev(dev);
        break;
      case 'NETDEV_CHANGEMTU':
        if (dev.mtu < MIN_MTU) this.addrconf_ifdown(dev, (dev.flags & IFF.LOOPBACK) === 0);
        else if (idev !== undefined) {
          idev.cnf.mtu = dev.mtu;
          ipv6.sysctls.show(dev, 'mtu', dev.mtu);
          ipv6Net(dev.net).genid++;
        } else {
          idev = this.ipv6_add_dev(dev);
          if ((dev.flags & IFF.UP) !== 0) this.addrconf_notify('NETDEV_UP', dev, 0);
        }
        break;
      case 'NETDEV_UP':
        if (idev?.cnf.disable_ipv6 === 1) break;
        if (idev !== undefined) this.fixup_permanent_addr(idev);
        if (!this.addrconf_link_ready(dev)) break;
        if (idev === undefined && dev.mtu >= MIN_MTU) idev = this.ipv6_add_dev(dev);
        if (idev !== undefined) idev.ready = true;
        this.addrconf_init_auto_addrs(dev, idev);
        break;
      case 'NETDEV_CHANGE':
        if (idev?.cnf.disable_ipv6 === 1 || (dev.flags & IFF.UP) === 0) break;
        if (!this.addrconf_link_ready(dev)) {
          ipv6.fib.rt6_sync_down_dev(dev);
          break;
        }
        if (idev !== undefined) {
          if (idev.ready) {
            ipv6.mcast.ipv6_mc_up(idev);
            if ((flagsChanged & IFF.NOARP) !== 0) this.addrconf_dad_run(idev, true);
            ipv6.fib.rt6_sync_up(dev);
            break;
          }
          idev.ready = true;
        }
        this.kernel.printk.pr_info(`IPv6: ADDRCONF(NETDEV_CHANGE): ${dev.name}: link becomes ready`);
        this.addrconf_init_auto_addrs(dev, idev);
        break;
      case 'NETDEV_DOWN':
      case 'NETDEV_UNREGISTER':
        this.addrconf_ifdown(dev, event === 'NETDEV_UNREGISTER');
        break;
      case 'NETDEV_CHANGENAME':
        if (idev !== undefined) ipv6.sysctls.rename(dev, idev);
        break;
      default:
        break;
    }
  }

  private addrconf_init_auto_addrs(dev: NetDevice, idev: Inet6Dev | undefined): void {
    if (dev.type === ARPHRD.LOOPBACK) this.init_loopback(dev);
    else this.addrconf_dev_config(dev);
    if (idev === undefined) return;
    this.addrconf_dad_run(idev, false);
    this.kernel.ipv6.fib.rt6_sync_up(dev);
    if (idev.cnf.mtu !== dev.mtu && dev.mtu >= MIN_MTU) idev.cnf.mtu = dev.mtu;
    idev.tstamp = this.kernel.now();
  }

  ipv6_add_dev(dev: NetDevice): Inet6Dev {
    const { ipv4, ipv6 } = this.kernel;
    const n6 = ipv6Net(dev.net);
    const idev = new Inet6Dev(dev, n6.confDefault, ipv4.neigh.neigh_parms_alloc(dev, ipv6.ndisc.tbl), this, ipv6.mcast);
    idev.cnf.mtu = dev.mtu;
    if ((dev.flags & (IFF.NOARP | IFF.LOOPBACK)) !== 0) idev.cnf.accept_dad = -1;
    if ((dev.flags & IFF.LOOPBACK) !== 0) idev.cnf.use_tempaddr = -1;
    dev.ip6_ptr = idev;
    ipv6.sysctls.addrconf_sysctl_register(idev);
    ipv6.rtnlAddr.inet6_netconf_notify_devconf(dev.net, 'RTM_NEWNETCONF', dev.ifindex, idev.cnf);
    ipv6.mcast.ipv6_mc_init_dev(idev);
    idev.tstamp = this.kernel.now();
    if (this.kernel.net.link.netif_running(dev) && this.addrconf_link_ready(dev)) idev.ready = true;
    ipv6.mcast.ipv6_dev_mc_inc(dev, IN6_IL_ALLNODES);
    ipv6.mcast.ipv6_dev_mc_inc(dev, IN6_LL_ALLNODES);
    if (idev.cnf.forwarding !== 0 && (dev.flags & IFF.MULTICAST) !== 0) ipv6.mcast.ipv6_dev_mc_inc(dev, IN6_LL_ALLROUTERS);
    return idev;
  }

  /** The device's IPv6 state, made when there is none; undefined when its MTU is below IPv6's least, 1280 (RFC 8200 §5). */
  ipv6_find_idev(dev: NetDevice): Inet6Dev | undefined {
    const idev = in6Dev(dev) ?? (dev.mtu >= MIN_MTU ? this.ipv6_add_dev(dev) : undefined);
    if (idev !== undefined && (dev.flags & IFF.UP) !== 0) this.kernel.ipv6.mcast.ipv6_mc_up(idev);
    return idev;
  }

  init_loopback(dev: NetDevice): void {
    const idev = this.ipv6_find_idev(dev);
    if (idev === undefined) return;
    const ifp = this.ipv6_add_addr(idev, IN6_LOOPBACK, 128, IFA_F.PERMANENT);
    if (typeof ifp === 'number') return;
    ifp.flags &= ~IFA_F.TENTATIVE;
    ifp.state = IFADDR6.POSTDAD;
    this.ipv6_ifa_notify('RTM_NEWADDR', ifp);
  }

  addrconf_dev_config(dev: NetDevice): void {
    if (dev.type !== ARPHRD.ETHER) return;
    const idev = this.ipv6_find_idev(dev);
    if (idev === undefined) return;
    this.addrconf_add_mroute(dev);
    if (idev.cnf.addr_gen_mode === 1) return;
    const addr = new Uint8Array(16);
    addr.set(IN6_LINKLOCAL_PREFIX);
    addr.set(eui64(dev.dev_addr), 8);
    this.addrconf_add_linklocal(idev, addr);
  }

  addrconf_add_mroute(dev: NetDevice): void {
    const rt = new Fib6Info(IN6_MULTICAST_PREFIX, 8, dev);
    Object.assign(rt, { table: RT_TABLE.LOCAL, metric: PRIO_ADDRCONF, type: RTN.MULTICAST, protocol: RTPROT.KERNEL });
    this.kernel.ipv6.fib.ip6_ins_rt(dev.net, rt);
  }

  addrconf_add_linklocal(idev: Inet6Dev, addr: Uint8Array): void {
    const ifp = this.ipv6_add_addr(idev, addr, 64, IFA_F.PERMANENT);
    if (typeof ifp === 'number') return;
    this.addrconf_prefix_route(addr, 64, 0, idev.dev);
    this.addrconf_dad_start(ifp);
  }

  addrconf_prefix_route(addr: Uint8Array, plen: number, metric: number, dev: NetDevice, expires = 0): void {
    const rt = new Fib6Info(maskPrefix(addr, plen), plen, dev);
    Object.assign(rt, { table: RT_TABLE.MAIN, metric: metric === 0 ? PRIO_ADDRCONF : metric, protocol: RTPROT.KERNEL, expires });
    this.kernel.ipv6.fib.ip6_ins_rt(dev.net, rt);
  }

  /** A new address, tentative unless told; -EEXIST, -ENODEV, -EACCES, -EADDRNOTAVAIL. */
  ipv6_add_addr(idev: Inet6Dev, addr: Uint8Array, plen: number, flags: number, scope = scope6(addr)): Inet6Ifaddr | number {
    const loopback = (idev.dev.flags & IFF.LOOPBACK) !== 0;
    if (eq6(addr, IN6_ANY) || (isMulticast6(addr) && (flags & IFA_F.MCAUTOJOIN) === 0) || (!loopback && eq6(addr, IN6_LOOPBACK)))
      return -Errno.EADDRNOTAVAIL;
    if (idev.dead) return -Errno.ENODEV;
    if (idev.cnf.disable_ipv6 !== 0) return -Errno.EACCES;
    if (idev.addr_list.some((a) => eq6(a.addr, addr))) return -Errno.EEXIST;
    const ifp = new Inet6Ifaddr(idev, addr.slice(), plen, scope, this);
    ifp.flags = flags | ((flags & IFA_F.NODAD) === 0 ? IFA_F.TENTATIVE : 0);
    ifp.cstamp = ifp.tstamp = this.kernel.now();
    ifp.rt = this.kernel.ipv6.fib.addrconf_f6i_alloc(ifp);
    // wider scopes first
    let at = idev.addr_list.findIndex((o) => scopeValue6(addr) >= scopeValue6(o.addr));
    if (at < 0) at = idev.addr_list.length;
    idev.addr_list.splice(at, 0, ifp);
    ipv6Net(idev.dev.net).genid++;
    return ifp;
  }

  addrconf_dad_start(ifp: Inet6Ifaddr): void {
    if (ifp.state === IFADDR6.DEAD) return;
    ifp.state = IFADDR6.PREDAD;
    this.addrconf_mod_dad_work(ifp, 0);
  }

  addrconf_mod_dad_work(ifp: Inet6Ifaddr, delay: number): void {
    this.kernel.workqueues.mod_delayed_work(ifp.dad_work, delay);
  }

  addrconf_dad_run(idev: Inet6Dev, restart: boolean): void {
    for (const ifp of idev.addr_list) {
      if ((ifp.flags & IFA_F.TENTATIVE) === 0) continue;
      if (restart) ifp.state = IFADDR6.PREDAD;
      if (ifp.state === IFADDR6.DAD) this.addrconf_dad_kick(ifp);
      else if (ifp.state === IFADDR6.PREDAD) this.addrconf_mod_dad_work(ifp, 0);
    }
  }

  addrconf_dad_work(ifp: Inet6Ifaddr): void {
    const { idev } = ifp;
    if (ifp.state === IFADDR6.PREDAD) {
      ifp.state = IFADDR6.DAD;
      this.addrconf_dad_begin(ifp);
      return;
    }
    if (ifp.state === IFADDR6.ERRDAD) {
      this.addrconf_dad_stop(ifp, true);
      return;
    }
    if (idev.dead || !idev.ready || ifp.state !== IFADDR6.DAD) return;
    if (ifp.dad_probes === 0) {
      const nodad = (ifp.flags & IFA_F.NODAD) !== 0;
      ifp.flags &= ~(IFA_F.TENTATIVE | IFA_F.OPTIMISTIC | IFA_F.DADFAILED);
      this.addrconf_dad_completed(ifp, !nodad);
      return;
    }
    ifp.dad_probes--;
    this.addrconf_mod_dad_work(ifp, Math.max(idev.nd_parms.retrans_time_ms * 1e6, 10e6));
    this.kernel.ipv6.ndisc.ndisc_send_ns(idev.dev, ifp.addr, solicitedNode(ifp.addr), IN6_ANY, ifp.dad_nonce);
  }

  addrconf_dad_begin(ifp: Inet6Ifaddr): void {
    const { idev } = ifp;
    const { dev } = idev;
    this.addrconf_join_solict(dev, ifp.addr);
    if (ifp.state === IFADDR6.DEAD) return;
    const noDad = (dev.flags & (IFF.NOARP | IFF.LOOPBACK)) !== 0 || (ipv6Net(dev.net).confAll.accept_dad < 1 && idev.cnf.accept_dad < 1);
    if (noDad || (ifp.flags & IFA_F.TENTATIVE) === 0 || (ifp.flags & IFA_F.NODAD) !== 0) {
      ifp.flags &= ~(IFA_F.TENTATIVE | IFA_F.OPTIMISTIC | IFA_F.DADFAILED);
      this.addrconf_dad_completed(ifp, false);
      return;
    }
    if (!idev.ready) {
      this.addrconf_dad_stop(ifp, false);
      return;
    }
    this.addrconf_dad_kick(ifp);
  }

  addrconf_dad_kick(ifp: Inet6Ifaddr): void {
    const { cnf } = ifp.idev;
    const wait = this.random(cnf.router_solicitation_delay * 250) * 4e6;
    ifp.dad_nonce = undefined;
    if (cnf.enhanced_dad !== 0) {
      const nonce = new Uint8Array(6);
      for (let i = 0; i < 6; i++) nonce[i] = this.random(256);
      ifp.dad_nonce = nonce;
    }
    ifp.dad_probes = cnf.dad_transmits;
    this.addrconf_mod_dad_work(ifp, wait);
  }

  /** Detection ended badly, or must wait for the link. */
  addrconf_dad_stop(ifp: Inet6Ifaddr, failed: boolean): void {
    if ((ifp.flags & IFA_F.PERMANENT) !== 0) {
      this.kernel.workqueues.cancel_delayed_work(ifp.dad_work);
      ifp.flags |= IFA_F.TENTATIVE;
      if (failed) ifp.flags |= IFA_F.DADFAILED;
      ifp.state = IFADDR6.POSTDAD;
      if (!failed) ifp.state = IFADDR6.PREDAD;
      if (failed) this.ipv6_ifa_notify(undefined, ifp);
    } else this.ipv6_del_addr(ifp);
  }

  addrconf_dad_failure(ifp: Inet6Ifaddr, source: string): void {
    this.kernel.printk.pr_info(
      `IPv6: ${ifp.idev.dev.name}: IPv6 duplicate address ${this.kernel.ipv6.text(ifp.addr)} used by ${source} detected!`,
    );
    ifp.state = IFADDR6.ERRDAD;
    this.addrconf_mod_dad_work(ifp, 0);
  }

  addrconf_dad_completed(ifp: Inet6Ifaddr, notifyNa: boolean): void {
    const { idev } = ifp;
    const { dev } = idev;
    const { ipv6 } = this.kernel;
    this.kernel.workqueues.cancel_delayed_work(ifp.dad_work);
    ifp.state = IFADDR6.POSTDAD;
    this.ipv6_ifa_notify('RTM_NEWADDR', ifp);
    const lonely =
      isLinkLocal6(ifp.addr) && !idev.addr_list.some((o) => o !== ifp && o.scope === RT_SCOPE.LINK && (o.flags & IFA_F.TENTATIVE) === 0);
    if (lonely) ipv6.mcast.ipv6_mc_dad_complete(idev);
    if (notifyNa && idev.cnf.ndisc_notify !== 0) ipv6.ndisc.ndisc_send_na(dev, IN6_LL_ALLNODES, ifp.addr, false, false, true);
    const acceptsRa = idev.cnf.forwarding !== 0 ? idev.cnf.accept_ra === 2 : idev.cnf.accept_ra !== 0;
    if (!lonely || !acceptsRa || idev.cnf.router_solicitations === 0 || (dev.flags & IFF.LOOPBACK) !== 0) return;
    ipv6.ndisc.ndisc_send_rs(dev, ifp.addr, IN6_LL_ALLROUTERS);
    idev.rs_probes = 1;
    idev.rs_interval = this.backoffInit(idev.cnf.router_solicitation_interval * SECOND);
    idev.rs_sent = true;
    this.kernel.timers.startIn(idev.rs_timer, idev.rs_interval);
  }

  /** RFC 7559 with RFC 8415 §15: 0.9 … 1.1 of the first interval, then doubled up to the maximum. */
  private backoffInit(irt: number): number {
    return ((900_000 + this.random(200_001)) * irt) / 1e6;
  }
  private backoffUpdate(rt: number, mrt: number): number {
    const next = ((1_900_000 + this.random(200_001)) * rt) / 1e6;
    return next > mrt ? ((900_000 + this.random(200_001)) * mrt) / 1e6 : next;
  }

  addrconf_rs_timer(idev: Inet6Dev): void {
    const { cnf, dev } = idev;
    if (idev.dead || !idev.ready || idev.ra_rcvd || (cnf.forwarding !== 0 ? cnf.accept_ra !== 2 : cnf.accept_ra === 0)) return;
    const again = idev.rs_probes < cnf.router_solicitations || cnf.router_solicitations < 0;
    idev.rs_probes++;
    const lladdr = again ? this.ipv6_get_lladdr(dev, IFA_F.TENTATIVE) : undefined;
    if (lladdr === undefined) return;
    this.kernel.ipv6.ndisc.ndisc_send_rs(dev, lladdr, IN6_LL_ALLROUTERS);
    idev.rs_interval = this.backoffUpdate(idev.rs_interval, cnf.router_solicitation_max_interval * SECOND);
    const last = idev.rs_probes === cnf.router_solicitations;
    this.kernel.timers.startIn(idev.rs_timer, last ? cnf.router_solicitation_delay * SECOND : idev.rs_interval);
  }

  addrconf_join_solict(dev: NetDevice, addr: Uint8Array): void {
    if ((dev.flags & (IFF.LOOPBACK | IFF.NOARP)) === 0) this.kernel.ipv6.mcast.ipv6_dev_mc_inc(dev, solicitedNode(addr));
  }
  addrconf_leave_solict(idev: Inet6Dev, addr: Uint8Array): void {
    if ((idev.dev.flags & (IFF.LOOPBACK | IFF.NOARP)) === 0) this.kernel.ipv6.mcast.ipv6_dev_mc_dec(idev.dev, solicitedNode(addr));
  }

  /** `event` undefined: only tells listeners, as of a new address. */
  ipv6_ifa_notify(event: 'RTM_NEWADDR' | 'RTM_DELADDR' | undefined, ifp: Inet6Ifaddr): void {
    const { rtnl, ipv6 } = this.kernel;
    const { dev } = ifp.idev;
    if (rtnl.listening(dev.net, 'ipv6-addr'))
      rtnl.notify(dev.net, 'ipv6-addr', { type: event ?? 'RTM_NEWADDR', info: ipv6.rtnlAddr.inet6_fill_ifaddr(ifp) });
    if (event === 'RTM_NEWADDR' && ifp.rt !== undefined) {
      ipv6.fib.ip6_ins_rt(dev.net, ifp.rt);
      if (ifp.peer !== undefined) this.addrconf_prefix_route(ifp.peer, 128, ifp.rt_priority, dev);
    } else if (event === 'RTM_DELADDR') {
      this.addrconf_leave_solict(ifp.idev, ifp.addr);
      if (ifp.rt !== undefined) ipv6.fib.ip6_del_rt(dev.net, ifp.rt);
      if (ifp.peer !== undefined) this.delPrefixRoute(dev, ifp.peer, 128);
    }
    ipv6Net(dev.net).genid++;
  }

  ipv6_del_addr(ifp: Inet6Ifaddr): void {
    const { idev } = ifp;
    if (ifp.state === IFADDR6.DEAD) return;
    ifp.state = IFADDR6.DEAD;
    const at = idev.addr_list.indexOf(ifp);
    if (at >= 0) idev.addr_list.splice(at, 1);
    this.kernel.workqueues.cancel_delayed_work(ifp.dad_work);
    this.kernel.timers.del_timer(ifp.timer);
    this.ipv6_ifa_notify('RTM_DELADDR', ifp);
    const shared = idev.addr_list.some((o) => o.prefix_len === ifp.prefix_len && commonPrefix(o.addr, ifp.addr) >= o.prefix_len);
    if ((ifp.flags & IFA_F.NOPREFIXROUTE) === 0 && !shared) this.delPrefixRoute(idev.dev, ifp.addr, ifp.prefix_len);
  }

  /** Removes the kernel's own route to a prefix on the device. */
  private delPrefixRoute(dev: NetDevice, addr: Uint8Array, plen: number): void {
    const { fib } = this.kernel.ipv6;
    const main = ipv6Net(dev.net).tables.get(RT_TABLE.MAIN) ?? [];
    const prefix = maskPrefix(addr, plen);
    const rt = main.find(
      (r) => r.plen === plen && r.dev === dev && r.protocol === RTPROT.KERNEL && r.gateway === undefined && eq6(r.dst, prefix),
    );
    if (rt !== undefined) fib.ip6_del_rt(dev.net, rt);
  }

  /** Addresses kept while the device was down get their routes back. */
  fixup_permanent_addr(idev: Inet6Dev): void {
    for (const ifp of idev.addr_list) {
      if ((ifp.flags & IFA_F.PERMANENT) === 0) continue;
      if ((ifp.flags & IFA_F.NOPREFIXROUTE) === 0 && ifp.prefix_len < 128)
        this.addrconf_prefix_route(ifp.addr, ifp.prefix_len, ifp.rt_priority, idev.dev);
      if (ifp.state === IFADDR6.PREDAD) this.addrconf_dad_start(ifp);
    }
  }

  addrconf_ifdown(dev: NetDevice, unregister: boolean): void {
    const { ipv4, ipv6 } = this.kernel;
    const idev = in6Dev(dev);
    ipv6.fib.rt6_disable_ip(dev);
    ipv4.neigh.neigh_ifdown(ipv6.ndisc.tbl, dev);
    if (idev === undefined) return;
    if (unregister) {
      idev.dead = true;
      dev.ip6_ptr = undefined;
      ipv6.sysctls.addrconf_sysctl_unregister(dev);
    }
    this.kernel.timers.del_timer(idev.rs_timer);
    if (!unregister) idev.rs_sent = idev.ra_rcvd = idev.ready = false;
    const keep = !unregister && idev.cnf.keep_addr_on_down > 0;
    for (const ifp of idev.addr_list.slice()) {
      this.kernel.workqueues.cancel_delayed_work(ifp.dad_work);
      if (keep && (ifp.flags & IFA_F.PERMANENT) !== 0 && !isLinkLocal6(ifp.addr)) {
        ifp.state = IFADDR6.PREDAD;
        if ((ifp.flags & IFA_F.NODAD) === 0) ifp.flags |= IFA_F.TENTATIVE;
        this.addrconf_leave_solict(idev, ifp.addr);
        continue;
      }
      idev.addr_list.splice(idev.addr_list.indexOf(ifp), 1);
      this.kernel.timers.del_timer(ifp.timer);
      if (ifp.state !== IFADDR6.DEAD) {
        ifp.state = IFADDR6.DEAD;
        this.ipv6_ifa_notify('RTM_DELADDR', ifp);
      }
    }
    if (unregister) {
      ipv6.rtnlAddr.inet6_netconf_notify_devconf(dev.net, 'RTM_DELNETCONF', dev.ifindex, idev.cnf);
      ipv6.mcast.ipv6_mc_destroy_dev(idev);
      ipv4.neigh.neigh_parms_release(dev, ipv6.ndisc.tbl);
    } else ipv6.mcast.ipv6_mc_down(idev);
    idev.tstamp = this.kernel.now();
  }

  armLifetime(ifp: Inet6Ifaddr): void {
    this.kernel.timers.del_timer(ifp.timer);
    const wait = (ifp.flags & IFA_F.DEPRECATED) === 0 ? Math.min(ifp.prefered_lft, ifp.valid_lft) : ifp.valid_lft;
    if (wait !== INFINITY_LIFE_TIME) this.kernel.timers.mod_timer(ifp.timer, Math.max(this.kernel.now(), ifp.tstamp + wait * SECOND));
  }

  addrconf_verify_work(ifp: Inet6Ifaddr): void {
    const age = (this.kernel.now() - ifp.tstamp) / SECOND;
    if (ifp.valid_lft !== INFINITY_LIFE_TIME && age >= ifp.valid_lft) {
      this.ipv6_del_addr(ifp);
      return;
    }
    if (ifp.prefered_lft !== INFINITY_LIFE_TIME && age >= ifp.prefered_lft && (ifp.flags & IFA_F.DEPRECATED) === 0) {
      ifp.flags |= IFA_F.DEPRECATED;
      this.ipv6_ifa_notify(undefined, ifp);
    }
    this.armLifetime(ifp);
  }
}

/** RFC 4291 Appendix A: the MAC with fffe in the middle and the universal bit inverted. */
function eui64(mac: Uint8Array): Uint8Array {
  return Uint8Array.of(mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5]);
}
