// The ring's rules for drivers, broken by subclasses of the real ring: found once, at the moment the index moves.
import { expect, test } from 'vitest';
import type { IrqTarget } from '../../kernel/irq.ts';
import { bootKernel } from '../../testkit/kernel_fixture.ts';
import { NO_BUS } from '../../kernel/driver_core.ts';
import { VirtioDevice, type VirtioConfig } from './virtio_device.ts';
import { PackedVirtqueue } from './virtio_ring_packed.ts';
import { SplitVirtqueue } from './virtio_ring_split.ts';
import { VRING_ALIGN } from './vring_place.ts';

const SILENT = { notify: () => true } as unknown as VirtioConfig;
const BUFFER = 0x100000;

class ExposesBeforeItWrites extends SplitVirtqueue {
  override virtqueue_add_split(out: number, inn: number, data: object, ctx: number): number {
    this.virtio_wmb();
    this.exposeAvail();
    return super.virtqueue_add_split(out, inn, data, ctx);
  }
}
class ForgetsTheBarrier extends SplitVirtqueue {
  protected override virtio_wmb(): void {
    // no barrier
  }
}

class PackedWithoutBarrier extends PackedVirtqueue {
  protected override virtio_wmb(): void {
    // no barrier
  }
}

test.each([
  ['the real ring', SplitVirtqueue, []],
  ['a ring that exposes a slot before it is written', ExposesBeforeItWrites, ['ring-unwritten']],
  ['a ring without the write barrier', ForgetsTheBarrier, ['ring-barrier']],
  ['the real packed ring', PackedVirtqueue, []],
  ['a packed ring without the write barrier', PackedWithoutBarrier, ['ring-barrier']],
] as const)('virtio-v1.2 §2.7.13, §2.8.17: %s', (_what, Ring, found) => {
  const { kernel, platform } = bootKernel({ contract: true });
  const vdev = new VirtioDevice(kernel, 0, { device: 1, vendor: 0x1af4 }, SILENT, NO_BUS, kernel.drivers.rootDevice('test'));
  const options = { event: true, indirect: false, inOrder: false, align: VRING_ALIGN };
  const vq = new Ring(vdev, 0, { name: 'test.0', callback: undefined, op: 0 }, platform.dmaContext('test'), options);
  vq.allocate(16, false);
  for (let i = 0; i < 3; i++) {
    vq.sgReset();
    vq.sgAdd(BUFFER + 4096 * i, 64);
    expect(vq.virtqueue_add_outbuf(vq)).toBe(0);
  }
  expect(kernel.contract.violations.map((v) => v.rule)).toEqual(found);
});

test('vectors freed under a registered handler are found, and stay', () => {
  const { kernel } = bootKernel({ contract: true });
  const target: IrqTarget = { onIrq: () => 0 };
  const desc = kernel.irq.irq_alloc_desc(Object.freeze({ name: 'PCI-MSI' }), 0, target, -1);
  expect(kernel.irq.request_irq(desc.irq, target, 0, 'test')).toBe(0);
  kernel.irq.irq_free_desc(desc.irq);
  expect(kernel.contract.violations.map((v) => `${v.rule} ${v.by}`)).toEqual(['irq-vectors-in-use test']);
  expect(kernel.irq.irq_to_desc(desc.irq)).toBe(desc);
});
