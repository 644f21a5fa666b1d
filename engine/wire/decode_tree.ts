// Decode trees: nodes derived from layouts, so that a header's fields, order, places and notes are those of its one declaration.
import type { BytesField, Field, FieldInfo } from '../base/layout.ts';
import { ByteMem } from '../base/memory.ts';
import { formatMac } from './addresses.ts';

/** One line of a decode tree; start and end are byte offsets in what was decoded. */
export interface DecodeNode {
  readonly label: string;
  readonly note?: string;
  readonly start: number;
  readonly end: number;
  readonly children?: readonly DecodeNode[];
}

/** Any layout made by `struct`. */
export interface Layout {
  readonly $name: string;
  readonly $size: number;
  readonly $fields: readonly FieldInfo[];
}

/** How a field's value is written when a plain number will not do. */
export type Show<L extends Layout> = { readonly [K in Exclude<keyof L, '$name' | '$size' | '$fields'>]?: (value: number) => string };

export const hex = (n: number, digits = 4): string => `0x${n.toString(16).padStart(digits, '0')}`;

/** What a dissector works on: bytes, and the four columns of a packet list that it fills in as it learns more. */
export class Dissection {
  readonly mem: ByteMem;
  source = '';
  destination = '';
  protocol = '';
  info = '';
  readonly tree: DecodeNode[] = [];
  constructor(
    readonly bytes: Uint8Array,
    /** Bytes from here on are padding. */
    public end: number,
  ) {
    this.mem = new ByteMem(bytes);
  }

  /** True when a whole layout lies at `at`. */
  fits(layout: Layout, at: number): boolean {
    return at + layout.$size <= this.end;
  }

  get(field: Field, at: number): number {
    return field.get(this.mem, at);
  }

  /** Adds a header's node; `extra` follows its fields. */
  add(label: string, start: number, end: number, children: readonly DecodeNode[]): void {
    this.tree.push({ label, start, end, children });
  }

  /** Ends with what is left of a header that is cut short. */
  truncated(what: string, at: number): void {
    this.info ||= `${what} truncated`;
    if (at < this.end) this.tree.push({ label: `${what}, truncated: ${this.end - at} bytes`, start: at, end: this.end });
  }

  /** The rest as data. */
  data(at: number): void {
    if (at < this.end) this.tree.push({ label: `Data: ${this.end - at} bytes`, start: at, end: this.end });
  }
}

/** One node per field of a layout at `at`: 'name: value', with the field's note. */
export function fieldNodes<L extends Layout>(layout: L, mem: ByteMem, at: number, show: Show<L> = {}): DecodeNode[] {
  return layout.$fields.map((f) => {
    const start = at + f.offset;
    const member = (layout as unknown as Record<string, Field | BytesField>)[f.name];
    const text = 'get' in member ? (show[f.name as keyof Show<L>] ?? plain(f))(member.get(mem, at)) : showBytes(mem, start, f.size);
    return { label: `${f.name}: ${text}`, start, end: start + f.size, ...(f.note === '' ? {} : { note: f.note }) };
  });
}

const plain =
  (f: FieldInfo) =>
  (value: number): string =>
    f.kind === 'u8' || f.kind === 'be16' || f.kind === 'le16' ? String(value) : `${value} (${hex(value, f.size * 2)})`;

function showBytes(mem: ByteMem, at: number, size: number): string {
  const bytes = mem.bytes.subarray(at, at + size);
  return size === 6 ? formatMac(bytes) : [...bytes].map((b) => b.toString(16).padStart(2, '0')).join('');
}
