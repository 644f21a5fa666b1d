// `npm start`: the Electron app; where its binary is absent and cannot be fetched within seconds, the browser door in an app window.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureBuild, ensureDependencies, findChromium, root } from './setup.mjs';

const FETCH_LIMIT = 15_000;
const args = process.argv.slice(2);

ensureDependencies();
await ensureBuild();

const electron = electronBinary();
if (electron !== undefined) {
  const app = spawn(electron, ['.', ...args], { cwd: root, stdio: 'inherit' });
  app.on('exit', (code) => process.exit(code ?? 0));
} else {
  process.stderr.write("ringscope: Electron's binary is not here and cannot be fetched; opening the browser door instead\n");
  await browserDoor();
}

/** The installed binary, fetched when that works within seconds. */
function electronBinary() {
  const given = process.env.ELECTRON_EXEC_PATH;
  if (given !== undefined && existsSync(given)) return given;
  const dir = join(root, 'node_modules/electron');
  if (!existsSync(dir)) return undefined;
  const binary = () => {
    const pathFile = join(dir, 'path.txt');
    const path = existsSync(pathFile) ? join(dir, 'dist', readFileSync(pathFile, 'utf8')) : '';
    return path !== '' && existsSync(path) ? path : undefined;
  };
  const found = binary();
  if (found !== undefined || process.env.ELECTRON_SKIP_BINARY_DOWNLOAD !== undefined) return found;
  const installer = join(dir, 'install.js');
  if (!existsSync(installer)) return undefined;
  spawnSync(process.execPath, [installer], { cwd: dir, stdio: 'ignore', timeout: FETCH_LIMIT });
  return binary();
}

async function browserDoor() {
  const server = spawn(process.execPath, [join(root, 'bin/ringscope'), 'serve', ...args], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const stop = () => server.kill('SIGTERM');
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  server.on('exit', (code) => process.exit(code ?? 0));
  let text = '';
  const url = await new Promise((ready) => {
    server.stdout.on('data', (d) => {
      text += d;
      const m = /^(http:\S+)$/m.exec(text);
      if (m) ready(m[1]);
    });
  });
  const browser = findChromium();
  const display = process.platform !== 'linux' || process.env.DISPLAY || process.env.WAYLAND_DISPLAY;
  if (browser === undefined || !display) {
    process.stdout.write(`${url}\n`);
    process.stderr.write(
      browser === undefined
        ? 'ringscope: no Chromium-family browser was found: open the address above in one\n'
        : 'ringscope: there is no display: open the address above in a browser\n',
    );
    return;
  }
  const profile = mkdtempSync(join(tmpdir(), 'ringscope-browser-'));
  const flags = [
    `--app=${url}`,
    `--user-data-dir=${profile}`,
    '--no-first-run',
    '--no-default-browser-check',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--window-size=1440,900',
  ];
  if (process.getuid?.() === 0) flags.push('--no-sandbox', '--test-type');
  process.stdout.write(`${url.replace(/#.*/, '')} is open in ${browser}\n`);
  const window = spawn(browser, flags, { stdio: 'ignore' });
  window.on('exit', () => {
    rmSync(profile, { recursive: true, force: true });
    stop();
  });
  process.on('exit', () => window.kill());
}
