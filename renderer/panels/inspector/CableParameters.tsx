// A cable's rate, delay, loss and state, to change while the world runs.
import { useId, useState, type ReactNode } from 'react';
import type { CableView, Edit } from '../../../preload/contract.ts';
import { host } from '../../store/host.ts';
import { attempt, setTopology } from '../../store/store.ts';
import { CABLE_FIELDS, type CableFieldSpec } from './inspector_view.ts';

function send(edit: Edit): void {
  attempt(async () => setTopology(await host.request('world.edit', edit)));
}

export function CableParameters({ cable }: { readonly cable: CableView }): ReactNode {
  return (
    <form className="cable-form" aria-label="Cable parameters" onSubmit={(event) => event.preventDefault()}>
      {CABLE_FIELDS.map((spec) => (
        <CableInput key={spec.field} cable={cable} spec={spec} />
      ))}
      <button
        type="button"
        className="btn"
        onClick={() => send({ op: 'cable.set', cable: cable.id, up: !cable.up })}
        data-testid="cable-up"
      >
        {cable.up ? 'Cut the cable' : 'Mend the cable'}
      </button>
    </form>
  );
}

/** Typed text is kept until Enter or leaving; a wrong unit is explained and nothing is sent. */
function CableInput({ cable, spec }: { readonly cable: CableView; readonly spec: CableFieldSpec }): ReactNode {
  const current = spec.show(cable);
  const [draft, setDraft] = useState<string>();
  const [problem, setProblem] = useState<string>();
  const id = useId();
  const reset = (): void => {
    setDraft(undefined);
    setProblem(undefined);
  };
  const apply = (): void => {
    if (draft === undefined) return;
    const parsed = spec.parse(draft);
    if (!parsed.ok) {
      setProblem(parsed.reason);
      return;
    }
    reset();
    if (parsed.value !== spec.value(cable)) send(spec.edit(cable.id, parsed.value));
  };
  return (
    <div className="cable-field">
      <label htmlFor={id}>{spec.label}</label>
      <input
        id={id}
        className="field mono"
        value={draft ?? current}
        placeholder={spec.placeholder}
        spellCheck={false}
        aria-invalid={problem !== undefined}
        aria-describedby={`${id}-problem`}
        onChange={(event) => setDraft(event.target.value)}
        onBlur={apply}
        onKeyDown={(event) => {
          if (event.key === 'Enter') apply();
          else if (event.key === 'Escape') reset();
        }}
        data-testid={`cable-${spec.field}`}
      />
      <p id={`${id}-problem`} className="field-error" role="alert" data-testid={`cable-${spec.field}-problem`}>
        {problem}
      </p>
    </div>
  );
}
