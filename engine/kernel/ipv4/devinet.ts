// IPv4 addresses of devices (Linux: net/ipv4/devinet.c).
import { Errno } from '../../base/errno.ts';
import type { Kernel } from '../kernel.ts';
import { IFF, type NetDevice } from '../net_device.ts';
import type { Net } from '../net_namespace.ts';
import type { NetdevEvent } from '../netdev_events.ts';
import { IFA_F, INFINITY_LIFE_TIME, RT_SCOPE } from '../rtnl_records.ts';
import { TimerList } from '../timer.ts';
import type { Actor } from '../../sim/sim.ts';
import type { IpMcList } from './igmp.ts';
import { DEVCONF_KEYS, Ipv4Devconf, inDev, ipv4Net } from './ipv4_net.ts';
import { NeighParms } from './neigh_table.ts';

export class InIfaddr {
  broadcast = 0;
  flags = 0;
  label = '';
  valid_lft = INFINITY_LIFE_TIME;
  preferred_lft = INFINITY_LIFE_TIME;
  /** ns */
  cstamp = 0;
  tstamp = 0;
  rt_priority = 0;
  proto = 0;
  readonly timer: TimerList;
  constructor(
    readonly dev: InDevice,
    readonly local: number,
    readonly address: number,
    readonly prefixlen: number,
    readonly mask: number,
    readonly scope: number,
    devinet: Devinet,
  ) {
    this.timer = new TimerList(devinet, 0, this);
  }
}

/** IPv4 state of a device (Linux: struct in_device); hangs on dev.ip_ptr. */
export class InDevice {
  readonly ifa_list: InIfaddr[] = [];
  readonly cnf: Ipv4Devconf;
  readonly mc_list: IpMcList[] = [];
  dead = false;
  /** IGMP: query robustness and intervals learnt, and reports due. */
  mr_qrv = 2;
  mr_v1_seen = 0;
  mr_v2_seen = 0;
  mr_ifc_count = 0;
  mr_ifc_timer!: TimerList;
  mr_gq_timer!: TimerList;
  constructor(
    readonly dev: NetDevice,
    cnf: Ipv4Devconf,
    readonly arp_parms: NeighParms,
  ) {
    this.cnf = Object.assign(new Ipv4Devconf(), cnf);
  }

  inet_ifa_byprefix(prefix: number, mask: number): InIfaddr | undefined {
    return this.ifa_list.find((a) => a.mask === mask && ((prefix ^ a.address) & mask) === 0);
  }
}

const sameSubnet = (a: InIfaddr, address: number): boolean => ((a.address ^ address) & a.mask) === 0;

export class Devinet implements Actor {
  constructor(readonly kernel: Kernel) {}

  inetdev_init(dev: NetDevice): InDevice {
    const { arp, igmp } = this.kernel.ipv4;
    const n4 = ipv4Net(dev.net);
    const idev = new InDevice(dev, n4.confDefault, this.kernel.ipv4.neigh.neigh_parms_alloc(dev, arp.tbl));
    dev.ip_ptr = idev;
    this.devinet_sysctl_register(idev);
    this.kernel.ipv4.rtnlAddr.inet_netconf_notify_devconf(dev.net, 'RTM_NEWNETCONF', dev.ifindex, idev.cnf);
    igmp.ip_mc_init_dev(idev);
    if ((dev.flags & IFF.UP) !== 0) igmp.ip_mc_up(idev);
    return idev;
  }

  inetdev_destroy(idev: InDevice): void {
    const { dev } = idev;
    idev.dead = true;
    this.kernel.ipv4.igmp.ip_mc_destroy_dev(idev);
    for (let ifa = idev.ifa_list.at(0); ifa !== undefined; ifa = idev.ifa_list.at(0)) this.inet_del_ifa(idev, ifa);
    dev.ip_ptr = undefined;
    this.devinet_sysctl_unregister(dev);
    this.kernel.ipv4.rtnlAddr.inet_netconf_notify_devconf(dev.net, 'RTM_DELNETCONF', dev.ifindex, idev.cnf);
    this.kernel.ipv4.neigh.neigh_parms_release(dev, this.kernel.ipv4.arp.tbl);
    this.kernel.ipv4.arp.arp_ifdown(dev);
  }

