// ss's columns: contents first, widths from the longest, then the lines (Linux: iproute2's compact output, for what is not a terminal).

interface Column {
  readonly header: string;
  readonly delimiter: string;
  readonly right: boolean;
}
const COLUMNS: readonly Column[] = Object.freeze([
  { header: 'Netid', delimiter: '', right: false },
  { header: 'State', delimiter: ' ', right: false },
  { header: 'Recv-Q', delimiter: ' ', right: false },
  { header: 'Send-Q', delimiter: ' ', right: false },
  { header: 'Local Address:', delimiter: ' ', right: true },
  { header: 'Port', delimiter: '', right: false },
  { header: 'Peer Address:', delimiter: ' ', right: true },
  { header: 'Port', delimiter: '', right: false },
  { header: 'Process', delimiter: '', right: false },
]);
export const COL = { NETID: 0, STATE: 1, RECVQ: 2, SENDQ: 3, LADDR: 4, LPORT: 5, PADDR: 6, PPORT: 7, PROC: 8 } as const;

export type Row = readonly string[];

/** Text of a table; `hidden` columns are left out. */
export function render(rows: readonly Row[], hidden: readonly number[], header: boolean): string {
  const lines = header ? [COLUMNS.map((c) => c.header), ...rows] : [...rows];
  const shown = COLUMNS.map((_, i) => i).filter((i) => !hidden.includes(i));
  const widths = new Map(shown.map((i) => [i, Math.max(0, ...lines.map((l) => l[i].length))]));
  let out = '';
  for (const l of lines) {
    shown.forEach((i, at) => {
      const width = widths.get(i) ?? 0;
      const text = COLUMNS[i].right ? l[i].padStart(width) : l[i].padEnd(width);
      out += (at > 0 && width > 0 ? COLUMNS[i].delimiter : '') + text;
    });
    out += '\n';
  }
  return out;
}
