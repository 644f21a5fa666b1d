// Bytes that travel as text come back as they were.
import { expect, test } from 'vitest';
import { bytesToText, textByteLength, textToBytes } from './byte_text.ts';

test('every byte survives, alone and in any order', () => {
  const bytes = Uint8Array.from({ length: 10_000 }, (_, i) => (i * 167 + (i >> 8)) & 0xff);
  const text = bytesToText(bytes);
  expect(textToBytes(text)).toEqual(bytes);
  expect(textByteLength(text)).toBe(bytes.length);
});

test('text is UTF-8, also next to escaped bytes', () => {
  const text = `é€😀${bytesToText(Uint8Array.of(0xc3, 0x28, 0xff))}x`;
  expect([...textToBytes(text)]).toEqual([0xc3, 0xa9, 0xe2, 0x82, 0xac, 0xf0, 0x9f, 0x98, 0x80, 0xc3, 0x28, 0xff, 0x78]);
  expect(textByteLength(text)).toBe(13);
});

test('joining two halves of a character joins their bytes', () => {
  expect([...textToBytes(bytesToText(Uint8Array.of(0xc3)) + bytesToText(Uint8Array.of(0xa9)))]).toEqual([0xc3, 0xa9]);
});
