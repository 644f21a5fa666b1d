// Interrupts of e1000e: one vector for receiving, one for sending, one for the rest; polling, moderation (Linux: e1000_intr_msix_rx() …).
import { IRQ_HANDLED, IRQ_NONE, IRQF, type IrqTarget } from '../../kernel/irq.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import type { Napi, NapiPoller } from '../../kernel/napi.ts';
import { CTRL_EXT, E1000, ICR, ICR_OTHER_CAUSES, ITR_UNIT, IVAR, RFCTL } from '../../pci/e1000e_regs.ts';
import { JIFFY } from '../../kernel/timer.ts';
import { PCI_IRQ, type PciMsi } from '../pci/msi.ts';
import type { E1000Adapter } from './adapter.ts';
import { INT_MODE } from './param.ts';

export const NUM_VECTORS = 3;
const VECTOR_RX = 0;
const VECTOR_TX = 1;
const VECTOR_OTHER = 2;
/** Handlers of the modes with one interrupt. */
const OP_MSI = 3;
const OP_LEGACY = 4;
/** The causes of those modes (Linux: IMS_ENABLE_MASK). */
const IMS_ENABLE_MASK = ICR.RXT0 | ICR.TXDW | ICR.RXDMT0 | ICR.RXSEQ | ICR.LSC;
const EIAC_MASK = 0x01f00000;
/** Latency ranges of the moderation algorithm, with interrupts per second. */
const LOWEST_LATENCY = 0;
const LOW_LATENCY = 1;
const BULK_LATENCY = 2;
const RATES = [70000, 20000, 4000] as const;

/** A rate as the registers take it: an interval in units of 256 ns. */
const interval = (rate: number): number => (rate === 0 ? 0 : Math.floor(1e9 / (rate * ITR_UNIT)));

export class E1000Intr implements IrqTarget, NapiPoller {
  /** Inline in Linux. */
  static readonly inlined: readonly string[] = Object.freeze([
    'e1000_request_msix',
    'e1000_update_itr',
    'e1000_irq_enable',
    'e1000_irq_disable',
  ]);

  constructor(
    readonly kernel: Kernel,
    private readonly adapter: E1000Adapter,
  ) {}

  private get msi(): PciMsi {
    return this.adapter.pdev.core.msi;
  }

  /** Three vectors, or one message, or the line: the best that is wanted and to be had. */
  e1000e_set_interrupt_capability(): void {
    const { adapter, kernel } = this;
    if (adapter.int_mode === INT_MODE.MSIX) {
      if (this.msi.pci_alloc_irq_vectors(adapter.pdev, NUM_VECTORS, NUM_VECTORS) > 0) return;
      kernel.printk.netdev_err(adapter.dev, 'Failed to initialize MSI-X interrupts.  Falling back to MSI interrupts.');
      adapter.int_mode = INT_MODE.MSI;
    }
    if (adapter.int_mode === INT_MODE.MSI && this.msi.pci_alloc_irq_vectors(adapter.pdev, 1, 1, PCI_IRQ.MSI) < 0) {
      adapter.int_mode = INT_MODE.LEGACY;
      kernel.printk.netdev_err(adapter.dev, 'Failed to initialize MSI interrupts.  Falling back to legacy interrupts.');
    }
  }
  e1000e_reset_interrupt_capability(): void {
    this.msi.pci_free_irq_vectors(this.adapter.pdev);
  }
  /** MSI-X is on (Linux: adapter->msix_entries). */
  private get msix(): boolean {
    return this.adapter.pdev.msix_enabled;
  }

