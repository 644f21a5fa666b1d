// What virtio-v1.2 demands of a device's status machine and of virtio-pci, rule by rule, against a scripted driver.
import { describe, expect, it, test } from 'vitest';
import { VirtioPciCap, VirtioPciCfgCap } from '../pci/capabilities.ts';
import { nicPair, settle, type Station } from '../testkit/nic_pair.ts';
import { frame, payload } from '../testkit/frames.ts';
import { F, type FeatureName, FEATURES, type FeatureSpec } from '../virtio/features.ts';
import { VIRTIO_MSI_NO_VECTOR, VIRTIO_PCI_BAR_LAYOUT as BAR, VirtioPciCommonCfg as C } from '../virtio/pci_cfg.ts';
import { VIRTIO_CONFIG_S as S } from '../virtio/status.ts';
import type { VirtioNetSpec } from './virtio_net.ts';

/** The I/O APIC pin of slot 1's INTA#. */
const GSI = 21;
/** Where QEMU puts the window capability. */
const WINDOW = 0x84;

function station(spec: Partial<VirtioNetSpec> = {}): Station {
  const { a } = nicPair({ spec });
  a.driver.probe();
  return a;
}
const core = (s: Station) => s.nic.pci;

describe('virtio-v1.2 §2.1 device status', () => {
  test('§2.1.1 driver: a bit that is cleared without a reset stays set, and the fault names the section', () => {
    const a = station();
    a.driver.negotiate(a.driver.offeredFeatures());
    a.driver.status = S.ACKNOWLEDGE;
    expect(a.driver.status).toBe(S.ACKNOWLEDGE | S.DRIVER | S.FEATURES_OK);
    expect(core(a).fault).toMatchObject({ kind: 'status bit cleared', section: 'virtio-v1.2 §2.1.1' });
  });

  test('§2.1: bits that do not exist are not kept, and the driver cannot set DEVICE_NEEDS_RESET', () => {
    const a = station();
    a.driver.status = S.ACKNOWLEDGE | 0x30 | S.NEEDS_RESET;
    expect(a.driver.status).toBe(S.ACKNOWLEDGE);
  });

  test.each([
    [true, 1],
    [false, 0],
  ])('§2.1.2 device: DEVICE_NEEDS_RESET comes with a configuration interrupt once DRIVER_OK is set (%s)', (running, interrupts) => {
    const { a, sim } = nicPair();
    if (running) {
      a.start();
      a.driver.write(C.config_msix_vector, 0);
      const head = a.queueTx(frame(payload(10)));
      a.tx[0].setDesc(head, 0xfffffff0, 64, 0, 0);
      a.tx[0].kick();
    } else {
      a.driver.probe();
      a.driver.write(C.config_msix_vector, 0);
      a.driver.setupQueue(0);
    }
    settle(sim);
    expect([a.driver.status & S.NEEDS_RESET, a.irqs.count(0x30)]).toEqual([S.NEEDS_RESET, interrupts]);
    a.driver.status = 0;
    expect(a.driver.status).toBe(0);
  });
});

