// NICs of a machine as a lab describes them: the device model, and where it sits: a PCI slot, or registers of its own on the board.
import { E1000e } from '../devices/e1000e/e1000e.ts';
import type { PciFunction } from '../devices/pci_function.ts';
import type { VirtioCore, VirtioInterfaces } from '../devices/virtio_core.ts';
import { NIC_QUIRKS } from '../devices/quirks/quirks.ts';
import { VirtioMmio } from '../devices/virtio_mmio.ts';
import { type VirtioNetParts, VirtioNet, type VirtioNetSpec, virtioNetPci } from '../devices/virtio_net.ts';
import type { NicPort } from '../link/port.ts';
import type { MasterPort } from '../platform/bus.ts';
import type { Platform } from '../platform/platform.ts';
import { F } from '../virtio/features.ts';
import { VIRTIO_MMIO_SIZE } from '../virtio/mmio.ts';
import type { NicSpec, NicTransport } from './lab.ts';

/** What every NIC model shows the canvas. */
export interface NicModel extends NicPort {
  /** Changes when the machine is renamed. */
  portName: string;
  readonly mac: Uint8Array;
  readonly linkUp: boolean;
  /** There is a cable, and it is up, whatever the NIC says of its link. */
  readonly wireUp: boolean;
}

/** A virtio-net device and the transport it is behind. */
export interface VirtioNic {
  readonly transport: VirtioCore;
  readonly net: VirtioNet;
}

/** A NIC in its place, and the model behind it. */
export interface Nic {
  spec: NicSpec;
  /** -1: not on PCI. */
  readonly devfn: number;
  /** What Linux calls the device it finds: '0000:00:01.0', 'virtio-mmio.0'. */
  readonly busName: string;
  readonly fn: PciFunction | undefined;
  readonly mmio: VirtioMmio | undefined;
  /** The device's way to memory. */
  readonly port: MasterPort | undefined;
  readonly model: NicModel;
  readonly virtio: VirtioNic | undefined;
  readonly e1000e: E1000e | undefined;
}
export type NicParts = Pick<Nic, 'fn' | 'mmio' | 'port' | 'model' | 'virtio' | 'e1000e'>;

/** Where the board has room for virtio-mmio devices: behind the interrupt messages' window, on lines that nothing else uses. */
const MMIO_BASE = 0xfef00000;
const MMIO_LINES = [5, 6, 7, 10, 11, 14, 15] as const;

export const isMmio = (spec: NicSpec): boolean => spec.transport === 'mmio' || spec.transport === 'mmio-legacy';

/** What the boot command line says of the nth virtio-mmio device (Linux: Documentation/admin-guide/kernel-parameters.txt, virtio_mmio.device). */
export const mmioParameter = (n: number): string =>
  `virtio_mmio.device=${VIRTIO_MMIO_SIZE}@0x${(MMIO_BASE + n * VIRTIO_MMIO_SIZE).toString(16)}:${MMIO_LINES[n]}`;

const INTERFACES: Partial<Record<NicTransport, VirtioInterfaces>> = {
  modern: { legacy: false, modern: true },
  legacy: { legacy: true, modern: false },
};

interface Place {
  readonly portName: string;
  readonly mac: Uint8Array;
}

/** A NIC for a PCI slot ('00:01.0'). */
export function buildPciNic(platform: Platform, spec: NicSpec, place: Place & { readonly slot: string }): NicParts {
  if (spec.model === 'e1000e') {
    const e1000e = new E1000e(platform, { ...place, chip: spec.chip ?? 'intel' });
    return { fn: e1000e.fn, mmio: undefined, port: e1000e.fn.port, model: e1000e, virtio: undefined, e1000e };
  }
  // behind an IOMMU a device has to take bus addresses, which a transitional one does not
  const interfaces = INTERFACES[spec.transport ?? (platform.iommu === undefined ? 'transitional' : 'modern')];
  const { pci, net } = virtioNetPci(platform, {
    ...netSpec(spec, place, place.slot),
    ...(interfaces === undefined ? {} : { interfaces }),
    ...(spec.vectors === undefined ? {} : { vectors: spec.vectors }),
    ...(spec.pagePerVq === undefined ? {} : { pagePerVq: spec.pagePerVq }),
  });
  return { fn: pci.fn, mmio: undefined, port: pci.port, model: net, virtio: { transport: pci, net }, e1000e: undefined };
}

/** The nth virtio-mmio device of a board. */
export function buildMmioNic(platform: Platform, spec: NicSpec, place: Place, n: number): NicParts {
  const base = MMIO_BASE + n * VIRTIO_MMIO_SIZE;
  const described = { ...netSpec(spec, place, `mmio.${n}`), device: 'virtio-net-device' };
  const net = new VirtioNet(platform, described);
  const mmio = new VirtioMmio(
    platform,
    {
      name: net.name,
      legacy: spec.transport === 'mmio-legacy',
      base,
      gsi: MMIO_LINES[n],
      offer: described.offer ?? 0n,
    },
    net,
  );
  return { fn: undefined, mmio, port: mmio.port, model: net, virtio: { transport: mmio, net }, e1000e: undefined };
}

function netSpec(spec: NicSpec, { portName, mac }: Place, slot: string): VirtioNetSpec {
  const { queuePairs, ringSize, net } = spec;
  const offer =
    (spec.packed === true ? F.VIRTIO_F_RING_PACKED : 0n) |
    (spec.inOrder === true ? F.VIRTIO_F_IN_ORDER : 0n) |
    (spec.notificationData === true ? F.VIRTIO_F_NOTIFICATION_DATA : 0n);
  const disable =
    (spec.indirect === false ? F.VIRTIO_F_RING_INDIRECT_DESC : 0n) |
    (spec.eventIdx === false ? F.VIRTIO_F_RING_EVENT_IDX : 0n) |
    (spec.ringReset === false ? F.VIRTIO_F_RING_RESET : 0n);
  const parts = spec.quirks?.reduce<Partial<VirtioNetParts>>((p, q) => ({ ...p, ...NIC_QUIRKS[q].parts }), {});
  return {
    portName,
    mac,
    slot,
    queuePairs,
    ringSize,
    offer,
    disable,
    ...(net === undefined ? {} : { net }),
    ...(parts === undefined ? {} : { parts }),
  };
}