  /** 0 or -errno; then none is left requested. What cannot be had is replaced by the next simpler thing. */
  e1000_request_irq(): number {
    const { adapter, kernel } = this;
    const { pdev, dev } = adapter;
    if (this.msix) {
      const err = this.e1000_request_msix();
      if (err === 0) return 0;
      this.e1000e_reset_interrupt_capability();
      adapter.int_mode = INT_MODE.MSI;
      this.e1000e_set_interrupt_capability();
    }
    if (pdev.msi_enabled) {
      if (kernel.irq.request_irq(pdev.irq, this, OP_MSI, dev.name) === 0) return 0;
      this.e1000e_reset_interrupt_capability();
      adapter.int_mode = INT_MODE.LEGACY;
    }
    const err = kernel.irq.request_irq(pdev.irq, this, OP_LEGACY, dev.name, IRQF.SHARED);
    if (err < 0) kernel.printk.netdev_err(dev, `Unable to allocate interrupt, Error: ${err}`);
    return err;
  }

  e1000_request_msix(): number {
    const { name } = this.adapter.dev;
    const names = [`${name}-rx-0`, `${name}-tx-0`, name];
    for (const [vector, label] of names.entries()) {
      const err = this.kernel.irq.request_irq(this.msi.pci_irq_vector(this.adapter.pdev, vector), this, vector, label);
      if (err >= 0) continue;
      for (let v = vector - 1; v >= 0; v--) this.kernel.irq.free_irq(this.msi.pci_irq_vector(this.adapter.pdev, v));
      return err;
    }
    this.e1000_configure_msix();
    return 0;
  }
  e1000_free_irq(): void {
    const { kernel, adapter } = this;
    if (this.msix) for (let v = 0; v < NUM_VECTORS; v++) kernel.irq.free_irq(this.msi.pci_irq_vector(adapter.pdev, v));
    else kernel.irq.free_irq(adapter.pdev.irq, this);
  }

  /** Some chipsets lose the messages of this device: one is provoked, by a cause that is never used. Without it the line is taken. 0 or -errno. */
  e1000_test_msi(): number {
    const { adapter, kernel } = this;
    const { hw, pdev } = adapter;
    if (!pdev.msi_enabled) return 0;
    hw.er32(E1000.ICR);
    this.e1000_irq_enable();
    hw.ew32(E1000.ICS, ICR.RXSEQ);
    hw.e1e_flush();
    // open cannot sleep here: whether the interrupt came is asked of the interrupt controller, where the handler will find it
    const came = kernel.irq.irq_get_irqchip_state(pdev.irq);
    this.e1000_irq_disable();
    if (came) return 0;
    adapter.int_mode = INT_MODE.LEGACY;
    kernel.printk.netdev_info(adapter.dev, 'MSI interrupt test failed, using legacy interrupt.');
    this.e1000_free_irq();
    this.e1000e_reset_interrupt_capability();
    this.e1000e_set_interrupt_capability();
    return this.e1000_request_irq();
  }

  /** Which cause goes to which vector, and how often a vector may fire. */
  e1000_configure_msix(): void {
    const { hw, itr, rx_ring, tx_ring } = this.adapter;
    this.adapter.eiac_mask = rx_ring.ims_val | tx_ring.ims_val;
    hw.ew32(E1000.RFCTL, hw.er32(E1000.RFCTL) | RFCTL.ACK_DIS);
    for (let vector = 0; vector < NUM_VECTORS; vector++) hw.ew32(E1000.EITR + 4 * vector, interval(itr) || 1);
    const valid = (vector: number): number => IVAR.VALID | vector;
    const ivar = (valid(VECTOR_RX) << IVAR.RXQ0_SHIFT) | (valid(VECTOR_TX) << IVAR.TXQ0_SHIFT) | (valid(VECTOR_OTHER) << IVAR.OTHER_SHIFT);
    hw.ew32(E1000.IVAR, (ivar | IVAR.INT_ON_ALL_WB) >>> 0);
    hw.ew32(E1000.CTRL_EXT, ((hw.er32(E1000.CTRL_EXT) & ~CTRL_EXT.IAME) | CTRL_EXT.PBA_CLR | CTRL_EXT.EIAME) >>> 0);
    hw.e1e_flush();
  }

