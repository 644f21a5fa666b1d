// Our virtio-net under Debian's Linux 6.1, and beside it QEMU's own: two boots, one table. Arguments: kernel image, its modules, busybox, ethtool.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildInitramfs } from './initramfs.ts';
import { otherWays } from './legacy.ts';
import { bringUp, observe } from './observe.ts';
import { Report } from './report.ts';
import { guestMac, type Images, ourDevices, qemuDevice } from './rig.ts';
import { rss } from './rss.ts';
import { addresses, filters, health, jumbo, linkAndQueues, rebinding, tcp, traffic } from './traffic.ts';

const BOOT_MS = 60_000;
/** What is to be undone when the run is cut short. */
const cleanups: (() => Promise<void>)[] = [];

async function withOurs(images: Images, report: Report): Promise<Map<string, string>> {
  const rig = await ourDevices(images);
  cleanups.push(rig.stop);
  const { guest, proxies } = rig;
  await guest.booted(BOOT_MS);
  report.check(
    'Linux boots with three of our devices on its bus',
    true,
    `${proxies[0].counters.configReads} configuration reads of the first`,
  );
  const said = await bringUp(guest);
  report.check('modprobe virtio_pci, virtio_net: eth0 has our address', said.trim() === guestMac(0), said);
  report.check('the device is running', rig.nics[0].pci.status === 0x0f, `status 0x${rig.nics[0].pci.status.toString(16)}`);
  const seen = await observe(guest);
  await addresses(rig, report);
  for (const part of [traffic, jumbo, rss, tcp, linkAndQueues, filters, rebinding, otherWays, health]) await part(rig, report);
  report.note(
    `device accesses by Linux: ${proxies[0].counters.barReads} reads, ${proxies[0].counters.barWrites} writes; ${rig.qtest.messages} interrupt messages`,
  );
  await rig.stop();
  return seen;
}

async function withQemus(images: Images, report: Report): Promise<{ readonly seen: Map<string, string>; readonly offloads: boolean }> {
  const reference = qemuDevice(images);
  cleanups.push(() => reference.stop());
  await reference.guest.booted(BOOT_MS);
  report.note(
    `the same Linux on QEMU's own virtio-net-pci${reference.offloads ? '' : ' (no tap to be had here: no offloads, one queue pair)'}`,
  );
  await bringUp(reference.guest);
  const seen = await observe(reference.guest);
  await reference.stop();
  return { seen, offloads: reference.offloads };
}

async function main(): Promise<void> {
  const [kernel, modules, busybox, ethtool] = process.argv.slice(2);
  const report = new Report();
  const temp = mkdtempSync(join(tmpdir(), 'ringscope-linux-'));
  cleanups.push(async () => rmSync(temp, { recursive: true, force: true }));
  const cleanUp = async (): Promise<void> => {
    for (const c of cleanups.splice(0).reverse()) await c();
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void cleanUp().finally(() => process.exit(1)));
  try {
    const initramfs = join(temp, 'initramfs.gz');
    writeFileSync(initramfs, buildInitramfs(modules, { busybox, ethtool }));
    const images = { kernel, initramfs, temp };
    const ours = await withOurs(images, report);
    const { seen, offloads } = await withQemus(images, report);
    for (const [name, text] of ours) {
      if (offloads) report.equal(`equal to QEMU's: ${name}`, text, seen.get(name) ?? '');
      else report.note(`not compared: ${name}`);
    }
  } catch (e) {
    report.check('the run came to its end', false, e instanceof Error ? e.message : String(e));
  } finally {
    await cleanUp();
  }
  report.end();
  process.exitCode = report.failed === 0 ? 0 : 1;
}

await main();
