// Gestures become the edits a person means, geometry agrees with itself, and unchanged cards keep their identity.
import { describe, expect, it } from 'vitest';
import type { CableView, InterfaceView, MachineView, NicView, TopologyView } from '../../preload/contract.ts';
import { cannotConnect, copied, freePorts, nextName, otherNamespaces, pasted, removal } from './edits.ts';
import { cableEdges, findMachines, handleId, machineNodes, portOfHandle } from './flow_model.ts';
import { treeLines } from './tree_model.ts';
import { cableText } from './cable_text.ts';
import { cableCurve, cableSides, cardHeight, CARD_WIDTH, curvePoint, freeSpot, openedCard, plug } from './geometry.ts';

const nic = (port: string, cable?: string): NicView => ({
  port,
  model: 'virtio-net',
  mac: '52:54:00:00:00:01',
  pci: '0000:00:01.0',
  ifname: 'eth0',
  netns: '',
  admin: true,
  carrier: true,
  queuePairs: 2,
  cable,
});
const iface = (name: string, netns: string, peer?: string, port?: string): InterfaceView => ({
  ifindex: 1,
  name,
  kind: peer === undefined ? 'virtio_net' : 'veth',
  netns,
  mac: '',
  mtu: 1500,
  flags: [],
  addrs: ['10.0.0.1/24'],
  peer,
  port,
});
const machine = (name: string, over: Partial<MachineView> = {}): MachineView => ({
  name,
  x: 0,
  y: 0,
  cpus: 2,
  ramBytes: 16 * 2 ** 20,
  nics: [nic('nic0', 'h1:nic0--h2:nic0'), nic('nic1')],
  interfaces: [],
  namespaces: [],
  panicked: undefined,
  ...over,
});
const cable: CableView = {
  id: 'h1:nic0--h2:nic0',
  a: { machine: 'h1', port: 'nic0' },
  b: { machine: 'h2', port: 'nic0' },
  rateBitsPerSecond: 1e9,
  delayNs: 500,
  loss: 0.1,
  up: true,
};
const topology: TopologyView = {
  lab: { name: 'two', path: undefined, seed: 1, notes: '' },
  machines: [machine('h1'), machine('h2', { x: 400 })],
  cables: [cable],
};

describe('edits', () => {
  it('deleting a machine with its cable selected removes the cable only once', () => {
    const edit = removal(
      [
        { kind: 'cable', cable: cable.id },
        { kind: 'machine', machine: 'h1' },
      ],
      topology,
    );
    expect(edit).toEqual({ op: 'machine.remove', machine: 'h1' });
  });
  it('deleting several things is one edit, so that one undo brings all back', () => {
    const edit = removal(
      [
        { kind: 'machine', machine: 'h1' },
        { kind: 'machine', machine: 'h2' },
      ],
      topology,
    );
    expect(edit).toMatchObject({ op: 'batch', label: 'Delete 2 things' });
    expect(removal([], topology)).toBeUndefined();
  });
  it('pasting machines keeps queue pairs and the cable between them with its parameters', () => {
    const clip = copied(
      [
        { kind: 'machine', machine: 'h1' },
        { kind: 'machine', machine: 'h2' },
      ],
      topology,
    );
    if (clip === undefined) throw new Error('nothing copied');
    const { edit, names } = pasted(clip, topology, { x: 32, y: 32 });
    expect(names).toEqual(['h3', 'h4']);
    expect(edit).toMatchObject({ op: 'batch', label: 'Paste 2 machines' });
    const edits = edit?.op === 'batch' ? edit.edits : [];
    expect(edits[0]).toEqual({ op: 'machine.add', name: 'h3', x: 32, y: 32, cpus: 2, ramMiB: 16, nics: 0 });
    expect(edits[1]).toEqual({ op: 'nic.add', machine: 'h3', queuePairs: 2 });
    expect(edits.at(-1)).toEqual({ op: 'cable.set', cable: 'h3:nic0--h4:nic0', rateBitsPerSecond: 1e9, delayNs: 500, loss: 0.1, up: true });
  });
  it('a copied machine without its neighbour comes without the cable', () => {
    expect(copied([{ kind: 'machine', machine: 'h1' }], topology)?.cables).toEqual([]);
    expect(copied([{ kind: 'cable', cable: cable.id }], topology)).toBeUndefined();
  });
  it('new names count on from what is there', () => {
    expect(nextName('h1', new Set(['h1', 'h2']))).toBe('h3');
    expect(nextName('router', new Set(['router']))).toBe('router2');
  });
  it('a port with a cable is refused with the reason, a free one is offered', () => {
    expect(cannotConnect(topology, { machine: 'h1', port: 'nic0' }, { machine: 'h2', port: 'nic1' })).toContain('already has a cable');
    expect(cannotConnect(topology, { machine: 'h1', port: 'nic1' }, { machine: 'h1', port: 'nic1' })).toContain('two different');
    expect(cannotConnect(topology, { machine: 'h1', port: 'nic1' }, { machine: 'h2', port: 'nic1' })).toBeUndefined();
    expect(freePorts(topology, { machine: 'h1', port: 'nic1' })).toEqual([{ machine: 'h2', port: 'nic1', ifname: 'eth0' }]);
  });
});