describe('virtio-v1.2 §2.2, §5.1.3.1 features', () => {
  const dependent = Object.entries(FEATURES).filter(([, f]: [string, FeatureSpec]) => f.requires.length + f.requiresOneOf.length > 0);
  it.each(dependent.map(([name]) => name as FeatureName))(
    '§5.1.3.1 device: FEATURES_OK does not stick for %s without what it needs',
    (name) => {
      const a = station({ queuePairs: 2 });
      const offered = a.driver.offeredFeatures();
      if ((offered & F[name]) === 0n) return;
      const { requires, requiresOneOf }: FeatureSpec = FEATURES[name];
      const without = [...requires, ...requiresOneOf].reduce((w, n) => w & ~F[n as FeatureName], offered);
      expect(a.driver.negotiate((without & (F.VIRTIO_F_VERSION_1 | F.VIRTIO_NET_F_MAC)) | F[name])).toBe(false);
    },
  );

  it('§2.2.2 device: a set that was accepted once is accepted again after a reset', () => {
    const a = station();
    const offered = a.driver.offeredFeatures();
    expect([1, 2, 3].map(() => a.driver.negotiate(offered))).toEqual([true, true, true]);
  });

  it('§2.2.1 driver: what is written to driver_feature after FEATURES_OK changes nothing', () => {
    const a = station();
    const offered = a.driver.offeredFeatures();
    a.driver.negotiate(offered);
    a.driver.write(C.driver_feature_select, 0);
    a.driver.write(C.driver_feature, 0);
    expect(core(a).driverFeatures).toBe(offered);
  });

  it('§4.1.4.3.1 device: device_feature is 0 for a selector of 2 and more', () => {
    const a = station();
    const words = [0, 1, 2, 0xffffffff].map((select) => {
      a.driver.write(C.device_feature_select, select);
      return a.driver.read(C.device_feature) !== 0;
    });
    expect(words).toEqual([true, true, false, false]);
  });
});

describe('virtio-v1.2 §3.1.1 initialisation', () => {
  test('§3.1.1 driver: a queue enabled before FEATURES_OK is a fault of that queue', () => {
    const a = station();
    a.driver.status = S.ACKNOWLEDGE | S.DRIVER;
    a.driver.setupQueue(1);
    expect(core(a).queues[1].fault).toMatchObject({ kind: 'enabled too early', section: 'virtio-v1.2 §3.1.1' });
    expect(a.driver.status & S.NEEDS_RESET).toBe(S.NEEDS_RESET);
  });

  test('§3.1.1 driver: DRIVER_OK without FEATURES_OK is a fault, and the device does not start', () => {
    const a = station();
    a.driver.status = S.ACKNOWLEDGE | S.DRIVER;
    a.driver.status = S.ACKNOWLEDGE | S.DRIVER | S.DRIVER_OK;
    expect([core(a).running, core(a).fault?.kind]).toEqual([false, 'started too early']);
  });

  test('§2.1.2 device: buffers made available before DRIVER_OK are taken after it', () => {
    const { a, sim } = nicPair();
    a.driver.probe();
    a.driver.negotiate(a.driver.offeredFeatures());
    a.tx[0] = a.driver.setupQueue(1);
    a.send(frame(payload(10)));
    settle(sim);
    const before = a.tx[0].takeUsed().length;
    a.driver.driverOk();
    settle(sim);
    expect([before, a.tx[0].takeUsed().length]).toEqual([0, 1]);
  });
});

