// Hex and ASCII dumps of -x, -X and -A.

const PER_LINE = 16;

const pairs = (bytes: Uint8Array): string => {
  let out = '';
  for (let i = 0; i < bytes.length; i++) out += ((i & 1) === 0 ? ' ' : '') + bytes[i].toString(16).padStart(2, '0');
  return out;
};
const ascii = (bytes: Uint8Array): string => Array.from(bytes, (b) => (b > 0x20 && b < 0x7f ? String.fromCharCode(b) : '.')).join('');

function lines(indent: string, bytes: Uint8Array, text: (chunk: Uint8Array) => string): string {
  let out = '';
  for (let at = 0; at < bytes.length; at += PER_LINE)
    out += `${indent}0x${at.toString(16).padStart(4, '0')}: ${text(bytes.subarray(at, at + PER_LINE))}`;
  return out;
}

/** '\n\t0x0000:  4500 0054 …' */
export function hexLines(indent: string, bytes: Uint8Array): string {
  return lines(indent, bytes, pairs);
}

/** The same with a column of characters. */
export function hexAsciiLines(indent: string, bytes: Uint8Array): string {
  return lines(indent, bytes, (chunk) => `${pairs(chunk).padEnd(40)}  ${ascii(chunk)}`);
}

/** -A: printable characters, line ends and tabs as they are, dots for the rest. */
export function asciiText(bytes: Uint8Array): string {
  let out = '\n';
  for (let i = 0; i < bytes.length; i++) {
    const b = bytes[i];
    if (b === 0x0d && bytes[i + 1] === 0x0a) continue;
    out += b === 0x0a || b === 0x09 || (b >= 0x20 && b < 0x7f) ? String.fromCharCode(b) : '.';
  }
  return out;
}
