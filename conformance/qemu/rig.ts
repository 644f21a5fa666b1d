// Our kernel on QEMU's board, its NIC's frames on a socket, and behind that a cable to a simulated machine: one clock, two kernels.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Kernel } from '../../engine/kernel/kernel.ts';
import { Cable } from '../../engine/link/cable.ts';
import type { World } from '../../engine/machine/world.ts';
import { peerNic, peerWorld } from '../linux/peer.ts';
import { MAC, type Outcome, QemuMachine, type Running } from './machine.ts';
import { Pump } from './pump.ts';
import { Qemu } from './qemu.ts';
import { StreamPort } from './stream_port.ts';

export interface RigSpec {
  /** Directory that is made for the rig, and removed by `stop`. */
  readonly dir: string;
  /** `-device` without netdev, MAC and address: 'virtio-net-pci,disable-legacy=on'. */
  readonly device: string;
  readonly cpus: number;
  readonly machine?: 'q35' | 'microvm';
  readonly iommu?: boolean;
  /** More arguments of QEMU, and more words of our kernel's command line. */
  readonly args?: readonly string[];
  readonly cmdline?: string;
}

/** q35 with the NIC in slot 5; microvm with nothing but I/O APIC and virtio-mmio. */
const MACHINES = { q35: 'q35', microvm: 'microvm,acpi=off,pic=off,pit=off,rtc=off,isa-serial=off,ioapic2=off' } as const;

export class Rig extends QemuMachine {
  readonly peer: Kernel;

  private constructor(
    qemu: Qemu,
    world: World,
    pump: Pump,
    readonly port: StreamPort,
    spec: RigSpec,
  ) {
    const { sim, trace } = world;
    const { cpus, machine, iommu = false, cmdline = '' } = spec;
    super(qemu, pump, sim, trace, { cpus, pci: machine !== 'microvm', iommu, cmdline: iommu ? `intel_iommu=on ${cmdline}` : cmdline });
    void new Cable(sim, trace, { id: 'qemu--peer', rate: 10e9, delay: 1000, loss: 0 }, port, peerNic(world));
    this.peer = world.machines.get('peer')!.kernel;
  }

  static async start(spec: RigSpec): Promise<Rig> {
    mkdirSync(spec.dir, { recursive: true });
    const world = peerWorld();
    const pump = new Pump(world.sim);
    const port = new StreamPort(world.sim, () => pump.catchUp());
    const socket = join(spec.dir, 'frames');
    await port.listen(socket);
    const machine = spec.machine ?? 'q35';
    let qemu: Qemu | undefined;
    try {
      qemu = await Qemu.start({
        dir: spec.dir,
        machine: MACHINES[machine],
        args: [
          // before the devices that it stands in front of
          ...(spec.iommu === true ? ['-device', 'intel-iommu,intremap=off'] : []),
          ...(spec.args ?? []),
          ...['-netdev', `stream,id=n0,server=off,addr.type=unix,addr.path=${socket}`],
          ...['-device', `${spec.device},id=dev0,netdev=n0,mac=${MAC}${machine === 'q35' ? ',addr=5.0' : ''}`],
        ],
      });
      return new Rig(qemu, world, pump, port, spec);
    } catch (e) {
      port.close();
      await qemu?.stop();
      throw e;
    }
  }

  runOnPeer(command: string, timeoutMs = 20_000): Promise<Outcome> {
    return this.runIn(this.peer, command, timeoutMs);
  }

  startOnPeer(command: string, input = ''): Running {
    return this.startIn(this.peer, command, input);
  }

  override async stop(): Promise<void> {
    this.port.close();
    await super.stop();
  }
}
