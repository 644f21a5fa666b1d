// iperf3's lines: headers, intervals, sums.
import type { Interval } from './stream.ts';
import { bytesText, rateText } from './units.ts';

export const SEPARATOR = '- - - - - - - - - - - - - - - - - - - - - - - - -\n';
export const SERVER_LINE = '-----------------------------------------------------------\n';

const HEAD = '[ ID] Interval           Transfer     Bitrate';
export const HEADERS = Object.freeze({
  plain: `${HEAD}\n`,
  retransCwnd: `${HEAD}         Retr  Cwnd\n`,
  retrans: `${HEAD}         Retr\n`,
  udp: `${HEAD}         Jitter    Lost/Total Datagrams\n`,
  udpSender: `${HEAD}         Total Datagrams\n`,
});

const label = (id: number | 'SUM'): string => (id === 'SUM' ? '[SUM]' : `[${String(id).padStart(3)}]`);

function start(id: number | 'SUM', from: number, to: number, bytes: number, format: string): string {
  const seconds = to - from;
  const rate = seconds > 0 ? bytes / seconds : 0;
  return `${label(id)} ${from.toFixed(2).padStart(6)}-${to.toFixed(2).padEnd(6)} sec  ${bytesText(bytes)}s  ${rateText(rate, format)}s/sec`;
}

/** printf's %.2g of a percentage. */
export function percent(part: number, whole: number): string {
  if (whole === 0) return '0';
  const p = (100 * part) / whole;
  if (p === 0) return '0';
  const exponent = Math.floor(Math.log10(p));
  if (exponent < -4 || exponent >= 2) {
    const [mantissa, power] = p.toExponential(1).split('e');
    const digits = Math.abs(Number(power)).toString().padStart(2, '0');
    return `${mantissa.replace(/\.0$/, '')}e${power.startsWith('-') ? '-' : '+'}${digits}`;
  }
  return String(Number(p.toPrecision(2)));
}

export type LineKind = 'plain' | 'retransCwnd' | 'retrans' | 'udp' | 'udpSender';
export type Totals = Pick<Interval, 'bytes' | 'retransmits' | 'cwnd' | 'packets' | 'lost' | 'jitter'>;

/** A line of that kind; `what`: 'sender', 'receiver', '(omitted)' or ''. */
export function line(kind: LineKind, id: number | 'SUM', from: number, to: number, t: Totals, what: string, format: string): string {
  const begin = start(id, from, to, t.bytes, format);
  switch (kind) {
    case 'plain':
      return `${begin}                  ${what}\n`;
    case 'retransCwnd':
      return id === 'SUM'
        ? `${begin}  ${String(t.retransmits).padStart(3)}             ${what}\n`
        : `${begin}  ${String(t.retransmits).padStart(3)}   ${bytesText(t.cwnd)}s       ${what}\n`;
    case 'retrans':
      return `${begin}  ${String(t.retransmits).padStart(3)}             ${what}\n`;
    case 'udp':
      return `${begin}  ${(t.jitter * 1000).toFixed(3).padStart(5)} ms  ${t.lost}/${t.packets} (${percent(t.lost, t.packets)}%)  ${what}\n`;
    case 'udpSender':
      return `${begin}  ${t.packets}  ${what}\n`;
  }
}

export function sum(lines: readonly Totals[]): Totals {
  const add = (f: (t: Totals) => number): number => lines.reduce((n, t) => n + f(t), 0);
  return {
    bytes: add((t) => t.bytes),
    retransmits: add((t) => t.retransmits),
    cwnd: add((t) => t.cwnd),
    packets: add((t) => t.packets),
    lost: add((t) => t.lost),
    jitter: lines.length === 0 ? 0 : add((t) => t.jitter) / lines.length,
  };
}
