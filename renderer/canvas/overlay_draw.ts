// Paints what changes at display rate over the canvas: rates and activity at the ports, frames at their simulated place on the cables.
import type { CableView, FrameInFlight, MachineView, MotionView, TopologyView } from '../../preload/contract.ts';
import { formatMeasuredRate } from '../widgets/units.ts';
import { token } from '../theme/tokens.ts';
import { cableText } from './cable_text.ts';
import { cableCurve, cableSides, CARD_WIDTH, curvePoint, plug, portY, smallPrint, type Curve, type Point } from './geometry.ts';
import { NO_RATE, type Rate, type RateMeter } from './rates.ts';

/** Top left corner, height and place in the stack. */
export interface Card extends Point {
  readonly height: number;
  readonly z: number;
}

export interface Scene {
  readonly topology: TopologyView;
  readonly motion: MotionView | undefined;
  readonly meter: RateMeter;
  /** The cards in canvas units, lowest first. */
  readonly cards: ReadonlyMap<string, Card>;
  readonly x: number;
  readonly y: number;
  readonly zoom: number;
  readonly width: number;
  readonly height: number;
  /** prefers-reduced-motion: nothing moves and nothing blinks. */
  readonly still: boolean;
}

/** Below this zoom text cannot be read: only marks are drawn. */
const TEXT_ZOOM = 0.55;
/** With more frames than this, summaries would cover each other. */
const SUMMARIES = 16;
const RATE_Y = 10; // below the middle of a port's row
const TX_X = 26;
const RX_X = 138;
const MARK_WIDTH = 84;

export function drawScene(context: CanvasRenderingContext2D, scene: Scene): void {
  const { x, y, zoom } = scene;
  context.save();
  context.translate(x, y);
  context.scale(zoom, zoom);
  for (const machine of scene.topology.machines) drawPorts(context, scene, machine);
  drawFrames(context, scene);
  context.restore();
}

function seen(scene: Scene, card: Card): boolean {
  const left = card.x * scene.zoom + scene.x;
  const top = card.y * scene.zoom + scene.y;
  return left < scene.width && top < scene.height && left + CARD_WIDTH * scene.zoom > 0 && top + card.height * scene.zoom > 0;
}

// ── ports ──────────────────────────────────────────────────────────────────────────────────────

function drawPorts(context: CanvasRenderingContext2D, scene: Scene, machine: MachineView): void {
  const card = scene.cards.get(machine.name);
  if (card === undefined || machine.nics.length === 0 || !seen(scene, card)) return;
  const readable = scene.zoom >= TEXT_ZOOM;
  const above = readable ? cardsAbove(scene, machine.name, card) : [];
  if (readable) {
    context.font = `${Math.min(13, smallPrint(scene.zoom))}px ${token('--font-mono')}`;
    context.textAlign = 'left';
    context.textBaseline = 'middle';
  }
  machine.nics.forEach((nic, i) => {
    const rate = scene.motion === undefined ? NO_RATE : scene.meter.rate(machine.name, nic.port);
    const y = card.y + portY(i) + RATE_Y;
    if (above.some((other) => y > other.y - 6 && y < other.y + other.height + 6)) return;
    if (readable) {
      drawDirection(context, scene, rate, 'tx', card.x + TX_X, y);
      drawDirection(context, scene, rate, 'rx', card.x + RX_X, y);
    } else {
      drawMark(context, scene, rate, 'tx', card.x + TX_X, y);
      drawMark(context, scene, rate, 'rx', card.x + RX_X, y);
    }
  });
}

/** Cards that lie over this one, at least in part; what they cover must not be painted over them. */
function cardsAbove(scene: Scene, name: string, card: Card): readonly Card[] {
  const above: Card[] = [];
  let later = false;
  for (const [other, at] of scene.cards) {
    if (other === name) later = true;
    else if (
      (at.z > card.z || (at.z === card.z && later)) &&
      Math.abs(at.x - card.x) < CARD_WIDTH &&
      at.y < card.y + card.height &&
      card.y < at.y + at.height
    )
      above.push(at);
  }
  return above;
}

function isActive(scene: Scene, rate: Rate, direction: 'tx' | 'rx'): boolean {
  return scene.still ? rate[direction] > 0 : direction === 'tx' ? rate.txActive : rate.rxActive;
}

/** From afar: a block where something passes, sent left, received right. Rectangles, because hundreds are painted per frame. */
function drawMark(context: CanvasRenderingContext2D, scene: Scene, rate: Rate, direction: 'tx' | 'rx', x: number, y: number): void {
  if (!isActive(scene, rate, direction)) return;
  context.fillStyle = token(direction === 'tx' ? '--tx' : '--rx');
  context.fillRect(x, y - 5, MARK_WIDTH, 10);
}

/** ▲ sent, ▼ received: filled while something passes, hollow otherwise. */
function drawDirection(context: CanvasRenderingContext2D, scene: Scene, rate: Rate, direction: 'tx' | 'rx', x: number, y: number): void {
  const value = rate[direction];
  const active = isActive(scene, rate, direction);
  const tip = direction === 'tx' ? -4 : 4;
  context.beginPath();
  context.moveTo(x, y + tip);
  context.lineTo(x - 4, y - tip * 0.8);
  context.lineTo(x + 4, y - tip * 0.8);
  context.closePath();
  context.lineWidth = 1;
  const color = token(direction === 'tx' ? '--tx' : '--rx');
  if (active) {
    context.fillStyle = color;
    context.fill();
  }
  context.strokeStyle = active || value > 0 ? color : token('--line-strong');
  context.stroke();
  context.fillStyle = value > 0 ? token('--text') : token('--text-3');
  context.fillText(formatMeasuredRate(value), x + 8, y + 0.5);
}

