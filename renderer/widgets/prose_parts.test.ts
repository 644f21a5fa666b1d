// Rules of an author's plain text.
import { describe, expect, it } from 'vitest';
import { plainProse, proseParts } from './prose_parts.ts';

describe('lab notes', () => {
  it('show what stands between backticks as code', () => {
    expect(proseParts('Type `ping 10.0.0.2` now.')).toEqual([
      [
        { text: 'Type ', code: false },
        { text: 'ping 10.0.0.2', code: true },
        { text: ' now.', code: false },
      ],
    ]);
  });
  it('keep a backtick that has no partner', () => {
    expect(proseParts('a ` b')).toEqual([[{ text: 'a ` b', code: false }]]);
  });
  it('have a paragraph after a blank line, not after every line', () => {
    expect(proseParts('one\ntwo\n\nthree\n').map((parts) => parts[0].text)).toEqual(['one\ntwo', 'three']);
  });
  it('lose their marks where only text can stand', () => {
    expect(plainProse('Type `ls`.\n')).toBe('Type ls.');
  });
});
