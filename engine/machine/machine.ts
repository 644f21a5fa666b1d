// One machine: board, PCI bus with its NICs, kernel. What the canvas shows as a card.
import { parseMac } from '../wire/addresses.ts';
import { invariant } from '../base/ops.ts';
import { PciHost } from '../devices/pci_host.ts';
import { E1000e } from '../devices/e1000e/e1000e.ts';
import type { PciFunction } from '../devices/pci_function.ts';
import { type VirtioNetPci, virtioNetPci } from '../devices/virtio_net.ts';
import { Kernel } from '../kernel/kernel.ts';
import type { NicPort } from '../link/port.ts';
import { PCI_DEVFN } from '../pci/config_space.ts';
import { defaultCosts } from '../platform/costs.ts';
import { Platform } from '../platform/platform.ts';
import type { Actor, Sim } from '../sim/sim.ts';
import { F } from '../virtio/features.ts';
import type { Trace } from '../trace/trace.ts';
import { PROGRAMS } from '../userland/programs.ts';
import type { MachineSpec, NicSpec } from './lab.ts';
import { MODULES } from './modules.ts';

/** What every NIC model shows the canvas. */
export interface NicModel extends NicPort {
  /** Changes when the machine is renamed. */
  portName: string;
  readonly mac: Uint8Array;
  readonly linkUp: boolean;
  /** There is a cable, and it is up, whatever the NIC says of its link. */
  readonly wireUp: boolean;
}

/** A NIC in its slot: the PCI function, the port, and the model that is behind both. */
export interface Nic {
  spec: NicSpec;
  readonly devfn: number;
  readonly fn: PciFunction;
  readonly model: NicModel;
  readonly virtio: VirtioNetPci | undefined;
  readonly e1000e: E1000e | undefined;
}

/** Simulated time from power-on to the first process, ns: what has been scheduled by drivers at boot is done by then. */
export const BOOT_TIME = 1_500_000_000;
const OP_INIT = 0;

export class Machine implements Actor {
  spec: MachineSpec;
  /** The kernel has started its first process: setup scripts and shells may run. */
  booted = false;
  readonly platform: Platform;
  readonly pci: PciHost;
  readonly nics = new Map<string, Nic>();
  readonly kernel: Kernel;

  constructor(spec: MachineSpec, sim: Sim, trace: Trace) {
    this.spec = spec;
    this.platform = new Platform(
      { machine: spec.name, ramBytes: spec.ramBytes, cpus: spec.cpus, costs: { ...defaultCosts(), ...spec.costs } },
      sim,
      trace,
    );
    this.pci = new PciHost(this.platform);
    for (const nic of spec.nics) this.insert(nic);
    this.pci.firmware();
    this.kernel = new Kernel(this.platform, {
      hostname: spec.name,
      modules: MODULES,
      programs: PROGRAMS,
      autoload: spec.autoload,
      cmdline: spec.cmdline ?? '',
      contract: spec.contract ?? true,
    });
    this.platform.cpus.entries = this.kernel;
  }

  /** Runs the kernel's boot; cables are plugged before, so that the first link state is true. */
  boot(): void {
    this.kernel.boot();
    this.platform.sim.after(BOOT_TIME, this, OP_INIT);
  }

  onEvent(): void {
    this.booted = true;
  }

  nic(port: string): NicModel {
    const nic = this.nics.get(port);
    invariant(nic !== undefined, `${this.spec.name} has no port ${port}`);
    return nic.model;
  }

  /** Hot plug. A text says why not. */
  plugNic(spec: NicSpec): string | undefined {
    if (spec.slot === undefined && this.pci.freeSlot() < 0) return `${this.spec.name} has no free PCI slot`;
    if (spec.slot !== undefined && this.pci.functions.has(PCI_DEVFN(spec.slot, 0)))
      return `slot ${spec.slot} of ${this.spec.name} is taken`;
    const nic = this.insert(spec);
    this.spec = { ...this.spec, nics: [...this.spec.nics, spec] };
    this.kernel.drivers.hotplug?.deviceAdded(nic.devfn);
    return undefined;
  }

  /** Hot unplug: the guest is told first, as with ACPI, then the function is gone. */
  unplugNic(port: string): void {
    const nic = this.nics.get(port);
    invariant(nic !== undefined, `no NIC ${port}`);
    this.kernel.drivers.hotplug?.deviceRemoving(nic.devfn);
    this.pci.removeFunction(nic.devfn);
    this.nics.delete(port);
    this.spec = { ...this.spec, nics: this.spec.nics.filter((n) => n.port !== port) };
  }

  /** Leaves the world: its tracepoints fall silent. */
  leave(trace: Trace): void {
    trace.removeScope(this.platform.scope);
  }
  /** Comes back. */
  join(trace: Trace): void {
    trace.restoreScope(this.platform.scope);
  }

  rename(to: string): void {
    this.spec = { ...this.spec, name: to };
    for (const [port, nic] of this.nics) nic.model.portName = `${to}:${port}`;
    this.platform.scope.who = to;
  }

  private insert(spec: NicSpec): Nic {
    const mac = parseMac(spec.mac);
    invariant(mac !== undefined, `bad MAC ${spec.mac}`);
    const slot = spec.slot ?? this.pci.freeSlot();
    const place = { portName: `${this.spec.name}:${spec.port}`, slot: `00:${slot.toString(16).padStart(2, '0')}.0`, mac };
    const nic: Nic = { spec, devfn: PCI_DEVFN(slot, 0), ...this.build(spec, place) };
    this.pci.addFunction(nic.devfn, nic.fn);
    this.nics.set(spec.port, nic);
    return nic;
  }

  private build(
    spec: NicSpec,
    place: { readonly portName: string; readonly slot: string; readonly mac: Uint8Array },
  ): Omit<Nic, 'spec' | 'devfn'> {
    if (spec.model === 'e1000e') {
      const e1000e = new E1000e(this.platform, place);
      return { fn: e1000e.fn, model: e1000e, virtio: undefined, e1000e };
    }
    const { queuePairs, ringSize, vectors, net } = spec;
    const offer = (spec.packed === true ? F.VIRTIO_F_RING_PACKED : 0n) | (spec.inOrder === true ? F.VIRTIO_F_IN_ORDER : 0n);
    const virtio = virtioNetPci(this.platform, {
      ...place,
      queuePairs,
      ringSize,
      offer,
      ...(vectors === undefined ? {} : { vectors }),
      ...(net === undefined ? {} : { net }),
    });
    return { fn: virtio.pci.fn, model: virtio.net, virtio, e1000e: undefined };
  }
}
