// What `lspci -v…` decodes of a function's configuration space (PCI 3.0 §6.2, §6.7; virtio-v1.2 §4.1.4), and its hex dump.
import { type ToolContext, ToolExit } from '../tool.ts';
import { express, extendedCapabilities, msi, powerManagement, sata } from './lspci_caps.ts';

/** Configuration space as the kernel shows it. */
export class ConfigSpace {
  constructor(readonly bytes: Uint8Array) {}
  static read(ctx: ToolContext, slot: string): ConfigSpace {
    const text = ctx.kernel.vfs.readFile(ctx.vfs, `/sys/bus/pci/devices/${slot}/config`);
    if (typeof text === 'number')
      throw new ToolExit(1, `lspci: Unable to read the standard configuration space header of device ${slot}\n`);
    return new ConfigSpace(Uint8Array.from(text, (c) => c.charCodeAt(0)));
  }
  u8(at: number): number {
    return this.bytes[at] ?? 0xff;
  }
  u16(at: number): number {
    return this.u8(at) | (this.u8(at + 1) << 8);
  }
  u32(at: number): number {
    return (this.u16(at) | (this.u16(at + 2) << 16)) >>> 0;
  }
}

const hex = (n: number, width: number): string => n.toString(16).padStart(width, '0');
const sign = (value: number, bit: number): string => ((value & bit) !== 0 ? '+' : '-');

/** Bytes of the header (PCI 3.0 §6.1) that every form of output needs. */
export const PciHeader = { REVISION: 0x08, PROG_IF: 0x09, HEADER_TYPE: 0x0e } as const;
const COMMAND = 0x04;
const STATUS = 0x06;
const CACHE_LINE = 0x0c;
const LATENCY = 0x0d;
const CAPABILITY_LIST = 0x34;
const INTERRUPT_LINE = 0x3c;
const INTERRUPT_PIN = 0x3d;
const COMMAND_IO = 1;
const COMMAND_MEMORY = 2;
const COMMAND_MASTER = 4;
const STATUS_CAP = 0x10;
const ROM_ENABLE = 1;

const COMMAND_BITS: readonly (readonly [number, string])[] = [
  [0x1, 'I/O'],
  [0x2, 'Mem'],
  [0x4, 'BusMaster'],
  [0x8, 'SpecCycle'],
  [0x10, 'MemWINV'],
  [0x20, 'VGASnoop'],
  [0x40, 'ParErr'],
  [0x80, 'Stepping'],
  [0x100, 'SERR'],
  [0x200, 'FastB2B'],
  [0x400, 'DisINTx'],
];
const DEVSEL = ['fast', 'medium', 'slow', '??'] as const;

function statusText(s: number): string {
  const word = (bit: number, name: string): string => name + sign(s, bit);
  return [
    word(0x10, 'Cap'),
    word(0x20, '66MHz'),
    word(0x40, 'UDF'),
    word(0x80, 'FastB2B'),
    word(0x100, 'ParErr'),
    `DEVSEL=${DEVSEL[(s >> 9) & 3]}`,
    word(0x800, '>TAbort'),
    word(0x1000, '<TAbort'),
    word(0x2000, '<MAbort'),
    word(0x4000, '>SERR'),
    word(0x8000, '<PERR'),
    word(0x8, 'INTx'),
  ].join(' ');
}

function sizeText(bytes: number): string {
  const units = ['', 'K', 'M', 'G', 'T'];
  if (bytes === 0) return '';
  let n = bytes;
  let unit = 0;
  while (n >= 1024 && n % 1024 === 0 && unit < units.length - 1) {
    n /= 1024;
    unit++;
  }
  return ` [size=${n}${units[unit]}]`;
}

