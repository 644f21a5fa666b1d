// Interrupts of the I/O APIC's pins (Linux: arch/x86/kernel/apic/io_apic.c): redirection entries, and numbers for the pins that PCI uses.
import { Errno } from '../base/errno.ts';
import { ops } from '../base/ops.ts';
import { IOAPIC_BASE, IOAPIC_PINS, IOAPIC_REG, IOAPIC_RTE, IOAPIC_WINDOW } from '../platform/ioapic.ts';
import { type IrqChip, IrqDesc } from './irq_desc.ts';
import type { Kernel } from './kernel.ts';

const FIRST_PCI_GSI = 16;
/** Bits in a flat logical destination (Intel SDM vol. 3 §11.6.2.2). */
const FLAT_CPUS = 8;

/** Behind an interrupt of the I/O APIC (Linux: struct mp_chip_data). */
class IoApicPinData {
  /** Redirection entry as last written, low half. */
  entry: number = IOAPIC_RTE.MASKED;
  /** Who has the pin's interrupt enabled. */
  count = 0;
  constructor(
    readonly pin: number,
    readonly level: boolean,
  ) {}
}

const pinOf = (desc: IrqDesc): IoApicPinData => desc.chip_data as IoApicPinData;

function writeRegister(kernel: Kernel, index: number, value: number): void {
  kernel.io.writel(index, IOAPIC_BASE + IOAPIC_WINDOW.INDEX);
  kernel.io.writel(value, IOAPIC_BASE + IOAPIC_WINDOW.DATA);
}

function writeEntry(kernel: Kernel, pin: IoApicPinData): void {
  writeRegister(kernel, IOAPIC_REG.REDIRECTION + 2 * pin.pin, pin.entry);
}

const IO_APIC: IrqChip = ops<IrqChip>({
  name: 'IO-APIC',
  irq_mask(desc, kernel) {
    const pin = pinOf(desc);
    pin.entry |= IOAPIC_RTE.MASKED;
    writeEntry(kernel, pin);
    // the read makes sure that no interrupt is under way any more (Linux: io_apic_sync())
    kernel.io.readl(IOAPIC_BASE + IOAPIC_WINDOW.DATA);
  },
  irq_unmask(desc, kernel) {
    const pin = pinOf(desc);
    pin.entry &= ~IOAPIC_RTE.MASKED;
    writeEntry(kernel, pin);
  },
  irq_eoi: (_desc, kernel) => kernel.platform.apic.eoi(),
  irq_write_msi_msg(desc, kernel, cpu, vector) {
    const pin = pinOf(desc);
    const logical = kernel.platform.cpus.list.length <= FLAT_CPUS;
    pin.entry = (pin.entry & IOAPIC_RTE.MASKED) | vector | (pin.level ? IOAPIC_RTE.LEVEL : 0) | (logical ? IOAPIC_RTE.LOGICAL : 0);
    // the destination first, so that no interrupt goes to a half-written place
    writeRegister(kernel, IOAPIC_REG.REDIRECTION + 2 * pin.pin + 1, ((logical ? 1 << cpu : cpu) << 24) >>> 0);
    writeEntry(kernel, pin);
  },
  irq_clear_msi_msg(desc, kernel) {
    const pin = pinOf(desc);
    pin.entry = IOAPIC_RTE.MASKED;
    writeEntry(kernel, pin);
  },
});

export class IoApicIrqs {
  /** Inline in Linux. */
  static readonly inlined: readonly string[] = Object.freeze(['mp_map_pin_to_irq']);
  constructor(readonly kernel: Kernel) {}

  /** A descriptor for a pin. */
  describe(irq: number, pin: number, level: boolean): IrqDesc {
    const cpus = this.kernel.platform.cpus.list.length;
    return new IrqDesc(irq, IO_APIC, pin, level ? 'fasteoi' : 'edge', new IoApicPinData(pin, level), 0, cpus);
  }

  /** The interrupt of a global system interrupt, level-triggered or edge-triggered; -EINVAL when there is no such pin. */
  acpi_register_gsi(gsi: number, trigger: 'level' | 'edge'): number {
    return this.mp_map_gsi_to_irq(gsi, trigger);
  }

  mp_map_gsi_to_irq(gsi: number, trigger: 'level' | 'edge'): number {
    if (gsi < 0 || gsi >= IOAPIC_PINS) return -Errno.EINVAL;
    return this.mp_map_pin_to_irq(gsi, trigger);
  }

  mp_map_pin_to_irq(gsi: number, trigger: 'level' | 'edge'): number {
    const { descs } = this.kernel.irq;
    const have = descs[gsi];
    if (have !== undefined) {
      pinOf(have).count++;
      return gsi;
    }
    while (descs.length < gsi) descs.push(undefined);
    descs[gsi] = this.describe(gsi, gsi, trigger === 'level');
    pinOf(descs[gsi]).count = 1;
    return gsi;
  }

  /** Gives a use of the pin back; the last one takes the number away, but for the board's own. */
  acpi_unregister_gsi(gsi: number): void {
    this.mp_unmap_irq(gsi);
  }

  mp_unmap_irq(irq: number): void {
    const { descs } = this.kernel.irq;
    const desc = descs[irq];
    if (desc === undefined || irq < FIRST_PCI_GSI || !(desc.chip_data instanceof IoApicPinData)) return;
    if (--pinOf(desc).count === 0 && desc.action === undefined) descs[irq] = undefined;
  }
}
