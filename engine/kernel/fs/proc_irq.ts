// /proc/interrupts, /proc/softirqs and /proc/irq (Linux: kernel/irq/proc.c, arch/x86/kernel/irq.c).
import { Errno } from '../../base/errno.ts';
import { ops } from '../../base/ops.ts';
import type { IrqDesc } from '../irq.ts';
import type { Kernel } from '../kernel.ts';
import { JIFFY } from '../timer.ts';
import { NR_SOFTIRQS, SOFTIRQ_NAMES, TIMER_SOFTIRQ } from '../softirq.ts';
import { DirNode, GeneratedFile, S_IFDIR, S_IFREG, StaticDir, type FileOps, type VfsContext, type VNode } from './node.ts';

const cpuHeader = (kernel: Kernel): string => kernel.platform.cpus.list.map((c) => `CPU${String(c.id).padEnd(8)}`).join('');
const counts = (values: readonly number[]): string => values.map((n) => `${String(n).padStart(10)} `).join('');

const names = (desc: IrqDesc): string =>
  desc
    .actions()
    .map((a) => a.name)
    .join(', ');

/** Width of the first column: three digits are enough below a thousand. */
const PREC = 3;

function descLine(desc: IrqDesc): string | undefined {
  const per = Array.from(desc.counts);
  if (desc.action === undefined && per.every((n) => n === 0)) return undefined;
  const chip = `${desc.chip.name.padStart(8)} ${String(desc.hwirq).padStart(PREC)}-${desc.flow.padEnd(8)}`;
  return `${String(desc.irq).padStart(PREC)}: ${counts(per)} ${chip}${desc.action === undefined ? '' : `  ${names(desc)}`}\n`;
}

/** The processor's own interrupts: label, what it counts, text. */
const ARCH: readonly (readonly [string, 'zero' | 'timer' | 'one', string])[] = [
  ['NMI', 'zero', 'Non-maskable interrupts'],
  ['LOC', 'timer', 'Local timer interrupts'],
  ['SPU', 'zero', 'Spurious interrupts'],
  ['PMI', 'zero', 'Performance monitoring interrupts'],
  ['IWI', 'zero', 'IRQ work interrupts'],
  ['RTR', 'zero', 'APIC ICR read retries'],
  ['RES', 'zero', 'Rescheduling interrupts'],
  ['CAL', 'zero', 'Function call interrupts'],
  ['TLB', 'zero', 'TLB shootdowns'],
  ['TRM', 'zero', 'Thermal event interrupts'],
  ['THR', 'zero', 'Threshold APIC interrupts'],
  ['DFR', 'zero', 'Deferred Error APIC interrupts'],
  ['MCE', 'zero', 'Machine check exceptions'],
  ['MCP', 'one', 'Machine check polls'],
  ['ERR', 'zero', ''],
  ['MIS', 'zero', ''],
  ['PIN', 'zero', 'Posted-interrupt notification event'],
  ['NPI', 'zero', 'Nested posted-interrupt event'],
  ['PIW', 'zero', 'Posted-interrupt wakeup event'],
];

const softirqCount = (kernel: Kernel, cpu: number, nr: number): number => kernel.softirqs.counts[cpu * NR_SOFTIRQS + nr];

function interrupts(kernel: Kernel): string {
  let out = `${' '.repeat(PREC + 8)}${cpuHeader(kernel)}\n`;
  for (const desc of kernel.irq.list()) out += descLine(desc) ?? '';
  for (const [label, kind, text] of ARCH) {
    if (text === '') {
      out += `${label}: ${String(label === 'ERR' ? kernel.irq.spuriousVectors : 0).padStart(10)}\n`;
      continue;
    }
    // timers are the only users of the local timer here, and each of its interrupts ends in the TIMER softirq
    const values = kernel.platform.cpus.list.map((c) =>
      kind === 'one' ? 1 : kind === 'timer' ? softirqCount(kernel, c.id, TIMER_SOFTIRQ) : 0,
    );
    out += `${label}: ${counts(values)}  ${text}\n`;
  }
  return out;
}

function softirqs(kernel: Kernel): string {
  let out = `${' '.repeat(20)}${cpuHeader(kernel)}\n`;
  SOFTIRQ_NAMES.forEach((name, nr) => {
    const values = kernel.platform.cpus.list.map((c) => ` ${String(softirqCount(kernel, c.id, nr)).padStart(10)}`);
    out += `${`${name}:`.padStart(13)}${values.join('')}\n`;
  });
  return out;
}

export const INTERRUPTS: FileOps<undefined> = ops({ read: (kernel: Kernel) => interrupts(kernel) });
export const SOFTIRQS: FileOps<undefined> = ops({ read: (kernel: Kernel) => softirqs(kernel) });

/** A CPU mask in hexadecimal, as wide as there are CPUs. */
export const maskText = (kernel: Kernel, mask: number): string =>
  (mask >>> 0).toString(16).padStart(Math.ceil(kernel.platform.cpus.list.length / 4), '0');

/** '0-1,3' */
function maskList(mask: number): string {
  const parts: string[] = [];
  for (let i = 0; i < 32; i++) {
    if ((mask & (1 << i)) === 0) continue;
    let end = i;
    while (end < 31 && (mask & (1 << (end + 1))) !== 0) end++;
    parts.push(end === i ? String(i) : `${i}-${end}`);
    i = end;
  }
  return parts.join(',');
}