/** start, end and flags of each resource, as sysfs lists them. */
function resources(ctx: ToolContext, slot: string): readonly (readonly [number, number])[] {
  return ctx
    .readFile(`/sys/bus/pci/devices/${slot}/resource`)
    .split('\n')
    .map((l) => l.trim().split(/\s+/).map(Number))
    .filter((n) => n.length === 3)
    .map(([start, end]) => [start, end - start + 1] as const);
}

/** Addresses and sizes are the kernel's; seen from the bus (no `res`) they are the registers', without sizes. */
function regions(c: ConfigSpace, res: readonly (readonly [number, number])[] | undefined, terse: boolean): string {
  const command = c.u16(COMMAND);
  let out = '';
  for (let i = 0; i < 6; i++) {
    const at = 0x10 + 4 * i;
    const bar = c.u32(at);
    const [start, size] = res?.[i] ?? [0, 0];
    if ((bar === 0 || bar === 0xffffffff) && start === 0) continue;
    const name = terse ? '' : `Region ${i}: `;
    if ((bar & 1) !== 0) {
      out += `\t${name}I/O ports at ${hex(start !== 0 ? start : (bar & ~3) >>> 0, 4)}${(command & COMMAND_IO) === 0 ? ' [disabled]' : ''}${sizeText(size)}\n`;
      continue;
    }
    const wide = (bar & 6) === 4;
    const address = start !== 0 ? start : (wide ? c.u32(at + 4) * 0x100000000 : 0) + ((bar & ~0xf) >>> 0);
    const disabled = (command & COMMAND_MEMORY) === 0 ? ' [disabled]' : '';
    out += `\t${name}Memory at ${hex(address, 8)} (${wide ? '64' : '32'}-bit, ${(bar & 8) !== 0 ? '' : 'non-'}prefetchable)${disabled}${sizeText(size)}\n`;
    if (wide) i++;
  }
  const rom = c.u32(0x30);
  const [romStart, romSize] = res?.[6] ?? [0, 0];
  if (romStart !== 0 || (rom > 0x7ff && rom !== 0xffffffff)) {
    const disabled = (rom & ROM_ENABLE) === 0 || (command & COMMAND_MEMORY) === 0 ? ' [disabled]' : '';
    out += `\tExpansion ROM at ${hex(romStart !== 0 ? romStart : (rom & ~0x7ff) >>> 0, 8)}${disabled}${sizeText(romSize)}\n`;
  }
  return out;
}

const VIRTIO_STRUCTURES: readonly string[] = ['', 'CommonCfg', 'Notify', 'ISR', 'DeviceCfg'];

function vendorCapability(c: ConfigSpace, at: number, detail: boolean): string {
  const length = c.u8(at + 2);
  const virtio = c.u16(0) === 0x1af4 && c.u16(2) >= 0x1000 && c.u16(2) <= 0x107f && length >= 16;
  if (!virtio) return `Vendor Specific Information: Len=${hex(length, 2)} <?>\n`;
  const type = c.u8(at + 3);
  let out = `Vendor Specific Information: VirtIO: ${VIRTIO_STRUCTURES[type] || '<unknown>'}\n`;
  if (!detail) return out;
  out += `\t\tBAR=${c.u8(at + 4)} offset=${hex(c.u32(at + 8), 8)} size=${hex(c.u32(at + 12), 8)}`;
  return `${out}${type === 2 && length >= 20 ? ` multiplier=${hex(c.u32(at + 16), 8)}` : ''}\n`;
}

function msixCapability(c: ConfigSpace, at: number, detail: boolean): string {
  const control = c.u16(at + 2);
  const out = `MSI-X: Enable${sign(control, 0x8000)} Count=${(control & 0x7ff) + 1} Masked${sign(control, 0x4000)}\n`;
  const where = (register: number): string => `BAR=${register & 7} offset=${hex((register & ~7) >>> 0, 8)}`;
  return detail ? `${out}\t\tVector table: ${where(c.u32(at + 4))}\n\t\tPBA: ${where(c.u32(at + 8))}\n` : out;
}

