// `npm run conformance:linux [-- virtio|e1000e]`: our devices under Debian's Linux in QEMU. Installs what it needs where it can, says so where it cannot.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { aptInstall, ensureDependencies, root } from './setup.mjs';

/** One run may take this long; it ends by itself much earlier. */
const LIMIT_MS = 300_000;
const cache = join(root, 'out/conformance-linux');
/** The cloud kernel has virtio and little else; e1000e is a module of the full one, of which the rest is not unpacked. */
const RUNS = [
  { name: 'virtio', entry: 'main', metapackage: 'linux-image-cloud-amd64', directory: 'kernel', paths: [] },
  {
    name: 'e1000e',
    entry: 'e1000e_main',
    metapackage: 'linux-image-amd64',
    directory: 'kernel-full',
    paths: [
      './boot/vmlinuz-*',
      './lib/modules/*/modules.*',
      '*/e1000e/*',
      '*/ptp/*',
      '*/pps/*',
      '*/net/8021q/*',
      '*/net/802/*',
      '*/net/llc/*',
    ],
  },
];

const say = (text) => process.stdout.write(`${text}\n`);
const has = (command) => spawnSync('sh', ['-c', `command -v ${command}`]).status === 0;
const path = (command) => spawnSync('sh', ['-c', `command -v ${command}`], { encoding: 'utf8' }).stdout.trim();
const images = (run) => {
  const boot = join(cache, run.directory, 'boot');
  return existsSync(boot) ? readdirSync(boot).filter((f) => f.startsWith('vmlinuz-6.1.')) : [];
};
const isDebian12 = () => existsSync('/etc/os-release') && /^VERSION_CODENAME=bookworm$/m.test(readFileSync('/etc/os-release', 'utf8'));

/** Name of Debian's current 6.1 kernel package, undefined when apt knows none. */
function kernelPackage(run) {
  const r = spawnSync('apt-cache', ['depends', run.metapackage], { encoding: 'utf8' });
  return /Depends: (linux-image-6\.1\.\S*amd64)/.exec(r.stdout ?? '')?.[1];
}

/** Unpacks the whole package, or the paths named. */
function unpack(deb, into, paths) {
  if (paths.length === 0) return execFileSync('dpkg', ['-x', deb, into]);
  mkdirSync(into, { recursive: true });
  const script = 'dpkg --fsys-tarfile "$1" | { into=$2; shift 2; tar -x -C "$into" --wildcards "$@"; }';
  // patterns that match nothing make tar fail: what is built into the kernel has no module
  return spawnSync('sh', ['-c', script, 'sh', deb, into, ...paths], { stdio: 'ignore' });
}

/** Downloads and unpacks the kernel package; false when it is not to be had. */
function fetchKernel(run) {
  let name = kernelPackage(run);
  if (name === undefined && process.getuid() === 0) {
    spawnSync('apt-get', ['update', '-qq'], { stdio: ['ignore', 'ignore', 'inherit'] });
    name = kernelPackage(run);
  }
  if (name === undefined) return false;
  const temp = join(cache, `.kernel-${process.pid}`);
  mkdirSync(temp, { recursive: true });
  const download = ['-qq', '-o', 'APT::Sandbox::User=root', 'download', name];
  const fetched = spawnSync('apt-get', download, { cwd: temp, stdio: ['ignore', 'ignore', 'inherit'] }).status === 0;
  const deb = readdirSync(temp).find((f) => f.endsWith('.deb'));
  if (fetched && deb !== undefined) {
    unpack(join(temp, deb), join(temp, 'root'), run.paths);
    rmSync(join(cache, run.directory), { recursive: true, force: true });
    renameSync(join(temp, 'root'), join(cache, run.directory));
  }
  rmSync(temp, { recursive: true, force: true });
  return images(run).length > 0;
}

/** Why nothing can run here; undefined when it can. */
function obstacle() {
  if (process.platform !== 'linux' || process.arch !== 'x64') return "Debian's amd64 kernel in QEMU needs Linux on x64";
  if (RUNS.some((r) => images(r).length === 0) && !isDebian12()) return 'this is not Debian 12, whose kernel packages the run needs';
  const missing = () => ['qemu-system-x86_64', 'busybox', 'ethtool'].filter((c) => !has(c));
  if (missing().length > 0) aptInstall(['qemu-system-x86', 'busybox-static', 'ethtool']);
  return missing().length > 0 ? `not here, and not to be installed (that takes apt and root): ${missing().join(', ')}` : undefined;
}

const bundle = join(cache, 'bundle');
async function bundleRuns(runs) {
  const { build } = await import('vite');
  await build({
    root,
    configFile: false,
    logLevel: 'error',
    build: {
      ssr: true,
      target: 'node20',
      outDir: bundle,
      emptyOutDir: true,
      minify: false,
      rolldownOptions: {
        input: Object.fromEntries(runs.map((r) => [r.entry, join(root, `conformance/linux/${r.entry}.ts`)])),
        external: [/^node:/, /^[a-z@][^:]*$/],
        output: { format: 'es', entryFileNames: '[name].mjs' },
      },
    },
  });
}

/** Runs one table in a process of its own; [passed, failed] of its last line. */
function table(run) {
  const [image] = images(run);
  const modules = join(cache, run.directory, 'lib/modules', image.slice('vmlinuz-'.length));
  const args = [join(bundle, `${run.entry}.mjs`), join(cache, run.directory, 'boot', image), modules, path('busybox'), path('ethtool')];
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, { cwd: root, stdio: ['inherit', 'pipe', 'inherit'] });
    let last = '';
    child.stdout.setEncoding('utf8').on('data', (text) => {
      last = (last + text).slice(-200);
      process.stdout.write(text.replace(/^\d+ passed, \d+ failed\n/m, ''));
    });
    const late = setTimeout(() => {
      say(`the run took longer than ${LIMIT_MS / 1000} s`);
      child.kill('SIGTERM');
    }, LIMIT_MS);
    child.once('exit', (code) => {
      clearTimeout(late);
      const counts = /(\d+) passed, (\d+) failed\n$/.exec(last);
      resolve(counts === null ? [0, 1] : [Number(counts[1]), Number(counts[2]) + (code !== 0 && counts[2] === '0' ? 1 : 0)]);
    });
  });
}

const wanted = process.argv.slice(2);
const runs = RUNS.filter((r) => wanted.length === 0 || wanted.includes(r.name));
const why = obstacle();
let [passed, failed] = [0, 0];
if (why !== undefined) say(`skipped: ${why}`);
else {
  ensureDependencies();
  const ready = runs.filter((r) => {
    if (images(r).length > 0 || fetchKernel(r)) return true;
    say(`skipped: ${r.metapackage} is not to be had from apt here`);
    return false;
  });
  await bundleRuns(ready);
  for (const run of ready) {
    say(`── ${run.name} ──`);
    const [p, f] = await table(run);
    passed += p;
    failed += f;
  }
}
say(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
