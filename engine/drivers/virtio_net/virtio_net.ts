// The virtio_net driver: probe with its unwinding, remove, and the modules (Linux: drivers/net/virtio_net.c).
import { Errno } from '../../base/errno.ts';
import { ops } from '../../base/ops.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import type { Module, ModuleDef } from '../../kernel/module.ts';
import type { NetDevice } from '../../kernel/net_device.ts';
import { NETIF_F, NETIF_F_ALL_TSO } from '../../kernel/netdev_features.ts';
import { MAX_SKB_FRAGS } from '../../kernel/skbuff.ts';
import { WorkStruct } from '../../kernel/workqueue.ts';
import { F, type FeatureName, featureWord } from '../../virtio/features.ts';
import { PAGE_SIZE } from '../../platform/ram.ts';
import {
  netHdrLength,
  VIRTIO_NET_CTRL_MQ_VQ_PAIRS_MAX,
  VIRTIO_NET_CTRL_MQ_VQ_PAIRS_MIN,
  VIRTIO_NET_S,
  VirtioNetConfig,
} from '../../virtio/net.ts';
import { VIRTIO_ID } from '../../virtio/status.ts';
import type { VirtioBus } from '../virtio/virtio.ts';
import { VIRTIO_DEV_ANY_ID, type VirtioDevice, type VirtioDriver } from '../virtio/virtio_device.ts';
import { VirtnetBig } from './virtnet_big.ts';
import { VirtnetCtrl } from './virtnet_ctrl.ts';
import { OP_CONFIG_CHANGED, VirtnetDev, virtnet_netdev } from './virtnet_dev.ts';
import { mergeableRxBufferSize, virtnet_ethtool_ops, VirtnetEthtool } from './virtnet_ethtool.ts';
import { VirtnetInfo, virtnetInfo, type VirtnetParts } from './virtnet_info.ts';
import { VirtnetRss } from './virtnet_rss.ts';
import { VirtnetRx } from './virtnet_rx.ts';
import { VirtnetTx } from './virtnet_tx.ts';
import { VirtnetVqs } from './virtnet_vqs.ts';

const ID_TABLE = Object.freeze([Object.freeze({ device: VIRTIO_ID.NET, vendor: VIRTIO_DEV_ANY_ID })]);
/** Linux: VIRTNET_FEATURES, as far as this driver has them. */
const FEATURES: readonly FeatureName[] = Object.freeze([
  'VIRTIO_NET_F_CSUM',
  'VIRTIO_NET_F_GUEST_CSUM',
  'VIRTIO_NET_F_MAC',
  'VIRTIO_NET_F_HOST_TSO4',
  'VIRTIO_NET_F_HOST_UFO',
  'VIRTIO_NET_F_HOST_TSO6',
  'VIRTIO_NET_F_HOST_ECN',
  'VIRTIO_NET_F_GUEST_TSO4',
  'VIRTIO_NET_F_GUEST_TSO6',
  'VIRTIO_NET_F_GUEST_ECN',
  'VIRTIO_NET_F_GUEST_UFO',
  'VIRTIO_NET_F_MRG_RXBUF',
  'VIRTIO_NET_F_STATUS',
  'VIRTIO_NET_F_CTRL_VQ',
  'VIRTIO_NET_F_CTRL_RX',
  'VIRTIO_NET_F_CTRL_VLAN',
  'VIRTIO_NET_F_GUEST_ANNOUNCE',
  'VIRTIO_NET_F_MQ',
  'VIRTIO_NET_F_CTRL_MAC_ADDR',
  'VIRTIO_NET_F_MTU',
  'VIRTIO_NET_F_CTRL_GUEST_OFFLOADS',
  'VIRTIO_NET_F_SPEED_DUPLEX',
  'VIRTIO_NET_F_RSS',
  'VIRTIO_NET_F_HASH_REPORT',
  'VIRTIO_NET_F_NOTF_COAL',
]);
/** Linux: features_legacy[]: what a device without VERSION_1 may have besides. */
const FEATURES_LEGACY: readonly FeatureName[] = Object.freeze([...FEATURES, 'VIRTIO_NET_F_GSO', 'VIRTIO_F_ANY_LAYOUT']);
/** Linux: virtnet_validate_features() */
const NEED_CTRL_VQ: readonly FeatureName[] = Object.freeze([
  'VIRTIO_NET_F_CTRL_RX',
  'VIRTIO_NET_F_CTRL_VLAN',
  'VIRTIO_NET_F_GUEST_ANNOUNCE',
  'VIRTIO_NET_F_MQ',
  'VIRTIO_NET_F_CTRL_MAC_ADDR',
  'VIRTIO_NET_F_RSS',
  'VIRTIO_NET_F_HASH_REPORT',
  'VIRTIO_NET_F_NOTF_COAL',
]);
const GUEST_GSO = featureWord('VIRTIO_NET_F_GUEST_TSO4', 'VIRTIO_NET_F_GUEST_TSO6', 'VIRTIO_NET_F_GUEST_ECN', 'VIRTIO_NET_F_GUEST_UFO');
const ETH_DATA_LEN = 1500;
const MIN_MTU = 68;
const MAX_MTU = 65535;

