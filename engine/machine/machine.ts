// One machine: board, PCI bus with its NICs, kernel. What the canvas shows as a card.
import { parseMac } from '../wire/addresses.ts';
import { invariant } from '../base/ops.ts';
import { PciHost } from '../devices/pci_host.ts';
import { Kernel } from '../kernel/kernel.ts';
import { PCI_DEVFN, pciName } from '../pci/config_space.ts';
import { defaultCosts } from '../platform/costs.ts';
import { Platform } from '../platform/platform.ts';
import type { Actor, Sim } from '../sim/sim.ts';
import type { Trace } from '../trace/trace.ts';
import { PROGRAMS } from '../userland/programs.ts';
import { type MachineSpec, MMIO_MAX, type NicSpec } from './lab.ts';
import { modulesWith } from './modules.ts';
import { buildMmioNic, buildPciNic, isMmio, mmioParameter, type Nic, type NicModel } from './nics.ts';

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
      {
        machine: spec.name,
        ramBytes: spec.ramBytes,
        cpus: spec.cpus,
        costs: { ...defaultCosts(), ...spec.costs },
        iommu: spec.iommu !== undefined,
      },
      sim,
      trace,
    );
    this.pci = new PciHost(this.platform);
    for (const nic of spec.nics) this.insert(nic);
    this.pci.firmware();
    this.kernel = new Kernel(this.platform, {
      hostname: spec.name,
      modules: modulesWith(spec.variants ?? []),
      programs: PROGRAMS,
      autoload: spec.autoload,
      cmdline: this.commandLine(),
      ...(spec.rtc === undefined ? {} : { rtc: spec.rtc }),
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
    if (isMmio(spec)) return 'a virtio-mmio device is part of the board: it cannot be plugged into a running machine';
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

  /** Surprise removal: the function is gone, and nobody tells the kernel. The NIC keeps its port and its cable. */
  pullOut(nic: Nic): void {
    if (nic.fn !== undefined && this.pci.functions.get(nic.devfn) === nic.fn) this.pci.removeFunction(nic.devfn);
  }

  /** The NIC is in its slot again, without addresses until the kernel scans the bus. */
  pushIn(nic: Nic): void {
    if (nic.fn !== undefined && !this.pci.functions.has(nic.devfn)) this.pci.addFunction(nic.devfn, nic.fn);
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

  /** Why a NIC cannot be taken out; undefined when it can. */
  fixed(port: string): string | undefined {
    return this.nics.get(port)?.mmio === undefined
      ? undefined
      : `${port} is a virtio-mmio device, part of the board: it cannot be taken out`;
  }

  /** What the boot loader tells the kernel: the lab's words, and where the devices are that no bus can find. */
  private commandLine(): string {
    const devices = [...this.nics.values()].filter((n) => n.mmio !== undefined).map((_, i) => mmioParameter(i));
    const { cmdline = '', iommu } = this.spec;
    const own = [...(iommu === undefined ? [] : ['intel_iommu=on']), ...(iommu === 'passthrough' ? ['iommu=pt'] : []), cmdline];
    return [...own.filter((w) => w !== ''), ...devices].join(' ');
  }

  private insert(spec: NicSpec): Nic {
    const mac = parseMac(spec.mac);
    invariant(mac !== undefined, `bad MAC ${spec.mac}`);
    const place = { portName: `${this.spec.name}:${spec.port}`, mac };
    const nic = isMmio(spec) ? this.insertMmio(spec, place) : this.insertPci(spec, place);
    this.nics.set(spec.port, nic);
    return nic;
  }

  private insertPci(spec: NicSpec, place: { readonly portName: string; readonly mac: Uint8Array }): Nic {
    const slot = spec.slot ?? this.pci.freeSlot();
    const devfn = PCI_DEVFN(slot, 0);
    const parts = buildPciNic(this.platform, spec, { ...place, slot: `00:${slot.toString(16).padStart(2, '0')}.0` });
    invariant(parts.fn !== undefined, 'a PCI NIC is a function');
    this.pci.addFunction(devfn, parts.fn);
    return { spec, devfn, busName: pciName(0, devfn), ...parts };
  }

  private insertMmio(spec: NicSpec, place: { readonly portName: string; readonly mac: Uint8Array }): Nic {
    const n = [...this.nics.values()].filter((nic) => nic.mmio !== undefined).length;
    invariant(n < MMIO_MAX, `${this.spec.name} has more than ${MMIO_MAX} virtio-mmio devices`);
    const parts = buildMmioNic(this.platform, spec, place, n);
    parts.mmio?.plug(true);
    return { spec, devfn: -1, busName: `virtio-mmio.${n}`, ...parts };
  }
}
