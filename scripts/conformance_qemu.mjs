// `npm run conformance:qemu`: our drivers on QEMU's device models over qtest. Installs what it needs where it can, says so where it cannot.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { aptInstall, ensureDependencies, root } from './setup.mjs';

/** The whole run may take this long; it ends by itself much earlier. */
const LIMIT_MS = 180_000;

const skip = (why) => {
  process.stdout.write(`skipped: ${why}\n0 passed, 0 failed\n`);
  process.exit(0);
};
const has = (command) => spawnSync('sh', ['-c', `command -v ${command}`]).status === 0;

if (process.platform !== 'linux') skip("FIFOs and shared memory as QEMU's qtest takes them need Linux");
if (!has('qemu-system-x86_64')) aptInstall(['qemu-system-x86']);
if (!has('qemu-system-x86_64')) skip('qemu-system-x86_64 is not here and cannot be installed (that takes apt and root)');
if (!has('tshark') || !has('mergecap')) aptInstall(['tshark']);

ensureDependencies();
const { build } = await import('vite');
const bundle = join(root, 'out/conformance-qemu');
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
      input: { main: join(root, 'conformance/qemu/main.ts') },
      external: [/^node:/, /^[a-z@][^:]*$/],
      output: { format: 'es', entryFileNames: '[name].mjs' },
    },
  },
});

const temp = mkdtempSync(join(tmpdir(), 'ringscope-qemu-'));
const child = spawn(process.execPath, [join(bundle, 'main.mjs'), temp, ...process.argv.slice(2)], { cwd: root, stdio: 'inherit' });
let over = false;
for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => child.kill(signal));
const late = setTimeout(() => {
  process.stdout.write(`the run took longer than ${LIMIT_MS / 1000} s\n0 passed, 1 failed\n`);
  child.kill('SIGTERM');
  // one that waits for a QEMU which answers nothing hears no signal; its QEMU ends with it
  setTimeout(() => over || child.kill('SIGKILL'), 3000).unref();
}, LIMIT_MS);
child.once('exit', (code) => {
  over = true;
  rmSync(temp, { recursive: true, force: true });
  clearTimeout(late);
  process.exitCode = code ?? 1;
});
