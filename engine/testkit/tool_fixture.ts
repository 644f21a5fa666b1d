// A booted kernel with the programs of userland, and a way to run one command line to its end.
import { DUMMY_MODULE } from '../drivers/dummy.ts';
import { LOOPBACK_MODULE } from '../drivers/loopback.ts';
import type { ModuleDef } from '../kernel/module.ts';
import { VETH_MODULE } from '../drivers/veth.ts';
import { PROGRAMS } from '../userland/programs.ts';
import { bootKernel, type KernelFixture, runFor, spawnSpec } from './kernel_fixture.ts';

export interface ToolResult {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

export interface ToolFixture extends KernelFixture {
  /** Runs a command (words apart by blanks) for at most `seconds` of simulated time; status -1 when it has not ended then. */
  run(command: string, options?: { readonly netns?: string; readonly seconds?: number; readonly stdin?: string }): ToolResult;
}

/** lo, veth and dummy links can be made, and those of `more` modules; nothing is up. */
export function bootTools(more: readonly ModuleDef[] = []): ToolFixture {
  const f = bootKernel({
    modules: { builtin: [LOOPBACK_MODULE], loadable: [VETH_MODULE, DUMMY_MODULE, ...more] },
    cpus: 2,
    programs: PROGRAMS,
  });
  return {
    ...f,
    run(command, { netns = '', seconds = 60, stdin } = {}) {
      const { procs } = f.kernel;
      procs.drainOutput();
      const spec = spawnSpec(command.split(' '), netns);
      const p = procs.spawn(stdin === undefined ? spec : { ...spec, stdin: { kind: 'host' } });
      if ('errno' in p) throw new Error(`${command}: ${p.errno} ${p.what}`);
      if (stdin !== undefined) procs.feed(p.pid, stdin, true);
      const end = f.sim.now + seconds * 1e9;
      while (!p.exited && f.sim.now < end) runFor(f.sim, 1e7);
      const text = procs.drainOutput()?.out.filter((o) => o.pid === p.pid) ?? [];
      const of = (fd: number): string =>
        text
          .filter((o) => o.fd === fd)
          .map((o) => o.data)
          .join('');
      return { status: p.exited ? p.status : -1, out: of(1), err: of(2) };
    },
  };
}
