// The ring inspector: the queues of one NIC side by side, and beside them the descriptor a person opened.
import { useEffect, useState, type ReactNode } from 'react';
import type { RingInfo, TopologyView } from '../../../preload/contract.ts';
import { host } from '../../store/host.ts';
import { primarySelection, store, useStore, type NicRef, type Selection } from '../../store/store.ts';
import { OWNER_LOOKS } from '../../theme/owners.ts';
import { ChainDetail } from './ChainDetail.tsx';
import { QueueColumn } from './QueueColumn.tsx';
import { nextActivity, sameQueues, type Activity } from './queue_activity.ts';
import type { RingShape } from './ring_layout.ts';
import { OWNER_TEXT, OWNERS, queueChoices, sameNic } from './rings_view.ts';
import './rings.css';

/** In a window this wide the descriptor table has room beside the picture; else a person asks for it. */
const WIDE_WINDOW = 1600;

interface Opened {
  readonly queue: number;
  readonly descriptor: number;
}

/** How long a queue that moved is marked, ms: long enough to be seen, short enough to tell traffic from its end. */
const MARKED_MS = 600;

export function RingsPanel(): ReactNode {
  const topology = useStore((s) => s.topology);
  const wanted = useStore((s) => s.ringNic);
  const selection = useStore(primarySelection);
  const rings = useRings(topology);
  const [choice, setChoice] = useState('auto');
  const [shape, setShape] = useState<RingShape>('strip');
  const [table, setTable] = useState(() => window.innerWidth >= WIDE_WINDOW);
  const [opened, setOpened] = useState<Opened>();

  const pointed = nicOf(selection, topology);
  const pointedKey = pointed === undefined ? '' : `${pointed.machine}/${pointed.port}`;
  useEffect(() => {
    if (pointed !== undefined) store.setState({ ringNic: pointed });
    // The panel follows the selection when it changes, not when the topology does.
    // oxlint-disable-next-line react-hooks/exhaustive-deps
  }, [pointedKey]);

  const nics = (topology?.machines ?? []).flatMap((machine) =>
    machine.nics.map((nic) => ({ machine: machine.name, port: nic.port, ifname: nic.ifname })),
  );
  const nic = nics.find((candidate) => wanted !== undefined && sameNic(wanted, candidate)) ?? nics[0];
  const nicKey = nic === undefined ? '' : `${nic.machine}/${nic.port}`;
  useEffect(() => setOpened(undefined), [nicKey]);
  const ofNic = nic === undefined ? [] : rings.filter((ring) => sameNic(ring, nic));
  const { busiest, moving } = useQueueActivity(nic);
  // what a person has opened stays: the automatic choice holds still meanwhile
  const [held, setHeld] = useState<readonly number[]>();
  const choices = queueChoices(ofNic, opened === undefined ? busiest : (held ?? busiest));
  const shown = choices.find((candidate) => candidate.id === choice) ?? choices[0];
  const openedRing = shown?.rings.find((ring) => ring.queue === opened?.queue);

  const open = (ring: RingInfo, descriptor: number): void => {
    setHeld(busiest);
    setOpened({ queue: ring.queue, descriptor });
  };
  const stepOpened = (by: 1 | -1): void => {
    if (opened !== undefined && openedRing !== undefined)
      setOpened({ queue: opened.queue, descriptor: (opened.descriptor + by + openedRing.size) % openedRing.size });
  };

  return (
    <div className="rings">
      <div className="panel-head rings-head" data-shape={shape}>
        <select
          className="select"
          aria-label="NIC"
          value={nicKey}
          onChange={(event) => {
            const picked = nics.find((candidate) => `${candidate.machine}/${candidate.port}` === event.target.value);
            if (picked !== undefined) store.setState({ ringNic: { machine: picked.machine, port: picked.port } });
          }}
          data-testid="rings-nic"
        >
          {nics.map((candidate) => (
            <option key={`${candidate.machine}/${candidate.port}`} value={`${candidate.machine}/${candidate.port}`}>
              {candidate.machine} · {candidate.port}
              {candidate.ifname === undefined ? '' : ` (${candidate.ifname})`}
            </option>
          ))}
        </select>
        <div className="segments" role="group" aria-label="Queues">
          {choices.map((candidate) => (
            <button
              key={candidate.id}
              type="button"
              className="btn btn-small"
              aria-pressed={candidate === shown}
              title={candidate.title}
              data-moving={
                candidate.id !== 'auto' && candidate.id !== 'all' && candidate.rings.some((ring) => moving.includes(ring.queue))
                  ? ''
                  : undefined
              }
              onClick={() => setChoice(candidate.id)}
              data-testid={`rings-choice-${candidate.id}`}
            >
              {candidate.label}
            </button>
          ))}
        </div>
        <div className="segments" role="group" aria-label="Picture">
          {(['strip', 'circle'] as const).map((name) => (
            <button
              key={name}
              type="button"
              className="btn btn-small"
              aria-pressed={shape === name}
              onClick={() => setShape(name)}
              data-testid={`rings-shape-${name}`}
            >
              {name === 'strip' ? 'Strip' : 'Circle'}
            </button>
          ))}
        </div>
        <button type="button" className="btn btn-small" aria-pressed={table} onClick={() => setTable(!table)} data-testid="rings-table">
          Table
        </button>
        <span className="grow" />
        <Legend />
      </div>
      {shown === undefined ? (
        <p className="empty" data-testid="rings-empty">
          {nic === undefined
            ? 'No NIC in this lab. Add a machine with a NIC to see its rings.'
            : `${nic.machine} has no rings on ${nic.port} yet: no driver has set up its queues.`}
        </p>
      ) : (
        <div className="rings-body" data-detail={openedRing === undefined ? undefined : ''}>
          <div className="rings-columns">
            {shown.rings.map((ring) => (
              <QueueColumn
                key={`${nicKey}/${ring.queue}/${ring.size}`}
                ring={ring}
                shape={shape}
                table={table}
                opened={opened?.queue === ring.queue ? opened.descriptor : undefined}
                onOpen={open}
              />
            ))}
          </div>
          {openedRing === undefined || opened === undefined ? undefined : (
            <ChainDetail ring={openedRing} descriptor={opened.descriptor} onClose={() => setOpened(undefined)} onStep={stepOpened} />
          )}
        </div>
      )}
    </div>
  );
}

