// The net core: a device's state as users change it – up, down, flags, MTU, addresses, names (Linux: net/core/dev.c). Other parts hang on it.
import { Errno } from '../base/errno.ts';
import { DevAddrLists } from './dev_addr_lists.ts';
import { NapiCore } from './dev_napi.ts';
import { DevRegistry, NET_ADDR_RANDOM, NET_ADDR_SET } from './dev_registry.ts';
import { Rps } from './rps.ts';
import { DevRx } from './dev_rx.ts';
import { DevXmit } from './dev_xmit.ts';
import { Eth } from './eth.ts';
import type { Kernel } from './kernel.ts';
import { LinkWatch } from './link_watch.ts';
import { IF_OPER, IFF, LINK_STATS, type LinkStats, type NetDevice, zeroLinkStats } from './net_device.ts';
import { NetdevFeatures } from './netdev_features.ts';
import { NL_OK, type NlResult } from './rtnetlink.ts';
import { PacketCapture } from './packet_capture.ts';
import { VlanCore } from './vlan_core.ts';
import { NET_RX_SOFTIRQ, NET_TX_SOFTIRQ } from './softirq.ts';

/** Linux: include/uapi/linux/netdevice.h */
const NET_NAME_RENAMED = 4;

/** Flags that only the kernel sets (Linux: IFF_VOLATILE) */
const IFF_VOLATILE = IFF.LOOPBACK | IFF.POINTOPOINT | IFF.BROADCAST | IFF.MASTER | IFF.SLAVE | IFF.RUNNING | IFF.LOWER_UP | IFF.DORMANT;
/** Flags a user may set and that mean nothing to the core */
const IFF_SETTABLE = IFF.DEBUG | IFF.NOTRAILERS | IFF.NOARP | IFF.DYNAMIC | IFF.MULTICAST;

/** Linux: NETDEV_RSS_KEY_LEN */
const NETDEV_RSS_KEY_LEN = 52;

export class NetCore extends DevRegistry {
  /** Inline in Linux. */
  static readonly inlined: readonly string[] = Object.freeze([
    'dev_hold',
    'dev_put',
    'alloc_etherdev_mq',
    'unregister_netdevice',
    'eth_hw_addr_random',
    'unlist_netdevice',
    'list_netdevice',
  ]);
  /** For recorders outside the world. */
  readonly capture = new PacketCapture();
  readonly eth: Eth;
  readonly napi: NapiCore;
  readonly xmit: DevXmit;
  readonly rx: DevRx;
  readonly rps: Rps;
  readonly addrs: DevAddrLists;
  readonly link: LinkWatch;
  readonly features: NetdevFeatures;
  readonly vlan: VlanCore;

  constructor(kernel: Kernel) {
    super(kernel);
    this.eth = new Eth(kernel);
    this.napi = new NapiCore(kernel);
    this.xmit = new DevXmit(kernel);
    this.rx = new DevRx(kernel);
    this.rps = new Rps(kernel);
    this.addrs = new DevAddrLists(kernel);
    this.link = new LinkWatch(kernel);
    this.features = new NetdevFeatures(kernel);
    this.vlan = new VlanCore(kernel);
    kernel.softirqs.open_softirq(NET_TX_SOFTIRQ, this.xmit);
    kernel.softirqs.open_softirq(NET_RX_SOFTIRQ, this.rx);
  }

  /** Brings it up, and tells everyone; 0 or a negative errno. */
  dev_open(dev: NetDevice): number {
    if ((dev.flags & IFF.UP) !== 0) return 0;
    const err = this.__dev_open(dev);
    if (err < 0) return err;
    this.kernel.rtnl.rtmsg_ifinfo('RTM_NEWLINK', dev);
    this.call_netdevice_notifiers('NETDEV_UP', dev);
    return 0;
  }
  __dev_open(dev: NetDevice): number {
    if (!dev.present) return -Errno.ENODEV;
    let err = this.call_netdevice_notifiers('NETDEV_PRE_UP', dev);
    if (err < 0) return err;
    dev.started = true;
    err = dev.netdev_ops.ndo_validate_addr?.(dev) ?? 0;
    if (err === 0) err = dev.netdev_ops.ndo_open?.(dev) ?? 0;
    if (err !== 0) {
      dev.started = false;
      return err;
    }
    dev.flags |= IFF.UP;
    this.addrs.dev_set_rx_mode(dev);
    this.kernel.sched.dev_activate(dev);
    return 0;
  }

  /** Brings it down, and tells everyone. */
  dev_close(dev: NetDevice): void {
    if ((dev.flags & IFF.UP) === 0) return;
    this.__dev_close(dev);
    this.kernel.rtnl.rtmsg_ifinfo('RTM_NEWLINK', dev);
    this.call_netdevice_notifiers('NETDEV_DOWN', dev);
  }
  __dev_close(dev: NetDevice): void {
    this.call_netdevice_notifiers('NETDEV_GOING_DOWN', dev);
    dev.started = false;
    this.kernel.sched.dev_deactivate(dev);
    dev.netdev_ops.ndo_stop?.(dev);
    dev.flags &= ~IFF.UP;
  }

