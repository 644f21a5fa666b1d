// Rings and chains for the window: the engine's views, with the history that the trace knows.
import { chainView, namedArgs, ringList, type Session } from '../../engine/index.ts';
import type { ChainView, RingId, RingInfo } from '../../preload/contract.ts';
import { UserError } from './protocol.ts';
import type { Stores } from './stores.ts';

export const ringsOf = (session: Session): readonly RingInfo[] => ringList(session.world);

/** How far back the history of a mapping is searched, records. */
const HISTORY = 100_000;

export function chainOf(session: Session, stores: Stores, p: RingId & { readonly descriptor: number }): ChainView {
  const chain = chainView(session.world, p, p.descriptor);
  if (chain === undefined) throw new UserError(`There is no descriptor ${p.descriptor} in queue ${p.queue} of ${p.machine}:${p.port}.`);
  const { mapping } = chain;
  return {
    ...chain,
    mapping: mapping === undefined ? undefined : { ...mapping, history: mappingHistory(stores, session.event, p.machine, mapping.dma) },
  };
}

/** The latest map and unmap records of a bus address, oldest first. */
function mappingHistory(stores: Stores, event: number, machine: string, dma: number): string[] {
  const { trace } = stores;
  const out: string[] = [];
  const total = trace.upTo(event);
  for (let i = total - 1; i >= Math.max(trace.first, total - HISTORY) && out.length < 8; i--) {
    const r = trace.get(i);
    if (r === undefined || r.who !== machine || !r.def.name.startsWith('dma:')) continue;
    const args = namedArgs(r.def, r.args);
    if (args['dma'] === dma) out.push(`${(r.time / 1e9).toFixed(9)} s ${r.def.name.slice(4)} ${r.def.format(args)}`);
  }
  return out.reverse();
}
