// An opened descriptor: its chain field by field, the DMA mapping and its history, the skb, and the bytes in RAM with their decode.
import { useEffect, useRef, useState, type ReactNode, type RefObject } from 'react';
import type { ChainView, DescriptorView, FieldView, RingInfo } from '../../../preload/contract.ts';
import { host } from '../../store/host.ts';
import { OWNER_LOOKS } from '../../theme/owners.ts';
import { HexDecode } from '../../widgets/HexDecode.tsx';
import { Icon } from '../../widgets/Icon.tsx';
import { formatBytes, formatInstant, hex } from '../../widgets/units.ts';
import { useRefresh } from '../../widgets/use_refresh.ts';
import { queueTitle } from './rings_view.ts';

interface ChainDetailProps {
  readonly ring: RingInfo;
  readonly descriptor: number;
  readonly onClose: () => void;
  readonly onStep: (by: 1 | -1) => void;
}

type Shown = { readonly chain: ChainView } | { readonly error: string } | undefined;

export function ChainDetail({ ring, descriptor, onClose, onStep }: ChainDetailProps): ReactNode {
  const [shown, setShown] = useState<Shown>();
  const root = useRef<HTMLElement>(null);
  useEscape(root, onClose);
  const { machine, port, queue } = ring;
  useRefresh(`${machine}/${port}/${queue}/${descriptor}`, async () => {
    try {
      setShown({ chain: await host.request('rings.chain', { machine, port, queue, descriptor }) });
    } catch (error) {
      setShown({ error: error instanceof Error ? error.message : String(error) });
    }
  });
  const chain = shown !== undefined && 'chain' in shown ? shown.chain : undefined;
  return (
    <aside ref={root} className="chain" aria-label={`Descriptor ${descriptor} of ${queueTitle(ring)}`} data-testid="chain">
      <header className="ring-head">
        <h3>
          {queueTitle(ring)} · descriptor {descriptor}
        </h3>
        <span className="grow" />
        <button
          type="button"
          className="btn btn-small btn-icon btn-quiet chain-previous"
          aria-label="Previous descriptor"
          onClick={() => onStep(-1)}
          data-testid="chain-previous"
        >
          <Icon name="chevron" />
        </button>
        <button
          type="button"
          className="btn btn-small btn-icon btn-quiet chain-next"
          aria-label="Next descriptor"
          onClick={() => onStep(1)}
          data-testid="chain-next"
        >
          <Icon name="chevron" />
        </button>
        <button
          type="button"
          className="btn btn-small btn-icon btn-quiet"
          aria-label="Close the descriptor"
          onClick={onClose}
          data-testid="chain-close"
        >
          <Icon name="close" />
        </button>
      </header>
      {shown !== undefined && 'error' in shown ? <p className="empty">{shown.error}</p> : undefined}
      {chain === undefined ? undefined : <Chain key={`${queue}/${chain.head}`} chain={chain} descriptor={descriptor} />}
    </aside>
  );
}

/** Escape anywhere inside the element. */
function useEscape(element: RefObject<HTMLElement | null>, run: () => void): void {
  useEffect(() => {
    const inside = element.current;
    const onKeyDown = (event: KeyboardEvent): void => {
      if (event.key === 'Escape') run();
    };
    inside?.addEventListener('keydown', onKeyDown);
    return () => inside?.removeEventListener('keydown', onKeyDown);
  }, [element, run]);
}

