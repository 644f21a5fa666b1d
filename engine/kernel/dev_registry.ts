// Devices come, get a name, move between namespaces and go; everyone who cares is told (Linux: net/core/dev.c).
import { Errno } from '../base/errno.ts';
import { invariant } from '../base/ops.ts';
import { checkTimers, driverOf } from './contract_net.ts';
import { ether_setup } from './eth.ts';
import { netDevicePath } from './fs/paths.ts';
import type { Kernel } from './kernel.ts';
import { IFF, NetDevice, type NetDeviceOps } from './net_device.ts';
import type { Net } from './net_namespace.ts';
import type { NetdevEvent, NetdevNotifier, NetdevNotifierInfo } from './netdev_events.ts';
import { NETIF_F, NETIF_F_SOFT_FEATURES, NETIF_F_SOFT_FEATURES_OFF } from './netdev_features.ts';

/** Sets a new device's type-specific fields (Linux: ether_setup, loopback_setup, veth_setup). */
export type NetdevSetup = (dev: NetDevice) => void;

const IFNAMSIZ = 16;

/** Who named a device (Linux: include/uapi/linux/netdevice.h). */
const NET_NAME_ENUM = 1;
const NET_NAME_USER = 3;

/** 1 to 15 characters, none of them '/', ':' or white space; not '.' or '..'. */
function dev_valid_name(name: string): boolean {
  return name !== '' && name.length < IFNAMSIZ && name !== '.' && name !== '..' && !/[/:\s]/.test(name);
}

export class DevRegistry {
  private readonly notifiers: NetdevNotifier[] = [];

  constructor(readonly kernel: Kernel) {}

  /** Receives all events from now on; REGISTER and UP are replayed for devices that exist. */
  register_netdevice_notifier(nb: NetdevNotifier): number {
    this.notifiers.push(nb);
    const netns = this.kernel.netns as Kernel['netns'] | undefined;
    for (const net of netns?.list ?? []) {
      for (const dev of net.devices) {
        nb.netdev_event('NETDEV_REGISTER', dev, undefined);
        if ((dev.flags & IFF.UP) !== 0) nb.netdev_event('NETDEV_UP', dev, undefined);
      }
    }
    return 0;
  }

  /** The listener hears that all devices go, and then nothing more. */
  unregister_netdevice_notifier(nb: NetdevNotifier): number {
    const i = this.notifiers.indexOf(nb);
    if (i < 0) return -Errno.ENOENT;
    this.notifiers.splice(i, 1);
    for (const net of this.kernel.netns.list) {
      for (const dev of net.devices) {
        if ((dev.flags & IFF.UP) !== 0) {
          nb.netdev_event('NETDEV_GOING_DOWN', dev, undefined);
          nb.netdev_event('NETDEV_DOWN', dev, undefined);
        }
        nb.netdev_event('NETDEV_UNREGISTER', dev, undefined);
      }
    }
    return 0;
  }

  /** 0, or the errno of the first listener that refused. */
  call_netdevice_notifiers(event: NetdevEvent, dev: NetDevice, info?: NetdevNotifierInfo): number {
    for (const nb of this.notifiers.slice()) {
      const err = nb.netdev_event(event, dev, info);
      if (err < 0) return err;
    }
    return 0;
  }

  /** `name` may hold %d. The device is unregistered, in `net` (init_net unless said otherwise). */
  alloc_netdev_mqs(
    name: string,
    ops: NetDeviceOps,
    setup: NetdevSetup,
    txqs: number,
    rxqs: number,
    net: Net = this.kernel.init_net,
  ): NetDevice {
    const dev = new NetDevice(net, name, ops, txqs, rxqs);
    dev.name_assign_type = name.includes('%') ? NET_NAME_ENUM : NET_NAME_USER;
    this.kernel.sched.dev_init_scheduler(dev);
    setup(dev);
    if (dev.tx_queue_len === 0) {
      dev.priv_flags.add('IFF_NO_QUEUE');
      dev.tx_queue_len = 1000;
    }
    return dev;
  }
  /** Named 'eth%d', with `queues` queues each way. */
  alloc_etherdev_mq(ops: NetDeviceOps, queues: number): NetDevice {
    return this.alloc_etherdev_mqs(ops, queues, queues);
  }
  alloc_etherdev_mqs(ops: NetDeviceOps, txqs: number, rxqs: number): NetDevice {
    return this.alloc_netdev_mqs('eth%d', ops, ether_setup, txqs, rxqs);
  }

