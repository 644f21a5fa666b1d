// net.ipv6.*: text in Net.sysctl, numbers where the code reads them, and what a write does (Linux: net/ipv6/addrconf.c, sysctl_net_ipv6.c).
import { Errno } from '../../base/errno.ts';
import type { SysctlHandler } from '../fs/sysctl.ts';
import type { Kernel } from '../kernel.ts';
import { IFF, type NetDevice } from '../net_device.ts';
import type { Net } from '../net_namespace.ts';
import { IN6_LL_ALLROUTERS } from './in6.ts';
import { DEVCONF6_KEYS, in6Dev, ipv6Net, type Devconf6Key, type Inet6Dev, type Ipv6Devconf } from './ipv6_net.ts';

const SHOWN: readonly (readonly [string, string])[] = [
  ['net.ipv6.bindv6only', '0'],
  ['net.ipv6.anycast_src_echo_reply', '0'],
  ['net.ipv6.auto_flowlabels', '1'],
  ['net.ipv6.fib_multipath_hash_policy', '0'],
  ['net.ipv6.flowlabel_consistency', '1'],
  ['net.ipv6.flowlabel_state_ranges', '0'],
  ['net.ipv6.flowlabel_reflect', '0'],
  ['net.ipv6.idgen_delay', '1'],
  ['net.ipv6.idgen_retries', '3'],
  ['net.ipv6.ip6frag_high_thresh', '4194304'],
  ['net.ipv6.ip6frag_low_thresh', '3145728'],
  ['net.ipv6.ip6frag_time', '60'],
  ['net.ipv6.ip_nonlocal_bind', '0'],
  ['net.ipv6.max_dst_opts_length', '2147483647'],
  ['net.ipv6.max_dst_opts_number', '8'],
  ['net.ipv6.max_hbh_length', '2147483647'],
  ['net.ipv6.max_hbh_opts_number', '8'],
  ['net.ipv6.mld_max_msf', '64'],
  ['net.ipv6.mld_qrv', '2'],
  ['net.ipv6.seg6_flowlabel', '0'],
  ['net.ipv6.xfrm6_gc_thresh', '32768'],
  ['net.ipv6.icmp.echo_ignore_all', '0'],
  ['net.ipv6.icmp.echo_ignore_anycast', '0'],
  ['net.ipv6.icmp.echo_ignore_multicast', '0'],
  ['net.ipv6.icmp.ratelimit', '1000'],
  ['net.ipv6.icmp.ratemask', '0-1,3-127'],
  ['net.ipv6.route.gc_elasticity', '9'],
  ['net.ipv6.route.gc_interval', '30'],
  ['net.ipv6.route.gc_min_interval', '0'],
  ['net.ipv6.route.gc_min_interval_ms', '500'],
  ['net.ipv6.route.gc_thresh', '1024'],
  ['net.ipv6.route.gc_timeout', '60'],
  ['net.ipv6.route.max_size', '2147483647'],
  ['net.ipv6.route.min_adv_mss', '1220'],
  ['net.ipv6.route.mtu_expires', '600'],
  ['net.ipv6.route.skip_notify_on_dev_down', '0'],
];

export class Sysctls6 implements SysctlHandler {
  constructor(readonly kernel: Kernel) {
    kernel.vfs.sysctl.register('net.ipv6.', this);
  }

  initNet(net: Net): void {
    const n6 = ipv6Net(net);
    for (const [name, value] of SHOWN) net.sysctl.set(name, value);
    for (const key of DEVCONF6_KEYS) {
      net.sysctl.set(`net.ipv6.conf.all.${key}`, String(n6.confAll[key]));
      net.sysctl.set(`net.ipv6.conf.default.${key}`, String(n6.confDefault[key]));
    }
    const { tbl } = this.kernel.ipv6.ndisc;
    this.kernel.ipv4.sysctls.neigh_sysctl_register('ipv6', net, 'default', tbl.defaults);
    net.sysctl.set('net.ipv6.neigh.default.gc_interval', String(tbl.gc_interval_ms / 1000));
    for (const t of ['gc_thresh1', 'gc_thresh2', 'gc_thresh3'] as const) net.sysctl.set(`net.ipv6.neigh.default.${t}`, String(tbl[t]));
  }

  addrconf_sysctl_register(idev: Inet6Dev): void {
    const { dev } = idev;
    for (const key of DEVCONF6_KEYS) dev.net.sysctl.set(`net.ipv6.conf.${dev.name}.${key}`, String(idev.cnf[key]));
    this.kernel.ipv4.sysctls.neigh_sysctl_register('ipv6', dev.net, dev.name, idev.nd_parms);
  }

  addrconf_sysctl_unregister(dev: NetDevice, name = dev.name): void {
    const { sysctl } = dev.net;
    for (const key of Array.from(sysctl.keys()))
      if (key.startsWith(`net.ipv6.conf.${name}.`) || key.startsWith(`net.ipv6.neigh.${name}.`)) sysctl.delete(key);
  }

