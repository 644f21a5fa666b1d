// Function filters: globs, modules, negation, as set_ftrace_filter and its sisters take them.
import { Errno } from '../../base/errno.ts';

/** A shell-like pattern of function names: * ? [abc] [!a-z]. */
export function globToRegExp(glob: string): RegExp {
  let source = '';
  for (let i = 0; i < glob.length; i++) {
    const c = glob[i];
    const close = c === '[' ? glob.indexOf(']', i + 2) : -1;
    if (c === '*') source += '.*';
    else if (c === '?') source += '.';
    else if (close > 0) {
      const inner = glob.slice(i + 1, close).replaceAll('\\', '\\\\');
      source += `[${inner.startsWith('!') ? `^${inner.slice(1)}` : inner}]`;
      i = close;
    } else source += c.replace(/[\\^$.*+?()[\]{}|/]/, '\\$&');
  }
  return new RegExp(`^${source}$`);
}

/** A set of function names with the file's syntax. Empty means no filter. */
export class FunctionFilter {
  readonly names = new Set<string>();
  constructor(
    /** What the file shows when it is empty. */
    readonly emptyText: string,
    /** Whether ':mod:' commands are understood (not by set_graph_function). */
    private readonly commands: 'mod' | 'none',
  ) {}

  get active(): boolean {
    return this.names.size > 0;
  }

  clear(): void {
    this.names.clear();
  }

  /** Takes the words of one write; -EINVAL for one that matches nothing. `available`: name → module. */
  write(text: string, available: ReadonlyMap<string, string>): number {
    for (const word of text.split(/\s+/)) {
      if (word === '') continue;
      const err = this.apply(word, available);
      if (err < 0) return err;
    }
    return 0;
  }

  /** As the file shows it, in the kernel's order of functions. */
  text(available: ReadonlyMap<string, string>): string {
    if (!this.active) return `${this.emptyText}\n`;
    let out = '';
    for (const [name, module] of available) if (this.names.has(name)) out += `${withModule(name, module)}\n`;
    return out;
  }

  private apply(word: string, available: ReadonlyMap<string, string>): number {
    const negated = word.startsWith('!');
    const [pattern, command, argument] = (negated ? word.slice(1) : word).split(':');
    if (command !== undefined && (this.commands === 'none' || command !== 'mod')) return -Errno.EINVAL;
    const glob = globToRegExp(pattern === '' ? '*' : pattern);
    const module = argument === undefined ? undefined : globToRegExp(argument.replaceAll('-', '_'));
    let matched = 0;
    for (const [name, owner] of available) {
      if (!glob.test(name) || (module !== undefined && (owner === '' || !module.test(owner)))) continue;
      matched++;
      if (negated) this.names.delete(name);
      else this.names.add(name);
    }
    return matched === 0 && module === undefined ? -Errno.EINVAL : 0;
  }
}

/** 'virtnet_poll [virtio_net]' */
export const withModule = (name: string, module: string): string => (module === '' ? name : `${name} [${module}]`);
