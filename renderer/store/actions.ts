// Every action of the window, once: bar, menus, palette, shortcut list and keyboard all read this.
//
// Stable selectors for e2e (data-testid); canvas, rings and inspector list theirs in their own files:
//   bar-lab bar-run bar-step bar-step-back bar-until bar-speed bar-time bar-event bar-reached bar-record bar-undo bar-redo bar-palette bar-theme bar-help bar-connection
//   menu-<action id> · palette palette-input palette-item-<action id> · shortcuts · toast-<n> toast-close-<n> · dialog-close
//   until-kind until-value until-go · lab-text · open-path open-go · save-path save-go · export-path export-go · unsaved-save unsaved-discard unsaved-cancel
//   dock-tab-<panel id> panel-<panel id>
//   lab-find lab-new lab-open-<id> lab-open lab-save lab-save-as lab-reload lab-text-open
//   term-new term-new-<machine>[-<netns>] term-new-host term-tab-<n> term-close term-split term-find term-find-input term-paused
//   term-screen-<n> (its text: localStorage 'ringscope.screenReaderMode' = 'on' makes xterm keep .xterm-accessibility-tree; it follows within a second)
//   packets-filter packets-total packets-follow packets-export packets-row-<index> packets-decode packets-hex packets-byte-<offset>
//   trace-filter trace-total trace-follow trace-go trace-row-<n> · timeline (focus, keys) timeline-canvas (data-from -to -spans -playhead) timeline-find timeline-follow
//   timeline-fit timeline-readout · problems-row-<n> · log-row-<n> log-copy-<n> log-copy-all
import type { PanelId, Preset, StoreState, Theme } from './store.ts';
import { attempt, replaceLab, setDialog, setScreenReaderMode, setTheme, setTopology, store, toast } from './store.ts';
import { host } from './host.ts';

export type ActionGroup = 'Run' | 'Lab' | 'Edit' | 'View' | 'Terminal' | 'Canvas' | 'Rings' | 'Packets';

export interface Action {
  readonly id: string; // 'run.step'
  readonly title: string; // as in a menu
  readonly group: ActionGroup;
  /** 'Space', '.', 'Mod+Shift+Z': Mod is ⌘ on macOS and Ctrl elsewhere. Several: alternatives, the first is shown. */
  readonly shortcuts?: readonly string[];
  /** The shortcut also works while a terminal has the focus. */
  readonly inTerminal?: boolean;
  /** Absent = always. */
  readonly enabled?: (state: StoreState) => boolean;
  readonly run: () => void;
}

const hasRun = (s: StoreState): boolean => s.connection === 'open' && s.run !== undefined;

export function startOrPause(): void {
  const { run, wantedSpeed: speed } = store.getState();
  store.setState({ wantedSpeed: undefined });
  attempt(() =>
    run?.mode === 'running' ? host.request('run.pause', {}) : host.request('run.start', speed === undefined ? {} : { speed }),
  );
}
export function step(events: number): void {
  attempt(() => host.request('run.step', { events }));
}
export function stepBack(events: number): void {
  attempt(() => host.request('run.stepBack', { events }));
}
export function gotoEvent(event: number): void {
  attempt(() => host.request('run.goto', { event }));
}
export function setSpeed(speed: number): void {
  attempt(() => host.request('run.start', { speed }));
}

async function saveLab(): Promise<void> {
  if (store.getState().topology?.lab.path === undefined) {
    setDialog('save-as');
    return;
  }
  const { path } = await host.request('lab.save', {});
  toast('info', `Saved ${path}`);
}

async function toggleRecording(): Promise<void> {
  if (store.getState().run?.recording) {
    const { path, bytes } = await host.request('record.stop', {});
    toast('info', `Recording kept: ${path} (${Math.ceil(bytes / 1024).toLocaleString('en')} KiB)`);
  } else {
    const { path } = await host.request('record.start', {});
    toast('info', `Recording to ${path}`);
  }
}

/** Asks first when the lab has unsaved edits; the shell's guard dialog answers. */
export function leaveLab(next: () => Promise<void>): void {
  if (store.getState().run?.dirty) store.setState({ pendingLeave: next });
  else attempt(next);
}
export function openLab(path: string): void {
  leaveLab(async () => replaceLab(await host.request('lab.open', { path })));
}

const NEXT_THEME: Readonly<Record<Theme, Theme>> = { system: 'light', light: 'dark', dark: 'system' };

