// Frames sent to oneself through the 82574L's PHY (Linux: e1000_loopback_test()).
import type { DmaAddr, Gpa } from '../../base/units.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { __skb_put } from '../../kernel/skb_inline.ts';
import type { SkBuff } from '../../kernel/skbuff.ts';
import { RxDescRead, TXD_CMD, TxDescData } from '../../pci/e1000e_desc.ts';
import { BMCR, PHY } from '../../pci/e1000e_phy.ts';
import { CTRL, E1000, ICR, RCTL, STATUS, TCTL } from '../../pci/e1000e_regs.ts';
import { type E1000Adapter, E1000Ring } from './adapter.ts';

const MS = 1_000_000;
const RING = 256;
const FRAME = 1024;
const RX_BUFFER = 2048;
/** Pairs of frames per round; the larger ring goes round twice. */
const BATCH = 64;
const ROUNDS = (RING / BATCH) * 2 + 2;
const PHY_SETTLES = 250 * MS;
const FRAMES_COME = 200 * MS;
/** 11: no memory for the rings; 13: frames are missing or differ. */
const NO_MEMORY = 11;
const MISMATCH = 13;
const COLLISIONS = (15 << TCTL.CT_SHIFT) | (0x40 << TCTL.COLD_SHIFT);

/** Each call of `run` does a piece and says how long to wait for the next; 0 is the end. */
export class E1000Loopback {
  result = 0;
  private tx: E1000Ring | undefined;
  private rx: E1000Ring | undefined;
  /** 0: not begun; 1: the PHY loops; from 2 on: rounds sent. */
  private stage = 0;
  /** Next entry to send, next to look at. */
  private sent = 0;
  private seen = 0;

  constructor(
    readonly kernel: Kernel,
    private readonly adapter: E1000Adapter,
  ) {}

  run(): number {
    if (this.stage === 0) {
      this.result = this.e1000_setup_desc_rings() ? 0 : NO_MEMORY;
      if (this.result !== 0) return this.finish();
      this.e1000_integrated_phy_loopback();
      this.stage = 1;
      return PHY_SETTLES;
    }
    if (this.stage === 1) this.matchMac();
    else if (!this.check()) {
      this.result = MISMATCH;
      return this.cleanUp();
    }
    if (this.stage > ROUNDS) return this.cleanUp();
    this.stage++;
    this.sendBatch();
    return FRAMES_COME;
  }

  private cleanUp(): number {
    this.e1000_loopback_cleanup();
    return this.finish();
  }
  private finish(): number {
    this.release();
    return 0;
  }

  /** Gives all memory back. */
  release(): void {
    for (const ring of [this.tx, this.rx]) {
      if (ring === undefined) continue;
      const direction = ring === this.tx ? 'DMA_TO_DEVICE' : 'DMA_FROM_DEVICE';
      for (let i = 0; i < ring.count; i++) {
        const { dma } = this.adapter.pdev;
        if (ring.buffer_length[i] !== 0)
          dma.dma_unmap_single(ring.buffer_dma[i] as DmaAddr, ring.buffer_length[i], direction, 'e1000_free_desc_rings');
        const skb = ring.skb[i];
        if (skb !== undefined) this.kernel.skb.kfree_skb(skb);
      }
      if (ring.desc !== 0) this.adapter.pdev.dma.dma_free_coherent(ring.size, ring.desc, ring.dma, 'e1000_free_desc_rings');
    }
    this.tx = this.rx = undefined;
    this.stage = 0;
  }

  /** Rings of their own with a frame or a buffer in each entry; false without memory. */
  e1000_setup_desc_rings(): boolean {
    const { hw } = this.adapter;
    const { ram } = this.kernel.platform;
    this.sent = this.seen = 0;
    this.tx = new E1000Ring(RING, E1000.TDH0, E1000.TDT0, ICR.TXQ0, E1000.EITR + 4);
    this.rx = new E1000Ring(RING, E1000.RDH0, E1000.RDT0, ICR.RXQ0, E1000.EITR);
    const { tx, rx } = this;
    if (!this.allocate(tx) || !this.allocate(rx)) return false;
    hw.ew32(E1000.TDBAL0, tx.dma % 0x100000000);
    hw.ew32(E1000.TDBAH0, Math.floor(tx.dma / 0x100000000));
    hw.ew32(E1000.TDLEN0, tx.size);
    hw.ew32(E1000.TDH0, 0);
    hw.ew32(E1000.TDT0, 0);
    hw.ew32(E1000.TCTL, TCTL.PSP | TCTL.EN | TCTL.MULR | COLLISIONS);
    for (let i = 0; i < tx.count; i++) {
      const skb = this.kernel.skb.alloc_skb(FRAME);
      if (skb === undefined) return false;
      __skb_put(skb, FRAME);
      if (!this.map(tx, i, skb, FRAME)) return false;
      const at = tx.descAt(i);
      TxDescData.buffer_addr.set(ram, at, tx.buffer_dma[i]);
      TxDescData.cmd_and_length.set(ram, at, (FRAME | TXD_CMD.EOP | TXD_CMD.IFCS | TXD_CMD.RS) >>> 0);
      TxDescData.status.set(ram, at, 0);
      TxDescData.special.set(ram, at, 0);
    }
    const rctl = hw.er32(E1000.RCTL);
    hw.ew32(E1000.RCTL, rctl & ~RCTL.EN);
    hw.ew32(E1000.RDBAL0, rx.dma % 0x100000000);
    hw.ew32(E1000.RDBAH0, Math.floor(rx.dma / 0x100000000));
    hw.ew32(E1000.RDLEN0, rx.size);
    hw.ew32(E1000.RDH0, 0);
    hw.ew32(E1000.RDT0, 0);
    hw.ew32(E1000.RCTL, RCTL.EN | RCTL.BAM | RCTL.UPE | RCTL.MPE | RCTL.LPE | RCTL.SBP | RCTL.SECRC);
    for (let i = 0; i < rx.count; i++) {
      const skb = this.kernel.skb.__netdev_alloc_skb(this.adapter.dev, RX_BUFFER);
      if (skb === undefined || !this.map(rx, i, skb, RX_BUFFER)) return false;
      RxDescRead.buffer_addr.set(ram, rx.descAt(i), rx.buffer_dma[i]);
      ram.fill(skb.data, 0, skb.len);
    }
    return true;
  }

