// What `npm start` and `npm test` need on a fresh machine: dependencies, a Chromium for tests. Says plainly what is missing otherwise.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Runs a command with its output shown; answers its status. */
export function run(command, args, options = {}) {
  const r = spawnSync(command, args, { cwd: root, stdio: 'inherit', shell: process.platform === 'win32', ...options });
  return r.status ?? 1;
}

export function fail(text) {
  process.stderr.write(`ringscope: ${text}\n`);
  process.exit(1);
}

/** Installs the locked dependencies when they are not there or older than the lock file. */
export function ensureDependencies() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19)) fail(`Node.js 20.19 or newer is needed; this is ${process.version}`);
  const marker = join(root, 'node_modules/.package-lock.json');
  const lock = join(root, 'package-lock.json');
  if (existsSync(marker) && statSync(marker).mtimeMs >= statSync(lock).mtimeMs - 1000) return;
  if (existsSync(marker) && sameVersions(marker, lock)) return;
  process.stderr.write('ringscope: installing dependencies (npm ci)\n');
  if (run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']) !== 0)
    fail('npm ci failed: see above; without the dependencies nothing can be built');
}

function sameVersions(marker, lock) {
  const installed = JSON.parse(readFileSync(marker, 'utf8')).packages;
  const wanted = JSON.parse(readFileSync(lock, 'utf8')).packages;
  return Object.entries(wanted).every(([path, p]) => path === '' || p.optional || installed[path]?.version === p.version);
}

const CHROMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'microsoft-edge', 'brave-browser', 'vivaldi'];
const APPS = [
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  '/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge',
  String.raw`C:\Program Files\Google\Chrome\Application\chrome.exe`,
  String.raw`C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe`,
];

/** Path of a Chromium-family browser, undefined when there is none. */
export function findChromium() {
  const given = process.env.RINGSCOPE_CHROMIUM;
  if (given !== undefined && existsSync(given)) return given;
  const dirs = (process.env.PATH ?? '').split(process.platform === 'win32' ? ';' : ':').concat('/usr/bin');
  for (const name of CHROMES) for (const d of dirs) if (existsSync(join(d, name))) return join(d, name);
  return APPS.find((a) => existsSync(a));
}

/** Installs Debian packages where that is possible; false otherwise. */
export function aptInstall(packages) {
  if (process.platform !== 'linux' || process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) return false;
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const quiet = { env, stdio: ['ignore', 'ignore', 'inherit'] };
  const install = () => run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages], quiet) === 0;
  return install() || (run('apt-get', ['update', '-qq'], quiet) === 0 && install());
}

/** A Chromium for the tests: found, or installed where apt and root allow. */
export function ensureChromium() {
  const found = findChromium();
  if (found !== undefined) return found;
  process.stderr.write('ringscope: installing chromium for the end-to-end tests\n');
  if (aptInstall(['chromium'])) return findChromium();
  return undefined;
}

/** Builds out/ when a source is newer. */
export async function ensureBuild() {
  const { ensureNodeBuild, newest } = await import('./node-build.mjs');
  await ensureNodeBuild(root);
  const built = join(root, 'out/renderer/index.html');
  const wanted = ['renderer', 'preload', 'main', 'engine', 'electron.vite.config.ts', 'package-lock.json'].reduce(
    (m, s) => Math.max(m, newest(join(root, s))),
    0,
  );
  if (existsSync(built) && existsSync(join(root, 'out/main/index.js')) && statSync(built).mtimeMs >= wanted) return;
  process.stderr.write('ringscope: building\n');
  if (run('npx', ['electron-vite', 'build', '--logLevel', 'warn']) !== 0) fail('the build failed: see above');
}
