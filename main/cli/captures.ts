// `--pcap MACHINE:IFACE=FILE` and `--record FILE`: files written while a lab runs without a window.
import { closeSync, openSync, writeSync } from 'node:fs';
import { type CapturedPacket, enhancedPacket, interfaceDescription, type LabSpec, sectionHeader } from '../../engine/index.ts';
import { formatLab } from '../host/labs.ts';
import { Recording } from '../host/recordings.ts';
import type { Runtime } from '../host/runtime.ts';
import { type RunOptions, UsageError } from './options.ts';

/** Starts what the options ask for; the answer writes the rest and closes the files. */
export async function startCaptures(runtime: Runtime, lab: LabSpec, options: RunOptions): Promise<() => Promise<void>> {
  const { session } = runtime;
  const machines = [...new Set(options.pcaps.map((p) => p.machine))];
  for (const m of machines)
    if (!lab.machines.some((x) => x.name === m))
      throw new UsageError(`--pcap: there is no machine '${m}': the machines are ${lab.machines.map((x) => x.name).join(', ')}`);
  const flushes = machines.map((m) =>
    startPcaps(
      runtime,
      m,
      options.pcaps.filter((p) => p.machine === m),
    ),
  );
  let recording: Recording | undefined;
  if (options.record !== undefined) {
    session.observe('all');
    recording = await Recording.start(options.record, runtime, lab, formatLab(lab));
  }
  return async () => {
    for (const f of flushes) f();
    await recording?.stop(session);
  };
}

interface OpenFile {
  readonly iface: string;
  readonly fd: number;
}

/** Captures interfaces of one machine where AF_PACKET sockets capture them. Times count from the world's boot. */
function startPcaps(runtime: Runtime, machine: string, wanted: RunOptions['pcaps']): () => void {
  const files = wanted.map(({ iface, file }): OpenFile => {
    let fd: number;
    try {
      fd = openSync(file, 'w');
    } catch (e) {
      throw new UsageError(`--pcap: cannot write ${file}: ${e instanceof Error ? e.message : String(e)}`);
    }
    writeSync(fd, sectionHeader({ application: 'ringscope' }));
    writeSync(fd, interfaceDescription({ name: iface, description: `${iface} of ${machine}` }));
    return { iface, fd };
  });
  const { session } = runtime;
  session.world.capturePackets(machine, true);
  let held: CapturedPacket[] = [];
  // CPUs run ahead of each other by the work in hand: a packet is written when no earlier one can come
  const flush = (upTo: number): void => {
    held.push(...session.world.drainPackets(machine));
    if (held.length === 0) return;
    held.sort((a, b) => a.time - b.time);
    const ready = held.findIndex((p) => p.time > upTo);
    const out = ready < 0 ? held : held.slice(0, ready);
    held = ready < 0 ? [] : held.slice(ready);
    for (const p of out) {
      for (const f of files) {
        if (p.ifname === f.iface)
          writeSync(f.fd, enhancedPacket({ iface: 0, time: p.time, bytes: p.bytes, direction: p.outgoing ? 'out' : 'in', packetId: p.id }));
      }
    }
  };
  const unlisten = runtime.listen({ turned: () => flush(session.time) });
  return () => {
    unlisten();
    flush(Infinity);
    for (const f of files) closeSync(f.fd);
  };
}
