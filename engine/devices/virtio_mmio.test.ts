// virtio over MMIO (virtio-v1.2 §4.2), against a scripted driver: registers of both versions, queues, the interrupt line.
import { expect, test } from 'vitest';
import { MmioScript } from '../testkit/mmio_script.ts';
import { settle } from '../testkit/nic_pair.ts';
import { F } from '../virtio/features.ts';
import { legacyRing } from '../virtio/legacy.ts';
import { VIRTIO_MMIO as R, VIRTIO_MMIO_INT, VIRTIO_MMIO_MAGIC } from '../virtio/mmio.ts';
import { VIRTIO_CONFIG_S as S } from '../virtio/status.ts';

test.each([
  [false, 2],
  [true, 1],
])('virtio-v1.2 §4.2.2.1 device: magic value, version (legacy %s: %d), type, vendor', (legacy, version) => {
  const m = new MmioScript({ legacy });
  expect([R.MAGIC_VALUE, R.VERSION, R.DEVICE_ID, R.VENDOR_ID].map((r) => m.read(r))).toEqual([VIRTIO_MMIO_MAGIC, version, 1, 0x554d4551]);
});

test.each([1, 2])('virtio-v1.2 §4.2.2.2 driver: registers answer accesses of 32 bits only, not of %d bytes', (size) => {
  const m = new MmioScript();
  m.write(R.STATUS, S.ACKNOWLEDGE, size);
  expect([m.read(R.MAGIC_VALUE, size), m.read(R.STATUS)]).toEqual([0, 0]);
  expect(m.read(R.CONFIG, 1)).toBe(0x52);
});

test('virtio-v1.2 §4.2.2.1 device: a shared memory region that does not exist has a length of all ones', () => {
  const m = new MmioScript();
  m.write(0x0ac, 0);
  expect([R.SHM_LEN_LOW, R.SHM_LEN_HIGH].map((r) => m.read(r))).toEqual([0xffffffff, 0xffffffff]);
});

test('virtio-v1.2 §4.2.3.1: features are told in two halves; FEATURES_OK needs VERSION_1', () => {
  const m = new MmioScript();
  const offered = m.offered();
  expect((offered & F.VIRTIO_F_VERSION_1) !== 0n).toBe(true);
  expect([m.negotiate(offered) & S.FEATURES_OK, m.negotiate(F.VIRTIO_NET_F_MAC) & S.FEATURES_OK]).toEqual([S.FEATURES_OK, 0]);
});

test('virtio-v1.2 §4.2.3.2: a queue is set up by size and addresses, QueueReady reads back; a queue that is not there has QueueNumMax 0', () => {
  const m = new MmioScript();
  m.negotiate();
  m.setup(1, 128);
  expect([m.read(R.QUEUE_READY), m.device.queues[1].size, m.read(R.QUEUE_NUM_MAX)]).toEqual([1, 128, 256]);
  m.write(R.QUEUE_READY, 0);
  expect(m.read(R.QUEUE_READY)).toBe(0);
  m.write(R.QUEUE_SEL, 7);
  expect([m.read(R.QUEUE_NUM_MAX), m.read(R.QUEUE_READY)]).toEqual([0, 0]);
});

test.each([0n, F.VIRTIO_F_NOTIFICATION_DATA])(
  'virtio-v1.2 §4.2.3.3, §4.2.3.4: a doorbell, a used buffer, the line up until it is acknowledged (extra features %d)',
  (extra) => {
    const m = new MmioScript({ offer: extra });
    m.negotiate(F.VIRTIO_F_VERSION_1 | extra);
    const tx = m.setup(1);
    m.driverOk();
    const at = m.memory.page(100);
    tx.addChain([{ addr: at, len: 12 + 60 }]);
    tx.publish();
    m.write(R.QUEUE_NOTIFY, extra === 0n ? 1 : 0x10001);
    settle(m.sim);
    expect(tx.takeUsed()).toEqual([{ id: 0, len: 0 }]);
    expect([m.read(R.INTERRUPT_STATUS), m.line]).toEqual([VIRTIO_MMIO_INT.VRING, true]);
    m.write(R.INTERRUPT_ACK, VIRTIO_MMIO_INT.VRING);
    expect([m.read(R.INTERRUPT_STATUS), m.line]).toEqual([0, false]);
  },
);

test('virtio-v1.2 §4.2.3.3: a configuration change sets its bit and changes the generation; each bit is acknowledged alone', () => {
  const m = new MmioScript();
  m.negotiate();
  m.driverOk();
  const generation = m.read(R.CONFIG_GENERATION);
  m.net.linkChanged(true);
  expect([m.read(R.INTERRUPT_STATUS), m.read(R.CONFIG_GENERATION) !== generation]).toEqual([VIRTIO_MMIO_INT.CONFIG, true]);
  m.write(R.INTERRUPT_ACK, VIRTIO_MMIO_INT.VRING);
  expect(m.line).toBe(true);
  m.write(R.INTERRUPT_ACK, VIRTIO_MMIO_INT.CONFIG);
  expect(m.line).toBe(false);
});

test('virtio-v1.2 §2.6.1, §4.2.2.1: QueueReset takes the queue out of use with VIRTIO_F_RING_RESET, and does nothing without', () => {
  const ready = (features: bigint): number => {
    const m = new MmioScript();
    m.negotiate(features);
    m.setup(0);
    m.write(R.QUEUE_RESET, 1);
    return m.read(R.QUEUE_READY);
  };
  expect([ready(F.VIRTIO_F_VERSION_1), ready(F.VIRTIO_F_VERSION_1 | F.VIRTIO_F_RING_RESET)]).toEqual([1, 0]);
});

test('virtio-v1.2 §4.2.4: the legacy device takes page size, alignment and page number, and keeps the page size over a reset', () => {
  const m = new MmioScript({ legacy: true });
  m.write(R.GUEST_PAGE_SIZE, 4096);
  m.write(R.STATUS, 0);
  m.write(R.STATUS, S.ACKNOWLEDGE | S.DRIVER);
  m.write(R.DRIVER_FEATURES_SEL, 0);
  m.write(R.DRIVER_FEATURES, 0);
  const at = m.memory.page(16 * 4096);
  m.write(R.QUEUE_SEL, 1);
  m.write(R.QUEUE_NUM, 64);
  m.write(R.QUEUE_ALIGN, 4096);
  m.write(R.QUEUE_PFN, at / 4096);
  const { desc, driver, device } = legacyRing(at, 64, 4096);
  expect(m.device.queues[1]).toMatchObject({ desc, driver, device, size: 64, enabled: true });
  expect([m.read(R.QUEUE_PFN), m.read(R.QUEUE_READY)]).toEqual([at / 4096, 0]);
  m.write(R.QUEUE_PFN, 0);
  expect(m.read(R.QUEUE_PFN)).toBe(0);
});
