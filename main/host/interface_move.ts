// Moving an interface to another namespace from the canvas: the command a person would type, run in the machine as its own input.
import type { Edit } from '../../preload/contract.ts';
import { UserError } from './protocol.ts';
import type { Runtime } from './runtime.ts';

export type InterfaceMove = Extract<Edit, { op: 'iface.move' }>;

/** ip-link(8): init_net has no name, but process 1 lives in it. */
function argv({ netns, ifname, to }: InterfaceMove): readonly string[] {
  return ['ip', ...(netns === '' ? [] : ['-n', netns]), 'link', 'set', ifname, 'netns', to === '' ? '1' : to];
}

export function moveCommand(move: InterfaceMove): string {
  return argv(move).join(' ');
}

/** Runs it at the current instant; answers the move back. As in Linux, the interface arrives down and without addresses. */
export function moveInterface(runtime: Runtime, move: InterfaceMove): InterfaceMove {
  const { machine } = move;
  if (!runtime.session.world.machines.has(machine)) throw new UserError(`There is no machine '${machine}' in this lab.`);
  let said = '';
  let status: number | undefined;
  const started = runtime
    .port(machine)
    .spawn(
      { argv: argv(move), netns: '', cwd: '/', env: {}, stdin: { kind: 'null' }, stdout: { kind: 'host' }, stderr: { kind: 'host' } },
      { output: (_fd, text) => (said += text), exited: (code) => (status = code) },
    );
  runtime.deliver();
  if (started === undefined || 'errno' in started || status !== 0)
    throw new UserError(`${moveCommand(move)}: ${said.trim() || 'the command did not end well'}`);
  return { ...move, netns: move.to, to: move.netns };
}
