// What QEMU says about its virtio device, by QMP: features, status, where each ring stands; and whether that is what lies in RAM.
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

/** Split rings as QEMU has them against the bytes in RAM and against each other; what does not fit, and what was seen. */
export async function compareRings(rig: QemuMachine, queues: number): Promise<{ readonly wrong: string[]; readonly seen: string }> {
  const path = await virtioPath(rig);
  const wrong: string[] = [];
  const seen: string[] = [];
  const { ram } = rig.board;
  for (let queue = 0; queue < queues; queue++) {
    const q = await rig.qemu.qmp.run<QueueStatus>('x-query-virtio-queue-status', { path, queue });
    const used = ram.u16(q['vring-used'] + IDX);
    const avail = ram.u16(q['vring-avail'] + IDX);
    const taken = q['last-avail-idx'] ?? -1;
    if (used !== q['used-idx']) wrong.push(`queue ${queue}: used.idx in RAM ${used}, QEMU's ${q['used-idx']}`);
    // whatever QEMU has taken and not used is in its hands
    if (((taken - q['used-idx']) & 0xffff) !== q.inuse)
      wrong.push(`queue ${queue}: ${taken} taken, ${q['used-idx']} used, ${q.inuse} in use`);
    if (((avail - taken) & 0xffff) > q['vring-num'])
      wrong.push(`queue ${queue}: avail.idx ${avail} is ahead of ${taken} by more than the ring`);
    seen.push(`${queue}: ${q['vring-num']}/${avail}/${used}`);
  }
  return { wrong, seen: seen.join(' ') };
}
