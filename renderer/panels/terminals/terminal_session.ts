// One terminal tab: xterm and its addons on one side, a terminal of the host on the other, characters acknowledged as they are drawn.
import { FitAddon } from '@xterm/addon-fit';
import { SearchAddon } from '@xterm/addon-search';
import { Unicode11Addon } from '@xterm/addon-unicode11';
import { WebLinksAddon } from '@xterm/addon-web-links';
import { WebglAddon } from '@xterm/addon-webgl';
import { Terminal } from '@xterm/xterm';
import { host } from '../../store/host.ts';
import { attempt, store } from '../../store/store.ts';
import { AckCounter } from './ack_counter.ts';
import { terminalTheme } from './terminal_theme.ts';

export type TerminalTarget = { readonly machine: string; readonly netns?: string } | { readonly host: true };
export type TerminalState = 'opening' | 'open' | 'ended';

const ACK_DELAY_MS = 50;

export class TerminalSession {
  readonly key: number;
  readonly target: TerminalTarget;
  readonly element = document.createElement('div');
  title: string;
  state: TerminalState = 'opening';
  private readonly terminal: Terminal;
  private readonly fitting = new FitAddon();
  private readonly searching = new SearchAddon();
  private readonly changed: () => void;
  private readonly observer: ResizeObserver;
  private readonly acks = new AckCounter((chars) => this.acknowledge(chars));
  private ackTimer: ReturnType<typeof setTimeout> | undefined;
  private id: number | undefined;
  private stopOutput: (() => void) | undefined;

  /** `changed` is called when title or state change. */
  constructor(key: number, target: TerminalTarget, changed: () => void) {
    this.key = key;
    this.target = target;
    this.title = targetName(target);
    this.changed = changed;
    this.terminal = new Terminal({
      allowProposedApi: true,
      cursorBlink: !matchMedia('(prefers-reduced-motion: reduce)').matches,
      fontFamily: getComputedStyle(document.documentElement).getPropertyValue('--font-mono'),
      fontSize: 13,
      lineHeight: 1.15,
      minimumContrastRatio: 4.5,
      rightClickSelectsWord: true,
      screenReaderMode: store.getState().screenReaderMode,
      scrollback: 10_000,
      theme: terminalTheme(),
    });
    this.element.className = 'term-screen';
    this.element.dataset['testid'] = `term-screen-${key}`;
    this.load();
    this.observer = new ResizeObserver(() => this.fit());
    this.observer.observe(this.element);
  }

  /** Called when the element is in the page for the first time. */
  start(): void {
    if (this.terminal.element) return;
    this.terminal.open(this.element);
    this.terminal.textarea?.setAttribute('aria-label', `Terminal ${this.title}. F6 leaves it.`);
    this.loadWebgl();
    this.fit();
    this.openOnHost();
  }

  focus(): void {
    this.terminal.focus();
  }

  refreshOptions(): void {
    this.terminal.options.theme = terminalTheme();
    this.terminal.options.screenReaderMode = store.getState().screenReaderMode;
  }

  /** Answers whether it was found. */
  find(text: string, direction: 'next' | 'previous'): boolean {
    const options = {
      decorations: { matchOverviewRuler: '#888888', activeMatchColorOverviewRuler: '#888888', activeMatchBackground: '#b8860b' },
    };
    return direction === 'next' ? this.searching.findNext(text, options) : this.searching.findPrevious(text, options);
  }
  endFind(): void {
    this.searching.clearDecorations();
  }

  /** Starts again in an empty screen: the lab or the connection it ran in is gone. */
  reopen(): void {
    this.stopOutput?.();
    this.id = undefined;
    this.terminal.reset();
    this.openOnHost();
  }

  dispose(): void {
    this.stopOutput?.();
    clearTimeout(this.ackTimer);
    this.observer.disconnect();
    const { id } = this;
    if (id !== undefined && this.state === 'open') attempt(() => host.request('term.close', { id }));
    this.terminal.dispose();
    this.element.remove();
  }

  private load(): void {
    const { terminal } = this;
    terminal.loadAddon(this.fitting);
    terminal.loadAddon(this.searching);
    terminal.loadAddon(new WebLinksAddon((_event, uri) => window.open(uri, '_blank', 'noopener,noreferrer')));
    terminal.loadAddon(new Unicode11Addon());
    terminal.unicode.activeVersion = '11';
    terminal.onData((data) => this.input(data));
    terminal.onBinary((data) => this.input(data));
    terminal.onResize(({ cols, rows }) => {
      const { id } = this;
      if (id !== undefined && this.state === 'open')
        host.request('term.resize', { id, cols, rows }).catch(() => this.end('The host no longer has this terminal.'));
    });
    terminal.onSelectionChange(() => this.copySelection());
    terminal.attachCustomKeyEventHandler((event) => this.handleKey(event));
  }

  /** Without a GPU the addon throws; the DOM renderer stays. */
  private loadWebgl(): void {
    try {
      const webgl = new WebglAddon();
      webgl.onContextLoss(() => webgl.dispose());
      this.terminal.loadAddon(webgl);
    } catch (error) {
      if (!(error instanceof Error)) throw error;
    }
  }

  private handleKey(event: KeyboardEvent): boolean {
    if (event.type === 'keydown' && event.ctrlKey && event.shiftKey && event.code === 'KeyC') {
      event.preventDefault();
      this.copySelection();
      return false;
    }
    if (event.ctrlKey && event.shiftKey && event.code === 'KeyV') return false;
    return true;
  }

  private copySelection(): void {
    const text = this.terminal.getSelection();
    if (text !== '' && document.hasFocus()) navigator.clipboard?.writeText(text).catch(() => undefined);
  }

  private fit(): void {
    if (!this.terminal.element || this.element.clientWidth < 20 || this.element.clientHeight < 20) return;
    this.fitting.fit();
  }

  private openOnHost(): void {
    this.state = 'opening';
    const { cols, rows } = this.terminal;
    host.request('term.open', { ...this.target, cols, rows }).then(
      ({ id, title }) => {
        this.id = id;
        this.title = title;
        this.state = 'open';
        this.stopOutput = host.subscribe('term', { id }, (output) => {
          if ('data' in output) this.print(output.data);
          else this.end(`Ended with status ${output.exit}.`);
        });
        this.changed();
      },
      (error: unknown) => this.end(error instanceof Error ? error.message : String(error)),
    );
  }

  private print(data: string): void {
    this.terminal.write(data, () => {
      this.acks.drawn(data.length);
      this.ackTimer ??= setTimeout(() => {
        this.ackTimer = undefined;
        this.acks.flush();
      }, ACK_DELAY_MS);
    });
  }

  private acknowledge(chars: number): void {
    const { id } = this;
    if (id !== undefined && this.state === 'open') host.request('term.ack', { id, chars }).catch(() => undefined);
  }

  private input(data: string): void {
    const { id } = this;
    if (this.state === 'ended' && data === '\r') this.openOnHost();
    else if (id !== undefined && this.state === 'open')
      host.request('term.input', { id, data }).catch((error: unknown) => this.end(error instanceof Error ? error.message : String(error)));
  }

  private end(reason: string): void {
    if (this.state === 'ended') return;
    this.state = 'ended';
    this.stopOutput?.();
    this.terminal.write(`\r\n\x1b[2m${reason} Press Enter to open it again.\x1b[0m\r\n`);
    this.changed();
  }
}

function targetName(target: TerminalTarget): string {
  if ('host' in target) return 'this computer';
  return target.netns === undefined || target.netns === '' ? target.machine : `${target.machine}/${target.netns}`;
}
