// Our kernel on QEMU's board, its NIC's frames on a socket, and behind that a cable to a simulated machine: one clock, two kernels.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Kernel } from '../../engine/kernel/kernel.ts';
import type { NetDevice } from '../../engine/kernel/net_device.ts';
import { Cable } from '../../engine/link/cable.ts';
import { MODULES } from '../../engine/machine/modules.ts';
import type { World } from '../../engine/machine/world.ts';
import { PROGRAMS } from '../../engine/userland/programs.ts';
import { peerNic, peerWorld } from '../linux/peer.ts';
import { QemuBoard } from './board.ts';
import { runFirmware } from './firmware.ts';
import { Pump } from './pump.ts';
import { Qemu } from './qemu.ts';
import { StreamPort } from './stream_port.ts';

export const MAC = '52:54:00:aa:bb:cc';
export const IP = '10.9.0.1';
export const PEER_IP = '10.9.0.2';

export interface RigSpec {
  /** Directory that is made for the rig, and removed by `stop`. */
  readonly dir: string;
  /** `-device` without netdev and address: 'virtio-net-pci,disable-legacy=on'. */
  readonly device: string;
  readonly cpus: number;
}

export interface Outcome {
  readonly status: number;
  readonly out: string;
}

export class Rig {
  readonly board: QemuBoard;
  readonly kernel: Kernel;
  readonly peer: Kernel;
  /** Output of processes that others wait for, by machine and process id. */
  private readonly said = new Map<string, string>();

  private constructor(
    readonly qemu: Qemu,
    readonly world: World,
    readonly pump: Pump,
    readonly port: StreamPort,
    cpus: number,
  ) {
    const { sim, trace } = world;
    void new Cable(sim, trace, { id: 'qemu--peer', rate: 10e9, delay: 1000, loss: 0 }, port, peerNic(world));
    this.peer = world.machines.get('peer')!.kernel;
    qemu.qtest.interceptIrqs('ioapic');
    runFirmware(qemu.qtest);
    this.board = new QemuBoard('qemu', cpus, sim, trace, qemu.ramFd, qemu.qtest);
    this.board.redirect.discover();
    pump.poll = () => this.board.poll();
    this.kernel = new Kernel(this.board, { hostname: 'qemu', modules: MODULES, programs: PROGRAMS, autoload: [] });
    this.board.cpus.entries = this.kernel;
    pump.catchUp();
    this.kernel.boot();
  }

  static async start(spec: RigSpec): Promise<Rig> {
    mkdirSync(spec.dir, { recursive: true });
    const world = peerWorld();
    const pump = new Pump(world.sim);
    const port = new StreamPort(world.sim, () => pump.catchUp());
    const socket = join(spec.dir, 'frames');
    await port.listen(socket);
    try {
      const qemu = await Qemu.start({
        dir: spec.dir,
        machine: 'q35',
        args: [
          ...['-netdev', `stream,id=n0,server=off,addr.type=unix,addr.path=${socket}`],
          ...['-device', `${spec.device},id=dev0,netdev=n0,mac=${MAC},addr=5.0`],
        ],
      });
      return new Rig(qemu, world, pump, port, spec.cpus);
    } catch (e) {
      port.close();
      throw e;
    }
  }

  /** Runs a program of our kernel on QEMU's board to its end; arguments are words. */
  run(command: string, timeoutMs = 20_000): Promise<Outcome> {
    return this.runIn(this.kernel, command, timeoutMs);
  }

  runOnPeer(command: string, timeoutMs = 20_000): Promise<Outcome> {
    return this.runIn(this.peer, command, timeoutMs);
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
    this.port.close();
    await this.qemu.stop();
  }

  private async runIn(kernel: Kernel, command: string, timeoutMs: number): Promise<Outcome> {
    this.pump.catchUp();
    const host = { kind: 'host' } as const;
    const spec = { argv: command.split(' '), netns: '', cwd: '/', env: {}, stdin: { kind: 'null' }, stdout: host, stderr: host } as const;
    const p = kernel.procs.spawn(spec);
    if ('errno' in p) throw new Error(`${command}: no such program (${p.what})`);
    if (!(await this.pump.until(() => p.exited, timeoutMs))) kernel.procs.kill(p.pid, 9);
    const key = (pid: number): string => `${kernel.hostname}/${pid}`;
    for (const o of kernel.procs.drainOutput()?.out ?? []) this.said.set(key(o.pid), (this.said.get(key(o.pid)) ?? '') + o.data);
    const out = this.said.get(key(p.pid)) ?? '';
    this.said.delete(key(p.pid));
    return { status: p.status, out };
  }
}