describe('virtio-v1.2 §4.1.3.1, §4.1.4.3 common configuration', () => {
  const fields = Object.entries(C).filter(([, f]) => typeof f === 'object' && 'offset' in f && 'size' in f) as [
    string,
    { offset: number; size: number },
  ][];

  it.each(fields.filter(([, f]) => f.size < 8))('§4.1.3.1 driver: %s answers accesses of its own width only', (_name, field) => {
    const a = station();
    const at = a.driver.common + field.offset;
    const wrong = [1, 2, 4].filter((size) => size !== field.size && at % size === 0);
    expect(wrong.map((size) => a.platform.bus.read(at, size))).toEqual(wrong.map(() => 0));
  });

  it.each(['device_feature', 'num_queues', 'config_generation', 'queue_notify_off', 'queue_notify_data'] as const)(
    '§4.1.4.3: %s is read-only',
    (name) => {
      const a = station();
      a.driver.write(C.queue_select, 1);
      const before = a.driver.read(C[name]);
      a.driver.write(C[name], ~before & 0xff);
      expect(a.driver.read(C[name])).toBe(before);
    },
  );

  it('§4.1.4.3.1 device: queue_size is 0 for a queue that does not exist, and its fields take nothing', () => {
    const a = station();
    a.driver.write(C.queue_select, 3);
    for (const field of [C.queue_size, C.queue_msix_vector, C.queue_enable]) a.driver.write(field, 1);
    expect([C.queue_size, C.queue_enable, C.queue_msix_vector].map((f) => a.driver.read(f))).toEqual([0, 0, VIRTIO_MSI_NO_VECTOR]);
    expect(a.driver.read(C.queue_select)).toBe(3);
  });

  it('§4.1.4.3.2 driver: size and addresses of an enabled queue are fixed, and queue_enable takes no 0', () => {
    const a = station();
    a.driver.negotiate(a.driver.offeredFeatures());
    const q = a.driver.setupQueue(0, 64);
    a.driver.write(C.queue_size, 32);
    a.driver.write(C.queue_enable, 0);
    a.platform.bus.write(a.driver.common + C.queue_desc.offset, 4, 0x1000);
    expect([a.driver.read(C.queue_size), a.driver.read(C.queue_enable)]).toEqual([64, 1]);
    expect(core(a).queues[0].desc).toBe(q.desc);
  });

  it.each([3, 100, 512, 0])('§4.1.4.3.2 driver: a split queue of %d entries is refused', (size) => {
    const a = station();
    a.driver.write(C.queue_select, 0);
    a.driver.write(C.queue_size, size);
    expect(a.driver.read(C.queue_size)).toBe(256);
  });

  it('§4.1.4.3.1 device: config_generation changes with the configuration, not without', () => {
    const a = station();
    const read = (): number => a.driver.read(C.config_generation);
    const first = read();
    expect(read()).toBe(first);
    a.nic.net.setLink(false);
    expect(read()).not.toBe(first);
  });

  it('§4.1.4.3.2 driver: queue_reset without VIRTIO_F_RING_RESET does nothing; with it the queue is off and can be enabled anew', () => {
    const a = station();
    const reset = (features: bigint): number[] => {
      a.driver.negotiate(features);
      a.driver.setupQueue(0);
      a.driver.write(C.queue_reset, 1);
      return [a.driver.read(C.queue_reset), a.driver.read(C.queue_enable)];
    };
    const offered = a.driver.offeredFeatures();
    expect(reset(offered & ~F.VIRTIO_F_RING_RESET)).toEqual([0, 1]);
    expect(reset(offered)).toEqual([0, 0]);
    a.driver.setupQueue(0, 128);
    expect([a.driver.read(C.queue_enable), a.driver.read(C.queue_size)]).toEqual([1, 128]);
  });

  it('§2.6.1 device: a queue that was reset uses no more buffers until it is enabled again', () => {
    const { a, sim } = nicPair();
    a.start();
    a.driver.write(C.queue_select, 1);
    a.driver.write(C.queue_reset, 1);
    a.send(frame(payload(10)));
    settle(sim);
    expect([a.tx[0].takeUsed(), core(a).queues[1].state().popped]).toEqual([[], 0]);
  });
});

describe('virtio-v1.2 §4.1.4.4, §4.1.5.2 doorbells', () => {
  it.each([
    [false, 4, 0x1000, 0x4000],
    [true, 4096, 0x400000, 0x800000],
  ])('§4.1.4.4 device: page-per-vq %s puts them %d bytes apart', (pagePerVq, multiplier, length, size) => {
    const { a, sim } = nicPair({ spec: { pagePerVq } });
    a.start();
    a.send(frame(payload(10)));
    settle(sim);
    const bar = a.nic.pci.fn.bars.find((b) => b.index === BAR.BAR);
    expect([a.driver.multiplier, a.driver.cfg(0x70 + VirtioPciCap.length.offset), bar?.size]).toEqual([multiplier, length, size]);
    expect(a.tx[0].takeUsed()).toHaveLength(1);
  });

  it('§4.1.5.2.1 driver: with NOTIFICATION_DATA the doorbell takes 32 bits, the queue in the low half', () => {
    const { a, sim } = nicPair({ spec: { offer: F.VIRTIO_F_NOTIFICATION_DATA } });
    a.start();
    a.queueTx(frame(payload(10)));
    a.tx[0].publish();
    a.platform.bus.write(a.driver.notifyBase + a.driver.multiplier, 4, (1 << 16) | 1);
    settle(sim);
    expect(a.tx[0].takeUsed()).toHaveLength(1);
  });
});

