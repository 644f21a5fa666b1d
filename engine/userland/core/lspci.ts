// lspci(8) from /sys/bus/pci: names, numbers, drivers.
import { getopt } from '../ping/getopt.ts';
import { type Tool, type ToolContext, ToolExit } from '../tool.ts';
import { ConfigSpace, hexDump, verboseText } from './lspci_verbose.ts';

/** Names that pci.ids gives to what a virtual machine has. */
const CLASSES: Readonly<Record<string, string>> = Object.freeze({
  '0100': 'SCSI storage controller',
  '0106': 'SATA controller',
  '0200': 'Ethernet controller',
  '0300': 'VGA compatible controller',
  '0600': 'Host bridge',
  '0601': 'ISA bridge',
  '0604': 'PCI bridge',
  '0c05': 'SMBus',
});
const VENDORS: Readonly<Record<string, string>> = Object.freeze({
  '1af4': 'Red Hat, Inc.',
  '8086': 'Intel Corporation',
  '1b36': 'Red Hat, Inc.',
});
const DEVICES: Readonly<Record<string, string>> = Object.freeze({
  '1af4:1000': 'Virtio network device',
  '1af4:1041': 'Virtio network device',
  '8086:10d3': '82574L Gigabit Network Connection',
  '8086:29c0': '82G33/G31/P35/P31 Express DRAM Controller',
  '8086:2918': '82801IB (ICH9) LPC Interface Controller',
  '8086:2922': '82801IR/IO/IH (ICH9R/DO/DH) 6 port SATA Controller [AHCI mode]',
  '8086:2930': '82801I (ICH9 Family) SMBus Controller',
});
const SUBSYSTEMS: Readonly<Record<string, string>> = Object.freeze({ '1af4:1100': 'QEMU Virtual Machine' });

interface PciFunction {
  readonly slot: string;
  readonly vendor: string;
  readonly device: string;
  readonly subvendor: string;
  readonly subdevice: string;
  readonly classCode: string;
  readonly progIf: number;
  readonly revision: number;
  readonly driver: string | undefined;
  readonly modalias: string;
}

