// net.ipv4.*: text in Net.sysctl, numbers where the code reads them, and what a write does (Linux: net/ipv4/sysctl_net_ipv4.c, devinet.c).
import { Errno } from '../../base/errno.ts';
import type { SysctlHandler } from '../fs/sysctl.ts';
import type { Kernel } from '../kernel.ts';
import type { Net } from '../net_namespace.ts';
import {
  DEVCONF_KEYS,
  Ipv4Devconf,
  ROUTE_KEYS,
  SYSCTL_KEYS,
  inDev,
  ipv4Net,
  type DevconfKey,
  type Ipv4Sysctls,
  type RouteSysctls,
} from './ipv4_net.ts';
import { QLEN_TRUESIZE, type NeighParms, type NeighTable } from './neigh_table.ts';

/** Values nothing here reads, but that a machine shows (TCP's are the transport's own). */
const SHOWN: readonly (readonly [string, string])[] = [
  ['net.ipv4.ip_unprivileged_port_start', '1024'],
  ['net.ipv4.ip_local_reserved_ports', ''],
  ['net.ipv4.ip_dynaddr', '0'],
  ['net.ipv4.ip_early_demux', '1'],
  ['net.ipv4.ip_forward_update_priority', '1'],
  ['net.ipv4.inet_peer_maxttl', '600'],
  ['net.ipv4.inet_peer_minttl', '120'],
  ['net.ipv4.inet_peer_threshold', '65664'],
  ['net.ipv4.udp_early_demux', '1'],
  ['net.ipv4.udp_l3mdev_accept', '0'],
  ['net.ipv4.raw_l3mdev_accept', '1'],
  ['net.ipv4.nexthop_compat_mode', '1'],
  ['net.ipv4.fib_notify_on_flag_change', '0'],
];

/** neigh.X entries: name, field, and how the text maps to milliseconds. */
const NEIGH_KEYS: readonly (readonly [name: string, get: (p: NeighParms) => number, set: (p: NeighParms, n: number) => void])[] = [
  ['anycast_delay', (p) => p.anycast_delay_ms / 10, (p, n) => (p.anycast_delay_ms = n * 10)],
  ['app_solicit', (p) => p.app_solicit, (p, n) => (p.app_solicit = n)],
  ['base_reachable_time', (p) => Math.floor(p.base_reachable_time_ms / 1000), (p, n) => (p.base_reachable_time_ms = n * 1000)],
  ['base_reachable_time_ms', (p) => p.base_reachable_time_ms, (p, n) => (p.base_reachable_time_ms = n)],
  ['delay_first_probe_time', (p) => p.delay_first_probe_time_ms / 1000, (p, n) => (p.delay_first_probe_time_ms = n * 1000)],
  ['gc_stale_time', (p) => p.gc_stale_time_ms / 1000, (p, n) => (p.gc_stale_time_ms = n * 1000)],
  ['interval_probe_time_ms', () => 5000, () => 0],
  ['locktime', (p) => p.locktime_ms / 10, (p, n) => (p.locktime_ms = n * 10)],
  ['mcast_resolicit', (p) => p.mcast_resolicit, (p, n) => (p.mcast_resolicit = n)],
  ['mcast_solicit', (p) => p.mcast_solicit, (p, n) => (p.mcast_solicit = n)],
  ['proxy_delay', (p) => p.proxy_delay_ms / 10, (p, n) => (p.proxy_delay_ms = n * 10)],
  ['proxy_qlen', (p) => p.proxy_qlen, (p, n) => (p.proxy_qlen = n)],
  ['retrans_time', (p) => p.retrans_time_ms / 10, (p, n) => (p.retrans_time_ms = n * 10)],
  ['retrans_time_ms', (p) => p.retrans_time_ms, (p, n) => (p.retrans_time_ms = n)],
  ['ucast_solicit', (p) => p.ucast_solicit, (p, n) => (p.ucast_solicit = n)],
  ['unres_qlen', (p) => Math.floor(p.unres_qlen_bytes / QLEN_TRUESIZE), (p, n) => (p.unres_qlen_bytes = n * QLEN_TRUESIZE)],
  ['unres_qlen_bytes', (p) => p.unres_qlen_bytes, (p, n) => (p.unres_qlen_bytes = n)],
];

export class Sysctls4 implements SysctlHandler {
  constructor(readonly kernel: Kernel) {
    kernel.vfs.sysctl.register('net.ipv4.', this);
  }

  initNet(net: Net): void {
    const n4 = ipv4Net(net);
    for (const key of SYSCTL_KEYS) net.sysctl.set(`net.ipv4.${key}`, String(n4.sysctl[key]));
    for (const key of ROUTE_KEYS) net.sysctl.set(`net.ipv4.route.${key}`, String(n4.routeSysctl[key]));
    for (const [name, value] of SHOWN) net.sysctl.set(name, value);
    net.sysctl.set('net.ipv4.ip_local_port_range', `${n4.portMin}\t${n4.portMax}`);
    net.sysctl.set('net.ipv4.ping_group_range', `${n4.pingGroupLow}\t${n4.pingGroupHigh}`);
    for (const key of DEVCONF_KEYS) {
      net.sysctl.set(`net.ipv4.conf.all.${key}`, String(n4.confAll[key]));
      net.sysctl.set(`net.ipv4.conf.default.${key}`, String(n4.confDefault[key]));
    }
    const { tbl } = this.kernel.ipv4.arp;
    this.neigh_sysctl_register('ipv4', net, 'default', tbl.defaults);
    const { sysctl } = net;
    sysctl.set('net.ipv4.neigh.default.gc_interval', String(tbl.gc_interval_ms / 1000));
    for (const t of ['gc_thresh1', 'gc_thresh2', 'gc_thresh3'] as const) sysctl.set(`net.ipv4.neigh.default.${t}`, String(tbl[t]));
  }

