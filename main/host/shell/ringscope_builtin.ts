// `ringscope` in a machine's shell: what is done to the world from outside it – faults injected, listed, taken away – and what drivers did wrong.
import { FAULT_KINDS, type FaultKindDef } from '../../../engine/index.ts';
import { formatFault, parseFault } from '../faults.ts';
import type { Io } from './redirect.ts';
import type { ShellState } from './state.ts';

const USAGE = `usage: ringscope fault kinds                   the faults there are
       ringscope fault inject KIND@PLACE[,KEY=VALUE...]
       ringscope fault list
       ringscope fault clear ID | all
       ringscope contract                      what drivers did that they must not do
`;

export async function ringscope(args: readonly string[], state: ShellState, io: Io): Promise<number> {
  const [what, verb, ...rest] = args;
  const { outside } = state.port;
  const fail = async (text: string): Promise<number> => {
    await io.stderr.write(text);
    return 1;
  };
  if (what === 'contract' && verb === undefined) {
    const found = outside.violations();
    for (const v of found) await io.stdout.write(`${v.machine}: ${v.text}\n`);
    return found.length === 0 ? 0 : 1;
  }
  if (what !== 'fault') return fail(USAGE);
  switch (verb) {
    case 'kinds':
      for (const [name, def] of Object.entries(FAULT_KINDS) as [string, FaultKindDef][])
        await io.stdout.write(`${name.padEnd(24)}${def.target.padEnd(9)}${def.title}\n`);
      return 0;
    case 'list':
      for (const f of outside.faults())
        await io.stdout.write(`${f.id}: ${formatFault(f.spec)} ${f.phase}, struck ${f.strikes} of ${f.occasions}\n`);
      return 0;
    case 'inject': {
      const spec = rest.length === 1 ? parseFault(rest[0]) : 'one fault is needed: KIND@PLACE[,KEY=VALUE...]';
      const done = typeof spec === 'string' ? spec : outside.injectFault(spec);
      if (typeof done === 'string') return fail(`ringscope: ${done}\n`);
      await io.stdout.write(`${done}\n`);
      return 0;
    }
    case 'clear': {
      const ids =
        rest[0] === 'all'
          ? outside
              .faults()
              .filter((f) => f.phase !== 'over')
              .map((f) => f.id)
          : rest.map(Number);
      if (rest.length === 0) return fail(USAGE);
      for (const id of ids) {
        const why = outside.clearFault(id);
        if (why !== undefined) return fail(`ringscope: ${why}\n`);
      }
      return 0;
    }
    default:
      return fail(USAGE);
  }
}
