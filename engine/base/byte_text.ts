// Bytes inside text: files, pipes and terminals carry strings, and a byte that is no UTF-8 travels in one as a lone surrogate (as PEP 383 does it).

/** Bytes 0x80–0xff are U+DC80–U+DCFF, which no well-formed text contains. */
const ESCAPE = 0xdc00;
const CHUNK = 4096;

const isEscape = (code: number): boolean => code >= 0xdc80 && code <= 0xdcff;

/** Any bytes as a text that `textToBytes` turns back into exactly these. */
export function bytesToText(bytes: Uint8Array): string {
  let out = '';
  for (let at = 0; at < bytes.length; at += CHUNK) {
    out += String.fromCharCode(...Array.from(bytes.subarray(at, at + CHUNK), (b) => (b < 0x80 ? b : ESCAPE + b)));
  }
  return out;
}

/** UTF-8 of a text, escaped bytes as they were. */
export function textToBytes(text: string): Uint8Array {
  const out = new Uint8Array(textByteLength(text));
  let n = 0;
  for (const c of text) {
    const code = c.codePointAt(0) ?? 0;
    if (code < 0x80) out[n++] = code;
    else if (isEscape(code)) out[n++] = code - ESCAPE;
    else {
      const more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
      out[n++] = [0xc0, 0xe0, 0xf0][more - 1] | (code >> (6 * more));
      for (let i = more - 1; i >= 0; i--) out[n++] = 0x80 | ((code >> (6 * i)) & 0x3f);
    }
  }
  return out;
}

/** Length of `textToBytes(text)`. */
export function textByteLength(text: string): number {
  let n = 0;
  for (const c of text) {
    const code = c.codePointAt(0) ?? 0;
    n += code < 0x80 || isEscape(code) ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  }
  return n;
}