describe('virtio-v1.2 §4.1.4.5, §4.1.5.3, §4.1.5.4 ISR and interrupts', () => {
  it('§4.1.4.5.1 device: without MSI-X the line is up while the ISR has a bit, reading clears it and lets the line go', () => {
    const { a, sim } = nicPair({ spec: { vectors: 0 } });
    a.start();
    const seen: unknown[] = [];
    const look = (): number => seen.push([a.platform.ioapic.state(GSI).asserted, a.platform.bus.read(a.driver.isr, 1)]);
    look();
    a.send(frame(payload(10)));
    settle(sim);
    look();
    a.nic.net.setLink(false);
    look();
    look();
    expect(seen).toEqual([
      [false, 0],
      [true, 1],
      [true, 2],
      [false, 0],
    ]);
    expect(a.nic.pci.fn.msix).toBeUndefined();
  });

  it('§4.1.5.4.1 device: with MSI-X a configuration change goes to its vector, or nowhere; the line is silent', () => {
    const { a, sim } = nicPair();
    a.start();
    a.nic.net.setLink(false);
    settle(sim);
    const without = a.irqs.vectors.length;
    a.driver.write(C.config_msix_vector, 0);
    a.nic.net.setLink(true);
    settle(sim);
    expect([without, a.irqs.count(0x30), a.platform.ioapic.state(GSI).asserted]).toEqual([0, 1, false]);
  });

  it('§4.1.5.3.1 device: a queue without a vector interrupts nobody', () => {
    const { a, sim } = nicPair();
    a.start();
    a.driver.write(C.queue_select, 1);
    a.driver.write(C.queue_msix_vector, VIRTIO_MSI_NO_VECTOR);
    a.send(frame(payload(10)));
    settle(sim);
    expect([a.irqs.vectors, a.tx[0].takeUsed().length]).toEqual([[], 1]);
  });
});

describe('virtio-v1.2 §4.1.4.9 the window in configuration space', () => {
  const select = (a: Station, bar: number, offset: number, length: number): void => {
    a.driver.setCfg(WINDOW + VirtioPciCap.bar.offset, 1, bar);
    a.driver.setCfg(WINDOW + VirtioPciCap.offset.offset, 4, offset);
    a.driver.setCfg(WINDOW + VirtioPciCap.length.offset, 4, length);
  };
  const DATA = WINDOW + VirtioPciCfgCap.pci_cfg_data.offset;

  it('§4.1.4.9.1 device: reads and writes of its data reach the structure it points to', () => {
    const a = station();
    select(a, BAR.BAR, BAR.COMMON + C.queue_select.offset, 2);
    a.driver.setCfg(DATA, 2, 2);
    select(a, BAR.BAR, BAR.COMMON + C.queue_size.offset, 2);
    expect([a.driver.read(C.queue_select), a.driver.cfg(DATA, 2)]).toEqual([2, 64]);
  });

  it.each([
    ['another BAR', 1, C.queue_select.offset, 2],
    ['a length of 3', BAR.BAR, C.queue_select.offset, 3],
    ['an offset that is no multiple of the length', BAR.BAR, C.queue_select.offset + 1, 2],
    ['an offset behind the BAR', BAR.BAR, 0x4000, 2],
  ])('§4.1.4.9.1 driver: %s moves nothing', (_what, bar, offset, length) => {
    const a = station();
    select(a, bar, offset, length);
    a.driver.setCfg(DATA, 2, 2);
    expect(a.driver.read(C.queue_select)).toBe(0);
  });
});

test('virtio-v1.2 §4.1.2.1, §4.1.4.7: modern ids and no shared memory capability', () => {
  const a = station({ interfaces: { legacy: false, modern: true } });
  expect([a.driver.cfg(2, 2), a.driver.cfg(8, 1), a.driver.bar(0)]).toEqual([0x1041, 1, 0]);
});
