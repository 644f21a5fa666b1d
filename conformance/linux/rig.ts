// Two ways to put virtio-net into the same Linux guest: our device behind x-pci-proxy-dev, cabled to a simulated machine; and QEMU's own.
import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, openSync, rmSync, statfsSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type VirtioNetPci, virtioNetPci, type VirtioNetSpec } from '../../engine/devices/virtio_net.ts';
import { Cable } from '../../engine/link/cable.ts';
import type { World } from '../../engine/machine/world.ts';
import { F } from '../../engine/virtio/features.ts';
import { parseMac } from '../../engine/wire/addresses.ts';
import { Guest } from './guest.ts';
import { GuestMemory, GuestPlatform } from './guest_memory.ts';
import { Pacer } from './pacer.ts';
import { peerNic, peerWorld } from './peer.ts';
import { ProxyServer } from './proxy.ts';
import { Qtest } from './qtest.ts';

/** eth0 has slot 5 in both boots. */
const SLOTS = [5, 6, 7];
export const QUEUE_PAIRS = 2;
/** What differs from the default: eth1 has no legacy interface, scales on receive, reports hashes and coalesces notifications; eth2's rings are packed, and Linux gives it chains of many pages, as its buffers do not merge. */
const VARIANTS: readonly Partial<VirtioNetSpec>[] = [
  {},
  { interfaces: { legacy: false, modern: true }, net: { properties: { rss: true, hash: true, notf_coal: true } } },
  { disable: F.VIRTIO_NET_F_MRG_RXBUF, offer: F.VIRTIO_F_RING_PACKED },
];
const QEMU_VARIANTS = ['', ',disable-legacy=on', ',mrg_rxbuf=off'];
export const guestMac = (i: number): string => `52:54:00:aa:bb:0${i + 1}`;
export const RAM_BYTES = 128 << 20;

export interface Images {
  readonly kernel: string;
  readonly initramfs: string;
  /** Directory for RAM files and sockets; removed by the caller. */
  readonly temp: string;
}

/** Our devices in the guest: eth0 is cabled to a simulated machine, eth1 and eth2 to each other. */
export interface Rig {
  readonly guest: Guest;
  readonly world: World;
  readonly pacer: Pacer;
  readonly nics: readonly VirtioNetPci[];
  /** eth0's. */
  readonly cable: Cable;
  readonly qtest: Qtest;
  readonly proxies: readonly ProxyServer[];
  stop(): Promise<void>;
}

export async function ourDevices(images: Images): Promise<Rig> {
  const ramFile = ramFileOf(images, 'guest');
  const fd = openSync(ramFile, 'r+');
  const world = peerWorld();
  const { sim, trace } = world;
  const qtest = new Qtest();
  const boards = SLOTS.map((slot, i) => {
    const memory = new GuestMemory(fd);
    const platform = new GuestPlatform(`guest/${i}`, sim, trace, memory, qtest);
    const nic = virtioNetPci(platform, {
      portName: `guest:nic${i}`,
      slot: `00:0${slot}.0`,
      mac: parseMac(guestMac(i))!,
      queuePairs: QUEUE_PAIRS,
      ...VARIANTS[i],
    });
    return { slot, memory, platform, nic };
  });
  const nics = boards.map((b) => b.nic);
  const wire = { rate: 10e9, delay: 5_000, loss: 0 };
  const cable = new Cable(sim, trace, { id: 'guest:nic0--peer:nic0', ...wire }, nics[0].net, peerNic(world));
  void new Cable(sim, trace, { id: 'guest:nic1--guest:nic2', ...wire }, nics[1].net, nics[2].net);
  const pacer = new Pacer(sim);
  const socket = join(images.temp, 'qtest.sock');
  const guest = new Guest({
    kernel: images.kernel,
    initramfs: images.initramfs,
    ramFile,
    ramBytes: RAM_BYTES,
    devices: [
      ...['-qtest', `unix:${socket},server=on,wait=off`, '-qtest-log', '/dev/null'],
      ...boards.flatMap((b, i) => ['-device', `x-pci-proxy-dev,id=nic${i},fd=${3 + i},addr=${b.slot}`]),
    ],
    channels: boards.length,
  });
  const proxies = boards.map(
    (b, i) =>
      new ProxyServer(
        guest.channel(i),
        b.nic.pci.fn,
        b.platform.bus,
        b.memory,
        pacer,
        (why) => guest.fail(why),
        // q35: the slots' INTA# rotates over the I/O APIC's pins 20 to 23
        (asserted) => qtest.setLine(20 + (b.slot & 3), asserted),
      ),
  );
  let ending: Promise<void> | undefined;
  const end = async (): Promise<void> => {
    await guest.stop();
    pacer.stop();
    qtest.close();
    boards.forEach((_, i) => guest.channel(i).destroy());
    closeSync(fd);
    rmSync(ramFile, { force: true });
  };
  const stop = (): Promise<void> => (ending ??= end());
  try {
    await qtest.open(socket);
  } catch (e) {
    await stop();
    throw e;
  }
  return { guest, world, pacer, nics, cable, qtest, proxies, stop };
}

/** QEMU's device in the guest; `offloads` says whether its back end is a tap, which alone offers them. */
export function qemuDevice(images: Images): { readonly guest: Guest; readonly offloads: boolean; stop(): Promise<void> } {
  const ramFile = ramFileOf(images, 'reference');
  // a tap lives in a network namespace of its own, so that nothing of this machine's network is touched
  const offloads =
    spawnSync('unshare', ['-n', 'ip', 'tuntap', 'add', 'dev', 'rsq0', 'mode', 'tap', 'multi_queue', 'vnet_hdr']).status === 0;
  const backend = offloads ? `tap,id=n0,ifname=rsq0,script=no,downscript=no,queues=${QUEUE_PAIRS}` : 'hubport,id=n0,hubid=0';
  const device = `virtio-net-pci,netdev=n0,mac=${guestMac(0)},addr=${SLOTS[0]}.0${offloads ? ',mq=on' : ''}`;
  const guest = new Guest({
    kernel: images.kernel,
    initramfs: images.initramfs,
    ramFile,
    ramBytes: RAM_BYTES,
    // two more, so that firmware and kernel find as many devices as with ours
    devices: [
      '-netdev',
      backend,
      '-device',
      device,
      ...[1, 2].flatMap((i) => [
        '-netdev',
        `hubport,id=n${i},hubid=${i}`,
        '-device',
        `virtio-net-pci,netdev=n${i},mac=${guestMac(i)},addr=${SLOTS[i]}.0${QEMU_VARIANTS[i]}`,
      ]),
    ],
    prefix: offloads ? ['unshare', '-n'] : [],
  });
  return {
    guest,
    offloads,
    stop: async () => {
      await guest.stop();
      rmSync(ramFile, { force: true });
    },
  };
}

/** An empty file of the guest's size: in memory where the system has room for it. */
export function ramFileOf(images: Images, name: string): string {
  const inMemory = existsSync('/dev/shm') ? statfsSync('/dev/shm') : undefined;
  const roomy = inMemory !== undefined && inMemory.bavail * inMemory.bsize > 2 * RAM_BYTES;
  const path = join(roomy ? '/dev/shm' : images.temp, `ringscope-${name}-${process.pid}`);
  writeFileSync(path, '');
  truncateSync(path, RAM_BYTES);
  return path;
}
