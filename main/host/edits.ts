// Edits of the canvas: turned into inputs of the world, with undo, redo and the log of what was done and how one would type it.
import {
  type CableSpec,
  cableId,
  DEFAULT_AUTOLOAD,
  DEFAULT_CABLE,
  DEFAULT_RAM_BYTES,
  DEFAULT_RING_SIZE,
  labOf,
  type LabSpec,
  type MachineSpec,
  type NicSpec,
  type WorldEdit,
} from '../../engine/index.ts';
import type { ActionLogEntry, Edit } from '../../preload/contract.ts';
import { UserError } from './protocol.ts';
import type { Runtime } from './runtime.ts';
import { type InterfaceMove, moveCommand, moveInterface } from './interface_move.ts';
import { formatDuration, formatRate } from './units.ts';

/** What undo and redo run: an edit of the topology, or a command that moves an interface. */
type Change = WorldEdit | InterfaceMove;

interface Step {
  readonly label: string;
  readonly edit: Change;
}

/** What earlier parts of the same batch will have added: MACs, and ports as 'machine:port'. */
interface Planned {
  readonly macs: Set<string>;
  readonly ports: Set<string>;
}

export class EditHistory {
  readonly log: ActionLogEntry[] = [];
  private readonly undoStack: Step[] = [];
  private readonly redoStack: Step[] = [];
  /** Undo depth at the last save. */
  private savedDepth = 0;
  version = 0;

  constructor(private readonly runtime: Runtime) {}

  get canUndo(): string | undefined {
    return this.undoStack.at(-1)?.label;
  }
  get canRedo(): string | undefined {
    return this.redoStack.at(-1)?.label;
  }
  get dirty(): boolean {
    return this.undoStack.length !== this.savedDepth;
  }
  saved(): void {
    this.savedDepth = this.undoStack.length;
    this.version++;
  }
  /** The lab as it is now. */
  lab(base: LabSpec): LabSpec {
    return labOf(this.runtime.session.world, base);
  }

  apply(edit: Edit): void {
    const { label, command } = describe(edit);
    const inverse = this.run(edit.op === 'iface.move' ? edit : this.toWorld(edit, { macs: new Set(), ports: new Set() }));
    const last = this.undoStack.at(-1);
    // dragging a card is one step of undo, not hundreds
    if (
      edit.op === 'machine.move' &&
      last?.edit.op === 'machine.move' &&
      last.edit.machine === edit.machine &&
      this.redoStack.length === 0 &&
      this.undoStack.length !== this.savedDepth
    ) {
      this.version++;
      return;
    }
    this.undoStack.push({ label, edit: inverse });
    this.redoStack.length = 0;
    this.note(label, command, edit.op === 'iface.move' ? edit.machine : undefined);
  }

  undo(): void {
    this.move(this.undoStack, this.redoStack, 'undo: ');
  }
  redo(): void {
    this.move(this.redoStack, this.undoStack, 'redo: ');
  }

  private move(from: Step[], to: Step[], prefix: string): void {
    const step = from.pop();
    if (step === undefined) throw new UserError(`There is nothing to ${prefix.slice(0, 4)}.`);
    const inverse = this.run(step.edit);
    to.push({ label: step.label, edit: inverse });
    const moved = step.edit.op === 'iface.move' ? step.edit : undefined;
    this.note(prefix + step.label, moved && moveCommand(moved), moved?.machine);
  }

  private note(label: string, command: string | undefined, machine: string | undefined): void {
    this.version++;
    this.log.push({ time: this.runtime.session.time, label, machine, command });
  }

  private run(edit: Change): Change {
    if (edit.op === 'iface.move') return moveInterface(this.runtime, edit);
    const r = this.runtime.apply({ kind: 'edit', edit });
    if (r.kind === 'refused') throw new UserError(`${r.why.slice(0, 1).toUpperCase()}${r.why.slice(1)}.`);
    if (r.kind !== 'edit') throw new Error('an edit was not answered as one');
    this.runtime.orphans();
    return r.inverse;
  }

