// net_device operations of virtio-net, and its deferred work (Linux: virtnet_netdev).
import { ops } from '../../base/ops.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import type { LinkStats, NetDevice, NetDeviceOps } from '../../kernel/net_device.ts';
import { NETIF_F } from '../../kernel/netdev_features.ts';
import type { Actor } from '../../sim/sim.ts';
import { F, featureWord } from '../../virtio/features.ts';
import { VIRTIO_NET_S, VirtioNetConfig } from '../../virtio/net.ts';
import { virtnetInfo, type VirtnetInfo } from './virtnet_info.ts';

/** Deferred work of an interface. */
export const OP_CONFIG_CHANGED = 0;
export const OP_REFILL = 1;

/** Linux: GUEST_OFFLOAD_GRO_HW_MASK */
const GUEST_OFFLOAD_GRO_HW = featureWord(
  'VIRTIO_NET_F_GUEST_TSO4',
  'VIRTIO_NET_F_GUEST_TSO6',
  'VIRTIO_NET_F_GUEST_ECN',
  'VIRTIO_NET_F_GUEST_UFO',
);
/** Linux: guest_offloads[] */
const GUEST_OFFLOADS = [
  'VIRTIO_NET_F_GUEST_TSO4',
  'VIRTIO_NET_F_GUEST_TSO6',
  'VIRTIO_NET_F_GUEST_ECN',
  'VIRTIO_NET_F_GUEST_UFO',
  'VIRTIO_NET_F_GUEST_CSUM',
] as const;

export class VirtnetDev implements Actor {
  constructor(
    readonly kernel: Kernel,
    private readonly vi: VirtnetInfo,
  ) {}

  virtnet_open(_dev: NetDevice): number {
    const { vi, kernel } = this;
    vi.refill_enabled = true;
    for (let i = 0; i < vi.max_queue_pairs; i++) {
      // out of memory: again later, from the work queue
      if (i < vi.curr_queue_pairs && !vi.rx.try_fill_recv(vi.rq[i])) kernel.workqueues.schedule_delayed_work(vi.refill, 0);
      vi.rx.virtnet_napi_enable(vi.rq[i].vq, vi.rq[i].napi);
      vi.tx.virtnet_napi_tx_enable(vi.sq[i]);
    }
    return 0;
  }

  virtnet_close(_dev: NetDevice): number {
    const { vi, kernel } = this;
    vi.refill_enabled = false;
    kernel.workqueues.cancel_delayed_work_sync(vi.refill);
    for (let i = 0; i < vi.max_queue_pairs; i++) {
      vi.tx.virtnet_napi_tx_disable(vi.sq[i]);
      kernel.net.napi.napi_disable(vi.rq[i].napi);
    }
    return 0;
  }

  virtnet_stats(dev: NetDevice, tot: LinkStats): void {
    const { vi } = this;
    for (let i = 0; i < vi.max_queue_pairs; i++) {
      const { stats: tx } = vi.sq[i];
      const { stats: rx } = vi.rq[i];
      tot.rx_packets += rx.packets;
      tot.tx_packets += tx.packets;
      tot.rx_bytes += rx.bytes;
      tot.tx_bytes += tx.bytes;
      tot.rx_dropped += rx.drops;
      tot.tx_errors += tx.tx_timeouts;
    }
    tot.tx_dropped = dev.stats.tx_dropped;
    tot.tx_fifo_errors = dev.stats.tx_fifo_errors;
    tot.rx_length_errors = dev.stats.rx_length_errors;
    tot.rx_frame_errors = dev.stats.rx_frame_errors;
  }

