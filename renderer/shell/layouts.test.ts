// Rules of the layouts.
import { describe, expect, test } from 'vitest';
import { placements, readLayout } from './layouts.ts';

const ALL = (['build', 'rings', 'trace'] as const).flatMap((preset) => [placements(preset, 1280), placements(preset, 1920)]);

describe('layouts', () => {
  test('every preset places a panel once, and only beside one already placed', () => {
    for (const layout of ALL) {
      const placed = new Set<string>();
      for (const { panel, beside } of layout) {
        expect(placed.has(panel)).toBe(false);
        if (beside) expect(placed.has(beside.panel)).toBe(true);
        placed.add(panel);
      }
    }
  });
  test('every preset has the canvas, a terminal and the problems at hand', () => {
    for (const layout of ALL) expect(layout.map((p) => p.panel)).toEqual(expect.arrayContaining(['canvas', 'terminals', 'problems']));
  });
  test('the first layout shows the canvas, a terminal and the rings at once', () => {
    for (const width of [1280, 1920]) {
      const shown = placements('build', width).filter((p) => !p.inactive);
      expect(shown.map((p) => p.panel)).toEqual(expect.arrayContaining(['canvas', 'terminals', 'rings', 'inspector']));
    }
  });
  test('a remembered layout that is damaged or names unknown panels is not used', () => {
    expect(readLayout(null)).toBe(undefined);
    expect(readLayout('{"grid":')).toBe(undefined);
    expect(readLayout('{}')).toBe(undefined);
    expect(readLayout('{"panels":{"oscillator":{}}}')).toBe(undefined);
    expect(readLayout('{"panels":{"canvas":{}}}')).toEqual({ panels: { canvas: {} } });
  });
});
