// Capabilities that `lspci -v…` decodes beyond MSI-X and virtio's: power management, MSI, PCI Express, errors, serial number.
import type { ConfigSpace } from './lspci_verbose.ts';

const hex = (n: number, width: number): string => n.toString(16).padStart(width, '0');
/** 'Name+' or 'Name-' for each bit. */
const flags = (value: number, bits: readonly (readonly [number, string])[]): string =>
  bits.map(([bit, name]) => `${name}${(value & bit) !== 0 ? '+' : '-'}`).join(' ');
/** Flags of bits in a row. */
const row = (value: number, first: number, names: readonly string[]): string =>
  flags(
    value >>> first,
    names.map((n, i) => [1 << i, n] as const),
  );

/** PCI Power Management 1.2 §3.2; milliamperes of auxiliary current by code. */
const AUX_CURRENT = [0, 55, 100, 160, 220, 270, 320, 375] as const;

export function powerManagement(c: ConfigSpace, at: number, detail: boolean): string {
  const cap = c.u16(at + 2);
  const control = c.u16(at + 4);
  const head = `Power Management version ${cap & 7}\n`;
  if (!detail) return head;
  const states = row(cap, 11, ['D0', 'D1', 'D2', 'D3hot', 'D3cold']).replaceAll(' ', ',');
  return (
    `${head}\t\tFlags: ${flags(cap, [
      [0x8, 'PMEClk'],
      [0x20, 'DSI'],
      [0x200, 'D1'],
      [0x400, 'D2'],
    ])} AuxCurrent=${AUX_CURRENT[(cap >> 6) & 7]}mA PME(${states})\n` +
    `\t\tStatus: D${control & 3} ${flags(control, [
      [0x8, 'NoSoftRst'],
      [0x100, 'PME-Enable'],
    ])} DSel=${(control >> 9) & 15} DScale=${(control >> 13) & 3} ${flags(control, [[0x8000, 'PME']])}\n`
  );
}

/** PCI 3.0 §6.8.1 */
export function msi(c: ConfigSpace, at: number, detail: boolean): string {
  const control = c.u16(at + 2);
  const head = `MSI: ${flags(control, [[0x1, 'Enable']])} Count=${1 << ((control >> 4) & 7)}/${1 << ((control >> 1) & 7)} ${flags(control, [
    [0x100, 'Maskable'],
    [0x80, '64bit'],
  ])}\n`;
  if (!detail) return head;
  const wide = (control & 0x80) !== 0;
  return `${head}\t\tAddress: ${wide ? hex(c.u32(at + 8), 8) : ''}${hex(c.u32(at + 4), 8)}  Data: ${hex(c.u16(at + (wide ? 12 : 8)), 4)}\n`;
}

/** Serial ATA AHCI 1.3.1 §2.4. */
export function sata(c: ConfigSpace, at: number, detail: boolean): string {
  const revision = c.u16(at + 2);
  const location = c.u32(at + 4);
  const where = (location & 15) === 15 ? ' InCfgSpace' : ` BAR${(location & 15) - 4} Offset=${hex(location >>> 4, 8)}`;
  return `SATA HBA v${(revision >> 4) & 15}.${revision & 15}${detail ? where : ''}\n`;
}

/** PCI Express 5.0 §7.5.3.2, device/port type. */
const EXPRESS_TYPES: Readonly<Record<number, string>> = {
  0: 'Endpoint',
  1: 'Legacy Endpoint',
  4: 'Root Port (Slot-)',
  9: 'Root Complex Integrated Endpoint',
};

export function express(c: ConfigSpace, at: number, detail: boolean): string {
  const cap = c.u16(at + 2);
  const device = c.u32(at + 4);
  const control = c.u16(at + 8);
  const head = `Express ${detail ? `(v${cap & 15}) ` : ''}${EXPRESS_TYPES[(cap >> 4) & 15] ?? `Unknown type ${(cap >> 4) & 15}`}, MSI ${hex((cap >> 9) & 31, 2)}\n`;
  if (!detail) return head;
  const errors = ['CorrErr', 'NonFatalErr', 'FatalErr', 'UnsupReq'] as const;
  return (
    `${head}\t\tDevCap:\tMaxPayload ${128 << (device & 7)} bytes, PhantFunc ${(1 << ((device >> 3) & 3)) - 1}\n` +
    `\t\t\t${flags(device, [
      [0x20, 'ExtTag'],
      [0x8000, 'RBE'],
      [0x10000000, 'FLReset'],
    ])}\n` +
    `\t\tDevCtl:\t${row(control, 0, errors)}\n` +
    `\t\t\t${flags(control, [
      [0x10, 'RlxdOrd'],
      [0x100, 'ExtTag'],
      [0x200, 'PhantFunc'],
      [0x400, 'AuxPwr'],
      [0x800, 'NoSnoop'],
    ])}\n` +
    `\t\t\tMaxPayload ${128 << ((control >> 5) & 7)} bytes, MaxReadReq ${128 << ((control >> 12) & 7)} bytes\n` +
    `\t\tDevSta:\t${row(c.u16(at + 10), 0, [...errors, 'AuxPwr', 'TransPend'])}\n`
  );
}

