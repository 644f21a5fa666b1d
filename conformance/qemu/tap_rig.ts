// Our kernel on QEMU's board with a tap behind the NIC, in a network namespace of its own: the peer is this machine's Linux, with all its offloads.
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { Sim } from '../../engine/sim/sim.ts';
import { Trace } from '../../engine/trace/trace.ts';
import { MAC, type Outcome, PEER_IP, QemuMachine } from './machine.ts';
import { Pump } from './pump.ts';
import { Qemu } from './qemu.ts';

const TAP = 'rsq0';
const SETUP = `ip tuntap add dev ${TAP} mode tap multi_queue vnet_hdr && ip addr add ${PEER_IP}/24 dev ${TAP} && ip link set ${TAP} up && ip link set lo up`;

const HOST_MS = 20_000;

export interface HostProgram {
  /** What it has printed so far. */
  said(): string;
  outcome(): Promise<Outcome>;
}

export class TapRig extends QemuMachine {
  /** Whether this machine lets us make a tap in a namespace. */
  static possible(): boolean {
    return spawnSync('unshare', ['-n', 'sh', '-c', SETUP], { stdio: 'ignore' }).status === 0;
  }

  /** `options` are more of the device's. */
  static async start(dir: string, pairs: number, options: string): Promise<TapRig> {
    mkdirSync(dir, { recursive: true });
    const sim = new Sim(1);
    const pump = new Pump(sim);
    const qemu = await Qemu.start({
      dir,
      machine: 'q35',
      prefix: ['unshare', '-n', 'sh', '-c', `${SETUP} && exec "$@"`, 'sh'],
      args: [
        ...['-netdev', `tap,id=n0,ifname=${TAP},script=no,downscript=no,queues=${pairs}`],
        ...['-device', `virtio-net-pci,disable-legacy=on,mq=on,vectors=${2 * pairs + 2}${options},id=dev0,netdev=n0,mac=${MAC},addr=5.0`],
      ],
    });
    return new TapRig(qemu, pump, sim, new Trace(sim), { cpus: pairs, pci: true, iommu: false, cmdline: '' });
  }

  /** A program of this machine in the tap's namespace; it runs until `outcome`, and our kernel with it. */
  startOnHost(argv: readonly string[]): HostProgram {
    const child = this.qemu.inNamespace(argv);
    let out = '';
    let status: number | undefined;
    child.stdout?.on('data', (d: Buffer) => (out += d.toString()));
    child.stderr?.on('data', (d: Buffer) => (out += d.toString()));
    child.once('exit', (code) => (status = code ?? 1));
    child.once('error', () => (status = 127));
    return {
      said: () => out,
      outcome: async () => {
        if (!(await this.pump.until(() => status !== undefined, HOST_MS))) child.kill('SIGKILL');
        return { status: status ?? 1, out };
      },
    };
  }

  onHost(argv: readonly string[]): Promise<Outcome> {
    return this.startOnHost(argv).outcome();
  }
}
