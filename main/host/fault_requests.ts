// What windows ask about faults, and the contract checker's findings as problems.
import type { FaultInfo, FaultRequest, Problem } from '../../preload/contract.ts';
import { FAULT_KINDS, type FaultKind, type FaultKindDef, type FaultSpec, violationViews, type World } from '../../engine/index.ts';
import { formatFault } from './faults.ts';
import { type Handlers, UserError } from './protocol.ts';
import type { Runtime } from './runtime.ts';

type FaultHandlers = Pick<Handlers, 'fault.kinds' | 'fault.list' | 'fault.inject' | 'fault.clear'>;

/** `runtime` answers the one of the lab that is open now. */
export function faultHandlers(runtime: () => Runtime): FaultHandlers {
  const list = (): FaultInfo[] =>
    runtime()
      .outside.faults()
      .map(({ id, spec, phase, strikes, occasions }) => ({
        id,
        kind: spec.kind,
        at: spec.at,
        text: formatFault(spec),
        phase,
        strikes,
        occasions,
      }));
  return {
    'fault.kinds': () =>
      (Object.entries(FAULT_KINDS) as [FaultKind, FaultKindDef][]).map(([kind, d]) => ({
        kind,
        target: d.target,
        title: d.title,
        ...(d.value === undefined ? {} : { value: d.value }),
        fn: d.fn === true,
        symptom: d.symptom,
        recovery: d.recovery,
      })),
    'fault.list': list,
    'fault.inject': (request) => {
      const done = runtime().outside.injectFault(asSpec(request));
      if (typeof done === 'string') throw new UserError(`The fault was not injected: ${done}.`);
      return list();
    },
    'fault.clear': ({ id }) => {
      const why = runtime().outside.clearFault(id);
      if (why !== undefined) throw new UserError(`The fault was not cleared: ${why}.`);
      return list();
    },
  };
}

function asSpec(r: FaultRequest): FaultSpec {
  if (!(r.kind in FAULT_KINDS)) throw new UserError(`'${r.kind}' is not a fault.`);
  return { ...r, kind: r.kind as FaultKind };
}

export function contractProblems(world: World): Problem[] {
  return violationViews(world).map((v) => ({ severity: 'warning', text: v.text, where: `${v.machine}: contract`, event: v.event }));
}
