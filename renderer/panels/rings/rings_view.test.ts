// The ring inspector tells the truth about indexes that wrap, chains, stalls, and what is under the pointer.
import { describe, expect, it } from 'vitest';
import type { PackedRingView, RingInfo, SplitRingView } from '../../../preload/contract.ts';
import { descriptorAt, descriptorCentre, ringLayout, slotAt } from './ring_layout.ts';
import {
  chainMembers,
  countOwners,
  cursorAfter,
  describeDescriptor,
  describeSlot,
  descriptorRow,
  fact,
  health,
  inWindow,
  markers,
  queueChoices,
  queueTitle,
  unfetched,
  unreaped,
  where,
  why,
} from './rings_view.ts';

function ring(over: Partial<SplitRingView> = {}): SplitRingView {
  return {
    machine: 'h1',
    port: 'nic0',
    queue: 1,
    name: 'output.0',
    format: 'split',
    size: 8,
    enabled: true,
    event: 1,
    time: 0,
    descAddr: 0x1000,
    availAddr: 0x2000,
    usedAddr: 0x3000,
    owners: 'fffaddfu',
    heads: [-1, -1, -1, 3, 4, 4, -1, 7],
    availIdx: 2,
    availFlags: 0,
    usedEvent: 65_535,
    usedIdx: 65_535,
    usedFlags: 0,
    availEvent: 1,
    deviceLastAvail: 65_534,
    driverLastUsed: 65_534,
    numFree: 4,
    eventIdx: true,
    indirect: true,
    inOrder: false,
    lastDoorbell: 1_000,
    lastInterrupt: undefined,
    doorbells: 1,
    doorbellData: undefined,
    interrupts: 0,
    notifyDevice: 'Device notify.',
    notifyDriver: 'Interrupts are off while NAPI polls.',
    stopped: false,
    vector: 2,
    faults: [],
    ...over,
  };
}

/** Eight descriptors, the driver one round ahead: 6, 7 used and not reaped, 0 and 1 the device's, 2 and 3 not fetched. */
function packed(over: Partial<PackedRingView> = {}): PackedRingView {
  const { availAddr: _a, usedAddr: _u, availIdx: _ai, availFlags: _af, usedEvent: _ue, usedIdx: _ui, ...rest } = ring();
  const { usedFlags: _uf, availEvent: _ae, deviceLastAvail: _dl, driverLastUsed: _ul, ...common } = rest;
  return {
    ...common,
    format: 'packed',
    driverEventAddr: 0x2000,
    deviceEventAddr: 0x3000,
    owners: 'ddaaffuu',
    heads: [0, 0, 2, 3, -1, -1, 6, 7],
    driverAvail: { at: 4, wrap: 0 },
    deviceAvail: { at: 2, wrap: 0 },
    deviceUsed: { at: 0, wrap: 0 },
    driverUsed: { at: 6, wrap: 1 },
    driverEvent: { flags: 1, at: 0, wrap: 0 },
    deviceEvent: { flags: 2, at: 2, wrap: 0 },
    table: [0x1000, 12, 5, 0x8001, 0x2000, 98, 5, 0x8000, ...Array<number>(24).fill(0)],
    ...over,
  };
}

describe('a packed ring', () => {
  it('windows between positions reach over the end of the ring, where the wrap counter flips (virtio-v1.2 §2.8.1)', () => {
    expect([unfetched(packed()), unreaped(packed())]).toEqual([
      { from: 2, count: 2 },
      { from: 6, count: 2 },
    ]);
    const full = packed({ driverAvail: { at: 2, wrap: 1 } });
    expect(unfetched(full).count).toBe(8);
    expect([fact(packed(), 'avail'), fact(packed(), 'used')]).toEqual(['4/0 · fetched 2/0 · 2 waiting', '0/0 · reaped 6/1 · 2 waiting']);
  });
  it('a side that waits for a descriptor is marked there, one that always or never wants to know is not', () => {
    expect(
      markers(packed())
        .filter((m) => m.kind === 'event')
        .map((m) => [m.label, m.slot]),
    ).toEqual([['doorbell at', 2]]);
    expect(where(packed())).toContain('driver event 0x2000: never · device event 0x3000: at 2/0');
  });
  it('a doorbell that carried data says where the driver adds next (virtio-v1.2 §2.9)', () => {
    expect(fact(packed({ doorbellData: 0x8005 }), 'doorbell')).toContain('said next 5/1');
    expect(fact(ring({ doorbellData: 0x8005 }), 'doorbell')).toContain('said next 32773');
  });
  it('a row shows the buffer ID, and AVAIL and USED among the flags', () => {
    expect(descriptorRow(packed(), 0)).toMatchObject({ addr: '0x00001000', len: '12', link: '5', flags: 'NEXT USED', chain: 'head' });
    expect(descriptorRow(packed(), 1)).toMatchObject({ link: '5', flags: 'USED', chain: 'of 0' });
    expect(describeSlot(packed(), 'used', 7)).toBe('descriptor 7, used, not reaped');
  });
});