  e1000_irq_enable(): void {
    const { hw, eiac_mask } = this.adapter;
    if (this.msix) {
      hw.ew32(E1000.EIAC, eiac_mask & EIAC_MASK);
      hw.ew32(E1000.IMS, eiac_mask | ICR.OTHER | ICR_OTHER_CAUSES);
    } else hw.ew32(E1000.IMS, IMS_ENABLE_MASK);
    hw.e1e_flush();
  }
  e1000_irq_disable(): void {
    const { hw } = this.adapter;
    hw.ew32(E1000.IMC, 0xffffffff);
    if (this.msix) hw.ew32(E1000.EIAC, 0);
    hw.e1e_flush();
  }

  /** As if the link had changed: the watchdog looks. */
  e1000e_trigger_lsc(): void {
    this.adapter.hw.ew32(E1000.ICS, this.msix ? ICR.LSC | ICR.OTHER : ICR.LSC);
  }

  onIrq(_irq: number, vector: number): number {
    if (vector === VECTOR_RX) return this.e1000_intr_msix_rx();
    if (vector === VECTOR_TX) return this.e1000_intr_msix_tx();
    if (vector === VECTOR_OTHER) return this.e1000_msix_other();
    return vector === OP_MSI ? this.e1000_intr_msi() : this.e1000_intr();
  }
  irqSymbol(op: number): string {
    return `${['e1000_intr_msix_rx', 'e1000_intr_msix_tx', 'e1000_msix_other', 'e1000_intr_msi', 'e1000_intr'][op]} [e1000e]`;
  }

  /** Reading ICR masked the causes. */
  e1000_intr_msi(): number {
    this.everything(this.adapter.hw.er32(E1000.ICR));
    return IRQ_HANDLED;
  }

  /** A line may be shared: without INT_ASSERTED it was somebody else. */
  e1000_intr(): number {
    const icr = this.adapter.hw.er32(E1000.ICR);
    if (icr === 0 || this.adapter.down || (icr & ICR.INT_ASSERTED) === 0) return IRQ_NONE;
    this.everything(icr);
    return IRQ_HANDLED;
  }

  private everything(icr: number): void {
    const { adapter } = this;
    if ((icr & ICR.LSC) !== 0) this.linkChanged();
    const { napi } = this.kernel.net;
    if (!napi.napi_schedule_prep(adapter.napi)) return;
    adapter.total_tx_bytes = adapter.total_tx_packets = 0;
    adapter.total_rx_bytes = adapter.total_rx_packets = 0;
    napi.__napi_schedule(adapter.napi);
  }

  private linkChanged(): void {
    const { adapter, kernel } = this;
    adapter.hw.phy.get_link_status = true;
    if (!adapter.down) kernel.timers.mod_timer(adapter.watchdog_timer, kernel.now() + JIFFY);
  }

  e1000_intr_msix_rx(): number {
    const { adapter } = this;
    const { rx_ring: ring } = adapter;
    // a new interval is written here, where it cannot cut a running one short
    if (ring.set_itr) {
      adapter.hw.ew32(ring.itr_register, interval(adapter.itr));
      ring.set_itr = false;
    }
    const { napi } = this.kernel.net;
    if (napi.napi_schedule_prep(adapter.napi)) {
      adapter.total_rx_bytes = 0;
      adapter.total_rx_packets = 0;
      napi.__napi_schedule(adapter.napi);
    }
    return IRQ_HANDLED;
  }

  e1000_intr_msix_tx(): number {
    const { adapter } = this;
    const { tx_ring: ring, hw } = adapter;
    adapter.total_tx_bytes = 0;
    adapter.total_tx_packets = 0;
    if (!adapter.tx.e1000_clean_tx_irq(ring)) hw.ew32(E1000.ICS, ring.ims_val);
    if (!adapter.down) hw.ew32(E1000.IMS, ring.ims_val);
    return IRQ_HANDLED;
  }

