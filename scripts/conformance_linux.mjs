// `npm run conformance:linux`: our virtio-net device under Debian's Linux in QEMU. Installs what it needs where it can, says so where it cannot.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { aptInstall, ensureDependencies, root } from './setup.mjs';

/** The whole run may take this long; it ends by itself much earlier. */
const LIMIT_MS = 180_000;
const cache = join(root, 'out/conformance-linux');

const skip = (why) => {
  process.stdout.write(`skipped: ${why}\n0 passed, 0 failed\n`);
  process.exit(0);
};
const has = (command) => spawnSync('sh', ['-c', `command -v ${command}`]).status === 0;
const path = (command) => spawnSync('sh', ['-c', `command -v ${command}`], { encoding: 'utf8' }).stdout.trim();

const unpacked = join(cache, 'kernel');
const images = () =>
  existsSync(join(unpacked, 'boot')) ? readdirSync(join(unpacked, 'boot')).filter((f) => f.startsWith('vmlinuz-6.1.')) : [];
const isDebian12 = () => existsSync('/etc/os-release') && /^VERSION_CODENAME=bookworm$/m.test(readFileSync('/etc/os-release', 'utf8'));

/** Name of Debian's current 6.1 cloud kernel package, undefined when apt knows none. */
function kernelPackage() {
  const r = spawnSync('apt-cache', ['depends', 'linux-image-cloud-amd64'], { encoding: 'utf8' });
  return /Depends: (linux-image-6\.1\.\S*cloud-amd64)/.exec(r.stdout ?? '')?.[1];
}

/** Downloads and unpacks the kernel package; false when it is not to be had. */
function fetchKernel() {
  let name = kernelPackage();
  if (name === undefined && process.getuid() === 0) {
    spawnSync('apt-get', ['update', '-qq'], { stdio: ['ignore', 'ignore', 'inherit'] });
    name = kernelPackage();
  }
  if (name === undefined) return false;
  const temp = join(cache, `.kernel-${process.pid}`);
  mkdirSync(temp, { recursive: true });
  const download = ['-qq', '-o', 'APT::Sandbox::User=root', 'download', name];
  const fetched = spawnSync('apt-get', download, { cwd: temp, stdio: ['ignore', 'ignore', 'inherit'] }).status === 0;
  const deb = readdirSync(temp).find((f) => f.endsWith('.deb'));
  if (fetched && deb !== undefined) {
    execFileSync('dpkg', ['-x', join(temp, deb), join(temp, 'root')]);
    rmSync(unpacked, { recursive: true, force: true });
    renameSync(join(temp, 'root'), unpacked);
  }
  rmSync(temp, { recursive: true, force: true });
  return images().length > 0;
}

if (process.platform !== 'linux' || process.arch !== 'x64') skip("Debian's amd64 kernel in QEMU needs Linux on x64");
if (images().length === 0 && !isDebian12()) skip('this is not Debian 12, whose kernel package the run needs');
const missing = () => ['qemu-system-x86_64', 'busybox', 'ethtool'].filter((c) => !has(c));
if (missing().length > 0) aptInstall(['qemu-system-x86', 'busybox-static', 'ethtool']);
if (missing().length > 0) skip(`not here, and not to be installed (that takes apt and root): ${missing().join(', ')}`);
if (images().length === 0 && !fetchKernel()) skip('linux-image-cloud-amd64 is not to be had from apt here');
const [image] = images();
const linux = { image: join(unpacked, 'boot', image), modules: join(unpacked, 'lib/modules', image.slice('vmlinuz-'.length)) };

ensureDependencies();
const { build } = await import('vite');
const bundle = join(cache, 'bundle');
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
      input: { main: join(root, 'conformance/linux/main.ts') },
      external: [/^node:/, /^[a-z@][^:]*$/],
      output: { format: 'es', entryFileNames: '[name].mjs' },
    },
  },
});

const args = [join(bundle, 'main.mjs'), linux.image, linux.modules, path('busybox'), path('ethtool'), ...process.argv.slice(2)];
const child = spawn(process.execPath, args, { cwd: root, stdio: 'inherit' });
const late = setTimeout(() => {
  process.stdout.write(`the run took longer than ${LIMIT_MS / 1000} s\n0 passed, 1 failed\n`);
  child.kill('SIGTERM');
}, LIMIT_MS);
child.once('exit', (code) => {
  clearTimeout(late);
  process.exitCode = code ?? 1;
});
