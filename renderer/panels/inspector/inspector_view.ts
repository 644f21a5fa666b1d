// What the inspector asks the host, what it calls the thing selected, and what a typed cable parameter means. Pure.
import type { CableView, Edit, Requests } from '../../../preload/contract.ts';
import type { Selection } from '../../store/store.ts';
import { formatDuration, formatLoss, formatRate, parseDelay, parseLoss, parseRate, type Parsed } from '../../widgets/units.ts';

export function inspectParams(selection: Selection): Requests['inspect.get'][0] {
  switch (selection.kind) {
    case 'machine':
      return { machine: selection.machine };
    case 'nic':
      return { machine: selection.machine, port: selection.port };
    case 'interface':
      return { machine: selection.machine, ifname: selection.ifname, netns: selection.netns };
    case 'cable':
      return { cable: selection.cable };
  }
}

export function titleOf(selection: Selection, cable: CableView | undefined): string {
  switch (selection.kind) {
    case 'machine':
      return selection.machine;
    case 'nic':
      return `${selection.machine} · ${selection.port}`;
    case 'interface':
      return `${selection.machine}${selection.netns === '' ? '' : ` / ${selection.netns}`} · ${selection.ifname}`;
    case 'cable':
      return cable === undefined ? 'Cable' : `${cable.a.machine} ${cable.a.port} – ${cable.b.machine} ${cable.b.port}`;
  }
}

export type CableField = 'rate' | 'delay' | 'loss';

export interface CableFieldSpec {
  readonly field: CableField;
  readonly label: string;
  readonly placeholder: string;
  readonly value: (cable: CableView) => number;
  readonly show: (cable: CableView) => string;
  readonly parse: (text: string) => Parsed;
  readonly edit: (cable: string, value: number) => Edit;
}

export const CABLE_FIELDS: readonly CableFieldSpec[] = [
  {
    field: 'rate',
    label: 'Rate',
    placeholder: '1 Gbit/s or unlimited',
    value: (cable) => cable.rateBitsPerSecond,
    show: (cable) => formatRate(cable.rateBitsPerSecond),
    parse: parseRate,
    edit: (cable, rateBitsPerSecond) => ({ op: 'cable.set', cable, rateBitsPerSecond }),
  },
  {
    field: 'delay',
    label: 'Delay',
    placeholder: '1 ms',
    value: (cable) => cable.delayNs,
    show: (cable) => formatDuration(cable.delayNs),
    parse: parseDelay,
    edit: (cable, delayNs) => ({ op: 'cable.set', cable, delayNs }),
  },
  {
    field: 'loss',
    label: 'Loss',
    placeholder: '0.5 %',
    value: (cable) => cable.loss,
    show: (cable) => formatLoss(cable.loss),
    parse: parseLoss,
    edit: (cable, loss) => ({ op: 'cable.set', cable, loss }),
  },
];
