// A lab run without a window: setup scripts, captures, recording, then whatever the command is.
import { writeSync } from 'node:fs';
import { type LabSpec, Session, textToBytes } from '../../engine/index.ts';
import { Runtime } from '../host/runtime.ts';
import { runScript } from '../host/shell/run_script.ts';
import type { Collector, Sink } from '../host/shell/streams.ts';
import type { RunOptions } from './options.ts';
import { startCaptures } from './captures.ts';

/** Simulated time after which a command that never ends by itself is ended, ns: a script is to come to an end. */
const PATIENCE = 3600e9;

/** A descriptor of this process as a sink; false once the reader has gone. */
function fdSink(fd: 1 | 2): Sink {
  let open = true;
  return {
    write(text) {
      const bytes = textToBytes(text);
      for (let at = 0; open && at < bytes.length;) {
        try {
          at += writeSync(fd, bytes, at);
        } catch (e) {
          const { code } = e as NodeJS.ErrnoException;
          if (code === 'EAGAIN') continue;
          if (code !== 'EPIPE') throw e;
          open = false;
        }
      }
      return Promise.resolve(open);
    },
    close: () => undefined,
  };
}

export interface Headless {
  readonly runtime: Runtime;
  /** Runs a script in a machine to its end or to the time limit; its status, 124 when the time was up. What it prints goes to `copy` too. */
  script(machine: string, netns: string, text: string, copy?: Collector): Promise<number>;
  /** Writes what captures and recordings still hold. */
  finish(): Promise<void>;
}

/** Makes the world, starts captures and recordings, runs the machines' setup scripts. */
export async function startHeadless(lab: LabSpec, options: RunOptions): Promise<Headless> {
  const session = new Session(lab);
  // nobody rewinds a run without a window
  session.rewindable = false;
  const runtime = new Runtime(session);
  const finish = await startCaptures(runtime, lab, options);
  runtime.session.boot();
  const out = fdSink(1);
  const err = fdSink(2);
  const script = async (machine: string, netns: string, text: string, copy?: Collector): Promise<number> => {
    const tee = (to: Sink): Sink =>
      copy === undefined ? to : { write: (t) => (void copy.write(t), to.write(t)), close: () => to.close() };
    const shell = runScript(text, runtime.port(machine), { stdout: tee(out), stderr: tee(err), netns });
    const interrupt = (): void => shell.signal(2);
    process.on('SIGINT', interrupt);
    try {
      for (;;) {
        const why = await runtime.runUntil(shell.status, options.until, PATIENCE);
        if (why === 'done') return await shell.status;
        if (why === 'time') return 124;
        const waiting = shell.foreground();
        if (waiting.length === 0) {
          await err.write('ringscope: the script waits, but nothing more can happen in this world\n');
          return 125;
        }
        await err.write(
          `ringscope: ${waiting.join(', ')}: ended: ${why === 'stuck' ? 'it ran for an hour of simulated time' : 'it waits for something that cannot happen any more'}; give --until to set a limit\n`,
        );
        shell.end();
      }
    } finally {
      process.off('SIGINT', interrupt);
    }
  };
  for (const m of lab.machines) {
    if (m.setup === '') continue;
    const status = await script(m.name, '', m.setup);
    if (status !== 0) await err.write(`ringscope: the setup of ${m.name} ended with status ${status}\n`);
  }
  return { runtime, script, finish };
}
