// /sys/kernel/irq (Linux: kernel/irq/irqdesc.c): what is known of each interrupt number.
import { Errno } from '../../base/errno.ts';
import { ops } from '../../base/ops.ts';
import type { IrqDesc } from '../irq_desc.ts';
import type { Kernel } from '../kernel.ts';
import { DirNode, GeneratedFile, S_IFDIR, S_IFREG, StaticDir, type FileOps, type VfsContext, type VNode } from './node.ts';

const DIR = S_IFDIR | 0o755;
const RO = S_IFREG | 0o444;
const PAGE = 4096;

const show = (text: (desc: IrqDesc) => string): FileOps<number> =>
  ops({
    read: (kernel: Kernel, _ctx: VfsContext, irq: number) => {
      const desc = kernel.irq.irq_to_desc(irq);
      return desc === undefined ? -Errno.EINVAL : `${text(desc)}\n`;
    },
  });

const FILES: readonly (readonly [string, FileOps<number>])[] = [
  [
    'actions',
    show((d) =>
      d
        .actions()
        .map((a) => a.name)
        .join(','),
    ),
  ],
  ['chip_name', show((d) => d.chip.name)],
  ['hwirq', show((d) => String(d.hwirq))],
  ['name', show((d) => d.flow)],
  ['per_cpu_count', show((d) => d.counts.join(','))],
  ['type', show((d) => (d.flow === 'edge' ? 'edge' : 'level'))],
  ['wakeup', show(() => 'disabled')],
];

export class KernelIrqDir extends DirNode {
  readonly mode = DIR;
  constructor(readonly kernel: Kernel) {
    super();
  }
  list(_ctx: VfsContext): readonly string[] {
    return this.kernel.irq.list().map((d) => String(d.irq));
  }
  lookup(_ctx: VfsContext, name: string): VNode | undefined {
    const irq = /^\d+$/.test(name) ? this.kernel.irq.irq_to_desc(Number(name))?.irq : undefined;
    if (irq === undefined) return undefined;
    const dir = new StaticDir(DIR);
    for (const [file, fileOps] of FILES) dir.add(file, new GeneratedFile(this.kernel, RO, fileOps, irq, PAGE));
    return dir;
  }
}
