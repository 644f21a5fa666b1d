// A machine on the canvas: a card with its NICs as ports; opened, its namespaces, their interfaces and what joins them.
import { Handle, Position, type NodeProps } from '@xyflow/react';
import { memo, useEffect, useRef, useState, type ReactNode } from 'react';
import type { MachineView, NicView } from '../../preload/contract.ts';
import { select, showRings, useStore, type StoreState } from '../store/store.ts';
import { Icon } from '../widgets/Icon.tsx';
import { formatBytes } from '../widgets/units.ts';
import { canvas, toggleOpened, useCanvas } from './canvas_state.ts';
import { moveInterface, rename, terminal } from './commands.ts';
import type { InterfaceRef } from './edits.ts';
import { handleId, type MachineNode } from './flow_model.ts';
import { CARD_WIDTH, openedCard, PORT_HEIGHT, type InnerLine } from './geometry.ts';

const SIDES = [
  ['l', Position.Left],
  ['r', Position.Right],
] as const;

export const MachineCard = memo(function MachineCard({ data, selected }: NodeProps<MachineNode>): ReactNode {
  const { machine, opened } = data;
  const chosen = useStore((s) => chosenInside(s, machine.name));
  return (
    <div
      className="machine"
      data-selected={selected ? '' : undefined}
      data-panicked={machine.panicked === undefined ? undefined : ''}
      data-machine={machine.name}
    >
      <header className="machine-head">
        <button
          type="button"
          className="machine-twisty nodrag"
          tabIndex={-1}
          aria-expanded={opened}
          aria-label={opened ? `Close the inside of ${machine.name}` : `Open the inside of ${machine.name}`}
          onClick={(event) => {
            event.stopPropagation();
            toggleOpened(machine.name);
          }}
          data-testid={`machine-open-${machine.name}`}
        >
          <Icon name="chevron" />
        </button>
        <Name machine={machine.name} />
        <span className="machine-meta">
          {machine.panicked === undefined
            ? `${machine.cpus} ${machine.cpus === 1 ? 'CPU' : 'CPUs'} · ${formatBytes(machine.ramBytes)}`
            : `panic: ${machine.panicked}`}
        </span>
        <button
          type="button"
          className="machine-terminal nodrag"
          tabIndex={selected ? 0 : -1}
          aria-label={`Terminal on ${machine.name}`}
          title="Terminal (T)"
          onClick={(event) => {
            event.stopPropagation();
            terminal(machine.name);
          }}
          data-testid={`machine-terminal-${machine.name}`}
        >
          <Icon name="terminal" />
        </button>
      </header>
      {machine.nics.length === 0 ? <p className="machine-empty">no NIC · press N to add one</p> : undefined}
      {machine.nics.map((nic) => (
        <Port
          key={nic.port}
          machine={machine.name}
          nic={nic}
          selected={chosen === `nic ${nic.port}`}
          reachable={selected || chosen.startsWith('nic ')}
        />
      ))}
      {opened ? <Inside machine={machine} chosen={chosen} reachable={selected || chosen !== ''} /> : undefined}
    </div>
  );
});

/** What is selected inside a machine, as a key that changes only when it does. */
function chosenInside(state: StoreState, machine: string): string {
  for (const item of state.selection) {
    if (item.kind === 'nic' && item.machine === machine) return `nic ${item.port}`;
    if (item.kind === 'interface' && item.machine === machine) return `if ${item.netns} ${item.ifname}`;
  }
  return '';
}

function Name({ machine }: { readonly machine: string }): ReactNode {
  const renaming = useCanvas((s) => s.renaming?.machine === machine && s.renaming.place === 'canvas');
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (!renaming) return;
    input.current?.focus();
    input.current?.select();
  }, [renaming]);
  if (!renaming) {
    return (
      <span className="machine-name" onDoubleClick={() => canvas.setState({ renaming: { machine, place: 'canvas' } })}>
        {machine}
      </span>
    );
  }
  return (
    <input
      ref={input}
      className="machine-rename field field-small nodrag"
      aria-label={`New name of ${machine}`}
      defaultValue={machine}
      spellCheck={false}
      onBlur={(event) => rename(machine, event.target.value, 'canvas')}
      onKeyDown={(event) => {
        event.stopPropagation();
        if (event.key === 'Enter') rename(machine, event.currentTarget.value, 'canvas');
        else if (event.key === 'Escape') {
          canvas.setState({ renaming: undefined });
          canvas.getState().view?.focus(machine);
        }
      }}
      data-testid={`machine-rename-${machine}`}
    />
  );
}

interface PortProps {
  readonly machine: string;
  readonly nic: NicView;
  readonly selected: boolean;
  readonly reachable: boolean;
}

function Port({ machine, nic, selected, reachable }: PortProps): ReactNode {
  const state = linkState(nic.admin, nic.carrier, nic.ifname);
  return (
    <div
      className="port"
      style={{ height: PORT_HEIGHT }}
      data-selected={selected ? '' : undefined}
      data-cabled={nic.cable === undefined ? undefined : ''}
    >
      {SIDES.map(([side, position]) => (
        <Handle
          key={side}
          id={handleId(nic.port, side)}
          type="source"
          position={position}
          className="plug"
          title={nic.cable === undefined ? `${nic.port}: drag to another port to connect` : `${nic.port}: connected`}
          data-testid={`plug-${machine}-${nic.port}-${side}`}
        />
      ))}
      <button
        type="button"
        className="port-button nodrag"
        tabIndex={reachable ? 0 : -1}
        data-port={nic.port}
        onClick={(event) => {
          event.stopPropagation();
          select({ kind: 'nic', machine, port: nic.port });
        }}
        onDoubleClick={(event) => {
          event.stopPropagation();
          showRings({ machine, port: nic.port });
        }}
        data-testid={`port-${machine}-${nic.port}`}
      >
        <Led state={state} />
        <span className="port-name">{nic.ifname ?? 'no driver'}</span>
        <span className="port-id">{nic.port}</span>
        <span className="port-model">
          {nic.model}
          {nic.queuePairs > 1 ? ` ×${nic.queuePairs}` : ''}
        </span>
        <span className="sr-only">{nic.cable === undefined ? 'no cable' : 'connected'}</span>
      </button>
    </div>
  );
}

