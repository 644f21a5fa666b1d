// Transmit path of virtio-net (Linux: start_xmit() and its completions).
import type { Gpa } from '../../base/units.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import type { Napi, NapiPoller } from '../../kernel/napi.ts';
import { NETDEV_TX_OK, type NetDevice } from '../../kernel/net_device.ts';
import { CHECKSUM_PARTIAL, MAX_SKB_FRAGS, SKB_GSO, type SkBuff } from '../../kernel/skbuff.ts';
import { skb_checksum_start_offset, skb_cloned, skb_headlen, skb_headroom } from '../../kernel/skb_inline.ts';
import { VIRTIO_NET_HDR_F, VIRTIO_NET_HDR_GSO } from '../../virtio/net.ts';
import type { Virtqueue } from '../virtio/virtio_ring.ts';
import type { SendQueue, VirtnetInfo } from './virtnet_info.ts';

/** A packet needs at most this many descriptors: header, linear part, fragments. */
const RESERVED = 2 + MAX_SKB_FRAGS;
/** Room for the longest header. */
const HDR_SLOT = 32;

export class VirtnetTx implements NapiPoller {
  /** Inline in Linux. */
  static readonly inlined: readonly string[] = Object.freeze(['xmit_skb', 'virtio_net_hdr_from_skb', 'virtnet_napi_tx_disable']);
  constructor(
    readonly kernel: Kernel,
    protected readonly vi: VirtnetInfo,
  ) {}

  start_xmit(skb: SkBuff, dev: NetDevice): number {
    const { kernel, vi } = this;
    const index = skb.queue_mapping;
    const sq = vi.sq[index];
    const { vq } = sq;
    const useNapi = sq.napi_weight !== 0;
    // what the device is done with makes room first
    do {
      if (useNapi) vq.virtqueue_disable_cb();
      this.free_old_xmit_skbs(sq, false);
    } while (useNapi && !vq.virtqueue_enable_cb_delayed());

    const err = this.xmit_skb(sq, skb);
    if (err < 0) {
      dev.stats.tx_fifo_errors++;
      kernel.printk.pr_warn(`net ${dev.name}: Unexpected TXQ (${index}) queue failure: ${err}`);
      dev.stats.tx_dropped++;
      kernel.skb.kfree_skb(skb);
      return NETDEV_TX_OK;
    }
    if (!useNapi) kernel.skb.skb_orphan(skb);

    if (vq.num_free < RESERVED) {
      kernel.net.xmit.netif_stop_subqueue(dev, index);
      if (useNapi) {
        if (!vq.virtqueue_enable_cb_delayed()) this.virtqueue_napi_schedule(sq.napi, vq);
      } else if (!vq.virtqueue_enable_cb_delayed()) {
        // more was used meanwhile
        this.free_old_xmit_skbs(sq, false);
        if (vq.num_free >= RESERVED) {
          kernel.net.xmit.netif_tx_start_queue(dev.queues[index]);
          vq.virtqueue_disable_cb();
        }
      }
    }
    if (vq.virtqueue_kick_prepare() && vq.virtqueue_notify()) sq.stats.kicks++;
    return NETDEV_TX_OK;
  }

  /** Puts virtio_net_hdr before the packet and the whole on the ring. 0 or -errno. */
  xmit_skb(sq: SendQueue, skb: SkBuff): number {
    const { vi, kernel } = this;
    const { vq } = sq;
    const length = vi.hdr_len;
    const canPush = vi.any_header_sg && (skb.data & 1) === 0 && !skb_cloned(skb) && skb_headroom(skb) >= length;
    const hdr = canPush ? skb.data - length : this.headerSlot(sq);
    if (hdr === 0) return -12;
    this.virtio_net_hdr_from_skb(skb, hdr);
    vq.sgReset();
    if (canPush) vq.sgAdd(hdr, length + skb_headlen(skb));
    else {
      vq.sgAdd(hdr, length);
      if (skb_headlen(skb) > 0) vq.sgAdd(skb.data, skb_headlen(skb));
    }
    if (skb.data_len !== 0) {
      const { skb: core } = kernel;
      const frags = core.nr_frags(skb);
      for (let i = 0; i < frags; i++) vq.sgAdd(core.frag_page(skb, i), core.frag_size(skb, i));
    }
    return vq.virtqueue_add_outbuf(skb);
  }

  /** Linux: skb->cb holds the header; here each descriptor head has a slot of its own. 0 when memory is out. */
  private headerSlot(sq: SendQueue): number {
    if (sq.headers === 0) sq.headers = this.kernel.platform.slab.kmalloc(HDR_SLOT * sq.vq.num_max);
    return sq.headers === 0 ? 0 : sq.headers + HDR_SLOT * sq.vq.freeHead;
  }

