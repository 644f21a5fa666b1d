// The counters of `ip -s link`: columns as wide as the widest value, optionally human readable.
import type { LinkInfo } from '../../kernel/rtnl_link_kinds.ts';
import type { IpContext } from './ip_context.ts';

/** Widths that the column titles need. */
const TITLE_WIDTHS: readonly number[] = ['*X errors:', 'packets', 'errors', 'dropped', 'heartbt', 'overrun', 'compressed'].map(
  (t) => t.length,
);

/** A counter as -h and -iec show it: three significant digits and a prefix. */
export function humanNumber(value: number, iec: boolean): string {
  const base = iec ? 1024 : 1000;
  if (value < base) return String(value);
  const prefixes = 'kMGTPE';
  let power = base;
  let at = 0;
  while (value / base >= power && at < prefixes.length - 1) {
    power *= base;
    at++;
  }
  let precision = 2;
  for (let limit = 10; precision > 0 && Math.floor(value / power) >= limit; precision--) limit *= 10;
  return `${(value / power).toFixed(precision)}${prefixes[at]}${iec ? 'i' : ''}`;
}

type Row = readonly number[];

function statistics(l: LinkInfo): { rx: Row; rxErrors: Row; tx: Row; txErrors: Row } {
  const s = l.stats;
  return {
    rx: [s.rx_bytes, s.rx_packets, s.rx_errors, s.rx_dropped, s.rx_missed_errors, s.multicast, s.rx_compressed],
    rxErrors: [0, s.rx_length_errors, s.rx_crc_errors, s.rx_frame_errors, s.rx_fifo_errors, s.rx_over_errors, s.rx_nohandler],
    tx: [s.tx_bytes, s.tx_packets, s.tx_errors, s.tx_dropped, s.tx_carrier_errors, s.collisions, s.tx_compressed],
    txErrors: [
      0,
      s.tx_aborted_errors,
      s.tx_fifo_errors,
      s.tx_window_errors,
      s.tx_heartbeat_errors,
      l.carrier_up_count + l.carrier_down_count,
      0,
    ],
  };
}

/** `indent` is of the first line; all lines carry it. */
export function statsText(
  l: LinkInfo,
  options: { readonly detailed: boolean; readonly human: boolean; readonly iec: boolean; readonly eol: string },
): string {
  const { rx, rxErrors, tx, txErrors } = statistics(l);
  const show = (n: number): string => (options.human ? humanNumber(n, options.iec) : String(n));
  const rows = options.detailed ? [rx, rxErrors, tx, txErrors] : [rx, tx];
  const widths = TITLE_WIDTHS.map((w, i) => Math.max(w, ...rows.map((r) => String(r[i]).length)));
  const title = (label: string, names: readonly string[], last: string): string =>
    `    ${label}${names.map((n, i) => n.padStart(i === 0 ? widths[0] - label.length : widths[i])).join(' ')}${last}`;
  const values = (row: Row, first: boolean, count: number): string => {
    const cells = row.slice(0, count).map((n, i) => (i === 0 && !first ? ' '.repeat(widths[0]) : show(n).padStart(widths[i])));
    return `    ${cells.join(' ')} `;
  };
  const compressed = (n: number): string => ` ${(n > 0 ? 'compressed' : '').padStart(widths[6])}`;
  const lines = [
    title('RX:', ['bytes', 'packets', 'errors', 'dropped', 'missed', 'mcast'], compressed(rx[6])),
    values(rx, true, rx[6] > 0 ? 7 : 6),
  ];
  if (options.detailed)
    lines.push(
      title('RX errors:', ['', 'length', 'crc', 'frame', 'fifo', 'overrun'], rxErrors[6] > 0 ? ` ${'nohandler'.padStart(widths[6])}` : ''),
      values(rxErrors, false, rxErrors[6] > 0 ? 7 : 6),
    );
  lines.push(
    title('TX:', ['bytes', 'packets', 'errors', 'dropped', 'carrier', 'collsns'], compressed(tx[6])),
    values(tx, true, tx[6] > 0 ? 7 : 6),
  );
  if (options.detailed)
    lines.push(title('TX errors:', ['', 'aborted', 'fifo', 'window', 'heartbt', 'transns'], ''), values(txErrors, false, 6));
  return lines.join(options.eol);
}

function statsJson(ip: IpContext, l: LinkInfo): void {
  const { out, opt } = ip;
  const s = l.stats;
  const detailed = opt.stats > 1;
  const write = (key: string, members: readonly (readonly [string, number])[]): void => {
    out.openObject(key);
    for (const [k, v] of members) out.js(k, v);
    out.closeObject();
  };
  out.openObject('stats64');
  write('rx', [
    ['bytes', s.rx_bytes],
    ['packets', s.rx_packets],
    ['errors', s.rx_errors],
    ['dropped', s.rx_dropped],
    ['over_errors', s.rx_over_errors],
    ['multicast', s.multicast],
    ...(s.rx_compressed > 0 ? [['compressed', s.rx_compressed] as const] : []),
    ...(detailed
      ? ([
          ['length_errors', s.rx_length_errors],
          ['crc_errors', s.rx_crc_errors],
          ['frame_errors', s.rx_frame_errors],
          ['fifo_errors', s.rx_fifo_errors],
          ['missed_errors', s.rx_missed_errors],
          ...(s.rx_nohandler > 0 ? [['nohandler', s.rx_nohandler] as const] : []),
        ] as const)
      : []),
  ]);
  write('tx', [
    ['bytes', s.tx_bytes],
    ['packets', s.tx_packets],
    ['errors', s.tx_errors],
    ['dropped', s.tx_dropped],
    ['carrier_errors', s.tx_carrier_errors],
    ['collisions', s.collisions],
    ...(s.tx_compressed > 0 ? [['compressed', s.tx_compressed] as const] : []),
    ...(detailed
      ? ([
          ['aborted_errors', s.tx_aborted_errors],
          ['fifo_errors', s.tx_fifo_errors],
          ['window_errors', s.tx_window_errors],
          ['heartbeat_errors', s.tx_heartbeat_errors],
          ['carrier_changes', l.carrier_up_count + l.carrier_down_count],
        ] as const)
      : []),
  ]);
  out.closeObject();
}

/** Statistics of one link, without the last line's end. */
export function printLinkStats(ip: IpContext, l: LinkInfo): void {
  const { opt } = ip;
  if (ip.out.json !== undefined) return statsJson(ip, l);
  ip.out.fp(statsText(l, { detailed: opt.stats > 1, human: opt.human, iec: opt.iec, eol: opt.oneline ? '\\' : '\n' }));
}
