// Tracepoints of the interrupt core, as Linux formats them.
import { event } from '../trace/trace.ts';

export const IrqHandlerEntry = event('irq:irq_handler_entry', { irq: 'u32', name: 'str' }, (e) => `irq=${e.irq} name=${e.name}`);
export const IrqHandlerExit = event(
  'irq:irq_handler_exit',
  { irq: 'u32', ret: 'u32' },
  (e) => `irq=${e.irq} ret=${e.ret !== 0 ? 'handled' : 'unhandled'}`,
);
