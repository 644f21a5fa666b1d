// What tc's commands share: options, the namespace, output, and the kernel's answers.
import { strerror } from '../../base/errno.ts';
import type { NetDevice } from '../../kernel/net_device.ts';
import type { NlResult } from '../../kernel/rtnetlink.ts';
import type { SchedApi } from '../../kernel/sched/sch_api.ts';
import { noDevice } from '../iproute/args.ts';
import { Out, type OutputOptions } from '../iproute/output.ts';
import { type ToolContext, ToolExit } from '../tool.ts';

export interface TcOptions extends OutputOptions {
  readonly stats: boolean;
  readonly details: boolean;
  readonly raw: boolean;
}
export const TC_DEFAULTS: TcOptions = Object.freeze({
  json: false,
  pretty: false,
  oneline: false,
  color: false,
  stats: false,
  details: false,
  raw: false,
});

export class Tc {
  readonly out: Out;
  constructor(
    readonly tool: ToolContext,
    readonly opt: TcOptions,
  ) {
    this.out = new Out(opt);
  }
  get api(): SchedApi {
    return this.tool.kernel.sched.api;
  }
  device(name: string): NetDevice {
    return this.tool.net.__dev_get_by_name(name) ?? noDevice(name);
  }
  /** Ends with the kernel's refusal; `talking`: after the message that this command adds. */
  check(answer: NlResult, talking = false): void {
    if (answer.errno === 0) return;
    const text = answer.extack === undefined ? `RTNETLINK answers: ${strerror(-answer.errno)}\n` : `Error: ${answer.extack}.\n`;
    throw new ToolExit(2, talking ? `${text}We have an error talking to the kernel\n` : text);
  }
  /** What the kernel asks of everybody who changes the network. */
  privileged(): void {
    if (!this.tool.capable) throw new ToolExit(2, 'RTNETLINK answers: Operation not permitted\n');
  }
  error(text: string): void {
    this.tool.error(text);
  }
  flush(): void {
    this.tool.print(this.out.take());
  }
}
