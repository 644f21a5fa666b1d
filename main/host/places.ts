// Where things lie, in a checkout and in an installed app: the built window, the worker, the shipped labs, the person's own labs.
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder that holds out/ and resources/: above this bundle. */
function root(): string {
  let dir = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(dir, 'package.json')) && dirname(dir) !== dir) dir = dirname(dir);
  return dir;
}

export const rendererDir = (): string => join(root(), 'out', 'renderer');
/** The worker lies beside the bundle that starts it (out/main or out/node). */
export function workerScript(): URL {
  const here = dirname(fileURLToPath(import.meta.url));
  const file = [join(here, 'worker.js'), join(here, '..', 'worker.js')].find((f) => existsSync(f));
  if (file === undefined) throw new Error(`the engine's worker is not built: there is no worker.js near ${here}; run \`npm run build\``);
  return new URL(`file://${file}`);
}
/** Shipped labs first, then the person's. */
export function labDirs(): string[] {
  const resources = (process as { readonly resourcesPath?: string }).resourcesPath;
  const packed = resources === undefined ? undefined : join(resources, 'labs');
  const shipped = packed !== undefined && existsSync(packed) ? packed : join(root(), 'resources', 'labs');
  return [shipped, join(homedir(), 'Ringscope', 'labs')];
}
