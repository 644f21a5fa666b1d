// What the parts of an 82574L share.
import type { PortOwner, Wire } from '../../link/port.ts';
import type { DmaPort } from '../../platform/bus.ts';
import type { Sim } from '../../sim/sim.ts';
import type { NicTiming } from '../net_context.ts';
import type { E1000eInterrupts } from './interrupts.ts';
import type { RegisterFile } from './register_file.ts';

export interface E1000eContext {
  /** For traces: 'e1000e 00:02.0'. */
  readonly name: string;
  readonly sim: Sim;
  readonly regs: RegisterFile;
  readonly irq: E1000eInterrupts;
  readonly mem: DmaPort;
  readonly timing: Readonly<NicTiming>;
  readonly port: PortOwner;
  readonly wire: Wire | undefined;
  readonly linkUp: boolean;
  /** Intel's chip, not QEMU's model of it: what the two do differently. */
  readonly intel: boolean;
  /** What is sent comes back: PHY or MAC loopback. */
  readonly loopback: boolean;
  readonly drops: E1000eDrops;
  /** The receive side's way to the wire, for pause frames. */
  sendPause(quanta: number): void;
  /** The far end wants silence for so many quanta of 512 bit times, 0 ends it. */
  paused(quanta: number): void;
}

/** Why packets ended in the device, as views show it; what the datasheet counts is in the statistics registers. */
export const E1000E_DROPS = [
  'rx_filtered',
  'rx_disabled',
  'rx_overrun',
  'rx_oversize',
  'rx_dma',
  'tx_link_down',
  'tx_bad',
  'tx_dma',
] as const;
export type E1000eDrop = (typeof E1000E_DROPS)[number];
export type E1000eDrops = Record<E1000eDrop, number>;
export const zeroDrops = (): E1000eDrops => Object.fromEntries(E1000E_DROPS.map((d) => [d, 0])) as E1000eDrops;

/** IEEE 802.3 §3.2.6: without FCS. */
export const MIN_FRAME = 60;
export const FCS_LENGTH = 4;

/** Index in the statistics of frames by size, FCS included: 64, 65–127, 128–255, 256–511, 512–1023, longer. */
export const sizeClass = (length: number): number =>
  length <= 64 ? 0 : length < 128 ? 1 : length < 256 ? 2 : length < 512 ? 3 : length < 1024 ? 4 : 5;
