// /sys/kernel/debug/dma-api (Linux: kernel/dma/debug.c): the DMA mappings that drivers hold, and how often the API was misused.
import { Errno } from '../../base/errno.ts';
import { ops } from '../../base/ops.ts';
import type { DmaContext } from '../../platform/dma.ts';
import type { Device } from '../device.ts';
import type { Kernel } from '../kernel.ts';
import { GeneratedFile, S_IFDIR, S_IFREG, StaticDir, type DirNode, type FileOps, type VfsContext } from './node.ts';

const RO = S_IFREG | 0o444;
const RW = S_IFREG | 0o644;
/** Linux: PREALLOC_DMA_DEBUG_ENTRIES and the hash of its tables */
const PREALLOC_ENTRIES = 65536;
const bucket = (address: number): number => Math.floor(address / 0x2000) & 0x3fff;

/** Every device that does DMA, in order of discovery. */
function contexts(kernel: Kernel): { readonly dev: Device; readonly dma: DmaContext }[] {
  return kernel.drivers.buses.flatMap((b) => b.devices.flatMap((dev) => (dev.dma === undefined ? [] : [{ dev, dma: dev.dma }])));
}

const active = (kernel: Kernel): number => contexts(kernel).reduce((n, { dma }) => n + dma.mappings.size, 0);
const number = (value: (kernel: Kernel) => number): FileOps<undefined> => ops({ read: (kernel: Kernel) => `${value(kernel)}\n` });
/** Linux: debugfs_create_u32(): a number may be written. */
const knob = (name: 'allErrors' | 'numErrors'): FileOps<undefined> =>
  ops({
    read: (kernel: Kernel) => `${kernel.dmaApiDebug[name]}\n`,
    write(kernel: Kernel, _ctx: VfsContext, _arg: undefined, data: string) {
      const text = data.trim();
      if (!/^(\d+|0x[0-9a-f]+)$/i.test(text)) return -Errno.EINVAL;
      kernel.dmaApiDebug[name] = Number(text) >>> 0;
      return 0;
    },
  });
/** Linux: filter_write(): a driver's name, or an empty line for all. */
const DRIVER_FILTER: FileOps<undefined> = ops({
  read: (kernel: Kernel) => (kernel.dmaApiDebug.driverFilter === '' ? '' : `${kernel.dmaApiDebug.driverFilter}\n`),
  write(kernel: Kernel, _ctx: VfsContext, _arg: undefined, data: string) {
    const { dmaApiDebug, printk } = kernel;
    const name = /^\w*/.exec(data.trim())?.[0] ?? '';
    if (name === '' && dmaApiDebug.driverFilter !== '') printk.pr_info('DMA-API: switching off dma-debug driver filter');
    if (name !== '') printk.pr_info(`DMA-API: enable driver filter for driver [${name}]`);
    dmaApiDebug.driverFilter = name;
    return 0;
  },
});

const DUMP: FileOps<undefined> = ops({
  read(kernel: Kernel) {
    let out = '';
    for (const { dev, dma } of contexts(kernel)) {
      for (const m of dma.mappings.values()) {
        const hex = (n: number): string => n.toString(16);
        const checked = m.coherent
          ? 'dma map error check not applicable'
          : `dma map error ${dma.isChecked(m.dma) ? 'checked' : 'not checked'}`;
        out +=
          `${dev.driver?.name ?? dev.bus.name} ${dev.name} ${m.type} idx ${bucket(m.dma)} P=${hex(m.gpa)} N=${hex(Math.floor(m.gpa / 4096))} ` +
          `D=${hex(m.dma)} L=${hex(m.length)} cln=0x${hex(Math.floor(m.gpa / 64)).padStart(16, '0')} ${m.direction} ${checked}\n`;
      }
    }
    return out;
  },
});

const FILES: readonly (readonly [string, number, FileOps<undefined>])[] = [
  ['disabled', RO, ops({ read: () => 'N\n' })],
  ['error_count', RO, number((k) => k.dmaApiDebug.errorCount)],
  ['all_errors', RW, knob('allErrors')],
  ['num_errors', RW, knob('numErrors')],
  ['num_free_entries', RO, number((k) => PREALLOC_ENTRIES - active(k))],
  ['min_free_entries', RO, number((k) => PREALLOC_ENTRIES - contexts(k).reduce((n, { dma }) => n + dma.mappings.most, 0))],
  ['nr_total_entries', RO, number(() => PREALLOC_ENTRIES)],
  ['driver_filter', RW, DRIVER_FILTER],
  ['dump', RO, DUMP],
];

export function makeDmaApi(kernel: Kernel): DirNode {
  const dir = new StaticDir(S_IFDIR | 0o755);
  for (const [name, mode, file] of FILES) dir.add(name, new GeneratedFile(kernel, mode, file, undefined));
  return dir;
}
