// Faults that NIC models have in common when they are injected: writing past a buffer, wrong verdicts on checksums.
import type { DmaPort } from '../platform/bus.ts';

const GARBAGE = 0xdb;

/** Receive queue n is queue 2n, transmit queue n is 2n + 1, as a virtio device numbers them. */
export const txQueueNumber = (queue: number): number => 2 * queue + 1;

/** Bytes that the device writes past the end of a buffer, when that is to happen now. */
export function writePast(mem: DmaPort, queue: number, end: number): void {
  const fault = mem.faults?.strike('write-past-buffer', queue, `buffer that ends at 0x${end.toString(16)}`);
  if (fault === undefined) return;
  const { value: length } = fault.on;
  // a device that overruns does not ask; what may be written is written, the rest the bus refuses
  if (mem.check(end, length, true) !== undefined) return;
  for (let i = 0; i < length; i++) mem.setU8(end + i, GARBAGE);
}

/** The verdict on a packet's checksum, or its opposite when that is to happen now. */
export function verdict(mem: DmaPort, queue: number, valid: boolean): boolean {
  return mem.faults?.strike('wrong-checksum-verdict', queue, valid ? 'a good checksum' : 'a bad checksum') === undefined ? valid : !valid;
}

/** The length that is reported for a buffer, or a wrong one when that is to happen now. */
export function writtenLength(mem: DmaPort, queue: number, length: number): number {
  return mem.faults?.strike('wrong-used-length', queue, `${length} bytes`)?.on.value ?? length;
}
