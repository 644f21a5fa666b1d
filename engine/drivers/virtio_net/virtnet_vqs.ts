// Queues of a virtio-net interface: making and deleting them, their interrupts' callbacks and affinity (Linux: init_vqs() and below).
import type { Kernel } from '../../kernel/kernel.ts';
import { NAPI_POLL_WEIGHT } from '../../kernel/napi.ts';
import { NETIF_F } from '../../kernel/netdev_features.ts';
import type { SkBuff } from '../../kernel/skbuff.ts';
import { WorkStruct } from '../../kernel/workqueue.ts';
import { rxQueue, txQueue } from '../../virtio/net.ts';
import type { BufferRecycler, Virtqueue, VirtqueueCallback, VirtqueueSpec } from '../virtio/virtio_ring.ts';
import { OP_REFILL } from './virtnet_dev.ts';
import { ReceiveQueue, SendQueue, type VirtnetInfo } from './virtnet_info.ts';
import { mergeable_min_buf_len } from './virtnet_rx.ts';

export class VirtnetVqs implements VirtqueueCallback, BufferRecycler {
  /** Inline in Linux. */
  static readonly inlined: readonly string[] = Object.freeze([
    'virtnet_alloc_queues',
    'virtnet_find_vqs',
    'virtnet_rx_resize',
    'virtnet_tx_resize',
  ]);
  constructor(
    readonly kernel: Kernel,
    protected readonly vi: VirtnetInfo,
  ) {}

  /** 0 or -errno, then nothing is left behind. */
  init_vqs(): number {
    let err = this.virtnet_alloc_queues();
    if (err < 0) return err;
    err = this.vi.driver.should_fail('virtnet_find_vqs') || this.virtnet_find_vqs();
    if (err < 0) {
      this.virtnet_free_queues();
      return err;
    }
    this.virtnet_set_affinity();
    return 0;
  }

  virtnet_alloc_queues(): number {
    const { vi, kernel } = this;
    const err = vi.driver.should_fail('virtnet_alloc_queues') || vi.ctrl.allocate();
    if (err < 0) return err;
    vi.refill = new WorkStruct(vi.ndo, OP_REFILL);
    for (let i = 0; i < vi.max_queue_pairs; i++) {
      const rq = new ReceiveQueue(i);
      const sq = new SendQueue(i, vi.driver.napi_tx ? NAPI_POLL_WEIGHT : 0);
      rq.napi = kernel.net.napi.netif_napi_add(vi.dev, vi.rx, vi.driver.napi_weight, i);
      sq.napi = kernel.net.napi.netif_napi_add_tx(vi.dev, vi.tx, NAPI_POLL_WEIGHT, i);
      vi.rq.push(rq);
      vi.sq.push(sq);
    }
    return 0;
  }

  virtnet_free_queues(): void {
    const { vi, kernel } = this;
    for (const rq of vi.rq) kernel.net.napi.netif_napi_del(rq.napi);
    for (const sq of vi.sq) {
      kernel.net.napi.netif_napi_del(sq.napi);
      vi.tx.freeHeaders(sq);
    }
    vi.ctrl.free();
  }

  /** virtio-v1.2 §5.1.2: receive and transmit queue of each pair, then the control queue. */
  virtnet_find_vqs(): number {
    const { vi } = this;
    const specs: VirtqueueSpec[] = [];
    for (let i = 0; i < vi.max_queue_pairs; i++) {
      specs[rxQueue(i)] = { name: `input.${i}`, callback: this, op: rxQueue(i) };
      specs[txQueue(i)] = { name: `output.${i}`, callback: this, op: txQueue(i) };
    }
    if (vi.has_cvq) specs.push({ name: 'control', callback: undefined, op: 0 });
    const err = vi.vdev.config.findVqs(specs);
    if (err < 0) return err;
    const { vqs } = vi.vdev;
    if (vi.has_cvq) {
      vi.cvq = vqs[specs.length - 1];
      if (vi.has('VIRTIO_NET_F_CTRL_VLAN')) vi.dev.features |= NETIF_F.HW_VLAN_CTAG_FILTER;
    }
    for (let i = 0; i < vi.max_queue_pairs; i++) {
      vi.rq[i].vq = vqs[rxQueue(i)];
      vi.rq[i].min_buf_len = mergeable_min_buf_len(vi.hdr_len, vi.dev, vi.rq[i].vq.num, vi.big_packets);
      vi.sq[i].vq = vqs[txQueue(i)];
    }
    return 0;
  }

