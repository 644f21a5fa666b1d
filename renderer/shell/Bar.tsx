// The bar: lab, run control, simulated time, recording, undo, palette, theme. Every button is an action of store/actions.ts.
import { DropdownMenu } from 'radix-ui';
import { useEffect, useState, type ReactNode } from 'react';
import { ACTIONS, isEnabled, runAction, setSpeed } from '../store/actions.ts';
import { store, useStore } from '../store/store.ts';
import { Icon, type IconName } from '../widgets/Icon.tsx';
import { formatSpeed } from '../widgets/units.ts';
import { isMac } from './keyboard.ts';
import { RunClock } from './RunClock.tsx';
import { showShortcut } from './shortcuts.ts';

const SPEEDS: readonly number[] = [0.000_01, 0.0001, 0.001, 0.01, 0.1, 1, 0];

interface ActionButtonProps {
  readonly id: string;
  readonly testId: string;
  readonly icon: IconName;
  readonly filled?: boolean;
  readonly title?: string;
  readonly pressed?: boolean;
  readonly className?: string;
  readonly children?: ReactNode;
}

function ActionButton({ id, testId, icon, filled = false, title, pressed, className = '', children }: ActionButtonProps) {
  const action = ACTIONS.find((candidate) => candidate.id === id);
  const enabled = useStore(() => action !== undefined && isEnabled(action));
  const name = title ?? action?.title ?? id;
  const shortcut = action?.shortcuts?.[0];
  return (
    <button
      className={`btn ${children === undefined ? 'btn-icon' : 'btn-quiet'} ${className}`}
      aria-label={children === undefined ? name : undefined}
      title={shortcut === undefined ? name : `${name} (${showShortcut(shortcut, isMac)})`}
      aria-pressed={pressed}
      disabled={!enabled}
      data-testid={testId}
      onClick={() => runAction(id)}
    >
      <Icon name={icon} filled={filled} />
      {children}
    </button>
  );
}

function LabMenu() {
  const name = useStore((s) => s.topology?.lab.name);
  const path = useStore((s) => s.topology?.lab.path);
  const dirty = useStore((s) => s.run?.dirty ?? false);
  const items = ACTIONS.filter((action) => action.group === 'Lab');
  return (
    <DropdownMenu.Root>
      <DropdownMenu.Trigger className="btn btn-quiet lab-button" title={path ?? 'Not saved to a file yet'} data-testid="bar-lab">
        <strong>{name ?? 'Ringscope'}</strong>
        {dirty && (
          <span className="dirty" title="Unsaved changes">
            <span className="sr-only">, unsaved changes</span>
          </span>
        )}
        <Icon name="chevron" />
      </DropdownMenu.Trigger>
      <DropdownMenu.Portal>
        <DropdownMenu.Content className="menu" align="start" sideOffset={4}>
          {items.map((action) => (
            <DropdownMenu.Item
              key={action.id}
              className="menu-item"
              disabled={!isEnabled(action)}
              data-testid={`menu-${action.id}`}
              onSelect={() => setTimeout(() => action.run())}
            >
              {action.title}
              {action.shortcuts?.[0] !== undefined && <span className="menu-hint">{showShortcut(action.shortcuts[0], isMac)}</span>}
            </DropdownMenu.Item>
          ))}
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  );
}

function SpeedChoice() {
  const hostSpeed = useStore((s) => s.run?.speed);
  const wanted = useStore((s) => s.wantedSpeed);
  const running = useStore((s) => s.run?.mode === 'running');
  const speed = wanted ?? hostSpeed ?? 1;
  const choices = SPEEDS.includes(speed) ? SPEEDS : [speed, ...SPEEDS];
  const choose = (next: number): void => {
    if (running) setSpeed(next);
    else store.setState({ wantedSpeed: next });
  };
  return (
    <label className="speed" title="Simulated time : real time">
      <span className="sr-only">Speed, simulated to real time</span>
      <select className="select" value={speed} data-testid="bar-speed" onChange={(e) => choose(Number(e.target.value))}>
        {choices.map((choice) => (
          <option key={choice} value={choice}>
            {formatSpeed(choice)}
          </option>
        ))}
      </select>
    </label>
  );
}

/** After this the host is not just slow: it may have been started anew, with another token. */
const LONG_LOSS_MS = 5_000;

function ConnectionNotice() {
  const connection = useStore((s) => s.connection);
  const everConnected = useStore((s) => s.run !== undefined);
  const [long, setLong] = useState(false);
  useEffect(() => {
    if (connection !== 'lost') return undefined;
    const timer = setTimeout(() => setLong(true), LONG_LOSS_MS);
    return () => {
      clearTimeout(timer);
      setLong(false);
    };
  }, [connection]);
  return (
    <span
      role="status"
      className="connection"
      data-state={connection}
      data-testid="bar-connection"
      title={
        connection === 'lost'
          ? 'Trying again every few seconds. A host that was started anew has a new address: open the one it printed.'
          : undefined
      }
    >
      {connection === 'lost' && everConnected && (long ? 'Host lost. Restarted? Open its new address' : 'Host lost; trying again…')}
      {connection === 'lost' &&
        !everConnected &&
        'No host at this address, or it is from an earlier launch: open the address Ringscope printed.'}
      {connection === 'connecting' && 'Connecting…'}
    </span>
  );
}

export function Bar() {
  const running = useStore((s) => s.run?.mode === 'running');
  const recording = useStore((s) => s.run?.recording ?? false);
  const undo = useStore((s) => s.run?.canUndo);
  const redo = useStore((s) => s.run?.canRedo);
  const theme = useStore((s) => s.theme);
  return (
    <header className="bar" aria-label="Run control">
      <LabMenu />
      <span className="bar-sep" />
      <ActionButton
        id="run.toggle"
        testId="bar-run"
        icon={running ? 'pause' : 'play'}
        filled={!running}
        title={running ? 'Pause' : 'Run'}
        className="run-button"
      />
      <ActionButton id="run.stepBack" testId="bar-step-back" icon="stepBack" />
      <ActionButton id="run.step" testId="bar-step" icon="step" />
      <ActionButton id="run.until" testId="bar-until" icon="target" title="Run until a time, tracepoint or function">
        Until…
      </ActionButton>
      <SpeedChoice />
      <span className="bar-sep" />
      <RunClock />
      <span className="grow" />
      <ConnectionNotice />
      <ActionButton
        id="record.toggle"
        testId="bar-record"
        icon="record"
        filled
        pressed={recording}
        title={recording ? 'Stop recording' : 'Record a session'}
        className="record-button"
      />
      <span className="bar-sep" />
      <ActionButton id="edit.undo" testId="bar-undo" icon="undo" title={undo === undefined ? 'Nothing to undo' : `Undo ${undo}`} />
      <ActionButton id="edit.redo" testId="bar-redo" icon="redo" title={redo === undefined ? 'Nothing to redo' : `Redo ${redo}`} />
      <span className="bar-sep" />
      <ActionButton id="palette" testId="bar-palette" icon="search" />
      <ActionButton
        id="view.theme"
        testId="bar-theme"
        icon={theme === 'system' ? 'auto' : theme === 'light' ? 'sun' : 'moon'}
        title={`Theme: ${theme}; press for the next`}
      />
      <ActionButton id="shortcuts" testId="bar-help" icon="help" />
    </header>
  );
}
