// State of one e1000e interface (Linux: struct e1000_adapter, e1000_ring).
import type { DmaAddr, Gpa } from '../../base/units.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import type { Napi } from '../../kernel/napi.ts';
import type { NetDevice } from '../../kernel/net_device.ts';
import type { SkBuff } from '../../kernel/skbuff.ts';
import { TimerList } from '../../kernel/timer.ts';
import { WorkStruct } from '../../kernel/workqueue.ts';
import { E1000_DESC_SIZE } from '../../pci/e1000e_desc.ts';
import type { PciDev } from '../pci/pci_dev.ts';
import { E1000Ethtool } from './ethtool.ts';
import { E1000Hw } from './hw.ts';
import { E1000Intr } from './intr.ts';
import { E1000Netdev, OP_PRINT_HANG, OP_RESET_TASK, OP_WATCHDOG, OP_WATCHDOG_TASK } from './netdev.ts';
import { INT_MODE, type IntMode } from './param.ts';
import type { E1000Rx } from './rx.ts';
import { E1000SelfTest } from './self_test.ts';
import { E1000Stats } from './stats.ts';
import { E1000Tx } from './tx.ts';

/** Classes an interface is made of; a variant of the driver (engine/drivers/variants) puts its own in their place. */
export interface E1000Parts {
  readonly rx: typeof E1000Rx;
}

export const E1000_DEFAULT_TXD = 256;
export const E1000_DEFAULT_RXD = 256;
export const E1000_MAX_TXD = 4096;
export const E1000_MAX_RXD = 4096;
export const E1000_MIN_DESCRIPTORS = 64;
/** Linux: max_hw_frame_size of the 82574. */
export const MAX_HW_FRAME_SIZE = 9234;

/** A ring of descriptors in memory that the device reads, and per entry what the driver must remember. */
export class E1000Ring {
  /** 0 while there is no memory for it. */
  desc = 0 as Gpa;
  dma = 0 as DmaAddr;
  next_to_use = 0;
  next_to_clean = 0;
  readonly buffer_dma: Float64Array;
  readonly buffer_length: Uint32Array;
  readonly skb: (SkBuff | undefined)[];
  /** Of a packet's first entry: its last, -1 when the entry starts none. */
  readonly next_to_watch: Int32Array;
  /** Of a packet's first entry: when it was given to the device. */
  readonly time_stamp: Float64Array;
  /** A moderation interval waits to be written at the next interrupt. */
  set_itr = false;

  constructor(
    readonly count: number,
    /** Offsets of the queue's registers. */
    readonly head: number,
    readonly tail: number,
    readonly ims_val: number,
    readonly itr_register: number,
  ) {
    this.buffer_dma = new Float64Array(count);
    this.buffer_length = new Uint32Array(count);
    this.skb = new Array<SkBuff | undefined>(count).fill(undefined);
    this.next_to_watch = new Int32Array(count).fill(-1);
    this.time_stamp = new Float64Array(count);
  }

  get size(): number {
    return this.count * E1000_DESC_SIZE;
  }
  descAt(i: number): number {
    return this.desc + i * E1000_DESC_SIZE;
  }
  /** Entries software may fill; one stays empty, so that full and empty differ (Linux: e1000_desc_unused()). */
  unused(): number {
    const gap = this.next_to_clean - this.next_to_use - 1;
    return gap >= 0 ? gap : gap + this.count;
  }
}

export class E1000Adapter {
  readonly kernel: Kernel;
  readonly hw: E1000Hw;
  napi!: Napi;
  tx_ring!: E1000Ring;
  rx_ring!: E1000Ring;
  tx_ring_count = E1000_DEFAULT_TXD;
  rx_ring_count = E1000_DEFAULT_RXD;
  rx_buffer_len = 2048;
  max_frame_size = 1522;
  /** Linux: __E1000_DOWN, __E1000_TESTING */
  down = true;
  testing = false;
  /** Interrupt causes of the rings, cleared by the device when their message goes. */
  eiac_mask = 0;
  /** Interrupts per second; 1 dynamic, 3 dynamic conservative, 4 simplified (Linux: InterruptThrottleRate). */
  itr_setting = 3;
  itr = 20000;
  rx_itr = 0;
  tx_itr = 0;
  total_rx_packets = 0;
  total_rx_bytes = 0;
  total_tx_packets = 0;
  total_tx_bytes = 0;
  link_speed = 0;
  link_duplex = 0;
  msg_enable = 7;
  /** How interrupts come, and what else the module's parameters say (Linux: INT_MODE …; delays in units of 1.024 µs). */
  int_mode: IntMode = INT_MODE.MSIX;
  tx_int_delay = 0;
  tx_abs_int_delay = 0;
  rx_int_delay = 0;
  rx_abs_int_delay = 0;
  smart_power_down = false;
  copybreak = 256;
  /** The watchdog wants a look at whether the device still sends (Linux: detect_tx_hung, tx_hang_recheck). */
  detect_tx_hung = false;
  tx_hang_recheck = false;
  /** Seconds a packet may take, by the link's speed. */
  tx_timeout_factor = 1;
  phy_hang_count = 0;
  fc_autoneg = true;
  crcStripping = true;
  /** Time stamps for the interface are registered. */
  ptp = false;
  eeprom_vers = 0;
  s0ix = false;
  /** A reset that the watchdog wants, and so no surprise (Linux: FLAG_RESTART_NOW). */
  restart_now = false;
  readonly watchdog_timer: TimerList;
  readonly watchdog_task: WorkStruct;
  readonly reset_task: WorkStruct;
  readonly print_hang_task: WorkStruct;
  readonly stats: E1000Stats;
  readonly netdev: E1000Netdev;
  readonly tx: E1000Tx;
  readonly rx: E1000Rx;
  readonly intr: E1000Intr;
  readonly ethtool: E1000Ethtool;
  readonly self_test: E1000SelfTest;

  constructor(
    readonly pdev: PciDev,
    readonly dev: NetDevice,
    registers: number,
    parts: E1000Parts,
  ) {
    this.kernel = pdev.kernel;
    this.hw = new E1000Hw(this.kernel, registers);
    this.stats = new E1000Stats(this.kernel, this);
    this.netdev = new E1000Netdev(this.kernel, this);
    this.tx = new E1000Tx(this.kernel, this);
    this.rx = new parts.rx(this.kernel, this);
    this.intr = new E1000Intr(this.kernel, this);
    this.ethtool = new E1000Ethtool(this.kernel, this);
    this.self_test = new E1000SelfTest(this.kernel, this);
    this.watchdog_timer = new TimerList(this.netdev, OP_WATCHDOG);
    this.watchdog_task = new WorkStruct(this.netdev, OP_WATCHDOG_TASK);
    this.reset_task = new WorkStruct(this.netdev, OP_RESET_TASK);
    this.print_hang_task = new WorkStruct(this.netdev, OP_PRINT_HANG);
  }
}

/** netdev_priv() */
export const e1000Adapter = (dev: NetDevice): E1000Adapter => dev.priv as E1000Adapter;
