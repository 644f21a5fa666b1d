// The doors' handle on the engine's thread: start it, connect windows, open labs, close.
import { Worker } from 'node:worker_threads';
import type { ToWindow } from '../../preload/contract.ts';
import type { FromWorker, ToWorker, WorkerOptions } from './worker.ts';

export interface Connection {
  send(message: unknown): void;
  close(): void;
}

export class HostThread {
  private readonly worker: Worker;
  private readonly windows = new Map<number, (m: ToWindow) => void>();
  private readonly replies = new Map<number, (error: string | undefined) => void>();
  private nextId = 1;
  private readonly ended: Promise<void>;

  /** `script`: the built worker's file. `died` is told when the thread ends by itself. */
  constructor(script: URL, options: WorkerOptions, died: (error: Error) => void) {
    this.worker = new Worker(script, { workerData: options });
    this.ended = new Promise((done) => this.worker.once('exit', () => done()));
    this.worker.on('error', died);
    this.worker.on('message', (m: FromWorker) => {
      if (m.t === 'message') this.windows.get(m.client)?.(m.message);
      else if (m.t === 'opened') {
        this.replies.get(m.reply)?.(m.error);
        this.replies.delete(m.reply);
      }
    });
  }

  connect(door: 'electron' | 'browser', receive: (m: ToWindow) => void): Connection {
    const client = this.nextId++;
    this.windows.set(client, receive);
    this.post({ t: 'connect', client, door });
    return {
      send: (message) => this.post({ t: 'message', client, message }),
      close: () => {
        this.windows.delete(client);
        this.post({ t: 'disconnect', client });
      },
    };
  }

  /** Opens a lab; rejects with a message for the person. */
  openLab(path: string): Promise<void> {
    const reply = this.nextId++;
    return new Promise((resolve, reject) => {
      this.replies.set(reply, (error) => (error === undefined ? resolve() : reject(new Error(error))));
      this.post({ t: 'open', path, reply });
    });
  }

  /** Ends the thread in order, or by force after a while. */
  async close(): Promise<void> {
    this.post({ t: 'close' });
    const force = setTimeout(() => void this.worker.terminate(), 2_000);
    await this.ended;
    clearTimeout(force);
  }

  private post(m: ToWorker): void {
    this.worker.postMessage(m);
  }
}