function functions(ctx: ToolContext): PciFunction[] {
  const base = '/sys/bus/pci/devices';
  const entries = ctx.kernel.vfs.readdir(ctx.vfs, base);
  if (typeof entries === 'number') throw new ToolExit(1, `lspci: Cannot open ${base}\n`);
  return entries
    .map((e) => e.name)
    .sort()
    .map((slot) => {
      const hex = (name: string): string => ctx.readFile(`${base}/${slot}/${name}`).trim().replace(/^0x/, '');
      const driver = ctx.kernel.vfs.readlink(ctx.vfs, `${base}/${slot}/driver`);
      const code = hex('class');
      return {
        slot,
        vendor: hex('vendor'),
        device: hex('device'),
        subvendor: hex('subsystem_vendor'),
        subdevice: hex('subsystem_device'),
        classCode: code.slice(0, 4),
        progIf: Number.parseInt(code.slice(4), 16),
        revision: Number.parseInt(hex('revision'), 16) || 0,
        driver: typeof driver === 'string' ? driver.replace(/^.*\//, '') : undefined,
        modalias: ctx.readFile(`${base}/${slot}/modalias`).trim(),
      };
    });
}

interface Style {
  /** 0 names, 1 numbers, 2 both */
  readonly numeric: number;
  readonly domain: boolean;
}

const shortSlot = (f: PciFunction, style: Style): string => (style.domain ? f.slot : f.slot.replace(/^0000:/, ''));

function className(f: PciFunction, s: Style): string {
  if (s.numeric === 1) return f.classCode;
  const name = CLASSES[f.classCode];
  if (s.numeric === 2) return `${name ?? 'Class'} [${f.classCode}]`;
  return name ?? `Class ${f.classCode}`;
}

function deviceName(f: PciFunction, s: Style): string {
  const ids = `${f.vendor}:${f.device}`;
  if (s.numeric === 1) return ids;
  const vendor = VENDORS[f.vendor];
  const device = DEVICES[ids];
  const text =
    vendor === undefined
      ? `Device ${s.numeric === 2 ? '' : ids}`.trim()
      : `${vendor} ${device ?? `Device${s.numeric === 2 ? '' : ` ${f.device}`}`}`;
  return s.numeric === 2 ? `${text} [${ids}]` : text;
}

function subsystem(f: PciFunction, s: Style): string | undefined {
  if (f.subvendor === '' || (f.subvendor === '0000' && f.subdevice === '0000')) return undefined;
  const ids = `${f.subvendor}:${f.subdevice}`;
  if (s.numeric === 1) return ids;
  const vendor = VENDORS[f.subvendor];
  const known = SUBSYSTEMS[ids];
  if (s.numeric === 2) return `${vendor ?? ''} ${known ?? 'Device'} [${ids}]`.trim();
  return vendor === undefined ? `Device ${ids}` : `${vendor} ${known ?? `Device ${f.subdevice}`}`;
}

const line = (f: PciFunction, s: Style): string =>
  `${shortSlot(f, s)} ${className(f, s)}: ${deviceName(f, s)}${f.revision !== 0 ? ` (rev ${f.revision.toString(16).padStart(2, '0')})` : ''}`;

const aliasMatches = (pattern: string, modalias: string): boolean =>
  new RegExp(
    `^${pattern
      .replace(/[.+^${}()|\\]/g, '\\$&')
      .replaceAll('*', '.*')
      .replaceAll('?', '.')}$`,
  ).test(modalias);

function kernelLines(ctx: ToolContext, f: PciFunction): string {
  const modules = ctx.kernel.modules.table.loadable.filter((m) =>
    m.aliases?.some((a) => a.startsWith('pci:') && aliasMatches(a, f.modalias)),
  );
  return (
    (f.driver === undefined ? '' : `\tKernel driver in use: ${f.driver}\n`) +
    (modules.length === 0 ? '' : `\tKernel modules: ${modules.map((m) => m.name).join(', ')}\n`)
  );
}

function tree(ctx: ToolContext, all: readonly PciFunction[], verbose: boolean): number {
  const bus = all[0]?.slot.slice(0, 7) ?? '0000:00';
  const head = `-[${bus}]-`;
  all.forEach((f, i) => {
    const branch = all.length === 1 ? '--' : i === 0 ? '+-' : i === all.length - 1 ? '\\-' : '+-';
    ctx.print(
      `${i === 0 ? head : ' '.repeat(head.length)}${branch}${f.slot.slice(8)}${verbose ? `  ${deviceName(f, { numeric: 0, domain: false })}` : ''}\n`,
    );
  });
  return 0;
}

function run(ctx: ToolContext): number {
  const words = ctx.argv.slice(1);
  if (words.includes('--version')) {
    ctx.print('lspci version 3.9.0\n');
    return 0;
  }
  const parsed = getopt(words, 'nvkxs:d:tDmq');
  if (parsed.error !== undefined) throw new ToolExit(1, `lspci: ${parsed.error}\n`);
  const count = (letter: string): number => parsed.options.filter((o) => o.letter === letter).length;
  for (const letter of ['d', 'm', 'q']) if (count(letter) > 0) throw new ToolExit(1, `lspci: -${letter} is not modelled\n`);
  const wanted = parsed.options.find((o) => o.letter === 's')?.value;
  const all = functions(ctx).filter(
    (f) =>
      wanted === undefined || f.slot === wanted || f.slot.replace(/^0000:/, '') === wanted || f.slot.replace(/^0000:00:/, '') === wanted,
  );
  if (count('t') > 0) return tree(ctx, all, count('v') > 0);
  const style: Style = { numeric: Math.min(2, count('n')), domain: count('D') > 0 };
  const [verbose, dump] = [count('v'), count('x')];
  for (const f of all) {
    ctx.print(`${line(f, style)}\n`);
    const sub = count('k') > 0 || verbose > 0 ? subsystem(f, style) : undefined;
    if (sub !== undefined) ctx.print(`\tSubsystem: ${sub}\n`);
    const config = verbose > 0 || dump > 0 ? ConfigSpace.read(ctx, f.slot) : undefined;
    if (config !== undefined && verbose > 0) ctx.print(verboseText(ctx, f.slot, config, verbose));
    if (count('k') > 0 || verbose > 0) ctx.print(kernelLines(ctx, f));
    if (config !== undefined && dump > 0) ctx.print(hexDump(config, dump));
    if (config !== undefined) ctx.print('\n');
  }
  return 0;
}

export const LSPCI: Tool = Object.freeze({ run });
