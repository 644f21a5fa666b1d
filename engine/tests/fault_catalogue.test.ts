// Every fault of the catalogue under traffic: it strikes, traffic comes back as documented, and after rmmod nothing is left.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { FAULT_KIND_NAMES, type FaultKind, type FaultSpec } from '../machine/fault_kinds.ts';
import { CONTRACT_TABLE } from '../kernel/contract.ts';
import { faultTable } from '../testkit/fault_table.ts';
import { faultRun, type Model, type Recovery } from '../testkit/fault_run.ts';

type Case = readonly [kind: FaultKind, spec: Omit<FaultSpec, 'kind' | 'at'>, recovery: Recovery, finding?: RegExp];

const BOTH: readonly Case[] = [
  ['late-interrupt', {}, 'itself'],
  ['spurious-interrupt', { queue: 0 }, 'itself'],
  ['stuck-queue', { queue: 0 }, 'itself'],
  ['stuck-queue', { queue: 1 }, 'itself'],
  ['write-past-buffer', {}, 'itself', /^dma-device-touch: device: /],
  ['dma-fault', {}, 'reload'],
  ['link-flap', {}, 'itself'],
  ['frame-loss', { times: 5 }, 'itself'],
  ['frame-corrupt', { times: 5 }, 'itself'],
  ['frame-duplicate', { times: 5 }, 'itself'],
  ['frame-reorder', { times: 5 }, 'itself'],
  ['skb-alloc-fail', { times: 10 }, 'itself'],
  ['page-alloc-fail', { times: 10 }, 'itself'],
  ['dma-map-fail', { times: 10 }, 'itself'],
];

const CASES: Readonly<Record<Model, readonly Case[]>> = {
  'virtio-net': [
    ...BOTH,
    ['lost-doorbell', { queue: 1 }, 'reload'],
    ['lost-interrupt', { queue: 0 }, 'reload'],
    ['lost-interrupt', { queue: 1 }, 'itself'],
    ['stale-used-index', { queue: 0 }, 'itself'],
    ['stale-used-index', { queue: 1 }, 'itself'],
    ['wrong-used-length', { queue: 0 }, 'itself'],
    ['wrong-used-id', { queue: 0 }, 'reload'],
    ['wrong-used-id', { queue: 1 }, 'reload'],
    ['wrong-checksum-verdict', { times: 10 }, 'itself'],
    ['probe-fail', { fn: 'virtnet_find_vqs' }, 'reload'],
  ],
  e1000e: [
    ...BOTH,
    ['lost-doorbell', { queue: 1 }, 'itself'],
    ['lost-interrupt', {}, 'bounce'],
    ['stale-used-index', { queue: 0 }, 'bounce'],
    ['stale-used-index', { queue: 1 }, 'itself'],
    ['wrong-used-length', { queue: 0 }, 'itself', /^skb-panic: e1000e: /],
  ],
};

for (const model of ['virtio-net', 'e1000e'] as const) {
  describe(model, () => {
    const clean = faultRun(model, undefined, 'reload');
    const total = clean.left.pages + 8 * clean.left.frags;

    test.each(CASES[model].map(([kind, spec, recovery, finding]) => ({ kind, spec, recovery, finding })))(
      '$kind $spec: recovery by $recovery',
      ({ kind, spec, recovery, finding }) => {
        const { strikes, replies, left, violations } = faultRun(model, { kind, ...spec }, recovery);
        if (kind !== 'probe-fail') expect(strikes, 'strikes').toBeGreaterThan(0);
        expect(replies, 'replies after recovery').toBe(3);
        expect({ ...left, pages: left.pages + 8 * left.frags, frags: 0 }).toEqual({ ...clean.left, pages: total, frags: 0 });
        expect(left.frags).toBeLessThanOrEqual(2);
        expect(violations.filter((v) => finding === undefined || !finding.test(v))).toEqual([]);
      },
      60_000,
    );

    test('without a fault nothing is left either', () => {
      expect(clean.replies).toBe(3);
      expect([clean.left.mappings, clean.left.slab, clean.left.skbs, clean.left.netdevs]).toEqual([0, 0, 0, ['lo']]);
      expect(clean.violations).toEqual([]);
    });
  });
}

test('every kind is run here and documented', () => {
  const run = new Set(Object.values(CASES).flatMap((cases) => cases.map(([kind]) => kind)));
  // what it takes to put a NIC back is in surprise_removal.test.ts
  expect(FAULT_KIND_NAMES.filter((k) => !run.has(k) && k !== 'surprise-removal')).toEqual([]);
  const doc = readFileSync('docs/faults.md', 'utf8');
  expect(faultTable().filter((row) => !doc.includes(row))).toEqual([]);
  expect(CONTRACT_TABLE.map(([rule, what, source]) => `| \`${rule}\` | ${what} | ${source} |`).filter((row) => !doc.includes(row))).toEqual(
    [],
  );
});
