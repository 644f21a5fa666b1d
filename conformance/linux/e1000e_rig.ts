// Two ways to put an 82574L into the same Linux guest: our device behind x-pci-proxy-dev, cabled to a simulated machine; and QEMU's own.
import { closeSync, openSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { E1000e, type E1000eSpec } from '../../engine/devices/e1000e/e1000e.ts';
import { Cable } from '../../engine/link/cable.ts';
import type { World } from '../../engine/machine/world.ts';
import { parseMac } from '../../engine/wire/addresses.ts';
import { Guest } from './guest.ts';
import { GuestMemory, GuestPlatform } from './guest_memory.ts';
import { Pacer } from './pacer.ts';
import { peerNic, peerWorld } from './peer.ts';
import { ProxyServer } from './proxy.ts';
import { Qtest } from './qtest.ts';
import { type Images, RAM_BYTES, ramFileOf } from './rig.ts';

/** eth0 has slot 5 in both boots. */
const SLOTS = [5, 6, 7];
/** q35: INTA# of slot 5 is PIRQF, input 21 of the I/O APIC, and so on. */
const gsiOf = (slot: number): number => 20 + (slot & 3);
/** eth0 and eth1 are built as QEMU's model, to be compared with it; eth2 as Intel's chip. */
const VARIANTS: readonly Partial<E1000eSpec>[] = [{ chip: 'qemu' }, { chip: 'qemu' }, { chip: 'intel' }];
export const e1000eMac = (i: number): string => `52:54:00:aa:cc:0${i + 1}`;

/** Our devices in the guest: eth0 is cabled to a simulated machine, eth1 and eth2 to each other. */
export interface E1000eRig {
  readonly guest: Guest;
  readonly world: World;
  readonly pacer: Pacer;
  readonly nics: readonly E1000e[];
  /** Between eth1 and eth2. */
  readonly cable: Cable;
  readonly qtest: Qtest;
  readonly proxies: readonly ProxyServer[];
  stop(): Promise<void>;
}

export async function ourE1000es(images: Images): Promise<E1000eRig> {
  const ramFile = ramFileOf(images, 'e1000e');
  const fd = openSync(ramFile, 'r+');
  const world = peerWorld();
  const { sim, trace } = world;
  const qtest = new Qtest();
  const boards = SLOTS.map((slot, i) => {
    const memory = new GuestMemory(fd);
    const platform = new GuestPlatform(`guest/${i}`, sim, trace, memory, qtest);
    const nic = new E1000e(platform, { portName: `guest:nic${i}`, slot: `00:0${slot}.0`, mac: parseMac(e1000eMac(i))!, ...VARIANTS[i] });
    return { slot, memory, platform, nic };
  });
  const nics = boards.map((b) => b.nic);
  const wire = { rate: 1e9, delay: 2_000, loss: 0 };
  void new Cable(sim, trace, { id: 'guest:nic0--peer:nic0', ...wire }, nics[0], peerNic(world));
  const cable = new Cable(sim, trace, { id: 'guest:nic1--guest:nic2', ...wire }, nics[1], nics[2]);
  const pacer = new Pacer(sim);
  const socket = join(images.temp, 'qtest-e1000e.sock');
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
        b.nic.fn,
        b.platform.bus,
        b.memory,
        pacer,
        (why) => guest.fail(why),
        (level) => qtest.setLine(gsiOf(b.slot), level),
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

/** QEMU's devices in the same slots; eth0 and a helper interface are on one hub, so that its link is up. */
export function qemuE1000e(images: Images): { readonly guest: Guest; stop(): Promise<void> } {
  const ramFile = ramFileOf(images, 'e1000e-reference');
  const guest = new Guest({
    kernel: images.kernel,
    initramfs: images.initramfs,
    ramFile,
    ramBytes: RAM_BYTES,
    devices: SLOTS.flatMap((slot, i) => [
      '-netdev',
      `hubport,id=n${i},hubid=${i}`,
      '-device',
      `e1000e,netdev=n${i},mac=${e1000eMac(i)},addr=${slot}.0`,
    ]),
  });
  return {
    guest,
    stop: async () => {
      await guest.stop();
      rmSync(ramFile, { force: true });
    },
  };
}
