// Injecting a fault into what is selected, and taking injected ones away.
import { useEffect, useState, type ReactNode } from 'react';
import type { FaultInfo, FaultKindInfo } from '../../preload/contract.ts';
import { host } from '../store/host.ts';
import { attempt } from '../store/store.ts';
import { Modal } from '../widgets/Modal.tsx';
import { canvas, useCanvas } from './canvas_state.ts';

/** An empty field is absent. */
const number = (text: string): number | undefined => (/^-?\d+$/.test(text.trim()) ? Number(text) : undefined);

export function FaultDialog(): ReactNode {
  const place = useCanvas((s) => s.faulting);
  const [kinds, setKinds] = useState<readonly FaultKindInfo[]>([]);
  const [faults, setFaults] = useState<readonly FaultInfo[]>([]);
  const [kind, setKind] = useState('');
  const [queue, setQueue] = useState('');
  const [times, setTimes] = useState('');
  const [value, setValue] = useState('');
  const [fn, setFn] = useState('');
  useEffect(() => {
    if (place === undefined) return;
    attempt(async () => {
      const all = await host.request('fault.kinds', {});
      const fitting = all.filter((k) => k.target === place.target);
      setKinds(fitting);
      setKind((old) => (fitting.some((k) => k.kind === old) ? old : (fitting[0]?.kind ?? '')));
      setFaults(await host.request('fault.list', {}));
    });
  }, [place]);
  if (place === undefined) return undefined;

  const chosen = kinds.find((k) => k.kind === kind);
  const here = faults.filter((f) => f.at === place.at && f.phase !== 'over');
  const close = (): void => canvas.setState({ faulting: undefined });
  const inject = (): void =>
    attempt(async () => {
      const on = { queue: number(queue), times: number(times), value: number(value), fn: fn.trim() === '' ? undefined : fn.trim() };
      const given = Object.fromEntries(Object.entries(on).filter(([, v]) => v !== undefined));
      setFaults(await host.request('fault.inject', { kind, at: place.at, ...given }));
    });
  const field = (label: string, text: string, set: (t: string) => void, hint: string): ReactNode => (
    <label className="fault-field">
      <span>{label}</span>
      <input className="field" value={text} placeholder={hint} onChange={(e) => set(e.target.value)} data-testid={`fault-${label}`} />
    </label>
  );
  return (
    <Modal
      title={`Inject a fault into ${place.at}`}
      testId="fault-dialog"
      width={520}
      onClose={close}
      footer={
        <button type="button" className="btn btn-primary" disabled={chosen === undefined} onClick={inject} data-testid="fault-inject">
          Inject
        </button>
      }
    >
      <label className="fault-field">
        <span>fault</span>
        <select className="field" value={kind} onChange={(e) => setKind(e.target.value)} data-testid="fault-kind">
          {kinds.map((k) => (
            <option key={k.kind} value={k.kind}>
              {k.title}
            </option>
          ))}
        </select>
      </label>
      {place.target === 'machine'
        ? undefined
        : field(
            place.target === 'cable' ? 'direction' : 'queue',
            queue,
            setQueue,
            place.target === 'cable' ? 'both; 0 or 1 for one' : 'any',
          )}
      {field('times', times, setTimes, 'as usual for it; -1 until cleared')}
      {chosen?.value === undefined
        ? undefined
        : field('value', value, setValue, `${chosen.value.what}, ${chosen.value.unit}: ${chosen.value.default}`)}
      {chosen?.fn === true ? field('function', fn, setFn, 'virtnet_find_vqs') : undefined}
      {chosen === undefined ? undefined : (
        <p className="muted">
          What you will see: {chosen.symptom}. Afterwards: {chosen.recovery}.
        </p>
      )}
      {here.length === 0 ? undefined : (
        <ul className="fault-list" aria-label="Injected faults">
          {here.map((f) => (
            <li key={f.id} data-testid={`fault-row-${f.id}`}>
              <span className="mono">{f.text}</span>
              <span className="muted">
                {f.phase}, struck {f.strikes} of {f.occasions}
              </span>
              <button
                type="button"
                className="btn btn-quiet btn-small"
                onClick={() => attempt(async () => setFaults(await host.request('fault.clear', { id: f.id })))}
                data-testid={`fault-clear-${f.id}`}
              >
                Clear
              </button>
            </li>
          ))}
        </ul>
      )}
    </Modal>
  );
}
