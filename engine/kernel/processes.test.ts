// Processes: where output goes, waiting, signals, the end.
import { describe, expect, it } from 'vitest';
import { ops } from '../base/ops.ts';
import { bootKernel, runFor, spawnSpec } from '../testkit/kernel_fixture.ts';
import { Process, SIG, type ProgramTable } from './process.ts';

class Echo extends Process {
  main(): void {
    this.print(`${this.argv.slice(1).join(' ')}\n`);
    this.exit(0);
  }
}
/** Waits a microsecond, then says on which CPU and at what time it went on. */
class Sleeper extends Process {
  main(): void {
    this.kernel.procs.wakeAfter(this, 1_000, 7, 'arg');
  }
  override onEvent(op: number, arg: unknown): void {
    const cpu = this.kernel.platform.cpus.current;
    this.print(`${op} ${String(arg)} cpu${cpu?.id} ${cpu?.currentTask}-${cpu?.currentPid}\n`);
    this.exit(3);
  }
}
class Cat extends Process {
  main(): void {
    this.onStdin();
  }
  override onStdin(): void {
    this.print(this.stdinData);
    this.stdinData = '';
    if (this.stdinEof) this.exit(0);
  }
}
const CLASSES: Readonly<Record<string, new (...a: ConstructorParameters<typeof Echo>) => Process>> = {
  echo: Echo,
  sleeper: Sleeper,
  cat: Cat,
};
const PROGRAMS: ProgramTable = ops({
  names: Object.keys(CLASSES),
  create: (kernel, net, argv) => (argv[0] in CLASSES ? new CLASSES[argv[0]](kernel, net, argv) : undefined),
});

const setUp = () => bootKernel({ programs: PROGRAMS });
function start(kernel: ReturnType<typeof setUp>['kernel'], spec: Parameters<typeof kernel.procs.spawn>[0]): Process {
  const p = kernel.procs.spawn(spec);
  if (!(p instanceof Process)) throw new Error(`spawn: ${p.errno} ${p.what}`);
  return p;
}

describe('processes', () => {
  it('run at once and leave their output for the host, with the pid', () => {
    const { kernel } = setUp();
    const p = start(kernel, spawnSpec(['echo', 'a', 'b']));
    expect(p).toMatchObject({ exited: true, status: 0 });
    expect(kernel.procs.drainOutput()).toMatchObject({ out: [{ pid: p.pid, fd: 1, data: 'a b\n' }], exits: [{ pid: p.pid, status: 0 }] });
    expect(kernel.procs.drainOutput()?.out ?? []).toEqual([]);
    expect(kernel.procs.get(p.pid)).toBeUndefined();
  });

  it('write to files and to nowhere when told, and say which redirection failed', () => {
    const { kernel } = setUp();
    start(kernel, { ...spawnSpec(['echo', 'x']), stdout: { kind: 'file', path: '/tmp/out', mode: 'w' } });
    start(kernel, { ...spawnSpec(['echo', 'y']), stdout: { kind: 'file', path: 'out', mode: 'a' }, cwd: '/tmp' });
    start(kernel, { ...spawnSpec(['echo', 'z']), stdout: { kind: 'null' } });
    expect(kernel.vfs.readFile(kernel.vfs.rootContext(), '/tmp/out')).toBe('x\ny\n');
    expect(kernel.procs.drainOutput()?.out ?? []).toEqual([]);
    expect(kernel.procs.spawn({ ...spawnSpec(['echo']), stdout: { kind: 'file', path: '/no/such', mode: 'w' } })).toEqual({
      errno: -2,
      what: '/no/such',
    });
    expect(kernel.procs.spawn(spawnSpec(['nosuch']))).toEqual({ errno: -2, what: 'nosuch' });
  });

  it('wake up in task context on their own CPU, under their own name', () => {
    const { sim, kernel } = setUp();
    const p = start(kernel, spawnSpec(['sleeper']));
    expect(p.exited).toBe(false);
    runFor(sim, 1e6);
    expect(p).toMatchObject({ exited: true, status: 3 });
    expect(kernel.procs.drainOutput()?.out).toEqual([{ pid: p.pid, fd: 1, data: `7 arg cpu${p.pid % 2} sleeper-${p.pid}\n` }]);
  });

  it('get their input and its end', () => {
    const { sim, kernel } = setUp();
    const p = start(kernel, { ...spawnSpec(['cat']), stdin: { kind: 'host' } });
    kernel.procs.feed(p.pid, 'one\n', false);
    runFor(sim, 1e6);
    kernel.procs.feed(p.pid, '', true);
    runFor(sim, 1e6);
    expect(p).toMatchObject({ exited: true, status: 0 });
    expect(kernel.procs.drainOutput()?.out.map((o) => o.data)).toEqual(['one\n']);
  });

  it('die of signals with 128 plus the signal', () => {
    const { sim, kernel } = setUp();
    const a = start(kernel, spawnSpec(['sleeper']));
    const b = start(kernel, spawnSpec(['sleeper']));
    expect(kernel.procs.kill(a.pid, SIG.INT)).toBe(0);
    expect(kernel.procs.kill(b.pid, SIG.KILL)).toBe(0);
    expect(b).toMatchObject({ exited: true, status: 137 });
    runFor(sim, 1e6);
    expect(a).toMatchObject({ exited: true, status: 130 });
    expect(kernel.procs.kill(a.pid, SIG.INT)).toBe(-3);
  });
});
