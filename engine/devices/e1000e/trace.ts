// Tracepoints of the 82574L: register accesses, packets between ring and wire, interrupts.
import { event } from '../../trace/trace.ts';
import { registerName } from '../../pci/e1000e_regs.ts';

const hex = (n: number | string | boolean): string => `0x${Number(n).toString(16)}`;

export const E1000eRegRead = event(
  'e1000e_device:reg_read',
  { dev: 'str', reg: 'u32', value: 'u32' },
  (e) => `${e.dev} ${registerName(Number(e.reg))} -> ${hex(e.value)}`,
);
export const E1000eRegWrite = event(
  'e1000e_device:reg_write',
  { dev: 'str', reg: 'u32', value: 'u32' },
  (e) => `${e.dev} ${registerName(Number(e.reg))} <- ${hex(e.value)}`,
);
/** A packet left the transmit ring as wire frame `frame`; segmentation gives several records with one descriptor. */
export const E1000eTx = event(
  'e1000e_device:tx',
  { dev: 'str', queue: 'u32', desc: 'u32', frame: 'u64', len: 'u32' },
  (e) => `${e.dev} q${e.queue} desc=${e.desc} frame=${e.frame} len=${e.len}`,
);
/** A wire frame was written to the receive ring; `desc` is its first descriptor. */
export const E1000eRx = event(
  'e1000e_device:rx',
  { dev: 'str', queue: 'u32', desc: 'u32', addr: 'addr', frame: 'u64', len: 'u32' },
  (e) => `${e.dev} q${e.queue} desc=${e.desc} frame=${e.frame} len=${e.len}`,
);
/** A packet ended in the device. */
export const E1000eDrop = event(
  'e1000e_device:drop',
  { dev: 'str', frame: 'u64', len: 'u32', reason: 'str' },
  (e) => `${e.dev} frame=${e.frame} len=${e.len} reason=${e.reason}`,
);
/** Causes became pending; `sent` are those for which a message left now. */
export const E1000eInterrupt = event(
  'e1000e_device:interrupt',
  { dev: 'str', causes: 'u32', vector: 'i32' },
  (e) => `${e.dev} causes=${hex(e.causes)} vector=${e.vector}`,
);
