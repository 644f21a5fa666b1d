// Our drivers on QEMU's devices: every variant of virtio-net-pci, then e1000e; one row each. Arguments: patterns of rows to run.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Report } from '../linux/report.ts';
import { Rig, type RigSpec } from './rig.ts';
import { type Check, DETAILS, lifeOf } from './virtio.ts';
import { VARIANTS } from './variants.ts';

const ECHOES = 20;
const report = new Report();
const temp = mkdtempSync(join(tmpdir(), 'ringscope-qemu-'));
const wanted = process.argv.slice(2).map((p) => new RegExp(p));
const chosen = (name: string): boolean => wanted.length === 0 || wanted.some((re) => re.test(name));
/** Frames of all runs, for tshark. */
const captures: string[] = [];
let running: Rig | undefined;
let runs = 0;

/** Starts a rig, runs `work` on it, and ends it whatever comes; a failure becomes a row. */
async function withRig(name: string, spec: Omit<RigSpec, 'dir'>, work: (rig: Rig) => Promise<string | undefined>): Promise<void> {
  const began = Date.now();
  try {
    running = await Rig.start({ ...spec, dir: join(temp, `run${runs++}`) });
    const said = await work(running);
    if (said !== undefined) report.check(name, true, `${((Date.now() - began) / 1000).toFixed(1)} s, ${said}`);
  } catch (e) {
    report.check(name, false, e instanceof Error ? e.message : String(e));
  }
  if (running === undefined) return;
  const file = join(temp, `run${runs}.pcap`);
  writeFileSync(file, running.port.pcap());
  captures.push(file);
  await running.stop();
  running = undefined;
}

async function checksOn(name: string, spec: Omit<RigSpec, 'dir'>, checks: readonly Check[]): Promise<void> {
  await withRig(name, spec, async (rig) => {
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
  });
}

/** Every checksum of every frame, by somebody else's code. */
function verifyFrames(): void {
  if (spawnSync('tshark', ['--version']).status !== 0) return report.note('tshark is not here: checksums are not verified independently');
  const verify = ['ip.check_checksum', 'udp.check_checksum', 'tcp.check_checksum'].flatMap((o) => ['-o', `${o}:TRUE`]);
  const bad =
    'ip.checksum.status == "Bad" || icmp.checksum.status == "Bad" || icmpv6.checksum.status == "Bad" || udp.checksum.status == "Bad" || tcp.checksum.status == "Bad" || _ws.malformed';
  let frames = 0;
  const wrong: string[] = [];
  const all = join(temp, 'all.pcap');
  spawnSync('mergecap', ['-a', '-F', 'pcap', '-w', all, ...captures]);
  const r = spawnSync('tshark', ['-r', all, ...verify, '-T', 'fields', '-e', 'frame.number'], { encoding: 'utf8', maxBuffer: 1 << 28 });
  frames = r.stdout.split('\n').filter((l) => l !== '').length;
  const found = spawnSync('tshark', ['-r', all, ...verify, '-Y', bad], { encoding: 'utf8', maxBuffer: 1 << 28 }).stdout.trim();
  if (found !== '') wrong.push(found);
  report.check(
    'tshark finds no wrong checksum and no malformed frame',
    frames > 0 && wrong.length === 0,
    wrong.join('\n') || `${frames} frames`,
  );
}

async function main(): Promise<void> {
  const end = async (): Promise<void> => {
    await running?.stop();
    rmSync(temp, { recursive: true, force: true });
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void end().finally(() => process.exit(1)));
  try {
    for (const v of VARIANTS)
      if (chosen(v.name))
        await withRig(v.name, { device: `virtio-net-pci,${v.options}`, cpus: v.cpus ?? 1 }, (rig) => lifeOf(rig, v, ECHOES));
    if (chosen('details')) await checksOn('details', { device: 'virtio-net-pci,disable-legacy=on', cpus: 2 }, DETAILS);
    verifyFrames();
  } finally {
    await end();
  }
  report.end();
  process.exitCode = report.failed === 0 ? 0 : 1;
}

await main();