  /** After unregistering, or when registering failed. */
  free_netdev(dev: NetDevice): void {
    const { contract, net, printk } = this.kernel;
    if (dev.reg_state === 'registered') {
      // Linux: BUG_ON(dev->reg_state != NETREG_UNREGISTERED)
      printk.pr_emerg('kernel BUG at net/core/dev.c:10754!');
      contract.violation('netdev-free-registered', driverOf(dev), dev.name);
      return;
    }
    for (const napi of dev.napis.slice()) net.napi.__netif_napi_del(napi);
    if (contract.enabled) checkTimers(this.kernel, dev);
    dev.reg_state = 'released';
  }

  dev_valid_name(name: string): boolean {
    return dev_valid_name(name);
  }
  /** 'eth%d' gets the lowest free number; a fixed name must be free. The name, or -EINVAL, -ENFILE, -EEXIST. */
  dev_prep_valid_name(net: Net, name: string): string | number {
    if (!dev_valid_name(name)) return -Errno.EINVAL;
    if (name.includes('%')) return this.dev_alloc_name(net, name);
    return net.__dev_get_by_name(name) !== undefined ? -Errno.EEXIST : name;
  }
  dev_alloc_name(net: Net, pattern: string): string | number {
    if (!dev_valid_name(pattern)) return -Errno.EINVAL;
    const at = pattern.indexOf('%');
    if (at < 0) return net.__dev_get_by_name(pattern) !== undefined ? -Errno.ENFILE : pattern;
    if (pattern[at + 1] !== 'd' || pattern.includes('%', at + 2)) return -Errno.EINVAL;
    for (let i = 0; i < 8 * 4096; i++) {
      const name = `${pattern.slice(0, at)}${i}${pattern.slice(at + 2)}`;
      if (net.__dev_get_by_name(name) === undefined) return name.length < IFNAMSIZ ? name : -Errno.ENFILE;
    }
    return -Errno.ENFILE;
  }
  dev_get_valid_name(net: Net, dev: NetDevice, name: string): number {
    const valid = this.dev_prep_valid_name(net, name);
    if (typeof valid === 'number') return valid;
    dev.name = valid;
    return 0;
  }

  /** Takes the device into its namespace; 0 or a negative errno. */
  register_netdevice(dev: NetDevice): number {
    const { kernel } = this;
    invariant(dev.reg_state === 'uninitialized', `register_netdevice: ${dev.name} is ${dev.reg_state}`);
    let err = this.dev_get_valid_name(dev.net, dev, dev.name);
    if (err < 0) return err;
    err = dev.netdev_ops.ndo_init?.(dev) ?? 0;
    if (err !== 0) return err > 0 ? -Errno.EIO : err;
    if (dev.ifindex === 0) dev.ifindex = dev.net.newIndex();
    else if (dev.net.__dev_get_by_index(dev.ifindex) !== undefined) {
      dev.netdev_ops.ndo_uninit?.(dev);
      return -Errno.EBUSY;
    }
    // what is done in software every device can do, and may be told not to
    dev.hw_features |= NETIF_F_SOFT_FEATURES | NETIF_F_SOFT_FEATURES_OFF;
    dev.features |= NETIF_F_SOFT_FEATURES;
    dev.wanted_features = dev.features & dev.hw_features;
    if ((dev.flags & IFF.LOOPBACK) === 0) dev.hw_features |= NETIF_F.NOCACHE_COPY;
    if ((dev.hw_features & NETIF_F.TSO) !== 0n) dev.hw_features |= NETIF_F.TSO_MANGLEID;
    if ((dev.vlan_features & NETIF_F.TSO) !== 0n) dev.vlan_features |= NETIF_F.TSO_MANGLEID;
    dev.vlan_features |= NETIF_F.HIGHDMA;
    dev.hw_enc_features |= NETIF_F.SG | NETIF_F.GSO_PARTIAL;
    err = this.call_netdevice_notifiers('NETDEV_POST_INIT', dev);
    if (err < 0) {
      dev.netdev_ops.ndo_uninit?.(dev);
      return err;
    }
    dev.reg_state = 'registered';
    kernel.net.features.__netdev_update_features(dev);
    dev.present = true;
    kernel.net.link.linkwatch_init_dev(dev);
    kernel.sched.dev_init_scheduler(dev);
    this.dev_hold(dev);
    this.list_netdevice(dev);
    if (dev.addr_assign_type === NET_ADDR_PERM) dev.perm_addr = dev.dev_addr.slice();
    err = this.call_netdevice_notifiers('NETDEV_REGISTER', dev);
    if (err < 0) {
      this.unregister_netdevice(dev);
      return err;
    }
    kernel.rtnl.rtmsg_ifinfo('RTM_NEWLINK', dev);
    return 0;
  }
  register_netdev(dev: NetDevice): number {
    return this.register_netdevice(dev);
  }

