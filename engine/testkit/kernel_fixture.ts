// A kernel booted on a bare platform: what tests of the kernel's subsystems stand on.
import { Kernel, type KernelSpec } from '../kernel/kernel.ts';
import type { ModuleTable } from '../kernel/module.ts';
import { Process, type ProgramTable, type SpawnSpec } from '../kernel/process.ts';
import type { Net } from '../kernel/net_namespace.ts';
import { defaultCosts } from '../platform/costs.ts';
import { Platform } from '../platform/platform.ts';
import { Sim } from '../sim/sim.ts';
import { Trace } from '../trace/trace.ts';

export interface KernelFixtureOptions {
  readonly cpus?: number;
  readonly seed?: number;
  readonly machine?: string;
  readonly ramBytes?: number;
  readonly modules?: ModuleTable;
  readonly programs?: ProgramTable;
  readonly autoload?: readonly string[];
  readonly cmdline?: string;
  readonly iommu?: boolean;
  /** Watch drivers with the contract checker. */
  readonly contract?: boolean;
  /** Share these to have several machines in one world. */
  readonly sim?: Sim;
  readonly trace?: Trace;
}

export interface KernelFixture {
  readonly sim: Sim;
  readonly trace: Trace;
  readonly platform: Platform;
  readonly kernel: Kernel;
}

const NO_PROGRAMS: ProgramTable = Object.freeze({ names: Object.freeze([]), create: () => undefined });
const NO_MODULES: ModuleTable = Object.freeze({ builtin: Object.freeze([]), loadable: Object.freeze([]) });

/** Boots a kernel; devices are to be put on `platform.bus` before, with `makePlatform`, when a test has any. */
export function bootKernel(options: KernelFixtureOptions = {}): KernelFixture {
  const fixture = makePlatform(options);
  return { ...fixture, kernel: bootOn(fixture.platform, options) };
}

export function makePlatform(options: KernelFixtureOptions = {}): {
  readonly sim: Sim;
  readonly trace: Trace;
  readonly platform: Platform;
} {
  const sim = options.sim ?? new Sim(options.seed ?? 1);
  const trace = options.trace ?? new Trace(sim);
  const platform = new Platform(
    {
      machine: options.machine ?? 'h1',
      ramBytes: options.ramBytes ?? 16 << 20,
      cpus: options.cpus ?? 2,
      costs: defaultCosts(),
      iommu: options.iommu ?? false,
    },
    sim,
    trace,
  );
  return { sim, trace, platform };
}

/** Puts a kernel on a platform that may have devices already. */
export function bootOn(platform: Platform, options: KernelFixtureOptions = {}): Kernel {
  const spec: KernelSpec = {
    hostname: platform.machine,
    modules: options.modules ?? NO_MODULES,
    programs: options.programs ?? NO_PROGRAMS,
    autoload: options.autoload ?? [],
    cmdline: options.cmdline ?? '',
    contract: options.contract ?? false,
  };
  const kernel = new Kernel(platform, spec);
  platform.cpus.entries = kernel;
  kernel.boot();
  return kernel;
}

/** Runs the world for `nanoseconds`, or until nothing is left to happen. */
export function runFor(sim: Sim, nanoseconds: number): void {
  const end = sim.now + nanoseconds;
  for (let next = sim.peek(); next !== undefined && next <= end; next = sim.peek()) sim.step();
  sim.advance(end as typeof sim.now);
}

/** A process that does nothing: for tests that need a caller's context. */
export class IdleProcess extends Process {
  main(): void {
    // waits for ever
  }
}

export const idleProcess = (kernel: Kernel, net: Net = kernel.init_net): Process => new IdleProcess(kernel, net, ['sh']);

/** A SpawnSpec with the usual defaults. */
export const spawnSpec = (argv: readonly string[], netns = ''): SpawnSpec => ({
  argv,
  netns,
  cwd: '/',
  env: {},
  stdin: { kind: 'null' },
  stdout: { kind: 'host' },
  stderr: { kind: 'host' },
});
