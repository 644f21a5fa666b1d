// lspci(8) from /sys/bus/pci: functions with names, numbers, drivers, as lines, records or a tree.
import { getopt } from '../ping/getopt.ts';
import { type Tool, type ToolContext, ToolExit } from '../tool.ts';
import { PciNames, type PciNumbers } from './lspci_names.ts';
import { parseId, parseSlot, selected, type Selection } from './lspci_select.ts';
import { ConfigSpace, hexDump, PciHeader, verboseText } from './lspci_verbose.ts';

const SYSFS = '/sys/bus/pci/devices';
const PCI_IDS = '/usr/share/misc/pci.ids';

interface PciFunction extends PciNumbers {
  /** '0000:00:1f.2' */
  readonly slot: string;
  readonly revision: number;
  readonly driver: string | undefined;
  readonly iommuGroup: string | undefined;
  readonly modalias: string;
}

interface Options {
  readonly names: PciNames;
  readonly verbose: number;
  readonly dump: number;
  readonly machine: number;
  readonly kernel: boolean;
  readonly domain: boolean;
  readonly busCentric: boolean;
  readonly tree: boolean;
  readonly map: boolean;
  readonly selections: readonly Selection[];
}

function functions(ctx: ToolContext): PciFunction[] {
  const entries = ctx.kernel.vfs.readdir(ctx.vfs, SYSFS);
  if (typeof entries === 'number') throw new ToolExit(1, `lspci: Cannot open ${SYSFS}\n`);
  const target = (path: string): string | undefined => {
    const link = ctx.kernel.vfs.readlink(ctx.vfs, path);
    return typeof link === 'string' ? link.replace(/^.*\//, '') : undefined;
  };
  return entries
    .map((e) => e.name)
    .sort()
    .map((slot) => {
      const base = `${SYSFS}/${slot}`;
      const hex = (name: string): string => ctx.readFile(`${base}/${name}`).trim().replace(/^0x/, '');
      const config = ConfigSpace.read(ctx, slot);
      return {
        slot,
        vendor: hex('vendor'),
        device: hex('device'),
        subvendor: hex('subsystem_vendor'),
        subdevice: hex('subsystem_device'),
        classCode: hex('class').slice(0, 4),
        // these two lspci reads itself: of a function that is gone they are ff
        progIf: config.u8(PciHeader.PROG_IF),
        revision: config.u8(PciHeader.REVISION),
        driver: target(`${base}/driver`),
        iommuGroup: target(`${base}/iommu_group`),
        modalias: ctx.readFile(`${base}/modalias`).trim(),
      };
    });
}

const hex2 = (n: number): string => n.toString(16).padStart(2, '0');
const shortSlot = (f: PciFunction, o: Options): string => (o.domain ? f.slot : f.slot.replace(/^0000:/, ''));
const hasSubsystem = (f: PciFunction): boolean => f.subvendor !== '' && !(f.subvendor === '0000' && f.subdevice === '0000');

function line(f: PciFunction, o: Options): string {
  const { names } = o;
  let out = `${shortSlot(f, o)} ${names.className(f)}: ${names.vendorDevice(f)}`;
  if (f.revision !== 0) out += ` (rev ${hex2(f.revision)})`;
  const name = o.verbose > 0 ? names.interface(f) : undefined;
  if (o.verbose > 0 && (f.progIf !== 0 || name !== undefined))
    out += ` (prog-if ${hex2(f.progIf)}${name === undefined ? '' : ` [${name}]`})`;
  return `${out}\n`;
}

const aliasMatches = (pattern: string, modalias: string): boolean =>
  new RegExp(
    `^${pattern
      .replace(/[.+^${}()|\\]/g, '\\$&')
      .replaceAll('*', '.*')
      .replaceAll('?', '.')}$`,
  ).test(modalias);

/** Modules on the disk that say they can drive it, as modules.alias lists them. */
function kernelModules(ctx: ToolContext, f: PciFunction): string[] {
  const { table } = ctx.kernel.modules;
  return [...table.loadable, ...(table.foreign ?? [])]
    .filter((m) => m.aliases?.some((a) => a.startsWith('pci:') && aliasMatches(a, f.modalias)) === true)
    .map((m) => m.name);
}

function kernelLines(ctx: ToolContext, f: PciFunction): string {
  const modules = kernelModules(ctx, f);
  return (
    (f.driver === undefined ? '' : `\tKernel driver in use: ${f.driver}\n`) +
    (modules.length === 0 ? '' : `\tKernel modules: ${modules.join(', ')}\n`)
  );
}

function show(ctx: ToolContext, f: PciFunction, o: Options): void {
  ctx.print(line(f, o));
  if ((o.kernel || o.verbose > 0) && hasSubsystem(f)) ctx.print(`\tSubsystem: ${o.names.subsystem(f)}\n`);
  const config = o.verbose > 0 || o.dump > 0 ? ConfigSpace.read(ctx, f.slot) : undefined;
  if (config !== undefined && o.verbose > 0)
    ctx.print(verboseText(ctx, f.slot, config, { level: o.verbose, busCentric: o.busCentric, iommuGroup: f.iommuGroup }));
  if (o.kernel || o.verbose > 0) ctx.print(kernelLines(ctx, f));
  if (config === undefined) return;
  if (o.dump > 0) ctx.print(hexDump(config, o.dump));
  ctx.print('\n');
}

/** -m and -mm: one line of quoted fields. */
function machineLine(f: PciFunction, o: Options): string {
  const { names } = o;
  const q = (text: string): string => ` "${text.replace(/["\\]/g, '\\$&')}"`;
  const numbers = `${f.revision !== 0 ? ` -r${hex2(f.revision)}` : ''} -p${hex2(f.progIf)}`;
  const sub = hasSubsystem(f) ? q(names.vendor(f.subvendor)) + q(names.subdevice(f)) : ' "" ""';
  return `${shortSlot(f, o)}${q(names.className(f))}${q(names.vendor(f.vendor))}${q(names.device(f))}${numbers}${sub}\n`;
}

/** -vm and -vmm: a record of tagged lines; the old form calls the slot a device. */
function machineRecord(ctx: ToolContext, f: PciFunction, o: Options): string {
  const { names } = o;
  const rows: [string, string][] = [
    [o.machine > 1 ? 'Slot' : 'Device', shortSlot(f, o)],
    ['Class', names.className(f)],
    ['Vendor', names.vendor(f.vendor)],
    ['Device', names.device(f)],
  ];
  if (hasSubsystem(f)) rows.push(['SVendor', names.vendor(f.subvendor)], ['SDevice', names.subdevice(f)]);
  if (f.revision !== 0) rows.push(['Rev', hex2(f.revision)]);
  rows.push(['ProgIf', hex2(f.progIf)]);
  if (o.kernel && f.driver !== undefined) rows.push(['Driver', f.driver]);
  if (o.kernel) for (const m of kernelModules(ctx, f)) rows.push(['Module', m]);
  if (f.iommuGroup !== undefined) rows.push(['IOMMUGroup', f.iommuGroup]);
  return `${rows.map(([tag, text]) => `${tag}:\t${text}\n`).join('')}\n`;
}

/** One bus: branches, the last one closing it; what is not selected is left out of the picture, not of the shape. */
function tree(all: readonly PciFunction[], chosen: ReadonlySet<PciFunction>, o: Options): string {
  if (chosen.size === 0) return '-\n';
  const head = `-[${all[0].slot.slice(0, 7)}]-`;
  let out = '';
  all.forEach((f, i) => {
    if (!chosen.has(f)) return;
    const branch = all.length === 1 ? '--' : i === all.length - 1 ? '\\-' : '+-';
    const name = o.verbose > 0 ? `  ${o.names.vendorDevice(f)}` : '';
    out += `${out === '' ? head : ' '.repeat(head.length)}${branch}${f.slot.slice(8)}${name}\n`;
  });
  return out;
}

function parseOptions(words: readonly string[]): Options {
  const parsed = getopt(words, 'nvbxs:d:tDmgqQkPMi:p:A:O:H:GF:');
  const bad = parsed.error ?? (parsed.operands.length > 0 || parsed.options.some((o) => o.letter === 'g') ? '' : undefined);
  if (bad !== undefined) throw new ToolExit(1, bad === '' ? 'Usage: lspci [<switches>]\n' : `lspci: ${bad}\n`);
  const count = (letter: string): number => parsed.options.filter((o) => o.letter === letter).length;
  const last = (letter: string): string | undefined => parsed.options.findLast((o) => o.letter === letter)?.value;
  if (count('F') > 0) throw new ToolExit(1, `lspci: Unable to open dump file: No such file or directory\n`);
  const selections: Selection[] = [];
  for (const [letter, parse] of [
    ['s', parseSlot],
    ['d', parseId],
  ] as const) {
    const text = last(letter);
    if (text === undefined) continue;
    const s = parse(text);
    if (typeof s === 'string') throw new ToolExit(1, `lspci: -${letter}: ${s}\n`);
    selections.push(s);
  }
  const known = count('Q') === 0 && (last('i') ?? PCI_IDS) === PCI_IDS;
  return {
    names: new PciNames(Math.min(2, count('n')), known),
    verbose: count('v'),
    dump: count('x'),
    machine: count('m'),
    kernel: count('k') > 0,
    domain: count('D') > 0,
    busCentric: count('b') > 0,
    tree: count('t') > 0,
    map: count('M') > 0,
    selections,
  };
}

function run(ctx: ToolContext): number {
  const words = ctx.argv.slice(1);
  if (words.includes('--version')) {
    ctx.print('lspci version 3.9.0\n');
    return 0;
  }
  const o = parseOptions(words);
  const all = functions(ctx);
  const chosen = all.filter((f) => o.selections.every((s) => selected(s, f.slot, f)));
  if (o.map) ctx.print('WARNING: Bus mapping can be reliable only with direct hardware access enabled.\n\n');
  if (o.tree) ctx.print(tree(all, new Set(chosen), o));
  else
    for (const f of chosen) {
      if (o.machine === 0) show(ctx, f, o);
      else ctx.print(o.verbose > 0 ? machineRecord(ctx, f, o) : machineLine(f, o));
    }
  if (o.map) ctx.print('\nSummary of buses:\n\n00: Primary host bus\n');
  return 0;
}

export const LSPCI: Tool = Object.freeze({ run });