  /** Closes and removes it; nobody knows it afterwards. */
  unregister_netdevice(dev: NetDevice): void {
    this.unregister_netdevice_many([dev]);
  }
  unregister_netdev(dev: NetDevice): void {
    this.unregister_netdevice(dev);
  }
  unregister_netdevice_many(devices: readonly NetDevice[]): void {
    if (this.kernel.contract.enabled) this.kernel.contract.mightSleep('unregister_netdevice_many');
    const { net, sched, rtnl } = this.kernel;
    const going = devices.filter((dev) => dev.reg_state === 'registered');
    for (const dev of going) net.dev_close(dev);
    for (const dev of going) {
      this.unlist_netdevice(dev);
      dev.reg_state = 'unregistering';
      net.rx.flush_backlog(dev);
      net.rps.forget(dev);
    }
    for (const dev of going) {
      sched.dev_shutdown(dev);
      this.call_netdevice_notifiers('NETDEV_UNREGISTER', dev);
      const message = rtnl.rtmsg_ifinfo_build(dev);
      this.kernel.net.addrs.dev_uc_flush(dev);
      this.kernel.net.addrs.dev_mc_flush(dev);
      dev.netdev_ops.ndo_uninit?.(dev);
      net.link.linkwatch_forget_dev(dev);
      rtnl.notify(dev.net, 'link', { type: 'RTM_DELLINK', info: message });
      this.kernel.vfs.forget(`/sys/${netDevicePath(dev)}`);
      this.dev_put(dev);
      dev.reg_state = 'unregistered';
      if (dev.kind !== undefined) this.free_netdev(dev);
    }
  }

  /** Moves to another namespace; `pattern` names it there when its name is taken. 0 or a negative errno. */
  dev_change_net_namespace(dev: NetDevice, net: Net, pattern: string | undefined): number {
    const { kernel } = this;
    if ((dev.features & NETIF_F.NETNS_LOCAL) !== 0n || dev.reg_state !== 'registered') return -Errno.EINVAL;
    if (dev.net === net) return 0;
    let { name } = dev;
    if (net.__dev_get_by_name(name) !== undefined) {
      const other = pattern === undefined ? -Errno.EEXIST : this.dev_prep_valid_name(net, pattern);
      if (typeof other === 'number') return other;
      name = other;
    }
    kernel.net.dev_close(dev);
    this.unlist_netdevice(dev);
    kernel.net.rx.flush_backlog(dev);
    kernel.sched.dev_shutdown(dev);
    this.call_netdevice_notifiers('NETDEV_UNREGISTER', dev);
    const nsid = kernel.netns.peernet2id_alloc(dev.net, net);
    const ifindex = net.__dev_get_by_index(dev.ifindex) === undefined ? dev.ifindex : net.newIndex();
    kernel.rtnl.notify(dev.net, 'link', {
      type: 'RTM_DELLINK',
      info: { ...kernel.rtnl.rtmsg_ifinfo_build(dev), new_netnsid: nsid, new_ifindex: ifindex },
    });
    this.kernel.net.addrs.dev_uc_flush(dev);
    this.kernel.net.addrs.dev_mc_flush(dev);
    dev.net = net;
    dev.ifindex = ifindex;
    dev.name = name;
    this.list_netdevice(dev);
    this.call_netdevice_notifiers('NETDEV_REGISTER', dev);
    kernel.rtnl.rtmsg_ifinfo('RTM_NEWLINK', dev);
    return 0;
  }

  dev_hold(dev: NetDevice): void {
    dev.refcnt++;
  }
  dev_put(dev: NetDevice): void {
    dev.refcnt--;
  }
  list_netdevice(dev: NetDevice): void {
    dev.net.devices.push(dev);
  }
  unlist_netdevice(dev: NetDevice): void {
    const { devices } = dev.net;
    const i = devices.indexOf(dev);
    if (i >= 0) devices.splice(i, 1);
  }
}

/** Where a hardware address came from (Linux: NET_ADDR_*) */
const NET_ADDR_PERM = 0;
export const NET_ADDR_RANDOM = 1;
export const NET_ADDR_STOLEN = 2;
export const NET_ADDR_SET = 3;