/** What virtnet_probe and what it calls can fail in, in order, with what undoes it when a later step fails. */
export const VIRTNET_PROBE_STEPS = ops([
  ops({ step: 'alloc_etherdev_mqs', undo: 'free_netdev' }),
  ops({ step: 'virtnet_alloc_queues', undo: 'virtnet_free_queues' }),
  ops({ step: 'virtnet_find_vqs', undo: 'virtnet_del_vqs' }),
  ops({ step: 'request_threaded_irq', undo: 'free_irq' }),
  ops({ step: 'vring_create_virtqueue', undo: 'vring_del_virtqueue' }),
  ops({ step: 'register_netdevice', undo: 'unregister_netdev' }),
  ops({ step: 'virtnet_cpu_notif_add', undo: 'virtnet_cpu_notif_remove' }),
]);

export class VirtioNetDriver implements VirtioDriver {
  /** Inline in Linux. */
  static readonly inlined: readonly string[] = Object.freeze([
    'virtio_cread_bytes',
    'virtnet_validate_features',
    'virtnet_set_big_packets',
    'virtnet_cpu_notif_add',
    'virtnet_cpu_notif_remove',
  ]);
  readonly name = 'virtio_net';
  readonly idTable = ID_TABLE;
  readonly featureTable = FEATURES;
  readonly featureTableLegacy = FEATURES_LEGACY;
  readonly ethtool: VirtnetEthtool;
  /** Interfaces that hear of CPUs coming and going. */
  private readonly cpuNotif: VirtnetInfo[] = [];

  constructor(
    readonly kernel: Kernel,
    private readonly module: Module,
    readonly parts: VirtnetParts,
  ) {
    this.ethtool = new VirtnetEthtool(kernel);
  }

  get napi_tx(): boolean {
    return this.module.params.get('napi_tx') === 'Y';
  }
  get napi_weight(): number {
    return Number(this.module.params.get('napi_weight'));
  }
  private get csum(): boolean {
    return this.module.params.get('csum') === 'Y';
  }
  private get gso(): boolean {
    return this.module.params.get('gso') === 'Y';
  }
  private get virtio(): VirtioBus {
    return this.kernel.modules.state('virtio') as VirtioBus;
  }

  /** -errno when this step is set to fail (Linux: fail_function), else 0. */
  should_fail(step: string): number {
    return this.kernel.drivers.failFunction.should_fail(step);
  }

  onValidate(vdev: VirtioDevice): number {
    return this.virtnet_validate(vdev);
  }
  onProbe(vdev: VirtioDevice): number {
    return this.virtnet_probe(vdev);
  }
  onRemove(vdev: VirtioDevice): void {
    this.virtnet_remove(vdev);
  }
  onConfigChanged(vdev: VirtioDevice): void {
    this.virtnet_config_changed(vdev);
  }

  virtnet_validate(vdev: VirtioDevice): number {
    const has = (name: FeatureName): boolean => (vdev.features & F[name]) !== 0n;
    if (!this.virtnet_validate_features(vdev)) return -Errno.EINVAL;
    if (has('VIRTIO_NET_F_MTU') && this.readMtu(vdev) < MIN_MTU) vdev.features &= ~F.VIRTIO_NET_F_MTU;
    return 0;
  }

  virtnet_validate_features(vdev: VirtioDevice): boolean {
    if ((vdev.features & F.VIRTIO_NET_F_CTRL_VQ) !== 0n) return true;
    const orphan = NEED_CTRL_VQ.find((name) => (vdev.features & F[name]) !== 0n);
    if (orphan === undefined) return true;
    this.kernel.printk.dev_err(vdev, `device advertises feature ${orphan} but not VIRTIO_NET_F_CTRL_VQ`);
    return false;
  }