  virtnet_set_features(dev: NetDevice, features: bigint): number {
    const { vi } = this;
    const on = (bit: bigint): boolean => (features & bit) !== 0n;
    const changed = dev.features ^ features;
    if ((changed & NETIF_F.GRO_HW) !== 0n) {
      const offloads = on(NETIF_F.GRO_HW) ? vi.guest_offloads_capable : vi.guest_offloads_capable & ~GUEST_OFFLOAD_GRO_HW;
      const err = vi.ctrl.virtnet_set_guest_offloads(offloads);
      if (err < 0) return err;
      vi.guest_offloads = offloads;
    }
    if ((changed & NETIF_F.RXHASH) === 0n) return 0;
    const err = vi.rss.setRxHash(on(NETIF_F.RXHASH));
    if (err === 0) vi.rxhash = on(NETIF_F.RXHASH);
    return err;
  }

  /** What of the receive offloads was negotiated, and so may be switched. */
  initGuestOffloads(): void {
    const { vi } = this;
    vi.guest_offloads = GUEST_OFFLOADS.reduce((w, name) => (vi.has(name) ? w | F[name] : w), 0n);
    vi.guest_offloads_capable = vi.guest_offloads;
  }

  onEvent(op: number): void {
    if (op === OP_REFILL) this.vi.rx.refill_work();
    else this.virtnet_config_changed_work();
  }

  virtnet_config_changed_work(): void {
    const { vi, kernel } = this;
    const { dev } = vi;
    if (!vi.has('VIRTIO_NET_F_STATUS')) return;
    const value = vi.vdev.config.read(VirtioNetConfig.status.offset, 2);
    if ((value & VIRTIO_NET_S.ANNOUNCE) !== 0) {
      kernel.net.link.netdev_notify_peers(dev);
      vi.ctrl.virtnet_ack_link_announce();
    }
    // bits of later specifications are ignored
    const status = value & VIRTIO_NET_S.LINK_UP;
    if (vi.status === status) return;
    vi.status = status;
    if (status !== 0) {
      this.virtnet_update_settings();
      kernel.net.link.netif_carrier_on(dev);
      kernel.net.xmit.netif_tx_wake_all_queues(dev);
    } else {
      kernel.net.link.netif_carrier_off(dev);
      kernel.net.xmit.netif_tx_stop_all_queues(dev);
    }
  }

  /** Speed and duplex, when the device tells them. */
  virtnet_update_settings(): void {
    const { vi } = this;
    if (!vi.has('VIRTIO_NET_F_SPEED_DUPLEX')) return;
    const speed = vi.vdev.config.read(VirtioNetConfig.speed.offset, 4);
    if (speed <= 0x7fffffff) vi.speed = speed;
    const duplex = vi.vdev.config.read(VirtioNetConfig.duplex.offset, 1);
    if (duplex <= 1 || duplex === 0xff) vi.duplex = duplex;
  }
}

export const virtnet_netdev: NetDeviceOps = ops<NetDeviceOps>({
  ndo_open: (dev) => virtnetInfo(dev).ndo.virtnet_open(dev),
  ndo_stop: (dev) => virtnetInfo(dev).ndo.virtnet_close(dev),
  ndo_start_xmit: (skb, dev) => virtnetInfo(dev).tx.start_xmit(skb, dev),
  ndo_validate_addr: (dev) => virtnetInfo(dev).kernel.net.eth.eth_validate_addr(dev),
  ndo_set_mac_address: (dev, addr) => virtnetInfo(dev).ctrl.virtnet_set_mac_address(dev, addr),
  ndo_set_rx_mode: (dev) => virtnetInfo(dev).ctrl.virtnet_set_rx_mode(dev),
  ndo_get_stats64: (dev, stats) => virtnetInfo(dev).ndo.virtnet_stats(dev, stats),
  ndo_vlan_rx_add_vid: (dev, _proto, vid) => virtnetInfo(dev).ctrl.virtnet_vlan_rx_add_vid(vid),
  ndo_vlan_rx_kill_vid: (dev, _proto, vid) => virtnetInfo(dev).ctrl.virtnet_vlan_rx_kill_vid(vid),
  ndo_set_features: (dev, features) => virtnetInfo(dev).ndo.virtnet_set_features(dev, features),
  ndo_tx_timeout: (dev, queue) => virtnetInfo(dev).tx.virtnet_tx_timeout(dev, queue),
});
