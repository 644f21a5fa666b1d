// `npm run bench -- NAME …`: bundles a bench and runs it on one core, with its peer (ns-3) interleaved where that is installed.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';

const here = dirname(fileURLToPath(import.meta.url));
const root = dirname(here);
const out = join(root, 'out/bench');
const args = process.argv.slice(2);
const profile = args.includes('--prof');
const names = args.filter((a) => !a.startsWith('--'));
const known = readdirSync(here)
  .filter((f) => f.endsWith('.ts'))
  .map((f) => f.slice(0, -3));
if (names.length === 0 || names.some((n) => !known.includes(n))) {
  process.stderr.write(`usage: npm run bench -- NAME … [--prof]; the benches are: ${known.join(', ')}\n`);
  process.exit(2);
}

await build({
  root,
  configFile: false,
  logLevel: 'error',
  build: {
    ssr: true,
    target: 'node20',
    outDir: out,
    emptyOutDir: true,
    minify: false,
    rolldownOptions: {
      input: Object.fromEntries(names.map((n) => [n, join(here, `${n}.ts`)])),
      external: [/^node:/, /^[a-z@][^:]*$/],
      output: { format: 'es', entryFileNames: '[name].mjs' },
    },
  },
});

const pin = spawnSync('taskset', ['-c', '1', 'true']).status === 0 ? ['taskset', '-c', '1'] : [];
const runPinned = (command, list) => {
  const [c, ...rest] = [...pin, command, ...list];
  return execFileSync(c, rest, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
};
const json = (text) => JSON.parse(text.trim().split('\n').at(-1));

/** Builds the peer of a bench from ../shared/bench; undefined where ns-3 is not installed. */
function peer(name) {
  const source = join(root, `../shared/bench/ns3_${name}.cc`);
  if (!existsSync(source) || !existsSync('/usr/include/ns3')) return undefined;
  const binary = join(out, `ns3_${name}`);
  mkdirSync(out, { recursive: true });
  const libs = ['core', 'network', 'internet', 'csma', 'applications'].map((l) => `-lns3-${l}`);
  const r = spawnSync('g++', ['-O3', '-march=native', '-DNDEBUG', source, '-o', binary, ...libs], { encoding: 'utf8' });
  if (r.status === 0) return binary;
  process.stderr.write(`the peer could not be built:\n${r.stderr}`);
  return undefined;
}

/** Packets per second of CPU time, its start included (some milliseconds): on a shared machine the wall clock measures the neighbours. */
function peerRate(binary) {
  const [c, ...rest] = [...pin, binary, '--n=300000', '--size=64'];
  const r = spawnSync('bash', ['-c', 'TIMEFORMAT="%U %S"; time "$0" "$@"', c, ...rest], { encoding: 'utf8' });
  const [user, system] = r.stderr.trim().split('\n').at(-1).split(' ').map(Number);
  return json(r.stdout).packets / (user + system);
}

const RUNS = 5;
const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];

for (const name of names) {
  const file = join(out, `${name}.mjs`);
  const flags = profile ? ['--cpu-prof', `--cpu-prof-dir=${out}`] : [];
  const binary = name === 'udp' ? peer('udp') : undefined;
  if (binary === undefined) {
    process.stdout.write(runPinned(process.execPath, [...flags, file]));
    continue;
  }
  const ours = [];
  const theirs = [];
  for (let i = 0; i < RUNS; i++) {
    theirs.push(peerRate(binary));
    ours.push(json(runPinned(process.execPath, [...flags, file])).packets_per_cpu_s);
  }
  const show = (list) => `${Math.round(median(list))} (${list.map((n) => Math.round(n / 1000)).join(', ')} k)`;
  process.stdout.write(
    `${name}: packets per second of CPU time, medians of ${RUNS} interleaved runs on one core: ours ${show(ours)}, ns-3 ${show(theirs)}\n`,
  );
  process.stdout.write(`ratio to ns-3: ${(median(ours) / median(theirs)).toFixed(2)}\n`);
}