/** By capability id (PCI Code and ID Assignment §2). */
const CAPABILITIES: Readonly<Record<number, (c: ConfigSpace, at: number, detail: boolean) => string>> = {
  0x01: powerManagement,
  0x05: msi,
  0x09: vendorCapability,
  0x10: express,
  0x11: msixCapability,
  0x12: sata,
};

function capabilities(c: ConfigSpace, detail: boolean): string {
  if ((c.u16(STATUS) & STATUS_CAP) === 0) return '';
  let out = '';
  const seen = new Set<number>();
  for (let at = c.u8(CAPABILITY_LIST) & ~3; at !== 0 && !seen.has(at); at = c.u8(at + 1) & ~3) {
    seen.add(at);
    const id = c.u8(at);
    const body = CAPABILITIES[id]?.(c, at, detail) ?? `capability ${hex(id, 2)} is not modelled\n`;
    out += `\tCapabilities: [${hex(at, 2)}] ${body}`;
  }
  return out + extendedCapabilities(c, detail);
}

/** How `verboseText` shows a function. */
interface VerboseOptions {
  /** How many v's. */
  readonly level: number;
  /** Addresses and interrupts as the bus sees them. */
  readonly busCentric: boolean;
  readonly iommuGroup: string | undefined;
}

/** The lines between the name and the driver. */
export function verboseText(ctx: ToolContext, slot: string, c: ConfigSpace, { level, busCentric, iommuGroup }: VerboseOptions): string {
  const type = c.u8(PciHeader.HEADER_TYPE) & 0x7f;
  if (type !== 0) return `\t!!! Unknown header type ${hex(type, 2)}\n`;
  const command = c.u16(COMMAND);
  const status = c.u16(STATUS);
  const irq = busCentric ? c.u8(INTERRUPT_LINE) : Number(ctx.readFile(`/sys/bus/pci/devices/${slot}/irq`).trim());
  const pin = c.u8(INTERRUPT_PIN);
  const master = (command & COMMAND_MASTER) !== 0;
  let out = '';
  if (level > 1) {
    out += `\tControl: ${COMMAND_BITS.map(([bit, name]) => name + sign(command, bit)).join(' ')}\n\tStatus: ${statusText(status)}\n`;
    if (master) {
      const line = c.u8(CACHE_LINE) * 4;
      out += `\tLatency: ${c.u8(LATENCY)}${line === 0 ? '' : `, Cache Line Size: ${line} bytes`}\n`;
    }
    if (pin !== 0 || irq !== 0) out += `\tInterrupt: pin ${pin !== 0 ? String.fromCharCode(64 + pin) : '?'} routed to IRQ ${irq}\n`;
    if (iommuGroup !== undefined) out += `\tIOMMU group: ${iommuGroup}\n`;
  } else {
    const words = [
      ...(master ? ['bus master'] : []),
      `${DEVSEL[(status >> 9) & 3]} devsel`,
      ...(master ? [`latency ${c.u8(LATENCY)}`] : []),
      ...(irq !== 0 ? [`IRQ ${irq}`] : []),
      ...(iommuGroup !== undefined ? [`IOMMU group ${iommuGroup}`] : []),
    ];
    out += `\tFlags: ${words.join(', ')}\n`;
  }
  return out + regions(c, busCentric ? undefined : resources(ctx, slot), level === 1) + capabilities(c, level > 1);
}

/** `-x` 64 bytes, `-xxx` 256, `-xxxx` all. */
export function hexDump(c: ConfigSpace, level: number): string {
  const length = Math.min(c.bytes.length, level >= 4 ? 4096 : level === 3 ? 256 : 64);
  let out = '';
  for (let at = 0; at < length; at += 16) {
    out += `${hex(at, 2)}:${Array.from(c.bytes.subarray(at, at + 16), (b) => ` ${hex(b, 2)}`).join('')}\n`;
  }
  return out;
}