  private toWorld(edit: Edit, planned: Planned): WorldEdit {
    const { world } = this.runtime.session;
    switch (edit.op) {
      case 'machine.add': {
        const name = edit.name ?? freeName((n) => world.machines.has(n));
        const spec: MachineSpec = {
          name,
          cpus: edit.cpus ?? 2,
          ramBytes: edit.ramMiB === undefined ? DEFAULT_RAM_BYTES : edit.ramMiB << 20,
          x: Math.round(edit.x),
          y: Math.round(edit.y),
          nics: Array.from({ length: edit.nics ?? 1 }, (_, i) => this.newNic(name, `nic${i}`, 2, planned)),
          autoload: DEFAULT_AUTOLOAD,
          setup: 'ip link set lo up\n',
          costs: {},
        };
        return { op: 'machine.add', spec };
      }
      case 'nic.add': {
        const machine = world.machines.get(edit.machine);
        const port =
          Array.from({ length: 64 }, (_, i) => `nic${i}`).find(
            (p) => machine?.nics.has(p) !== true && !planned.ports.has(`${edit.machine}:${p}`),
          ) ?? 'nic64';
        return {
          op: 'nic.add',
          machine: edit.machine,
          spec: {
            ...this.newNic(edit.machine, port, edit.model === 'e1000e' ? 1 : (edit.queuePairs ?? 2), planned),
            model: edit.model ?? 'virtio-net',
          },
        };
      }
      case 'cable.add': {
        const spec: CableSpec = { a: edit.a, b: edit.b, ...DEFAULT_CABLE };
        return { op: 'cable.add', spec };
      }
      case 'cable.set': {
        const { rateBitsPerSecond, delayNs, loss, up } = edit;
        return {
          op: 'cable.set',
          cable: edit.cable,
          ...(rateBitsPerSecond === undefined ? {} : { rate: rateBitsPerSecond }),
          ...(delayNs === undefined ? {} : { delay: delayNs }),
          ...(loss === undefined ? {} : { loss }),
          ...(up === undefined ? {} : { up }),
        };
      }
      case 'machine.move':
        return { ...edit, x: Math.round(edit.x), y: Math.round(edit.y) };
      case 'iface.move':
        throw new UserError('Moving an interface is an edit by itself: it cannot be part of several.');
      case 'batch':
        return { op: 'batch', edits: edit.edits.map((e) => this.toWorld(e, planned)) };
      default:
        return edit;
    }
  }

  /** A NIC with a MAC that no other has, in the world or in what is planned. */
  private newNic(machine: string, port: string, queuePairs: number, planned: Planned): NicSpec {
    const used = new Set([...this.runtime.session.world.machines.values()].flatMap((m) => m.spec.nics.map((n) => n.mac)));
    for (let i = 1; ; i++) {
      const mac = `52:54:00:00:${(i >> 8).toString(16).padStart(2, '0')}:${(i & 0xff).toString(16).padStart(2, '0')}`;
      if (used.has(mac) || planned.macs.has(mac)) continue;
      planned.macs.add(mac);
      planned.ports.add(`${machine}:${port}`);
      return { port, model: 'virtio-net', mac, queuePairs, ringSize: DEFAULT_RING_SIZE, slot: undefined, vectors: undefined };
    }
  }
}

function freeName(taken: (name: string) => boolean): string {
  for (let i = 1; ; i++) if (!taken(`h${i}`)) return `h${i}`;
}

/** What an edit is called in the log, and what one would type for it on the real thing, where there is such a command. */
function describe(edit: Edit): { label: string; command: string | undefined } {
  switch (edit.op) {
    case 'machine.add':
      return { label: `add machine${edit.name === undefined ? '' : ` ${edit.name}`}`, command: undefined };
    case 'machine.remove':
      return { label: `remove machine ${edit.machine}`, command: undefined };
    case 'machine.rename':
      return { label: `rename ${edit.machine} to ${edit.to}`, command: `hostnamectl hostname ${edit.to}` };
    case 'machine.move':
      return { label: `move ${edit.machine}`, command: undefined };
    case 'nic.add':
      return { label: `add a NIC to ${edit.machine}`, command: `device_add virtio-net-pci,mq=on` };
    case 'nic.remove':
      return { label: `remove ${edit.machine}:${edit.port}`, command: `device_del ${edit.port}` };
    case 'cable.add':
      return { label: `connect ${cableId({ a: edit.a, b: edit.b })}`, command: undefined };
    case 'cable.remove':
      return { label: `remove cable ${edit.cable}`, command: undefined };
    case 'cable.set': {
      const parts = [
        edit.rateBitsPerSecond === undefined ? undefined : `rate ${formatRate(edit.rateBitsPerSecond)}`,
        edit.delayNs === undefined ? undefined : `delay ${formatDuration(edit.delayNs)}`,
        edit.loss === undefined ? undefined : `loss ${edit.loss * 100} %`,
        edit.up === undefined ? undefined : edit.up ? 'up' : 'cut',
      ].filter((p) => p !== undefined);
      return {
        label: `set ${edit.cable}: ${parts.join(', ')}`,
        command: edit.up === undefined ? undefined : `set_link ${edit.cable} ${edit.up ? 'on' : 'off'}`,
      };
    }
    case 'iface.move':
      return { label: `move ${edit.ifname} of ${edit.machine} to ${edit.to === '' ? 'init_net' : edit.to}`, command: moveCommand(edit) };
    case 'batch':
      return { label: edit.label, command: undefined };
  }
}
