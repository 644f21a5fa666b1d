// WARN() as the log shows it (Linux: kernel/panic.c): the block around a warning, and that the kernel is tainted from then on.
import type { Kernel } from './kernel.ts';
import { UTS_RELEASE } from './kernel.ts';
import { UTS_VERSION } from './uts.ts';

/** Where in the sources the warning stands: '/build' is left out, as in a distribution's kernel. */
export interface WarnPlace {
  /** 'net/sched/sch_generic.c:525' */
  readonly source: string;
  /** 'dev_watchdog+0x207/0x210' */
  readonly symbol: string;
}

/** Linux: TAINT_WARN */
const TAINT_WARN = 9;
const HARDWARE = 'QEMU Standard PC (Q35 + ICH9, 2009), BIOS 1.16.2-debian-1.16.2-1 04/01/2014';

export class Warnings {
  /** /proc/sys/kernel/tainted */
  tainted = 0;
  count = 0;
  constructor(readonly kernel: Kernel) {}

  /** Logs the block. `calls` are the functions that led there, innermost first; registers and code bytes are no part of this model. */
  warn(place: WarnPlace, text: string, calls: readonly string[]): void {
    const { printk, platform, modules } = this.kernel;
    const { current } = platform.cpus;
    const cpu = current?.id ?? 0;
    const pid = current?.currentPid ?? 1;
    const comm = current === undefined ? 'swapper/0' : current.currentTask === 'swapper' ? `swapper/${cpu}` : current.currentTask;
    printk.pr_warn('------------[ cut here ]------------');
    printk.pr_warn(text);
    printk.pr_warn(`WARNING: CPU: ${cpu} PID: ${pid} at ${place.source} ${place.symbol}`);
    printk.pr_warn(`Modules linked in: ${modules.loaded.map((m) => m.name).join(' ')}`);
    const taint = this.tainted === 0 ? 'Not tainted' : `Tainted: G${' '.repeat(8)}W${' '.repeat(9)}`;
    printk.pr_warn(
      `CPU: ${cpu} PID: ${pid} Comm: ${comm} ${taint} ${UTS_RELEASE} ${UTS_VERSION.replace(/ SMP PREEMPT_DYNAMIC/, '').replace('#1 ', '#1  ')}`,
    );
    printk.pr_warn(`Hardware name: ${HARDWARE}`);
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
