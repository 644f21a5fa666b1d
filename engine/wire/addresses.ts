// Text forms of MAC, IPv4 and IPv6 addresses (RFC 5952), parsed with a reason or not at all.

/** '52:54:00:12:34:56' of 6 bytes. */
export function formatMac(bytes: Uint8Array, at = 0): string {
  let out = '';
  for (let i = 0; i < 6; i++) out += (i > 0 ? ':' : '') + bytes[at + i].toString(16).padStart(2, '0');
  return out;
}

/** 6 bytes, or undefined. Accepts ':' and '-' between one- or two-digit groups. */
export function parseMac(text: string): Uint8Array | undefined {
  const parts = text.split(/[:-]/);
  if (parts.length !== 6 || !parts.every((p) => /^[0-9a-fA-F]{1,2}$/.test(p))) return undefined;
  return Uint8Array.from(parts, (p) => Number.parseInt(p, 16));
}

/** '10.0.0.2' of a 32-bit number. */
export function formatIpv4(a: number): string {
  return `${(a >>> 24) & 0xff}.${(a >>> 16) & 0xff}.${(a >>> 8) & 0xff}.${a & 0xff}`;
}

/** A 32-bit number, or undefined: four decimal parts. */
export function parseIpv4(text: string): number | undefined {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((p) => /^\d{1,3}$/.test(p) && Number(p) < 256)) return undefined;
  return parts.reduce((n, p) => n * 256 + Number(p), 0);
}

/** RFC 5952 text of 16 bytes. */
export function formatIpv6(b: Uint8Array, at = 0): string {
  const words: number[] = [];
  for (let i = 0; i < 8; i++) words.push((b[at + 2 * i] << 8) | b[at + 2 * i + 1]);
  if (words.slice(0, 5).every((w) => w === 0) && words[5] === 0xffff) return `::ffff:${formatIpv4(((words[6] << 16) | words[7]) >>> 0)}`;
  let best = -1;
  let bestLen = 1;
  for (let i = 0; i < 8; i++) {
    let j = i;
    while (j < 8 && words[j] === 0) j++;
    if (j - i > bestLen) {
      best = i;
      bestLen = j - i;
    }
    if (j > i) i = j;
  }
  const hex = (w: readonly number[]): string => w.map((x) => x.toString(16)).join(':');
  return best < 0 ? hex(words) : `${hex(words.slice(0, best))}::${hex(words.slice(best + bestLen))}`;
}

/** 16 bytes, or undefined. No zone. */
export function parseIpv6(text: string): Uint8Array | undefined {
  let t = text;
  const v4 = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(t);
  if (v4 !== null) {
    const a = parseIpv4(v4[2]);
    if (a === undefined) return undefined;
    t = `${v4[1]}${(a >>> 16).toString(16)}:${(a & 0xffff).toString(16)}`;
  }
  const halves = t.split('::');
  if (halves.length > 2) return undefined;
  const words = (h: string): string[] => (h === '' ? [] : h.split(':'));
  const head = words(halves[0]);
  const tail = halves.length === 2 ? words(halves[1]) : [];
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const all = [...head, ...new Array<string>(missing).fill('0'), ...tail];
  if (!all.every((w) => /^[0-9a-fA-F]{1,4}$/.test(w))) return undefined;
  return Uint8Array.from(all.flatMap((w) => [Number.parseInt(w, 16) >> 8, Number.parseInt(w, 16) & 0xff]));
}
