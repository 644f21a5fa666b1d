// Patterns written to the 82574L's registers and read back (Linux: e1000_reg_test()).
import { E1000 } from '../../pci/e1000e_regs.ts';
import type { E1000Adapter } from './adapter.ts';

const PATTERNS: readonly number[] = [0x5a5a5a5a, 0xa5a5a5a5, 0x00000000, 0xffffffff];
const RECEIVE_ADDRESSES = 15;
const MULTICAST_WORDS = 128;
const TXCW = 0x178;
const RAH_MASK = 0x8003ffff;

/** Register, the bits it has, the bits written. */
type Pattern = readonly [offset: number, mask: number, write: number];
const ALL = 0xffffffff;
const FIRST: readonly Pattern[] = [
  [E1000.FCAL, ALL, ALL],
  [E1000.FCAH, 0xffff, ALL],
  [E1000.FCT, 0xffff, ALL],
  [E1000.VET, 0xffff, ALL],
  [E1000.RDTR, 0xffff, ALL],
  [E1000.RDBAH0, ALL, ALL],
  [E1000.RDLEN0, 0xfff80, 0xfffff],
  [E1000.RDH0, 0xffff, 0xffff],
  [E1000.RDT0, 0xffff, 0xffff],
  [E1000.FCRTH, 0xfff8, 0xfff8],
  [E1000.FCTTV, 0xffff, 0xffff],
  [E1000.TIPG, 0x3fffffff, 0x3fffffff],
  [E1000.TDBAH0, ALL, ALL],
  [E1000.TDLEN0, 0xfff80, 0xfffff],
];
const SECOND: readonly Pattern[] = [
  [E1000.RDBAL0, 0xfffffff0, ALL],
  [TXCW, 0xc000ffff, 0xffff],
  [E1000.TDBAL0, 0xfffffff0, ALL],
  [E1000.TIDV, 0xffff, 0xffff],
];
const RCTL_BITS = 0x06dfb3fe;

const hex = (n: number): string => `0x${(n >>> 0).toString(16).toUpperCase().padStart(8, '0')}`;
const register = (n: number): string => `0x${n.toString(16).toUpperCase().padStart(5, '0')}`;

/** 0, or the offset of the first register that gave back something else; 1 when STATUS could be written. */
export function testRegisters(adapter: E1000Adapter): number {
  const { hw, kernel, dev } = adapter;
  const complain = (text: string, offset: number): number => {
    kernel.printk.netdev_err(dev, text);
    return offset;
  };
  /** Linux: reg_pattern_test() */
  const pattern = ([offset, mask, write]: Pattern): number => {
    for (const p of PATTERNS) {
      hw.ew32(offset, (p & write) >>> 0);
      const value = hw.er32(offset);
      const expected = (p & write & mask) >>> 0;
      if (value !== expected)
        return complain(`pattern test failed (reg ${register(offset)}): got ${hex(value)} expected ${hex(expected)}`, offset);
    }
    return 0;
  };
  /** Linux: reg_set_and_check() */
  const set = (offset: number, mask: number, write: number): number => {
    hw.ew32(offset, (write & mask) >>> 0);
    const value = hw.er32(offset);
    if (((write & mask) ^ (value & mask)) !== 0)
      return complain(`set/check test failed (reg ${register(offset)}): got ${hex(value & mask)} expected ${hex(write & mask)}`, offset);
    return 0;
  };
  const before = hw.er32(E1000.STATUS);
  // STATUS is read-only but for reserved bits
  const toggle = 0x7ffff033;
  const value = (before & toggle) >>> 0;
  hw.ew32(E1000.STATUS, toggle);
  const after = (hw.er32(E1000.STATUS) & toggle) >>> 0;
  if (value !== after) return complain(`failed STATUS register test got: ${hex(after)} expected: ${hex(value)}`, 1);
  hw.ew32(E1000.STATUS, before);
  return (
    first(FIRST, pattern) ||
    set(E1000.RCTL, ALL, 0) ||
    set(E1000.RCTL, RCTL_BITS, 0x003ffffb) ||
    set(E1000.TCTL, ALL, 0) ||
    set(E1000.RCTL, RCTL_BITS, ALL) ||
    first(SECOND, pattern) ||
    first(
      Array.from({ length: RECEIVE_ADDRESSES }, (_, i): Pattern => [E1000.RAH + 8 * i, RAH_MASK, ALL]),
      pattern,
    ) ||
    first(
      Array.from({ length: MULTICAST_WORDS }, (_, i): Pattern => [E1000.MTA + 4 * i, ALL, ALL]),
      pattern,
    )
  );
}

const first = (list: readonly Pattern[], test: (p: Pattern) => number): number => {
  for (const p of list) {
    const failed = test(p);
    if (failed !== 0) return failed;
  }
  return 0;
};
