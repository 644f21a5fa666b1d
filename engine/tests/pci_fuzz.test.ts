// Whatever is written to configuration space, to the I/O APIC and to the IOMMU's registers and tables: nothing throws, and the buses stay whole.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { E1000e } from '../devices/e1000e/e1000e.ts';
import { PciHost } from '../devices/pci_host.ts';
import { virtioNetPci } from '../devices/virtio_net.ts';
import { ecamOffset, PCI_DEVFN } from '../pci/config_space.ts';
import { ECAM_BASE } from '../platform/bus.ts';
import { IOAPIC_BASE } from '../platform/ioapic.ts';
import { VTD_BASE } from '../platform/vtd.ts';
import { fuzzRuns } from '../testkit/fuzz.ts';
import { makePlatform } from '../testkit/kernel_fixture.ts';

const MAC = Uint8Array.of(0x52, 0x54, 0, 0, 0, 1);
const FUNCTIONS = [PCI_DEVFN(0, 0), PCI_DEVFN(1, 0), PCI_DEVFN(2, 0), PCI_DEVFN(31, 0), PCI_DEVFN(31, 2), PCI_DEVFN(9, 0)] as const;

function board() {
  const { sim, platform } = makePlatform({ cpus: 2, iommu: true });
  const host = new PciHost(platform);
  const virtio = virtioNetPci(platform, { portName: 'h:nic0', slot: '00:01.0', mac: MAC, queuePairs: 2 });
  const e1000e = new E1000e(platform, { portName: 'h:nic1', slot: '00:02.0', mac: MAC });
  host.addFunction(PCI_DEVFN(1, 0), virtio.pci.fn);
  host.addFunction(PCI_DEVFN(2, 0), e1000e.fn);
  host.firmware();
  return { sim, platform, host, ports: [virtio.pci.port, e1000e.mem] };
}

const word = fc.oneof(fc.nat(0xffffffff), fc.constantFrom(0, 0xffffffff, 1, 4, 7, 0x407, 0x80000000, 0xc000, 0xfebc0000));
const size = fc.constantFrom(1, 2, 4);
const step = fc.oneof(
  { weight: 8, arbitrary: fc.tuple(fc.constant('config' as const), fc.nat(FUNCTIONS.length - 1), fc.nat(0x1ff), size, word) },
  { weight: 2, arbitrary: fc.tuple(fc.constant('bar' as const), fc.nat(3), fc.nat(0x3fff), size, word) },
  { weight: 2, arbitrary: fc.tuple(fc.constant('ioapic' as const), fc.constantFrom(0, 0x10, 0x40), fc.nat(0xff), size, word) },
  { weight: 2, arbitrary: fc.tuple(fc.constant('iommu' as const), fc.nat(0x240), fc.nat(3), size, word) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('line' as const), fc.nat(1), fc.nat(23), size, word) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('dma' as const), fc.nat(1), fc.nat(9000), size, word) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('table' as const), fc.nat(15), fc.nat(511), size, word) },
);

test('random accesses to everything that configures the buses', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 50, maxLength: 300 }), (steps) => {
      const { sim, platform, host, ports } = board();
      const { bus } = platform;
      const held = new Set<number>();
      for (const [what, a, b, n, value] of steps) {
        if (what === 'config') {
          const at = ECAM_BASE + ecamOffset(0, FUNCTIONS[a] >> 3, FUNCTIONS[a] & 7) + (b & ~(n - 1));
          bus.write(at, n, value);
          const read = bus.read(at, n);
          expect(read >= 0 && read < 2 ** (8 * n)).toBe(true);
        } else if (what === 'bar') {
          const space = a < 2 ? bus : platform.ports;
          const region = space.regions[b % Math.max(1, space.regions.length)];
          if (region === undefined || region.base === ECAM_BASE) continue;
          const at = region.base + ((b % region.size) & ~3);
          space.write(at, n, value);
          space.read(at, n);
        } else if (what === 'ioapic') {
          bus.write(IOAPIC_BASE, 4, b);
          bus.write(IOAPIC_BASE + a, n, value);
          bus.read(IOAPIC_BASE + 0x10, 4);
        } else if (what === 'iommu') {
          bus.write(VTD_BASE + (a & ~3), 4, value);
          bus.read(VTD_BASE + (a & ~3), 4);
        } else if (what === 'line') {
          if (held.has(b) === (a === 1)) continue;
          platform.ioapic.setPin(b, a === 1);
          if (a === 1) held.add(b);
          else held.delete(b);
        } else if (what === 'dma') {
          ports[a].check(value, b, (b & 1) === 1);
          ports[a].u32(value);
          ports[a].setU32(value, b);
        } else platform.ram.setU32(0x10000 + a * 0x1000 + 4 * b, value & 0x1ffff);
        for (let i = 0; i < 20 && sim.peek() !== undefined; i++) sim.step();
      }
      // each register answers in one place, and a function that was taken out answers nowhere
      for (const devfn of [...host.functions.keys()]) host.removeFunction(devfn);
      expect([bus.regions.map((r) => r.name).sort(), platform.ports.regions]).toEqual([['intel-iommu', 'ioapic', 'pcie-mmcfg-mmio'], []]);
    }),
    fuzzRuns(60),
  );
});
