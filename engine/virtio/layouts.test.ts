// Golden layouts: offsets as the specification prints them, and every accessor both ways over 0xa5.
import { describe, expect, it } from 'vitest';
import { ByteMem } from '../base/memory.ts';
import { MsixCap, MsixEntry, PciCap, VirtioPciCap, VirtioPciCfgCap, VirtioPciNotifyCap } from '../pci/capabilities.ts';
import { PciHeader } from '../pci/config_space.ts';
import { F, FEATURE_NAMES, FEATURES, featureHalf, featureList, featureWord, missingPrerequisites, withFeatureHalf } from './features.ts';
import { VirtioNetConfig, VirtioNetCtrl, VirtioNetCtrlMac, VirtioNetHdr } from './net.ts';
import { VirtioPciCommonCfg } from './pci_cfg.ts';
import {
  availAt,
  availEventAt,
  descAt,
  usedAt,
  usedEventAt,
  VirtqAvail,
  VirtqDesc,
  VirtqUsed,
  VirtqUsedElem,
  vringNeedEvent,
} from './ring.ts';
import { statusNames } from './status.ts';

interface Layout {
  readonly $name: string;
  readonly $size: number;
  readonly $fields: readonly { readonly name: string; readonly kind: string; readonly offset: number; readonly size: number }[];
}
interface Accessor {
  get(mem: ByteMem, base: number): number;
  set(mem: ByteMem, base: number, value: number): void;
}
const ALL: readonly Layout[] = [
  PciHeader,
  PciCap,
  MsixCap,
  MsixEntry,
  VirtioPciCap,
  VirtioPciNotifyCap,
  VirtioPciCfgCap,
  VirtioPciCommonCfg,
  VirtqDesc,
  VirtqAvail,
  VirtqUsed,
  VirtqUsedElem,
  VirtioNetConfig,
  VirtioNetHdr,
  VirtioNetCtrl,
  VirtioNetCtrlMac,
];

describe('layouts', () => {
  it.each(ALL.map((l) => [l.$name, l] as const))(
    '%s: each field writes its own bytes, little-endian, and nothing else',
    (_name, layout) => {
      for (const f of layout.$fields) {
        if (f.kind === 'bytes') continue;
        const accessor = (layout as unknown as Record<string, Accessor>)[f.name];
        const mem = new ByteMem(new Uint8Array(layout.$size + 8).fill(0xa5));
        const value = f.size === 8 ? 0x0011_2233_4455_66 : Number(`0x${'11223344'.slice(0, f.size * 2)}`);
        accessor.set(mem, 4, value);
        expect(accessor.get(mem, 4)).toBe(value);
        mem.bytes.forEach((b, i) => {
          const inside = i >= 4 + f.offset && i < 4 + f.offset + f.size;
          const expected = inside ? Math.floor(value / 2 ** (8 * (i - 4 - f.offset))) % 256 : 0xa5;
          expect([i, b]).toEqual([i, expected]);
        });
      }
    },
  );

  it('virtio-v1.2 §4.1.4.3: common configuration fields lie where the specification and QEMU put them', () => {
    const at = Object.fromEntries(VirtioPciCommonCfg.$fields.map((f) => [f.name, f.offset]));
    expect(at).toMatchObject({
      device_feature: 4,
      driver_feature: 12,
      config_msix_vector: 16,
      num_queues: 18,
      device_status: 20,
      config_generation: 21,
    });
    expect(at).toMatchObject({ queue_select: 22, queue_size: 24, queue_msix_vector: 26, queue_enable: 28, queue_notify_off: 30 });
    expect(at).toMatchObject({ queue_desc: 32, queue_driver: 40, queue_device: 48, queue_notify_data: 56, queue_reset: 58 });
  });

  it('virtio-v1.2 §2.7: the parts of a ring lie where the formulas say', () => {
    expect([VirtqDesc.$size, VirtqUsedElem.$size]).toEqual([16, 8]);
    expect([descAt(0x1000, 3), availAt(0x2000, 5), usedAt(0x3000, 5)]).toEqual([0x1030, 0x200e, 0x302c]);
    expect([usedEventAt(0x2000, 256), availEventAt(0x3000, 256)]).toEqual([0x2204, 0x3804]);
  });

  it('sizes: header 64, MSI-X 12 and 16, virtio caps 16 and 20, net header 12, net config 24', () => {
    expect([PciHeader, MsixCap, MsixEntry, VirtioPciCap, VirtioPciNotifyCap, VirtioNetHdr, VirtioNetConfig].map((l) => l.$size)).toEqual([
      64, 12, 16, 16, 20, 12, 24,
    ]);
  });
});

describe('features', () => {
  it('every bit is spelled once and in ascending order', () => {
    const bits = FEATURE_NAMES.map((n) => FEATURES[n].bit);
    expect(bits).toEqual([...new Set(bits)].sort((a, b) => a - b));
  });

  it('every prerequisite names a feature of the table', () => {
    for (const n of FEATURE_NAMES)
      for (const r of [...FEATURES[n].requires, ...FEATURES[n].requiresOneOf]) expect(FEATURE_NAMES).toContain(r);
  });

  it('halves compose the word, also with bit 31 and bit 63', () => {
    const word = withFeatureHalf(withFeatureHalf(0n, 0, 0x80000001), 1, 0x80000101);
    expect(word).toBe(0x8000010180000001n);
    expect([featureHalf(word, 0), featureHalf(word, 1), featureHalf(word, 2)]).toEqual([0x80000001, 0x80000101, 0]);
    expect(featureList(F.VIRTIO_F_RING_RESET | F.VIRTIO_NET_F_MQ | 16n)).toEqual(['bit 4', 'VIRTIO_NET_F_MQ', 'VIRTIO_F_RING_RESET']);
  });

  it('virtio-v1.2 §5.1.3.1: a feature without what it needs is named', () => {
    expect(missingPrerequisites(featureWord('VIRTIO_NET_F_MQ'))).toEqual([
      'VIRTIO_NET_F_MQ needs VIRTIO_NET_F_CTRL_VQ (virtio-v1.2 §5.1.3.1)',
    ]);
    expect(missingPrerequisites(featureWord('VIRTIO_NET_F_GUEST_ECN'))[0]).toContain('VIRTIO_NET_F_GUEST_TSO4 or VIRTIO_NET_F_GUEST_TSO6');
    expect(missingPrerequisites(featureWord('VIRTIO_NET_F_MQ', 'VIRTIO_NET_F_CTRL_VQ'))).toEqual([]);
  });
});

it('virtio-v1.2 §2.7.10: an event fires once, when the index passes it, also across the wrap', () => {
  expect(vringNeedEvent(5, 6, 5)).toBe(true);
  expect(vringNeedEvent(5, 5, 4)).toBe(false);
  expect(vringNeedEvent(5, 7, 6)).toBe(false);
  expect(vringNeedEvent(0xffff, 0, 0xffff)).toBe(true);
  expect(vringNeedEvent(0xfffe, 3, 0xfff0)).toBe(true);
});

it('status bits are named in the order a driver sets them', () => {
  expect(statusNames(0x4f)).toEqual(['ACKNOWLEDGE', 'DRIVER', 'FEATURES_OK', 'DRIVER_OK', 'DEVICE_NEEDS_RESET']);
});
