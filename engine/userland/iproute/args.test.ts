// Words of the command line as iproute2 reads them.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ToolExit } from '../tool.ts';
import { Args, formatAddress, getPrefix, matches, parsePrefix, parseUnsigned, samePrefix } from './args.ts';

const thrown = (f: () => unknown): ToolExit => {
  try {
    f();
  } catch (e) {
    if (e instanceof ToolExit) return e;
    throw e;
  }
  throw new Error('nothing was thrown');
};

test('a keyword may be abbreviated to any beginning but the empty one', () => {
  expect([matches('a', 'address'), matches('addr', 'address'), matches('address', 'address')]).toEqual([true, true, true]);
  expect([matches('', 'address'), matches('addresses', 'address'), matches('b', 'address')]).toEqual([false, false, false]);
});

test('missing parts of a dotted address are zero, and a mask may stand for the length', () => {
  const text = (w: string): string | undefined => {
    const p = parsePrefix(w, 0);
    return p === undefined ? undefined : `${formatAddress(p.bytes)}/${p.bitlen}`;
  };
  expect(text('10/8')).toBe('10.0.0.0/8');
  expect(text('10.1.2.3')).toBe('10.1.2.3/32');
  expect(text('10.1.0.0/255.255.0.0')).toBe('10.1.0.0/16');
  expect(text('2001:db8::/32')).toBe('2001:db8::/32');
  expect([
    text('10.0.0.300/24'),
    text('10.0.0.1/33'),
    text('1.2.3.4.5'),
    text('::1/129'),
    text('bogus'),
    text('10.1.0.0/255.0.255.0'),
  ]).toEqual(new Array(6).fill(undefined));
});

test('what is no prefix ends the tool with status 1 and names the family asked for', () => {
  expect(thrown(() => getPrefix('bogus', 0))).toMatchObject({
    status: 1,
    text: 'Error: any valid prefix is expected rather than "bogus".\n',
  });
  expect(thrown(() => getPrefix('::1', 2))).toMatchObject({ status: 1, text: 'Error: inet prefix is expected rather than "::1".\n' });
  expect(thrown(() => new Args(['dev']).next())).toMatchObject({ status: 255, text: 'Command line is not complete. Try option "help"\n' });
});

test('numbers are decimal, octal or hexadecimal, never negative, and bounded', () => {
  expect([
    parseUnsigned('0x10'),
    parseUnsigned('010'),
    parseUnsigned('10'),
    parseUnsigned('-1'),
    parseUnsigned('256', 255),
    parseUnsigned('1x'),
  ]).toEqual([16, 8, 10, undefined, undefined, undefined]);
});

test('any text is parsed or refused, never thrown at', () => {
  fc.assert(fc.property(fc.string(), fc.constantFrom(0, 2, 10), (text, family) => parsePrefix(text, family) === undefined || true));
});

test('two addresses share a prefix exactly when their leading bits are equal', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 4, maxLength: 4 }),
      fc.uint8Array({ minLength: 4, maxLength: 4 }),
      fc.integer({ min: 0, max: 32 }),
      (a, b, bits) => {
        const text = (x: Uint8Array): string =>
          Array.from(x, (v) => v.toString(2).padStart(8, '0'))
            .join('')
            .slice(0, bits);
        expect(samePrefix(a, b, bits)).toBe(text(a) === text(b));
      },
    ),
  );
});
