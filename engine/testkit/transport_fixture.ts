// A machine with one virtio NIC behind any transport, and a kernel that can load the virtio modules: for tests of the transports' drivers.
import { PciHost } from '../devices/pci_host.ts';
import { VirtioMmio } from '../devices/virtio_mmio.ts';
import { VirtioNet, virtioNetPci, type VirtioNetSpec } from '../devices/virtio_net.ts';
import type { VirtioCore } from '../devices/virtio_core.ts';
import { LOOPBACK_MODULE } from '../drivers/loopback.ts';
import { PCI_MODULE } from '../drivers/pci/pci_module.ts';
import { PLATFORM_MODULE } from '../drivers/platform/platform.ts';
import { VIRTIO_MODULES } from '../drivers/virtio/modules.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { PCI_DEVFN } from '../pci/config_space.ts';
import type { Bus } from '../platform/bus.ts';
import type { Platform } from '../platform/platform.ts';
import { bootOn, makePlatform, runFor } from './kernel_fixture.ts';
import { TestWire } from './nic_fixture.ts';

export interface TransportFixture {
  readonly kernel: Kernel;
  readonly platform: Platform;
  readonly device: VirtioCore;
  readonly net: VirtioNet;
  /** Accesses to the device's own registers: 'w 12 1 0' for a write to offset 0x12, one byte, 0. */
  readonly log: string[];
  settle(nanoseconds?: number): void;
}

const MMIO = { base: 0xfef00000, gsi: 5 };

export function transportFixture(
  where: 'pci' | 'mmio' | 'mmio-legacy',
  spec: Partial<VirtioNetSpec> = {},
  options: { readonly cmdline?: string; readonly iommu?: boolean } = {},
): TransportFixture {
  const { sim, trace, platform } = makePlatform({ ramBytes: 32 << 20, iommu: options.iommu ?? false });
  const mac = Uint8Array.of(0x52, 0x54, 0, 0x12, 0x34, 0x56);
  const described: VirtioNetSpec = { portName: 'h1:nic0', slot: '00:01.0', mac, queuePairs: 1, ...spec };
  const host = new PciHost(platform);
  const { device, net, cmdline } = place();
  host.firmware();
  net.plug(new TestWire(sim));
  net.linkChanged(true);
  device.generation = 0;
  const log: string[] = [];
  if (where === 'pci') watch(platform.ports, log, 0xc040, 0x20);
  else watch(platform.bus, log, MMIO.base, 0x200);
  const modules = { builtin: [LOOPBACK_MODULE, PLATFORM_MODULE, PCI_MODULE], loadable: VIRTIO_MODULES };
  const kernel = bootOn(platform, { modules, sim, trace, cmdline: [options.cmdline ?? '', cmdline].join(' ') });
  return { kernel, platform, device, net, log, settle: (ns = 1e9) => runFor(sim, ns) };

  function place(): { device: VirtioCore; net: VirtioNet; cmdline: string } {
    if (where === 'pci') {
      const nic = virtioNetPci(platform, described);
      host.addFunction(PCI_DEVFN(1, 0), nic.pci.fn);
      return { device: nic.pci, net: nic.net, cmdline: '' };
    }
    const model = new VirtioNet(platform, described);
    const device = new VirtioMmio(platform, { ...MMIO, name: 'virtio-net-device', legacy: where === 'mmio-legacy' }, model);
    device.plug(true);
    return { device, net: model, cmdline: `virtio_mmio.device=512@0x${MMIO.base.toString(16)}:${MMIO.gsi}` };
  }
}

function watch(bus: Bus, log: string[], base: number, size: number): void {
  const read = bus.read.bind(bus);
  const write = bus.write.bind(bus);
  const note = (what: string, address: number, bytes: number, value: number): void => {
    if (address >= base && address < base + size) log.push(`${what} ${(address - base).toString(16)} ${bytes} ${value.toString(16)}`);
  };
  bus.read = (address, bytes) => {
    const value = read(address, bytes);
    note('r', address, bytes, value);
    return value;
  };
  bus.write = (address, bytes, value) => {
    note('w', address, bytes, value);
    write(address, bytes, value);
  };
}
