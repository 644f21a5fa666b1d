// The packet list: frames on cables, decoded for people; frames in flight for the canvas.
import { decodeFrame, type FrameDecode, type World } from '../../engine/index.ts';
import type { FrameInFlight, PacketRow, PacketView, Span } from '../../preload/contract.ts';
import type { Pacer } from './pacer.ts';
import { UserError } from './protocol.ts';
import type { StoredFrame, Stores } from './stores.ts';

const decoded = new WeakMap<StoredFrame, FrameDecode>();
const decode = (f: StoredFrame): FrameDecode => {
  let d = decoded.get(f);
  if (d === undefined) decoded.set(f, (d = decodeFrame(f.bytes)));
  return d;
};

const row = (index: number, f: StoredFrame): PacketRow => {
  const d = decode(f).summary;
  return {
    index,
    time: f.sent,
    cable: f.cable,
    from: f.from,
    to: f.to,
    source: d.source,
    destination: d.destination,
    protocol: d.protocol,
    length: f.bytes.length,
    info: d.info,
    dropped: f.lost === '' ? undefined : f.lost === 'loss' ? 'lost on the cable' : f.lost === 'down' ? 'the cable is down' : f.lost,
  };
};

/** Rows that contain every word of the filter (protocol, address, machine, or text of the info column). */
export function packetRows(
  stores: Stores,
  event: number,
  p: { from: number; count: number; filter?: string },
): { total: number; matching: number; rows: PacketRow[] } {
  const { frames } = stores;
  const total = frames.upTo(event);
  const words = (p.filter ?? '')
    .toLowerCase()
    .split(/\s+/)
    .filter((w) => w !== '');
  if (words.length === 0) {
    const from = Math.max(p.from, frames.first);
    return { total, matching: total, rows: [...frames.between(from, Math.min(from + p.count, total))].map(([i, f]) => row(i, f)) };
  }
  const rows: PacketRow[] = [];
  let matching = 0;
  for (const [i, f] of frames.between(frames.first, total)) {
    const r = row(i, f);
    const text = `${r.protocol} ${r.source} ${r.destination} ${r.from} ${r.to} ${r.info} ${r.dropped ?? ''}`.toLowerCase();
    if (!words.every((w) => text.includes(w))) continue;
    if (matching >= p.from && rows.length < p.count) rows.push(r);
    matching++;
  }
  return { total, matching, rows };
}

export function packetGet(stores: Stores, index: number): PacketView {
  const f = stores.frames.get(index);
  if (f === undefined) throw new UserError(`Packet ${index} is no longer kept: the list holds the latest ones.`);
  return { row: row(index, f), bytes: Buffer.from(f.bytes).toString('hex'), decode: decode(f).tree };
}

/** Frames on cables that touch [from, to], the latest `limit` of them, as spans from the first bit sent to the last one received. */
export function frameSpans(stores: Stores, event: number, p: { from: number; to: number; limit: number }): Span[] {
  const { frames } = stores;
  const out: Span[] = [];
  for (let i = frames.upTo(event) - 1; i >= frames.first && out.length < p.limit; i--) {
    const f = frames.get(i);
    // frames are kept in order of sending; a margin covers those long under way
    if (f === undefined || f.sent < p.from - 1e9) break;
    if (f.arrives < p.from || f.sent > p.to) continue;
    const { info, protocol } = decode(f).summary;
    out.push({
      track: f.cable,
      kind: `${f.from} →`,
      label: `${f.lost === '' ? '' : '✕ '}${protocol} ${info}`,
      start: f.sent,
      end: f.arrives,
    });
  }
  return out.reverse();
}

/** Frames whose flight is long enough to be seen at the chosen speed: two display frames at least. */
export function framesInFlight(stores: Stores, world: World, pacer: Pacer): FrameInFlight[] {
  const now = pacer.now();
  const visible = pacer.mode === 'paused' ? 0 : pacer.speed === 0 ? Infinity : (2 * 1e9 * pacer.speed) / 60;
  const { frames } = stores;
  const out: FrameInFlight[] = [];
  const total = frames.upTo(world.sim.executed);
  for (let i = total - 1; i >= Math.max(frames.first, total - 2_000) && out.length < 500; i--) {
    const f = frames.get(i);
    if (f === undefined || f.arrives < now || f.sent > now || f.arrives - f.sent < visible) continue;
    out.push({
      id: f.id,
      cable: f.cable,
      fromA: f.cable.startsWith(`${f.from}--`),
      sent: f.sent,
      arrives: f.arrives,
      summary: decode(f).summary.info,
    });
  }
  return out;
}
