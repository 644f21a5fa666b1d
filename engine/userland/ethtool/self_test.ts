// `ethtool -t`: the one command that takes time. The process waits for the driver, then prints its results.
import { Errno } from '../../base/errno.ts';
import type { SelfTestResult, SelfTestWaiter } from '../../kernel/ethtool/ops.ts';
import { Process } from '../../kernel/process.ts';
import { runTool, ToolContext } from '../tool.ts';
import { ETHTOOL } from './ethtool.ts';
import { badArguments, EthtoolContext } from './ethtool_context.ts';

/** Linux: ETH_TEST_FL_FAILED, also ethtool's exit status. */
const FAILED = 2;
const OP_DONE = 0;

/** ethtool(8). Without -t it is over at once. */
export class EthtoolProcess extends Process implements SelfTestWaiter {
  main(): void {
    const context = new ToolContext(this, this.net, this.argv);
    const status = runTool({ run: (ctx) => (/^(-t|--test)$/.test(ctx.argv[1] ?? '') ? this.begin(ctx) : ETHTOOL.run(ctx)) }, context);
    if (!this.exited && status >= 0) this.exit(status & 0xff);
  }

  /** An exit status, or -1 when the test runs. */
  private begin(ctx: ToolContext): number {
    const [, , name, mode, more] = ctx.argv as readonly (string | undefined)[];
    if (name === undefined || more !== undefined || (mode !== undefined && !/^(online|offline|external_lb)$/.test(mode)))
      return badArguments();
    const e = new EthtoolContext(ctx, name, [], undefined);
    const dev = e.device;
    if (!ctx.capable) return e.ioctlError('Cannot test', Errno.EPERM, 74);
    if (dev === undefined) return e.ioctlError('Cannot get strings', Errno.ENODEV, 74);
    const test = dev.ethtool_ops?.self_test;
    if (test === undefined) return e.ioctlError('Cannot test', Errno.EOPNOTSUPP, 74);
    test(dev, mode === undefined || mode === 'offline', this);
    return -1;
  }

  selfTestDone(result: SelfTestResult): void {
    if (!this.exited) this.kernel.procs.wake(this, OP_DONE, result);
  }

  override onEvent(_op: number, arg: unknown): void {
    const { failed, results } = arg as SelfTestResult;
    const lines = results.map(([name, value]) => `${name}\t ${value}\n`);
    this.print(`The test result is ${failed ? 'FAIL' : 'PASS'}\nThe test extra info:\n${lines.join('')}\n`);
    this.exit(failed ? FAILED : 0);
  }
}
