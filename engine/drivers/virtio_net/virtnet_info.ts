// State of one virtio-net interface (Linux: struct virtnet_info, send_queue, receive_queue) and its counters.
import type { Gpa } from '../../base/units.ts';
import type { Napi } from '../../kernel/napi.ts';
import type { NetDevice } from '../../kernel/net_device.ts';
import { PageFrag } from '../../kernel/page_frag.ts';
import type { WorkStruct } from '../../kernel/workqueue.ts';
import type { FeatureName } from '../../virtio/features.ts';
import { F } from '../../virtio/features.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import type { VirtioDevice } from '../virtio/virtio_device.ts';
import type { Virtqueue } from '../virtio/virtio_ring.ts';
import type { VirtioNetDriver } from './virtio_net.ts';
import { VirtnetBig } from './virtnet_big.ts';
import { VirtnetCtrl } from './virtnet_ctrl.ts';
import { VirtnetDev } from './virtnet_dev.ts';
import { VirtnetRss } from './virtnet_rss.ts';
import type { VirtnetRx } from './virtnet_rx.ts';
import type { VirtnetTx } from './virtnet_tx.ts';
import type { VirtnetVqs } from './virtnet_vqs.ts';

/** Linux: virtnet_rq_stats_desc and virtnet_sq_stats_desc, in order; the record, `ethtool -S` and panels come from these lists. */
export const RQ_STATS = ['packets', 'bytes', 'drops', 'xdp_packets', 'xdp_tx', 'xdp_redirects', 'xdp_drops', 'kicks'] as const;
export const SQ_STATS = ['packets', 'bytes', 'xdp_tx', 'xdp_tx_drops', 'kicks', 'tx_timeouts'] as const;
export type RqStats = Record<(typeof RQ_STATS)[number], number>;
export type SqStats = Record<(typeof SQ_STATS)[number], number>;
const zero = <K extends string>(keys: readonly K[]): Record<K, number> => Object.fromEntries(keys.map((k) => [k, 0])) as Record<K, number>;

/** A full-sized frame with one VLAN tag. */
export const GOOD_PACKET_LEN = 14 + 4 + 1500;
/** Shorter packets are copied whole, so that their buffers go straight back. */
export const GOOD_COPY_LEN = 128;

export class SendQueue {
  vq!: Virtqueue;
  napi!: Napi;
  readonly stats: SqStats = zero(SQ_STATS);
  /** 0: completions are collected by the next transmit only (ethtool -C tx-frames 0). */
  napi_weight: number;
  inReset = false;
  /** One header per descriptor, for packets without headroom; 0 until the first of them. */
  headers = 0 as Gpa;
  constructor(
    readonly index: number,
    weight: number,
  ) {
    this.napi_weight = weight;
  }
}

/** Average packet length for sizing mergeable buffers (Linux: DECLARE_EWMA(pkt_len, 0, 64)). */
export class PktLenAverage {
  private internal = 0;
  add(value: number): void {
    this.internal = this.internal === 0 ? value : Math.floor((this.internal * 63 + value) / 64);
  }
  read(): number {
    return this.internal;
  }
}

export class ReceiveQueue {
  vq!: Virtqueue;
  napi!: Napi;
  readonly stats: RqStats = zero(RQ_STATS);
  readonly mrg_avg_pkt_len = new PktLenAverage();
  readonly alloc_frag = new PageFrag();
  /** Pages for the next chains (Linux: rq->pages). */
  readonly pages: Gpa[] = [];
  min_buf_len = 0;
  /** virtio_net_hdr of the packet being received. */
  hdrFlags = 0;
  hdrHash = 0;
  hdrGsoType = 0;
  hdrGsoSize = 0;
  hdrHdrLen = 0;
  hdrCsumStart = 0;
  hdrCsumOffset = 0;
  constructor(readonly index: number) {}
}

/** Classes an interface is made of; a variant of the driver (engine/drivers/variants) puts its own in their place. */
export interface VirtnetParts {
  readonly rx: typeof VirtnetRx;
  readonly tx: typeof VirtnetTx;
  readonly vqs: typeof VirtnetVqs;
}

export class VirtnetInfo {
  readonly kernel: Kernel;
  readonly sq: SendQueue[] = [];
  readonly rq: ReceiveQueue[] = [];
  cvq: Virtqueue | undefined;
  curr_queue_pairs = 1;
  max_queue_pairs = 1;
  /** Packets above the MTU come in chains of pages; pages beyond the first. */
  big_packets = false;
  big_packets_num_skbfrags = 0;
  mergeable_rx_bufs = false;
  has_cvq = false;
  any_header_sg = false;
  hdr_len = 12;
  has_rss = false;
  has_rss_hash_report = false;
  /** NETIF_F_RXHASH is on. */
  rxhash = false;
  rss_key_size = 0;
  rss_indir_table_size = 0;
  rss_hash_types_supported = 0;
  rss_hash_types_saved = 0;
  /** Coalescing the device was told (Linux: tx_usecs and its siblings). */
  tx_usecs = 0;
  rx_usecs = 0;
  tx_max_packets = 0;
  rx_max_packets = 0;
  /** Command buffer shared with the device (Linux: struct control_buf). */
  ctrlBuf = 0 as Gpa;
  status = 0;
  speed = -1;
  duplex = 255;
  refill_enabled = false;
  affinity_hint_set = false;
  guest_offloads = 0n;
  guest_offloads_capable = 0n;
  refill!: WorkStruct;
  config_work!: WorkStruct;
  readonly ctrl: VirtnetCtrl;
  readonly rss: VirtnetRss;
  readonly big: VirtnetBig;
  readonly rx: VirtnetRx;
  readonly tx: VirtnetTx;
  readonly vqs: VirtnetVqs;
  readonly ndo: VirtnetDev;

  constructor(
    readonly driver: VirtioNetDriver,
    readonly vdev: VirtioDevice,
    readonly dev: NetDevice,
  ) {
    this.kernel = vdev.kernel;
    this.ctrl = new VirtnetCtrl(this.kernel, this);
    this.big = new VirtnetBig(this.kernel, this);
    this.rss = new VirtnetRss(this.kernel, this);
    const { parts } = driver;
    this.rx = new parts.rx(this.kernel, this);
    this.tx = new parts.tx(this.kernel, this);
    this.vqs = new parts.vqs(this.kernel, this);
    this.ndo = new VirtnetDev(this.kernel, this);
  }

  has(name: FeatureName): boolean {
    return (this.vdev.features & F[name]) !== 0n;
  }
}

/** netdev_priv() */
export const virtnetInfo = (dev: NetDevice): VirtnetInfo => dev.priv as VirtnetInfo;
