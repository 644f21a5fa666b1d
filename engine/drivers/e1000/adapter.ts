// State of one e1000 interface (Linux: struct e1000_adapter, e1000_tx_ring, e1000_rx_ring).
import type { DmaAddr, Gpa } from '../../base/units.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import type { Napi } from '../../kernel/napi.ts';
import type { NetDevice } from '../../kernel/net_device.ts';
import type { SkBuff } from '../../kernel/skbuff.ts';
import { WorkStruct } from '../../kernel/workqueue.ts';
import { E1000_DESC_SIZE } from '../../pci/e1000e_desc.ts';
import type { PciDev } from '../pci/pci_dev.ts';
import { E1000Hw82540 } from './hw.ts';
import { E1000Main, OP_RESET_TASK, OP_WATCHDOG } from './main.ts';
import { E1000Rings } from './rings.ts';
import { E1000Stats82540 } from './stats.ts';

export const DEFAULT_DESCRIPTORS = 256;

export class E1000Ring82540 {
  desc = 0 as Gpa;
  dma = 0 as DmaAddr;
  next_to_use = 0;
  next_to_clean = 0;
  readonly buffer_dma: Float64Array;
  readonly buffer_length: Uint32Array;
  /** Of a packet's last entry: the packet; of a receive entry: its buffer. */
  readonly skb: (SkBuff | undefined)[];
  /** Of a packet's first entry: its last, -1 when the entry starts none. */
  readonly next_to_watch: Int32Array;

  constructor(readonly count: number) {
    this.buffer_dma = new Float64Array(count);
    this.buffer_length = new Uint32Array(count);
    this.skb = new Array<SkBuff | undefined>(count).fill(undefined);
    this.next_to_watch = new Int32Array(count).fill(-1);
  }

  get size(): number {
    return this.count * E1000_DESC_SIZE;
  }
  descAt(i: number): number {
    return this.desc + i * E1000_DESC_SIZE;
  }
  after(i: number): number {
    return i + 1 === this.count ? 0 : i + 1;
  }
  /** Linux: E1000_DESC_UNUSED(): one stays empty, so that full and empty differ. */
  unused(): number {
    const gap = this.next_to_clean - this.next_to_use - 1;
    return gap >= 0 ? gap : gap + this.count;
  }
}

export class E1000Adapter82540 {
  readonly kernel: Kernel;
  readonly hw: E1000Hw82540;
  napi!: Napi;
  tx_ring = new E1000Ring82540(DEFAULT_DESCRIPTORS);
  rx_ring = new E1000Ring82540(DEFAULT_DESCRIPTORS);
  /** Linux: __E1000_DOWN */
  down = true;
  rx_buffer_len = 2048;
  max_frame_size = 1522;
  link_speed = 0;
  link_duplex = 0;
  readonly watchdog_task: WorkStruct;
  readonly reset_task: WorkStruct;
  readonly stats: E1000Stats82540;
  readonly main: E1000Main;
  readonly rings: E1000Rings;

  constructor(
    readonly pdev: PciDev,
    readonly dev: NetDevice,
    registers: number,
    io_base: number,
  ) {
    this.kernel = pdev.kernel;
    this.hw = new E1000Hw82540(this.kernel, registers, io_base);
    this.stats = new E1000Stats82540(this.kernel, this);
    this.main = new E1000Main(this.kernel, this);
    this.rings = new E1000Rings(this.kernel, this);
    this.watchdog_task = new WorkStruct(this.main, OP_WATCHDOG);
    this.reset_task = new WorkStruct(this.main, OP_RESET_TASK);
  }
}

/** netdev_priv() */
export const adapterOf = (dev: NetDevice): E1000Adapter82540 => dev.priv as E1000Adapter82540;