/** The mask of a hexadecimal text with commas, undefined when it is none. */
function parseMask(text: string): number | undefined {
  const t = text.trim().replaceAll(',', '').replace(/^0x/, '');
  return /^[0-9a-fA-F]{1,8}$/.test(t) ? parseInt(t, 16) : undefined;
}

/** The mask of '0-1,3', undefined when it is none. */
function parseMaskList(text: string): number | undefined {
  let mask = 0;
  for (const part of text.trim().split(',')) {
    const m = /^(\d+)(?:-(\d+))?$/.exec(part);
    if (m === null) return undefined;
    const last = Number(m[2] ?? m[1]);
    if (last > 31) return undefined;
    for (let i = Number(m[1]); i <= last; i++) mask |= 1 << i;
  }
  return mask >>> 0;
}

type IrqOps = FileOps<number>;
const show = (text: (desc: IrqDesc, kernel: Kernel) => string): NonNullable<IrqOps['read']> => {
  return (kernel: Kernel, _ctx: VfsContext, irq: number): string | number => {
    const desc = kernel.irq.irq_to_desc(irq);
    return desc === undefined ? -Errno.EINVAL : `${text(desc, kernel)}\n`;
  };
};
const store = (parse: (text: string) => number | undefined): NonNullable<IrqOps['write']> => {
  return (kernel: Kernel, _ctx: VfsContext, irq: number, data: string): number => {
    const mask = parse(data);
    // Linux: lines of the I/O APIC are as movable as MSIs; only a mask without CPUs is refused
    return mask === undefined ? -Errno.EINVAL : kernel.irq.irq_set_affinity(irq, mask);
  };
};
/** jiffies_to_msecs() of a 32-bit result; jiffies start five minutes before they wrap (Linux: INITIAL_JIFFIES). */
const lastUnhandled = (desc: IrqDesc): number =>
  desc.last_unhandled < 0 ? 0 : (2 ** 32 - 300_000 + Math.floor(desc.last_unhandled / JIFFY) * (JIFFY / 1e6)) % 2 ** 32;
const effective = (desc: IrqDesc): number => (desc.cpu < 0 ? 0 : (1 << desc.cpu) >>> 0);

const RO = S_IFREG | 0o444;
const RW = S_IFREG | 0o644;
const IRQ_FILES: readonly (readonly [string, number, IrqOps])[] = [
  ['affinity_hint', RO, ops({ read: show((d, k) => maskText(k, d.affinityHint)) })],
  ['effective_affinity', RO, ops({ read: show((d, k) => maskText(k, effective(d))) })],
  ['effective_affinity_list', RO, ops({ read: show((d) => maskList(effective(d))) })],
  ['node', RO, ops({ read: show((d) => String(d.node)) })],
  ['smp_affinity', RW, ops({ read: show((d, k) => maskText(k, d.affinity)), write: store(parseMask) })],
  ['smp_affinity_list', RW, ops({ read: show((d) => maskList(d.affinity)), write: store(parseMaskList) })],
  [
    'spurious',
    RO,
    ops({ read: show((d) => `count ${d.irq_count}\nunhandled ${d.irqs_unhandled}\nlast_unhandled ${lastUnhandled(d)} ms`) }),
  ],
];

const DEFAULT_AFFINITY: FileOps<undefined> = ops({ read: (k: Kernel) => `${maskText(k, 2 ** k.platform.cpus.list.length - 1)}\n` });

/** /proc/irq */
export class IrqRootDir extends DirNode {
  readonly mode = S_IFDIR | 0o555;
  constructor(readonly kernel: Kernel) {
    super();
  }
  list(_ctx: VfsContext): readonly string[] {
    return [
      ...this.kernel.irq
        .list()
        .filter((d) => d.inProc)
        .map((d) => String(d.irq)),
      'default_smp_affinity',
    ];
  }
  lookup(_ctx: VfsContext, name: string): VNode | undefined {
    if (name === 'default_smp_affinity') return new GeneratedFile(this.kernel, RW, DEFAULT_AFFINITY, undefined);
    if (!/^\d+$/.test(name)) return undefined;
    const desc = this.kernel.irq.irq_to_desc(Number(name));
    return desc?.inProc === true ? new IrqDir(this.kernel, desc.irq) : undefined;
  }
}

class IrqDir extends DirNode {
  readonly mode = S_IFDIR | 0o555;
  constructor(
    readonly kernel: Kernel,
    private readonly irq: number,
  ) {
    super();
  }
  list(_ctx: VfsContext): readonly string[] {
    return [...IRQ_FILES.map(([name]) => name), ...this.users()];
  }
  lookup(_ctx: VfsContext, name: string): VNode | undefined {
    const file = IRQ_FILES.find(([n]) => n === name);
    if (file !== undefined) return new GeneratedFile(this.kernel, file[1], file[2], this.irq);
    return this.users().includes(name) ? new StaticDir() : undefined;
  }

  private users(): string[] {
    const actions = this.kernel.irq.irq_to_desc(this.irq)?.actions() ?? [];
    return actions.filter((a) => !a.early).map((a) => a.name);
  }
}
