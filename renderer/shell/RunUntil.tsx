// "Run until…": a simulated time (absolute or from now), a tracepoint, or a kernel function.
import { useState, type FormEvent } from 'react';
import { host } from '../store/host.ts';
import { attempt, setDialog, store } from '../store/store.ts';
import { Modal } from '../widgets/Modal.tsx';
import { formatInstant } from '../widgets/units.ts';
import { readUntil, type UntilKind } from './run_until_view.ts';

const KINDS: readonly { readonly kind: UntilKind; readonly title: string; readonly hint: string }[] = [
  { kind: 'time', title: 'Simulated time', hint: '2.5 s, or +20 ms from now' },
  { kind: 'tracepoint', title: 'Tracepoint', hint: 'net:net_dev_xmit' },
  { kind: 'function', title: 'Function', hint: 'netif_tx_stop_queue' },
];

export function RunUntil() {
  const [kind, setKind] = useState<UntilKind>('time');
  const [text, setText] = useState('');
  const [error, setError] = useState<string>();
  const now = store.getState().run?.time ?? 0;
  const close = (): void => setDialog(undefined);
  const hint = KINDS.find((k) => k.kind === kind)?.hint ?? '';

  const submit = (event: FormEvent): void => {
    event.preventDefault();
    const until = readUntil(kind, text, now);
    if (!until.ok) {
      setError(until.reason);
      return;
    }
    close();
    attempt(() => host.request('run.until', until.value));
  };

  return (
    <Modal
      title="Run until…"
      description={`Now at ${formatInstant(now)}. The world stops at the first event that fits.`}
      width={420}
      testId="run-until"
      onClose={close}
      footer={
        <>
          <button className="btn" onClick={close}>
            Cancel
          </button>
          <button className="btn btn-primary" type="submit" form="run-until-form" data-testid="until-go">
            Run
          </button>
        </>
      }
    >
      <form id="run-until-form" onSubmit={submit} className="form-rows">
        <label>
          <span>Stop at</span>
          <select
            className="select"
            value={kind}
            data-testid="until-kind"
            onChange={(e) => setKind(KINDS.find((k) => k.kind === e.target.value)?.kind ?? 'time')}
          >
            {KINDS.map((k) => (
              <option key={k.kind} value={k.kind}>
                {k.title}
              </option>
            ))}
          </select>
        </label>
        <label>
          <span>Value</span>
          <input
            className="field mono"
            value={text}
            placeholder={hint}
            data-testid="until-value"
            aria-invalid={error !== undefined}
            aria-describedby="until-error"
            spellCheck={false}
            onChange={(e) => {
              setText(e.target.value);
              setError(undefined);
            }}
          />
        </label>
        <p id="until-error" className="field-error" role="alert">
          {error}
        </p>
      </form>
    </Modal>
  );
}
