// Action log: every edit with its time and the command one would have typed, ready to copy.
import { useLayoutEffect, useRef } from 'react';
import { attempt, toast, useStore } from '../../store/store.ts';
import { Icon } from '../../widgets/Icon.tsx';
import { formatInstant } from '../../widgets/units.ts';
import '../../widgets/lines.css';

function copy(text: string, what: string): void {
  attempt(async () => {
    await navigator.clipboard.writeText(text);
    toast('info', `Copied ${what}`);
  });
}

export function LogPanel() {
  const log = useStore((s) => s.log);
  const list = useRef<HTMLUListElement>(null);
  useLayoutEffect(() => {
    if (list.current) list.current.scrollTop = list.current.scrollHeight;
  }, [log.length]);

  if (log.length === 0)
    return <p className="empty">Nothing done yet. Every edit on the canvas appears here with the command that does the same.</p>;
  const commands = log.flatMap((entry) => entry.command ?? []);
  return (
    <>
      <div className="panel-head">
        <span className="muted grow">
          {log.length} {log.length === 1 ? 'action' : 'actions'}
        </span>
        <button
          className="btn btn-small"
          disabled={commands.length === 0}
          data-testid="log-copy-all"
          onClick={() => copy(`${commands.join('\n')}\n`, `${commands.length} commands`)}
        >
          <Icon name="copy" /> Copy all commands
        </button>
      </div>
      <ul className="lines panel-body" ref={list} aria-label="Actions" tabIndex={0}>
        {log.map((entry, i) => (
          <li key={i} className="line" data-testid={`log-row-${i}`}>
            <span className="mono line-time">{formatInstant(entry.time)}</span>
            <span className="line-label">{entry.label}</span>
            <code className="mono line-command muted">
              {entry.command !== undefined && `${entry.machine === undefined ? '' : `${entry.machine}# `}${entry.command}`}
            </code>
            {entry.command !== undefined && (
              <button
                className="btn btn-icon btn-small"
                aria-label={`Copy ${entry.command}`}
                data-testid={`log-copy-${i}`}
                onClick={() => copy(entry.command ?? '', 'the command')}
              >
                <Icon name="copy" />
              </button>
            )}
          </li>
        ))}
      </ul>
    </>
  );
}
