// Redirections: descriptors of one command, files of the machine, here-documents.
import type { SimpleCommandNode } from 'just-bash';
import { Errno, strerror } from '../../../engine/index.ts';
import { type Expander, ShellError } from './expand.ts';
import type { ShellState } from './state.ts';
import { EMPTY, NULL_SINK, type Sink, type Source, textSource } from './streams.ts';

/** Standard descriptors of a running command. */
export interface Io {
  readonly stdin: Source;
  readonly stdout: Sink;
  readonly stderr: Sink;
}

type Redirection = SimpleCommandNode['redirections'][number];

/** A file of the machine as a sink. Each write is one write(2), as tracefs and sysfs files want it. */
export class FileSink implements Sink {
  private failed = false;
  /** Where the command's own complaint goes: its standard error, once all redirections are done. */
  report: Sink;
  constructor(
    private readonly state: ShellState,
    readonly path: string,
    report: Sink,
    /** The command that writes, for the complaint. */
    private readonly command = 'echo',
  ) {
    this.report = report;
  }
  async write(text: string): Promise<boolean> {
    if (this.failed) return false;
    const r = this.state.port.fs(this.state.netns, this.state.cwd, { call: 'write', path: this.path, data: text, append: true });
    if (r.ok) return true;
    this.failed = true;
    await this.report.write(`${this.state.says}${this.command}: write error: ${strerror(r.errno)}\n`);
    return false;
  }
  get ok(): boolean {
    return !this.failed;
  }
  close(): void {
    // files are written through
  }
}

/** Opens what the redirections name, left to right. `close` after the command. */
export async function openRedirections(
  list: readonly Redirection[],
  state: ShellState,
  outer: Io,
  expander: Expander,
): Promise<{ io: Io; close: () => void }> {
  if (list.length === 0) return { io: outer, close: () => undefined };
  const io = { stdin: outer.stdin, stdout: outer.stdout, stderr: outer.stderr };
  const put = (fd: number, sink: Sink): void => {
    if (fd === 1) io.stdout = sink;
    else if (fd === 2) io.stderr = sink;
    else state.fds.set(fd, { sink });
  };
  const sinkOf = (fd: number): Sink | undefined => (fd === 1 ? io.stdout : fd === 2 ? io.stderr : state.fds.get(fd)?.sink);
  for (const r of list) {
    if (r.target.type === 'HereDoc') {
      const text = r.target.quoted ? await expander.single(r.target.content, state) : await expander.single(r.target.content, state);
      io.stdin = textSource(r.target.stripTabs ? text.replaceAll(/^\t+/gm, '') : text);
      continue;
    }
    const target = await expander.single(r.target, state);
    switch (r.operator) {
      case '<':
        io.stdin = openSource(target, state);
        break;
      case '<<<':
        io.stdin = textSource(`${target}\n`);
        break;
      case '>':
      case '>|':
      case '>>':
        put(r.fd ?? 1, openSink(target, r.operator === '>>', state, io.stderr));
        break;
      case '&>':
      case '&>>': {
        const sink = openSink(target, r.operator === '&>>', state, io.stderr);
        io.stdout = sink;
        io.stderr = sink;
        break;
      }
      case '>&': {
        if (target === '-') put(r.fd ?? 1, NULL_SINK);
        else if (/^\d+$/.test(target)) {
          const sink = sinkOf(Number(target));
          if (sink === undefined) throw new ShellError(`${target}: Bad file descriptor`);
          put(r.fd ?? 1, sink);
        } else {
          const sink = openSink(target, false, state, io.stderr);
          io.stdout = sink;
          io.stderr = sink;
        }
        break;
      }
      case '<&':
        if (target === '-') io.stdin = EMPTY;
        break;
      case '<>':
        io.stdin = openSource(target, state);
        break;
      default:
        throw new ShellError(`ringscope: bash: redirection '${r.operator}' is not modelled`);
    }
  }
  for (const sink of [io.stdout, io.stderr]) if (sink instanceof FileSink && io.stderr !== sink) sink.report = io.stderr;
  return { io, close: () => undefined };
}

function openSource(target: string, state: ShellState): Source {
  if (target === '/dev/null') return EMPTY;
  const r = state.port.fs(state.netns, state.cwd, { call: 'read', path: state.resolve(target) });
  if (!r.ok) throw new ShellError(`${target}: ${strerror(r.errno)}`);
  return textSource(r.data ?? '');
}

function openSink(target: string, append: boolean, state: ShellState, report: Sink): Sink {
  if (target === '/dev/null') return NULL_SINK;
  if (target === '/dev/stderr') return report;
  const path = state.resolve(target);
  const stat = state.port.fs(state.netns, state.cwd, { call: 'stat', path });
  if (stat.ok && stat.stat?.type === 'dir') throw new ShellError(`${target}: ${strerror(Errno.EISDIR)}`);
  // O_TRUNC | O_CREAT: a generated file (proc, sys) has nothing to truncate, except where truncation means something (tracefs `trace`)
  const r = state.port.fs(state.netns, state.cwd, { call: 'write', path, data: '', append });
  if (!r.ok) throw new ShellError(`${target}: ${strerror(r.errno)}`);
  return new FileSink(state, path, report);
}
