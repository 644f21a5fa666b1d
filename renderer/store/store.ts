// What the window knows: the last views pushed by the host, and the window's own state (selection, toasts, theme, panels).
// `run` is replaced at display rate: components select slow fields of it (s.run?.mode); simulated time is drawn through
// store.subscribe and a DOM ref, never through a selector (R15).
import { create } from 'zustand';
import type { ActionLogEntry, Problem, RunState, TopologyView } from '../../preload/contract.ts';
import type { Action } from './actions.ts';
import { host, type ConnectionState } from './host.ts';

export type Selection =
  | { readonly kind: 'machine'; readonly machine: string }
  | { readonly kind: 'nic'; readonly machine: string; readonly port: string }
  | { readonly kind: 'interface'; readonly machine: string; readonly netns: string; readonly ifname: string }
  | { readonly kind: 'cable'; readonly cable: string };

export interface NicRef {
  readonly machine: string;
  readonly port: string;
}

export type Theme = 'system' | 'light' | 'dark';

/** Panel ids of the dock. Components: canvas/Canvas.tsx `Canvas`, canvas/PartsPalette.tsx `PartsPalette`, canvas/TopologyTree.tsx
 *  `TopologyTree`, panels/rings/RingsPanel.tsx `RingsPanel`, panels/inspector/InspectorPanel.tsx `InspectorPanel`; the rest in panels/<id>/. */
export const PANEL_IDS = [
  'parts',
  'labs',
  'tree',
  'canvas',
  'inspector',
  'rings',
  'terminals',
  'packets',
  'trace',
  'timeline',
  'problems',
  'log',
] as const;
export type PanelId = (typeof PANEL_IDS)[number];
export type Preset = 'build' | 'rings' | 'trace';
export type Dialog = 'palette' | 'shortcuts' | 'run-until' | 'lab-text' | 'open' | 'save-as' | 'export' | undefined;

export interface ToastItem {
  readonly id: number;
  readonly kind: 'info' | 'error';
  readonly text: string;
}

/** What the dock shell offers to actions and panels once it is mounted. */
export interface DockCommands {
  open(panel: PanelId): void;
  reset(): void;
  preset(name: Preset): void;
  focusNext(step: 1 | -1): void;
}

/** What the terminals panel offers once it is mounted. */
export interface TerminalCommands {
  open(target: { readonly machine: string; readonly netns?: string } | { readonly host: true }): void;
  closeActive(): void;
  split(): void;
  labReplaced(topology: TopologyView): void;
  find(): void;
}

export interface StoreState {
  readonly connection: ConnectionState;
  readonly hostShell: boolean;
  readonly run: RunState | undefined;
  /** A speed chosen while paused; sent with the next start. */
  readonly wantedSpeed: number | undefined;
  readonly topology: TopologyView | undefined;
  /** In the order selected; the last one is the primary, shown by the inspector. */
  readonly selection: readonly Selection[];
  /** The NIC whose rings are shown; undefined = the first there is. */
  readonly ringNic: NicRef | undefined;
  readonly log: readonly ActionLogEntry[];
  readonly problems: readonly Problem[];
  readonly toasts: readonly ToastItem[];
  readonly openPanels: readonly PanelId[];
  readonly theme: Theme;
  readonly shownTheme: 'light' | 'dark';
  readonly dialog: Dialog;
  readonly screenReaderMode: boolean;
  readonly dock: DockCommands | undefined;
  readonly terminals: TerminalCommands | undefined;
  /** Actions of mounted panels, see contributeActions. */
  readonly contributed: readonly Action[];
  /** What waits for an answer to "save your changes?". */
  readonly pendingLeave: (() => Promise<void>) | undefined;
}

const THEME_KEY = 'ringscope.theme';
const SCREEN_READER_KEY = 'ringscope.screenReaderMode';
let nextToast = 1;

function remembered(key: string): string | undefined {
  return typeof localStorage === 'undefined' ? undefined : (localStorage.getItem(key) ?? undefined);
}
function isTheme(value: string | undefined): value is Theme {
  return value === 'system' || value === 'light' || value === 'dark';
}
const rememberedTheme = remembered(THEME_KEY);

