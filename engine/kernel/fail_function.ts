// Fault injection into functions (Linux: kernel/fail_function.c and lib/fault-inject.c): chosen functions fail, as often as the attributes say.
import { Errno } from '../base/errno.ts';
import type { Kernel } from './kernel.ts';

/** Linux: struct fault_attr, with its defaults. */
export interface FaultAttr {
  /** Percent of the calls. */
  probability: number;
  /** Every Nth of them. */
  interval: number;
  /** How many more calls fail; -1 is no limit. */
  times: number;
  /** 0: silent; else each failure is logged. */
  verbose: number;
}

export class FailFunction {
  readonly attr: FaultAttr = { probability: 0, interval: 1, times: 1, verbose: 2 };
  /** Functions that may be chosen, by name, with their module ('' for built-in). */
  readonly injectable = new Map<string, string>();
  /** Chosen functions, and what they return instead. */
  readonly injected = new Map<string, number>();
  private count = 0;

  constructor(readonly kernel: Kernel) {}

  /** A module declares functions that tell its callers of a failure by an errno (Linux: ALLOW_ERROR_INJECTION). */
  allow(module: string, names: readonly string[]): void {
    for (const name of names) this.injectable.set(name, module);
  }

  disallow(module: string): void {
    for (const [name, owner] of this.injectable) {
      if (owner !== module) continue;
      this.injectable.delete(name);
      this.injected.delete(name);
    }
  }

  /** 0, -EINVAL for a function that cannot be chosen, -EBUSY for one that is. */
  inject(name: string, retval: number = -Errno.EINVAL): number {
    if (!this.injectable.has(name)) return -Errno.EINVAL;
    if (this.injected.has(name)) return -Errno.EBUSY;
    this.injected.set(name, retval);
    return 0;
  }

  /** Called where the function would be called: its -errno when it is to fail now, else 0. */
  should_fail(name: string): number {
    if (this.injected.size === 0) return 0;
    const retval = this.injected.get(name);
    const { attr } = this;
    if (retval === undefined || attr.times === 0 || attr.probability === 0) return 0;
    if (attr.interval > 1 && ++this.count % attr.interval !== 0) return 0;
    const { sim, machine } = this.kernel.platform;
    if (attr.probability < 100 && sim.random(`fail_function/${machine}`).float() * 100 >= attr.probability) return 0;
    if (attr.verbose > 0) this.fail_dump();
    if (attr.times > 0) attr.times--;
    return retval;
  }

  fail_dump(): void {
    const { interval, probability, times } = this.attr;
    this.kernel.printk.pr_notice(
      `FAULT_INJECTION: forcing a failure.\nname fail_function, interval ${interval}, probability ${probability}, space 0, times ${times}`,
    );
  }
}