  private readMtu(vdev: VirtioDevice): number {
    return vdev.config.read(VirtioNetConfig.mtu.offset, 2);
  }

  virtnet_probe(vdev: VirtioDevice): number {
    const { kernel } = this;
    const has = (name: FeatureName): boolean => (vdev.features & F[name]) !== 0n;
    let pairs = has('VIRTIO_NET_F_MQ') || has('VIRTIO_NET_F_RSS') ? vdev.config.read(VirtioNetConfig.max_virtqueue_pairs.offset, 2) : 1;
    if (pairs < VIRTIO_NET_CTRL_MQ_VQ_PAIRS_MIN || pairs > VIRTIO_NET_CTRL_MQ_VQ_PAIRS_MAX || !has('VIRTIO_NET_F_CTRL_VQ')) pairs = 1;

    let err = this.should_fail('alloc_etherdev_mqs');
    if (err < 0) return err;
    const dev = kernel.net.alloc_etherdev_mq(virtnet_netdev, pairs);
    this.setUpDevice(vdev, dev);
    const vi = this.setUpInfo(vdev, dev, pairs);

    err = this.readLimits(vi) || vi.vqs.init_vqs();
    if (err < 0) {
      kernel.net.free_netdev(dev);
      return err;
    }
    if (vi.has_rss || vi.has_rss_hash_report) vi.rss.virtnet_init_default_rss();
    if (vi.mergeable_rx_bufs) dev.sysfs_rx_queue_group = RX_QUEUE_GROUP;
    kernel.net.netif_set_real_num_tx_queues(dev, vi.curr_queue_pairs);
    kernel.net.netif_set_real_num_rx_queues(dev, vi.curr_queue_pairs);

    err = this.should_fail('register_netdevice') || kernel.net.register_netdevice(dev);
    if (err < 0) return this.unwindVqs(vi, err);
    // from here ndo_open may run: the device must be ready before
    this.virtio.virtio_device_ready(vdev);
    vi.ctrl._virtnet_set_queues(vi.curr_queue_pairs);
    err = this.virtnet_cpu_notif_add(vi);
    if (err < 0) {
      kernel.net.unregister_netdev(dev);
      return this.unwindVqs(vi, err);
    }
    this.firstLinkState(vi);
    vi.ndo.initGuestOffloads();
    return 0;
  }

  /** Labels free_vqs and free of Linux's probe. */
  private unwindVqs(vi: VirtnetInfo, err: number): number {
    this.virtio.virtio_reset_device(vi.vdev);
    this.kernel.workqueues.cancel_delayed_work_sync(vi.refill);
    this.kernel.workqueues.cancel_work_sync(vi.config_work);
    vi.vqs.free_unused_bufs();
    vi.big.free_receive_bufs();
    vi.rx.free_receive_page_frags();
    vi.vqs.virtnet_del_vqs();
    this.kernel.net.free_netdev(vi.dev);
    return err;
  }

  private setUpDevice(vdev: VirtioDevice, dev: NetDevice): void {
    const has = (name: FeatureName): boolean => (vdev.features & F[name]) !== 0n;
    for (const flag of ['IFF_UNICAST_FLT', 'IFF_LIVE_ADDR_CHANGE', 'IFF_TX_SKB_NO_LINEAR']) dev.priv_flags.add(flag);
    dev.features = NETIF_F.HIGHDMA;
    dev.ethtool_ops = virtnet_ethtool_ops;
    dev.parent = vdev;
    if (has('VIRTIO_NET_F_CSUM')) {
      dev.hw_features |= NETIF_F.HW_CSUM | NETIF_F.SG;
      if (this.csum) dev.features |= NETIF_F.HW_CSUM | NETIF_F.SG;
      if (has('VIRTIO_NET_F_GSO')) dev.hw_features |= NETIF_F.TSO | NETIF_F.TSO_ECN | NETIF_F.TSO6;
      if (has('VIRTIO_NET_F_HOST_TSO4')) dev.hw_features |= NETIF_F.TSO;
      if (has('VIRTIO_NET_F_HOST_TSO6')) dev.hw_features |= NETIF_F.TSO6;
      if (has('VIRTIO_NET_F_HOST_ECN')) dev.hw_features |= NETIF_F.TSO_ECN;
      dev.features |= NETIF_F.GSO_ROBUST;
      if (this.gso) dev.features |= dev.hw_features & NETIF_F_ALL_TSO;
    }
    if (has('VIRTIO_NET_F_GUEST_CSUM')) dev.features |= NETIF_F.RXCSUM;
    if (has('VIRTIO_NET_F_GUEST_TSO4') || has('VIRTIO_NET_F_GUEST_TSO6')) dev.features |= NETIF_F.GRO_HW;
    if (has('VIRTIO_NET_F_CTRL_GUEST_OFFLOADS')) dev.hw_features |= NETIF_F.GRO_HW;
    dev.vlan_features = dev.features;
    dev.min_mtu = MIN_MTU;
    dev.max_mtu = MAX_MTU;
    if (has('VIRTIO_NET_F_MAC')) {
      dev.dev_addr = this.virtio_cread_bytes(vdev, VirtioNetConfig.mac.offset, 6);
      dev.perm_addr = dev.dev_addr.slice();
    } else this.kernel.net.eth_hw_addr_random(dev);
  }

