// One-way UDP, 64 B payload, through the whole stack: socket … virtio_net … rings … cable … rings … NAPI … socket. Prints packets per wall second.
import { readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { parseLab } from '../main/host/labs.ts';
import { Session } from '../engine/session/session.ts';
import { Errno } from '../engine/base/errno.ts';
import { instant } from '../engine/base/units.ts';
import { Process } from '../engine/kernel/process.ts';
import { SOCK, type Sock } from '../engine/kernel/sock.ts';
import type { Machine } from '../engine/machine/machine.ts';

const PACKETS = Number(process.env['PACKETS'] ?? 300_000);
/** Packets before the clock starts: the compiler has done its work by then. */
const WARM_UP = Number(process.env['WARM_UP'] ?? 100_000);
const SIZE = 64;
/** Messages a sender gives before it lets others run, as a program between two system calls might be preempted. */
const BURST = 32;
const OP_READY = 1;

class Sender extends Process {
  sent = 0;
  sock!: Sock;
  private readonly data = new Uint8Array(SIZE);
  private readonly to = { family: 2 as const, addr: new Uint8Array([10, 0, 0, 2]), port: 9 };
  main(): void {
    this.sock = this.kernel.sockets.socket(this.net, 2, SOCK.DGRAM, 0) as Sock;
    this.send();
  }
  override onEvent(): void {
    this.send();
  }
  private send(): void {
    const { sockets, procs } = this.kernel;
    for (let i = 0; i < BURST && this.sent < WARM_UP + PACKETS; i++) {
      const r = sockets.sendmsg(this.sock, this.data, this.to);
      if (r === -Errno.EAGAIN) {
        sockets.waitFor(this.sock, this, OP_READY);
        return;
      }
      if (r < 0) throw new Error(`sendmsg: ${r}`);
      this.sent++;
    }
    if (this.sent < WARM_UP + PACKETS) procs.wake(this, OP_READY);
  }
}

class Receiver extends Process {
  received = 0;
  sock!: Sock;
  main(): void {
    const { sockets } = this.kernel;
    this.sock = sockets.socket(this.net, 2, SOCK.DGRAM, 0) as Sock;
    sockets.bind(this.sock, { family: 2, addr: new Uint8Array(4), port: 9 });
    this.receive();
  }
  override onEvent(): void {
    this.receive();
  }
  private receive(): void {
    const { sockets } = this.kernel;
    for (;;) {
      const m = sockets.recvmsg(this.sock, 2048, 0);
      if (typeof m === 'number') break;
      this.received++;
    }
    sockets.waitFor(this.sock, this, OP_READY);
  }
}

const start = <P extends Process>(
  machine: Machine,
  make: new (k: Machine['kernel'], n: Machine['kernel']['init_net'], a: readonly string[]) => P,
  cpu: number,
): P => {
  const { kernel } = machine;
  const p = new make(kernel, kernel.init_net, ['bench']);
  p.cpu = cpu;
  const c = kernel.platform.cpus.list[cpu];
  const t = c.enterTask();
  p.main();
  c.leaveTask(t, 'bench');
  return p;
};

const read = parseLab(readFileSync('resources/labs/two-hosts.lab.yaml', 'utf8'), 'two-hosts');
/** The contract checker is off, as the peer has nothing like it; CONTRACT=on shows what it costs. */
const lab = process.env['CONTRACT'] !== 'on' ? { ...read, machines: read.machines.map((m) => ({ ...m, contract: false })) } : read;
const session = new Session(lab);
session.boot();
const spec = (machine: string, line: string): void => {
  session.apply({
    kind: 'spawn',
    machine,
    spec: {
      argv: line.split(' '),
      netns: '',
      cwd: '/',
      env: {},
      stdin: { kind: 'null' },
      stdout: { kind: 'null' },
      stderr: { kind: 'null' },
    },
  });
};
for (const m of lab.machines) for (const line of m.setup.trim().split('\n')) spec(m.name, line);
session.run(instant(session.time + 1e9), 100_000);
const [h1, h2] = ['h1', 'h2'].map((n) => session.world.machines.get(n)!);
const receiver = start(h2, Receiver, 1);
const sender = start(h1, Sender, 0);
const { sim } = session.world;

/** Runs until the receiver has `packets`; 20 simulated seconds at most. */
function runUntil(packets: number): void {
  const end = sim.now + 20e9;
  while (receiver.received < packets && sim.now < end && sim.step());
}

runUntil(WARM_UP);
const before = { packets: receiver.received, events: sim.executed, time: sim.now };
const t0 = performance.now();
const c0 = process.cpuUsage();
runUntil(WARM_UP + PACKETS);
const wall = (performance.now() - t0) / 1000;
const { user, system } = process.cpuUsage(c0);
const cpu = (user + system) / 1e6;
const packets = receiver.received - before.packets;
const events = sim.executed - before.events;
const round = (n: number, digits: number): number => Number(n.toFixed(digits));
console.log(
  JSON.stringify({
    bench: 'udp',
    packets,
    sent: sender.sent,
    wall_s: round(wall, 3),
    cpu_s: round(cpu, 3),
    packets_per_cpu_s: Math.round(packets / cpu),
    packets_per_s: Math.round(packets / wall),
    events,
    events_per_cpu_s: Math.round(events / cpu),
    events_per_packet: round(events / packets, 2),
    sim_s: (sim.now - before.time) / 1e9,
  }),
);