export const useStore = create<StoreState>()(() => ({
  connection: 'connecting',
  hostShell: false,
  run: undefined,
  wantedSpeed: undefined,
  topology: undefined,
  selection: [],
  ringNic: undefined,
  log: [],
  problems: [],
  toasts: [],
  openPanels: [],
  theme: isTheme(rememberedTheme) ? rememberedTheme : 'system',
  shownTheme: 'light',
  dialog: undefined,
  screenReaderMode: remembered(SCREEN_READER_KEY) === 'on',
  dock: undefined,
  terminals: undefined,
  contributed: [],
  pendingLeave: undefined,
}));

/** Outside of React: store.getState(), store.subscribe(listener). */
export const store = useStore;

export function select(...selection: readonly Selection[]): void {
  store.setState({ selection });
}

/** The selected thing the inspector shows. */
export function primarySelection(state: StoreState): Selection | undefined {
  return state.selection.at(-1);
}

export function showRings({ machine, port }: NicRef): void {
  store.setState({ ringNic: { machine, port }, selection: [{ kind: 'nic', machine, port }] });
  store.getState().dock?.open('rings');
}

export function toast(kind: 'info' | 'error', text: string): void {
  const last = store.getState().toasts.at(-1);
  if (last?.text === text) return;
  store.setState((s) => ({ toasts: [...s.toasts, { id: nextToast++, kind, text }].slice(-5) }));
}

export function dismissToast(id: number): void {
  store.setState((s) => ({ toasts: s.toasts.filter((item) => item.id !== id) }));
}

/** Runs work whose failure a person must see. */
export function attempt(work: () => Promise<unknown>): void {
  work().catch((error: unknown) => toast('error', error instanceof Error ? error.message : String(error)));
}

export function setDialog(dialog: Dialog): void {
  store.setState({ dialog });
}

export function setTheme(theme: Theme): void {
  localStorage.setItem(THEME_KEY, theme);
  store.setState({ theme });
  showTheme();
}

export function setScreenReaderMode(on: boolean): void {
  localStorage.setItem(SCREEN_READER_KEY, on ? 'on' : 'off');
  store.setState({ screenReaderMode: on });
}

function showTheme(): void {
  const { theme } = store.getState();
  const shownTheme = theme === 'system' ? (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light') : theme;
  document.documentElement.dataset['theme'] = shownTheme;
  store.setState({ shownTheme });
}

/** Forgets what names no longer mean: selection of things that left the topology. */
function stillThere(selection: Selection, topology: TopologyView): boolean {
  if (selection.kind === 'cable') return topology.cables.some((cable) => cable.id === selection.cable);
  const machine = topology.machines.find((m) => m.name === selection.machine);
  if (!machine) return false;
  if (selection.kind === 'nic') return machine.nics.some((nic) => nic.port === selection.port);
  if (selection.kind === 'interface') return machine.interfaces.some((i) => i.name === selection.ifname && i.netns === selection.netns);
  return true;
}

export function setTopology(topology: TopologyView): void {
  store.setState((s) => {
    const selection = s.selection.filter((item) => stillThere(item, topology));
    const { ringNic } = s;
    const there = ringNic && topology.machines.some((m) => m.name === ringNic.machine && m.nics.some((nic) => nic.port === ringNic.port));
    return { topology, selection: selection.length === s.selection.length ? s.selection : selection, ringNic: there ? ringNic : undefined };
  });
}

/** Another lab was opened: nothing of the old one is kept. */
export function replaceLab(topology: TopologyView): void {
  store.setState({ selection: [], ringNic: undefined, wantedSpeed: undefined });
  setTopology(topology);
  store.getState().terminals?.labReplaced(topology);
}

/** Called once by main.tsx, before the first render. */
export function startStore(): void {
  showTheme();
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', showTheme);
  host.onState((connection) => {
    store.setState({ connection });
    if (connection !== 'open') return;
    attempt(async () => {
      const { hostShell } = await host.request('app.hello', { version: 1 });
      store.setState({ hostShell });
    });
  });
  host.subscribe('run', undefined, (run) => store.setState({ run }));
  host.subscribe('topology', undefined, setTopology);
  host.subscribe('log', undefined, (log) => store.setState({ log }));
  host.subscribe('problems', undefined, (problems) => store.setState({ problems }));
  host.subscribe('toast', undefined, (item) => toast(item.kind, item.text));
}
