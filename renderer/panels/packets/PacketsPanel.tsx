// Packets: every frame seen on every cable, in a list of any length with a filter; the chosen one decoded, its bytes beside it.
import { useCallback, useEffect, useRef, useState } from 'react';
import type { PacketRow, PacketView } from '../../../preload/contract.ts';
import { runAction } from '../../store/actions.ts';
import { host } from '../../store/host.ts';
import { attempt } from '../../store/store.ts';
import { HexDecode } from '../../widgets/HexDecode.tsx';
import { Icon } from '../../widgets/Icon.tsx';
import { useRowFeed } from '../../widgets/row_feed.ts';
import { placed, type RowAnswer } from '../../widgets/row_pager.ts';
import { Split } from '../../widgets/Split.tsx';
import { VirtualList, type Column, type VirtualListHandle } from '../../widgets/VirtualList.tsx';
import { countText, packetCells, packetClass } from './packets_view.ts';
import './packets.css';

const COLUMNS: readonly Column[] = [
  { id: 'no', title: 'No.', width: '56px', align: 'end', leastList: 560 },
  { id: 'time', title: 'Time', width: '144px', align: 'end' },
  { id: 'from', title: 'On the wire', width: 'minmax(154px, 0.7fr)', leastList: 960 },
  { id: 'source', title: 'Source', width: 'minmax(92px, 0.6fr)' },
  { id: 'destination', title: 'Destination', width: 'minmax(92px, 0.6fr)' },
  { id: 'protocol', title: 'Protocol', width: '70px', leastList: 480 },
  { id: 'length', title: 'Length', width: '66px', align: 'end', leastList: 820 },
  { id: 'info', title: 'Info', width: 'minmax(120px, 2fr)' },
];

function emptyText(filter: string, failed: boolean): string {
  if (failed) return '';
  return filter === '' ? 'No packets yet. Run the world and send something: ping 10.0.0.2' : 'No packet fits the filter.';
}

async function fetchPackets(from: number, count: number, filter: string): Promise<RowAnswer<PacketRow>> {
  if (filter !== '') return host.request('packets.rows', { from, count, filter });
  return placed(await host.request('packets.rows', { from, count }), from, count);
}

export function PacketsPanel() {
  const [filter, setFilter] = useState('');
  const [selected, setSelected] = useState<number>();
  const [follow, setFollow] = useState(true);
  const [packet, setPacket] = useState<PacketView>();
  const list = useRef<VirtualListHandle>(null);
  const { pager, error } = useRowFeed('packets', fetchPackets, filter.trim());
  const chosen = selected === undefined ? undefined : pager.row(selected)?.index;

  const shownPacket = packet?.row.index === chosen ? packet : undefined;

  useEffect(() => {
    if (chosen === undefined) return undefined;
    let wanted = true;
    attempt(async () => {
      const view = await host.request('packets.get', { index: chosen });
      if (wanted) setPacket(view);
    });
    return () => {
      wanted = false;
    };
  }, [chosen]);

  const onSeen = useCallback((from: number, to: number) => pager.want(from, to), [pager]);
  const choose = (index: number): void => {
    setFollow(false);
    setSelected(index);
  };

  const table = (
    <VirtualList
      label="Packets"
      idPrefix="packets"
      columns={COLUMNS}
      count={pager.matching}
      cells={(index) => packetCells(pager.row(index))}
      rowClass={(index) => packetClass(pager.row(index))}
      rowName={(index) => pager.row(index)?.index}
      selected={selected}
      onSelect={choose}
      onSeen={onSeen}
      follow={follow}
      onFollow={setFollow}
      handle={list}
      empty={emptyText(filter, error !== undefined)}
    />
  );

  return (
    <>
      <div className="panel-head">
        <input
          className="field field-small packets-filter mono"
          type="search"
          placeholder="Filter: icmp, 10.0.0.2, h1:nic0, lost …"
          aria-label="Filter packets"
          aria-invalid={error !== undefined}
          data-testid="packets-filter"
          spellCheck={false}
          value={filter}
          onChange={(e) => {
            setFilter(e.target.value);
            setSelected(undefined);
          }}
        />
        {error !== undefined && (
          <span className="field-error" role="alert">
            {error}
          </span>
        )}
        {error === undefined && (
          <span className="muted" data-testid="packets-total">
            {countText(pager.matching, pager.total)}
          </span>
        )}
        <span className="grow" />
        <button
          className="btn btn-small btn-quiet"
          aria-pressed={follow}
          data-testid="packets-follow"
          onClick={() => setFollow(!follow)}
          title="Stay at the newest packet"
        >
          <Icon name="follow" /> Follow
        </button>
        <button className="btn btn-small btn-quiet" data-testid="packets-export" onClick={() => runAction('packets.export')}>
          <Icon name="export" /> Export
        </button>
      </div>
      <Split
        name="packet details"
        initial={0.56}
        first={table}
        second={shownPacket && <PacketDetails packet={shownPacket} onClose={() => setSelected(undefined)} />}
      />
    </>
  );
}

function PacketDetails({ packet, onClose }: { readonly packet: PacketView; readonly onClose: () => void }) {
  return (
    <section className="packet-details" aria-label={`Packet ${packet.row.index}`}>
      <div className="panel-head packet-title">
        <span className="grow">
          Packet {packet.row.index.toLocaleString('en')} · {packet.row.protocol} · {packet.row.length} B
        </span>
        <button className="btn btn-icon btn-small" aria-label="Close the packet" onClick={onClose}>
          <Icon name="close" />
        </button>
      </div>
      {packet.row.dropped !== undefined && (
        <p className="packet-dropped">
          <Icon name="error" /> Dropped: {packet.row.dropped}
        </p>
      )}
      <div className="packet-bytes">
        <HexDecode bytes={packet.bytes} totalBytes={packet.row.length} decode={packet.decode} testId="packets" />
      </div>
    </section>
  );
}
