// One run of ethtool(8): the device, and the two ways in which the real tool reports errors.
import { Errno, strerror } from '../../base/errno.ts';
import type { EthtoolCore } from '../../kernel/ethtool/ioctl.ts';
import type { NetDevice } from '../../kernel/net_device.ts';
import { JsonWriter } from '../iproute/json_writer.ts';
import { ToolExit, type ToolContext } from '../tool.ts';

export const badArguments = (): never => {
  throw new ToolExit(1, 'ethtool: bad command line argument(s)\nFor more information run ethtool -h\n');
};

/** Where the first attribute after the header of an ethtool netlink request lies, in bytes from the message's start. */
const HEADER_NAME_OFFSET = 24;

export class EthtoolContext {
  constructor(
    readonly tool: ToolContext,
    readonly devname: string,
    readonly args: readonly string[],
    readonly json: JsonWriter | undefined,
  ) {}
  get core(): EthtoolCore {
    return this.tool.kernel.ethtool;
  }
  /** One of several devices: a blank line goes before each. */
  dumping = false;
  private begun = false;
  print(text: string): void {
    if (this.dumping && !this.begun && !text.startsWith('Permanent')) this.tool.print('\n');
    this.begun = true;
    this.tool.print(text);
  }

  /** A netlink request that shows things takes no more words. */
  noMoreArguments(): void {
    if (this.args.length > 0) throw new ToolExit(1, `ethtool: unexpected parameter '${this.args[0]}'\n`);
  }
  /** The same for an ioctl. */
  noArguments(): void {
    if (this.args.length > 0) badArguments();
  }

  /** The device for a netlink request; its absence is told with the attribute's offset. */
  netlinkDevice(status = 1): NetDevice {
    const dev = this.core.find(this.tool.net, this.devname);
    if (dev === undefined) {
      this.missing();
      throw new ToolExit(status);
    }
    return dev;
  }
  /** The device for a changing netlink request. */
  settableDevice(status = 1): NetDevice {
    const dev = this.netlinkDevice(status);
    if (!this.tool.capable) this.netlinkError(Errno.EPERM, status);
    return dev;
  }
  /** The two lines of a netlink request about a device that is not there. */
  missing(): void {
    this.tool.error(`netlink error: no device matches name (offset ${HEADER_NAME_OFFSET})\nnetlink error: ${strerror(Errno.ENODEV)}\n`);
  }
  /** The device for an ioctl, or undefined: the ioctl answers ENODEV. */
  get device(): NetDevice | undefined {
    return this.core.find(this.tool.net, this.devname);
  }

  /** Offset of the nth attribute after the header, each eight bytes long. */
  attributeOffset(index: number): number {
    return HEADER_NAME_OFFSET + Math.ceil((4 + this.devname.length + 1) / 4) * 4 + 8 * index;
  }

  /** A failed netlink request: the kernel's words, then the errno. */
  netlinkError(errno: number, status: number, extack?: string, offset?: number): never {
    const words = extack === undefined ? '' : `netlink error: ${extack}${offset === undefined ? '' : ` (offset ${offset})`}\n`;
    throw new ToolExit(status, `${words}netlink error: ${strerror(errno)}\n`);
  }
  /** A failed ioctl, as perror() words it. */
  ioctlError(what: string, errno: number, status: number): never {
    throw new ToolExit(status, `${what}: ${strerror(errno)}\n`);
  }
  /** A value or the netlink error it stands for. */
  value<T>(answer: T | number, status = 1): T {
    if (typeof answer === 'number') this.netlinkError(answer, status);
    return answer;
  }
}

/** One entry of ethtool's option table; a constant. */
export interface EthtoolCommand {
  /** Short and long spelling. */
  readonly opts: readonly string[];
  /** Takes '*' for all devices; those that cannot answer are passed over. */
  readonly dump?: boolean;
  /** Knows --json, always or with some arguments. */
  readonly json?: boolean | ((args: readonly string[]) => boolean);
  run(e: EthtoolContext): number;
}
