// free(1) of procps: memory and swap from /proc/meminfo.
import { type Tool, type ToolContext, ToolExit } from '../tool.ts';

const UNITS: Readonly<Record<string, number>> = Object.freeze({ b: 1 / 1024, k: 1, m: 1024, g: 1024 * 1024 });
const SUFFIXES = ['Ki', 'Mi', 'Gi', 'Ti'];

/** Four characters at most, as -h does: one decimal below ten. */
function human(kib: number): string {
  if (kib === 0) return '0B';
  let value = kib;
  let unit = 0;
  while (value >= 1024 && unit < SUFFIXES.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${value < 9.95 ? value.toFixed(1) : Math.round(value)}${SUFFIXES[unit]}`;
}

function free(ctx: ToolContext): number {
  let divisor = 1;
  let readable = false;
  for (const word of ctx.argv.slice(1)) {
    const letter = /^-([bkmgh])$/.exec(word)?.[1];
    if (letter === undefined) throw new ToolExit(1, `free: ${word} is not modelled\n`);
    if (letter === 'h') readable = true;
    else divisor = UNITS[letter];
  }
  const info = new Map(Array.from(ctx.readFile('/proc/meminfo').matchAll(/^(\S+):\s+(\d+) kB$/gm), (m) => [m[1], Number(m[2])]));
  const of = (key: string): number => info.get(key) ?? 0;
  const cache = of('Buffers') + of('Cached') + of('SReclaimable');
  const available = of('MemAvailable');
  const cell = (kib: number): string => (readable ? human(kib) : String(Math.floor(kib / divisor))).padStart(12);
  const row = (name: string, values: readonly number[]): string => `${name.padEnd(8)}${values.map(cell).join('')}\n`;
  ctx.print(`${' '.repeat(15)}total        used        free      shared  buff/cache   available\n`);
  ctx.print(row('Mem:', [of('MemTotal'), of('MemTotal') - available, of('MemFree'), of('Shmem'), cache, available]));
  ctx.print(row('Swap:', [of('SwapTotal'), of('SwapTotal') - of('SwapFree'), of('SwapFree')]));
  return 0;
}

export const FREE: Tool = Object.freeze({ run: free });
