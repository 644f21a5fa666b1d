// Runs one script in a fresh shell of a machine: the command line's `exec`, a lab's setup.
import { Interpreter } from './interpreter.ts';
import { ShellState, Shared } from './state.ts';
import { EMPTY, type Sink, type Source } from './streams.ts';
import type { WorldPort } from './world_port.ts';

export interface ScriptIo {
  readonly stdin?: Source;
  readonly stdout: Sink;
  readonly stderr: Sink;
  /** Namespace the shell starts in, '' for init_net. */
  readonly netns?: string;
}

export interface RunningScript {
  readonly status: Promise<number>;
  /** As Ctrl-C in a terminal: the script and its foreground command. */
  signal(n: number): void;
  /** What the script waits for: names of its foreground processes. */
  foreground(): string[];
  /** Ends the foreground processes; the script goes on. */
  end(): void;
}

export function runScript(text: string, port: WorldPort, io: ScriptIo): RunningScript {
  const shared = new Shared(port, false);
  const job = shared.newJob('bash');
  const state = new ShellState(shared, job);
  state.netns = io.netns ?? '';
  const streams = { stdin: io.stdin ?? EMPTY, stdout: io.stdout, stderr: io.stderr };
  shared.io = streams;
  const status = new Interpreter().runText(text, state, streams);
  return {
    status,
    signal: (n) => job.signal(port, n),
    foreground: () => [...job.pids.values()],
    end: () => {
      for (const pid of [...job.pids.keys()]) port.signal(pid, 15);
    },
  };
}