  /** Sets IFF_* flags as `ip link set` does; 0 or a negative errno. */
  dev_change_flags(dev: NetDevice, flags: number): number {
    const old = dev.flags;
    const oldAsked = dev.gflags;
    const err = this.__dev_change_flags(dev, flags);
    if (err < 0) return err;
    this.__dev_notify_flags(dev, old, (old ^ dev.flags) | (oldAsked ^ dev.gflags));
    return 0;
  }
  __dev_change_flags(dev: NetDevice, flags: number): number {
    const old = dev.flags;
    dev.flags = (flags & IFF_SETTABLE) | (old & (IFF.UP | IFF_VOLATILE | IFF.PROMISC | IFF.ALLMULTI));
    this.addrs.dev_set_rx_mode(dev);
    let err = 0;
    if (((old ^ flags) & IFF.UP) !== 0) {
      if ((old & IFF.UP) !== 0) this.__dev_close(dev);
      else err = this.__dev_open(dev);
    }
    // what a user asked for counts once, beside what taps and bridges asked for
    if (((flags ^ dev.gflags) & IFF.PROMISC) !== 0) {
      dev.gflags ^= IFF.PROMISC;
      this.addrs.__dev_set_promiscuity(dev, (flags & IFF.PROMISC) !== 0 ? 1 : -1, { notify: false });
      this.addrs.dev_set_rx_mode(dev);
    }
    if (((flags ^ dev.gflags) & IFF.ALLMULTI) !== 0) {
      dev.gflags ^= IFF.ALLMULTI;
      this.addrs.__dev_set_allmulti(dev, (flags & IFF.ALLMULTI) !== 0 ? 1 : -1, { notify: false });
    }
    return err;
  }
  __dev_notify_flags(dev: NetDevice, old: number, changed: number): void {
    if (changed !== 0) this.kernel.rtnl.rtmsg_ifinfo('RTM_NEWLINK', dev);
    const changes = old ^ dev.flags;
    if ((changes & IFF.UP) !== 0) this.call_netdevice_notifiers((dev.flags & IFF.UP) !== 0 ? 'NETDEV_UP' : 'NETDEV_DOWN', dev);
    if ((dev.flags & IFF.UP) !== 0 && (changes & ~(IFF.UP | IFF.PROMISC | IFF.ALLMULTI | IFF_VOLATILE)) !== 0)
      this.call_netdevice_notifiers('NETDEV_CHANGE', dev, { flags_changed: changes });
  }

  /** Flags as user space sees them: RUNNING and LOWER_UP from state, promiscuity as users asked. */
  dev_get_flags(dev: NetDevice): number {
    let flags =
      (dev.flags & ~(IFF.PROMISC | IFF.ALLMULTI | IFF.RUNNING | IFF.LOWER_UP | IFF.DORMANT)) | (dev.gflags & (IFF.PROMISC | IFF.ALLMULTI));
    if (!dev.started) return flags;
    if (this.link.netif_oper_up(dev)) flags |= IFF.RUNNING;
    if (!dev.nocarrier) flags |= IFF.LOWER_UP;
    if (dev.operstate === IF_OPER.DORMANT) flags |= IFF.DORMANT;
    return flags;
  }

  dev_set_mtu(dev: NetDevice, mtu: number): number {
    return this.dev_set_mtu_ext(dev, mtu).errno;
  }
  dev_set_mtu_ext(dev: NetDevice, mtu: number): NlResult {
    if (mtu === dev.mtu) return NL_OK;
    if (mtu < 0 || mtu < dev.min_mtu) return { errno: -Errno.EINVAL, extack: 'mtu less than device minimum' };
    if (dev.max_mtu > 0 && mtu > dev.max_mtu) return { errno: -Errno.EINVAL, extack: 'mtu greater than device maximum' };
    if (!dev.present) return { errno: -Errno.ENODEV };
    let err = this.call_netdevice_notifiers('NETDEV_PRECHANGEMTU', dev, { mtu });
    if (err < 0) return { errno: err };
    const old = dev.mtu;
    err = this.__dev_set_mtu(dev, mtu);
    if (err !== 0) return { errno: err };
    err = this.call_netdevice_notifiers('NETDEV_CHANGEMTU', dev, { mtu: old });
    if (err < 0) {
      this.__dev_set_mtu(dev, old);
      this.call_netdevice_notifiers('NETDEV_CHANGEMTU', dev, { mtu });
      return { errno: err };
    }
    return NL_OK;
  }
  __dev_set_mtu(dev: NetDevice, mtu: number): number {
    if (dev.netdev_ops.ndo_change_mtu !== undefined) return dev.netdev_ops.ndo_change_mtu(dev, mtu);
    dev.mtu = mtu;
    return 0;
  }

