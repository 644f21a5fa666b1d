// What firmware leaves behind on a q35 board: the ECAM window open, base addresses given, decoding on, interrupt lines noted.
import { PCI_BAR, PCI_COMMAND, PCI_ROM_ADDRESS, PCI_SLOT, PciHeader } from '../../engine/pci/config_space.ts';
import { ECAM_BASE } from '../../engine/platform/bus.ts';
import { configOf } from './msi_redirect.ts';
import type { QtestPipe } from './qtest_pipe.ts';

const CONFIG_ADDRESS = 0xcf8;
const CONFIG_DATA = 0xcfc;
/** Q35 datasheet §5.1.16 PCIEXBAR: bit 0 opens the window, of 256 buses. */
const PCIEXBAR = 0x60;
const MEMORY_START = 0xd0000000;
const IO_START = 0xc000;
const SMALLEST_MEMORY = 0x1000;
/** SeaBIOS: interrupt lines of INTA# to INTD#. */
const PCI_IRQS = [10, 10, 11, 11] as const;

export function runFirmware(qtest: QtestPipe): void {
  const legacy = (register: number, value: number): void => {
    qtest.out(CONFIG_ADDRESS, 4, 0x80000000 + register);
    qtest.out(CONFIG_DATA, 4, value);
  };
  legacy(PCIEXBAR + 4, 0);
  legacy(PCIEXBAR, ECAM_BASE + 1);
  let memory = MEMORY_START;
  let io = IO_START;
  for (let devfn = 0; devfn < 256; devfn++) {
    const config = configOf(devfn);
    if (qtest.read(config, 2) === 0xffff) continue;
    for (let bar = 0; bar < 6; bar++) {
      const at = config + PciHeader.bar0.offset + 4 * bar;
      qtest.write(at, 4, 0xffffffff);
      const mask = qtest.read(at, 4);
      if (mask === 0) continue;
      if ((mask & PCI_BAR.SPACE_IO) !== 0) {
        const size = (~(mask & PCI_BAR.IO_MASK) & 0xffff) + 1;
        io = Math.ceil(io / size) * size;
        qtest.write(at, 4, io);
        io += size;
        continue;
      }
      const size = (~(mask & PCI_BAR.MEM_MASK) >>> 0) + 1;
      const step = Math.max(size, SMALLEST_MEMORY);
      memory = Math.ceil(memory / step) * step;
      qtest.write(at, 4, memory);
      memory += step;
      if ((mask & PCI_BAR.MEM_TYPE_64) !== 0) {
        bar++;
        qtest.write(at + 4, 4, 0);
      }
    }
    qtest.write(config + PCI_ROM_ADDRESS, 4, 0);
    qtest.write(config + PciHeader.command.offset, 2, PCI_COMMAND.IO | PCI_COMMAND.MEMORY | PCI_COMMAND.SERR);
    const pin = qtest.read(config + PciHeader.interrupt_pin.offset, 1);
    if (pin !== 0) qtest.write(config + PciHeader.interrupt_line.offset, 1, PCI_IRQS[(pin - 1 + (PCI_SLOT(devfn) & 3)) & 3]);
  }
}
