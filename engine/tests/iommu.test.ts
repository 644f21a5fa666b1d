// A device behind the IOMMU: the driver's tables, the unit's walk, the device's accesses, faults in the log (Intel VT-d 3.3).
import { expect, test } from 'vitest';
import { PciFunction } from '../devices/pci_function.ts';
import { PciHost } from '../devices/pci_host.ts';
import { IOMMU_MODULE } from '../drivers/iommu/iommu_module.ts';
import { PCI_MODULE } from '../drivers/pci/pci_module.ts';
import type { PciDev } from '../drivers/pci/pci_dev.ts';
import { PCI_DEVFN } from '../pci/config_space.ts';
import { gpa } from '../base/units.ts';
import { Cloner } from '../sim/clone.ts';
import { hashOf } from '../sim/hash.ts';
import { bootOn, makePlatform, runFor } from '../testkit/kernel_fixture.ts';

const ids = { vendor: 0x1234, device: 1, subsystemVendor: 0, subsystemId: 0, classCode: 0x020000, revision: 0, interruptPin: 0 };

function board(cmdline = 'intel_iommu=on') {
  const { sim, trace, platform } = makePlatform({ cpus: 1, iommu: true });
  const host = new PciHost(platform);
  const fn = new PciFunction('dev', ids, platform.dmaPort());
  host.addFunction(PCI_DEVFN(2, 0), fn);
  host.firmware();
  const kernel = bootOn(platform, { sim, trace, cmdline, modules: { builtin: [PCI_MODULE, IOMMU_MODULE], loadable: [] } });
  const dev = kernel.drivers.bus('pci')?.devices.find((d) => d.name === '0000:00:02.0') as PciDev;
  dev.core.pci_set_master(dev);
  const port = fn.port!;
  const log = (): string[] => kernel.printk.records.map((r) => r.text).filter((t) => t.startsWith('DMAR: ['));
  return { sim, platform, kernel, dev, dma: dev.dma, port, fn, log };
}

test('a mapping has a bus address of its own, in the first 4 GiB, and the device reaches the memory through it', () => {
  const { platform, dma, port, kernel } = board();
  const page = platform.pages.alloc_pages(1);
  platform.ram.setU32(page + 0x100, 0xcafe);
  const at = dma.dma_map_single(gpa(page + 0x100), 0x1800, 'DMA_BIDIRECTIONAL', 'test');
  expect([at, dma.dma_mapping_error(at)]).toEqual([0xffffe100, false]);
  expect([port.check(at, 0x1800, true), port.u32(at), port.physical?.(at + 0x1000)]).toEqual([undefined, 0xcafe, page + 0x1100]);
  // across the page's end
  port.setU32(at + 0xefe, 0x11223344);
  expect([platform.ram.u32(page + 0xffe), port.u32(at + 0xefe)]).toEqual([0x11223344, 0x11223344]);
  dma.dma_unmap_single(at, 0x1800, 'DMA_BIDIRECTIONAL', 'test');
  expect([dma.leaks(), dma.findings]).toEqual([[], []]);
  expect(kernel.drivers.iommuGroups.map((g) => [g.id, g.type, g.devices.map((d) => d.name)])).toEqual([
    [0, 'DMA-FQ', ['0000:00:00.0']],
    [1, 'DMA-FQ', ['0000:00:02.0']],
    [2, 'DMA-FQ', ['0000:00:1f.0', '0000:00:1f.2', '0000:00:1f.3']],
  ]);
});

