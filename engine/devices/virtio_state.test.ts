// A driver that keeps no order: status, features, queues and registers in every wrong sequence (the case families of virtio-villain's state and mmio tests).
// After each the device stands as the specification says, and works once it is reset.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fuzzRuns } from '../testkit/fuzz.ts';
import { MmioScript } from '../testkit/mmio_script.ts';
import { frame, payload } from '../testkit/frames.ts';
import { type NicPair, nicPair, settle, type Station } from '../testkit/nic_pair.ts';
import { F } from '../virtio/features.ts';
import { VIRTIO_MMIO as R, VIRTIO_MMIO_INT } from '../virtio/mmio.ts';
import { VirtioPciCommonCfg as C } from '../virtio/pci_cfg.ts';
import { VIRTIO_CONFIG_S as S } from '../virtio/status.ts';

const { ACKNOWLEDGE, DRIVER, FEATURES_OK, DRIVER_OK, FAILED, NEEDS_RESET } = S;
const READY = ACKNOWLEDGE | DRIVER | FEATURES_OK;
const RUNNING = READY | DRIVER_OK;
/** In the BAR of the device itself, and beyond all memory. */
const IN_BAR = 0xfebfc000;

/** Everything from the start, and a packet through the first transmit queue. */
function recovers({ a, sim }: NicPair): boolean {
  a.start();
  a.send(frame(payload(20)));
  settle(sim);
  return a.driver.status === RUNNING && a.tx[0].takeUsed().length === 1;
}

const setFeatures = (a: Station, word: bigint): void => {
  for (const half of [0, 1]) {
    a.driver.write(C.driver_feature_select, half);
    a.driver.write(C.driver_feature, Number((word >> BigInt(32 * half)) & 0xffffffffn));
  }
};
const address = (a: Station, field: { readonly offset: number }, low: number, high = 0): void => {
  a.platform.bus.write(a.driver.common + field.offset, 4, low);
  a.platform.bus.write(a.driver.common + field.offset + 4, 4, high);
};
/** Negotiated, and queue 1 with one of its parts elsewhere. */
const misplaced = (a: Station, field: { readonly offset: number }, low: number, high = 0): void => {
  a.driver.negotiate(a.driver.offeredFeatures());
  const q = a.driver.page(4096 * 4);
  for (const [f, at] of [
    [C.queue_desc, q],
    [C.queue_driver, q + 0x2000],
    [C.queue_device, q + 0x3000],
  ] as const) {
    a.driver.write(C.queue_select, 1);
    address(a, f, at);
  }
  address(a, field, low, high);
  a.driver.write(C.queue_enable, 1);
};

interface Case {
  readonly section: string;
  readonly what: string;
  act(a: Station, pair: NicPair): void;
  /** Status afterwards, and the kind of the first fault. */
  readonly status: number;
  readonly fault?: string;
}

