// /sys/kernel/debug/fail_function (Linux: Documentation/fault-injection): which functions fail, with what, how often.
import { Errno } from '../../base/errno.ts';
import { ops } from '../../base/ops.ts';
import type { FailFunction, FaultAttr } from '../fail_function.ts';
import type { Kernel } from '../kernel.ts';
import { DirNode, GeneratedFile, S_IFDIR, S_IFREG, StaticDir, type FileOps, type VfsContext, type VNode } from './node.ts';

const RW = S_IFREG | 0o600;
const RO = S_IFREG | 0o400;
/** Attributes with a file each, and whether they may be negative. */
const ATTRIBUTES: Readonly<Record<string, keyof FaultAttr>> = ops({
  probability: 'probability',
  interval: 'interval',
  times: 'times',
  verbose: 'verbose',
});

const state = (kernel: Kernel): FailFunction => kernel.drivers.failFunction;

const INJECT: FileOps<undefined> = ops({
  read: (kernel: Kernel) => [...state(kernel).injected.keys()].map((n) => `${n}\n`).join(''),
  write(kernel: Kernel, _ctx: VfsContext, _arg: undefined, data: string) {
    const name = data.trim();
    const { injected } = state(kernel);
    if (name === '') {
      injected.clear();
      return 0;
    }
    if (name.startsWith('!')) return injected.delete(name.slice(1)) ? 0 : -Errno.ENOENT;
    return state(kernel).inject(name);
  },
});
const INJECTABLE: FileOps<undefined> = ops({
  read: (kernel: Kernel) =>
    [...state(kernel).injectable].map(([name, module]) => `${name}${module === '' ? '' : ` [${module}]`}\tERRNO\n`).join(''),
});
const ATTRIBUTE: FileOps<keyof FaultAttr> = ops({
  read: (kernel: Kernel, _ctx: VfsContext, name: keyof FaultAttr) => `${state(kernel).attr[name]}\n`,
  write(kernel: Kernel, _ctx: VfsContext, name: keyof FaultAttr, data: string) {
    const value = Number(data.trim());
    if (!Number.isInteger(value) || data.trim() === '') return -Errno.EINVAL;
    state(kernel).attr[name] = value;
    return 0;
  },
});
/** 64 bits in hexadecimal; a negative number may be written. Only an errno is taken. */
const RETVAL: FileOps<string> = ops({
  read: (kernel: Kernel, _ctx: VfsContext, name: string) =>
    `${BigInt.asUintN(64, BigInt(state(kernel).injected.get(name) ?? 0)).toString(16)}\n`,
  write(kernel: Kernel, _ctx: VfsContext, name: string, data: string) {
    const text = data.trim();
    if (!/^-?\d+$|^0x[0-9a-f]+$/i.test(text)) return -Errno.EINVAL;
    const value = Number(BigInt.asIntN(64, BigInt(text)));
    if (value >= 0 || value < -4095) return -Errno.EINVAL;
    state(kernel).injected.set(name, value);
    return 0;
  },
});

/** Fixed files, and a directory for each function that was chosen. */
class FailFunctionDir extends DirNode {
  readonly mode = S_IFDIR | 0o755;
  private readonly fixed = new StaticDir();
  constructor(readonly kernel: Kernel) {
    super();
    this.fixed
      .add('inject', new GeneratedFile(kernel, RW, INJECT, undefined))
      .add('injectable', new GeneratedFile(kernel, RO, INJECTABLE, undefined));
    for (const [name, key] of Object.entries(ATTRIBUTES)) this.fixed.add(name, new GeneratedFile(kernel, RW, ATTRIBUTE, key));
  }
  lookup(ctx: VfsContext, name: string): VNode | undefined {
    const fixed = this.fixed.lookup(ctx, name);
    if (fixed !== undefined || !state(this.kernel).injected.has(name)) return fixed;
    return new StaticDir(S_IFDIR | 0o755).add('retval', new GeneratedFile(this.kernel, RW, RETVAL, name));
  }
  list(ctx: VfsContext): readonly string[] {
    return [...this.fixed.list(ctx), ...state(this.kernel).injected.keys()];
  }
}

export const makeFailFunction = (kernel: Kernel): DirNode => new FailFunctionDir(kernel);
