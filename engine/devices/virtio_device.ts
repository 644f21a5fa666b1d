// What a virtio device model is to its transport, and the transport to the model.
import type { ByteMem } from '../base/memory.ts';
import type { DmaPort } from '../platform/bus.ts';
import type { VirtqFaultKind } from './virtq_fault.ts';
import type { RingFormats, Virtqueue } from './virtqueue.ts';

/** A device type: virtio-net and whatever comes. The transport owns queues, status and features; the model owns what they mean. */
export interface VirtioDevice {
  /** virtio-v1.2 §5: VIRTIO_ID.* */
  readonly deviceId: number;
  /** Features the model implements; the transport adds VERSION_1 and the ring features. */
  readonly features: bigint;
  /** Features of ring and transport that every device offers, and this one does not. */
  readonly withheld?: bigint;
  /** Ring formats of its own; the specification's when absent. */
  readonly ringFormats?: RingFormats;
  /** Features that only a legacy driver is shown (virtio-v1.2 §6.3). */
  readonly legacyFeatures?: bigint;
  /** Device-specific configuration, as the driver reads it. */
  readonly config: ByteMem;
  /** How much of it there is, by the features offered; all when absent. */
  readonly configLength?: number;
  /** Largest size of each queue; the length is the number of queues. */
  readonly queueSizes: readonly number[];
  /** The transport is ready; called once, before anything else. */
  attach(transport: VirtioTransport): void;
  /** FEATURES_OK was accepted. */
  negotiated(features: bigint): void;
  /** DRIVER_OK was set: buffers may be used from now on. */
  driverOk(): void;
  /** The driver rang the bell of an enabled queue. */
  queueNotify(queue: number): void;
  /** virtio-v1.2 §2.6.1: one queue was reset or enabled anew. */
  queueReset(queue: number): void;
  reset(): void;
  /** The driver wrote to the configuration; what it may not change stays. Absent: nothing may be. */
  configWritten?(offset: number, size: number, value: number, legacy: boolean): void;
}

export interface VirtioTransport {
  readonly queues: readonly Virtqueue[];
  /** The device's way to memory. */
  readonly port: DmaPort;
  /** DRIVER_OK is set and the device does not need a reset. */
  readonly running: boolean;
  /** Publishes pushed elements of a queue and interrupts when the driver wants it. */
  flush(queue: Virtqueue): void;
  /** Interrupts for a queue, whose elements are published already. */
  interruptQueue(queue: Virtqueue): void;
  /** The configuration changed (virtio-v1.2 §2.5, §4.1.5.4). */
  configChanged(): void;
  /** The queue's `fault` is set: DEVICE_NEEDS_RESET, and a configuration interrupt (virtio-v1.2 §2.1.2). */
  faulted(queue: Virtqueue): void;
}

/** Marks a queue as broken by the guest and tells the transport. */
export function breakQueue(transport: VirtioTransport, queue: Virtqueue, kind: VirtqFaultKind, head: number, detail: string): void {
  queue.fail(kind, head, detail);
  transport.faulted(queue);
}
