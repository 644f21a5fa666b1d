// /proc: the tree of generated files.
import { Errno } from '../../base/errno.ts';
import { ops } from '../../base/ops.ts';
import type { Kernel } from '../kernel.ts';
import { comm } from '../processes.ts';
import type { Resource } from '../resource.ts';
import { NR_SOFTIRQS } from '../softirq.ts';
import { linuxBanner } from '../uts.ts';
import {
  BuiltDir,
  DirNode,
  GeneratedFile,
  LinkNode,
  S_IFDIR,
  S_IFREG,
  StaticDir,
  StaticLink,
  type DirOps,
  type FileOps,
  type VfsContext,
  type VNode,
} from './node.ts';
import { ProcBusDir } from './proc_bus.ts';
import { INTERRUPTS, IrqRootDir, SOFTIRQS } from './proc_irq.ts';
import { PROC_NET } from './proc_net.ts';
import { PROC_NET_STAT } from './proc_net_stat.ts';
import { PROC_VLAN } from './proc_vlan.ts';
import { SysDir } from './proc_sys.ts';

const RO = S_IFREG | 0o444;
const DIR = S_IFDIR | 0o555;

type Text = (kernel: Kernel, ctx: VfsContext) => string;
const file = (read: Text): FileOps<undefined> => ops({ read: (kernel: Kernel, ctx: VfsContext) => read(kernel, ctx) });

const centiseconds = (nanoseconds: number): string => (Math.floor(nanoseconds / 1e7) / 100).toFixed(2);

function uptime(kernel: Kernel): string {
  const now = kernel.now();
  return `${centiseconds(now)} ${centiseconds(now * kernel.platform.cpus.list.length)}\n`;
}

/** Linux: kernel/module/procfs.c. Addresses are hidden, as from an unprivileged reader. */
function modules(kernel: Kernel): string {
  return kernel.modules.loaded
    .map(
      (m) =>
        `${m.name} ${m.def.size} ${m.refcnt} ${m.users.length === 0 ? '-' : m.users.map((u) => `${u.name},`).join('')} Live 0x0000000000000000\n`,
    )
    .join('');
}

function mounts(kernel: Kernel): string {
  return kernel.vfs.mounts.list.map((m) => `${m.source} ${m.path} ${m.fstype} ${m.options} 0 0\n`).join('');
}

function meminfo(kernel: Kernel): string {
  const kb = (bytes: number): string => `${String(Math.floor(bytes / 1024)).padStart(8)} kB`;
  const { ram, pages } = kernel.platform;
  const free = pages.freePages * 4096;
  return `MemTotal:       ${kb(ram.size)}\nMemFree:        ${kb(free)}\nMemAvailable:   ${kb(free)}\n`;
}

/** Linux: fs/proc/stat.c. Idle time is what is left: work charges its own CPU's clock, which is not split by kind. */
function stat(kernel: Kernel): string {
  const cpus = kernel.platform.cpus.list;
  const ticks = Math.floor(kernel.now() / 1e7);
  const zeros = ' 0 0 0 0 0 0';
  let out = `cpu  0 0 0 ${ticks * cpus.length}${zeros}\n`;
  for (const c of cpus) out += `cpu${c.id} 0 0 0 ${ticks}${zeros}\n`;
  const irqs = kernel.irq.list().map((d) => d.counts.reduce((a, b) => a + b, 0));
  out += `intr ${irqs.reduce((a, b) => a + b, 0)} ${irqs.join(' ')}\n`;
  out += `ctxt 0\nbtime ${kernel.rtc}\nprocesses ${kernel.procs.forks}\nprocs_running 1\nprocs_blocked 0\n`;
  const soft = Array.from({ length: NR_SOFTIRQS }, (_, nr) =>
    cpus.reduce((sum, c) => sum + kernel.softirqs.counts[c.id * NR_SOFTIRQS + nr], 0),
  );
  return `${out}softirq ${soft.reduce((a, b) => a + b, 0)} ${soft.join(' ')}\n`;
}

/** A tree of resources, two spaces per level. */
function resourceText(root: Resource, digits: number): string {
  const lines: string[] = [];
  const walk = (r: Resource, depth: number): void => {
    const hex = (n: number): string => n.toString(16).padStart(digits, '0');
    lines.push(`${'  '.repeat(depth)}${hex(r.start)}-${hex(r.end)} : ${r.name}\n`);
    for (const c of r.children) walk(c, depth + 1);
  };
  for (const c of root.children) walk(c, 0);
  return lines.join('');
}

