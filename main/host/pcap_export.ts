// The frames of the packet list as pcapng: one interface per port, in order of time.
import { writeFileSync } from 'node:fs';
import { enhancedPacket, interfaceDescription, sectionHeader } from '../../engine/index.ts';
import { UserError } from './protocol.ts';
import type { Stores } from './stores.ts';

/** Writes the frames up to `event`; answers how many. A frame is seen where it leaves and, unless lost, where it arrives. */
export function writeFrames(path: string, stores: Stores, event: number): number {
  const { frames } = stores;
  const sightings: { time: number; port: string; out: boolean; bytes: Uint8Array; id: number; lost: string }[] = [];
  for (const [, f] of frames.between(frames.first, frames.upTo(event))) {
    sightings.push({ time: f.sent, port: f.from, out: true, bytes: f.bytes, id: f.id, lost: f.lost });
    if (f.lost === '') sightings.push({ time: f.arrives, port: f.to, out: false, bytes: f.bytes, id: f.id, lost: '' });
  }
  sightings.sort((a, b) => a.time - b.time);
  const ports = [...new Set(sightings.map((s) => s.port))].sort();
  const blocks: Uint8Array[] = [sectionHeader({ application: 'ringscope' }), ...ports.map((name) => interfaceDescription({ name }))];
  for (const s of sightings) {
    blocks.push(
      enhancedPacket({
        iface: ports.indexOf(s.port),
        time: s.time,
        bytes: s.bytes,
        direction: s.out ? 'out' : 'in',
        packetId: s.id,
        ...(s.lost === '' ? {} : { comment: `lost on the cable: ${s.lost}` }),
      }),
    );
  }
  try {
    writeFileSync(path, Buffer.concat(blocks));
  } catch (e) {
    throw new UserError(
      `The packets could not be written to ${path}: ${e instanceof Error ? e.message : String(e)}. Choose another folder.`,
    );
  }
  return sightings.length;
}