  neigh_sysctl_register(family: 'ipv4' | 'ipv6', net: Net, name: string, parms: NeighParms): void {
    for (const [key, get] of NEIGH_KEYS) net.sysctl.set(`net.${family}.neigh.${name}.${key}`, String(get(parms)));
  }

  sysctl_write(net: Net, name: string, text: string): number {
    const n4 = ipv4Net(net);
    const path = name.split('.').slice(2);
    const numbers = text.split(/\s+/).map(Number);
    if (path[0] === 'conf')
      return this.devinet_conf_proc(net, path.slice(1, -1).join('.'), path[path.length - 1] as DevconfKey, numbers[0]);
    if (path[0] === 'neigh')
      return this.neigh_proc(this.kernel.ipv4.arp.tbl, net, path.slice(1, -1).join('.'), path[path.length - 1], numbers[0]);
    if (path[0] === 'ip_local_port_range') {
      const [low, high] = numbers;
      if (numbers.length !== 2 || !(low >= 1) || !(high <= 65535) || low > high) return -Errno.EINVAL;
      n4.portMin = low;
      n4.portMax = high;
    } else if (path[0] === 'ping_group_range') {
      if (numbers.length !== 2 || numbers.some((n) => !Number.isInteger(n))) return -Errno.EINVAL;
      [n4.pingGroupLow, n4.pingGroupHigh] = numbers[0] > numbers[1] ? [1, 0] : numbers;
    } else if (path[0] === 'route' && path[1] in n4.routeSysctl) n4.routeSysctl[path[1] as keyof RouteSysctls] = numbers[0];
    else if (path[0] in n4.sysctl) {
      if (!Number.isInteger(numbers[0])) return -Errno.EINVAL;
      const key = path[0] as keyof Ipv4Sysctls;
      if (key === 'ip_default_ttl' && (numbers[0] < 1 || numbers[0] > 255)) return -Errno.EINVAL;
      n4.sysctl[key] = numbers[0];
      if (key === 'ip_forward') this.inet_forward_change(net, numbers[0] !== 0 ? 1 : 0);
    }
    return 0;
  }

  devinet_conf_proc(net: Net, dev: string, key: DevconfKey, value: number): number {
    const n4 = ipv4Net(net);
    if (!Number.isInteger(value)) return -Errno.EINVAL;
    if (key === 'mc_forwarding') return -Errno.EACCES;
    if (key === 'forwarding' && dev === 'all') {
      this.inet_forward_change(net, value !== 0 ? 1 : 0);
      return 0;
    }
    const cnf = this.confOf(net, dev);
    if (cnf === undefined) return -Errno.ENOENT;
    cnf[key] = value;
    n4.rtGenid++;
    return 0;
  }

  private confOf(net: Net, dev: string): Ipv4Devconf | undefined {
    const n4 = ipv4Net(net);
    if (dev === 'all') return n4.confAll;
    if (dev === 'default') return n4.confDefault;
    const device = net.__dev_get_by_name(dev);
    return device === undefined ? undefined : inDev(device)?.cnf;
  }

  /** Forwarding for all devices, present and future; routers take no redirects. */
  inet_forward_change(net: Net, on: number): void {
    const n4 = ipv4Net(net);
    n4.sysctl.ip_forward = on;
    n4.confAll.forwarding = n4.confDefault.forwarding = on;
    n4.confAll.accept_redirects = on === 0 ? 1 : 0;
    net.sysctl.set('net.ipv4.ip_forward', String(on));
    for (const name of ['all', 'default']) net.sysctl.set(`net.ipv4.conf.${name}.forwarding`, String(on));
    net.sysctl.set('net.ipv4.conf.all.accept_redirects', String(n4.confAll.accept_redirects));
    for (const dev of net.devices) {
      const idev = inDev(dev);
      if (idev === undefined) continue;
      idev.cnf.forwarding = on;
      net.sysctl.set(`net.ipv4.conf.${dev.name}.forwarding`, String(on));
    }
    n4.rtGenid++;
  }

  neigh_proc(tbl: NeighTable, net: Net, name: string, key: string, value: number): number {
    if (!Number.isInteger(value) || value < 0) return -Errno.EINVAL;
    if (key === 'gc_thresh1' || key === 'gc_thresh2' || key === 'gc_thresh3') {
      tbl[key] = value;
      return 0;
    }
    const dev = name === 'default' ? undefined : net.__dev_get_by_name(name);
    const parms = name === 'default' ? tbl.defaults : dev === undefined ? undefined : tbl.parms.get(dev);
    const entry = NEIGH_KEYS.find(([k]) => k === key);
    if (parms === undefined || entry === undefined) return key === 'gc_interval' ? 0 : -Errno.ENOENT;
    entry[2](parms, value);
    if (key.startsWith('base_reachable_time'))
      parms.reachable_time_ms = this.kernel.ipv4.neigh.neigh_rand_reach_time(parms.base_reachable_time_ms);
    this.neigh_sysctl_register(tbl.family === 2 ? 'ipv4' : 'ipv6', net, name, parms);
    return 0;
  }
}