const CASES: readonly Case[] = [
  {
    section: '§2.2.1',
    what: 'features written again after FEATURES_OK',
    act: (a) => {
      a.driver.negotiate(a.driver.offeredFeatures());
      setFeatures(a, 0n);
      a.driver.status = READY;
      expect(a.nic.pci.driverFeatures).not.toBe(0n);
    },
    status: READY,
  },
  { section: '§2.2.2', what: 'every feature bit', act: (a) => a.driver.negotiate(2n ** 64n - 1n), status: ACKNOWLEDGE | DRIVER },
  { section: '§6.2', what: 'no feature at all', act: (a) => a.driver.negotiate(0n), status: ACKNOWLEDGE | DRIVER },
  {
    section: '§2.4',
    what: 'fewer features after a reset',
    act: (a) => {
      a.driver.negotiate(a.driver.offeredFeatures());
      a.driver.negotiate(F.VIRTIO_F_VERSION_1);
      expect(a.nic.pci.driverFeatures).toBe(F.VIRTIO_F_VERSION_1);
    },
    status: READY,
  },
  {
    section: '§3.1.1',
    what: 'DRIVER_OK right after a reset',
    act: (a) => {
      a.start();
      a.driver.status = 0;
      a.driver.status = RUNNING & ~FEATURES_OK;
    },
    status: (RUNNING & ~FEATURES_OK) | NEEDS_RESET,
    fault: 'started too early',
  },
  {
    section: '§3.1.1',
    what: 'all status bits at once',
    act: (a) => (a.driver.status = 0xff),
    status: ACKNOWLEDGE | DRIVER | DRIVER_OK | FAILED | NEEDS_RESET,
    fault: 'started too early',
  },
  {
    section: '§2.1.1',
    what: 'DRIVER_OK taken back',
    act: (a) => {
      a.start();
      a.driver.status = READY;
    },
    status: RUNNING,
    fault: 'status bit cleared',
  },
  {
    section: '§2.1.1',
    what: 'FEATURES_OK taken back after DRIVER_OK',
    act: (a) => {
      a.start();
      a.driver.status = RUNNING & ~FEATURES_OK;
    },
    status: RUNNING,
    fault: 'status bit cleared',
  },
  {
    section: '§3.1.1',
    what: 'initialisation again without a reset',
    act: (a) => {
      a.start();
      for (const s of [ACKNOWLEDGE, ACKNOWLEDGE | DRIVER, READY, RUNNING]) a.driver.status = s;
    },
    status: RUNNING,
    fault: 'status bit cleared',
  },
  { section: '§2.1', what: 'FAILED alone', act: (a) => (a.driver.status = FAILED), status: FAILED },
  {
    section: '§2.1',
    what: 'FAILED after DRIVER_OK, and a packet then',
    act: (a, { sim }) => {
      a.start();
      a.driver.status = RUNNING | FAILED;
      a.send(frame(payload(5)));
      settle(sim);
    },
    status: RUNNING | FAILED,
  },
  {
    section: '§3.1.1',
    what: 'DRIVER_OK twice',
    act: (a, { sim }) => {
      a.start();
      a.driver.driverOk();
      a.send(frame(payload(5)));
      settle(sim);
      expect(a.tx[0].takeUsed()).toHaveLength(1);
    },
    status: RUNNING,
  },
  {
    section: '§3.1.1',
    what: 'DRIVER_OK without a queue, and doorbells',
    act: (a) => {
      a.driver.negotiate(a.driver.offeredFeatures());
      a.driver.driverOk();
      for (let q = 0; q < 5; q++) a.driver.notify(q);
    },
    status: RUNNING,
  },
  {
    section: '§3.1.1',
    what: 'a queue before ACKNOWLEDGE',
    act: (a) => {
      a.driver.status = 0;
      a.driver.setupQueue(1);
    },
    status: NEEDS_RESET,
    fault: 'enabled too early',
  },
  {
    section: '§4.1.4.3.2',
    what: 'a queue enabled twice with other addresses',
    act: (a) => {
      a.start();
      const { desc } = a.nic.pci.queues[1];
      a.driver.write(C.queue_select, 1);
      address(a, C.queue_desc, 0x2000);
      a.driver.write(C.queue_enable, 1);
      expect(a.nic.pci.queues[1].desc).toBe(desc);
    },
    status: RUNNING,
  },
  {
    section: '§2.4',
    what: 'reset: no queue enabled, no address, no vector',
    act: (a) => {
      a.start();
      a.driver.status = 0;
      for (const q of a.nic.pci.queues) expect([q.enabled, q.desc, q.driver, q.device, q.vector]).toEqual([false, 0, 0, 0, 0xffff]);
    },
    status: 0,
  },
  {
    section: '§2.4.1',
    what: 'reset while a packet is under way',
    act: (a, { sim }) => {
      a.start();
      a.send(frame(payload(5)));
      a.driver.status = 0;
      settle(sim);
      expect([a.tx[0].takeUsed(), a.irqs.vectors]).toEqual([[], []]);
    },
    status: 0,
  },
  {
    section: '§2.6.1',
    what: 'one queue reset with a packet under way, the others go on',
    act: (a, { sim }) => {
      a.start();
      a.send(frame(payload(5)));
      a.driver.write(C.queue_select, 1);
      a.driver.write(C.queue_reset, 1);
      a.driver.write(C.queue_reset, 1);
      settle(sim);
      expect([a.tx[0].takeUsed(), a.nic.pci.queues[0].enabled]).toEqual([[], true]);
    },
    status: RUNNING,
  },
  ...(
    [
      ['descriptor table', C.queue_desc],
      ['avail ring', C.queue_driver],
      ['used ring', C.queue_device],
    ] as const
  ).flatMap(([part, field]): Case[] => [
    {
      section: '§2.7',
      what: `the ${part} in a BAR`,
      act: (a) => misplaced(a, field, IN_BAR),
      status: READY | NEEDS_RESET,
      fault: 'ring outside memory',
    },
    {
      section: '§2.7',
      what: `the ${part} at the end of the address space`,
      act: (a) => misplaced(a, field, 0xfffff000, 0xffffffff),
      status: READY | NEEDS_RESET,
      fault: 'ring outside memory',
    },
  ]),
];

test.each(CASES)('virtio-v1.2 $section state: $what', ({ act, status, fault }) => {
  const pair = nicPair();
  pair.a.driver.probe();
  act(pair.a, pair);
  expect([pair.a.driver.status, pair.a.nic.pci.fault?.kind]).toEqual([status, fault]);
  expect(recovers(pair)).toBe(true);
});

