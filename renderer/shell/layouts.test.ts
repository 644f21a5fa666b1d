// Rules of the layouts.
import { describe, expect, test } from 'vitest';
import { PRESETS, readLayout } from './layouts.ts';

describe('layouts', () => {
  test('every preset places a panel once, and only beside one already placed', () => {
    for (const placements of Object.values(PRESETS)) {
      const placed = new Set<string>();
      for (const { panel, beside } of placements) {
        expect(placed.has(panel)).toBe(false);
        if (beside) expect(placed.has(beside.panel)).toBe(true);
        placed.add(panel);
      }
    }
  });
  test('every preset has the canvas, a terminal and the problems at hand', () => {
    for (const placements of Object.values(PRESETS))
      expect(placements.map((p) => p.panel)).toEqual(expect.arrayContaining(['canvas', 'terminals', 'problems']));
  });
  test('a remembered layout that is damaged or names unknown panels is not used', () => {
    expect(readLayout(null)).toBe(undefined);
    expect(readLayout('{"grid":')).toBe(undefined);
    expect(readLayout('{}')).toBe(undefined);
    expect(readLayout('{"panels":{"oscillator":{}}}')).toBe(undefined);
    expect(readLayout('{"panels":{"canvas":{}}}')).toEqual({ panels: { canvas: {} } });
  });
});
