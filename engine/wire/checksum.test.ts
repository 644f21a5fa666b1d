// The Internet checksum, by words and by bytes.
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { ByteMem } from '../base/memory.ts';
import { csumBytes, csumFold, csumPartial } from './checksum.ts';

it('RFC 1071 §3: the worked example', () => {
  expect(csumFold(csumBytes(Uint8Array.of(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7), 0, 8))).toBe(~0xddf2 & 0xffff);
});

it('over any part of any array both functions agree, whatever the alignment', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 3000 }), fc.nat(9), fc.nat(40), fc.nat(0xffff), (data, shift, skip, sum) => {
      const shifted = new Uint8Array(data.length + shift).subarray(shift);
      shifted.set(data);
      const from = Math.min(skip, data.length);
      const length = data.length - from;
      expect(csumFold(csumBytes(shifted, from, length, sum))).toBe(csumFold(csumPartial(new ByteMem(data), from, length, sum)));
    }),
  );
});
