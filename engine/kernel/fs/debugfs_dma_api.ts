// /sys/kernel/debug/dma-api (Linux: kernel/dma/debug.c): the DMA mappings that drivers hold, and how often the API was misused.
import { ops } from '../../base/ops.ts';
import type { DmaContext } from '../../platform/dma.ts';
import type { Device } from '../device.ts';
import type { Kernel } from '../kernel.ts';
import { GeneratedFile, S_IFDIR, S_IFREG, StaticDir, type DirNode, type FileOps } from './node.ts';

const RO = S_IFREG | 0o444;
/** Linux: PREALLOC_DMA_DEBUG_ENTRIES and the hash of its tables */
const PREALLOC_ENTRIES = 65536;
const bucket = (address: number): number => Math.floor(address / 0x2000) & 0x3fff;

/** Every device that does DMA, in order of discovery. */
function contexts(kernel: Kernel): { readonly dev: Device; readonly dma: DmaContext }[] {
  return kernel.drivers.buses.flatMap((b) => b.devices.flatMap((dev) => (dev.dma === undefined ? [] : [{ dev, dma: dev.dma }])));
}

const count = (value: (kernel: Kernel) => number): FileOps<undefined> => ops({ read: (kernel: Kernel) => `${value(kernel)}\n` });
const active = (kernel: Kernel): number => contexts(kernel).reduce((n, { dma }) => n + dma.mappings.size, 0);

const DUMP: FileOps<undefined> = ops({
  read(kernel: Kernel) {
    let out = '';
    for (const { dev, dma } of contexts(kernel)) {
      for (const m of dma.mappings.values()) {
        const hex = (n: number): string => n.toString(16);
        const checked = m.coherent ? 'dma map error check not applicable' : 'dma map error checked';
        out +=
          `${dev.driver?.name ?? dev.bus.name} ${dev.name} ${m.coherent ? 'coherent' : 'single'} idx ${bucket(m.dma)} P=${hex(m.gpa)} N=${hex(Math.floor(m.gpa / 4096))} ` +
          `D=${hex(m.dma)} L=${hex(m.length)} cln=0x${hex(Math.floor(m.gpa / 64)).padStart(16, '0')} ${m.direction} ${checked}\n`;
      }
    }
    return out;
  },
});

export const makeDmaApi = (kernel: Kernel): DirNode =>
  new StaticDir(S_IFDIR | 0o755)
    .add('dump', new GeneratedFile(kernel, RO, DUMP, undefined))
    .add(
      'error_count',
      new GeneratedFile(
        kernel,
        RO,
        count((k) => contexts(k).reduce((n, { dma }) => n + dma.findings.length, 0)),
        undefined,
      ),
    )
    .add(
      'nr_total_entries',
      new GeneratedFile(
        kernel,
        RO,
        count(() => PREALLOC_ENTRIES),
        undefined,
      ),
    )
    .add(
      'num_free_entries',
      new GeneratedFile(
        kernel,
        RO,
        count((k) => PREALLOC_ENTRIES - active(k)),
        undefined,
      ),
    );