  rename(dev: NetDevice, idev: Inet6Dev): void {
    for (const key of Array.from(dev.net.sysctl.keys())) {
      const m = /^net\.ipv6\.(?:conf|neigh)\.([^.]+)\./.exec(key);
      if (m !== null && m[1] !== 'all' && m[1] !== 'default' && dev.net.__dev_get_by_name(m[1]) === undefined) dev.net.sysctl.delete(key);
    }
    this.addrconf_sysctl_register(idev);
    const { rtnlAddr } = this.kernel.ipv6;
    rtnlAddr.inet6_netconf_notify_devconf(dev.net, 'RTM_DELNETCONF', dev.ifindex, idev.cnf);
    rtnlAddr.inet6_netconf_notify_devconf(dev.net, 'RTM_NEWNETCONF', dev.ifindex, idev.cnf);
  }

  show(dev: NetDevice, key: Devconf6Key, value: number): void {
    dev.net.sysctl.set(`net.ipv6.conf.${dev.name}.${key}`, String(value));
  }

  sysctl_write(net: Net, name: string, text: string): number {
    const path = name.split('.').slice(2);
    const value = Number(text);
    if (path[0] === 'neigh')
      return this.kernel.ipv4.sysctls.neigh_proc(
        this.kernel.ipv6.ndisc.tbl,
        net,
        path.slice(1, -1).join('.'),
        path[path.length - 1],
        value,
      );
    if (path[0] === 'icmp' && path[1] === 'ratelimit') {
      if (!Number.isInteger(value) || value < 0) return -Errno.EINVAL;
      ipv6Net(net).icmp_ratelimit = value;
    }
    if (path[0] !== 'conf') return 0;
    if (!Number.isInteger(value)) return -Errno.EINVAL;
    return this.devconf(net, path.slice(1, -1).join('.'), path[path.length - 1] as Devconf6Key, value);
  }

  private devconf(net: Net, name: string, key: Devconf6Key, value: number): number {
    const n6 = ipv6Net(net);
    const dev = net.__dev_get_by_name(name);
    const idev = dev === undefined ? undefined : in6Dev(dev);
    const cnf: Ipv6Devconf | undefined = name === 'all' ? n6.confAll : name === 'default' ? n6.confDefault : idev?.cnf;
    if (cnf === undefined) return -Errno.ENOENT;
    if (key === 'mc_forwarding') return -Errno.EACCES;
    if (key === 'addr_gen_mode' && (value < 0 || value > 3)) return -Errno.EINVAL;
    if (key === 'mtu' && dev !== undefined && (value < 1280 || value > dev.mtu)) return -Errno.EINVAL;
    cnf[key] = value;
    n6.genid++;
    if (key === 'disable_ipv6') this.addrconf_disable_ipv6(net, name, dev, value);
    else if (key === 'forwarding') this.addrconf_forward_change(net, name, value);
    return 0;
  }

  private addrconf_disable_ipv6(net: Net, name: string, dev: NetDevice | undefined, value: number): void {
    const targets = name === 'all' ? net.devices : dev === undefined ? [] : [dev];
    if (name === 'all') {
      ipv6Net(net).confDefault.disable_ipv6 = value;
      net.sysctl.set('net.ipv6.conf.default.disable_ipv6', String(value));
    }
    for (const d of targets) {
      const idev = in6Dev(d);
      if (idev === undefined || (name === 'all' && idev.cnf.disable_ipv6 === value)) continue;
      idev.cnf.disable_ipv6 = value;
      this.show(d, 'disable_ipv6', value);
      if (value !== 0) this.kernel.ipv6.addrconf.addrconf_notify('NETDEV_DOWN', d, 0);
      else if ((d.flags & IFF.UP) !== 0) this.kernel.ipv6.addrconf.addrconf_notify('NETDEV_UP', d, 0);
    }
  }

  private addrconf_forward_change(net: Net, name: string, value: number): void {
    const n6 = ipv6Net(net);
    if (name === 'all') {
      n6.confDefault.forwarding = value;
      net.sysctl.set('net.ipv6.conf.default.forwarding', String(value));
    }
    for (const dev of net.devices) {
      const idev = in6Dev(dev);
      if (idev === undefined || (name !== 'all' && name !== dev.name)) continue;
      idev.cnf.forwarding = value;
      this.show(dev, 'forwarding', value);
      if ((dev.flags & IFF.MULTICAST) === 0) continue;
      if (value !== 0) this.kernel.ipv6.mcast.ipv6_dev_mc_inc(dev, IN6_LL_ALLROUTERS);
      else this.kernel.ipv6.mcast.ipv6_dev_mc_dec(dev, IN6_LL_ALLROUTERS);
    }
  }
}