  devinet_sysctl_register(idev: InDevice): void {
    const { sysctl } = idev.dev.net;
    for (const key of DEVCONF_KEYS) sysctl.set(`net.ipv4.conf.${idev.dev.name}.${key}`, String(idev.cnf[key]));
    this.kernel.ipv4.sysctls.neigh_sysctl_register('ipv4', idev.dev.net, idev.dev.name, idev.arp_parms);
  }

  devinet_sysctl_unregister(dev: NetDevice, name = dev.name): void {
    const { sysctl } = dev.net;
    for (const key of Array.from(sysctl.keys()))
      if (key.startsWith(`net.ipv4.conf.${name}.`) || key.startsWith(`net.ipv4.neigh.${name}.`)) sysctl.delete(key);
  }

  inetdev_event(event: NetdevEvent, dev: NetDevice): void {
    let idev = inDev(dev);
    const { igmp } = this.kernel.ipv4;
    if (idev === undefined) {
      if (event === 'NETDEV_REGISTER') {
        idev = this.inetdev_init(dev);
        if ((dev.flags & IFF.LOOPBACK) !== 0) {
          idev.cnf.disable_xfrm = idev.cnf.disable_policy = 1;
          this.devinet_sysctl_register(idev);
        }
      } else if (event === 'NETDEV_CHANGEMTU' && dev.mtu >= 68) this.inetdev_init(dev);
      return;
    }
    switch (event) {
      case 'NETDEV_UP':
        if (dev.mtu < 68) break;
        if ((dev.flags & IFF.LOOPBACK) !== 0 && idev.ifa_list.length === 0) {
          const ifa = this.newIfaddr(idev, 0x7f000001, 0x7f000001, 8, RT_SCOPE.HOST);
          this.__inet_insert_ifa(ifa);
        }
        igmp.ip_mc_up(idev);
        if (idev.cnf.arp_notify !== 0) this.inetdev_send_gratuitous_arp(dev, idev);
        break;
      case 'NETDEV_NOTIFY_PEERS':
        this.inetdev_send_gratuitous_arp(dev, idev);
        break;
      case 'NETDEV_CHANGEADDR':
        if (idev.cnf.arp_notify !== 0) this.inetdev_send_gratuitous_arp(dev, idev);
        break;
      case 'NETDEV_DOWN':
        igmp.ip_mc_down(idev);
        break;
      case 'NETDEV_CHANGEMTU':
        if (dev.mtu < 68) this.inetdev_destroy(idev);
        break;
      case 'NETDEV_UNREGISTER':
        this.inetdev_destroy(idev);
        break;
      case 'NETDEV_CHANGENAME':
        this.inetdev_changename(dev, idev);
        break;
      default:
        break;
    }
  }

  newIfaddr(idev: InDevice, local: number, address: number, prefixlen: number, scope: number): InIfaddr {
    const mask = prefixlen === 0 ? 0 : (0xffffffff << (32 - prefixlen)) >>> 0;
    const ifa = new InIfaddr(idev, local, address, prefixlen, mask, scope, this);
    ifa.label = idev.dev.name;
    ifa.flags = IFA_F.PERMANENT;
    return ifa;
  }

  /** Labels follow the name. */
  inetdev_changename(dev: NetDevice, idev: InDevice): void {
    for (const ifa of idev.ifa_list) {
      const colon = ifa.label.indexOf(':');
      ifa.label = colon < 0 ? dev.name : dev.name + ifa.label.slice(colon);
      this.rtmsg_ifa('RTM_NEWADDR', ifa);
    }
    for (const key of Array.from(dev.net.sysctl.keys())) {
      const m = /^net\.ipv4\.(?:conf|neigh)\.([^.]+)\./.exec(key);
      if (m !== null && m[1] !== 'all' && m[1] !== 'default' && dev.net.__dev_get_by_name(m[1]) === undefined) dev.net.sysctl.delete(key);
    }
    this.devinet_sysctl_register(idev);
    const { rtnlAddr } = this.kernel.ipv4;
    rtnlAddr.inet_netconf_notify_devconf(dev.net, 'RTM_DELNETCONF', dev.ifindex, idev.cnf);
    rtnlAddr.inet_netconf_notify_devconf(dev.net, 'RTM_NEWNETCONF', dev.ifindex, idev.cnf);
  }