/** The NIC a selection speaks of: itself, the first of a machine, the one under an interface, one end of a cable. */
function nicOf(selection: Selection | undefined, topology: TopologyView | undefined): NicRef | undefined {
  if (selection === undefined || topology === undefined) return undefined;
  if (selection.kind === 'nic') return { machine: selection.machine, port: selection.port };
  if (selection.kind === 'cable') {
    const end = topology.cables.find((cable) => cable.id === selection.cable)?.a;
    return end === undefined ? undefined : { machine: end.machine, port: end.port };
  }
  const machine = topology.machines.find((candidate) => candidate.name === selection.machine);
  const port =
    selection.kind === 'interface'
      ? machine?.interfaces.find((i) => i.name === selection.ifname && i.netns === selection.netns)?.port
      : machine?.nics[0]?.port;
  return machine === undefined || port === undefined ? undefined : { machine: machine.name, port };
}

/** Which queues of a NIC are busiest, and which move just now. State changes when the answer does, not with every push. */
function useQueueActivity(nic: NicRef | undefined): { readonly busiest: readonly number[]; readonly moving: readonly number[] } {
  const [busiest, setBusiest] = useState<readonly number[]>([]);
  const [moving, setMoving] = useState<readonly number[]>([]);
  const machine = nic?.machine;
  const port = nic?.port;
  useEffect(() => {
    if (machine === undefined || port === undefined) return undefined;
    let activity: Activity | undefined;
    let clear: ReturnType<typeof setTimeout> | undefined;
    const unsubscribe = host.subscribe('queues', { machine, port }, ({ taken }) => {
      activity = nextActivity(activity, taken);
      const { busiest: best, moved } = activity;
      setBusiest((old) => (sameQueues(old, best) ? old : best));
      if (moved.length === 0) return;
      clearTimeout(clear);
      clear = setTimeout(() => setMoving([]), MARKED_MS);
      setMoving((old) => (moved.every((queue) => old.includes(queue)) ? old : [...new Set([...old, ...moved])]));
    });
    return () => {
      unsubscribe();
      clearTimeout(clear);
      setBusiest([]);
      setMoving([]);
    };
  }, [machine, port]);
  return { busiest, moving };
}

/** The rings there are, asked again whenever the topology changes. */
function useRings(topology: TopologyView | undefined): readonly RingInfo[] {
  const [rings, setRings] = useState<readonly RingInfo[]>([]);
  const connection = useStore((s) => s.connection);
  useEffect(() => {
    let current = true;
    if (connection !== 'open') return undefined;
    host.request('rings.list', {}).then(
      (list) => current && setRings(list),
      () => current && setRings([]),
    );
    return () => {
      current = false;
    };
  }, [topology, connection]);
  return rings;
}

function Legend(): ReactNode {
  return (
    <ul className="rings-legend" aria-label="Who owns a descriptor">
      {OWNERS.map((owner) => (
        <li key={owner} className="owner" data-owner={owner} title={OWNER_TEXT[owner].meaning}>
          <span aria-hidden="true">{OWNER_LOOKS[owner].glyph}</span> {OWNER_TEXT[owner].word}
        </li>
      ))}
      <li className="rings-legend-index" title="Index of the side that adds entries: avail.idx of the driver, used.idx of the device">
        ▼ producer
      </li>
      <li className="rings-legend-index" title="How far the other side has come: fetched by the device, reaped by the driver">
        ▽ consumer
      </li>
      <li title="avail_event and used_event: where the other side wants to be notified" className="rings-legend-index rings-legend-event">
        ● event index
      </li>
    </ul>
  );
}
