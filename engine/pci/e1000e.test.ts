// The 82574L's layouts and register table: offsets as the datasheet prints them, each field both ways over 0xa5.
import { describe, expect, it } from 'vitest';
import { ByteMem } from '../base/memory.ts';
import type { Field } from '../base/layout.ts';
import { E1000_DESC_SIZE, RxDescLegacy, RxDescRead, RxDescWriteback, TxDescContext, TxDescData, TxDescLegacy } from './e1000e_desc.ts';
import { E1000, E1000E_REGISTERS, registerName } from './e1000e_regs.ts';

const ALL = [RxDescLegacy, RxDescRead, RxDescWriteback, TxDescLegacy, TxDescContext, TxDescData];

describe('descriptors', () => {
  it.each(ALL.map((l) => [l.$name, l] as const))('%s: 16 bytes, and each field writes its own and nothing else', (_name, layout) => {
    expect(layout.$size).toBe(E1000_DESC_SIZE);
    for (const f of layout.$fields) {
      const mem = new ByteMem(new Uint8Array(E1000_DESC_SIZE + 8).fill(0xa5));
      const value = f.size === 8 ? 0x0011_2233_4455_66 : Number(`0x${'11223344'.slice(0, f.size * 2)}`);
      const field = (layout as unknown as Record<string, Field>)[f.name];
      field.set(mem, 4, value);
      expect(field.get(mem, 4)).toBe(value);
      mem.bytes.fill(0xa5, 4 + f.offset, 4 + f.offset + f.size);
      expect(mem.bytes.every((b) => b === 0xa5)).toBe(true);
    }
  });

  it('82574L datasheet §7.2.12: a data descriptor has its length, type and command in one word, status and options behind it', () => {
    expect([TxDescData.cmd_and_length.offset, TxDescData.status.offset, TxDescData.popts.offset, TxDescData.special.offset]).toEqual([
      8, 12, 13, 14,
    ]);
    // a legacy descriptor's command byte is the word's highest
    expect(TxDescLegacy.cmd.offset).toBe(TxDescData.cmd_and_length.offset + 3);
  });
});

describe('registers', () => {
  it('lie at addresses of their own', () => {
    const taken = new Map<number, string>();
    for (const [name, r] of Object.entries(E1000E_REGISTERS)) {
      for (let i = 0; i < r.count; i++) {
        expect(taken.get(r.offset + r.stride * i), `${name}[${i}]`).toBeUndefined();
        taken.set(r.offset + r.stride * i, name);
      }
    }
  });

  it('have their names by offset, also within a table', () => {
    expect(registerName(E1000.RCTL)).toBe('RCTL');
    expect(registerName(E1000.MTA + 8)).toBe('MTA[2]');
    expect([registerName(E1000.RA + 8), registerName(E1000.RA + 12)]).toEqual(['RA[1]', 'RAH[1]']);
    expect(registerName(0x1234)).toBe('0x01234');
  });
});
