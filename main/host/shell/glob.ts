// Shell patterns: matching a string, and file names of the machine's file system.
import type { ShellState } from './state.ts';

/** A pattern (*, ?, [...]) as an anchored regular expression. `\x` is a literal x. */
export function patternToRegExp(pattern: string, greedy = true): RegExp {
  let out = '';
  for (let i = 0; i < pattern.length; i++) {
    const c = pattern[i];
    if (c === '*') out += greedy ? '[\\s\\S]*' : '[\\s\\S]*?';
    else if (c === '?') out += '[\\s\\S]';
    else if (c === '[') {
      const end = pattern.indexOf(']', i + (/^[!^]?\]/.test(pattern.slice(i + 1)) ? (/[!^]/.test(pattern[i + 1]) ? 3 : 2) : 1));
      if (end < 0) out += '\\[';
      else {
        const body = pattern
          .slice(i + 1, end)
          .replace(/^!/, '^')
          .replaceAll('\\', '\\\\');
        out += `[${body.replaceAll('[:digit:]', '0-9').replaceAll('[:alpha:]', 'A-Za-z').replaceAll('[:space:]', '\\s')}]`;
        i = end;
      }
    } else if (c === '\\' && i + 1 < pattern.length) out += escape(pattern[++i]);
    else out += escape(c);
  }
  return new RegExp(`^${out}$`, 'u');
}

const escape = (c: string): string => c.replace(/[.*+?^${}()|[\]\\/]/gu, '\\$&');

export const hasGlob = (text: string): boolean => /[*?[]/.test(text);

/** Expands a pattern against the file system, sorted; empty when nothing matches. Quoted magic characters come as `\x`. */
export function globFiles(pattern: string, state: ShellState): string[] {
  const absolute = pattern.startsWith('/');
  let found = [absolute ? '/' : ''];
  const parts = pattern.split('/').filter((p) => p !== '');
  parts.forEach((part, depth) => {
    const last = depth === parts.length - 1;
    const next: string[] = [];
    for (const base of found) {
      const join = (name: string): string => (base === '' || base === '/' ? base + name : `${base}/${name}`);
      if (!hasGlob(part)) {
        const path = join(part.replaceAll(/\\(.)/g, '$1'));
        if (state.port.fs(state.netns, state.cwd, { call: 'stat', path: state.resolve(path) }).ok) next.push(path);
        continue;
      }
      const dir = state.port.fs(state.netns, state.cwd, { call: 'readdir', path: state.resolve(base === '' ? '.' : base) });
      if (!dir.ok) continue;
      const re = patternToRegExp(part);
      for (const name of dir.entries ?? []) if ((part.startsWith('.') || !name.startsWith('.')) && re.test(name)) next.push(join(name));
    }
    found = next;
    if (last) found.sort((a, b) => (a < b ? -1 : 1));
  });
  return found.filter((f) => f !== '' && f !== '/');
}
