// What firmware does before the kernel runs: places BARs, turns decoding on, routes interrupt lines, as SeaBIOS leaves a q35.
import { PCI_COMMAND, PCI_SLOT, PciHeader } from '../pci/config_space.ts';
import { PCI_DEVICE_ID } from '../pci/ids.ts';
import { type Bar, barOffset, type PciFunction, ROM_BAR } from './pci_function.ts';
import { PIRQ_LINES } from './q35_chipset.ts';

/** End of the 32-bit PCI window (0xc0000000-0xfebfffff in q35's ACPI tables). */
const WINDOW_END = 0xfec00000;
const IO_START = 0xc000;
/** ICH9's SMBus is at a fixed port, whatever was assigned (SeaBIOS: ich9_smbus_setup). */
const SMBUS_PORT = 0x700;

interface Claim {
  readonly fn: PciFunction;
  readonly devfn: number;
  readonly bar: Bar;
}

/** Assigns what has no address yet: prefetchable memory on top of the window, other memory below it, each sorted by size; I/O from 0xc000. */
export function assignResources(functions: ReadonlyMap<number, PciFunction>): void {
  const claims: Claim[] = [];
  for (const [devfn, fn] of [...functions].sort(([a], [b]) => a - b)) for (const bar of fn.bars) claims.push({ fn, devfn, bar });
  const fresh = claims.filter((c) => c.fn.barAddress(c.bar) === 0);
  const taken = claims.filter((c) => c.bar.kind !== 'io' && c.fn.barAddress(c.bar) !== 0).map((c) => c.fn.barAddress(c.bar));
  const prefetchable = (c: Claim): boolean => c.bar.prefetchable && c.bar.index !== ROM_BAR;
  const top = placeBelow(
    Math.min(WINDOW_END, ...taken),
    fresh.filter((c) => c.bar.kind !== 'io' && prefetchable(c)),
  );
  placeBelow(
    top,
    fresh.filter((c) => c.bar.kind !== 'io' && !prefetchable(c)),
  );
  const ports = claims
    .filter((c) => c.bar.kind === 'io' && c.fn.barAddress(c.bar) >= IO_START)
    .map((c) => c.fn.barAddress(c.bar) + c.bar.size);
  placeUp(
    Math.max(IO_START, ...ports),
    fresh.filter((c) => c.bar.kind === 'io'),
  );
  for (const [devfn, fn] of functions) {
    if ((fn.configRead(PciHeader.command.offset, 2) & (PCI_COMMAND.IO | PCI_COMMAND.MEMORY)) === 0) enable(devfn, fn);
  }
}

/** Places a pool so that it ends at or below `end`, largest first from its start; returns the start. */
function placeBelow(end: number, pool: readonly Claim[]): number {
  if (pool.length === 0) return end;
  const sorted = bySize(pool);
  const sum = sorted.reduce((n, c) => n + c.bar.size, 0);
  const align = sorted[0].bar.size;
  const start = Math.floor((end - sum) / align) * align;
  let at = start;
  for (const c of sorted) {
    write(c, at);
    at += c.bar.size;
  }
  return start;
}

function placeUp(start: number, pool: readonly Claim[]): void {
  let at = start;
  for (const c of bySize(pool)) {
    at = Math.ceil(at / c.bar.size) * c.bar.size;
    write(c, c.fn.configRead(PciHeader.device.offset, 2) === PCI_DEVICE_ID.ICH9_SMBUS ? SMBUS_PORT : at);
    at += c.bar.size;
  }
}

const bySize = (pool: readonly Claim[]): Claim[] =>
  [...pool].sort((a, b) => b.bar.size - a.bar.size || a.devfn - b.devfn || a.bar.index - b.bar.index);

function write({ fn, bar }: Claim, address: number): void {
  fn.configWrite(barOffset(bar.index), 4, address);
  if (bar.kind === 'mem64') fn.configWrite(barOffset(bar.index) + 4, 4, 0);
}

function enable(devfn: number, fn: PciFunction): void {
  const master = fn.configRead(PciHeader.command.offset, 2) & PCI_COMMAND.MASTER;
  fn.configWrite(PciHeader.command.offset, 2, PCI_COMMAND.IO | PCI_COMMAND.MEMORY | PCI_COMMAND.SERR | master);
  const pin = fn.configRead(PciHeader.interrupt_pin.offset, 1);
  if (pin === 0) return;
  // q35: devices below 25 rotate INTA# to INTD# by slot, the chipset's own do not
  const rotate = PCI_SLOT(devfn) < 25 ? PCI_SLOT(devfn) & 3 : 0;
  fn.configWrite(PciHeader.interrupt_line.offset, 1, PIRQ_LINES[(pin - 1 + rotate) & 3]);
}
