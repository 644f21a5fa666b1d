// Sizes and places of what the canvas draws: cards, port rows, namespace boxes, cables. Pure, in canvas units; the DOM, the
// SVG edges and the overlay all use these numbers, so nothing is measured.
import type { InterfaceView, MachineView } from '../../preload/contract.ts';

export const GRID = 8;
export const CARD_WIDTH = 248;
export const HEAD_HEIGHT = 36;
export const PORT_HEIGHT = 40;
export const CARD_PAD = 6;
const BOX_HEAD = 22;
const BOX_ROW = 22;
const BOX_GAP = 8;
const EMPTY_ROW = 26;

/** Size of the small print in canvas units, so that it stays 11 px on the screen while there is room for it on a card. */
export function smallPrint(zoom: number): number {
  return Math.min(15, Math.max(11, Math.round((11 / zoom) * 2) / 2));
}

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** y of a port's row centre, from the top of its card. */
export function portY(index: number): number {
  return HEAD_HEIGHT + index * PORT_HEIGHT + PORT_HEIGHT / 2;
}

function portsHeight(nics: number): number {
  return nics === 0 ? EMPTY_ROW : nics * PORT_HEIGHT;
}

export interface InterfaceRow {
  readonly view: InterfaceView;
  readonly y: number; // centre
}
export interface NamespaceBox {
  readonly netns: string;
  readonly y: number;
  readonly height: number;
  readonly rows: readonly InterfaceRow[];
}
/** A line between two rows: veth pairs run right of the boxes, a NIC's interface hangs left of them. */
export interface InnerLine {
  readonly kind: 'veth' | 'nic';
  readonly from: number;
  readonly to: number;
  /** Lines that overlap run in lanes beside each other. */
  readonly lane: number;
  readonly label: string;
}
export interface OpenedCard {
  readonly boxes: readonly NamespaceBox[];
  readonly lines: readonly InnerLine[];
  readonly height: number;
}

/** init_net first, then the named ones in the machine's order. */
export function namespacesOf(machine: MachineView): readonly string[] {
  return [...new Set(['', ...machine.namespaces, ...machine.interfaces.map((i) => i.netns)])];
}

export function openedCard(machine: MachineView): OpenedCard {
  const boxes: NamespaceBox[] = [];
  let y = HEAD_HEIGHT + portsHeight(machine.nics.length) + BOX_GAP;
  for (const netns of namespacesOf(machine)) {
    const views = machine.interfaces.filter((i) => i.netns === netns);
    const rows = views.map((view, i) => ({ view, y: y + BOX_HEAD + i * BOX_ROW + BOX_ROW / 2 }));
    const height = BOX_HEAD + Math.max(1, views.length) * BOX_ROW + 2;
    boxes.push({ netns, y, height, rows });
    y += height + BOX_GAP;
  }
  const all = boxes.flatMap((box) => box.rows);
  return { boxes, lines: [...vethLines(all), ...nicLines(machine, all)], height: y - BOX_GAP + CARD_PAD };
}

function vethLines(rows: readonly InterfaceRow[]): readonly InnerLine[] {
  const lines: InnerLine[] = [];
  const done = new Set<string>();
  for (const row of rows) {
    const { view } = row;
    if (view.peer === undefined) continue;
    const key = `${view.name}@${view.netns}`;
    const peer = rows.find((other) => `${other.view.name}@${other.view.netns}` === view.peer);
    if (peer === undefined || done.has(key)) continue;
    done.add(view.peer);
    lines.push({ kind: 'veth', from: row.y, to: peer.y, lane: lines.length, label: `${view.name} ↔ ${peer.view.name}` });
  }
  return lines;
}

function nicLines(machine: MachineView, rows: readonly InterfaceRow[]): readonly InnerLine[] {
  return machine.nics.flatMap((nic, i): InnerLine[] => {
    const row = rows.find((candidate) => candidate.view.port === nic.port);
    return row === undefined ? [] : [{ kind: 'nic', from: portY(i), to: row.y, lane: i, label: `${nic.port} is ${row.view.name}` }];
  });
}

export function closedCardHeight(nics: number): number {
  return HEAD_HEIGHT + portsHeight(nics) + CARD_PAD;
}

export function cardHeight(machine: MachineView, opened: boolean): number {
  return opened ? openedCard(machine).height : closedCardHeight(machine.nics.length);
}

export type Side = 'l' | 'r';

/** Which sides of their cards a cable leaves from: towards each other, or both right when the cards stand above each other. */
export function cableSides(a: Point, b: Point): readonly [Side, Side] {
  const dx = b.x - a.x;
  if (Math.abs(dx) < CARD_WIDTH * 0.75) return ['r', 'r'];
  return dx > 0 ? ['r', 'l'] : ['l', 'r'];
}

/** Where a port's plug is, given its card's top left corner. */
export function plug(card: Point, portIndex: number, side: Side): Point {
  return { x: card.x + (side === 'r' ? CARD_WIDTH : 0), y: card.y + portY(portIndex) };
}

export interface Curve {
  readonly p0: Point;
  readonly p1: Point;
  readonly p2: Point;
  readonly p3: Point;
}

/** A cable is one cubic curve that leaves each card horizontally. */
export function cableCurve(from: Point, fromSide: Side, to: Point, toSide: Side): Curve {
  const reach = Math.max(48, Math.abs(to.x - from.x) * 0.4);
  const out = (side: Side): number => (side === 'r' ? reach : -reach);
  return { p0: from, p1: { x: from.x + out(fromSide), y: from.y }, p2: { x: to.x + out(toSide), y: to.y }, p3: to };
}

export function curvePath({ p0, p1, p2, p3 }: Curve): string {
  return `M${p0.x},${p0.y}C${p1.x},${p1.y} ${p2.x},${p2.y} ${p3.x},${p3.y}`;
}

/** @param t 0 at the first end, 1 at the second. */
export function curvePoint({ p0, p1, p2, p3 }: Curve, t: number): Point {
  const u = 1 - t;
  const w0 = u * u * u;
  const w1 = 3 * u * u * t;
  const w2 = 3 * u * t * t;
  const w3 = t * t * t;
  return { x: w0 * p0.x + w1 * p1.x + w2 * p2.x + w3 * p3.x, y: w0 * p0.y + w1 * p1.y + w2 * p2.y + w3 * p3.y };
}

/** The place nearest to `wanted` where a card of this height covers no other card, on the grid. */
export function freeSpot(wanted: Point, height: number, taken: readonly (Point & { readonly height: number })[]): Point {
  const fits = (p: Point): boolean =>
    taken.every(
      (t) => p.x + CARD_WIDTH + GRID <= t.x || t.x + CARD_WIDTH + GRID <= p.x || p.y + height + GRID <= t.y || t.y + t.height + GRID <= p.y,
    );
  const snapped = { x: Math.round(wanted.x / GRID) * GRID, y: Math.round(wanted.y / GRID) * GRID };
  for (let ring = 0; ring < 24; ring++) {
    for (let dy = -ring; dy <= ring; dy++) {
      for (let dx = -ring; dx <= ring; dx++) {
        if (Math.max(Math.abs(dx), Math.abs(dy)) !== ring) continue;
        const spot = { x: snapped.x + dx * (CARD_WIDTH / 2), y: snapped.y + dy * 64 };
        if (fits(spot)) return spot;
      }
    }
  }
  return snapped;
}
