// The table of DMA mappings, against a Map that is asked the same.
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import type { DmaAddr, Gpa, Instant } from '../base/units.ts';
import { DmaMappings } from './dma_mappings.ts';

it('after any sequence of additions and removals it holds what a Map would hold', () => {
  // few different addresses, so that entries collide, move up on removal, and are added twice
  const step = fc.record({ address: fc.nat(300).map((n) => n * 1536), remove: fc.boolean(), length: fc.integer({ min: 1, max: 1536 }) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 600 }), (steps) => {
      const table = new DmaMappings();
      const model = new Map<number, number>();
      for (const { address, remove, length } of steps) {
        const slot = table.find(address);
        expect(slot >= 0).toBe(model.has(address));
        if (!remove) {
          table.add(address as DmaAddr, address as Gpa, length, 'DMA_TO_DEVICE', 'single', 'virtqueue_add', 0 as Instant);
          model.set(address, length);
        } else if (slot >= 0) {
          table.remove(slot);
          model.delete(address);
        }
      }
      expect(table.size).toBe(model.size);
      expect(table.values().map((m) => [m.dma, m.length])).toEqual([...model].sort((a, b) => a[0] - b[0]));
      for (const [address, length] of model) {
        expect(table.covering(address + length - 1)?.dma).toBe(address);
        expect(table.lengthAt(table.find(address))).toBe(length);
      }
    }),
  );
});
