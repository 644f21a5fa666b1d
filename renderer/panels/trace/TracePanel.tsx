// Trace: every tracepoint record in order; a click shows the world at that event.
import { useCallback, useState } from 'react';
import type { TraceRow } from '../../../preload/contract.ts';
import { gotoEvent } from '../../store/actions.ts';
import { host } from '../../store/host.ts';
import { useStore } from '../../store/store.ts';
import { Icon } from '../../widgets/Icon.tsx';
import { useRowFeed } from '../../widgets/row_feed.ts';
import { placed, type RowAnswer } from '../../widgets/row_pager.ts';
import { formatInstant } from '../../widgets/units.ts';
import { VirtualList, type Column } from '../../widgets/VirtualList.tsx';
import './trace.css';

const COLUMNS: readonly Column[] = [
  { id: 'time', title: 'Time', width: '152px', align: 'end' },
  { id: 'event', title: 'Event', width: '76px', align: 'end' },
  { id: 'where', title: 'Machine / CPU', width: '108px' },
  { id: 'name', title: 'Tracepoint', width: 'minmax(220px, 0.5fr)' },
  { id: 'text', title: 'Fields', width: 'minmax(280px, 1.5fr)' },
];

async function fetchTrace(from: number, count: number, filter: string): Promise<RowAnswer<TraceRow>> {
  if (filter !== '') return host.request('trace.rows', { from, count, filter });
  return placed(await host.request('trace.rows', { from, count }), from, count);
}

function cells(row: TraceRow | undefined): readonly string[] | undefined {
  return (
    row && [
      formatInstant(row.time),
      row.event.toLocaleString('en'),
      row.cpu < 0 ? row.machine : `${row.machine}/cpu${row.cpu}`,
      row.name,
      row.text,
    ]
  );
}

export function TracePanel() {
  const [filter, setFilter] = useState('');
  const [selected, setSelected] = useState<number>();
  const [follow, setFollow] = useState(true);
  const { pager, error } = useRowFeed('trace', fetchTrace, filter.trim());
  const playhead = useStore((s) => (s.run?.mode === 'paused' ? s.run.event : Infinity));
  const onSeen = useCallback((from: number, to: number) => pager.want(from, to), [pager]);
  const go = (index: number): void => {
    const row = pager.row(index);
    if (row) gotoEvent(row.event);
  };
  return (
    <>
      <div className="panel-head">
        <input
          className="field field-small trace-filter mono"
          type="search"
          placeholder="Filter: napi, virtq_pop, h1 …"
          aria-label="Filter trace"
          aria-invalid={error !== undefined}
          data-testid="trace-filter"
          spellCheck={false}
          value={filter}
          onChange={(e) => setFilter(e.target.value)}
        />
        {error !== undefined && (
          <span className="field-error" role="alert">
            {error}
          </span>
        )}
        <span className="muted" data-testid="trace-total">
          {pager.matching === pager.total ? '' : `${pager.matching.toLocaleString('en')} of `}
          {pager.total.toLocaleString('en')} records
        </span>
        <span className="grow" />
        <button
          className="btn btn-small btn-quiet"
          disabled={selected === undefined}
          data-testid="trace-go"
          onClick={() => selected !== undefined && go(selected)}
          title="Show the world at this event"
        >
          <Icon name="target" /> Go there
        </button>
        <button
          className="btn btn-small btn-quiet"
          aria-pressed={follow}
          data-testid="trace-follow"
          onClick={() => setFollow(!follow)}
          title="Stay at the newest record"
        >
          <Icon name="follow" /> Follow
        </button>
      </div>
      <VirtualList
        label="Trace records"
        idPrefix="trace"
        columns={COLUMNS}
        count={pager.matching}
        cells={(index) => cells(pager.row(index))}
        rowClass={(index) => ((pager.row(index)?.event ?? 0) > playhead ? 'trace-later' : undefined)}
        selected={selected}
        onSelect={(index) => {
          setFollow(false);
          setSelected(index);
        }}
        onOpen={go}
        clickOpens
        onSeen={onSeen}
        follow={follow}
        onFollow={setFollow}
        empty={filter === '' ? 'No trace records yet. Run or step the world.' : 'No record fits the filter.'}
      />
    </>
  );
}
