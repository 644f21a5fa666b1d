// What QEMU says about its virtio device, by QMP: features, status, where each ring stands; and whether that is what lies in RAM.
import type { VirtioDevice } from '../../engine/drivers/virtio/virtio_device.ts';
import { SplitVirtqueue } from '../../engine/drivers/virtio/virtio_ring_split.ts';
import type { QemuMachine } from './machine.ts';

interface VirtioStatus {
  readonly status: { readonly statuses: readonly string[] };
  readonly 'guest-features': {
    readonly 'dev-features': readonly string[];
    readonly transports: readonly string[];
    readonly 'unknown-dev-features'?: number;
  };
  readonly 'num-vqs': number;
  readonly broken: boolean;
}

interface QueueStatus {
  readonly 'vring-num': number;
  readonly 'vring-desc': number;
  readonly 'vring-avail': number;
  readonly 'vring-used': number;
  readonly 'last-avail-idx'?: number;
  readonly 'used-idx': number;
  readonly inuse: number;
}

export interface RxFilter {
  readonly promiscuous: boolean;
  readonly 'main-mac': string;
  readonly unicast: string;
  readonly multicast: string;
  readonly vlan: string;
  readonly 'vlan-table': readonly number[];
  readonly 'unicast-table': readonly string[];
  readonly 'multicast-table': readonly string[];
}

async function virtioPath(rig: QemuMachine): Promise<string> {
  const [first] = await rig.qemu.qmp.run<readonly { readonly path: string }[]>('x-query-virtio');
  if (first === undefined) throw new Error('QEMU shows no virtio device');
  return first.path;
}

const nameOf = (text: string): string => text.replace(/:.*$/, '');

/** Names of the negotiated features, without their prefixes: 'RING_PACKED', 'MRG_RXBUF'. */
export async function deviceFeatures(rig: QemuMachine): Promise<string[]> {
  const s = await rig.qemu.qmp.run<VirtioStatus>('x-query-virtio-status', { path: await virtioPath(rig) });
  const f = s['guest-features'];
  // QEMU 7.2 has no name for bit 40, RING_RESET (virtio-v1.2 §6)
  const unnamed = (f['unknown-dev-features'] ?? 0) === 2 ** 40 ? ['RING_RESET'] : [];
  return [...f.transports, ...f['dev-features']].map((t) => nameOf(t).replace(/^VIRTIO_(NET_F_|RING_F_|F_)/, '')).concat(unnamed);
}

/** The device's status bits by name: 'ACKNOWLEDGE', 'DRIVER_OK'. */
export async function deviceStatus(rig: QemuMachine): Promise<string[]> {
  const s = await rig.qemu.qmp.run<VirtioStatus>('x-query-virtio-status', { path: await virtioPath(rig) });
  return s.status.statuses.map((t) => nameOf(t).replace('VIRTIO_CONFIG_S_', ''));
}

export async function rxFilter(rig: QemuMachine): Promise<RxFilter> {
  const [filter] = await rig.qemu.qmp.run<readonly RxFilter[]>('query-rx-filter', { name: 'dev0' });
  return filter;
}

/** virtio-v1.2 §2.7.6, §2.7.8: idx behind the flags of the available and the used ring. */
const IDX = 2;
/** virtio-v1.2 §2.8.1: the wrap counter in a position of a packed ring. */
const WRAP_BIT = 0x8000;

/** The rings of the interface as QEMU has them, against the bytes in RAM and against the driver: what does not fit, and what was seen. */
export async function compareRings(rig: QemuMachine): Promise<{ readonly wrong: string[]; readonly seen: string }> {
  const path = await virtioPath(rig);
  const wrong: string[] = [];
  const seen: string[] = [];
  const vdev = rig.dev.parent as VirtioDevice;
  const mappings = vdev.parent?.dma?.leaks() ?? [];
  /** What QEMU has for it: behind an IOMMU another address. */
  const bus = (gpa: number): number => {
    const m = mappings.find((x) => gpa >= x.gpa && gpa < x.gpa + x.length);
    return m === undefined ? gpa : m.dma + gpa - m.gpa;
  };
  for (const vq of vdev.vqs) {
    const q = await rig.qemu.qmp.run<QueueStatus>('x-query-virtio-queue-status', { path, queue: vq.index });
    const differ = (what: string, ours: number, theirs: number): void => {
      if (ours !== theirs) wrong.push(`queue ${vq.index}: ${what} ${ours}, QEMU's ${theirs}`);
    };
    differ('size', vq.num, q['vring-num']);
    differ('descriptors at', bus(vq.place.desc), q['vring-desc']);
    differ('driver area at', bus(vq.place.avail), q['vring-avail']);
    differ('device area at', bus(vq.place.used), q['vring-used']);
    const { lastUsedIdx } = vq;
    if (vq instanceof SplitVirtqueue) {
      const avail = rig.board.ram.u16(vq.place.avail + IDX);
      const taken = q['last-avail-idx'] ?? 0;
      differ('used.idx in RAM', rig.board.ram.u16(vq.place.used + IDX), q['used-idx']);
      // what QEMU has taken and not used is in its hands; what it has not taken, the driver has published
      if (((taken - q['used-idx']) & 0xffff) !== q.inuse)
        wrong.push(`queue ${vq.index}: ${taken} taken, ${q['used-idx']} used, ${q.inuse} in use`);
      if (((avail - taken) & 0xffff) > q['vring-num']) wrong.push(`queue ${vq.index}: avail.idx ${avail} is too far ahead of ${taken}`);
      if (((q['used-idx'] - lastUsedIdx) & 0xffff) > q['vring-num'])
        wrong.push(`queue ${vq.index}: the driver took ${lastUsedIdx} of ${q['used-idx']}`);
      seen.push(`${vq.index}: ${vq.num}/${avail}/${q['used-idx']}`);
    } else {
      const used = q['used-idx'] & ~WRAP_BIT;
      const behind = (used - (lastUsedIdx & ~WRAP_BIT) + vq.num) % vq.num;
      if (behind > vq.num - vq.num_free)
        wrong.push(`queue ${vq.index}: the driver took up to ${lastUsedIdx & ~WRAP_BIT}, QEMU is at ${used}`);
      seen.push(`${vq.index}: ${vq.num} packed, ${vq.num - vq.num_free} out, used to ${used}`);
    }
  }
  return { wrong, seen: seen.join(' ') };
}
