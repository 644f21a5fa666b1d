// Which functions lspci shows: `-s [[[domain:]bus:]slot][.function]` and `-d [vendor]:[device][:class[:interface]]`, each part '*' or empty for any.
import type { PciNumbers } from './lspci_names.ts';

/** A parsed selection; undefined matches anything. */
export interface Selection {
  readonly domain?: number | undefined;
  readonly bus?: number | undefined;
  readonly slot?: number | undefined;
  readonly fn?: number | undefined;
  readonly vendor?: number | undefined;
  readonly device?: number | undefined;
  readonly classCode?: number | undefined;
  readonly progIf?: number | undefined;
}

const BAD = Symbol('bad');

function field(text: string | undefined, max: number): number | undefined | typeof BAD {
  if (text === undefined || text === '' || text === '*') return undefined;
  if (!/^(0x)?[0-9a-fA-F]+$/.test(text)) return BAD;
  const n = Number.parseInt(text, 16);
  return n > max ? BAD : n;
}

/** Reads parts in order, each with its name for the complaint; a text is the complaint. */
function parts(fields: readonly (readonly [keyof Selection, string | undefined, number, string])[]): Selection | string {
  const out: Partial<Record<keyof Selection, number>> = {};
  for (const [key, text, max, name] of fields) {
    const n = field(text, max);
    if (n === BAD) return `Invalid ${name}`;
    if (n !== undefined) out[key] = n;
  }
  return out;
}

/** `-s`; a text says what is wrong. */
export function parseSlot(text: string): Selection | string {
  const words = text.split(':');
  if (words.length > 3) return 'Too many fields';
  const [slot, fn] = (words.at(-1) ?? '').split('.');
  return parts([
    ['domain', words.length === 3 ? words[0] : undefined, 0x7fffffff, 'domain number'],
    ['bus', words.length > 1 ? words.at(-2) : undefined, 0xff, 'bus number'],
    ['slot', slot, 0x1f, 'slot number'],
    ['fn', fn, 7, 'function number'],
  ]);
}

/** `-d`; a text says what is wrong. */
export function parseId(text: string): Selection | string {
  const words = text.split(':');
  if (words.length < 2) return 'At least two fields must be given';
  if (words.length > 4) return 'Too many fields';
  return parts([
    ['vendor', words[0], 0xffff, 'vendor ID'],
    ['device', words[1], 0xffff, 'device ID'],
    ['classCode', words[2], 0xffff, 'class code'],
    ['progIf', words[3], 0xff, 'programming interface code'],
  ]);
}

/** `slot` is '0000:00:1f.2'. */
export function selected(s: Selection, slot: string, f: PciNumbers): boolean {
  const [domain, bus, rest] = slot.split(':');
  const [device, fn] = rest.split('.');
  const fits = (want: number | undefined, have: string): boolean => want === undefined || want === Number.parseInt(have, 16);
  return (
    fits(s.domain, domain) &&
    fits(s.bus, bus) &&
    fits(s.slot, device) &&
    fits(s.fn, fn) &&
    fits(s.vendor, f.vendor) &&
    fits(s.device, f.device) &&
    fits(s.classCode, f.classCode) &&
    (s.progIf === undefined || s.progIf === f.progIf)
  );
}
