// `ringscope serve [LAB] [--port N]`: the browser door until Ctrl-C.
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { HostThread } from '../host/client.ts';
import { labDirs, rendererDir, workerScript } from '../host/places.ts';
import { startWebDoor } from '../web/server.ts';
import { readLab, UsageError } from './options.ts';

export async function serve(args: readonly string[]): Promise<number> {
  let port = 0;
  let lab: string | undefined;
  for (let i = 0; i < args.length; i++) {
    if (args[i] === '--port') {
      port = Number(args[++i]);
      if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new UsageError(`--port ${args[i]}: write a port number, 0 to 65535`);
    } else if (args[i].startsWith('--')) throw new UsageError(`${args[i]} is not an option of serve`);
    else if (lab === undefined) lab = args[i];
    else throw new UsageError('serve takes one lab: ringscope serve [LAB] [--port N]');
  }
  if (!existsSync(rendererDir())) throw new UsageError('the window is not built: run `npm run build` first');
  if (lab !== undefined) readLab(lab);
  const host = new HostThread(workerScript(), { labDirs: labDirs() }, (e) => {
    process.stderr.write(`ringscope: the engine stopped: ${e.stack ?? e.message}\n`);
    process.exitCode = 1;
    stop();
  });
  let stop: () => void = () => undefined;
  const stopped = new Promise<void>((go) => {
    stop = go;
  });
  let door;
  try {
    door = await startWebDoor(host, rendererDir(), port);
  } catch (e) {
    await host.close();
    throw new UsageError(
      (e as NodeJS.ErrnoException).code === 'EADDRINUSE'
        ? `port ${port} is in use: choose another with --port, or leave it out`
        : String(e),
    );
  }
  await host.openLab(lab === undefined ? resolve(labDirs()[0], 'two-hosts.lab.yaml') : resolve(lab));
  process.stdout.write(`${door.url}\n`);
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  await stopped;
  await door.close();
  await host.close();
  return Number(process.exitCode ?? 0);
}