const FILES: readonly (readonly [string, FileOps<undefined>])[] = [
  ['cmdline', file((k) => `${k.cmdline}\n`)],
  ['filesystems', file(() => ['sysfs', 'tmpfs', 'proc', 'tracefs', 'debugfs', 'nsfs'].map((n) => `nodev\t${n}\n`).join(''))],
  ['interrupts', INTERRUPTS],
  ['iomem', file((k) => resourceText(k.drivers.iomem, 8))],
  ['ioports', file((k) => resourceText(k.drivers.ioports, 4))],
  ['loadavg', file((k) => `0.00 0.00 0.00 1/${k.procs.table.size + 1} ${k.procs.lastPid}\n`)],
  ['meminfo', file(meminfo)],
  ['modules', file(modules)],
  ['mounts', file(mounts)],
  ['softirqs', SOFTIRQS],
  ['stat', file(stat)],
  ['uptime', file(uptime)],
  ['version', file(() => `${linuxBanner()}\n`)],
];

/** The root of procfs. */
export function makeProcfs(kernel: Kernel): DirNode {
  return new ProcRoot(kernel);
}

function buildFixed(kernel: Kernel): StaticDir {
  const dir = new StaticDir();
  for (const [name, fileOps] of FILES) dir.add(name, new GeneratedFile(kernel, RO, fileOps, undefined));
  dir
    .add('bus', new ProcBusDir(kernel))
    .add('irq', new IrqRootDir(kernel))
    .add('net', new BuiltDir(kernel, DIR, NET_DIR))
    .add('self', new SelfLink())
    .add('sys', new SysDir(kernel, ''));
  return dir;
}

const NET_DIR: DirOps = ops({
  build(kernel: Kernel): StaticDir {
    const net = new StaticDir();
    for (const [name, fileOps] of PROC_NET) net.add(name, new GeneratedFile(kernel, RO, fileOps, undefined));
    if (kernel.modules.find_module('8021q') !== undefined) net.add('vlan', new BuiltDir(kernel, DIR, PROC_VLAN));
    const counters = new StaticDir();
    for (const [name, fileOps] of PROC_NET_STAT) counters.add(name, new GeneratedFile(kernel, RO, fileOps, undefined));
    return net.add('stat', counters);
  },
});

class ProcRoot extends DirNode {
  readonly mode = DIR;
  constructor(readonly kernel: Kernel) {
    super();
  }
  list(ctx: VfsContext): readonly string[] {
    return [...[...this.kernel.procs.table.keys()].map(String), ...buildFixed(this.kernel).list(ctx)];
  }
  lookup(ctx: VfsContext, name: string): VNode | undefined {
    if (/^\d+$/.test(name)) return this.kernel.procs.get(Number(name)) === undefined ? undefined : new PidDir(this.kernel, Number(name));
    return buildFixed(this.kernel).lookup(ctx, name);
  }
}

class SelfLink extends LinkNode {
  readlink(ctx: VfsContext): string {
    return String(ctx.pid);
  }
}

const ofProcess = (text: (k: Kernel, pid: number) => string): FileOps<number> =>
  ops({ read: (k: Kernel, _ctx: VfsContext, pid: number) => (k.procs.get(pid) === undefined ? -Errno.ESRCH : text(k, pid)) });
const PID_FILES: readonly (readonly [string, FileOps<number>])[] = [
  ['cmdline', ofProcess((k, pid) => `${k.procs.get(pid)?.argv.join('\0') ?? ''}\0`)],
  ['comm', ofProcess((k, pid) => `${nameOf(k, pid)}\n`)],
  ['status', ofProcess((k, pid) => `Name:\t${nameOf(k, pid)}\nState:\tS (sleeping)\nTgid:\t${pid}\nPid:\t${pid}\nPPid:\t0\n`)],
];
function nameOf(kernel: Kernel, pid: number): string {
  const process = kernel.procs.get(pid);
  return process === undefined ? '' : comm(process);
}

class PidDir extends DirNode {
  readonly mode = S_IFDIR | 0o555;
  constructor(
    readonly kernel: Kernel,
    private readonly pid: number,
  ) {
    super();
  }
  list(_ctx: VfsContext): readonly string[] {
    return [...PID_FILES.map(([name]) => name), 'net', 'ns'];
  }
  lookup(_ctx: VfsContext, name: string): VNode | undefined {
    const found = PID_FILES.find(([n]) => n === name);
    if (found !== undefined) return new GeneratedFile(this.kernel, RO, found[1], this.pid);
    if (name === 'net') return new StaticLink('../net');
    if (name !== 'ns') return undefined;
    const inum = this.kernel.procs.get(this.pid)?.net.inum ?? 0;
    return new StaticDir().add('net', new StaticLink(`net:[${inum}]`));
  }
}