test('the table says what a device may do: a fault names device, address and reason, in the register and in the log', () => {
  const { platform, dma, port, sim, log } = board();
  const page = platform.pages.alloc_pages(1);
  const out = dma.dma_map_single(gpa(page), 100, 'DMA_TO_DEVICE', 'test');
  const into = dma.dma_map_single(gpa(page + 4096), 100, 'DMA_FROM_DEVICE', 'test');
  expect(port.check(out, 100, false)).toBeUndefined();
  expect(port.check(out, 100, true)).toMatchObject({ reason: 'read-only mapping' });
  runFor(sim, 1e6);
  expect(port.check(into, 100, true)).toBeUndefined();
  expect(port.check(into, 100, false)).toMatchObject({ reason: 'not mapped' });
  runFor(sim, 1e6);
  expect(port.check(page, 100, false)).toMatchObject({ reason: 'not mapped' });
  runFor(sim, 1e6);
  expect(port.check(2 ** 39, 8, false)).toMatchObject({ reason: 'not mapped' });
  runFor(sim, 1e6);
  expect(log()).toEqual([
    'DMAR: [DMA Write NO_PASID] Request device [00:02.0] fault addr 0xfffff000 [fault reason 0x05] PTE Write access is not set',
    'DMAR: [DMA Read NO_PASID] Request device [00:02.0] fault addr 0xffffe000 [fault reason 0x06] PTE Read access is not set',
    `DMAR: [DMA Read NO_PASID] Request device [00:02.0] fault addr 0x${page.toString(16)} [fault reason 0x06] PTE Read access is not set`,
    'DMAR: [DMA Read NO_PASID] Request device [00:02.0] fault addr 0x8000000000 [fault reason 0x04] Access beyond MGAW',
  ]);
  // what is not let through reads as ones and writes nothing
  port.setU32(out, 1);
  expect([platform.ram.u32(page), port.u32(into)]).toEqual([0, 0xffffffff]);
});

test('lazy mode: a device may still reach what it reached before, until the domain is flushed; strict mode: not at all', () => {
  const reach = (cmdline: string): unknown[] => {
    const { platform, dma, port, sim } = board(cmdline);
    const at = dma.dma_map_single(gpa(platform.pages.alloc_pages(0)), 64, 'DMA_TO_DEVICE', 'test');
    const before = port.check(at, 64, false)?.reason;
    dma.dma_unmap_single(at, 64, 'DMA_TO_DEVICE', 'test');
    const after = port.check(at, 64, false)?.reason;
    const again = dma.dma_map_single(gpa(platform.pages.alloc_pages(0)), 64, 'DMA_TO_DEVICE', 'test');
    dma.dma_unmap_single(again, 64, 'DMA_TO_DEVICE', 'test');
    runFor(sim, 20e6);
    return [before, after, again === at, port.check(at, 64, false)?.reason];
  };
  expect(reach('intel_iommu=on')).toEqual([undefined, undefined, false, 'not mapped']);
  expect(reach('intel_iommu=on iommu.strict=1')).toEqual([undefined, 'not mapped', true, 'not mapped']);
});

test('iommu=pt: the unit is there and lets all pass; a device that bypasses it uses physical addresses', () => {
  const pt = board('intel_iommu=on iommu=pt');
  const page = pt.platform.pages.alloc_pages(0);
  expect([pt.dma.dma_map_single(gpa(page), 64, 'DMA_TO_DEVICE', 'test'), pt.port.check(page, 64, true)]).toEqual([page, undefined]);
  expect(pt.kernel.drivers.iommuGroups[1].type).toBe('identity');
  const by = board();
  const at = by.platform.pages.alloc_pages(0);
  by.dma.bypass = true;
  by.port.translated = false;
  expect([by.dma.dma_map_single(gpa(at), 64, 'DMA_TO_DEVICE', 'test'), by.port.check(at, 64, false)]).toEqual([at, undefined]);
});

test('a removed device leaves no table and no entry behind, and its group is gone', () => {
  const { platform, kernel, dev, dma, port } = board();
  const page = platform.pages.alloc_pages(0);
  const free = platform.pages.freePages;
  const at = dma.dma_map_single(gpa(page), 64, 'DMA_TO_DEVICE', 'test');
  dma.dma_unmap_single(at, 64, 'DMA_TO_DEVICE', 'test');
  dev.core.probe.pci_stop_and_remove_bus_device(dev);
  expect(kernel.drivers.iommuGroups.map((g) => g.id)).toEqual([0, 2]);
  // the top of its table was there before
  expect(platform.pages.freePages).toBe(free + 1);
  port.busMaster = true;
  expect(port.check(at, 64, false)?.reason).toBe('not mapped');
  expect(platform.iommu?.faults).toBe(1);
});

test('a copy of a device behind an IOMMU has its own memory and the same state', () => {
  const { platform, dma, port } = board();
  const page = platform.pages.alloc_pages(0);
  const at = dma.dma_map_single(gpa(page), 64, 'DMA_TO_DEVICE', 'test');
  port.check(at, 64, false);
  const twin = new Cloner().clone({ platform, port });
  expect(hashOf(twin.port)).toBe(hashOf(port));
  twin.platform.ram.setU32(page, 7);
  expect([twin.port.u32(at), port.u32(at)]).toEqual([7, 0]);
});
