// `--pcap MACHINE:IFACE=FILE` and `--record FILE`: files written while a lab runs without a window.
import { closeSync, openSync, writeSync } from 'node:fs';
import { enhancedPacket, interfaceDescription, type LabSpec, sectionHeader } from '../../engine/index.ts';
import { formatLab } from '../host/labs.ts';
import { Recording } from '../host/recordings.ts';
import type { Runtime } from '../host/runtime.ts';
import { type RunOptions, UsageError } from './options.ts';

/** Starts what the options ask for; the answer writes the rest and closes the files. */
export async function startCaptures(runtime: Runtime, lab: LabSpec, options: RunOptions): Promise<() => Promise<void>> {
  const { session } = runtime;
  const flushes = options.pcaps.map((p) => {
    if (!lab.machines.some((m) => m.name === p.machine)) throw new UsageError(`--pcap: there is no machine '${p.machine}': the machines are ${lab.machines.map((m) => m.name).join(', ')}`);
    return startPcap(runtime, p.machine, p.iface, p.file);
  });
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

/** Captures one interface where AF_PACKET sockets capture it. Times count from the world's boot. */
function startPcap(runtime: Runtime, machine: string, iface: string, file: string): () => void {
  let fd: number;
  try {
    fd = openSync(file, 'w');
  } catch (e) {
    throw new UsageError(`--pcap: cannot write ${file}: ${e instanceof Error ? e.message : String(e)}`);
  }
  writeSync(fd, sectionHeader({ application: 'ringscope' }));
  writeSync(fd, interfaceDescription({ name: iface, description: `${iface} of ${machine}` }));
  const { session } = runtime;
  session.world.capturePackets(machine, true);
  const flush = (): void => {
    for (const p of session.world.drainPackets(machine)) {
      if (p.ifname === iface) writeSync(fd, enhancedPacket({ iface: 0, time: p.time, bytes: p.bytes, direction: p.outgoing ? 'out' : 'in', packetId: p.id }));
    }
  };
  const unlisten = runtime.listen({ turned: flush });
  return () => {
    unlisten();
    flush();
    closeSync(fd);
  };
}
