// Our 82574L under the e1000e.ko of Debian's Linux 6.1, and beside it QEMU's own: two boots, one table. Arguments: kernel image, its modules, busybox, ethtool.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { features, filters, health, interruptModes, link, pings, rebinding, selfTest, settings, tcp, vlan } from './e1000e_checks.ts';
import { bringUp, observe } from './e1000e_observe.ts';
import { e1000eMac, ourE1000es, qemuE1000e } from './e1000e_rig.ts';
import { buildInitramfs } from './initramfs.ts';
import { Report } from './report.ts';
import type { Images } from './rig.ts';

const BOOT_MS = 120_000;
const MODULES = /\/(e1000e|ptp|pps_core|8021q|garp|mrp|stp|llc)\.ko$/;
/** What is to be undone when the run is cut short. */
const cleanups: (() => Promise<void>)[] = [];

async function withOurs(images: Images, report: Report): Promise<Map<string, string>> {
  const rig = await ourE1000es(images);
  cleanups.push(rig.stop);
  const { guest, proxies } = rig;
  await guest.booted(BOOT_MS);
  report.check(
    'Linux boots with three of our 82574L on its bus',
    true,
    `${proxies[0].counters.configReads} configuration reads of the first`,
  );
  const said = await bringUp(guest);
  report.check('modprobe e1000e: eth0 has our address', said.trim() === e1000eMac(0), said);
  const carrier = (await guest.run('cat /sys/class/net/eth0/carrier')).out.trim();
  report.check('the link is up', carrier === '1' && rig.nics[0].linkUp, `carrier ${carrier}`);
  const seen = await observe(guest);
  for (const part of [pings, link, settings, features, filters, tcp, vlan, selfTest, rebinding, interruptModes, health])
    await part(rig, report);
  report.note(
    `device accesses by Linux: ${proxies[0].counters.barReads} reads, ${proxies[0].counters.barWrites} writes; ${rig.qtest.messages} interrupt messages, ${rig.qtest.lines} changes of interrupt lines`,
  );
  await rig.stop();
  return seen;
}

async function withQemus(images: Images, report: Report): Promise<Map<string, string>> {
  const reference = qemuE1000e(images);
  cleanups.push(() => reference.stop());
  await reference.guest.booted(BOOT_MS);
  report.note("the same Linux on QEMU's own e1000e");
  await bringUp(reference.guest);
  const seen = await observe(reference.guest);
  await reference.stop();
  return seen;
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
    writeFileSync(initramfs, buildInitramfs(modules, { busybox, ethtool }, MODULES));
    const images = { kernel, initramfs, temp };
    // side by side: much of either is waiting for links
    const [ours, theirs] = await Promise.all([withOurs(images, report), withQemus(images, report)]);
    for (const [name, text] of ours) report.equal(`equal to QEMU's: ${name}`, text, theirs.get(name) ?? '');
  } catch (e) {
    report.check('the run came to its end', false, e instanceof Error ? e.message : String(e));
  } finally {
    await cleanUp();
  }
  report.end();
  process.exitCode = report.failed === 0 ? 0 : 1;
}

await main();
