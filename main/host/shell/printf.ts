// The format language of printf(1).

/** Applies `format` to `args`, again while arguments are left. */
export function formatPrintf(format: string, args: readonly string[]): { text: string; errors: string[] } {
  const errors: string[] = [];
  let at = 0;
  const next = (): string | undefined => args[at++];
  const number = (text: string | undefined): number => {
    if (text === undefined || text === '') return 0;
    if (/^['"]/.test(text)) return text.codePointAt(1) ?? 0;
    const n = /^[+-]?0\d/.test(text) ? Number.parseInt(text, 8) : Number(text);
    if (Number.isNaN(n)) {
      errors.push(`${text}: invalid number`);
      return Number.parseInt(text, 10) || 0;
    }
    return n;
  };
  let out = '';
  do {
    const before = at;
    out += format.replaceAll(
      /\\(?:([abefnrtv\\'"])|([0-7]{1,3})|x([0-9a-fA-F]{1,2}))|%(%|([-+ 0#]*)(\*|\d*)(?:\.(\*|\d*))?([diouxXcsbqfeEgG]))/g,
      (m: string, esc?: string, oct?: string, hex?: string, spec?: string, flags = '', width = '', precision?: string, conv = 's') => {
        if (esc !== undefined) return { a: '\x07', b: '\b', e: '\x1b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' }[esc] ?? esc;
        if (oct !== undefined) return String.fromCharCode(Number.parseInt(oct, 8));
        if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16));
        if (spec === '%') return '%';
        const w = width === '*' ? number(next()) : Number(width);
        const p = precision === undefined ? undefined : precision === '*' ? number(next()) : Number(precision);
        const arg = next();
        return convert(conv, arg, flags, w, p, number) ?? m;
      },
    );
    if (at === before) break;
  } while (at < args.length);
  return { text: out, errors };
}

function convert(
  conv: string,
  arg: string | undefined,
  flags: string,
  width: number,
  precision: number | undefined,
  number: (t: string | undefined) => number,
): string | undefined {
  let text: string;
  switch (conv) {
    case 'd':
    case 'i':
    case 'u': {
      const n = Math.trunc(number(arg));
      text = String(Math.abs(n)).padStart(precision ?? 0, '0');
      text = (n < 0 ? '-' : flags.includes('+') ? '+' : flags.includes(' ') ? ' ' : '') + text;
      break;
    }
    case 'o':
      text = (flags.includes('#') ? '0' : '') + Math.trunc(number(arg)).toString(8);
      break;
    case 'x':
    case 'X':
      text =
        (flags.includes('#') ? '0x' : '') +
        Math.trunc(number(arg))
          .toString(16)
          .padStart(precision ?? 0, '0');
      if (conv === 'X') text = text.toUpperCase();
      break;
    case 'c':
      text = (arg ?? '').slice(0, 1);
      break;
    case 's':
      text = precision === undefined ? (arg ?? '') : (arg ?? '').slice(0, precision);
      break;
    case 'b':
      text = formatPrintf((arg ?? '').replaceAll('%', '%%'), []).text;
      break;
    case 'q':
      text = /^[\w./:=@%^,+-]+$/.test(arg ?? '') ? (arg ?? '') : `'${(arg ?? '').replaceAll("'", String.raw`'\''`)}'`;
      break;
    case 'f':
      text = number(arg).toFixed(precision ?? 6);
      break;
    case 'e':
    case 'E':
      text = number(arg).toExponential(precision ?? 6);
      break;
    default:
      text = String(Number(number(arg).toPrecision(precision ?? 6)));
  }
  if (flags.includes('-')) return text.padEnd(width);
  return flags.includes('0') && conv !== 's'
    ? /^[-+]/.test(text)
      ? text[0] + text.slice(1).padStart(width - 1, '0')
      : text.padStart(width, '0')
    : text.padStart(width);
}
