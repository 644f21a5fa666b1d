// Our kernel on QEMU's board: booted, its programs run while the wall clock drives it, its log at hand.
import { Kernel } from '../../engine/kernel/kernel.ts';
import type { NetDevice } from '../../engine/kernel/net_device.ts';
import { SIG } from '../../engine/kernel/process.ts';
import { MODULES } from '../../engine/machine/modules.ts';
import type { Sim } from '../../engine/sim/sim.ts';
import type { Trace } from '../../engine/trace/trace.ts';
import { PROGRAMS } from '../../engine/userland/programs.ts';
import { QemuBoard } from './board.ts';
import { runFirmware } from './firmware.ts';
import type { Pump } from './pump.ts';
import type { Qemu } from './qemu.ts';

export const MAC = '52:54:00:aa:bb:cc';
export const IP = '10.9.0.1';
export const PEER_IP = '10.9.0.2';

export interface Outcome {
  readonly status: number;
  readonly out: string;
}

/** A program that runs; `outcome` waits for its end, and ends it when that does not come. */
export interface Running {
  outcome(timeoutMs: number): Promise<Outcome>;
}

export interface BoardSpec {
  readonly cpus: number;
  /** A q35 has PCI and firmware that sets it up; a microvm has neither. */
  readonly pci: boolean;
  /** QEMU has an intel-iommu. */
  readonly iommu: boolean;
  /** More words for the kernel's command line. */
  readonly cmdline: string;
}

export class QemuMachine {
  readonly board: QemuBoard;
  readonly kernel: Kernel;
  /** Output of processes that others wait for, by machine and process id. */
  private readonly said = new Map<string, string>();

  constructor(
    readonly qemu: Qemu,
    readonly pump: Pump,
    sim: Sim,
    trace: Trace,
    spec: BoardSpec,
  ) {
    qemu.qtest.interceptIrqs('ioapic');
    if (spec.pci) runFirmware(qemu.qtest);
    this.board = new QemuBoard('qemu', spec, sim, trace, qemu.ramFd, qemu.qtest);
    if (spec.pci) this.board.redirect.discover();
    pump.poll = () => this.board.poll();
    this.kernel = new Kernel(this.board, {
      hostname: 'qemu',
      modules: MODULES,
      programs: PROGRAMS,
      autoload: [],
      cmdline: spec.cmdline,
      contract: true,
    });
    this.board.cpus.entries = this.kernel;
    pump.catchUp();
    this.kernel.boot();
  }

  /** Runs a program of our kernel on QEMU's board to its end; arguments are words. */
  run(command: string, timeoutMs = 20_000): Promise<Outcome> {
    return this.runIn(this.kernel, command, timeoutMs);
  }

  /** As `run`, and the command must succeed. */
  async must(command: string): Promise<string> {
    const r = await this.run(command);
    if (r.status !== 0) throw new Error(`${command}: status ${r.status}\n${r.out}`);
    return r.out;
  }

  /** echo TEXT > PATH, as root's shell does it. */
  write(path: string, text: string): void {
    this.pump.catchUp();
    const [cpu] = this.board.cpus.list;
    const began = cpu.enterTask();
    const errno = this.kernel.vfs.writeFile({ net: this.kernel.init_net, cwd: '/', pid: 1 }, path, `${text}\n`, 'truncate');
    cpu.leaveTask(began, 'bash');
    if (errno < 0) throw new Error(`echo ${text} > ${path}: errno ${-errno}`);
  }

  /** The NIC under test; throws when no driver made one. */
  get dev(): NetDevice {
    const dev = this.kernel.init_net.__dev_get_by_name('eth0');
    if (dev === undefined) throw new Error(`there is no eth0\n${this.dmesg(12)}`);
    return dev;
  }

  dmesg(lines: number): string {
    return this.kernel.printk.records
      .slice(-lines)
      .map((r) => r.text)
      .join('\n');
  }

  async stop(): Promise<void> {
    await this.qemu.stop();
  }

  /** Starts a program and leaves it running; its input is this text, then the end. */
  protected startIn(kernel: Kernel, command: string, input: string): Running {
    this.pump.catchUp();
    const host = { kind: 'host' } as const;
    const stdin = input === '' ? ({ kind: 'null' } as const) : host;
    const spec = { argv: command.split(' '), netns: '', cwd: '/', env: {}, stdin, stdout: host, stderr: host } as const;
    const p = kernel.procs.spawn(spec);
    if ('errno' in p) throw new Error(`${command}: no such program (${p.what})`);
    if (input !== '') kernel.procs.feed(p.pid, input, true);
    const outcome = async (timeoutMs: number): Promise<Outcome> => {
      if (!(await this.pump.until(() => p.exited, timeoutMs))) kernel.procs.kill(p.pid, SIG.KILL);
      const key = (pid: number): string => `${kernel.hostname}/${pid}`;
      for (const o of kernel.procs.drainOutput()?.out ?? []) this.said.set(key(o.pid), (this.said.get(key(o.pid)) ?? '') + o.data);
      const out = this.said.get(key(p.pid)) ?? '';
      this.said.delete(key(p.pid));
      return { status: p.status, out };
    };
    return { outcome };
  }

  start(command: string, input = ''): Running {
    return this.startIn(this.kernel, command, input);
  }

  protected runIn(kernel: Kernel, command: string, timeoutMs: number): Promise<Outcome> {
    return this.startIn(kernel, command, '').outcome(timeoutMs);
  }
}