  dev_set_mac_address(dev: NetDevice, addr: Uint8Array): number {
    const set = dev.netdev_ops.ndo_set_mac_address;
    if (set === undefined) return -Errno.EOPNOTSUPP;
    if (!dev.present) return -Errno.ENODEV;
    let err = this.call_netdevice_notifiers('NETDEV_PRE_CHANGEADDR', dev, { dev_addr: addr });
    if (err < 0) return err;
    if (addr.some((x, i) => x !== dev.dev_addr[i])) {
      err = dev.netdev_ops.ndo_set_mac_address!(dev, addr);
      if (err !== 0) return err;
    }
    dev.addr_assign_type = NET_ADDR_SET;
    this.call_netdevice_notifiers('NETDEV_CHANGEADDR', dev);
    return 0;
  }
  /** A random, locally administered address. */
  eth_hw_addr_random(dev: NetDevice): void {
    const chance = this.kernel.platform.sim.random(`${this.kernel.platform.machine}:eth_addr`);
    const addr = Uint8Array.from({ length: 6 }, () => chance.below(256));
    addr[0] = (addr[0] & 0xfe) | 2;
    dev.dev_addr = addr;
    dev.addr_assign_type = NET_ADDR_RANDOM;
  }

  private readonly rssKey: number[] = [];
  /** The machine's key for hashing flows, chosen when first asked for. */
  netdev_rss_key_fill(length: number): Uint8Array {
    const { platform, vfs } = this.kernel;
    if (this.rssKey.length === 0) {
      const chance = platform.sim.random(`${platform.machine}:netdev_rss_key`);
      for (let i = 0; i < NETDEV_RSS_KEY_LEN; i++) this.rssKey.push(chance.below(256));
      vfs.sysctl.define('net.core.netdev_rss_key', this.rssKey.map((b) => b.toString(16).padStart(2, '0')).join(':'));
    }
    return Uint8Array.from(this.rssKey.slice(0, length));
  }

  /** 0, -EBUSY while up, -EEXIST, -EINVAL. */
  dev_change_name(dev: NetDevice, name: string): number {
    if ((dev.flags & IFF.UP) !== 0) return -Errno.EBUSY;
    if (name === dev.name) return 0;
    const old = dev.name;
    const err = this.dev_get_valid_name(dev.net, dev, name);
    if (err < 0) return err;
    dev.name_assign_type = NET_NAME_RENAMED;
    if (old !== '' && !old.includes('%')) this.kernel.printk.netdev_info(dev, `renamed from ${old}`);
    this.kernel.rtnl.rtmsg_ifinfo('RTM_NEWLINK', dev);
    this.call_netdevice_notifiers('NETDEV_CHANGENAME', dev);
    return 0;
  }

  dev_change_tx_queue_len(dev: NetDevice, length: number): number {
    if (length < 0 || length > 0xffffffff) return -Errno.ERANGE;
    if (length === dev.tx_queue_len) return 0;
    dev.tx_queue_len = length;
    return this.call_netdevice_notifiers('NETDEV_CHANGE_TX_QUEUE_LEN', dev);
  }

  /** Counters for users: the driver's own, and the core's share. */
  dev_get_stats(dev: NetDevice): LinkStats {
    const stats = zeroLinkStats();
    if (dev.netdev_ops.ndo_get_stats64 !== undefined) dev.netdev_ops.ndo_get_stats64(dev, stats);
    else for (const key of LINK_STATS) stats[key] = dev.stats[key];
    stats.rx_dropped += dev.core_stats.rx_dropped;
    stats.tx_dropped += dev.core_stats.tx_dropped;
    stats.rx_nohandler += dev.core_stats.rx_nohandler;
    return stats;
  }

  /** Index of the device it stands on, or of its peer; its own otherwise. */
  dev_get_iflink(dev: NetDevice): number {
    return dev.netdev_ops.ndo_get_iflink?.(dev) ?? dev.ifindex;
  }

  netif_set_real_num_tx_queues(dev: NetDevice, txq: number): number {
    if (txq < 1 || txq > dev.num_tx_queues) return -Errno.EINVAL;
    const before = dev.real_num_tx_queues;
    if (dev.reg_state === 'registered' || dev.reg_state === 'unregistering') {
      dev.real_num_tx_queues = txq;
      if (txq < before) {
        this.kernel.sched.qdisc_reset_all_tx_gt(dev, txq);
        this.xmit.netif_reset_xps_queues_gt(dev, txq);
      }
    } else dev.real_num_tx_queues = txq;
    return 0;
  }
  netif_set_real_num_rx_queues(dev: NetDevice, rxq: number): number {
    if (rxq < 1 || rxq > dev.num_rx_queues) return -Errno.EINVAL;
    dev.real_num_rx_queues = rxq;
    return 0;
  }
}
