// A machine's kernel: the subsystems and what boots them. Everything here is reachable from here, and nothing outside the world is.
import { strerror } from '../base/errno.ts';
import type { Instant } from '../base/units.ts';
import type { Cpu, CpuEntries } from '../platform/cpu.ts';
import type { Platform } from '../platform/platform.ts';
import { Contract } from './contract.ts';
import { DmaApiDebug } from './dma_debug.ts';
import { DriverCore } from './driver_core.ts';
import { NetCore } from './dev.ts';
import { EthtoolCore } from './ethtool/ioctl.ts';
import { Vfs } from './fs/vfs.ts';
import { Gro } from './gro.ts';
import { Gso } from './gso.ts';
import { Ipv4 } from './ipv4/ipv4.ts';
import { TcpProto } from './ipv4/tcp_proto.ts';
import { Ipv6 } from './ipv6/ipv6.ts';
import { IrqCore } from './irq.ts';
import { KernelIo } from './io.ts';
import { Modules, type ModuleTable } from './module.ts';
import type { Net } from './net_namespace.ts';
import { NetNamespaces } from './netns.ts';
import { Printk } from './printk.ts';
import { Processes } from './processes.ts';
import type { ProgramTable } from './process.ts';
import { Rtnetlink } from './rtnetlink.ts';
import { SchedCore } from './sched/sch_generic.ts';
import { SkbSegment } from './skb_segment.ts';
import { Sockets } from './socket.ts';
import { Softirqs } from './softirq.ts';
import { Timers } from './timer.ts';
import { Ftrace } from './trace/ftrace.ts';
import { Warnings } from './warn.ts';
import { COMMAND_LINE } from './uts.ts';
import { DEFAULT_RTC } from './wall_clock.ts';
import { Workqueues } from './workqueue.ts';

export interface KernelSpec {
  readonly hostname: string;
  readonly modules: ModuleTable;
  readonly programs: ProgramTable;
  /** Module names loaded at boot, in order. */
  readonly autoload: readonly string[];
  /** Words of the boot command line beyond the machine's own: 'pci=nomsi'. */
  readonly cmdline?: string;
  /** Watch drivers for what they must not do; off when absent. */
  readonly contract?: boolean;
  /** What the real-time clock shows at boot, whole seconds since the Unix epoch; the start of 2026 when absent. */
  readonly rtc?: number;
}

/** uname -r, as Debian 12 names its kernel. */
export const UTS_RELEASE = '6.1.0-56-amd64';

export class Kernel implements CpuEntries {
  readonly hostname: string;
  // order matters: each may use those before it
  readonly printk: Printk;
  readonly contract: Contract;
  readonly warnings: Warnings;
  readonly dmaApiDebug: DmaApiDebug;
  readonly io: KernelIo;
  readonly trace: Ftrace;
  readonly softirqs: Softirqs;
  readonly timers: Timers;
  readonly workqueues: Workqueues;
  readonly irq: IrqCore;
  readonly vfs: Vfs;
  readonly drivers: DriverCore;
  readonly modules: Modules;
  readonly skb: SkbSegment;
  readonly sched: SchedCore;
  readonly net: NetCore;
  readonly gro: Gro;
  readonly gso: Gso;
  readonly ethtool: EthtoolCore;
  readonly ipv4: Ipv4;
  readonly ipv6: Ipv6;
  readonly tcp: TcpProto;
  readonly sockets: Sockets;
  readonly rtnl: Rtnetlink;
  readonly netns: NetNamespaces;
  readonly procs: Processes;
  /** Why the kernel stopped, as printed; undefined while it lives. */
  panicked: string | undefined;

  constructor(
    readonly platform: Platform,
    readonly spec: KernelSpec,
  ) {
    this.hostname = spec.hostname;
    this.printk = new Printk(this);
    this.contract = new Contract(this, spec.contract === true);
    this.warnings = new Warnings(this);
    this.dmaApiDebug = new DmaApiDebug(this);
    this.io = new KernelIo(this);
    this.trace = new Ftrace(this);
    this.softirqs = new Softirqs(this);
    this.timers = new Timers(this);
    this.workqueues = new Workqueues(this);
    this.irq = new IrqCore(this);
    this.vfs = new Vfs(this);
    this.drivers = new DriverCore(this);
    this.modules = new Modules(this, spec.modules);
    this.skb = new SkbSegment(this);
    this.sched = new SchedCore(this);
    this.net = new NetCore(this);
    this.gro = new Gro(this);
    this.gso = new Gso(this);
    this.ethtool = new EthtoolCore(this);
    this.ipv4 = new Ipv4(this);
    this.ipv6 = new Ipv6(this);
    this.tcp = new TcpProto(this);
    this.sockets = new Sockets(this);
    this.rtnl = new Rtnetlink(this);
    this.netns = new NetNamespaces(this);
    this.procs = new Processes(this, spec.programs);
  }

  /** From the first line of the log to the modules of the boot: built-in initcalls, then what `autoload` names. */
  boot(): void {
    this.netns.boot();
    this.modules.do_initcalls();
    for (const name of this.spec.autoload) {
      const r = this.modules.modprobe(name);
      if (r.errno !== 0) this.printk.pr_warn(`systemd-modules-load: Failed to insert module '${name}': ${strerror(r.errno)}`);
    }
  }

  /** What the real-time clock showed at boot, whole seconds since the Unix epoch. */
  get rtc(): number {
    return this.spec.rtc ?? DEFAULT_RTC;
  }

  /** The boot command line. */
  get cmdline(): string {
    const { cmdline = '' } = this.spec;
    return cmdline === '' ? COMMAND_LINE : `${COMMAND_LINE} ${cmdline}`;
  }

  /** What the boot command line says about one word of a comma-separated option ('pci=nomsi,noaer'); undefined when it says nothing. */
  bootOption(option: string, word: string): string | undefined {
    for (const w of this.cmdline.split(' ')) {
      if (!w.startsWith(`${option}=`)) continue;
      const found = w
        .slice(option.length + 1)
        .split(',')
        .find((v) => v === word || v.startsWith(`${word}=`));
      if (found !== undefined) return found;
    }
    return undefined;
  }

  get init_net(): Net {
    return this.netns.init_net;
  }

  /** Local time: the running CPU's, or the world's. */
  now(): Instant {
    return this.platform.cpus.now();
  }

  /** Charges the running CPU; free outside any context (boot, inputs of zero length). */
  charge(nanoseconds: number): void {
    this.platform.cpus.current?.charge(nanoseconds);
  }

  /** The CPU that runs now, CPU 0 outside any context. */
  smp_processor_id(): number {
    return this.platform.cpus.current?.id ?? 0;
  }

  do_IRQ(cpu: Cpu, vector: number): void {
    this.irq.do_IRQ(cpu, vector);
  }

  do_softirq(cpu: Cpu): void {
    this.softirqs.__do_softirq(cpu);
  }
}
