// Rules of the keyboard: what a key does depends on where the focus is, and a shell keeps its own keys.
import { describe, expect, test } from 'vitest';
import { findAction, matches, showShortcut, type FocusPlace, type KeyPress } from './shortcuts.ts';
import type { Action } from '../store/actions.ts';

const press = (key: string, mods: Partial<KeyPress> = {}): KeyPress => ({
  key,
  code: '',
  ctrlKey: false,
  metaKey: false,
  altKey: false,
  shiftKey: false,
  ...mods,
});
const action = (id: string, shortcuts: readonly string[], inTerminal = false): Action => ({
  id,
  title: id,
  group: 'View',
  shortcuts,
  inTerminal,
  run: () => {},
});
const ACTIONS = [
  action('toggle', ['Space']),
  action('step', ['.']),
  action('many', ['Shift+.']),
  action('undo', ['Mod+Z']),
  action('palette', ['Mod+K', 'Mod+Shift+P', 'F1'], true),
];
const found = (key: KeyPress, place: FocusPlace): string | undefined => findAction(ACTIONS, key, place, false)?.id;

describe('keyboard', () => {
  test('plain keys act on the page but not while typing', () => {
    expect(found(press(' ', { code: 'Space' }), 'page')).toBe('toggle');
    expect(found(press(' ', { code: 'Space' }), 'text')).toBe(undefined);
    expect(found(press('.', { code: 'Period' }), 'terminal')).toBe(undefined);
  });
  test('Space on a focused button presses the button, and does not run the world', () => {
    expect(found(press(' ', { code: 'Space' }), 'control')).toBe(undefined);
    expect(found(press('.', { code: 'Period' }), 'control')).toBe('step');
  });
  test('a shifted key is known by its place, whatever character it gives', () => {
    expect(found(press('>', { code: 'Period', shiftKey: true }), 'page')).toBe('many');
  });
  test("Ctrl-K in a terminal is the shell's, F1 and Ctrl-Shift-P open the palette", () => {
    expect(found(press('k', { ctrlKey: true }), 'terminal')).toBe(undefined);
    expect(found(press('F1'), 'terminal')).toBe('palette');
    expect(found(press('P', { ctrlKey: true, shiftKey: true }), 'terminal')).toBe('palette');
    expect(found(press('k', { ctrlKey: true }), 'text')).toBe('palette');
  });
  test('an input keeps its own undo', () => {
    expect(found(press('z', { ctrlKey: true }), 'text')).toBe(undefined);
    expect(found(press('z', { ctrlKey: true }), 'page')).toBe('undo');
  });
  test('Mod is the platform command key, and the other one is not', () => {
    expect(matches('Mod+K', press('k', { metaKey: true }), true)).toBe(true);
    expect(matches('Mod+K', press('k', { ctrlKey: true }), true)).toBe(false);
    expect([showShortcut('Mod+Shift+Z', true), showShortcut('Mod+Shift+Z', false)]).toEqual(['⌘⇧Z', 'Ctrl+Shift+Z']);
  });
});
