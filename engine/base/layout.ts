// One declaration per byte layout (style R1): offsets, accessors, size and the inspector's decoder follow from it.
import type { Mem } from './memory.ts';

export type FieldKind = 'u8' | 'le16' | 'le32' | 'le64' | 'be16' | 'be32' | 'bytes';
const SIZES = { u8: 1, le16: 2, le32: 4, le64: 8, be16: 2, be32: 4, bytes: 0 } as const;

/** What a field looks like to documentation and inspectors. */
export interface FieldInfo {
  readonly name: string;
  readonly kind: FieldKind;
  readonly offset: number;
  readonly size: number;
  readonly note: string;
}

/** An integer field at a fixed offset. `get(mem, base)`, `set(mem, base, value)`. */
export interface Field {
  readonly offset: number;
  readonly size: number;
  get(mem: Mem, base: number): number;
  set(mem: Mem, base: number, value: number): void;
}

class U8Field implements Field {
  readonly size = 1;
  constructor(readonly offset: number) {}
  get(mem: Mem, base: number): number {
    return mem.u8(base + this.offset);
  }
  set(mem: Mem, base: number, value: number): void {
    mem.setU8(base + this.offset, value);
  }
}
class Le16Field implements Field {
  readonly size = 2;
  constructor(readonly offset: number) {}
  get(mem: Mem, base: number): number {
    return mem.u16(base + this.offset);
  }
  set(mem: Mem, base: number, value: number): void {
    mem.setU16(base + this.offset, value);
  }
}
class Le32Field implements Field {
  readonly size = 4;
  constructor(readonly offset: number) {}
  get(mem: Mem, base: number): number {
    return mem.u32(base + this.offset);
  }
  set(mem: Mem, base: number, value: number): void {
    mem.setU32(base + this.offset, value);
  }
}
class Le64Field implements Field {
  readonly size = 8;
  constructor(readonly offset: number) {}
  get(mem: Mem, base: number): number {
    return mem.u64(base + this.offset);
  }
  set(mem: Mem, base: number, value: number): void {
    mem.setU64(base + this.offset, value);
  }
}
class Be16Field implements Field {
  readonly size = 2;
  constructor(readonly offset: number) {}
  get(mem: Mem, base: number): number {
    return mem.u16be(base + this.offset);
  }
  set(mem: Mem, base: number, value: number): void {
    mem.setU16be(base + this.offset, value);
  }
}
class Be32Field implements Field {
  readonly size = 4;
  constructor(readonly offset: number) {}
  get(mem: Mem, base: number): number {
    return mem.u32be(base + this.offset);
  }
  set(mem: Mem, base: number, value: number): void {
    mem.setU32be(base + this.offset, value);
  }
}
/** A byte array field: only its place is declared; read it with `mem.read(base + offset, …)`. */
export class BytesField {
  constructor(
    readonly offset: number,
    readonly size: number,
  ) {}
}

export interface Spec<K extends FieldKind = FieldKind> {
  readonly kind: K;
  readonly note: string;
  readonly length: number;
}
const spec =
  <K extends FieldKind>(kind: K) =>
  (note = ''): Spec<K> => ({ kind, note, length: SIZES[kind] });
/** Field kinds; the argument is the one-sentence note shown on hover. */
export const u8 = spec('u8');
export const le16 = spec('le16');
export const le32 = spec('le32');
export const le64 = spec('le64');
export const be16 = spec('be16');
export const be32 = spec('be32');
export const bytes = (length: number, note = ''): Spec<'bytes'> => ({ kind: 'bytes', note, length });

export type Struct<S extends Record<string, Spec>> = {
  readonly [N in keyof S]: S[N] extends Spec<'bytes'> ? BytesField : Field;
} & { readonly $name: string; readonly $size: number; readonly $fields: readonly FieldInfo[] };

function makeField(kind: FieldKind, offset: number, length: number): Field | BytesField {
  switch (kind) {
    case 'u8':
      return new U8Field(offset);
    case 'le16':
      return new Le16Field(offset);
    case 'le32':
      return new Le32Field(offset);
    case 'le64':
      return new Le64Field(offset);
    case 'be16':
      return new Be16Field(offset);
    case 'be32':
      return new Be32Field(offset);
    case 'bytes':
      return new BytesField(offset, length);
  }
}

/** Packed layout, fields in order without padding. `struct('virtq_desc', { addr: le64('…'), len: le32('…') })`. */
export function struct<S extends Record<string, Spec>>(name: string, fields: S): Struct<S> {
  const out: Record<string, unknown> = {};
  const infos: FieldInfo[] = [];
  let offset = 0;
  for (const [key, { kind, note, length }] of Object.entries(fields)) {
    out[key] = makeField(kind, offset, length);
    infos.push({ name: key, kind, offset, size: length, note });
    offset += length;
  }
  return Object.freeze({ ...out, $name: name, $size: offset, $fields: Object.freeze(infos) }) as Struct<S>;
}