interface LinkLook {
  readonly look: 'up' | 'no-carrier' | 'down';
  readonly text: string;
}
function linkState(admin: boolean, carrier: boolean, ifname: string | undefined): LinkLook {
  if (ifname === undefined) return { look: 'down', text: 'no driver bound' };
  if (!admin) return { look: 'down', text: 'administratively down' };
  return carrier ? { look: 'up', text: 'up' } : { look: 'no-carrier', text: 'up, no carrier' };
}

/** Up ● green, up without carrier △ amber, down ─ grey: shape and colour. */
function Led({ state }: { readonly state: LinkLook }): ReactNode {
  return (
    <svg className="led" data-look={state.look} width="12" height="12" viewBox="0 0 12 12" role="img" aria-label={state.text}>
      <title>{state.text}</title>
      {state.look === 'up' ? (
        <circle cx="6" cy="6" r="4.5" />
      ) : state.look === 'no-carrier' ? (
        <path d="M6 1.5 11 10.5H1z" />
      ) : (
        <path d="M1.5 6h9" />
      )}
    </svg>
  );
}

// ── the inside ─────────────────────────────────────────────────────────────────────────────────

const GUTTER = 22;

function Inside({
  machine,
  chosen,
  reachable,
}: {
  readonly machine: MachineView;
  readonly chosen: string;
  readonly reachable: boolean;
}): ReactNode {
  const { boxes, lines, height } = openedCard(machine);
  const [carried, setCarried] = useState<InterfaceRef>();
  const [dropOn, setDropOn] = useState<string>();
  return (
    <>
      <svg className="inner-lines" width={CARD_WIDTH} height={height} aria-hidden="true">
        {lines.map((line) => (
          <path key={`${line.kind} ${line.label}`} className={`inner-${line.kind}`} d={innerPath(line)}>
            <title>{line.label}</title>
          </path>
        ))}
      </svg>
      {boxes.map((box) => (
        <div
          key={box.netns}
          className="netns"
          style={{ top: box.y, height: box.height, left: GUTTER, right: GUTTER }}
          data-drop={dropOn === box.netns ? '' : undefined}
          onDragOver={(event) => {
            if (carried?.machine !== machine.name || carried.netns === box.netns) return;
            event.preventDefault();
            setDropOn(box.netns);
          }}
          onDragLeave={() => setDropOn(undefined)}
          onDrop={(event) => {
            event.preventDefault();
            event.stopPropagation();
            setDropOn(undefined);
            if (carried !== undefined) moveInterface(carried, box.netns);
          }}
          data-testid={`netns-${machine.name}-${box.netns === '' ? 'init' : box.netns}`}
        >
          <div className="netns-head">{box.netns === '' ? 'init_net' : box.netns}</div>
          {box.rows.length === 0 ? <div className="netns-empty">no interface</div> : undefined}
          {box.rows.map(({ view }) => (
            <button
              key={view.ifindex}
              type="button"
              className="iface nodrag"
              tabIndex={reachable ? 0 : -1}
              data-ifname={view.name}
              data-netns={view.netns}
              draggable={view.name !== 'lo'}
              onDragStart={(event) => {
                event.stopPropagation();
                event.dataTransfer.setData('text/plain', view.name);
                event.dataTransfer.effectAllowed = 'move';
                setCarried({ machine: machine.name, netns: view.netns, ifname: view.name });
              }}
              onDragEnd={() => {
                setCarried(undefined);
                setDropOn(undefined);
              }}
              data-selected={chosen === `if ${view.netns} ${view.name}` ? '' : undefined}
              onClick={(event) => {
                event.stopPropagation();
                select({ kind: 'interface', machine: machine.name, netns: view.netns, ifname: view.name });
              }}
              onDoubleClick={(event) => {
                event.stopPropagation();
                terminal(machine.name, view.netns);
              }}
              data-testid={`iface-${machine.name}-${view.netns === '' ? 'init' : view.netns}-${view.name}`}
            >
              <Led
                state={linkState(view.flags.includes('UP'), view.flags.includes('LOWER_UP') || view.flags.includes('RUNNING'), view.name)}
              />
              <span className="iface-name">{view.name}</span>
              <span className="iface-addr">{view.addrs[0] ?? view.kind}</span>
            </button>
          ))}
        </div>
      ))}
    </>
  );
}

/** A bracket in the gutter: veth on the right, the NIC's interface on the left. */
function innerPath({ kind, from, to, lane }: InnerLine): string {
  if (kind === 'veth') {
    const edge = CARD_WIDTH - GUTTER;
    const depth = 6 + (lane % 3) * 5;
    return `M${edge},${from}h${depth}V${to}h${-depth}`;
  }
  return `M12,${from}H${10 - (lane % 3) * 3}V${to}H${GUTTER}`;
}
