// Where panels stand: the three presets as data, and what is remembered between launches. Pure but for localStorage.
import type { SerializedDockview } from 'dockview-react';
import { PANEL_IDS, type PanelId, type Preset } from '../store/store.ts';

/** One step of building a layout: a panel, beside or in the group of another one. `size` is a fraction of the window. */
export interface Placement {
  readonly panel: PanelId;
  readonly beside?: { readonly panel: PanelId; readonly direction: 'left' | 'right' | 'above' | 'below' | 'within' };
  /** At an edge of the whole window instead. */
  readonly edge?: 'left' | 'right' | 'above' | 'below';
  readonly width?: number;
  readonly height?: number;
  /** Not the shown tab of its group. */
  readonly inactive?: true;
}

const tab = (panel: PanelId, of: PanelId): Placement => ({ panel, beside: { panel: of, direction: 'within' }, inactive: true });

export const PRESETS: Readonly<Record<Preset, readonly Placement[]>> = {
  build: [
    { panel: 'canvas' },
    { panel: 'terminals', beside: { panel: 'canvas', direction: 'below' }, height: 0.42 },
    { panel: 'inspector', edge: 'right', width: 0.31 },
    tab('rings', 'inspector'),
    { panel: 'parts', beside: { panel: 'canvas', direction: 'left' }, width: 0.14 },
    tab('labs', 'parts'),
    tab('tree', 'parts'),
    tab('packets', 'terminals'),
    tab('trace', 'terminals'),
    tab('timeline', 'terminals'),
    tab('problems', 'terminals'),
    tab('log', 'terminals'),
  ],
  rings: [
    { panel: 'canvas' },
    { panel: 'rings', beside: { panel: 'canvas', direction: 'right' }, width: 0.56 },
    { panel: 'terminals', beside: { panel: 'canvas', direction: 'below' }, height: 0.5 },
    tab('inspector', 'canvas'),
    tab('tree', 'canvas'),
    tab('labs', 'canvas'),
    tab('packets', 'terminals'),
    tab('trace', 'terminals'),
    tab('timeline', 'terminals'),
    tab('problems', 'terminals'),
    tab('log', 'terminals'),
  ],
  trace: [
    { panel: 'trace' },
    { panel: 'timeline', beside: { panel: 'trace', direction: 'above' }, height: 0.36 },
    tab('canvas', 'timeline'),
    { panel: 'packets', beside: { panel: 'trace', direction: 'right' }, width: 0.5 },
    tab('rings', 'packets'),
    tab('inspector', 'packets'),
    { panel: 'terminals', beside: { panel: 'trace', direction: 'below' }, height: 0.26 },
    tab('problems', 'terminals'),
    tab('log', 'terminals'),
  ],
};

const LAYOUT_KEY = 'ringscope.layout.1';

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
