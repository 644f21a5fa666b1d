// Terminals: a tab per machine or namespace, and one for the person's own shell.
import { DropdownMenu } from 'radix-ui';
import { useEffect, useLayoutEffect, useRef, useState, type KeyboardEvent } from 'react';
import { store, useStore } from '../../store/store.ts';
import { Icon } from '../../widgets/Icon.tsx';
import { activeSession, closeSession, labReplaced, openSession, showSession, toggleSplit, useTerminals } from './terminals_store.ts';
import type { TerminalSession } from './terminal_session.ts';
import './terminals.css';

export function TerminalsPanel() {
  const sessions = useTerminals((s) => s.sessions);
  const active = useTerminals((s) => s.active);
  const paused = useStore((s) => s.run?.mode === 'paused');
  const beside = useTerminals((s) => s.beside);
  useTerminals((s) => s.version);
  const [finding, setFinding] = useState(false);
  const firstMachine = useStore((s) => s.topology?.machines[0]?.name);
  const opened = useRef(false);

  useEffect(() => {
    store.setState({
      terminals: {
        open: openSession,
        closeActive: () => {
          const session = activeSession();
          if (session) closeSession(session.key);
        },
        split: toggleSplit,
        labReplaced,
        find: () => setFinding(true),
      },
    });
    return () => store.setState({ terminals: undefined });
  }, []);

  useEffect(() => {
    if (opened.current || firstMachine === undefined) return;
    opened.current = true;
    if (useTerminals.getState().sessions.length === 0) openSession({ machine: firstMachine });
  }, [firstMachine]);

  useEffect(
    () =>
      store.subscribe((state, before) => {
        const { sessions: all } = useTerminals.getState();
        if (state.shownTheme !== before.shownTheme || state.screenReaderMode !== before.screenReaderMode)
          for (const session of all) session.refreshOptions();
        if (state.connection === 'open' && before.connection === 'lost') for (const session of all) session.reopen();
      }),
    [],
  );

  const onTabKey = (event: KeyboardEvent): void => {
    const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
    const at = sessions.findIndex((session) => session.key === active);
    if (event.key === 'Delete' && active !== undefined) closeSession(active);
    else if (event.key === 'Enter' || event.key === ' ') activeSession()?.focus();
    else if (step !== 0 && sessions.length > 0) showSession(sessions[(at + step + sessions.length) % sessions.length].key);
    else return;
    event.preventDefault();
    event.stopPropagation();
    requestAnimationFrame(() => document.querySelector<HTMLElement>('.term-tabs [aria-selected="true"]')?.focus());
  };

  return (
    <>
      <div className="term-head">
        <div className="term-tabs" role="tablist" aria-label="Terminals">
          {sessions.map((session) => (
            <TerminalTab
              key={session.key}
              session={session}
              active={session.key === active}
              beside={session.key === beside}
              state={session.state}
              title={session.title}
              onKeyDown={onTabKey}
            />
          ))}
        </div>
        <NewTerminalMenu />
        <span className="grow" />
        {paused && !finding && (
          <span className="muted term-note" data-testid="term-paused">
            Time stands still: what takes time waits for Run
          </span>
        )}
        {finding && <FindBar onClose={() => setFinding(false)} />}
        {!finding && (
          <button
            className="btn btn-icon btn-small"
            aria-label="Find in the terminal"
            title="Find (Ctrl+Shift+F)"
            data-testid="term-find"
            disabled={active === undefined}
            onClick={() => setFinding(true)}
          >
            <Icon name="search" />
          </button>
        )}
        <button
          className="btn btn-icon btn-small"
          aria-label="Two terminals side by side"
          title="Two terminals side by side"
          aria-pressed={beside !== undefined}
          data-testid="term-split"
          disabled={active === undefined}
          onClick={toggleSplit}
        >
          <Icon name="split" />
        </button>
        <button
          className="btn btn-icon btn-small"
          aria-label="Close this terminal"
          title="Close this terminal"
          data-testid="term-close"
          disabled={active === undefined}
          onClick={() => active !== undefined && closeSession(active)}
        >
          <Icon name="close" />
        </button>
      </div>
      <div className="term-screens" data-split={beside !== undefined}>
        {sessions.map((session) => (
          <Screen key={session.key} session={session} shown={session.key === active} beside={session.key === beside} />
        ))}
        {sessions.length === 0 && <p className="empty">No terminal is open. Press + to open one on a machine.</p>}
      </div>
    </>
  );
}

interface TabProps {
  readonly session: TerminalSession;
  readonly active: boolean;
  readonly beside: boolean;
  readonly state: TerminalSession['state'];
  readonly title: string;
  readonly onKeyDown: (event: KeyboardEvent) => void;
}