function Chain({ chain, descriptor }: { readonly chain: ChainView; readonly descriptor: number }): ReactNode {
  const [note, setNote] = useState<string>();
  const look = OWNER_LOOKS[chain.owner];
  const direct = chain.descriptors.filter((d) => !d.indirect);
  const indirect = chain.descriptors.filter((d) => d.indirect);
  return (
    <>
      <div className="chain-top">
        <p className="chain-summary">
          <span className="owner" data-owner={chain.owner} data-testid="chain-owner">
            <span aria-hidden="true">{look.glyph}</span> {look.label}
          </span>
          <span>
            {chain.owner === 'free'
              ? 'on the free list'
              : chain.head === descriptor
                ? 'head of its chain'
                : `part of the chain with head ${chain.head}`}{' '}
            · {direct.length === 1 ? '1 descriptor' : `${direct.length} descriptors`}
            {indirect.length > 0 ? ` + ${indirect.length} in an indirect table` : ''} · {formatBytes(chain.totalBytes)}
          </span>
        </p>
        {direct.map((view, i) => (
          <Descriptor key={i} view={view} current={view.id === descriptor} onNote={setNote} />
        ))}
        {indirect.length > 0 ? (
          <div className="chain-indirect">
            <h4>Indirect table</h4>
            {indirect.map((view, i) => (
              <Descriptor key={i} view={view} current={false} onNote={setNote} />
            ))}
          </div>
        ) : undefined}
        <Mapping mapping={chain.mapping} />
        {chain.skb === undefined ? undefined : (
          <p className="chain-skb">
            <b>skb {chain.skb.id}</b> {chain.skb.summary}
          </p>
        )}
      </div>
      <p className="chain-note" aria-live="polite" data-testid="chain-note">
        {note ?? 'Point at a field to read what it means.'}
      </p>
      {chain.bytes === '' ? (
        <p className="empty">No buffer: the descriptor is free.</p>
      ) : (
        <HexDecode bytes={chain.bytes} totalBytes={chain.totalBytes} decode={chain.decode} testId="chain" />
      )}
    </>
  );
}

function Descriptor({
  view,
  current,
  onNote,
}: {
  readonly view: DescriptorView;
  readonly current: boolean;
  readonly onNote: (note: string | undefined) => void;
}): ReactNode {
  return (
    <table
      className="chain-descriptor"
      data-current={current ? '' : undefined}
      data-testid={`chain-descriptor-${view.id}${view.indirect ? '-indirect' : ''}`}
    >
      <caption>
        {view.indirect ? `entry ${view.id}` : `desc[${view.id}]`} <span className="muted">at {hex(view.address, 8)}</span>
      </caption>
      <tbody>
        {view.fields.map((field) => (
          <FieldRow key={field.name} field={field} onNote={onNote} />
        ))}
      </tbody>
    </table>
  );
}

function FieldRow({ field, onNote }: { readonly field: FieldView; readonly onNote: (note: string | undefined) => void }): ReactNode {
  const tell = (): void => onNote(field.note);
  return (
    <tr
      tabIndex={0}
      onMouseEnter={tell}
      onFocus={tell}
      onMouseLeave={() => onNote(undefined)}
      onBlur={() => onNote(undefined)}
      data-testid={`chain-field-${field.name}`}
    >
      <td className="mono muted">+{field.offset}</td>
      <th scope="row" className="mono">
        {field.name}
      </th>
      <td className="mono">{field.value}</td>
    </tr>
  );
}

function Mapping({ mapping }: { readonly mapping: ChainView['mapping'] }): ReactNode {
  if (mapping === undefined) return <p className="chain-mapping muted">No DMA mapping covers this buffer now.</p>;
  return (
    <div className="chain-mapping" data-testid="chain-mapping">
      <p>
        <b>DMA mapping</b> <span className="mono">{hex(mapping.dma, 8)}</span> → RAM <span className="mono">{hex(mapping.gpa, 8)}</span>,{' '}
        {mapping.length.toLocaleString('en')} bytes, {mapping.direction}
      </p>
      <p className="muted">
        by {mapping.by} at {formatInstant(mapping.since)}
      </p>
      {mapping.history.length > 0 ? (
        <details>
          <summary>History of this address ({mapping.history.length})</summary>
          <ol className="mono">
            {mapping.history.map((line, i) => (
              <li key={i}>{line}</li>
            ))}
          </ol>
        </details>
      ) : undefined}
    </div>
  );
}