const PANEL_TITLES: Readonly<Record<PanelId, string>> = {
  parts: 'Parts',
  labs: 'Labs',
  tree: 'Tree',
  canvas: 'Canvas',
  inspector: 'Inspector',
  rings: 'Rings',
  terminals: 'Terminals',
  packets: 'Packets',
  trace: 'Trace',
  timeline: 'Timeline',
  problems: 'Problems',
  log: 'Action log',
};
export function panelTitle(panel: PanelId): string {
  return PANEL_TITLES[panel];
}

function panelAction(panel: PanelId, shortcut: string): Action {
  return {
    id: `panel.${panel}`,
    title: `Show ${PANEL_TITLES[panel]}`,
    group: 'View',
    shortcuts: [shortcut],
    inTerminal: true,
    run: () => store.getState().dock?.open(panel),
  };
}
function presetAction(preset: Preset, title: string): Action {
  return { id: `layout.${preset}`, title: `Layout: ${title}`, group: 'View', run: () => store.getState().dock?.preset(preset) };
}

export const ACTIONS: readonly Action[] = [
  { id: 'run.toggle', title: 'Run or pause', group: 'Run', shortcuts: ['Space'], enabled: hasRun, run: startOrPause },
  { id: 'run.step', title: 'Step one event', group: 'Run', shortcuts: ['.'], enabled: hasRun, run: () => step(1) },
  { id: 'run.step100', title: 'Step 100 events', group: 'Run', shortcuts: ['Shift+.'], enabled: hasRun, run: () => step(100) },
  {
    id: 'run.stepBack',
    title: 'Step back one event',
    group: 'Run',
    shortcuts: [','],
    enabled: (s) => hasRun(s) && (s.run?.event ?? 0) > 0,
    run: () => stepBack(1),
  },
  {
    id: 'run.stepBack100',
    title: 'Step back 100 events',
    group: 'Run',
    shortcuts: ['Shift+,'],
    enabled: (s) => hasRun(s) && (s.run?.event ?? 0) > 0,
    run: () => stepBack(100),
  },
  { id: 'run.until', title: 'Run until…', group: 'Run', shortcuts: ['Mod+U'], enabled: hasRun, run: () => setDialog('run-until') },
  {
    id: 'run.latest',
    title: 'Go to the latest event',
    group: 'Run',
    shortcuts: ['End'],
    enabled: (s) => hasRun(s) && (s.run?.event ?? 0) < (s.run?.lastEvent ?? 0),
    run: () => gotoEvent(store.getState().run?.lastEvent ?? 0),
  },
  { id: 'run.first', title: 'Go to the first event', group: 'Run', enabled: hasRun, run: () => gotoEvent(0) },
  {
    id: 'record.toggle',
    title: 'Record a session',
    group: 'Run',
    shortcuts: ['Mod+Shift+R'],
    enabled: hasRun,
    run: () => attempt(toggleRecording),
  },

  {
    id: 'lab.new',
    title: 'New lab',
    group: 'Lab',
    shortcuts: ['Mod+Alt+N'],
    run: () => leaveLab(async () => replaceLab(await host.request('lab.new', {}))),
  },
  { id: 'lab.open', title: 'Open a lab file…', group: 'Lab', shortcuts: ['Mod+O'], run: () => setDialog('open') },
  { id: 'lab.library', title: 'Show the lab library', group: 'Lab', run: () => store.getState().dock?.open('labs') },
  { id: 'lab.save', title: 'Save the lab', group: 'Lab', shortcuts: ['Mod+S'], inTerminal: true, run: () => attempt(saveLab) },
  { id: 'lab.saveAs', title: 'Save the lab as…', group: 'Lab', shortcuts: ['Mod+Shift+S'], run: () => setDialog('save-as') },
  {
    id: 'lab.reload',
    title: 'Reload the lab from its file',
    group: 'Lab',
    enabled: (s) => s.topology?.lab.path !== undefined,
    run: () => leaveLab(async () => replaceLab(await host.request('lab.reload', {}))),
  },
  { id: 'lab.text', title: 'Show the lab as text', group: 'Lab', run: () => setDialog('lab-text') },

  {
    id: 'edit.undo',
    title: 'Undo',
    group: 'Edit',
    shortcuts: ['Mod+Z'],
    enabled: (s) => s.run?.canUndo !== undefined,
    run: () => attempt(async () => setTopology(await host.request('world.undo', {}))),
  },
  {
    id: 'edit.redo',
    title: 'Redo',
    group: 'Edit',
    shortcuts: ['Mod+Shift+Z', 'Mod+Y'],
    enabled: (s) => s.run?.canRedo !== undefined,
    run: () => attempt(async () => setTopology(await host.request('world.redo', {}))),
  },

  { id: 'packets.export', title: 'Export packets to pcapng…', group: 'Packets', run: () => setDialog('export') },

  {
    id: 'term.newHost',
    title: 'New terminal: this computer',
    group: 'Terminal',
    enabled: (s) => s.hostShell,
    run: () => openTerminal({ host: true }),
  },
  { id: 'term.split', title: 'Two terminals side by side', group: 'Terminal', run: () => store.getState().terminals?.split() },
  { id: 'term.close', title: 'Close the terminal tab', group: 'Terminal', run: () => store.getState().terminals?.closeActive() },
  {
    id: 'term.find',
    title: 'Find in the terminal',
    group: 'Terminal',
    shortcuts: ['Mod+Shift+F'],
    inTerminal: true,
    run: () => store.getState().terminals?.find(),
  },
  {
    id: 'term.screenReader',
    title: 'Terminal: screen reader mode on or off',
    group: 'Terminal',
    run: () => setScreenReaderMode(!store.getState().screenReaderMode),
  },

  {
    id: 'palette',
    title: 'Command palette',
    group: 'View',
    shortcuts: ['Mod+K', 'Mod+Shift+P', 'F1'],
    inTerminal: true,
    run: () => setDialog('palette'),
  },
  { id: 'shortcuts', title: 'Keyboard shortcuts', group: 'View', shortcuts: ['?'], run: () => setDialog('shortcuts') },
  { id: 'view.theme', title: 'Theme: system, light, dark', group: 'View', run: () => setTheme(NEXT_THEME[store.getState().theme]) },
  {
    id: 'view.nextPanel',
    title: 'Focus the next panel',
    group: 'View',
    shortcuts: ['F6'],
    inTerminal: true,
    run: () => store.getState().dock?.focusNext(1),
  },
  {
    id: 'view.previousPanel',
    title: 'Focus the previous panel',
    group: 'View',
    shortcuts: ['Shift+F6'],
    inTerminal: true,
    run: () => store.getState().dock?.focusNext(-1),
  },
  panelAction('canvas', 'Mod+1'),
  panelAction('inspector', 'Mod+2'),
  panelAction('rings', 'Mod+3'),
  panelAction('terminals', 'Mod+4'),
  panelAction('packets', 'Mod+5'),
  panelAction('trace', 'Mod+6'),
  panelAction('timeline', 'Mod+7'),
  panelAction('problems', 'Mod+8'),
  panelAction('log', 'Mod+9'),
  { id: 'panel.tree', title: 'Show Tree', group: 'View', run: () => store.getState().dock?.open('tree') },
  { id: 'panel.parts', title: 'Show Parts', group: 'View', run: () => store.getState().dock?.open('parts') },
  { id: 'panel.labs', title: 'Show Labs', group: 'View', run: () => store.getState().dock?.open('labs') },
  presetAction('build', 'Build'),
  presetAction('rings', 'Rings'),
  presetAction('trace', 'Trace'),
  { id: 'layout.reset', title: 'Reset the layout', group: 'View', run: () => store.getState().dock?.reset() },
];

export function openTerminal(target: { readonly machine: string; readonly netns?: string } | { readonly host: true }): void {
  store.getState().dock?.open('terminals');
  store.getState().terminals?.open(target);
}

/** Actions of a mounted panel (canvas, rings), e.g. `useEffect(() => contributeActions([...]), [])`. Returns their removal. */
export function contributeActions(actions: readonly Action[]): () => void {
  store.setState((s) => ({ contributed: [...s.contributed, ...actions] }));
  return () => store.setState((s) => ({ contributed: s.contributed.filter((action) => !actions.includes(action)) }));
}

export function allActions(): readonly Action[] {
  return [...ACTIONS, ...store.getState().contributed];
}

export function isEnabled(action: Action): boolean {
  return action.enabled?.(store.getState()) ?? true;
}

export function runAction(id: string): void {
  const action = allActions().find((candidate) => candidate.id === id);
  if (action && isEnabled(action)) action.run();
}
