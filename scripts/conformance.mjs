// What needs Debian packages and files beside the checkout: tshark on our captures, the oracle's transcripts. Installs what it can.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { aptInstall, root } from './setup.mjs';

let passed = 0;
let failed = 0;
const check = (name, ok, detail = '') => {
  if (ok) passed++;
  else failed++;
  process.stdout.write(`${ok ? 'ok' : 'FAILED'}  ${name}${ok || detail === '' ? '' : `\n${detail}`}\n`);
};
const sh = (command, args, options = {}) => spawnSync(command, args, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 28, ...options });
const ringscope = (...args) => sh('bin/ringscope', args, { timeout: 120_000 });
const temp = mkdtempSync(join(tmpdir(), 'ringscope-conformance-'));

// ── pcapng, read by tshark ──
const hasTshark = () => sh('tshark', ['--version']).status === 0;
if (!hasTshark()) aptInstall(['tshark']);
if (!hasTshark()) process.stdout.write('skipped: tshark is not here and cannot be installed\n');
else {
  const file = join(temp, 'ping.pcapng');
  const r = ringscope('exec', 'resources/labs/two-hosts.lab.yaml', 'h1', '--pcap', `h1:eth0=${file}`, '--', 'ping -c 3 10.0.0.2');
  check('ping -c 3 through exec', r.status === 0, r.stdout + r.stderr);
  const fields = sh('tshark', [
    '-r',
    file,
    '-T',
    'fields',
    '-e',
    'frame.interface_name',
    '-e',
    'frame.time_relative',
    '-e',
    '_ws.col.Protocol',
    '-e',
    '_ws.col.Info',
  ]);
  const rows = fields.stdout
    .trim()
    .split('\n')
    .map((l) => l.split('\t'));
  check(
    'tshark reads the capture without complaint',
    fields.status === 0 && !/malformed|cut short|appears to/i.test(fields.stdout + fields.stderr),
    fields.stdout + fields.stderr,
  );
  check(
    'every packet carries the interface name',
    rows.every((x) => x[0] === 'eth0'),
    fields.stdout,
  );
  check(
    'packets are in order of time',
    rows.every((x, i) => i === 0 || Number(x[1]) >= Number(rows[i - 1][1])),
    fields.stdout,
  );
  const count = (re) => rows.filter((x) => re.test(`${x[2]} ${x[3]}`)).length;
  check(
    'ARP, three requests and three replies are in it',
    count(/^ARP/) >= 2 && count(/Echo \(ping\) request/) === 3 && count(/Echo \(ping\) reply/) === 3,
    fields.stdout,
  );
  const strict = sh('tshark', [
    '-r',
    file,
    '-o',
    'ip.check_checksum:TRUE',
    '-Y',
    'ip.checksum.status == "Bad" || icmp.checksum.status == "Bad"',
  ]);
  check('no checksum is wrong', strict.stdout.trim() === '', strict.stdout);
  tcpStreams();
}

/** Streams both ways without offloads at this end: every segment as it is on the wire. */
function tcpStreams() {
  const lab = join(temp, 'streams.lab.yaml');
  const plain = readFileSync(join(root, 'resources/labs/two-hosts.lab.yaml'), 'utf8');
  writeFileSync(lab, plain.replace('ip addr add 10.0.0.2/24 dev eth0', 'ip addr add 10.0.0.2/24 dev eth0\n      iperf3 -s > /dev/null &'));
  const file = join(temp, 'streams.pcapng');
  const script = 'ethtool -K eth0 tso off gso off gro off tx off\niperf3 -c 10.0.0.2 -n 1M && iperf3 -c 10.0.0.2 -n 1M -R\n';
  const r = ringscope('exec', lab, 'h1', '--pcap', `h1:eth0=${file}`, '--', script);
  check('two iperf3 streams through exec', r.status === 0, r.stdout + r.stderr);
  const list = (filter) =>
    sh('tshark', ['-r', file, '-o', 'tcp.check_checksum:TRUE', '-o', 'ip.check_checksum:TRUE', '-Y', filter]).stdout.trim();
  check('tshark sees the streams', list('tcp').split('\n').length > 1000);
  const bad = list('tcp.checksum.status == "Bad" || ip.checksum.status == "Bad"');
  check('no TCP checksum is wrong', bad === '', bad);
  const lost = list('tcp.analysis.retransmission || tcp.analysis.lost_segment || tcp.analysis.out_of_order');
  check('nothing is lost or sent twice on a clean cable', lost === '', lost);
}

// ── TCP over a thousand bad links ──
{
  const r = sh('npx', ['vitest', 'run', 'engine/tests/tcp_impaired'], { env: { ...process.env, TCP_PATTERNS: '1000' }, timeout: 900_000 });
  check('a thousand patterns of loss, reorder, duplicate and delay: every stream intact', r.status === 0, r.stdout.slice(-3000));
}

// ── the oracle's transcripts ──
const compare = join(root, '../shared/oracle/compare.mjs');
/** Scenario → share of its commands that must be equal, percent; raised when we get better, never lowered. */
const FLOOR = JSON.parse(readFileSync(join(root, 'scripts/oracle_floor.json'), 'utf8'));
if (!existsSync(compare)) process.stdout.write('skipped: there is no ../shared/oracle beside this checkout\n');
else {
  const json = join(temp, 'oracle.json');
  const r = sh('node', [compare, '--json', json, '--timeout', '600'], { timeout: 1_500_000 });
  process.stdout.write(r.stdout + r.stderr);
  const rows = existsSync(json) ? JSON.parse(readFileSync(json, 'utf8')) : [];
  for (const [name, floor] of Object.entries(FLOOR)) {
    const mine = rows.filter((x) => x.scenario === name);
    const equal = mine.filter((x) => x.verdict === 'equal').length;
    const share = mine.length === 0 ? 0 : (100 * equal) / mine.length;
    check(`oracle ${name}: ${equal} of ${mine.length} equal, at least ${floor} % wanted`, share >= floor);
  }
}

// ── fuzz targets, from a new seed each time: about a minute in all on two cores; `npm run fuzz` for longer ──
{
  const run = sh('node', ['scripts/fuzz.mjs', '--seconds', '4'], { timeout: 600_000 });
  process.stdout.write(run.stdout + run.stderr);
  const counts = /^(\d+) passed, (\d+) failed$/m.exec(run.stdout);
  passed += Number(counts?.[1] ?? 0);
  failed += Number(counts?.[2] ?? 1);
}

// ── our devices under Debian's Linux, and our drivers on QEMU's devices; each says itself when it cannot run ──
for (const script of ['scripts/conformance_linux.mjs', 'scripts/conformance_qemu.mjs']) {
  const run = sh('node', [script], { timeout: 600_000 });
  process.stdout.write(run.stdout + run.stderr);
  const counts = /^(\d+) passed, (\d+) failed$/m.exec(run.stdout);
  passed += Number(counts?.[1] ?? 0);
  failed += Number(counts?.[2] ?? 1);
}

rmSync(temp, { recursive: true, force: true });
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 ? 0 : 1;
