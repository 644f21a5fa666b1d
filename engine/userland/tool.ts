// Command-line tools that read or configure and are done: what they run in, and the process that runs one.
import type { Kernel } from '../kernel/kernel.ts';
import type { Net } from '../kernel/net_namespace.ts';
import type { VfsContext } from '../kernel/fs/node.ts';
import { Process } from '../kernel/process.ts';

/** Ends a tool at once, as exit(3) does; `text` goes to stderr first. */
export class ToolExit extends Error {
  override readonly name = 'ToolExit';
  constructor(
    readonly status: number,
    readonly text = '',
  ) {
    super(text);
  }
}

/** What a tool sees of the world: its process's descriptors and the namespace it acts in. */
export class ToolContext {
  constructor(
    readonly process: Process,
    /** Of the process, unless the tool switches (`ip -n`). */
    public net: Net,
    readonly argv: readonly string[],
  ) {}
  get kernel(): Kernel {
    return this.process.kernel;
  }
  /** The kernel would let this process change the network (Linux: netlink_net_capable() of CAP_NET_ADMIN). */
  get capable(): boolean {
    return this.process.uid === 0;
  }
  /** Who asks the file system: the namespace may be another than the process's. */
  get vfs(): VfsContext {
    return { net: this.net, cwd: this.process.cwd, pid: this.process.pid };
  }
  /** A generated file's text; '' when it cannot be read. */
  readFile(path: string): string {
    const text = this.kernel.vfs.readFile(this.vfs, path);
    return typeof text === 'string' ? text : '';
  }
  print(text: string): void {
    if (text !== '') this.process.print(text);
  }
  error(text: string): void {
    if (text !== '') this.process.error(text);
  }
}

/** A constant of the program table. `run` returns the exit status. */
export interface Tool {
  run(ctx: ToolContext): number;
}

/** Runs a tool, turning ToolExit into its message and status. */
export function runTool(tool: Tool, ctx: ToolContext): number {
  try {
    return tool.run(ctx);
  } catch (e) {
    if (!(e instanceof ToolExit)) throw e;
    ctx.error(e.text);
    return e.status;
  }
}

/** A process that runs one tool to its end. */
export class ToolProcess extends Process {
  constructor(
    kernel: Kernel,
    net: Net,
    argv: readonly string[],
    private readonly tool: Tool,
  ) {
    super(kernel, net, argv);
  }

  main(): void {
    const status = runTool(this.tool, new ToolContext(this, this.net, this.argv));
    if (!this.exited) this.exit(status & 0xff);
  }
}
