// Tracepoints of cables.
import { event } from '../trace/trace.ts';

/** One frame given to a cable, at the time its first bit leaves; `arrives` is when the last bit is at the other end. */
export const LinkFrame = event(
  'link:frame',
  { from: 'str', to: 'str', frame: 'u64', len: 'u32', sent: 'ns', arrives: 'ns', lost: 'str' },
  (e) => `${e.from} -> ${e.to} frame=${e.frame} len=${e.len} arrives=${e.arrives}${e.lost === '' ? '' : ` lost: ${e.lost}`}`,
);
export const LinkState = event('link:state', { cable: 'str', up: 'bool' }, (e) => `${e.cable} ${e.up === true ? 'up' : 'down'}`);