/** PCI Express 5.0 §7.8.4.2: uncorrectable errors. */
const UNCORRECTABLE: readonly (readonly [number, string])[] = [
  [1 << 4, 'DLP'],
  [1 << 5, 'SDES'],
  [1 << 12, 'TLP'],
  [1 << 13, 'FCP'],
  [1 << 14, 'CmpltTO'],
  [1 << 15, 'CmpltAbrt'],
  [1 << 16, 'UnxCmplt'],
  [1 << 17, 'RxOF'],
  [1 << 18, 'MalfTLP'],
  [1 << 19, 'ECRC'],
  [1 << 20, 'UnsupReq'],
  [1 << 21, 'ACSViol'],
];
/** §7.8.4.5: correctable errors. */
const CORRECTABLE: readonly (readonly [number, string])[] = [
  [1 << 0, 'RxErr'],
  [1 << 6, 'BadTLP'],
  [1 << 7, 'BadDLLP'],
  [1 << 8, 'Rollover'],
  [1 << 12, 'Timeout'],
  [1 << 13, 'AdvNonFatalErr'],
];

function errorReporting(c: ConfigSpace, at: number): string {
  const control = c.u32(at + 0x18);
  const log = [0, 1, 2, 3].map((i) => hex(c.u32(at + 0x1c + 4 * i), 8)).join(' ');
  return (
    `\t\tUESta:\t${flags(c.u32(at + 4), UNCORRECTABLE)}\n\t\tUEMsk:\t${flags(c.u32(at + 8), UNCORRECTABLE)}\n\t\tUESvrt:\t${flags(c.u32(at + 12), UNCORRECTABLE)}\n` +
    `\t\tCESta:\t${flags(c.u32(at + 16), CORRECTABLE)}\n\t\tCEMsk:\t${flags(c.u32(at + 20), CORRECTABLE)}\n` +
    `\t\tAERCap:\tFirst Error Pointer: ${hex(control & 31, 2)}, ${flags(control, [
      [1 << 5, 'ECRCGenCap'],
      [1 << 6, 'ECRCGenEn'],
      [1 << 7, 'ECRCChkCap'],
      [1 << 8, 'ECRCChkEn'],
    ])}\n` +
    `\t\t\t${flags(control, [
      [1 << 9, 'MultHdrRecCap'],
      [1 << 10, 'MultHdrRecEn'],
      [1 << 11, 'TLPPfxPres'],
      [1 << 12, 'HdrLogCap'],
    ])}\n\t\tHeaderLog: ${log}\n`
  );
}

const serialNumber = (c: ConfigSpace, at: number): string => [11, 10, 9, 8, 7, 6, 5, 4].map((i) => hex(c.u8(at + i), 2)).join('-');

/** The extended capabilities, from 0x100 on. */
export function extendedCapabilities(c: ConfigSpace, detail: boolean): string {
  let out = '';
  const seen = new Set<number>();
  for (let at = 0x100; at >= 0x100 && at + 4 <= c.bytes.length && !seen.has(at); at = c.u32(at) >>> 20) {
    seen.add(at);
    const header = c.u32(at);
    if (header === 0 || header === 0xffffffff) break;
    const id = header & 0xffff;
    out += `\tCapabilities: [${hex(at, 3)}${detail ? ` v${(header >> 16) & 15}` : ''}] `;
    if (id === 1) out += `Advanced Error Reporting\n${detail ? errorReporting(c, at) : ''}`;
    else if (id === 3) out += `Device Serial Number ${serialNumber(c, at)}\n`;
    else out += `capability ${hex(id, 4)} is not modelled\n`;
  }
  return out;
}
