// Tracepoints of the hardware side: what Linux cannot see.
import { event } from '../trace/trace.ts';

const hex = (n: number | string | boolean): string => `0x${Number(n).toString(16)}`;

export const VirtqPop = event(
  'virtio_device:virtq_pop',
  { dev: 'str', queue: 'u32', head: 'u32', addr: 'addr', out: 'u32', in: 'u32' },
  (e) => `${e.dev} q${e.queue} head=${e.head} addr=${hex(e.addr)} out=${e.out} in=${e.in}`,
);
export const VirtqPush = event(
  'virtio_device:virtq_push',
  { dev: 'str', queue: 'u32', head: 'u32', len: 'u32' },
  (e) => `${e.dev} q${e.queue} head=${e.head} len=${e.len}`,
);
/** The driver rang a doorbell. */
export const VirtioNotify = event('virtio_device:notify', { dev: 'str', queue: 'u32' }, (e) => `${e.dev} q${e.queue}`);
/** The device sent an interrupt message; queue -1 is a configuration change. `msix` is false when MSI-X is off or the vector is none. */
export const VirtioInterrupt = event(
  'virtio_device:interrupt',
  { dev: 'str', queue: 'i32', vector: 'u16', msix: 'bool' },
  (e) => `${e.dev} ${e.queue === -1 ? 'config' : `q${e.queue}`} vector=${e.vector}${e.msix === true ? '' : ' not delivered'}`,
);
export const VirtioFault = event(
  'virtio_device:fault',
  { dev: 'str', queue: 'i32', kind: 'str', text: 'str' },
  (e) => `${e.dev} q${e.queue} ${e.text}`,
);
export const VirtioStatus = event(
  'virtio_device:status',
  { dev: 'str', status: 'u8', names: 'str' },
  (e) => `${e.dev} ${hex(e.status)} ${e.names}`,
);

/** A packet left a transmit chain as wire frame `frame`; a segmented packet gives several records with the same head. */
export const NicTx = event(
  'virtio_net_device:tx',
  { dev: 'str', queue: 'u32', head: 'u32', addr: 'addr', frame: 'u64', len: 'u32' },
  (e) => `${e.dev} q${e.queue} head=${e.head} frame=${e.frame} len=${e.len}`,
);
/** A wire frame was written to a receive chain; addr is where its first byte (after the header) went. */
export const NicRx = event(
  'virtio_net_device:rx',
  { dev: 'str', queue: 'u32', head: 'u32', addr: 'addr', frame: 'u64', len: 'u32', buffers: 'u16' },
  (e) => `${e.dev} q${e.queue} head=${e.head} frame=${e.frame} len=${e.len} buffers=${e.buffers}`,
);
/** A frame ended in the device. */
export const NicDrop = event(
  'virtio_net_device:drop',
  { dev: 'str', queue: 'i32', frame: 'u64', len: 'u32', reason: 'str' },
  (e) => `${e.dev} q${e.queue} frame=${e.frame} len=${e.len} reason=${e.reason}`,
);

export const PciCfgRead = event(
  'pci:cfg_read',
  { dev: 'str', reg: 'u16', size: 'u8', value: 'u32' },
  (e) => `${e.dev} @${hex(e.reg)} -> ${hex(e.value)}`,
);
export const PciCfgWrite = event(
  'pci:cfg_write',
  { dev: 'str', reg: 'u16', size: 'u8', value: 'u32' },
  (e) => `${e.dev} @${hex(e.reg)} <- ${hex(e.value)}`,
);
export const PciMsi = event(
  'pci:msi',
  { dev: 'str', vector: 'u16', address: 'addr', data: 'u32' },
  (e) => `${e.dev} vector=${e.vector} address=${hex(e.address)} data=${hex(e.data)}`,
);
export const PciMsix = event(
  'pci:msix',
  { dev: 'str', vector: 'u16', address: 'addr', data: 'u32' },
  (e) => `${e.dev} vector=${e.vector} address=${hex(e.address)} data=${hex(e.data)}`,
);
