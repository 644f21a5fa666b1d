// Parts to put on the canvas: drag them there, or press Enter.
import { Fragment, type DragEvent, type ReactNode } from 'react';
import { primarySelection, store, toast } from '../store/store.ts';
import { addMachine, addNic } from './commands.ts';

export const PART_TYPE = 'application/x-ringscope-part';

export interface Part {
  readonly id: string;
  readonly title: string;
  readonly note: string;
  readonly kind: 'machine' | 'nic';
  /** NICs of a machine, queue pairs of a NIC. */
  readonly count: number;
}

const GROUPS: readonly { readonly title: string; readonly hint: string; readonly parts: readonly Part[] }[] = [
  {
    title: 'Machines',
    hint: 'Drag onto the canvas, or press Enter.',
    parts: [
      { id: 'machine-1', title: 'Machine, 1 NIC', note: 'Linux with one virtio-net', kind: 'machine', count: 1 },
      { id: 'machine-2', title: 'Machine, 2 NICs', note: 'A router between two cables', kind: 'machine', count: 2 },
      { id: 'machine-4', title: 'Machine, 4 NICs', note: 'A hub of four cables', kind: 'machine', count: 4 },
    ],
  },
  {
    title: 'NICs',
    hint: 'Drag onto a machine, or select one and press Enter.',
    parts: [
      { id: 'nic-1', title: 'virtio-net', note: '1 queue pair', kind: 'nic', count: 1 },
      { id: 'nic-4', title: 'virtio-net, multi-queue', note: '4 queue pairs', kind: 'nic', count: 4 },
      { id: 'nic-8', title: 'virtio-net, multi-queue', note: '8 queue pairs', kind: 'nic', count: 8 },
    ],
  },
];

export function partById(id: string): Part | undefined {
  return GROUPS.flatMap((group) => group.parts).find((part) => part.id === id);
}

function place(part: Part): void {
  if (part.kind === 'machine') {
    addMachine(part.count);
    return;
  }
  const item = primarySelection(store.getState());
  if (item === undefined || item.kind === 'cable') toast('info', 'Select the machine that gets the NIC, then press Enter on the part.');
  else addNic(item.machine, part.count);
}

export function PartsPalette(): ReactNode {
  const drag = (event: DragEvent, part: Part): void => {
    event.dataTransfer.setData(PART_TYPE, part.id);
    event.dataTransfer.effectAllowed = 'copy';
  };
  return (
    <div className="parts">
      {GROUPS.map((group) => (
        <Fragment key={group.title}>
          <h3 className="parts-title">{group.title}</h3>
          {group.parts.map((part) => (
            <button
              key={part.id}
              type="button"
              className="part"
              draggable
              onDragStart={(event) => drag(event, part)}
              onClick={() => place(part)}
              data-testid={`part-${part.id}`}
            >
              <PartPicture part={part} />
              <span>
                <span className="part-title">{part.title}</span>
                <span className="part-note">{part.note}</span>
              </span>
            </button>
          ))}
          <p className="parts-hint">{group.hint}</p>
        </Fragment>
      ))}
    </div>
  );
}

/** A card with its plugs, or a NIC with its queues. */
function PartPicture({ part }: { readonly part: Part }): ReactNode {
  const marks = Array.from({ length: part.count }, (_, i) => i);
  return (
    <svg width="32" height="28" viewBox="0 0 32 28" aria-hidden="true" className="part-picture">
      {part.kind === 'machine' ? (
        <>
          <rect x="3.5" y="2.5" width="21" height="23" rx="2" />
          <path d="M3.5 8.5h21" />
          {marks.map((i) => (
            <circle key={i} cx="24.5" cy={8.5 + ((i + 0.5) * 17) / part.count} r="2" />
          ))}
        </>
      ) : (
        <>
          <rect x="3.5" y="4.5" width="25" height="15" rx="1.5" />
          <path d="M7 19.5v4M11 19.5v4M15 19.5v4" />
          {marks.map((i) => (
            <path key={i} d={`M${8 + (i * 17) / Math.max(part.count, 4)} 8v8`} />
          ))}
        </>
      )}
    </svg>
  );
}
