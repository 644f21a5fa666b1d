// Runs one program of the machine as a world process, its descriptors joined to the shell's streams.
import { Errno, type FdTarget, strerror } from '../../../engine/index.ts';
import type { Interpreter } from './interpreter.ts';
import { FileSink, type Io } from './redirect.ts';
import type { ShellState } from './state.ts';
import { EMPTY, NULL_SINK, type Sink } from './streams.ts';

const HOST: FdTarget = { kind: 'host' };
const NULL: FdTarget = { kind: 'null' };

const target = (sink: Sink): FdTarget =>
  sink === NULL_SINK ? NULL : sink instanceof FileSink ? { kind: 'file', path: sink.path, mode: 'a' } : HOST;

/** Programs that read standard input to its end; the others never touch it, and a pipe into them is left alone. */
const READS_STDIN = new Set(['cat', 'ip', 'tc', 'bridge', 'sysctl', 'nc', 'tcpdump']);

/** Commands a Linux host would have and a machine of ours does not: named, so that nobody takes their absence for a typing error. */
const NOT_MODELLED = new Set(
  'brctl conntrack curl dhclient host ifup iperf iptables mtr netstat nft nmcli nmap socat ssh systemctl telnet trace-cmd wget wg'.split(
    ' ',
  ),
);

/** Starts `argv` and waits for its end. Status 127 when there is no such program. */
export async function runWorldProcess(argv: readonly string[], state: ShellState, io: Io, shell: Interpreter): Promise<number> {
  const { port, job } = state;
  const feeds = io.stdin !== EMPTY && READS_STDIN.has(argv[0]);
  let writing = Promise.resolve();
  let pid = 0;
  let finish: (r: { status: number; exec: { argv: readonly string[]; netns: string } | undefined }) => void = () => undefined;
  const ended = new Promise<Parameters<typeof finish>[0]>((go) => {
    finish = go;
  });
  const started = port.spawn(
    {
      argv,
      netns: state.netns,
      cwd: state.cwd,
      env: state.env(),
      stdin: feeds ? HOST : NULL,
      stdout: target(io.stdout),
      stderr: target(io.stderr),
    },
    {
      output: (fd, text) => {
        const sink = fd === 1 ? io.stdout : io.stderr;
        writing = writing.then(async () => {
          if (!(await sink.write(text)) && pid !== 0) port.signal(pid, 13);
        });
      },
      exited: (status, exec) => finish({ status, exec }),
    },
  );
  if (started === undefined) {
    if (NOT_MODELLED.has(argv[0])) {
      await io.stderr.write(`ringscope: ${argv[0]}: this command is not modelled\n`);
      return 127;
    }
    await io.stderr.write(
      argv[0].includes('/') ? `${state.says}${argv[0]}: ${strerror(Errno.ENOENT)}\n` : `${state.says}${argv[0]}: command not found\n`,
    );
    return 127;
  }
  if ('errno' in started) {
    await io.stderr.write(`${state.says}${argv[0]}: ${strerror(started.errno)}\n`);
    return 126;
  }
  pid = started.pid;
  job.pids.set(pid, argv[0]);
  if (feeds) void feed(pid, state, io);
  const { status, exec } = await ended;
  job.pids.delete(pid);
  await writing;
  if (exec === undefined) return status;
  return execIn(exec, state, io, shell);
}

/** Builtins of the shell that are programs too. */
const ALSO_PROGRAMS = new Set(['echo', 'printf', 'true', 'false', 'test', '[', 'pwd', 'kill']);

/** What execvp(3) does in the place of a program: no functions, no shell builtins. */
async function execIn(
  exec: { readonly argv: readonly string[]; readonly netns: string },
  state: ShellState,
  io: Io,
  shell: Interpreter,
): Promise<number> {
  const [name] = exec.argv;
  const inner = state.child();
  inner.netns = exec.netns;
  if (shell.isProgram(name, state)) await shell.external(exec.argv, inner, io);
  else if (ALSO_PROGRAMS.has(name)) await shell.execute(exec.argv, inner, io);
  else if (NOT_MODELLED.has(name)) await runWorldProcess(exec.argv, inner, io, shell);
  else {
    await io.stderr.write(`exec of "${name}" failed: ${strerror(Errno.ENOENT)}\n`);
    return 1;
  }
  return inner.status;
}

async function feed(pid: number, state: ShellState, io: Io): Promise<void> {
  for (;;) {
    const text = await io.stdin.read();
    if (!state.job.pids.has(pid)) return;
    state.port.stdin(pid, text ?? '', text === undefined);
    if (text === undefined) return;
  }
}
