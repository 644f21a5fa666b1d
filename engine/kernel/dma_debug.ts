// DMA-API debug (Linux: kernel/dma/debug.c): findings about mappings go to the log, as its knobs in debugfs say, and to the contract checker.
import type { DmaFinding, DmaReporter, DmaRule } from '../platform/dma_debug.ts';
import type { Device } from './device.ts';
import { happened } from './contract.ts';
import type { Kernel } from './kernel.ts';
import type { WarnPlace } from './warn.ts';

const at = (source: string, symbol: string): WarnPlace => Object.freeze({ source: `kernel/dma/${source}`, symbol });
const UNMAP = at('debug.c:1018', 'check_unmap+0x46f/0x930');
const SYNC = at('debug.c:1118', 'check_sync+0x169/0x6c0');
const PLACES: Readonly<Partial<Record<DmaRule, WarnPlace>>> = Object.freeze({
  'dma-sync-unknown': SYNC,
  'dma-sync-range': SYNC,
  'dma-sync-direction': SYNC,
  'dma-overlap': at('debug.c:598', 'add_dma_entry+0x171/0x1a0'),
  'dma-leak': at('debug.c:878', 'dma_debug_device_change+0x1bf/0x230'),
  'dma-mask': at('direct.h:105', 'dma_map_page_attrs+0x2d3/0x2f0'),
});

export class DmaApiDebug implements DmaReporter {
  errorCount = 0;
  /** 0: only the first `num_errors` are logged. */
  allErrors = 0;
  numErrors = 1;
  /** Log only for this driver; '' for all. */
  driverFilter = '';

  constructor(readonly kernel: Kernel) {
    kernel.platform.dmaDebug.reporter = this;
  }

  dmaFinding(f: DmaFinding): void {
    const { kernel } = this;
    const dev = this.device(f.device);
    const driver = dev?.driver?.name ?? dev?.bus.name ?? 'NULL';
    const name = dev?.name ?? (f.device === '' ? 'NULL' : f.device);
    if (f.device !== '') this.log(f, driver, name);
    if (!kernel.contract.enabled) return;
    const { mapping } = f;
    const before =
      mapping !== undefined
        ? happened(`mapped by ${mapping.by}`, mapping.since)
        : f.by !== '' && f.device === ''
          ? `unmapped by ${f.by}`
          : '';
    kernel.contract.violation(
      f.rule,
      f.device === '' ? (f.by === '' ? 'device' : f.by) : `${driver} ${f.by}`,
      `${name === 'NULL' ? '' : `${name}: `}${f.text}`,
      before,
    );
  }

  /** A driver was taken from a device (Linux: dma_debug_device_change()). */
  driverReleased(dev: Device): void {
    // a virtio device maps through its transport's device
    (dev.dma ?? dev.parent?.dma)?.driverReleased();
  }

  /** Linux: err_printk() */
  private log(f: DmaFinding, driver: string, name: string): void {
    this.errorCount++;
    const wanted = this.driverFilter === '' || this.driverFilter === driver;
    if (wanted && (this.allErrors !== 0 || this.numErrors > 0)) {
      const { warnings, printk } = this.kernel;
      const prefix = f.rule === 'dma-mask' ? '' : 'DMA-API: ';
      warnings.warn(PLACES[f.rule] ?? UNMAP, `${prefix}${driver} ${name}: ${f.text}`, [f.by]);
      if (f.mapping !== undefined && f.rule !== 'dma-mask') {
        printk.pr_warn('DMA-API: Mapped at:');
        printk.pr_warn(` ${f.mapping.by}`);
      }
    }
    if (this.allErrors === 0 && this.numErrors > 0) this.numErrors--;
  }

  private device(name: string): Device | undefined {
    for (const bus of this.kernel.drivers.buses) for (const dev of bus.devices) if (dev.dma !== undefined && dev.name === name) return dev;
    return undefined;
  }
}
