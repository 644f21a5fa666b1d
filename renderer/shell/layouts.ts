// Where panels stand: the three presets as data, and what is remembered between launches. Pure but for localStorage.
import type { SerializedDockview } from 'dockview-react';
import { PANEL_IDS, type PanelId, type Preset } from '../store/store.ts';

export interface Beside {
  readonly panel: PanelId;
  readonly direction: 'left' | 'right' | 'above' | 'below' | 'within';
}

/** One step of building a layout: a panel, beside or in the group of another one. Sizes are fractions of the dock. */
export interface Placement {
  readonly panel: PanelId;
  readonly beside?: Beside;
  /** At an edge of the whole dock instead. */
  readonly edge?: 'left' | 'right' | 'above' | 'below';
  readonly width?: number;
  readonly height?: number;
  /** Not the shown tab of its group. */
  readonly inactive?: true;
}

/** From this many px a window has room for two panels at the bottom. */
const WIDE = 1500;

const tab = (panel: PanelId, of: PanelId): Placement => ({ panel, beside: { panel: of, direction: 'within' }, inactive: true });

/** The views of what happened: a second group at the bottom of a wide window, tabs beside the terminals in a narrow one. */
function views(wide: boolean): readonly Placement[] {
  if (!wide) return (['packets', 'trace', 'timeline', 'problems', 'log'] as const).map((panel) => tab(panel, 'terminals'));
  return [
    { panel: 'timeline', beside: { panel: 'terminals', direction: 'right' } },
    ...(['packets', 'trace', 'problems', 'log'] as const).map((panel) => tab(panel, 'timeline')),
  ];
}

export function placements(preset: Preset, dockWidth: number): readonly Placement[] {
  const wide = dockWidth >= WIDE;
  switch (preset) {
    case 'build':
      return [
        { panel: 'canvas' },
        { panel: 'terminals', beside: { panel: 'canvas', direction: 'below' }, height: 0.4 },
        { panel: 'rings', edge: 'right', width: wide ? 0.34 : 0.32 },
        { panel: 'inspector', beside: { panel: 'rings', direction: 'above' }, height: 0.32 },
        { panel: 'parts', beside: { panel: 'canvas', direction: 'left' }, width: wide ? 0.12 : 0.14 },
        tab('labs', 'parts'),
        tab('tree', 'parts'),
        ...views(wide),
      ];
    case 'rings':
      return [
        { panel: 'canvas' },
        { panel: 'rings', beside: { panel: 'canvas', direction: 'right' }, width: 0.58 },
        { panel: 'terminals', beside: { panel: 'canvas', direction: 'below' }, height: 0.5 },
        tab('inspector', 'canvas'),
        tab('tree', 'canvas'),
        tab('labs', 'canvas'),
        ...views(false),
      ];
    case 'trace':
      return [
        { panel: 'trace' },
        { panel: 'timeline', beside: { panel: 'trace', direction: 'above' }, height: 0.36 },
        tab('canvas', 'timeline'),
        { panel: 'packets', beside: { panel: 'trace', direction: 'right' }, width: 0.5 },
        tab('rings', 'packets'),
        tab('inspector', 'packets'),
        { panel: 'terminals', beside: { panel: 'trace', direction: 'below' }, height: 0.26 },
        tab('problems', 'terminals'),
        tab('log', 'terminals'),
      ];
  }
}

const LAYOUT_KEY = 'ringscope.layout.2';

export function rememberLayout(layout: SerializedDockview): void {
  localStorage.setItem(LAYOUT_KEY, JSON.stringify(layout));
}
export function forgetLayout(): void {
  localStorage.removeItem(LAYOUT_KEY);
}

/** What was remembered, unless it names panels that no longer exist. */
export function rememberedLayout(): SerializedDockview | undefined {
  return readLayout(localStorage.getItem(LAYOUT_KEY));
}

export function readLayout(text: string | null): SerializedDockview | undefined {
  if (text === null) return undefined;
  try {
    const layout = JSON.parse(text) as SerializedDockview;
    const ids: readonly string[] = Object.keys(layout.panels);
    return ids.length > 0 && ids.every((id) => PANEL_IDS.some((known) => known === id)) ? layout : undefined;
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return undefined;
    throw error;
  }
}
