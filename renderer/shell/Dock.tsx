// The dock: which component stands behind each panel id, presets, remembered places, focus from panel to panel.
import {
  DockviewReact,
  type DockviewApi,
  type DockviewReadyEvent,
  type IDockviewPanelHeaderProps,
  type IDockviewPanelProps,
} from 'dockview-react';
import { useEffect, type FunctionComponent } from 'react';
import { Canvas } from '../canvas/Canvas.tsx';
import { PartsPalette } from '../canvas/PartsPalette.tsx';
import { TopologyTree } from '../canvas/TopologyTree.tsx';
import { InspectorPanel } from '../panels/inspector/InspectorPanel.tsx';
import { LabsPanel } from '../panels/labs/LabsPanel.tsx';
import { LogPanel } from '../panels/log/LogPanel.tsx';
import { PacketsPanel } from '../panels/packets/PacketsPanel.tsx';
import { ProblemsPanel } from '../panels/problems/ProblemsPanel.tsx';
import { RingsPanel } from '../panels/rings/RingsPanel.tsx';
import { TerminalsPanel } from '../panels/terminals/TerminalsPanel.tsx';
import { TimelinePanel } from '../panels/timeline/TimelinePanel.tsx';
import { TracePanel } from '../panels/trace/TracePanel.tsx';
import { panelTitle } from '../store/actions.ts';
import { PANEL_IDS, store, useStore, type DockCommands, type PanelId, type Preset } from '../store/store.ts';
import { forgetLayout, placements, rememberedLayout, rememberLayout } from './layouts.ts';

const PANELS: Readonly<Record<PanelId, FunctionComponent>> = {
  parts: PartsPalette,
  labs: LabsPanel,
  tree: TopologyTree,
  canvas: Canvas,
  inspector: InspectorPanel,
  rings: RingsPanel,
  terminals: TerminalsPanel,
  packets: PacketsPanel,
  trace: TracePanel,
  timeline: TimelinePanel,
  problems: ProblemsPanel,
  log: LogPanel,
};

function framed(id: PanelId): FunctionComponent<IDockviewPanelProps> {
  const Content = PANELS[id];
  return function Framed() {
    return (
      <div className="panel" tabIndex={-1} data-panel={id} data-testid={`panel-${id}`}>
        <Content />
      </div>
    );
  };
}
const COMPONENTS: Record<string, FunctionComponent<IDockviewPanelProps>> = Object.fromEntries(PANEL_IDS.map((id) => [id, framed(id)]));

function DockTab({ api }: IDockviewPanelHeaderProps) {
  const errors = useStore((s) => (api.id === 'problems' ? s.problems.filter((p) => p.severity === 'error').length : 0));
  const count = useStore((s) => (api.id === 'problems' ? s.problems.length : 0));
  const title = PANEL_IDS.find((id) => id === api.id);
  useEffect(() => {
    if (api.id === 'problems') api.setTitle(count === 0 ? panelTitle('problems') : `${panelTitle('problems')} ${count}`);
  }, [api, count]);
  return (
    <div className="dock-tab" data-testid={`dock-tab-${api.id}`}>
      {title && panelTitle(title)}{' '}
      {count > 0 && (
        <span className="badge" data-severity={errors > 0 ? 'error' : 'other'}>
          {count}
        </span>
      )}
    </div>
  );
}

/** Of a column of panels, px. */
const LEAST_WIDTH = 176;

function build(api: DockviewApi, preset: Preset): void {
  api.clear();
  const { width, height } = api;
  const layout = placements(preset, width);
  for (const { panel, beside, edge, inactive } of layout) {
    api.addPanel({
      id: panel,
      component: panel,
      title: panelTitle(panel),
      renderer: 'always',
      ...(inactive ? { inactive } : {}),
      ...(beside ? { position: { referencePanel: beside.panel, direction: beside.direction } } : {}),
      ...(edge ? { position: { direction: edge } } : {}),
    });
  }
  for (const { panel, width: wide, height: high } of layout) {
    if (wide !== undefined) api.getPanel(panel)?.api.setSize({ width: Math.round(Math.max(wide * width, LEAST_WIDTH)) });
    if (high !== undefined) api.getPanel(panel)?.api.setSize({ height: Math.round(high * height) });
  }
  api.getPanel(layout[0].panel)?.api.setActive();
}

function openPanel(api: DockviewApi, id: PanelId): void {
  const open = api.getPanel(id);
  if (open) {
    open.api.setActive();
  } else {
    const beside = ['terminals', 'packets', 'canvas'].find((other) => api.getPanel(other));
    api.addPanel({
      id,
      component: id,
      title: panelTitle(id),
      renderer: 'always',
      ...(beside === undefined ? {} : { position: { referencePanel: beside, direction: 'within' } }),
    });
  }
  requestAnimationFrame(() => focusPanel(id));
}

const FOCUS_ORDER: readonly string[] = [
  '[data-autofocus]',
  '.xterm-helper-textarea',
  '[role="grid"], [role="tree"]',
  '[tabindex="0"], input:not([disabled]), button:not([disabled]), select',
];

/** The first thing in the panel that takes the focus, or else the panel itself; nothing if the focus is there already. */
function focusPanel(id: string): void {
  const panel = document.querySelector<HTMLElement>(`[data-panel="${id}"]`);
  if (!panel || panel.contains(document.activeElement)) return;
  for (const wanted of FOCUS_ORDER) {
    const found = [...panel.querySelectorAll<HTMLElement>(wanted)].find((element) => element.offsetParent !== null);
    if (found) {
      found.focus();
      return;
    }
  }
  panel.focus();
}

function commands(api: DockviewApi): DockCommands {
  const preset = (name: Preset): void => build(api, name);
  return {
    open: (panel) => openPanel(api, panel),
    preset,
    reset: () => {
      forgetLayout();
      preset('build');
    },
    focusNext: (step) => {
      const { groups } = api;
      const focused = document.activeElement?.closest<HTMLElement>('[data-panel]')?.dataset['panel'] ?? api.activePanel?.id;
      const here = groups.findIndex((group) => group.activePanel?.id === focused);
      const next = groups[(here + step + groups.length) % groups.length];
      next?.activePanel?.api.setActive();
      const id = next?.activePanel?.id;
      if (id !== undefined) requestAnimationFrame(() => focusPanel(id));
    },
  };
}

function onReady({ api }: DockviewReadyEvent): void {
  const layout = rememberedLayout();
  if (layout) api.fromJSON(layout);
  else build(api, 'build');
  const note = (): void => store.setState({ openPanels: PANEL_IDS.filter((id) => api.getPanel(id) !== undefined) });
  api.onDidLayoutChange(() => {
    rememberLayout(api.toJSON());
    note();
  });
  note();
  store.setState({ dock: commands(api) });
}

const THEME = { name: 'ringscope', className: 'dockview-theme-ringscope', dndTabIndicator: 'line' as const };

export function Dock() {
  return (
    <main className="dock-root" aria-label="Workbench">
      <DockviewReact
        components={COMPONENTS}
        defaultTabComponent={DockTab}
        theme={THEME}
        onReady={onReady}
        announcements
        getTabContextMenuItems={() => ['close', 'closeOthers', 'separator', 'float', 'maximize']}
      />
    </main>
  );
}
