// What a lab says: machines, NICs, cables. Plain data; main/host/labs.ts reads it from YAML and validates it.
import type { FaultSpec } from './fault_kinds.ts';
import type { VariantName } from '../drivers/variants/variants.ts';
import { COST_TABLE, type CostName } from '../platform/costs.ts';
import type { NicQuirkName } from '../devices/quirks/quirks.ts';
import type { NetOptions } from '../devices/virtio_net_features.ts';

export { VARIANT_NAMES, type VariantName } from '../drivers/variants/variants.ts';
export { NIC_QUIRK_NAMES, type NicQuirkName } from '../devices/quirks/quirks.ts';
export { NIC_LIMITS } from '../devices/virtio_net.ts';
export { NET_PROPERTIES, NET_PROPERTY_NAMES, type NetOptions, type NetProperty } from '../devices/virtio_net_features.ts';

export const NIC_MODELS = ['virtio-net', 'e1000e'] as const;
export const E1000E_CHIPS = ['intel', 'qemu'] as const;
export type NicModelName = (typeof NIC_MODELS)[number];

/** How a virtio NIC is reached: over PCI with both interfaces, the modern or the legacy one alone, or as registers on the board, of version 2 or 1. */
export const NIC_TRANSPORTS = ['transitional', 'modern', 'legacy', 'mmio', 'mmio-legacy'] as const;
/** So many virtio-mmio devices a board has lines for. */
export const MMIO_MAX = 7;
export type NicTransport = (typeof NIC_TRANSPORTS)[number];

export interface NicSpec {
  /** Port name within the machine: 'nic0'. */
  readonly port: string;
  readonly model: NicModelName;
  /** '52:54:00:12:34:56' */
  readonly mac: string;
  /** Queue pairs, 1..64; an e1000e has one. */
  readonly queuePairs: number;
  /** Entries per virtqueue, a power of two ≤ 1024; an e1000e's driver chooses its own. */
  readonly ringSize: number;
  /** Slot on bus 0; undefined: the next free one. */
  readonly slot: number | undefined;
  /** Transitional when absent. */
  readonly transport?: NicTransport;
  /** Doorbells a page apart (QEMU's page-per-vq); off when absent. */
  readonly pagePerVq?: boolean;
  /** MSI-X vectors, 0 for none at all; undefined: one per queue plus one for configuration, as QEMU's default. */
  readonly vectors: number | undefined;
  /** Properties of a virtio-net device that are not QEMU's defaults. */
  readonly net?: NetOptions;
  /** Rings are offered packed (QEMU's packed=on); off when absent. */
  readonly packed?: boolean;
  /** The device offers to use buffers in order (VIRTIO_F_IN_ORDER); off when absent. */
  readonly inOrder?: boolean;
  /** Doorbells with data are offered (VIRTIO_F_NOTIFICATION_DATA); off when absent. */
  readonly notificationData?: boolean;
  /** QEMU's indirect_desc, event_idx and queue_reset; on when absent. */
  readonly indirect?: boolean;
  readonly eventIdx?: boolean;
  readonly ringReset?: boolean;
  /** Of an e1000e: Intel's controller, or QEMU's model of it with its own ways; the first when absent. */
  readonly chip?: E1000eChipName;
  /** Known mistakes that the device has (engine/devices/quirks). */
  readonly quirks?: readonly NicQuirkName[];
}
export type E1000eChipName = (typeof E1000E_CHIPS)[number];

export interface MachineSpec {
  readonly name: string;
  readonly cpus: number;
  readonly ramBytes: number;
  readonly x: number;
  readonly y: number;
  readonly nics: readonly NicSpec[];
  /** Module names loaded at boot, in order. */
  readonly autoload: readonly string[];
  /** Shell script run when the lab starts. */
  readonly setup: string;
  readonly costs: Partial<Record<CostName, number>>;
  /** Words added to the boot command line: 'pci=nomsi'. */
  readonly cmdline?: string;
  /** The board has an IOMMU, and the kernel makes it translate, or let everything pass; none when absent. */
  readonly iommu?: 'on' | 'passthrough';
  /** What the real-time clock shows at boot, whole seconds since the Unix epoch; the start of 2026 when absent. */
  readonly rtc?: number;
  /** Drivers are watched for what they must not do; on when absent. */
  readonly contract?: boolean;
  /** Variants of drivers that take the places of the real ones (engine/drivers/variants). */
  readonly variants?: readonly VariantName[];
}

export interface CableSpec {
  readonly a: { readonly machine: string; readonly port: string };
  readonly b: { readonly machine: string; readonly port: string };
  /** bit/s, 0 = unlimited */
  readonly rate: number;
  /** ns, one way */
  readonly delay: number;
  /** probability of losing a frame, 0..1 */
  readonly loss: number;
  readonly up: boolean;
  /** A virtual wire: large packets and partial checksums go over it as they are, when the other end takes them. */
  readonly vnet?: boolean;
}

export interface LabSpec {
  readonly name: string;
  readonly notes: string;
  readonly seed: number;
  readonly machines: readonly MachineSpec[];
  readonly cables: readonly CableSpec[];
  /** Faults to inject; `after` counts from the world's start. */
  readonly faults?: readonly FaultSpec[];
  /** `ringscope run`: one shell script per line group, by machine. */
  readonly script: readonly ScriptStep[];
  /** Rules of the contract that this lab's drivers break, as 'MACHINE RULE'; nothing else may be found in it. */
  readonly findings?: readonly string[];
}

export interface ScriptStep {
  readonly machine: string;
  readonly run: string;
  /** What its output has in this lab: regular expressions. */
  readonly expect?: readonly string[];
  /** And what it has in the same lab without variants and quirks. */
  readonly fixed?: readonly string[];
}

/** The same lab with the real drivers, and devices as they should be; nothing is to be found in it. */
export function fixedLab(lab: LabSpec): LabSpec {
  const { findings: _, ...rest } = lab;
  return {
    ...rest,
    machines: lab.machines.map(({ variants: _v, ...m }) => ({ ...m, nics: m.nics.map(({ quirks: _q, ...n }) => n) })),
    script: lab.script.map(({ machine, run, fixed }) => ({ machine, run, ...(fixed === undefined ? {} : { expect: fixed }) })),
  };
}

export const cableId = (c: Pick<CableSpec, 'a' | 'b'>): string => `${c.a.machine}:${c.a.port}--${c.b.machine}:${c.b.port}`;

export const DEFAULT_RAM_BYTES = 16 * 1024 * 1024;
export const DEFAULT_AUTOLOAD: readonly string[] = Object.freeze(['virtio_pci', 'virtio_net']);
export const DEFAULT_RING_SIZE = 256;
export const DEFAULT_CABLE = Object.freeze({ rate: 10e9, delay: 5_000, loss: 0, up: true });

/** Names of the costs a lab may set. */
export const COST_NAMES = Object.freeze(Object.keys(COST_TABLE)) as readonly CostName[];
