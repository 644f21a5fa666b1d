// A lab's setup and script run without a window, with what makes a run recognisable: its events, frames, state and output.
import { hashOf } from '../sim/hash.ts';
import type { LabSpec } from '../machine/lab.ts';
import { Session } from '../session/session.ts';
import { Runtime } from '../../main/host/runtime.ts';
import { runScript } from '../../main/host/shell/run_script.ts';
import { Collector } from '../../main/host/shell/streams.ts';

export interface Fingerprint {
  readonly events: string;
  readonly frames: string;
  readonly state: string;
  readonly output: string;
  readonly statuses: number[];
}

/** Simulated nanoseconds one script may take. */
const LIMIT = 600e9;

export async function startHeadlessFor(lab: LabSpec): Promise<Fingerprint> {
  const session = new Session(lab);
  session.observe('all');
  session.captureFrames(true);
  const runtime = new Runtime(session);
  const events: unknown[] = [];
  const frames: unknown[] = [];
  runtime.listen({
    drained: (d) => {
      for (const r of d.trace) events.push([r.time, r.event, r.who, r.def.name, r.args]);
      for (const f of d.frames) frames.push([f.sent, f.arrives, f.from, f.lost, f.frame.bytes]);
    },
  });
  session.boot();
  const out = new Collector();
  const run = async (machine: string, text: string): Promise<number> => {
    const shell = runScript(text, runtime.port(machine), { stdout: out, stderr: out });
    await runtime.runUntil(shell.status, session.time + LIMIT);
    return shell.status;
  };
  for (const m of lab.machines) if (m.setup !== '') await run(m.name, m.setup);
  const statuses: number[] = [];
  for (const s of lab.script) statuses.push(await run(s.machine, s.run));
  return { events: hashOf(events), frames: hashOf(frames), state: session.hash(), output: out.text, statuses };
}