  /** virtio-v1.2 §5.1.6.2 */
  virtio_net_hdr_from_skb(skb: SkBuff, at: number): void {
    const { view } = this.kernel.platform.ram;
    const { skb: core } = this.kernel;
    // a legacy driver's header is no whole number of words
    view.setUint32(at, 0, true);
    view.setUint32(at + 4, 0, true);
    for (let i = 8; i < this.vi.hdr_len; i += 2) view.setUint16(at + i, 0, true);
    if (skb.ip_summed === CHECKSUM_PARTIAL) {
      const start = skb_checksum_start_offset(skb);
      view.setUint8(at, VIRTIO_NET_HDR_F.NEEDS_CSUM);
      view.setUint16(at + 6, start, true);
      view.setUint16(at + 8, skb.csum_offset, true);
    }
    const size = core.gso_size(skb);
    if (size === 0) return;
    const type = core.gso_type(skb);
    const kind =
      (type & SKB_GSO.TCPV4) !== 0
        ? VIRTIO_NET_HDR_GSO.TCPV4
        : (type & SKB_GSO.TCPV6) !== 0
          ? VIRTIO_NET_HDR_GSO.TCPV6
          : VIRTIO_NET_HDR_GSO.UDP_L4;
    view.setUint8(at + 1, kind | ((type & SKB_GSO.TCP_ECN) !== 0 ? VIRTIO_NET_HDR_GSO.ECN : 0));
    view.setUint16(at + 2, skb_headlen(skb), true);
    view.setUint16(at + 4, size, true);
  }

  /** Frees what the device has sent; counters move here, as in Linux. */
  free_old_xmit_skbs(sq: SendQueue, inNapi: boolean): void {
    const { vq, stats } = sq;
    for (;;) {
      const skb = vq.virtqueue_get_buf() as SkBuff | undefined;
      if (skb === undefined) return;
      stats.packets++;
      stats.bytes += skb.len;
      this.kernel.skb.napi_consume_skb(skb, inNapi ? 1 : 0);
    }
  }

  /** The transmit queue's interrupt. */
  skb_xmit_done(vq: Virtqueue, index: number): void {
    const sq = this.vi.sq[index];
    vq.virtqueue_disable_cb();
    if (sq.napi_weight !== 0) this.virtqueue_napi_schedule(sq.napi, vq);
    else this.kernel.net.xmit.netif_wake_subqueue(this.vi.dev, index);
  }

  virtqueue_napi_schedule(napi: Napi, vq: Virtqueue): void {
    const core = this.kernel.net.napi;
    if (!core.napi_schedule_prep(napi)) return;
    vq.virtqueue_disable_cb();
    core.__napi_schedule(napi);
  }

  poll(napi: Napi, budget: number): number {
    return this.virtnet_poll_tx(napi, budget);
  }

  virtnet_poll_tx(napi: Napi, _budget: number): number {
    const core = this.kernel.net.napi;
    const sq = this.vi.sq[napi.queue];
    const { vq } = sq;
    vq.virtqueue_disable_cb();
    this.free_old_xmit_skbs(sq, true);
    this.wakeIfRoom(sq);
    const opaque = vq.virtqueue_enable_cb_prepare();
    if (!core.napi_complete_done(napi, 0)) {
      vq.virtqueue_disable_cb();
      return 0;
    }
    // used between the look and the permission to interrupt
    if (vq.virtqueue_poll(opaque) && core.napi_schedule_prep(napi)) {
      vq.virtqueue_disable_cb();
      core.__napi_schedule(napi);
    }
    return 0;
  }

  /** From the receive poll: completions of the sibling queue, without waiting for their interrupt. */
  virtnet_poll_cleantx(index: number): void {
    const sq = this.vi.sq[index];
    if (sq.napi_weight === 0 || sq.inReset) return;
    do {
      sq.vq.virtqueue_disable_cb();
      this.free_old_xmit_skbs(sq, true);
    } while (!sq.vq.virtqueue_enable_cb_delayed());
    this.wakeIfRoom(sq);
  }

  protected wakeIfRoom(sq: SendQueue): void {
    if (sq.vq.num_free >= RESERVED) this.kernel.net.xmit.netif_tx_wake_queue(this.vi.dev.queues[sq.index]);
  }

  virtnet_napi_tx_enable(sq: SendQueue): void {
    if (sq.napi_weight === 0) return;
    this.vi.rx.virtnet_napi_enable(sq.vq, sq.napi);
  }

  virtnet_napi_tx_disable(sq: SendQueue): void {
    if (sq.napi_weight !== 0) this.kernel.net.napi.napi_disable(sq.napi);
  }

  virtnet_sq_free_unused_buf(skb: SkBuff): void {
    this.kernel.skb.kfree_skb(skb);
  }

  freeHeaders(sq: SendQueue): void {
    this.kernel.platform.slab.kfree(sq.headers);
    sq.headers = 0 as Gpa;
  }

  virtnet_tx_timeout(dev: NetDevice, index: number): void {
    const sq = this.vi.sq[index];
    sq.stats.tx_timeouts++;
    const ago = Math.floor((this.kernel.now() - dev.queues[index].trans_start) / 1000);
    this.kernel.printk.netdev_err(
      dev,
      `TX timeout on queue: ${index}, sq: ${sq.vq.name}, vq: 0x${sq.vq.index.toString(16)}, name: ${sq.vq.name}, ${ago} usecs ago`,
    );
  }
}
