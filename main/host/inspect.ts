// The inspector's requests.
import { inspectCable, inspectInterface, inspectMachine, inspectNic, type World } from '../../engine/index.ts';
import type { InspectorSection, Requests } from '../../preload/contract.ts';
import { UserError } from './protocol.ts';

export function inspect(world: World, p: Requests['inspect.get'][0]): readonly InspectorSection[] {
  const found =
    'cable' in p
      ? inspectCable(world, p.cable)
      : p.port !== undefined
        ? inspectNic(world, p.machine, p.port)
        : p.ifname !== undefined
          ? inspectInterface(world, p.machine, p.netns ?? '', p.ifname)
          : inspectMachine(world, p.machine);
  if (found === undefined) throw new UserError('What was selected is no longer there.');
  return found;
}
