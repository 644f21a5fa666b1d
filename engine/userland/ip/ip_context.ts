// One run of ip(8): its options, its output, and the answers of rtnetlink turned into messages and exit statuses.
import type { Net } from '../../kernel/net_namespace.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import type { NlResult } from '../../kernel/rtnetlink.ts';
import { Errno, strerror } from '../../base/errno.ts';
import { noDevice } from '../iproute/args.ts';
import { Out } from '../iproute/output.ts';
import { ToolExit, type ToolContext } from '../tool.ts';
import type { MonitorRequest } from './monitor.ts';

export interface IpOptions {
  /** AF_*, 0 unspecified */
  family: number;
  stats: number;
  details: boolean;
  oneline: boolean;
  brief: boolean;
  json: boolean;
  pretty: boolean;
  color: boolean;
  numeric: boolean;
  human: boolean;
  iec: boolean;
  resolve: boolean;
  /** 1: long form, 2: `-ts` */
  timestamp: number;
  all: boolean;
  force: boolean;
  batch: string | undefined;
}

export const defaultIpOptions = (): IpOptions => ({
  family: 0,
  stats: 0,
  details: false,
  oneline: false,
  brief: false,
  json: false,
  pretty: false,
  color: false,
  numeric: false,
  human: false,
  iec: false,
  resolve: false,
  timestamp: 0,
  all: false,
  force: false,
  batch: undefined,
});

export class IpContext {
  readonly out: Out;
  /** Set by `ip monitor`: the process goes on listening. */
  monitor: MonitorRequest | undefined;
  /** Names of interfaces as last seen, for messages about those that are gone. */
  private readonly names = new Map<number, string>();
  /** Names of namespaces by nsid as first seen, for messages about those that are gone. */
  readonly nsidNames = new Map<number, string>();
  constructor(
    readonly tool: ToolContext,
    readonly opt: IpOptions,
  ) {
    this.out = new Out(opt);
  }
  get net(): Net {
    return this.tool.net;
  }
  get kernel(): Kernel {
    return this.tool.kernel;
  }

  /** Hands what was written so far to the process. */
  flush(): void {
    this.tool.print(this.out.take());
  }

  /** `ip` prints the name of an unknown interface as its number. */
  ifname(ifindex: number): string {
    const known = this.names.get(ifindex);
    if (known !== undefined) return known;
    const name = this.net.__dev_get_by_index(ifindex)?.name;
    if (name === undefined) return `if${ifindex}`;
    this.names.set(ifindex, name);
    return name;
  }
  /** Remembers the names of all interfaces there are; as in iproute2's link map, one that is known keeps its first name. */
  learn(net: Net): void {
    for (const d of net.devices) if (!this.names.has(d.ifindex)) this.names.set(d.ifindex, d.name);
  }
  /** The interface is gone: its index may come again with another name. */
  forget(ifindex: number): void {
    this.names.delete(ifindex);
  }
  /** An interface by name or alternative name, 0 when there is none. */
  ifindex(name: string): number {
    return this.net.__dev_get_by_name(name)?.ifindex ?? 0;
  }
  /** The interface named by a request; ends with "Cannot find device". */
  requireDevice(name: string): number {
    const index = this.ifindex(name);
    if (index === 0) noDevice(name);
    return index;
  }
  /** The interface named by a filter of a listing. */
  filterDevice(name: string): number {
    const index = this.ifindex(name);
    if (index === 0) throw new ToolExit(1, `Device "${name}" does not exist.\n`);
    return index;
  }

  /** A changing request: refused by the kernel when the user may not, otherwise its answer. */
  request(send: () => NlResult): number {
    return this.talk(this.tool.capable ? send() : { errno: -Errno.EPERM });
  }

  /** A request's answer: nothing on success (a warning goes to stderr), otherwise the message and status 2. */
  talk(result: NlResult): number {
    if (result.errno === 0) {
      if (result.extack !== undefined) this.tool.error(`Warning: ${dotted(result.extack)}\n`);
      return 0;
    }
    this.tool.error(result.extack !== undefined ? `Error: ${dotted(result.extack)}\n` : `RTNETLINK answers: ${strerror(result.errno)}\n`);
    return 2;
  }

  /** Our own refusal of what the real tool could do. */
  notModelled(what: string): never {
    throw new ToolExit(1, `ip: ${what} is not modelled\n`);
  }
}

export const isNlResult = (r: object): r is NlResult => 'errno' in r;

const dotted = (text: string): string => (text.endsWith('.') ? text : `${text}.`);