// ── frames ─────────────────────────────────────────────────────────────────────────────────────

function curveOf(scene: Scene, cable: CableView): Curve | undefined {
  const a = scene.cards.get(cable.a.machine);
  const b = scene.cards.get(cable.b.machine);
  const portIndex = (end: CableView['a']): number =>
    scene.topology.machines.find((m) => m.name === end.machine)?.nics.findIndex((nic) => nic.port === end.port) ?? -1;
  const ia = portIndex(cable.a);
  const ib = portIndex(cable.b);
  if (a === undefined || b === undefined || ia < 0 || ib < 0) return undefined;
  const [fromSide, toSide] = cableSides(a, b);
  return cableCurve(plug(a, ia, fromSide), fromSide, plug(b, ib, toSide), toSide);
}

function drawFrames(context: CanvasRenderingContext2D, scene: Scene): void {
  const { motion } = scene;
  if (motion === undefined || motion.frames.length === 0) return;
  const byCable = new Map<string, FrameInFlight[]>();
  for (const frame of motion.frames) {
    const list = byCable.get(frame.cable);
    if (list === undefined) byCable.set(frame.cable, [frame]);
    else list.push(frame);
  }
  const labels: Label[] | undefined = scene.zoom >= TEXT_ZOOM && motion.frames.length <= SUMMARIES ? [] : undefined;
  if (labels !== undefined) keepClear(scene, labels);
  for (const cable of scene.topology.cables) {
    const frames = byCable.get(cable.id);
    const curve = frames === undefined ? undefined : curveOf(scene, cable);
    if (frames === undefined || curve === undefined) continue;
    if (scene.still) drawCount(context, curvePoint(curve, 0.5), frames.length, scene.zoom);
    else for (const frame of frames) drawFrame(context, curve, frame, motion.time, scene.zoom, labels);
  }
}

function drawCount(context: CanvasRenderingContext2D, at: Point, count: number, zoom: number): void {
  label(context, { x: at.x, y: at.y + 28 }, count === 1 ? '1 frame in flight' : `${count} frames in flight`, zoom, []);
}

function drawFrame(
  context: CanvasRenderingContext2D,
  curve: Curve,
  frame: FrameInFlight,
  time: number,
  zoom: number,
  labels: Label[] | undefined,
): void {
  const progress = Math.min(1, Math.max(0, (time - frame.sent) / Math.max(1, frame.arrives - frame.sent)));
  const at = curvePoint(curve, frame.fromA ? progress : 1 - progress);
  context.fillStyle = token('--accent');
  if (zoom < TEXT_ZOOM) {
    context.fillRect(at.x - 7, at.y - 5, 14, 10);
    return;
  }
  context.strokeStyle = token('--bg');
  context.lineWidth = 1.5;
  context.beginPath();
  context.roundRect(at.x - 6, at.y - 4, 12, 8, 2);
  context.fill();
  context.stroke();
  if (labels !== undefined) label(context, at, frame.summary, zoom, labels);
}

/** A rectangle that labels stay out of, by its centre. */
interface Label {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}
const LABEL_HEIGHT = 17;
/** Mean width of a character of the cable's own text. */
const CABLE_TEXT_WIDTH = 6;

/** Cards and the cables' own texts are never covered. */
function keepClear(scene: Scene, placed: Label[]): void {
  for (const machine of scene.topology.machines) {
    const card = scene.cards.get(machine.name);
    if (card !== undefined)
      placed.push({ x: card.x + CARD_WIDTH / 2, y: card.y + card.height / 2, width: CARD_WIDTH, height: card.height });
  }
  for (const cable of scene.topology.cables) {
    const text = cableText(cable);
    const curve = text === '' ? undefined : curveOf(scene, cable);
    if (curve === undefined) continue;
    const { x, y } = curvePoint(curve, 0.5);
    placed.push({ x, y: y - 13, width: text.length * CABLE_TEXT_WIDTH, height: LABEL_HEIGHT });
  }
}

/** A text on a plate above or below a point; one that would cover something is left out until there is room. */
function label(context: CanvasRenderingContext2D, at: Point, text: string, zoom: number, placed: Label[]): void {
  context.font = `${smallPrint(zoom)}px ${token('--font-ui')}`;
  const width = context.measureText(text).width + 8;
  const covers = (y: number): boolean =>
    placed.some(
      (other) => Math.abs(other.y - y) < (LABEL_HEIGHT + other.height) / 2 && Math.abs(other.x - at.x) < (other.width + width) / 2,
    );
  const y = [at.y - 14, at.y + 15].find((candidate) => !covers(candidate));
  if (y === undefined) return;
  placed.push({ x: at.x, y, width, height: LABEL_HEIGHT });
  context.fillStyle = token('--overlay');
  context.strokeStyle = token('--line');
  context.lineWidth = 1;
  context.beginPath();
  context.roundRect(at.x - width / 2, y - LABEL_HEIGHT / 2, width, LABEL_HEIGHT, 3);
  context.fill();
  context.stroke();
  context.textAlign = 'center';
  context.textBaseline = 'middle';
  context.fillStyle = token('--text-2');
  context.fillText(text, at.x, y + 0.5);
}