  /** virtio-v1.2 §2.5.1: a field wider than the transport reads at once is read between two looks at the generation. */
  virtio_cread_bytes(vdev: VirtioDevice, offset: number, length: number): Uint8Array {
    const out = new Uint8Array(length);
    let generation = vdev.config.generation();
    for (let old = -1; old !== generation;) {
      old = generation;
      for (let i = 0; i < length; i++) out[i] = vdev.config.read(offset + i, 1);
      generation = vdev.config.generation();
    }
    return out;
  }

  private setUpInfo(vdev: VirtioDevice, dev: NetDevice, pairs: number): VirtnetInfo {
    const vi = new VirtnetInfo(this, vdev, dev);
    dev.priv = vi;
    vdev.priv = vi;
    vi.config_work = new WorkStruct(vi.ndo, OP_CONFIG_CHANGED);
    vi.mergeable_rx_bufs = vi.has('VIRTIO_NET_F_MRG_RXBUF');
    vi.has_rss = vi.has('VIRTIO_NET_F_RSS');
    vi.has_rss_hash_report = vi.has('VIRTIO_NET_F_HASH_REPORT');
    vi.hdr_len = netHdrLength(vdev.features);
    vi.any_header_sg = vi.has('VIRTIO_F_ANY_LAYOUT') || vi.has('VIRTIO_F_VERSION_1');
    vi.has_cvq = vi.has('VIRTIO_NET_F_CTRL_VQ');
    if (vi.any_header_sg) dev.needed_headroom = vi.hdr_len;
    vi.curr_queue_pairs = Math.min(pairs, this.kernel.platform.cpus.list.length);
    vi.max_queue_pairs = pairs;
    return vi;
  }

  /** What the device's configuration says of hashes and sizes; 0 or -EINVAL. */
  private readLimits(vi: VirtnetInfo): number {
    const { dev, vdev } = vi;
    if (vi.has_rss || vi.has_rss_hash_report) {
      const err = vi.rss.readCapabilities();
      if (err < 0) return err;
    }
    let mtu = 0;
    if (vi.has('VIRTIO_NET_F_MTU')) {
      mtu = this.readMtu(vdev);
      if (mtu < dev.min_mtu) {
        this.kernel.printk.dev_err(vdev, `device MTU appears to have changed it is now ${mtu} < ${dev.min_mtu}`);
        return -Errno.EINVAL;
      }
      dev.mtu = mtu;
      dev.max_mtu = mtu;
    }
    this.virtnet_set_big_packets(vi, mtu);
    return 0;
  }

  /** A packet above one buffer's size needs pages: as many as the largest of them, or as the MTU takes. */
  virtnet_set_big_packets(vi: VirtnetInfo, mtu: number): void {
    const gso = (vi.vdev.features & GUEST_GSO) !== 0n;
    if (mtu <= ETH_DATA_LEN && !gso) return;
    vi.big_packets = true;
    vi.big_packets_num_skbfrags = gso ? MAX_SKB_FRAGS : Math.ceil(mtu / PAGE_SIZE);
  }

  private firstLinkState(vi: VirtnetInfo): void {
    const { kernel } = this;
    kernel.net.link.netif_carrier_off(vi.dev);
    if (vi.has('VIRTIO_NET_F_STATUS')) {
      kernel.workqueues.schedule_work(vi.config_work);
      return;
    }
    vi.status = VIRTIO_NET_S.LINK_UP;
    vi.ndo.virtnet_update_settings();
    kernel.net.link.netif_carrier_on(vi.dev);
  }

