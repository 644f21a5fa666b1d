// Function commands of set_ftrace_filter: 'func:traceoff', 'func:traceon:3', and their removal with '!'.
import { Errno } from '../../base/errno.ts';
import { globToRegExp, withModule } from './filter.ts';

export type ProbeCommand = 'traceon' | 'traceoff';

interface Probe {
  readonly command: ProbeCommand;
  /** How often it still acts; -1: always. */
  count: number;
}

export class FunctionProbes {
  private readonly probes = new Map<string, Probe>();

  get active(): boolean {
    return this.probes.size > 0;
  }

  /** True when the word is such a command: 'function:command[:count]'. */
  static isCommand(word: string): boolean {
    return /^!?[^:]+:(traceon|traceoff)(:|$)/.test(word);
  }

  /** 0 or -EINVAL: no such function, or a bad count. */
  write(word: string, available: ReadonlyMap<string, string>): number {
    const negated = word.startsWith('!');
    const [pattern, command, count] = (negated ? word.slice(1) : word).split(':');
    if (count !== undefined && !/^\d+$/.test(count)) return -Errno.EINVAL;
    const glob = globToRegExp(pattern);
    let matched = 0;
    for (const name of available.keys()) {
      if (!glob.test(name)) continue;
      matched++;
      if (negated) this.probes.delete(name);
      else this.probes.set(name, { command: command as ProbeCommand, count: count === undefined ? -1 : Number(count) });
    }
    return matched === 0 ? -Errno.EINVAL : 0;
  }

  /** What a call of `name` is to do now, if anything. */
  take(name: string): ProbeCommand | undefined {
    const probe = this.probes.get(name);
    if (probe === undefined || probe.count === 0) return undefined;
    if (probe.count > 0) probe.count--;
    return probe.command;
  }

  /** Lines of set_ftrace_filter after the functions. */
  text(available: ReadonlyMap<string, string>): string {
    let out = '';
    for (const [name, { command, count }] of this.probes) {
      out += `${withModule(name, available.get(name) ?? '')}:${command}:${count < 0 ? 'unlimited' : `count=${count}`}\n`;
    }
    return out;
  }
}
