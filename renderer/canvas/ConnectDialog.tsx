// The other end of a cable, chosen by keyboard: free ports, narrowed by typing.
import { useId, useState, type KeyboardEvent, type ReactNode } from 'react';
import { useStore } from '../store/store.ts';
import { Modal } from '../widgets/Modal.tsx';
import { canvas, useCanvas } from './canvas_state.ts';
import { connect } from './commands.ts';
import { freePorts } from './edits.ts';

export function ConnectDialog(): ReactNode {
  const from = useCanvas((s) => s.connecting);
  const topology = useStore((s) => s.topology);
  const [text, setText] = useState('');
  const [at, setAt] = useState(0);
  const list = useId();
  if (from === undefined || topology === undefined) return undefined;

  const wanted = text.trim().toLowerCase();
  const ports = freePorts(topology, from).filter((port) =>
    `${port.machine} ${port.port} ${port.ifname ?? ''}`.toLowerCase().includes(wanted),
  );
  const close = (): void => {
    canvas.setState({ connecting: undefined });
    setText('');
    setAt(0);
  };
  const choose = (index: number): void => {
    const port = ports[index];
    if (port === undefined) return;
    close();
    connect(from, port);
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === 'ArrowDown') setAt(Math.min(at + 1, ports.length - 1));
    else if (event.key === 'ArrowUp') setAt(Math.max(at - 1, 0));
    else if (event.key === 'Enter') choose(at);
    else return;
    event.preventDefault();
  };
  return (
    <Modal title={`Connect ${from.machine} ${from.port} to…`} testId="connect-dialog" width={380} onClose={close}>
      <input
        className="field"
        role="combobox"
        aria-label="The other port"
        aria-expanded="true"
        aria-controls={list}
        aria-activedescendant={ports[at] === undefined ? undefined : `${list}-${at}`}
        placeholder="Type a machine or port"
        value={text}
        onChange={(event) => {
          setText(event.target.value);
          setAt(0);
        }}
        onKeyDown={onKeyDown}
        data-testid="connect-input"
      />
      {ports.length === 0 ? (
        <p className="muted">No free port{wanted === '' ? '' : ` matches “${text.trim()}”`}. Add a NIC to a machine, or remove a cable.</p>
      ) : undefined}
      <div id={list} className="connect-list" role="listbox" aria-label="Free ports">
        {ports.map((port, i) => (
          <button
            key={`${port.machine}/${port.port}`}
            id={`${list}-${i}`}
            type="button"
            role="option"
            tabIndex={-1}
            aria-selected={i === at}
            ref={(element) => {
              if (i === at) element?.scrollIntoView({ block: 'nearest' });
            }}
            className="menu-item connect-option"
            data-highlighted={i === at ? '' : undefined}
            onMouseEnter={() => setAt(i)}
            onClick={() => choose(i)}
            data-testid={`connect-${port.machine}-${port.port}`}
          >
            {port.machine} <span className="mono">{port.port}</span>
            <span className="menu-hint">{port.ifname}</span>
          </button>
        ))}
      </div>
    </Modal>
  );
}
