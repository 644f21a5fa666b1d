// The net core: devices of all namespaces, their registration and state (Linux: net/core/dev.c). Parts with their own file hang on it.
import { InvariantError } from '../base/ops.ts';
import { DevAddrLists } from './dev_addr_lists.ts';
import { NapiCore } from './dev_napi.ts';
import { DevRx } from './dev_rx.ts';
import { DevXmit } from './dev_xmit.ts';
import { Eth } from './eth.ts';
import type { Kernel } from './kernel.ts';
import { LinkWatch } from './link_watch.ts';
import type { LinkStats, NetDevice, NetDeviceOps } from './net_device.ts';
import type { Net } from './net_namespace.ts';
import type { NetdevEvent, NetdevNotifier, NetdevNotifierInfo } from './netdev_events.ts';
import { NetdevFeatures } from './netdev_features.ts';
import type { NlResult } from './rtnetlink.ts';

/** Sets a new device's type-specific fields (Linux: ether_setup, loopback_setup, veth_setup). */
export type NetdevSetup = (dev: NetDevice) => void;

export class NetCore {
  readonly eth: Eth;
  readonly napi: NapiCore;
  readonly xmit: DevXmit;
  readonly rx: DevRx;
  readonly addrs: DevAddrLists;
  readonly link: LinkWatch;
  readonly features: NetdevFeatures;

  constructor(readonly kernel: Kernel) {
    this.eth = new Eth(kernel);
    this.napi = new NapiCore(kernel);
    this.xmit = new DevXmit(kernel);
    this.rx = new DevRx(kernel);
    this.addrs = new DevAddrLists(kernel);
    this.link = new LinkWatch(kernel);
    this.features = new NetdevFeatures(kernel);
  }
  /** Receives all events from now on; REGISTER and UP are replayed for devices that exist. */
  register_netdevice_notifier(nb: NetdevNotifier): number;
  register_netdevice_notifier(): number {
    return 0;
  }
  unregister_netdevice_notifier(nb: NetdevNotifier): void;
  unregister_netdevice_notifier(): void {
    return;
  }
  /** 0, or the errno of the first listener that refused. */
  call_netdevice_notifiers(event: NetdevEvent, dev: NetDevice, info?: NetdevNotifierInfo): number;
  call_netdevice_notifiers(): number {
    return 0;
  }
  /** `name` may hold %d. `setup` is eth_setup for Ethernet. The device is in init_net and unregistered. */
  alloc_netdev_mqs(name: string, ops: NetDeviceOps, setup: NetdevSetup, txqs: number, rxqs: number): NetDevice;
  alloc_netdev_mqs(): NetDevice {
    return this.kernel.init_net as never;
  }
  /** Named 'eth%d'. */
  alloc_etherdev_mq(ops: NetDeviceOps, queues: number): NetDevice;
  alloc_etherdev_mq(): NetDevice {
    return this.kernel.init_net as never;
  }
  free_netdev(dev: NetDevice): void;
  free_netdev(): void {
    return;
  }
  /** 0 or a negative errno; takes the device into its namespace. */
  register_netdevice(dev: NetDevice): number;
  register_netdevice(): number {
    return 0;
  }
  register_netdev(dev: NetDevice): number;
  register_netdev(): number {
    return 0;
  }
  /** Closes and removes it, and forgets it. */
  unregister_netdevice(dev: NetDevice): void;
  unregister_netdevice(): void {
    return;
  }
  unregister_netdev(dev: NetDevice): void;
  unregister_netdev(): void {
    return;
  }
  unregister_netdevice_many(devices: readonly NetDevice[]): void;
  unregister_netdevice_many(): void {
    return;
  }
  /** Gives 'eth%d' its number, or checks a fixed name; 0 or -EINVAL, -EEXIST, -ENFILE. */
  dev_get_valid_name(dev: NetDevice, name: string): number;
  dev_get_valid_name(): number {
    return 0;
  }
  dev_valid_name(name: string): boolean;
  dev_valid_name(): boolean {
    return false;
  }
  /** 0 or -EBUSY, -EEXIST, -EINVAL. */
  dev_change_name(dev: NetDevice, name: string): number;
  dev_change_name(): number {
    return 0;
  }
  dev_open(dev: NetDevice): number;
  dev_open(): number {
    return 0;
  }
  dev_close(dev: NetDevice): void;
  dev_close(): void {
    return;
  }
  /** Sets IFF_* flags as ip link set does; 0 or a negative errno. */
  dev_change_flags(dev: NetDevice, flags: number): number;
  dev_change_flags(): number {
    return 0;
  }
  /** Flags as user space sees them: with RUNNING, LOWER_UP, DORMANT, and promiscuity as asked. */
  dev_get_flags(dev: NetDevice): number;
  dev_get_flags(): number {
    return 0;
  }
  /** 0 or { errno, extack }. */
  dev_set_mtu_ext(dev: NetDevice, mtu: number): NlResult;
  dev_set_mtu_ext(): NlResult {
    return { errno: 0 };
  }
  dev_set_mtu(dev: NetDevice, mtu: number): number;
  dev_set_mtu(): number {
    return 0;
  }
  dev_set_mac_address(dev: NetDevice, addr: Uint8Array): number;
  dev_set_mac_address(): number {
    return 0;
  }
  dev_change_tx_queue_len(dev: NetDevice, length: number): number;
  dev_change_tx_queue_len(): number {
    return 0;
  }
  /** Counters for users: the driver's own, and the core's share. */
  dev_get_stats(dev: NetDevice): LinkStats;
  dev_get_stats(): LinkStats {
    throw new InvariantError('not yet');
  }
  /** Moves to another namespace; `pat` names it there when its name is taken. */
  dev_change_net_namespace(dev: NetDevice, net: Net, pat: string | undefined): number;
  dev_change_net_namespace(): number {
    return 0;
  }
  netif_set_real_num_tx_queues(dev: NetDevice, txq: number): number;
  netif_set_real_num_tx_queues(): number {
    return 0;
  }
  netif_set_real_num_rx_queues(dev: NetDevice, rxq: number): number;
  netif_set_real_num_rx_queues(): number {
    return 0;
  }
  /** Random, locally administered address. */
  eth_hw_addr_random(dev: NetDevice): void;
  eth_hw_addr_random(): void {
    return;
  }
  dev_hold(dev: NetDevice): void;
  dev_hold(): void {
    return;
  }
  dev_put(dev: NetDevice): void;
  dev_put(): void {
    return;
  }
  /** Detached from its hardware (suspend, reset), and attached again. */
  netif_device_detach(dev: NetDevice): void;
  netif_device_detach(): void {
    return;
  }
  netif_device_attach(dev: NetDevice): void;
  netif_device_attach(): void {
    return;
  }
}
