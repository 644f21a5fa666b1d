// Builds out/node (command line, browser host, engine worker) when a source file is newer; several callers at once are safe.
import { existsSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const SOURCES = ['engine', 'main', 'preload', 'vite.node.config.ts', 'package-lock.json'];

export function newest(path) {
  const st = statSync(path, { throwIfNoEntry: false });
  if (st === undefined) return 0;
  if (!st.isDirectory()) return path.endsWith('.test.ts') ? 0 : st.mtimeMs;
  return readdirSync(path).reduce((m, f) => Math.max(m, newest(join(path, f))), 0);
}

/** Resolves when out/node is current. Says plainly what is missing when it cannot be built. */
export async function ensureNodeBuild(root) {
  const out = join(root, 'out/node');
  const stamp = join(out, '.built');
  const built = statSync(stamp, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const wanted = SOURCES.reduce((m, s) => Math.max(m, newest(join(root, s))), 0);
  if (built >= wanted) return;
  if (!existsSync(join(root, 'node_modules/vite'))) {
    process.stderr.write('ringscope: this checkout has no node_modules: run `npm ci` (or `npm start`, which does) first\n');
    process.exit(1);
  }
  const { mkdirSync } = await import('node:fs');
  mkdirSync(join(root, 'out'), { recursive: true });
  const temp = mkdtempSync(join(root, 'out/.node-'));
  process.env.RINGSCOPE_OUT = temp;
  const { build } = await import('vite');
  await build({ root, configFile: join(root, 'vite.node.config.ts'), logLevel: 'error' });
  delete process.env.RINGSCOPE_OUT;
  writeFileSync(join(temp, '.built'), '');
  const old = `${temp}.old`;
  try {
    if (existsSync(out)) renameSync(out, old);
    renameSync(temp, out);
  } catch {
    // another caller was faster with the same sources
    rmSync(temp, { recursive: true, force: true });
  }
  rmSync(old, { recursive: true, force: true });
}