  private allocate(ring: E1000Ring): boolean {
    const memory = this.adapter.pdev.dma.dma_alloc_coherent(ring.size, 'e1000_setup_desc_rings');
    if (memory === undefined) return false;
    ring.desc = memory.gpa;
    ring.dma = memory.dma;
    return true;
  }

  private map(ring: E1000Ring, i: number, skb: SkBuff, length: number): boolean {
    ring.skb[i] = skb;
    const { dma } = this.adapter.pdev;
    const addr = dma.dma_map_single(skb.data, length, ring === this.tx ? 'DMA_TO_DEVICE' : 'DMA_FROM_DEVICE', 'e1000_setup_desc_rings');
    if (dma.dma_mapping_error(addr)) return false;
    ring.buffer_dma[i] = addr;
    ring.buffer_length[i] = length;
    return true;
  }

  /** The PHY loops at 1000 Mb/s, full duplex. */
  e1000_integrated_phy_loopback(): void {
    const { phy } = this.adapter.hw;
    phy.autoneg = false;
    phy.e1000e_phy_sw_reset();
    phy.e1000e_write_phy_reg_bm2(PHY.BMCR, BMCR.LOOPBACK | BMCR.FULLDPLX | BMCR.SPEED1000);
  }

  /** The MAC takes the same speed and duplex; then the first buffers are the device's. */
  private matchMac(): void {
    const { hw } = this.adapter;
    let ctrl = (hw.er32(E1000.CTRL) & ~CTRL.SPD_MASK) | CTRL.FRCSPD | CTRL.FRCDPX | CTRL.SPD_1000 | CTRL.FD;
    if ((hw.er32(E1000.STATUS) & STATUS.FD) === 0) ctrl |= CTRL.ILOS | CTRL.SLU;
    hw.ew32(E1000.CTRL, ctrl);
    hw.ew32(E1000.RDT0, this.rx!.count - 1);
  }

  private sendBatch(): void {
    const tx = this.tx!;
    for (let i = 0; i < BATCH; i++) {
      this.e1000_create_lbtest_frame(tx.skb[this.sent]!.data);
      this.adapter.pdev.dma.dma_sync_single_for_device(
        tx.buffer_dma[this.sent] as DmaAddr,
        FRAME,
        'DMA_TO_DEVICE',
        'e1000_run_loopback_test',
      );
      this.sent = (this.sent + 1) % tx.count;
    }
    this.adapter.hw.ew32(E1000.TDT0, this.sent);
    this.adapter.hw.e1e_flush();
  }

  /** Ones in the first half, 0xaa in the second with two marks. */
  e1000_create_lbtest_frame(at: Gpa): void {
    const { ram } = this.kernel.platform;
    ram.fill(at, 0xff, FRAME);
    ram.fill((at + FRAME / 2) as Gpa, 0xaa, FRAME / 2 - 1);
    ram.setU8(at + FRAME / 2 + 10, 0xbe);
    ram.setU8(at + FRAME / 2 + 12, 0xaf);
  }

  e1000_check_lbtest_frame(at: Gpa): boolean {
    const { ram } = this.kernel.platform;
    return ram.u8(at + 3) === 0xff && ram.u8(at + FRAME / 2 + 10) === 0xbe && ram.u8(at + FRAME / 2 + 12) === 0xaf;
  }

  /** All frames of the round are there and as they were. */
  private check(): boolean {
    const rx = this.rx!;
    let good = 0;
    for (let looked = 0; looked < rx.count && good < BATCH; looked++) {
      this.adapter.pdev.dma.dma_sync_single_for_cpu(
        rx.buffer_dma[this.seen] as DmaAddr,
        RX_BUFFER,
        'DMA_FROM_DEVICE',
        'e1000_run_loopback_test',
      );
      if (this.e1000_check_lbtest_frame(rx.skb[this.seen]!.data)) good++;
      this.seen = (this.seen + 1) % rx.count;
    }
    return good === BATCH;
  }

  e1000_loopback_cleanup(): void {
    const { hw } = this.adapter;
    hw.ew32(E1000.RCTL, hw.er32(E1000.RCTL) & ~RCTL.LBM_MASK);
    hw.phy.autoneg = true;
    const control = hw.phy.e1000e_read_phy_reg_bm2(PHY.BMCR);
    if ((control & BMCR.LOOPBACK) === 0) return;
    hw.phy.e1000e_write_phy_reg_bm2(PHY.BMCR, control & ~BMCR.LOOPBACK);
    hw.phy.e1000e_phy_sw_reset();
  }
}
