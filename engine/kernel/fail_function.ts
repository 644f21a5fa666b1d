// Fault injection into functions (Linux: kernel/fail_function.c, CONFIG_FUNCTION_ERROR_INJECTION): a chosen function fails a chosen number of times.
import { Errno } from '../base/errno.ts';

/** What is set for one function. */
interface Injection {
  retval: number;
  /** How many more calls fail; -1 for all. */
  times: number;
}

export class FailFunction {
  private readonly set = new Map<string, Injection>();
  /** Calls that were made to fail. */
  injected = 0;

  /** `retval` is what the function returns instead, a negative errno. */
  inject(name: string, retval: number = -Errno.ENOMEM, times = 1): void {
    this.set.set(name, { retval, times });
  }

  clear(name?: string): void {
    if (name === undefined) this.set.clear();
    else this.set.delete(name);
  }

  /** Functions set to fail, with what they return. */
  list(): { readonly name: string; readonly retval: number; readonly times: number }[] {
    return [...this.set].map(([name, i]) => ({ name, retval: i.retval, times: i.times }));
  }

  /** Called where the function would be called: its -errno when it is to fail now, else 0. */
  should_fail(name: string): number {
    const i = this.set.get(name);
    if (i === undefined || i.times === 0) return 0;
    if (i.times > 0) i.times--;
    this.injected++;
    return i.retval;
  }
}