  e1000_msix_other(): number {
    const { adapter } = this;
    const { hw } = adapter;
    const icr = hw.er32(E1000.ICR);
    // reading took the rings' causes too: they are raised again
    if ((icr & adapter.eiac_mask) !== 0) hw.ew32(E1000.ICS, icr & adapter.eiac_mask);
    if ((icr & ICR.LSC) !== 0) this.linkChanged();
    if (!adapter.down) hw.ew32(E1000.IMS, ICR.OTHER | ICR_OTHER_CAUSES);
    return IRQ_HANDLED;
  }

  poll(napi: Napi, budget: number): number {
    return this.e1000e_poll(napi, budget);
  }

  e1000e_poll(napi: Napi, budget: number): number {
    const { adapter } = this;
    const sent = this.msix || adapter.tx.e1000_clean_tx_irq(adapter.tx_ring);
    const work = adapter.rx.e1000_clean_rx_irq(adapter.rx_ring, budget);
    if (!sent || work === budget) return budget;
    if (this.kernel.net.napi.napi_complete_done(napi, work)) {
      if ((adapter.itr_setting & 3) !== 0) this.e1000_set_itr();
      if (adapter.down) return work;
      if (this.msix) adapter.hw.ew32(E1000.IMS, adapter.rx_ring.ims_val);
      else this.e1000_irq_enable();
    }
    return work;
  }

  /** Latency range that suits the traffic since the last interrupt. */
  e1000_update_itr(range: number, packets: number, bytes: number): number {
    if (packets === 0) return range;
    const each = bytes / packets;
    if (range === LOWEST_LATENCY) {
      if (each > 8000) return BULK_LATENCY;
      return packets < 5 && bytes > 512 ? LOW_LATENCY : range;
    }
    if (range === BULK_LATENCY) {
      if (bytes > 25000) return packets > 35 ? LOW_LATENCY : range;
      return bytes < 6000 ? LOW_LATENCY : range;
    }
    if (bytes > 10000) {
      if (each > 8000 || packets < 10 || each > 1200) return BULK_LATENCY;
      return packets > 35 ? LOWEST_LATENCY : range;
    }
    if (each > 2000) return BULK_LATENCY;
    return packets <= 2 && bytes < 512 ? LOWEST_LATENCY : range;
  }

  e1000_set_itr(): void {
    const { adapter } = this;
    let rate = 4000;
    if (adapter.link_speed === 1000) {
      adapter.tx_itr = this.e1000_update_itr(adapter.tx_itr, adapter.total_tx_packets, adapter.total_tx_bytes);
      adapter.rx_itr = this.e1000_update_itr(adapter.rx_itr, adapter.total_rx_packets, adapter.total_rx_bytes);
      // conservative mode stays below the highest rate
      if (adapter.itr_setting === 3) {
        if (adapter.tx_itr === LOWEST_LATENCY) adapter.tx_itr = LOW_LATENCY;
        if (adapter.rx_itr === LOWEST_LATENCY) adapter.rx_itr = LOW_LATENCY;
      }
      rate = RATES[Math.max(adapter.rx_itr, adapter.tx_itr)];
    }
    if (rate === adapter.itr) return;
    // upwards in steps
    adapter.itr = rate > adapter.itr ? Math.min(adapter.itr + (rate >> 2), rate) : rate;
    if (this.msix) adapter.rx_ring.set_itr = true;
    else this.e1000e_write_itr(adapter.itr);
  }

  /** A fixed rate for all vectors; 0 takes the limit away. */
  e1000e_write_itr(rate: number): void {
    if (!this.msix) this.adapter.hw.ew32(E1000.ITR, interval(rate));
    else for (let vector = 0; vector < NUM_VECTORS; vector++) this.adapter.hw.ew32(E1000.EITR + 4 * vector, interval(rate));
  }
}