  virtnet_del_vqs(): void {
    this.virtnet_clean_affinity();
    this.vi.vdev.config.delVqs();
    this.vi.cvq = undefined;
    this.virtnet_free_queues();
  }

  onVirtqueue(vq: Virtqueue, op: number): void {
    if ((op & 1) === 0) this.vi.rx.skb_recv_done(vq, op >> 1);
    else this.vi.tx.skb_xmit_done(vq, op >> 1);
  }

  /** CPUs in groups, one per queue pair in use: interrupts of both queues there, and the group sends through the pair. */
  virtnet_set_affinity(): void {
    const { vi, kernel } = this;
    const cpus = kernel.platform.cpus.list.length;
    const pairs = vi.curr_queue_pairs;
    const stride = Math.max(Math.floor(cpus / pairs), 1);
    const stragglers = cpus >= pairs ? cpus % pairs : 0;
    let cpu = 0;
    for (let i = 0; i < pairs; i++) {
      let mask = 0;
      for (let n = stride + (i < stragglers ? 1 : 0); n > 0; n--) {
        mask |= 1 << cpu;
        cpu = (cpu + 1) % cpus;
      }
      vi.vdev.config.setVqAffinity(vi.rq[i].vq, mask);
      vi.vdev.config.setVqAffinity(vi.sq[i].vq, mask);
      kernel.net.xmit.netif_set_xps_queue(vi.dev, mask, i);
    }
    vi.affinity_hint_set = true;
  }

  virtnet_clean_affinity(): void {
    const { vi } = this;
    if (!vi.affinity_hint_set) return;
    for (let i = 0; i < vi.max_queue_pairs; i++) {
      vi.vdev.config.setVqAffinity(vi.rq[i].vq, 0);
      vi.vdev.config.setVqAffinity(vi.sq[i].vq, 0);
    }
    vi.affinity_hint_set = false;
  }

  /** Buffers the device still has; only once it is reset. */
  free_unused_bufs(): void {
    const { vi } = this;
    for (const sq of vi.sq) {
      for (let skb = sq.vq.virtqueue_detach_unused_buf(); skb !== undefined; skb = sq.vq.virtqueue_detach_unused_buf()) {
        vi.tx.virtnet_sq_free_unused_buf(skb as SkBuff);
      }
    }
    for (const rq of vi.rq) {
      for (let buf = rq.vq.virtqueue_detach_unused_buf(); buf !== undefined; buf = rq.vq.virtqueue_detach_unused_buf())
        vi.rx.virtnet_rq_free_unused_buf(rq, buf, rq.vq.lastCtx);
    }
  }

  onRecycle(vq: Virtqueue, data: object): void {
    if ((vq.spec.op & 1) === 1) this.vi.tx.virtnet_sq_free_unused_buf(data as SkBuff);
    else this.vi.rx.virtnet_rq_free_unused_buf(this.vi.rq[vq.spec.op >> 1], data, vq.lastCtx);
  }

  virtnet_rx_resize(rq: ReceiveQueue, num: number): number {
    const { vi, kernel } = this;
    const running = vi.dev.started;
    if (running) kernel.net.napi.napi_disable(rq.napi);
    const err = rq.vq.virtqueue_resize(num, this);
    if (err < 0) kernel.printk.netdev_err(vi.dev, `resize rx fail: rx queue index: ${rq.index} err: ${err}`);
    if (!vi.rx.try_fill_recv(rq)) kernel.workqueues.schedule_delayed_work(vi.refill, 0);
    if (running) vi.rx.virtnet_napi_enable(rq.vq, rq.napi);
    return err;
  }

  virtnet_tx_resize(sq: SendQueue, num: number): number {
    const { vi, kernel } = this;
    const running = vi.dev.started;
    if (running) vi.tx.virtnet_napi_tx_disable(sq);
    sq.inReset = true;
    // nobody transmits meanwhile
    kernel.net.xmit.netif_stop_subqueue(vi.dev, sq.index);
    const err = sq.vq.virtqueue_resize(num, this);
    if (err < 0) kernel.printk.netdev_err(vi.dev, `resize tx fail: tx queue index: ${sq.index} err: ${err}`);
    sq.inReset = false;
    kernel.net.xmit.netif_tx_wake_queue(vi.dev.queues[sq.index]);
    if (running) vi.tx.virtnet_napi_tx_enable(sq);
    return err;
  }
}