  inetdev_send_gratuitous_arp(dev: NetDevice, idev: InDevice): void {
    for (const ifa of idev.ifa_list) this.kernel.ipv4.arp.arp_send(1, ifa.local, dev, ifa.local, undefined, dev.dev_addr, undefined);
  }

  /** 0, -EEXIST, -EINVAL. */
  __inet_insert_ifa(ifa: InIfaddr): number {
    const { ifa_list } = ifa.dev;
    if (ifa.local === 0) return 0;
    ifa.flags &= ~IFA_F.SECONDARY;
    let lastPrimary = 0;
    for (let i = 0; i < ifa_list.length; i++) {
      const other = ifa_list[i];
      if ((other.flags & IFA_F.SECONDARY) === 0 && ifa.scope <= other.scope) lastPrimary = i + 1;
      if (other.mask === ifa.mask && sameSubnet(other, ifa.address)) {
        if (other.local === ifa.local) return -Errno.EEXIST;
        if (other.scope !== ifa.scope) return -Errno.EINVAL;
        ifa.flags |= IFA_F.SECONDARY;
      }
    }
    ifa_list.splice((ifa.flags & IFA_F.SECONDARY) === 0 ? lastPrimary : ifa_list.length, 0, ifa);
    ifa.cstamp = ifa.tstamp = this.kernel.now();
    this.inet_hash_insert(ifa);
    this.armLifetime(ifa);
    this.rtmsg_ifa('RTM_NEWADDR', ifa);
    this.kernel.ipv4.fib.fib_inetaddr_event(true, ifa);
    return 0;
  }

  private inet_hash_insert(ifa: InIfaddr): void {
    const { addresses } = ipv4Net(ifa.dev.dev.net);
    const list = addresses.get(ifa.local);
    if (list === undefined) addresses.set(ifa.local, [ifa.dev]);
    else list.push(ifa.dev);
  }

  private inet_hash_remove(ifa: InIfaddr): void {
    const { addresses } = ipv4Net(ifa.dev.dev.net);
    const list = addresses.get(ifa.local);
    if (list === undefined) return;
    list.splice(list.indexOf(ifa.dev), 1);
    if (list.length === 0) addresses.delete(ifa.local);
  }

  inet_del_ifa(idev: InDevice, ifa: InIfaddr): void {
    const list = idev.ifa_list;
    const promote: InIfaddr[] = [];
    if ((ifa.flags & IFA_F.SECONDARY) === 0) {
      for (const other of list.slice()) {
        if (other === ifa || (other.flags & IFA_F.SECONDARY) === 0 || other.mask !== ifa.mask || !sameSubnet(other, ifa.address)) continue;
        if (idev.cnf.promote_secondaries !== 0 || ipv4Net(idev.dev.net).confAll.promote_secondaries !== 0) promote.push(other);
        else this.removeIfaddr(idev, other);
      }
    }
    this.removeIfaddr(idev, ifa);
    const [first, ...rest] = promote;
    if (first !== undefined) {
      first.flags &= ~IFA_F.SECONDARY;
      this.rtmsg_ifa('RTM_NEWADDR', first);
      this.kernel.ipv4.fib.fib_inetaddr_event(true, first);
      for (const other of rest) this.kernel.ipv4.fib.fib_add_ifaddr(other);
    }
  }

