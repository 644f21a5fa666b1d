// The engine's thread: hosts the Host and speaks with the door that started it.
import { parentPort, workerData } from 'node:worker_threads';
import type { ToWindow } from '../../preload/contract.ts';
import { Host } from './host.ts';
import { type Client, PUSH_INTERVAL } from './protocol.ts';

/** Door → worker. */
export type ToWorker =
  | { readonly t: 'connect'; readonly client: number; readonly door: 'electron' | 'browser' }
  | { readonly t: 'disconnect'; readonly client: number }
  | { readonly t: 'message'; readonly client: number; readonly message: unknown }
  | { readonly t: 'open'; readonly path: string; readonly reply: number }
  | { readonly t: 'close' };
/** Worker → door. */
export type FromWorker =
  | { readonly t: 'message'; readonly client: number; readonly message: ToWindow }
  | { readonly t: 'opened'; readonly reply: number; readonly error: string | undefined }
  | { readonly t: 'closed' };

export interface WorkerOptions {
  readonly labDirs: readonly string[];
}

const port = parentPort;
if (port === null) throw new Error('main/host/worker.ts runs in a worker thread');
const door = port;

const hasPty = await import('@lydell/node-pty').then(
  () => true,
  () => false,
);
const host = new Host({ labDirs: (workerData as WorkerOptions).labDirs, wall: () => performance.now(), hostShell: hasPty });
const clients = new Map<number, Client>();
const post = (m: FromWorker): void => door.postMessage(m);

const timer = setInterval(() => host.tick(), PUSH_INTERVAL);

door.on('message', (m: ToWorker) => {
  switch (m.t) {
    case 'connect':
      clients.set(
        m.client,
        host.connect((message) => post({ t: 'message', client: m.client, message }), m.door),
      );
      break;
    case 'disconnect': {
      const c = clients.get(m.client);
      if (c !== undefined) host.disconnect(c);
      clients.delete(m.client);
      break;
    }
    case 'message':
      clients.get(m.client)?.receive(m.message);
      break;
    case 'open':
      host.openLab(m.path).then(
        () => post({ t: 'opened', reply: m.reply, error: undefined }),
        (e: unknown) => post({ t: 'opened', reply: m.reply, error: e instanceof Error ? e.message : String(e) }),
      );
      break;
    case 'close':
      clearInterval(timer);
      void host.close().finally(() => {
        post({ t: 'closed' });
        door.close();
      });
  }
});
