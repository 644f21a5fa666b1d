// WARN() as the log shows it (Linux: kernel/panic.c): the block around a warning, and that the kernel is tainted from then on.
import type { Kernel } from './kernel.ts';

/** Where in the sources the warning stands: '/build' is left out, as in a distribution's kernel. */
export interface WarnPlace {
  /** 'net/sched/sch_generic.c:525' */
  readonly source: string;
  /** 'dev_watchdog+0x207/0x210' */
  readonly symbol: string;
}

/** Linux: TAINT_WARN */
const TAINT_WARN = 9;

export class Warnings {
  /** /proc/sys/kernel/tainted */
  tainted = 0;
  count = 0;
  constructor(readonly kernel: Kernel) {}

  /** 'Not tainted', or why it is, as a report's first line says it. */
  get taintText(): string {
    return this.tainted === 0 ? 'Not tainted' : `Tainted: G${' '.repeat(8)}W${' '.repeat(9)}`;
  }

  /** Logs the block. `calls` are the functions that led there, innermost first; registers and code bytes are no part of this model. */
  warn(place: WarnPlace, text: string, calls: readonly string[]): void {
    const { printk, platform, modules } = this.kernel;
    const { current } = platform.cpus;
    const cpu = current?.id ?? 0;
    const pid = current?.currentPid ?? 0;
    printk.pr_warn('------------[ cut here ]------------');
    printk.pr_warn(text);
    printk.pr_warn(`WARNING: CPU: ${cpu} PID: ${pid} at ${place.source} ${place.symbol}`);
    printk.pr_warn(`Modules linked in: ${modules.loaded.map((m) => m.name).join(' ')}`);
    printk.dump_stack_print_info();
    printk.pr_warn(`RIP: 0010:${place.symbol}`);
    printk.pr_warn('Call Trace:');
    const context = current?.context === 'softirq' || current?.context === 'hardirq' ? 'IRQ' : 'TASK';
    printk.pr_warn(` <${context}>`);
    for (const c of calls) printk.pr_warn(` ${c}`);
    printk.pr_warn(` </${context}>`);
    printk.pr_warn('---[ end trace 0000000000000000 ]---');
    this.tainted |= 1 << TAINT_WARN;
    this.count++;
  }
}
