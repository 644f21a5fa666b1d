// What the parts of a virtio-net device share: its identity, timing, counters, and the way out.
import type { Sim } from '../sim/sim.ts';
import type { FrameOffload, PortOwner, Wire } from '../link/port.ts';
import type { NetCoalescing } from './net_coalesce.ts';
import type { FlowTable } from './net_flow.ts';
import type { RxFilter } from './net_filter.ts';
import type { RssState } from './net_rss.ts';
import type { VirtioTransport } from './virtio_device.ts';

/** How long the device takes for what; a lab file may override any. Nanoseconds, except the last. */
export const NIC_TIMING = {
  /** Doorbell to the first descriptor fetch. */
  doorbell: 1_000,
  /** Arrival of a frame to the used ring entry, when the device was idle; frames that come meanwhile share it. */
  receive: 1_000,
  /** Descriptor fetch and write-back per frame. */
  frame: 60,
  /** DMA: bytes per nanosecond (8 is PCI Express 3.0 x8). */
  bytesPerNs: 8,
} as const;
export type NicTiming = Record<keyof typeof NIC_TIMING, number>;

/** The device's counters, in the order views show them. */
export const NIC_COUNTERS = [
  'tx_packets',
  'tx_bytes',
  /** Wire frames; more than packets when the device segments. */
  'tx_frames',
  'tx_csum',
  'tx_gso',
  'tx_link_down',
  'tx_bad',
  'rx_packets',
  'rx_bytes',
  'rx_csum_valid',
  'rx_filtered',
  'rx_no_buffer',
  'rx_too_large',
  'rx_overrun',
  'rx_not_ready',
] as const;
export type NicCounter = (typeof NIC_COUNTERS)[number];
export type NicCounters = Record<NicCounter, number>;
export const zeroCounters = (): NicCounters => Object.fromEntries(NIC_COUNTERS.map((c) => [c, 0])) as NicCounters;

export interface NicContext {
  /** For traces: 'virtio-net-pci 00:01.0'. */
  readonly name: string;
  readonly sim: Sim;
  readonly transport: VirtioTransport;
  readonly port: PortOwner;
  readonly wire: Wire | undefined;
  readonly linkUp: boolean;
  readonly timing: Readonly<NicTiming>;
  readonly counters: NicCounters;
  readonly filter: RxFilter;
  readonly flows: FlowTable;
  readonly rss: RssState;
  readonly coalescing: NetCoalescing;
  /** Queue pairs the device has. */
  readonly maxPairs: number;
  /** Queue pairs in use now (virtio-v1.2 §5.1.6.5.5). */
  readonly pairs: number;
  /** VIRTIO_NET_F_MRG_RXBUF was negotiated. */
  readonly mergeable: boolean;
  /** Bytes of the header before every packet. */
  readonly hdrLen: number;
  /** VIRTIO_NET_F_HASH_REPORT was negotiated. */
  readonly hashReport: boolean;
  /** VIRTIO_NET_F_GUEST_CSUM is negotiated and on. */
  readonly guestCsum: boolean;
  /** The driver takes packets with such work left over. */
  takesOffload(offload: FrameOffload): boolean;
  /** What was negotiated: offloads the driver may ask for. */
  readonly negotiatedFeatures: bigint;
}
