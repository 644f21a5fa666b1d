// When an 82574L no longer sends: write-backs pushed out, the report of a hang, the PHY watched (Linux: e1000_print_hw_hang() …).
import type { Kernel } from '../../kernel/kernel.ts';
import { JIFFY } from '../../kernel/timer.ts';
import { PHY } from '../../pci/e1000e_phy.ts';
import { DELAY_FPD, E1000 } from '../../pci/e1000e_regs.ts';
import { PciHeader } from '../../pci/config_space.ts';
import { TxDescData } from '../../pci/e1000e_desc.ts';
import type { E1000Adapter } from './adapter.ts';

/** Linux: INITIAL_JIFFIES, five minutes before the counter's lower half wraps. */
const INITIAL_JIFFIES = 2 ** 32 - 75_000;
const jiffies = (now: number): number => INITIAL_JIFFIES + Math.floor(now / JIFFY);
/** 82574L datasheet §10.3: the PHY counts receive errors up to here, and idle errors in STAT1000. */
const RECEIVE_ERROR_MAX = 0xffff;
const IDLE_ERROR_MASK = 0xff;

export class E1000Hang {
  constructor(
    readonly kernel: Kernel,
    private readonly adapter: E1000Adapter,
  ) {}

  /** Descriptors that wait to be written back in a batch are written now; twice, as once may be lost. */
  e1000e_flush_descriptors(): void {
    const { hw, tx_int_delay, rx_int_delay } = this.adapter;
    for (let i = 0; i < 2; i++) {
      hw.ew32(E1000.TIDV, tx_int_delay | DELAY_FPD);
      hw.ew32(E1000.RDTR, rx_int_delay | DELAY_FPD);
      hw.e1e_flush();
    }
  }

  e1000_print_hw_hang(): void {
    const { adapter, kernel } = this;
    const { hw, dev } = adapter;
    if (adapter.down) return;
    if (!adapter.tx_hang_recheck) {
      // perhaps only the write-back is late: it is pushed, and the next look decides
      for (let i = 0; i < 2; i++) {
        hw.ew32(E1000.TIDV, adapter.tx_int_delay | DELAY_FPD);
        hw.e1e_flush();
      }
      adapter.tx_hang_recheck = true;
      return;
    }
    adapter.tx_hang_recheck = false;
    if (hw.er32(E1000.TDH0) === hw.er32(E1000.TDT0)) return;
    kernel.net.xmit.netif_tx_stop_queue(dev.queues[0]);
    kernel.printk.netdev_err(dev, this.report());
  }

  private report(): string {
    const { hw, tx_ring: ring, pdev } = this.adapter;
    const clean = ring.next_to_clean;
    const eop = ring.next_to_watch[clean];
    const phy = [PHY.BMSR, PHY.STAT1000, PHY.ESTATUS].map((r) => hw.phy.e1000e_read_phy_reg_bm2(r));
    const pci = pdev.core.access.pci_read_config_word(pdev, PciHeader.status.offset);
    const rows: readonly (readonly [string, number])[] = [
      ['  TDH', hw.er32(ring.head)],
      ['  TDT', hw.er32(ring.tail)],
      ['  next_to_use', ring.next_to_use],
      ['  next_to_clean', clean],
      ['buffer_info[next_to_clean]:', -1],
      ['  time_stamp', jiffies(ring.time_stamp[clean])],
      ['  next_to_watch', eop],
      ['  jiffies', jiffies(this.kernel.now())],
      ['  next_to_watch.status', eop < 0 ? 0 : TxDescData.status.get(this.kernel.platform.ram, ring.descAt(eop))],
      ['MAC Status', hw.er32(E1000.STATUS)],
      ['PHY Status', phy[0]],
      ['PHY 1000BASE-T Status', phy[1]],
      ['PHY Extended Status', phy[2]],
      ['PCI Status', pci],
    ];
    const lines = rows.map(([name, value]) => (value === -1 ? name : `${name.padEnd(23)}<${value.toString(16)}>`));
    return ['Detected Hardware Unit Hang:', ...lines].join('\n');
  }

  /** Linux: e1000e_check_82574_phy_workaround(): a PHY whose counters both stand at their end for two looks has hung. */
  e1000e_check_82574_phy_workaround(): void {
    const { adapter } = this;
    adapter.phy_hang_count = this.e1000_check_phy_82574() ? adapter.phy_hang_count + 1 : 0;
    if (adapter.phy_hang_count <= 1) return;
    adapter.phy_hang_count = 0;
    this.kernel.workqueues.schedule_work(adapter.reset_task);
  }

  e1000_check_phy_82574(): boolean {
    const { phy } = this.adapter.hw;
    if (phy.e1000e_read_phy_reg_bm2(PHY.RECEIVE_ERRORS) !== RECEIVE_ERROR_MAX) return false;
    return (phy.e1000e_read_phy_reg_bm2(PHY.STAT1000) & IDLE_ERROR_MASK) === IDLE_ERROR_MASK;
  }
}
