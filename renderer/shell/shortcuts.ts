// Matches key presses to actions, and writes shortcuts as the platform does. Pure.
import type { Action } from '../store/actions.ts';

export interface KeyPress {
  readonly key: string;
  readonly code: string;
  readonly ctrlKey: boolean;
  readonly metaKey: boolean;
  readonly altKey: boolean;
  readonly shiftKey: boolean;
}

/** Where the focus is: 'text' in an input, 'terminal' in xterm, 'control' on a button or the like, 'page' elsewhere. */
export type FocusPlace = 'text' | 'terminal' | 'control' | 'page';

interface Chord {
  readonly mod: boolean;
  readonly alt: boolean;
  readonly shift: boolean;
  readonly key: string;
}

function parse(shortcut: string): Chord {
  const parts = shortcut.split('+');
  const key = parts.pop() ?? '';
  return { mod: parts.includes('Mod'), alt: parts.includes('Alt'), shift: parts.includes('Shift'), key };
}

/** Keys whose character changes with Shift are known by their place on the keyboard. */
const CODES: Readonly<Record<string, string>> = { '.': 'Period', ',': 'Comma', Space: 'Space' };

export function matches(shortcut: string, press: KeyPress, mac: boolean): boolean {
  const chord = parse(shortcut);
  const mod = mac ? press.metaKey : press.ctrlKey;
  const otherMod = mac ? press.ctrlKey : press.metaKey;
  if (mod !== chord.mod || otherMod || press.altKey !== chord.alt) return false;
  if (chord.key === '?') return press.key === '?';
  if (press.shiftKey !== chord.shift) return false;
  if (CODES[chord.key] !== undefined && press.code === CODES[chord.key]) return true;
  return press.key.toLowerCase() === chord.key.toLowerCase();
}

/** A terminal keeps every key a shell knows: of ours it yields function keys, Mod with a digit, Mod with Shift, and on macOS all of ⌘. */
function yieldedByTerminal(shortcut: string, mac: boolean): boolean {
  const chord = parse(shortcut);
  return mac ? chord.mod || /^F\d+$/.test(chord.key) : /^F\d+$/.test(chord.key) || (chord.mod && (chord.shift || /^\d$/.test(chord.key)));
}

export function worksIn(action: Action, shortcut: string, place: FocusPlace, mac: boolean): boolean {
  const { mod, key } = parse(shortcut);
  const functionKey = /^F\d+$/.test(key);
  if (place === 'terminal') return action.inTerminal === true && yieldedByTerminal(shortcut, mac);
  if (place === 'text') return (mod && !/^[zy]$/i.test(key)) || functionKey;
  if (place === 'control') return mod || functionKey || !['Space', 'End'].includes(key);
  return true;
}

export function findAction(actions: readonly Action[], press: KeyPress, place: FocusPlace, mac: boolean): Action | undefined {
  return actions.find((action) =>
    action.shortcuts?.some((shortcut) => matches(shortcut, press, mac) && worksIn(action, shortcut, place, mac)),
  );
}

const MAC_KEYS: Readonly<Record<string, string>> = { Mod: '⌘', Shift: '⇧', Alt: '⌥' };
const OTHER_KEYS: Readonly<Record<string, string>> = { Mod: 'Ctrl' };

export function showShortcut(shortcut: string, mac: boolean): string {
  const names = mac ? MAC_KEYS : OTHER_KEYS;
  return shortcut
    .split('+')
    .map((part) => names[part] ?? part)
    .join(mac ? '' : '+');
}
