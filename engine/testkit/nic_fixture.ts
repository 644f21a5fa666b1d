// A machine with one virtio NIC and a kernel that can load the virtio modules, for tests of drivers.
import { PciHost } from '../devices/pci_host.ts';
import { type VirtioNetPci, virtioNetPci } from '../devices/virtio_net.ts';
import type { NetOptions } from '../devices/virtio_net_features.ts';
import { LOOPBACK_MODULE } from '../drivers/loopback.ts';
import { PCI_MODULE } from '../drivers/pci/pci_module.ts';
import { VIRTIO_MODULES } from '../drivers/virtio/modules.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { Frame, PortOwner, Wire } from '../link/port.ts';
import { PCI_DEVFN } from '../pci/config_space.ts';
import type { Platform } from '../platform/platform.ts';
import type { Sim } from '../sim/sim.ts';
import { bootOn, makePlatform, runFor } from './kernel_fixture.ts';

/** One access of a CPU to a register. */
export interface Access {
  readonly write: boolean;
  readonly address: number;
  readonly size: number;
  readonly value: number;
}

/** A wire whose other end is the test. */
export class TestWire implements Wire {
  up = true;
  readonly sent: Frame[] = [];
  /** How long a frame takes (ns). */
  frameTime = 100;
  constructor(private readonly sim: Sim) {}
  readonly vnet = false;
  carries(): boolean {
    return false;
  }
  transmit(_from: PortOwner, frame: Frame): number {
    this.sent.push(frame);
    return this.sim.now + this.frameTime;
  }
}

export interface NicFixture {
  readonly sim: Sim;
  readonly platform: Platform;
  readonly kernel: Kernel;
  readonly host: PciHost;
  readonly nic: VirtioNetPci;
  readonly wire: TestWire;
  /** Accesses since the fixture was made; a test may empty it. */
  readonly log: Access[];
  /** Runs until nothing is left to happen or 50 ms have passed. */
  settle(nanoseconds?: number): void;
}

export function nicFixture(
  options: { cpus?: number; queuePairs?: number; ramBytes?: number; disable?: bigint; vectors?: number; net?: NetOptions } = {},
): NicFixture {
  const { sim, trace, platform } = makePlatform({ cpus: options.cpus ?? 2, ramBytes: options.ramBytes ?? 32 << 20 });
  const host = new PciHost(platform);
  const nic = virtioNetPci(platform, {
    portName: 'h1:nic0',
    slot: '00:01.0',
    mac: Uint8Array.of(0x52, 0x54, 0, 0x12, 0x34, 0x56),
    queuePairs: options.queuePairs ?? 1,
    ...(options.disable === undefined ? {} : { disable: options.disable }),
    ...(options.vectors === undefined ? {} : { vectors: options.vectors }),
    ...(options.net === undefined ? {} : { net: options.net }),
  });
  host.addFunction(PCI_DEVFN(1, 0), nic.pci.fn);
  host.firmware();
  const wire = new TestWire(sim);
  nic.net.plug(wire);
  nic.net.linkChanged(true);
  const modules = { builtin: [LOOPBACK_MODULE, PCI_MODULE], loadable: VIRTIO_MODULES };
  const log: Access[] = [];
  const { bus } = platform;
  const read = bus.read.bind(bus);
  const write = bus.write.bind(bus);
  bus.read = (address, size) => {
    const value = read(address, size);
    log.push({ write: false, address, size, value });
    return value;
  };
  bus.write = (address, size, value) => {
    log.push({ write: true, address, size, value });
    write(address, size, value);
  };
  const kernel = bootOn(platform, { modules, sim, trace });
  return { sim, platform, kernel, host, nic, wire, log, settle: (ns = 50_000_000) => runFor(sim, ns) };
}
