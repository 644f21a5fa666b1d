// The common configuration as a register table: each field of the layout with its access word, and the hooks behind the ones that act.
import type { Field } from '../base/layout.ts';
import { TOO_LARGE } from '../base/memory.ts';
import { ops } from '../base/ops.ts';
import { F, featureHalf, withFeatureHalf } from '../virtio/features.ts';
import { VIRTIO_MSI_NO_VECTOR, VirtioPciCommonCfg as C } from '../virtio/pci_cfg.ts';
import { VIRTIO_CONFIG_S } from '../virtio/status.ts';
import type { VirtioPci } from './virtio_pci.ts';
import type { Virtqueue } from './virtqueue.ts';

/** A register: `read` always; no `write` makes it read-only. A 64-bit field is two registers of 32 bits. */
interface Register {
  readonly offset: number;
  readonly size: number;
  read(t: VirtioPci): number;
  write?(t: VirtioPci, value: number): void;
}

const row = (field: Field, read: Register['read'], write?: Register['write']): Register =>
  ops({ offset: field.offset, size: field.size, read, ...(write === undefined ? {} : { write }) });

const selected = (t: VirtioPci): Virtqueue | undefined => t.queues[t.queueSelect];

type AddressKey = 'desc' | 'driver' | 'device';
const addressRows = (field: Field, key: AddressKey): Register[] => [
  ops({
    offset: field.offset,
    size: 4,
    read: (t: VirtioPci) => (selected(t)?.[key] ?? 0) >>> 0,
    write: (t: VirtioPci, value: number) => setAddress(t, key, (old) => Math.floor(old / 0x100000000) * 0x100000000 + value),
  }),
  ops({
    offset: field.offset + 4,
    size: 4,
    read: (t: VirtioPci) => Math.floor((selected(t)?.[key] ?? 0) / 0x100000000),
    // an address of 2^53 and more cannot be in memory; it saturates and is refused when the queue is enabled
    write: (t: VirtioPci, value: number) => setAddress(t, key, (old) => (value < 0x200000 ? value * 0x100000000 + (old >>> 0) : TOO_LARGE)),
  }),
];

function setAddress(t: VirtioPci, key: AddressKey, next: (old: number) => number): void {
  const q = selected(t);
  // virtio-v1.2 §4.1.4.3.2: the driver configures a queue before it enables it
  if (q !== undefined && !q.enabled) q[key] = next(q[key]);
}

const ROWS: readonly Register[] = [
  row(
    C.device_feature_select,
    (t) => t.deviceFeatureSelect,
    (t, v) => (t.deviceFeatureSelect = v),
  ),
  row(C.device_feature, (t) => featureHalf(t.offered, t.deviceFeatureSelect)),
  row(
    C.driver_feature_select,
    (t) => t.driverFeatureSelect,
    (t, v) => (t.driverFeatureSelect = v),
  ),
  row(
    C.driver_feature,
    (t) => featureHalf(t.driverFeatures, t.driverFeatureSelect),
    (t, v) => {
      // virtio-v1.2 §2.2.1: the set is fixed once FEATURES_OK is
      if ((t.status & VIRTIO_CONFIG_S.FEATURES_OK) === 0) t.driverFeatures = withFeatureHalf(t.driverFeatures, t.driverFeatureSelect, v);
    },
  ),
  row(
    C.config_msix_vector,
    (t) => t.configVector,
    (t, v) => (t.configVector = t.vectorOrNone(v)),
  ),
  row(C.num_queues, (t) => t.queues.length),
  row(
    C.device_status,
    (t) => t.status,
    (t, v) => t.writeStatus(v),
  ),
  row(C.config_generation, (t) => t.generation),
  row(
    C.queue_select,
    (t) => t.queueSelect,
    (t, v) => (t.queueSelect = v),
  ),
  row(
    C.queue_size,
    (t) => selected(t)?.size ?? 0,
    (t, v) => selected(t)?.resize(v, t.driverFeatures),
  ),
  row(
    C.queue_msix_vector,
    (t) => selected(t)?.vector ?? VIRTIO_MSI_NO_VECTOR,
    (t, v) => {
      const q = selected(t);
      if (q !== undefined) q.vector = t.vectorOrNone(v);
    },
  ),
  row(
    C.queue_enable,
    (t) => (selected(t)?.enabled === true ? 1 : 0),
    (t, v) => {
      const q = selected(t);
      // virtio-v1.2 §4.1.4.3.2: 0 must not be written
      if (q !== undefined && v === 1 && !q.enabled) t.enableQueue(q);
    },
  ),
  row(C.queue_notify_off, (t) => (selected(t) === undefined ? 0 : t.queueSelect)),
  ...addressRows(C.queue_desc, 'desc'),
  ...addressRows(C.queue_driver, 'driver'),
  ...addressRows(C.queue_device, 'device'),
  row(C.queue_notify_data, (t) => (selected(t) === undefined ? 0 : t.queueSelect)),
  row(
    C.queue_reset,
    // virtio-v1.2 §4.1.4.3.1: reads 1 until done; the reset is done when the write returns
    () => 0,
    (t, v) => {
      const q = selected(t);
      // virtio-v1.2 §4.1.4.3.2: only with VIRTIO_F_RING_RESET
      if (q?.enabled === true && v === 1 && (t.driverFeatures & F.VIRTIO_F_RING_RESET) !== 0n) t.resetQueue(q);
    },
  ),
];
const BY_OFFSET: readonly (Register | undefined)[] = Array.from({ length: C.$size }, (_, at) => ROWS.find((r) => r.offset === at));

/** virtio-v1.2 §4.1.3.1: accesses have the field's width; anything else reads 0 and writes nothing. */
export function readCommon(t: VirtioPci, offset: number, size: number): number {
  const r = BY_OFFSET[offset];
  return r !== undefined && r.size === size ? r.read(t) >>> 0 : 0;
}

export function writeCommon(t: VirtioPci, offset: number, size: number, value: number): void {
  const r = BY_OFFSET[offset];
  if (r !== undefined && r.size === size) r.write?.(t, value);
}