function TerminalTab({ session, active, beside, state, title, onKeyDown }: TabProps) {
  return (
    <button
      className="term-tab"
      role="tab"
      id={`term-tab-${session.key}`}
      aria-selected={active}
      aria-controls={`term-panel-${session.key}`}
      tabIndex={active ? 0 : -1}
      title={state === 'ended' ? `${title} (ended); Delete closes the tab` : `${title}; Delete closes the tab`}
      data-testid={`term-tab-${session.key}`}
      data-state={state}
      data-beside={beside}
      onClick={() => {
        showSession(session.key);
        requestAnimationFrame(() => session.focus());
      }}
      onAuxClick={(event) => event.button === 1 && closeSession(session.key)}
      onKeyDown={onKeyDown}
    >
      {title}
      {state === 'ended' && <span className="muted"> ended</span>}
    </button>
  );
}

/** Where the focus goes when the menu closes: to the terminal it opened. */
function focusTerminal(event: Event): void {
  event.preventDefault();
  activeSession()?.focus();
}

function NewTerminalMenu() {
  const machines = useStore((s) => s.topology?.machines);
  const hostShell = useStore((s) => s.hostShell);
  return (
    <DropdownMenu.Root>
      <DropdownMenu.Trigger className="btn btn-icon btn-small" aria-label="New terminal" title="New terminal" data-testid="term-new">
        <Icon name="plus" />
      </DropdownMenu.Trigger>
      <DropdownMenu.Portal>
        <DropdownMenu.Content className="menu" align="start" sideOffset={4} onCloseAutoFocus={focusTerminal}>
          {machines?.map((machine) => (
            <DropdownMenu.Group key={machine.name}>
              <DropdownMenu.Item
                className="menu-item"
                data-testid={`term-new-${machine.name}`}
                onSelect={() => openSession({ machine: machine.name })}
              >
                {machine.name}
              </DropdownMenu.Item>
              {machine.namespaces
                .filter((netns) => netns !== '')
                .map((netns) => (
                  <DropdownMenu.Item
                    key={netns}
                    className="menu-item"
                    data-testid={`term-new-${machine.name}-${netns}`}
                    onSelect={() => openSession({ machine: machine.name, netns })}
                  >
                    {machine.name} / {netns} <span className="menu-hint">namespace</span>
                  </DropdownMenu.Item>
                ))}
            </DropdownMenu.Group>
          ))}
          {machines?.length === 0 && <DropdownMenu.Label className="menu-label">The lab has no machines</DropdownMenu.Label>}
          <DropdownMenu.Separator className="menu-sep" />
          <DropdownMenu.Item
            className="menu-item"
            disabled={!hostShell}
            data-testid="term-new-host"
            onSelect={() => openSession({ host: true })}
          >
            This computer <span className="menu-hint">your own shell</span>
          </DropdownMenu.Item>
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  );
}

function FindBar({ onClose }: { readonly onClose: () => void }) {
  const [text, setText] = useState('');
  const [found, setFound] = useState(true);
  const close = (): void => {
    activeSession()?.endFind();
    onClose();
    activeSession()?.focus();
  };
  const find = (value: string, direction: 'next' | 'previous'): void =>
    setFound(value === '' || (activeSession()?.find(value, direction) ?? false));
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === 'Escape') close();
    else if (event.key === 'Enter') find(text, event.shiftKey ? 'previous' : 'next');
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <>
      <span className="field-error" role="status">
        {found ? '' : 'Not found'}
      </span>
      <input
        className="field field-small mono"
        type="search"
        placeholder="Find; Enter next, Shift+Enter previous"
        aria-label="Find in the terminal"
        data-testid="term-find-input"
        // eslint-disable-next-line jsx-a11y/no-autofocus -- opened by the person's own key
        autoFocus
        value={text}
        onChange={(event) => {
          setText(event.target.value);
          find(event.target.value, 'next');
        }}
        onKeyDown={onKeyDown}
      />
    </>
  );
}

function Screen({ session, shown, beside }: { readonly session: TerminalSession; readonly shown: boolean; readonly beside: boolean }) {
  const box = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    box.current?.appendChild(session.element);
    session.start();
  }, [session]);
  useLayoutEffect(() => {
    if (shown && (document.activeElement === document.body || document.activeElement?.closest('[data-panel="terminals"]'))) session.focus();
  }, [session, shown]);
  return (
    <div
      className="term-box"
      ref={box}
      role="tabpanel"
      id={`term-panel-${session.key}`}
      aria-labelledby={`term-tab-${session.key}`}
      hidden={!shown && !beside}
      data-beside={beside}
    />
  );
}
