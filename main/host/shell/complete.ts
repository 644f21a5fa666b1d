// Completion of the word at the cursor: commands, interfaces, files.
import { builtins } from './builtins.ts';
import type { Completion } from './line_editor.ts';
import type { ShellState } from './state.ts';
import { hostTools } from './text_tools/index.ts';

const OBJECTS: Readonly<Record<string, readonly string[]>> = {
  ip: ['address', 'link', 'maddress', 'monitor', 'neigh', 'netns', 'route', 'rule'],
  'ip link': ['add', 'delete', 'set', 'show'],
  'ip address': ['add', 'delete', 'flush', 'show'],
  'ip addr': ['add', 'delete', 'flush', 'show'],
  'ip route': ['add', 'delete', 'get', 'replace', 'show'],
  'ip neigh': ['add', 'delete', 'flush', 'replace', 'show'],
  'ip netns': ['add', 'delete', 'exec', 'identify', 'list', 'pids'],
};

const common = (words: readonly string[]): string => {
  let prefix = words[0] ?? '';
  for (const w of words) while (!w.startsWith(prefix)) prefix = prefix.slice(0, -1);
  return prefix;
};

export function complete(line: string, cursor: number, state: ShellState): Completion & { readonly start: number } {
  const before = line.slice(0, cursor);
  const word = /[^\s|;&<>(]*$/.exec(before)?.[0] ?? '';
  const start = cursor - word.length;
  const command = (/(?:^|[|;&(])\s*([^|;&(]*)$/.exec(before.slice(0, start))?.[1] ?? '').trim();
  const list = (path: string): readonly string[] => {
    const r = state.port.fs(state.netns, state.cwd, { call: 'readdir', path: state.resolve(path) });
    return r.ok ? (r.entries ?? []) : [];
  };
  let found: string[];
  if (command === '')
    found = [...new Set([...builtins.keys(), ...hostTools.keys(), ...state.port.programs(), ...state.functions.keys()])].filter((c) =>
      c.startsWith(word),
    );
  else {
    const slash = word.lastIndexOf('/');
    const dir = slash < 0 ? '.' : word.slice(0, slash + 1);
    const files = list(dir)
      .filter((f) => f.startsWith(word.slice(slash + 1)))
      .map((f) => {
        const path = (slash < 0 ? '' : dir) + f;
        const st = state.port.fs(state.netns, state.cwd, { call: 'stat', path: state.resolve(path) });
        return st.ok && st.stat?.type === 'dir' ? `${path}/` : path;
      });
    const key = command.replace(/\s+-\S+/g, '').replace(/\s+/g, ' ');
    const names = [...(OBJECTS[key] ?? []), ...(/^(ip|ethtool|tc|ping|arping|tcpdump)\b/.test(command) ? list('/sys/class/net') : [])];
    found = [...new Set([...names.filter((n) => n.startsWith(word)), ...(OBJECTS[key] === undefined ? files : [])])];
  }
  found.sort();
  if (found.length === 0) return { start, replace: undefined, candidates: [] };
  if (found.length === 1) return { start, replace: found[0].endsWith('/') ? found[0] : `${found[0]} `, candidates: found };
  return { start, replace: common(found), candidates: found };
}
