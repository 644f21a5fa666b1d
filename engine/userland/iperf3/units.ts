// iperf3's numbers with units: three significant digits, bytes by 1024, bits by 1000.

const BYTES = ['Byte', 'KByte', 'MByte', 'GByte', 'TByte'] as const;
const BITS = ['bit', 'Kbit', 'Mbit', 'Gbit', 'Tbit'] as const;

function digits(n: number): string {
  if (n < 9.995) return n.toFixed(2).padStart(4);
  if (n < 99.95) return n.toFixed(1).padStart(4);
  return n.toFixed(0).padStart(4);
}

/** `fixed`: 'k', 'm', 'g', 't' or '' for adaptive. */
function scaled(n: number, base: number, names: readonly string[], fixed: string): string {
  let i = fixed === '' ? 0 : 'kmgt'.indexOf(fixed) + 1;
  let value = n / base ** i;
  if (fixed === '')
    while (value >= base && i < names.length - 1) {
      value /= base;
      i++;
    }
  return `${digits(value)} ${names[i]}`;
}

/** '1.41 MByte' */
export const bytesText = (n: number): string => scaled(n, 1024, BYTES, '');
/** Bit rate of so many bytes per second; `format` as -f gives it: upper case means bytes. */
export function rateText(bytesPerSecond: number, format: string): string {
  const lower = format.toLowerCase();
  const fixed = lower === 'a' ? '' : lower;
  return format !== '' && format === format.toUpperCase()
    ? scaled(bytesPerSecond, 1024, BYTES, fixed)
    : scaled(bytesPerSecond * 8, 1000, BITS, fixed);
}

/** unit_atof() by 1024 and unit_atof_rate() by 1000: '20M', '1.5g'; NaN for what is none. */
export function parseUnits(text: string, base: number): number {
  const m = /^(\d+(?:\.\d*)?)([kmgtKMGT]?)$/.exec(text);
  if (m === null) return Number.NaN;
  return Math.floor(Number(m[1]) * base ** ('kmgt'.indexOf(m[2].toLowerCase()) + (m[2] === '' ? 0 : 1)));
}
