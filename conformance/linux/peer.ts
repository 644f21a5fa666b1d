// The other end of the cable: a simulated machine with its own kernel, and commands run in it while the wall clock drives the world.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Instant } from '../../engine/base/units.ts';
import { BOOT_TIME } from '../../engine/machine/machine.ts';
import { World } from '../../engine/machine/world.ts';
import type { CommandResult } from './guest.ts';
import type { Pacer } from './pacer.ts';

const PEER = 'peer';
export const PEER_PORT = 'nic0';
export const PEER_MAC = '52:54:00:00:00:02';

/** A world with one machine, booted, whose NIC has no cable yet. */
export function peerWorld(): World {
  const world = new World({
    name: 'conformance',
    notes: '',
    seed: 1,
    machines: [
      {
        name: PEER,
        cpus: 1,
        ramBytes: 16 << 20,
        x: 0,
        y: 0,
        nics: [{ port: PEER_PORT, model: 'virtio-net', mac: PEER_MAC, queuePairs: 1, ringSize: 256, slot: undefined, vectors: undefined }],
        autoload: ['virtio_pci', 'virtio_net'],
        setup: '',
        costs: {},
      },
    ],
    cables: [],
    script: [],
  });
  const { sim } = world;
  for (let next = sim.peek(); next !== undefined && next <= BOOT_TIME; next = sim.peek()) sim.step();
  sim.advance(BOOT_TIME as Instant);
  return world;
}

export const peerNic = (world: World): ReturnType<NonNullable<ReturnType<World['machines']['get']>>['nic']> =>
  world.machines.get(PEER)!.nic(PEER_PORT);

/** Runs a program of the simulated machine to its end; arguments are words. */
export async function runOnPeer(world: World, pacer: Pacer, command: string, timeoutMs = 20_000): Promise<CommandResult> {
  pacer.catchUp();
  const host = { kind: 'host' } as const;
  const r = world.apply(
    {
      kind: 'spawn',
      machine: PEER,
      spec: { argv: command.split(' '), netns: '', cwd: '/', env: {}, stdin: { kind: 'null' }, stdout: host, stderr: host },
    },
    world.sim.now,
  );
  pacer.run();
  if (r.kind !== 'spawn' || !('pid' in r.result)) throw new Error(`${command}: ${JSON.stringify(r)}`);
  const { pid } = r.result;
  let out = '';
  const end = Date.now() + timeoutMs;
  while (Date.now() < end) {
    for (const e of world.drain()?.processes ?? []) {
      if (e.pid !== pid) continue;
      if (e.kind === 'output') out += e.data;
      else return { status: e.status, out };
    }
    if (r.result.state === 'exited') return { status: r.result.status, out };
    await sleep(20);
  }
  throw new Error(`the simulated machine did not finish: ${command}\n${out}`);
}
