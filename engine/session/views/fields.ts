// Fields of a layout in memory as texts, for views.
import type { FieldInfo } from '../../base/layout.ts';
import type { Mem } from '../../base/memory.ts';

export interface FieldText {
  readonly name: string;
  readonly value: string;
  readonly note: string;
  readonly offset: number;
  readonly size: number;
}

/** Every integer field of a layout at `base`, as text. */
export function fieldsAt(
  layout: { readonly $fields: readonly FieldInfo[] },
  mem: Mem,
  base: number,
  show: (name: string, value: number) => string = (_n, v) => String(v),
): FieldText[] {
  return layout.$fields.map((f) => {
    const at = base + f.offset;
    const value =
      f.kind === 'u8'
        ? mem.u8(at)
        : f.kind === 'le16'
          ? mem.u16(at)
          : f.kind === 'le32'
            ? mem.u32(at)
            : f.kind === 'le64'
              ? mem.u64(at)
              : f.kind === 'be16'
                ? mem.u16be(at)
                : f.kind === 'be32'
                  ? mem.u32be(at)
                  : 0;
    return { name: f.name, value: show(f.name, value), note: f.note, offset: f.offset, size: f.size };
  });
}

export const toHex = (b: Uint8Array): string => Array.from(b, (x) => x.toString(16).padStart(2, '0')).join('');