describe('rings_view', () => {
  it('counts every descriptor exactly once', () => {
    expect(countOwners('fffaddfu')).toEqual({ free: 4, driver: 1, device: 2, used: 1 });
  });
  it('windows between 16-bit indexes survive the wrap at 65536 and the end of the ring', () => {
    const view = ring();
    expect(unfetched(view)).toEqual({ from: 6, count: 4 });
    expect([0, 1, 2, 5, 6, 7].map((slot) => inWindow(unfetched(view), slot, 8))).toEqual([true, true, false, false, true, true]);
    expect(unreaped(view)).toEqual({ from: 6, count: 1 });
    expect(fact(view, 'avail.idx')).toBe('2 · fetched 65534 · 4 waiting');
  });
  it('an empty window contains no slot', () => {
    const view = ring({ availIdx: 5, deviceLastAvail: 5 });
    expect([...Array(8).keys()].some((slot) => inWindow(unfetched(view), slot, 8))).toBe(false);
  });
  it('event indexes are marked only when the feature was negotiated', () => {
    expect(
      markers(ring())
        .filter((m) => m.kind === 'event')
        .map((m) => m.label),
    ).toEqual(['avail_event', 'used_event']);
    expect(markers(ring({ eventIdx: false })).some((m) => m.kind === 'event')).toBe(false);
  });
  it('a chain is all descriptors with the same head', () => {
    expect(chainMembers(ring().heads, 5)).toEqual([4, 5]);
    expect(chainMembers(ring().heads, 0)).toEqual([0]);
  });
  it('next is shown only where the NEXT flag makes it valid', () => {
    const table = Array<number>(32).fill(0);
    table.splice(16, 8, 0xabc000, 12, 1, 5, 0xabd000, 98, 0, 77);
    const view = ring({ table });
    expect(descriptorRow(view, 4)).toMatchObject({ chain: 'head', addr: '0x00abc000', len: '12', flags: 'NEXT', link: '5' });
    expect(descriptorRow(view, 5)).toMatchObject({ chain: 'of 4', flags: '', link: '' });
    expect(describeDescriptor(view, 4)).toBe('Descriptor 4: device, head of a chain of 2, 12 bytes at 0x00abc000, NEXT');
  });
  it('a stopped queue is explained by what is free and what is not reaped', () => {
    const view = ring({ stopped: true });
    expect(health(view)).toBe('stopped');
    expect(why(view)[0]).toContain('4 free descriptors < 2 + MAX_SKB_FRAGS (19)');
    expect(why(view)[1]).toBe('1 used entry is not reaped. Interrupts are off while NAPI polls.');
    expect(why(view)[2]).toContain('4 published entries are not fetched');
  });
  it('a receive ring full of buffers is healthy, one without any is not', () => {
    const rx = { name: 'input.0', driverLastUsed: 0, usedIdx: 0, stopped: false };
    expect(why(ring({ ...rx, owners: 'aaaaaaaa', availIdx: 8, deviceLastAvail: 0 }))).toEqual([]);
    expect(why(ring({ ...rx, owners: 'ffffffff', availIdx: 8, deviceLastAvail: 8 }))).toEqual([
      expect.stringContaining('no receive buffer'),
    ]);
  });
  it('a fault outranks everything and a healthy queue needs no explanation', () => {
    expect(health(ring({ faults: ['loop'], stopped: true }))).toBe('fault');
    expect(why(ring())).toEqual([]);
  });
  it('queues come as pairs, receive first, with the control queue apart', () => {
    const rings = ['input.0', 'output.0', 'input.1', 'output.1', 'control'].map((name, queue): RingInfo => ({
      machine: 'h1',
      port: 'nic0',
      queue,
      name,
      format: 'split',
      size: 8,
      enabled: true,
    }));
    expect(queueChoices(rings.toReversed(), [2, 1]).map((c) => [c.label, c.rings.map(queueTitle).join(' ')])).toEqual([
      ['Auto', 'Receive 1 Transmit 0'],
      ['Pair 0', 'Receive 0 Transmit 0'],
      ['Pair 1', 'Receive 1 Transmit 1'],
      ['Control', 'Control'],
      ['All', 'Receive 0 Transmit 0 Receive 1 Transmit 1 Control'],
    ]);
  });
  it('arrow keys walk the table and wrap at its ends', () => {
    expect(cursorAfter('ArrowLeft', 0, 8, 4)).toBe(7);
    expect(cursorAfter('ArrowDown', 6, 8, 4)).toBe(2);
    expect(cursorAfter('End', 0, 8, 4)).toBe(7);
    expect(cursorAfter('x', 0, 8, 4)).toBeUndefined();
  });
  it('a slot tells what stands in it, whose turn it is, and which index points there', () => {
    const view = ring({ availRing: [7, 6, 5, 4, 3, 2, 1, 0], usedRing: Array(16).fill(9) });
    expect(describeSlot(view, 'avail', 6)).toBe('avail ring[6] = descriptor 1, published, not fetched · fetched');
    expect(describeSlot(view, 'used', 0)).toBe('used ring[0] = descriptor 9, 9 bytes written, reaped or never used');
    const strip = ringLayout('strip', 256, 320);
    expect(slotAt(strip, 160, 46)).toEqual({ track: 'avail', slot: 128 });
    expect(slotAt(strip, 160, 80)).toBeUndefined();
  });
  it('the pointer finds every descriptor where it is drawn, in both shapes and all sizes', () => {
    for (const shape of ['circle', 'strip'] as const) {
      for (const size of [1, 16, 256, 1024]) {
        const layout = ringLayout(shape, size, 320);
        for (let id = 0; id < size; id++) {
          const { x, y } = descriptorCentre(layout, id);
          expect(descriptorAt(layout, x, y)).toBe(id);
        }
        expect(descriptorAt(layout, layout.width / 2, -50)).toBeUndefined();
      }
    }
  });
});