test('virtio-v1.2 §2.1, §4.1.4.3: whatever is written to the common configuration, in whatever order, a reset makes the device work', () => {
  const write = fc.record({
    field: fc.constantFrom(...Object.values(C).filter((f) => typeof f === 'object' && 'offset' in f && f.size <= 4)),
    value: fc.oneof(fc.constantFrom(0, 1, 2, 3, 7, 0xf, 0x40, 0xff, 0xffff, 0xffffffff), fc.nat()),
  });
  fc.assert(
    fc.property(fc.array(write, { maxLength: 60 }), (writes) => {
      const pair = nicPair();
      pair.a.driver.probe();
      for (const { field, value } of writes) {
        const { offset, size } = field as { offset: number; size: number };
        pair.a.platform.bus.write(pair.a.driver.common + offset, size, value);
        pair.a.driver.notify(value & 3);
      }
      settle(pair.sim);
      expect(recovers(pair)).toBe(true);
    }),
    fuzzRuns(40, 20261122),
  );
});

const MMIO_CASES: readonly { readonly section: string; readonly what: string; act(m: MmioScript): unknown; readonly gives: unknown }[] = [
  {
    section: '§4.2.2',
    what: 'offsets that mean nothing read 0 and take nothing',
    act: (m) => [0x018, 0x02c, 0x048, 0x054, 0x0c8, 0x0f8].map((o) => (m.write(o, 0xffffffff), m.read(o))),
    gives: [0, 0, 0, 0, 0, 0],
  },
  {
    section: '§4.2.2',
    what: 'registers that are only read keep their values',
    act: (m) =>
      [R.MAGIC_VALUE, R.VERSION, R.DEVICE_ID, R.VENDOR_ID, R.QUEUE_NUM_MAX, R.INTERRUPT_STATUS, R.CONFIG_GENERATION].every((o) => {
        const before = m.read(o);
        m.write(o, ~before >>> 0);
        return m.read(o) === before;
      }),
    gives: true,
  },
  {
    section: '§4.2.2',
    what: 'registers that are only written read 0',
    act: (m) => [R.DRIVER_FEATURES, R.QUEUE_NOTIFY, R.INTERRUPT_ACK, R.QUEUE_DESC_LOW].map((o) => m.read(o)),
    gives: [0, 0, 0, 0],
  },
  {
    section: '§4.2.2',
    what: 'a feature word beyond the second is 0',
    act: (m) => (m.write(R.DEVICE_FEATURES_SEL, 2), m.read(R.DEVICE_FEATURES)),
    gives: 0,
  },
  {
    section: '§4.2.2',
    what: 'a queue above QueueNumMax',
    act: (m) => (m.negotiate(), m.setup(0, 512), m.device.queues[0].size),
    gives: 256,
  },
  {
    section: '§4.2.2.2',
    what: 'QueueReady takes 0 and 1 only',
    act: (m) => (m.negotiate(), m.write(R.QUEUE_SEL, 0), m.write(R.QUEUE_READY, 2), m.read(R.QUEUE_READY)),
    gives: 0,
  },
  {
    section: '§4.2.2.2',
    what: 'addresses of a queue that is ready are fixed',
    act: (m) => {
      m.negotiate();
      const { desc } = m.setup(0);
      m.write(R.QUEUE_DESC_LOW, 0x1000);
      return m.device.queues[0].desc === desc;
    },
    gives: true,
  },
  {
    section: '§3.1.1',
    what: 'a queue made ready before FEATURES_OK',
    act: (m) => (m.write(R.STATUS, ACKNOWLEDGE | DRIVER), m.setup(0), [m.read(R.STATUS), m.device.queues[0].fault?.kind]),
    gives: [ACKNOWLEDGE | DRIVER | NEEDS_RESET, 'enabled too early'],
  },
  {
    section: '§2.7',
    what: 'a descriptor table beyond all memory',
    act: (m) => {
      m.negotiate();
      m.write(R.QUEUE_SEL, 0);
      m.write(R.QUEUE_DESC_LOW, 0xfffff000);
      m.write(R.QUEUE_DESC_LOW + 4, 0xffffffff);
      m.write(R.QUEUE_READY, 1);
      return m.device.fault?.kind;
    },
    gives: 'ring outside memory',
  },
  {
    section: '§4.2.3.4',
    what: 'interrupts that are not acknowledged keep the line up; acknowledging what is not there does nothing',
    act: (m) => {
      m.negotiate();
      m.driverOk();
      m.net.linkChanged(true);
      m.write(R.INTERRUPT_ACK, 0xfffffffc);
      return [m.line, m.read(R.INTERRUPT_STATUS)];
    },
    gives: [true, VIRTIO_MMIO_INT.CONFIG],
  },
  {
    section: '§2.4',
    what: 'a reset clears status, queues and the line; the identification stays',
    act: (m) => {
      m.negotiate();
      m.setup(0);
      m.driverOk();
      m.net.linkChanged(true);
      m.write(R.STATUS, 0);
      m.write(R.QUEUE_SEL, 0);
      return [m.read(R.STATUS), m.read(R.QUEUE_READY), m.line, m.read(R.DEVICE_ID)];
    },
    gives: [0, 0, false, 1],
  },
];

test.each(MMIO_CASES)('virtio-v1.2 $section mmio: $what', ({ act, gives }) => {
  const m = new MmioScript();
  expect(act(m)).toEqual(gives);
  expect(m.negotiate()).toBe(READY);
});
