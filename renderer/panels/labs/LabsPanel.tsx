// Lab library: the labs there are, opened with a click; new, save, save as, reload, and the lab as text.
import { useCallback, useEffect, useState } from 'react';
import type { LabInfo } from '../../../preload/contract.ts';
import { openLab, runAction } from '../../store/actions.ts';
import { host } from '../../store/host.ts';
import { attempt, useStore } from '../../store/store.ts';
import { Icon } from '../../widgets/Icon.tsx';
import { Prose } from '../../widgets/Prose.tsx';
import { plainProse } from '../../widgets/prose_parts.ts';
import './labs.css';

export function LabsPanel() {
  const [labs, setLabs] = useState<readonly LabInfo[]>([]);
  const [find, setFind] = useState('');
  const current = useStore((s) => s.topology?.lab.path);
  const notes = useStore((s) => s.topology?.lab.notes ?? '');
  const connection = useStore((s) => s.connection);
  const read = useCallback(() => attempt(async () => setLabs(await host.request('lab.list', {}))), []);
  useEffect(() => {
    if (connection === 'open') read();
  }, [connection, current, read]);

  const words = find.toLowerCase().split(/\s+/);
  const shown = labs.filter((lab) => words.every((word) => `${lab.id} ${lab.title} ${lab.summary}`.toLowerCase().includes(word)));
  return (
    <>
      <div className="panel-head">
        <input
          className="field field-small grow"
          type="search"
          placeholder="Find a lab"
          aria-label="Find a lab"
          data-testid="lab-find"
          value={find}
          onChange={(e) => setFind(e.target.value)}
        />
        <button
          className="btn btn-icon btn-small"
          aria-label="New lab"
          title="New lab"
          data-testid="lab-new"
          onClick={() => runAction('lab.new')}
        >
          <Icon name="plus" />
        </button>
      </div>
      <ul className="panel-body labs" aria-label="Labs">
        {shown.map((lab) => (
          <li key={lab.path}>
            <button
              className="lab"
              aria-current={lab.path === current ? 'true' : undefined}
              title={`${plainProse(lab.summary)}\n${lab.path}`}
              data-testid={`lab-open-${lab.id}`}
              onClick={() => openLab(lab.path)}
            >
              <strong>{lab.title}</strong>
              <span>{plainProse(lab.summary)}</span>
            </button>
          </li>
        ))}
        {shown.length === 0 && <li className="empty">{labs.length === 0 ? 'No labs found.' : 'No lab fits.'}</li>}
      </ul>
      {notes !== '' && (
        <details className="lab-notes">
          <summary>Notes of this lab</summary>
          <Prose text={notes} />
        </details>
      )}
      <div className="lab-buttons">
        <button className="btn btn-small" data-testid="lab-open" onClick={() => runAction('lab.open')}>
          Open…
        </button>
        <button className="btn btn-small" data-testid="lab-save" onClick={() => runAction('lab.save')}>
          Save
        </button>
        <button className="btn btn-small" data-testid="lab-save-as" onClick={() => runAction('lab.saveAs')}>
          Save as…
        </button>
        <button className="btn btn-small" disabled={current === undefined} data-testid="lab-reload" onClick={() => runAction('lab.reload')}>
          Reload
        </button>
        <button className="btn btn-small" data-testid="lab-text-open" onClick={() => runAction('lab.text')}>
          Text
        </button>
      </div>
    </>
  );
}
