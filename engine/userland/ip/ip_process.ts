// The process of ip(8): runs a command, and stays as a listener when that was `monitor`.
import type { Kernel } from '../../kernel/kernel.ts';
import type { Net } from '../../kernel/net_namespace.ts';
import { Process } from '../../kernel/process.ts';
import type { RtnlListener, RtnlMessage } from '../../kernel/rtnetlink.ts';
import { ToolContext, ToolExit } from '../tool.ts';
import { readsStdin, runIp } from './ip.ts';
import type { IpContext } from './ip_context.ts';
import { monitorMessage } from './monitor.ts';
import type { ToolFinder } from './netns.ts';

export class IpProcess extends Process implements RtnlListener {
  private listening: IpContext | undefined;

  constructor(
    kernel: Kernel,
    net: Net,
    argv: readonly string[],
    /** A constant. */
    private readonly finder: ToolFinder,
  ) {
    super(kernel, net, argv);
  }

  main(): void {
    if (!readsStdin(this.argv) || this.stdinEof) this.run();
  }

  override onStdin(): void {
    if (this.stdinEof && !this.exited && this.listening === undefined) this.run();
  }

  private run(): void {
    const tool = new ToolContext(this, this.net, this.argv);
    try {
      const { status, ip } = runIp(tool, this.finder);
      if (this.exited) return;
      if (status !== 0 || ip?.monitor === undefined) return this.exit(status & 0xff);
      this.listening = ip;
      ip.learn(ip.net);
      this.kernel.rtnl.subscribe(ip.net, ip.monitor.groups, this);
    } catch (e) {
      if (!(e instanceof ToolExit)) throw e;
      tool.error(e.text);
      this.exit(e.status & 0xff);
    }
  }

  onRtnl(message: RtnlMessage, net: Net): void {
    const ip = this.listening;
    if (ip?.monitor !== undefined) monitorMessage(ip, ip.monitor, message, net);
  }

  override cleanup(): void {
    if (this.listening !== undefined) this.kernel.rtnl.unsubscribe(this);
  }
}
