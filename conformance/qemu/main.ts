// Our drivers on QEMU's devices: every variant of virtio-net-pci, e1000e and e1000; one row each. Arguments: an empty directory, patterns of rows to run.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Report } from '../linux/report.ts';
import { E1000E_DETAILS, INTERRUPT_MODES, lifeOfE1000, lifeOfE1000e } from './e1000e.ts';
import type { QemuMachine } from './machine.ts';
import { RSS_CHECKS, TAP_CHECKS, type TapCheck, TAP_PAIRS } from './multiqueue.ts';
import { Rig, type RigSpec } from './rig.ts';
import { TapRig } from './tap_rig.ts';
import { VARIANTS } from './variants.ts';
import { DETAILS, lifeOf, MMIO_DEVICE, refusal } from './virtio.ts';

const ECHOES = 20;
/** Whose checksums are looked at. */
const PROTOCOLS = ['ip', 'icmp', 'udp', 'tcp', 'icmpv6'] as const;
const report = new Report();
const [, , temp, ...patterns] = process.argv;
const wanted = patterns.map((p) => new RegExp(p));
const chosen = (name: string): boolean => wanted.length === 0 || wanted.some((re) => re.test(name));
/** Frames of all runs, for tshark. */
const captures: string[] = [];
let running: QemuMachine | undefined;
let runs = 0;

/** Starts a rig, runs `work` on it, and ends it whatever comes; a failure becomes a row. */
async function withRig(name: string, spec: Omit<RigSpec, 'dir'>, work: (rig: Rig) => Promise<string | undefined>): Promise<void> {
  const began = Date.now();
  try {
    const rig = await Rig.start({ ...spec, dir: join(temp, `run${runs++}`) });
    running = rig;
    const said = await work(rig);
    if (said !== undefined) report.check(name, true, `${((Date.now() - began) / 1000).toFixed(1)} s, ${said}`);
  } catch (e) {
    report.check(name, false, e instanceof Error ? e.message : String(e));
  }
  if (!(running instanceof Rig)) return;
  const file = join(temp, `run${runs}.pcap`);
  writeFileSync(file, running.port.pcap());
  captures.push(file);
  await running.stop();
  running = undefined;
}

/** Checks of one kind of rig, one after the other on the same device. */
async function inTurn<R>(
  name: string,
  rig: R,
  checks: readonly { readonly name: string; run(rig: R): Promise<string> }[],
): Promise<undefined> {
  for (const c of checks) {
    const began = Date.now();
    try {
      const said = await c.run(rig);
      report.check(`${name}: ${c.name}`, true, `${((Date.now() - began) / 1000).toFixed(1)} s, ${said}`);
    } catch (e) {
      report.check(`${name}: ${c.name}`, false, e instanceof Error ? e.message : String(e));
    }
  }
  return undefined;
}

/** The peer is this machine's Linux. */
async function overTap(name: string, options: string, checks: readonly TapCheck[]): Promise<void> {
  if (!chosen(name)) return;
  if (!TapRig.possible()) return report.note(`no tap is to be had here: not tried: ${name}`);
  try {
    const rig = await TapRig.start(join(temp, `tap${runs++}`), TAP_PAIRS, options);
    running = rig;
    await inTurn(name, rig, checks);
  } catch (e) {
    report.check(name, false, e instanceof Error ? e.message : String(e));
  }
  await running?.stop();
  running = undefined;
}

/** Every checksum of every frame, by somebody else's code; tshark's word for a wrong one is 0, for a right one 1. */
function verifyFrames(): void {
  if (captures.length === 0) return;
  if (spawnSync('tshark', ['--version']).status !== 0) return report.note('tshark is not here: checksums are not verified independently');
  const all = join(temp, 'all.pcap');
  spawnSync('mergecap', ['-a', '-F', 'pcap', '-w', all, ...captures]);
  const verify = ['ip', 'udp', 'tcp'].flatMap((p) => ['-o', `${p}.check_checksum:TRUE`]);
  const fields = [...PROTOCOLS.map((p) => `${p}.checksum.status`), '_ws.malformed', '_ws.col.Info'].flatMap((f) => ['-e', f]);
  const r = spawnSync('tshark', ['-r', all, ...verify, '-T', 'fields', ...fields], { encoding: 'utf8', maxBuffer: 1 << 28 });
  const rows = r.stdout.split('\n').filter((l) => l.trim() !== '');
  const right = PROTOCOLS.map(() => 0);
  const wrong = rows.filter((row) => {
    const columns = row.split('\t');
    // a packet inside an ICMP error has sums of its own, and is only its beginning
    const sums = PROTOCOLS.map((_, i) => columns[i].split(',')[0]);
    sums.forEach((s, i) => (right[i] += s === '1' ? 1 : 0));
    return sums.includes('0') || columns[PROTOCOLS.length] !== '';
  });
  const counts = PROTOCOLS.map((p, i) => `${p} ${right[i]}`).join(', ');
  report.check(
    'tshark finds no wrong checksum and no malformed frame',
    right[0] > 0 && wrong.length === 0,
    wrong.slice(0, 20).join('\n') || `${rows.length} frames; right sums: ${counts}`,
  );
}

async function main(): Promise<void> {
  const end = async (): Promise<void> => running?.stop();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void end().finally(() => process.exit(1)));
  try {
    for (const v of VARIANTS)
      if (chosen(v.name)) {
        const { device, machine = 'q35', args = [], cpus = 1, iommu = false } = v;
        const spec = { device, machine, args, cpus, iommu, cmdline: machine === 'microvm' ? MMIO_DEVICE : '' };
        await withRig(v.name, spec, (rig) => lifeOf(rig, v, ECHOES));
      }
    const refused = 'a device whose features do not go together is refused';
    if (chosen(refused)) await withRig(refused, { device: 'virtio-net-pci,disable-legacy=on,ctrl_vq=off', cpus: 1 }, refusal);
    const details = 'virtio-net-pci';
    if (chosen(details))
      await withRig(details, { device: 'virtio-net-pci,disable-legacy=on', cpus: 2 }, (rig) => inTurn(details, rig, DETAILS));
    if (chosen('packed, in full'))
      await withRig('packed', { device: 'virtio-net-pci,disable-legacy=on,packed=on', cpus: 2 }, (rig) => inTurn('packed', rig, DETAILS));
    for (const [parameter, interrupts] of INTERRUPT_MODES)
      if (chosen('e1000e'))
        await withRig(`e1000e ${parameter}`, { device: 'e1000e', cpus: 1 }, (rig) => lifeOfE1000e(rig, parameter, interrupts, ECHOES));
    if (chosen('e1000')) await withRig('e1000, an 82540EM', { device: 'e1000', cpus: 1 }, (rig) => lifeOfE1000(rig, 50));
    if (chosen('e1000e behind an IOMMU'))
      await withRig('e1000e behind an IOMMU', { device: 'e1000e', cpus: 1, iommu: true }, (rig) =>
        lifeOfE1000e(rig, 'IntMode=0', INTERRUPT_MODES[2][1], ECHOES),
      );
    if (chosen('e1000e')) await withRig('e1000e', { device: 'e1000e', cpus: 2 }, (rig) => inTurn('e1000e', rig, E1000E_DETAILS));
    await overTap('four queue pairs', '', TAP_CHECKS);
    await overTap('receive-side scaling', ',rss=on,hash=on', RSS_CHECKS);
    verifyFrames();
  } finally {
    await end();
  }
  report.end();
  process.exitCode = report.failed === 0 ? 0 : 1;
}

await main();