describe('flow_model', () => {
  it('a topology that says the same again renders nothing again', () => {
    const first = machineNodes(topology, [], new Set(), new Map(), []);
    const again = machineNodes(structuredClone(topology), [], new Set(), new Map(), first);
    expect(again.every((node, i) => node === first[i])).toBe(true);
    const edges = cableEdges(topology.cables, first, [], []);
    expect(cableEdges(structuredClone(topology.cables), again, [], edges)[0]).toBe(edges[0]);
  });
  it('a card that is held stays under the pointer whatever the world says', () => {
    const nodes = machineNodes(topology, [], new Set(), new Map([['h2', { x: 5, y: 6 }]]), []);
    expect(nodes[1].position).toEqual({ x: 5, y: 6 });
  });
  it('cables leave towards each other, and change sides when the cards swap', () => {
    expect(cableSides({ x: 0, y: 0 }, { x: 400, y: 0 })).toEqual(['r', 'l']);
    expect(cableSides({ x: 400, y: 0 }, { x: 0, y: 0 })).toEqual(['l', 'r']);
    expect(cableSides({ x: 0, y: 0 }, { x: 10, y: 300 })).toEqual(['r', 'r']);
  });
  it('a handle names its port, also when the port has a colon', () => {
    expect(portOfHandle(handleId('nic:0', 'l'))).toBe('nic:0');
    expect(portOfHandle(null)).toBeUndefined();
  });
  it('the finder looks at names first, then at addresses', () => {
    const t = { ...topology, machines: [machine('a', { interfaces: [iface('eth0', '')] }), machine('10.0.0.1-like')] };
    expect(findMachines(t, '10.0.0.1')).toEqual(['10.0.0.1-like', 'a']);
    expect(findMachines(t, '  ')).toEqual([]);
  });
});

describe('geometry', () => {
  it('an opened card has a box per namespace, one line per veth pair, one per bound NIC, and room for all of them', () => {
    const m = machine('h1', {
      namespaces: ['test'],
      interfaces: [
        iface('lo', ''),
        iface('eth0', '', undefined, 'nic0'),
        iface('veth0', '', 'veth1@test'),
        iface('veth1', 'test', 'veth0@'),
      ],
    });
    const opened = openedCard(m);
    expect(opened.boxes.map((box) => [box.netns, box.rows.length])).toEqual([
      ['', 3],
      ['test', 1],
    ]);
    expect(opened.lines.map((line) => line.kind)).toEqual(['veth', 'nic']);
    const last = opened.boxes[1];
    expect(last.y + last.height).toBeLessThanOrEqual(cardHeight(m, true));
    expect(opened.boxes[0].y + opened.boxes[0].height).toBeLessThanOrEqual(last.y);
  });
  it('a frame at the start and end of its flight is at the plugs', () => {
    const curve = cableCurve(plug({ x: 0, y: 0 }, 0, 'r'), 'r', plug({ x: 400, y: 80 }, 1, 'l'), 'l');
    expect(curvePoint(curve, 0)).toEqual({ x: CARD_WIDTH, y: 56 });
    expect(curvePoint(curve, 1)).toEqual({ x: 400, y: 80 + 96 });
  });
  it('a new machine covers no other', () => {
    const taken = [
      { x: 0, y: 0, height: 100 },
      { x: 124, y: 64, height: 100 },
    ];
    const spot = freeSpot({ x: 3, y: 3 }, 100, taken);
    for (const t of taken)
      expect(spot.x >= t.x + CARD_WIDTH || t.x >= spot.x + CARD_WIDTH || spot.y >= t.y + t.height || t.y >= spot.y + 100).toBe(true);
  });
});

describe('tree_model', () => {
  it('every machine, NIC, interface and cable has a line that stands for it, so that the tree can do what the canvas does', () => {
    const t = {
      ...topology,
      machines: [
        machine('h1', { namespaces: ['test'], interfaces: [iface('eth0', '', undefined, 'nic0'), iface('veth1', 'test', 'veth0@')] }),
        machine('h2'),
      ],
    };
    const items = treeLines(t, new Set(), cableText).flatMap((line) => (line.item === undefined ? [] : [line.item]));
    expect(items.map((item) => item.kind)).toEqual(['machine', 'nic', 'nic', 'interface', 'interface', 'machine', 'nic', 'nic', 'cable']);
    expect(items[4]).toEqual({ kind: 'interface', machine: 'h1', netns: 'test', ifname: 'veth1' });
  });
  it('a closed branch hides its lines and nothing else', () => {
    const lines = treeLines(topology, new Set(['machine h1', 'cables']), cableText);
    expect(lines.filter((line) => line.level === 1).map((line) => [line.label, line.open])).toEqual([
      ['h1', false],
      ['h2', true],
      ['Cables', false],
    ]);
    expect(lines.some((line) => line.item?.kind === 'cable')).toBe(false);
  });
  it('a cable says what it does to frames, and that it is cut', () => {
    const cut = { ...topology, cables: [{ ...cable, up: false }] };
    expect(treeLines(cut, new Set(), cableText).at(-1)).toMatchObject({
      label: 'h1 nic0 – h2 nic0',
      detail: 'cut · 1 Gbit/s · 500 ns · 10 % loss',
    });
    expect(cableText({ ...cable, rateBitsPerSecond: 0, delayNs: 0, loss: 0 })).toBe('');
  });
});

describe('an interface can be moved', () => {
  const topology: TopologyView = {
    lab: { name: '', path: undefined, seed: 1, notes: '' },
    machines: [machine('h1', { namespaces: ['blue', 'red'] })],
    cables: [],
  };
  it('to every other namespace of its machine, init_net first', () => {
    expect(otherNamespaces({ machine: 'h1', netns: 'red', ifname: 'eth0' }, topology)).toEqual(['', 'blue']);
    expect(otherNamespaces({ machine: 'h1', netns: '', ifname: 'eth0' }, topology)).toEqual(['blue', 'red']);
  });
  it('but loopback cannot, and nothing can in a machine that is gone', () => {
    expect(otherNamespaces({ machine: 'h1', netns: '', ifname: 'lo' }, topology)).toEqual([]);
    expect(otherNamespaces({ machine: 'h9', netns: '', ifname: 'eth0' }, topology)).toEqual([]);
  });
});
