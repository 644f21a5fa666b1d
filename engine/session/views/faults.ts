// What is wrong in a world on purpose, and what its drivers did wrong: injected faults and the contract checker's findings.
import { violationText } from '../../machine/queries.ts';
import type { FaultSpec } from '../../machine/fault_kinds.ts';
import type { World } from '../../machine/world.ts';

export interface FaultView {
  readonly id: number;
  readonly spec: FaultSpec;
  readonly phase: 'waiting' | 'armed' | 'over';
  /** How often it struck, of how many occasions. */
  readonly strikes: number;
  readonly occasions: number;
  readonly lastStrike: number | undefined;
}

export function faultViews(world: World): FaultView[] {
  return world.faults.list.map((f) => ({
    id: f.id,
    spec: f.spec,
    phase: f.phase,
    strikes: f.state?.strikes ?? 0,
    occasions: f.state?.seen ?? 0,
    lastStrike: f.lastStrike < 0 ? undefined : f.lastStrike,
  }));
}

export interface ViolationView {
  readonly machine: string;
  readonly rule: string;
  readonly time: number;
  readonly event: number;
  readonly text: string;
  readonly count: number;
}

/** All machines' findings, in order of time. */
export function violationViews(world: World): ViolationView[] {
  const out: ViolationView[] = [];
  for (const [machine, m] of world.machines)
    for (const v of m.kernel.contract.violations)
      out.push({ machine, rule: v.rule, time: v.time, event: v.event, text: violationText(v), count: v.count });
  return out.sort((a, b) => a.time - b.time);
}

/** How many findings there are; cheap, for asking often. */
export function violationCount(world: World): number {
  let n = 0;
  for (const m of world.machines.values()) n += m.kernel.contract.violations.length;
  return n;
}
