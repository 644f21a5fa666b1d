// The columns before a trace record's own text: task, CPU, the five context letters, time; and the header that explains them.
import type { Context } from '../../platform/cpu.ts';

const CODES: Readonly<Record<Context, number>> = Object.freeze({ idle: 0, task: 0, softirq: 1, hardirq: 2 });

/** Context and preemption depth in one byte. */
export const contextFlags = (context: Context, preemptCount: number): number => CODES[context] | (Math.min(preemptCount, 15) << 2);

/** irqs-off/BH-disabled, need-resched, hardirq/softirq, preempt-depth, migrate-disable. */
function contextLetters(flags: number): string {
  const code = flags & 3;
  const depth = flags >> 2;
  return `${code === 2 ? 'd' : '.'}.${code === 2 ? 'h' : code === 1 ? 's' : '.'}${depth === 0 ? '.' : depth.toString(16)}.`;
}

/** '  101.123456': seconds at least five wide. */
export function traceTime(nanoseconds: number): string {
  const us = Math.floor(nanoseconds / 1000);
  return `${String(Math.floor(us / 1e6)).padStart(5)}.${String(us % 1e6).padStart(6, '0')}`;
}

/** '# tracer: …' with the counts, and the legend of the columns. */
export function defaultHeader(entries: number, written: number, cpus: number, irqInfo: boolean): string {
  const counts = `# entries-in-buffer/entries-written: ${entries}/${written}   #P:${cpus}\n#\n`;
  if (!irqInfo) return `${counts}#           TASK-PID    CPU#     TIMESTAMP  FUNCTION\n#              | |        |         |         |\n`;
  const legend = [
    '  _-----=> irqs-off/BH-disabled',
    ' / _----=> need-resched',
    '| / _---=> hardirq/softirq',
    '|| / _--=> preempt-depth',
    '||| / _-=> migrate-disable',
    '|||| /     delay',
  ];
  return (
    counts +
    legend.map((l) => `#${' '.repeat(30)}${l}\n`).join('') +
    '#           TASK-PID     CPU#  |||||  TIMESTAMP  FUNCTION\n' +
    '#              | |         |   |||||     |         |\n'
  );
}

/** '            ping-312     [001] ..s..   101.123456: ' */
export function linePrefix(comm: string, pid: number, cpu: number, flags: number, time: number, irqInfo: boolean): string {
  const letters = irqInfo ? contextLetters(flags) : '';
  return `${comm.padStart(16)}-${String(pid).padEnd(7)} [${String(cpu).padStart(3, '0')}] ${letters} ${traceTime(time)}: `;
}
