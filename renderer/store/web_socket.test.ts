// Rule of the browser door's token: it leaves the address bar, and a reload still has it.
import { expect, test } from 'vitest';
import { takeToken } from './web_socket.ts';

function page(hash: string) {
  const kept = new Map<string, string>();
  const shown: string[] = [];
  const location = { hash, pathname: '/', search: '' } as Location;
  const history = {
    state: undefined,
    replaceState: (_state: unknown, _title: string, url: string) => shown.push(url),
  } as unknown as History;
  const storage = {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => kept.set(key, value),
  } as unknown as Storage;
  return { location, history, storage, shown };
}

test('the token is taken out of the address bar and found again after a reload', () => {
  const { location, history, storage, shown } = page('#token=s3cret');
  expect(takeToken(location, history, storage)).toBe('s3cret');
  expect(shown).toEqual(['/']);
  expect(takeToken(page('').location, history, storage)).toBe('s3cret');
});

test('without a token there is none', () => {
  const { location, history, storage } = page('#other=1');
  expect(takeToken(location, history, storage)).toBe(undefined);
});
