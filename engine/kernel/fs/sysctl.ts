// /proc/sys: names and values. Namespaced ones live in Net.sysctl ('net.ipv4.ip_forward'), the machine's own here ('kernel.hostname').
import { Errno } from '../../base/errno.ts';
import { UTS_RELEASE, type Kernel } from '../kernel.ts';
import type { Net } from '../net_namespace.ts';
import { PID_MAX } from '../processes.ts';
import { UTS_VERSION } from '../uts.ts';

/** A subsystem that checks or acts on values written. An object, so that it is state that can be cloned. */
export interface SysctlHandler {
  /** Called before the value is stored. 0 accepts, -errno refuses (EINVAL for text that is no number in range). `net` is the writer's. */
  sysctl_write(net: Net, name: string, value: string): number | string;
}

interface Registration {
  readonly prefix: string;
  readonly handler: SysctlHandler;
}

export class Sysctls {
  /** The machine-wide values. */
  readonly global = new Map<string, string>();
  private readonly readOnly = new Set<string>();
  private readonly handlers: Registration[] = [];

  constructor(readonly kernel: Kernel) {
    this.define('kernel.ostype', 'Linux', 'ro');
    this.define('kernel.pid_max', String(PID_MAX), 'ro');
    this.define('kernel.hostname', kernel.hostname);
    this.define('kernel.osrelease', UTS_RELEASE, 'ro');
    this.define('kernel.version', UTS_VERSION, 'ro');
  }

  /** Writes to names that begin with `prefix` ('net.ipv4.') are shown to `handler` first. */
  register(prefix: string, handler: SysctlHandler): void {
    this.handlers.push({ prefix, handler });
  }

  /** Declares a machine-wide value. */
  define(name: string, value: string, access: 'rw' | 'ro' = 'rw'): void {
    this.global.set(name, value);
    if (access === 'ro') this.readOnly.add(name);
  }

  get(net: Net, name: string): string | undefined {
    return this.tableOf(net, name)?.get(name);
  }

  /** A namespace's own table first; machine-wide names below net. are there in init_net only. */
  private tableOf(net: Net, name: string): Map<string, string> | undefined {
    if (net.sysctl.has(name)) return net.sysctl;
    return this.global.has(name) && this.visible(net, name) ? this.global : undefined;
  }

  private visible(net: Net, name: string): boolean {
    return net === this.kernel.init_net || !name.startsWith('net.');
  }

  isReadOnly(name: string): boolean {
    return this.readOnly.has(name);
  }

  /** 0 or -errno; white space around the value is not part of it. */
  set(net: Net, name: string, text: string): number {
    let value = text.trim();
    const table = this.tableOf(net, name);
    if (table === undefined) return -Errno.ENOENT;
    if (this.readOnly.has(name)) return -Errno.EACCES;
    for (const { prefix, handler } of this.handlers) {
      if (!name.startsWith(prefix)) continue;
      const answer = handler.sysctl_write(net, name, value);
      if (typeof answer === 'string') value = answer;
      else if (answer < 0) return answer;
    }
    if (isNumbers(table.get(name)) && !isNumbers(value)) return -Errno.EINVAL;
    table.set(name, value.split(/\s+/).join('\t'));
    return 0;
  }

  /** All names visible from a namespace, unsorted. */
  names(net: Net): string[] {
    return [...[...this.global.keys()].filter((n) => this.visible(net, n)), ...net.sysctl.keys()];
  }
}

const isNumbers = (text: string | undefined): boolean => text !== undefined && /^-?\d+(\s+-?\d+)*$/.test(text);