  virtnet_cpu_notif_add(vi: VirtnetInfo): number {
    const err = this.should_fail('virtnet_cpu_notif_add');
    if (err === 0) this.cpuNotif.push(vi);
    return err;
  }

  virtnet_cpu_notif_remove(vi: VirtnetInfo): void {
    const i = this.cpuNotif.indexOf(vi);
    if (i >= 0) this.cpuNotif.splice(i, 1);
  }

  virtnet_config_changed(vdev: VirtioDevice): void {
    this.kernel.workqueues.schedule_work((vdev.priv as VirtnetInfo).config_work);
  }

  virtnet_remove(vdev: VirtioDevice): void {
    const vi = vdev.priv as VirtnetInfo;
    this.virtnet_cpu_notif_remove(vi);
    this.kernel.workqueues.flush_work(vi.config_work);
    this.kernel.net.unregister_netdev(vi.dev);
    this.remove_vq_common(vi);
    this.kernel.net.free_netdev(vi.dev);
    vdev.priv = undefined;
  }

  remove_vq_common(vi: VirtnetInfo): void {
    this.virtio.virtio_reset_device(vi.vdev);
    vi.vqs.free_unused_bufs();
    vi.big.free_receive_bufs();
    vi.rx.free_receive_page_frags();
    vi.vqs.virtnet_del_vqs();
  }
}

const RX_QUEUE_GROUP = ops({
  name: 'virtio_net',
  files: ops([
    ops({ name: 'mergeable_rx_buffer_size', show: (dev: NetDevice, queue: number) => `${mergeableRxBufferSize(virtnetInfo(dev), queue)}` }),
  ]),
});

const PARTS: VirtnetParts = ops({ rx: VirtnetRx, tx: VirtnetTx, vqs: VirtnetVqs });

/** The module; with other parts, a variant of it. */
export function virtioNetModule(parts: Partial<VirtnetParts> = {}): ModuleDef {
  const all: VirtnetParts = ops({ ...PARTS, ...parts });
  return ops<ModuleDef>({
    name: 'virtio_net',
    path: 'kernel/drivers/net/virtio_net.ko',
    size: 73728,
    depends: ['virtio_ring', 'virtio', 'net_failover'],
    insertOrder: ['virtio_ring', 'virtio', 'failover', 'net_failover'],
    description: 'Virtio network driver',
    license: 'GPL',
    aliases: ['virtio:d00000001v*'],
    params: [
      { name: 'napi_weight', type: 'int', value: '64', mode: 0o444 },
      { name: 'csum', type: 'bool', value: 'Y', mode: 0o444 },
      { name: 'gso', type: 'bool', value: 'Y', mode: 0o444 },
      { name: 'napi_tx', type: 'bool', value: 'Y', mode: 0o644 },
    ],
    functions: [VirtioNetDriver, VirtnetDev, VirtnetCtrl, VirtnetRss, all.rx, VirtnetBig, all.tx, all.vqs, VirtnetEthtool],
    init(kernel, module) {
      const driver = new VirtioNetDriver(kernel, module, all);
      module.state = driver;
      const own = VIRTNET_PROBE_STEPS.map((s) => s.step).filter((name) => name.startsWith('virtnet_'));
      kernel.drivers.failFunction.allow(module.name, own);
      return (kernel.modules.state('virtio') as VirtioBus).register_virtio_driver(driver, 'virtio_net');
    },
    exit(kernel, module) {
      (kernel.modules.state('virtio') as VirtioBus).unregister_virtio_driver(module.state as VirtioNetDriver);
      kernel.drivers.failFunction.disallow(module.name);
    },
  });
}

export const VIRTIO_NET_MODULE: ModuleDef = virtioNetModule();

/** virtio_net is linked against these; STANDBY, which they serve, is not offered by this world's devices. */
export const FAILOVER_MODULE: ModuleDef = ops<ModuleDef>({
  name: 'failover',
  path: 'kernel/net/core/failover.ko',
  size: 16384,
  depends: [],
  description: 'Generic failover infrastructure/interface',
  license: 'GPL v2',
});
export const NET_FAILOVER_MODULE: ModuleDef = ops<ModuleDef>({
  name: 'net_failover',
  path: 'kernel/drivers/net/net_failover.ko',
  size: 24576,
  depends: ['failover'],
  description: 'Failover driver for Paravirtual drivers',
  license: 'GPL v2',
});