  private removeIfaddr(idev: InDevice, ifa: InIfaddr): void {
    const at = idev.ifa_list.indexOf(ifa);
    if (at < 0) return;
    idev.ifa_list.splice(at, 1);
    this.inet_hash_remove(ifa);
    this.kernel.timers.del_timer(ifa.timer);
    this.rtmsg_ifa('RTM_DELADDR', ifa);
    this.kernel.ipv4.fib.fib_inetaddr_event(false, ifa);
  }

  /** Preferred and valid lifetimes run out. */
  armLifetime(ifa: InIfaddr): void {
    this.kernel.timers.del_timer(ifa.timer);
    const wait = (ifa.flags & IFA_F.DEPRECATED) === 0 ? Math.min(ifa.preferred_lft, ifa.valid_lft) : ifa.valid_lft;
    if (wait !== INFINITY_LIFE_TIME) this.kernel.timers.mod_timer(ifa.timer, Math.max(this.kernel.now(), ifa.tstamp + wait * 1e9));
  }

  onEvent(_op: number, arg: unknown): void {
    const ifa = arg as InIfaddr;
    const age = (this.kernel.now() - ifa.tstamp) / 1e9;
    if (ifa.valid_lft !== INFINITY_LIFE_TIME && age >= ifa.valid_lft) {
      this.inet_del_ifa(ifa.dev, ifa);
      return;
    }
    if (ifa.preferred_lft !== INFINITY_LIFE_TIME && age >= ifa.preferred_lft && (ifa.flags & IFA_F.DEPRECATED) === 0) {
      ifa.flags |= IFA_F.DEPRECATED;
      this.rtmsg_ifa('RTM_NEWADDR', ifa);
    }
    this.armLifetime(ifa);
  }

  rtmsg_ifa(type: 'RTM_NEWADDR' | 'RTM_DELADDR', ifa: InIfaddr): void {
    const { rtnl } = this.kernel;
    const { net } = ifa.dev.dev;
    if (rtnl.listening(net, 'ipv4-addr')) rtnl.notify(net, 'ipv4-addr', { type, info: this.kernel.ipv4.rtnlAddr.inet_fill_ifaddr(ifa) });
  }

  /** The device that has the address; the first when several do. */
  __ip_dev_find(net: Net, addr: number): NetDevice | undefined {
    const list = ipv4Net(net).addresses.get(addr);
    if (list !== undefined) return list[0].dev;
    const { fib } = this.kernel.ipv4;
    // any address of a local prefix (127.0.0.0/8) counts
    return fib.inet_addr_type(net, addr) === 2 ? net.loopback_dev : undefined;
  }

  inet_lookup_ifaddr_rcu(net: Net, addr: number): boolean {
    return ipv4Net(net).addresses.has(addr);
  }

  /** A source address on `dev` for `dst` of at most `scope`; from other devices when it has none. */
  inet_select_addr(dev: NetDevice, dst: number, scope: number): number {
    const localnet = inDev(dev)?.cnf.route_localnet === 1;
    const limit = localnet && scope > RT_SCOPE.LINK ? RT_SCOPE.LINK : scope;
    let addr = 0;
    const idev = inDev(dev);
    if (idev !== undefined) {
      for (const ifa of idev.ifa_list) {
        if ((ifa.flags & IFA_F.SECONDARY) !== 0 || Math.min(ifa.scope, localnet ? RT_SCOPE.LINK : 255) > limit) continue;
        if (dst === 0 || sameSubnet(ifa, dst)) return ifa.local;
        if (addr === 0) addr = ifa.local;
      }
    }
    if (addr !== 0) return addr;
    for (const other of dev.net.devices) {
      const od = inDev(other);
      if (od === undefined) continue;
      const ifa = od.ifa_list.find((a) => (a.flags & IFA_F.SECONDARY) === 0 && a.scope !== RT_SCOPE.LINK && a.scope <= scope);
      if (ifa !== undefined) return ifa.local;
    }
    return 0;
  }

  inet_addr_onlink(idev: InDevice, a: number, b: number): boolean {
    return idev.ifa_list.some((ifa) => sameSubnet(ifa, a) && (b === 0 || sameSubnet(ifa, b)));
  }
}
