// QEMU's machine protocol (QMP) on a socket: questions with answers, in order.
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (why: Error) => void;
}

export class Qmp {
  private text = '';
  private readonly waiting: Waiting[] = [];

  private constructor(private readonly socket: Socket) {
    socket.on('data', (d) => this.received(d.toString()));
    socket.on('error', () => this.lost());
    socket.on('close', () => this.lost());
  }

  static async open(path: string, alive: () => boolean, timeoutMs = 20_000): Promise<Qmp> {
    const end = Date.now() + timeoutMs;
    while (alive() && Date.now() < end) {
      const socket = await attempt(path);
      if (socket !== undefined) {
        const qmp = new Qmp(socket);
        await qmp.run('qmp_capabilities');
        return qmp;
      }
      await sleep(5);
    }
    throw new Error(`QEMU did not open ${path}`);
  }

  /** The command's answer; rejects with QEMU's words when it refuses. */
  run<T = unknown>(execute: string, args: object = {}): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.waiting.push({ resolve: resolve as (value: unknown) => void, reject });
      this.socket.write(`${JSON.stringify({ execute, arguments: args })}\n`);
    });
  }

  close(): void {
    this.socket.destroy();
  }

  private received(data: string): void {
    this.text += data;
    for (let at = this.text.indexOf('\n'); at >= 0; at = this.text.indexOf('\n')) {
      const message = JSON.parse(this.text.slice(0, at)) as { return?: unknown; error?: { desc: string } };
      this.text = this.text.slice(at + 1);
      if (message.error !== undefined) this.waiting.shift()?.reject(new Error(message.error.desc));
      else if ('return' in message) this.waiting.shift()?.resolve(message.return);
    }
  }

  private lost(): void {
    for (const w of this.waiting.splice(0)) w.reject(new Error('QEMU closed its QMP socket'));
  }
}

const attempt = (path: string): Promise<Socket | undefined> =>
  new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => resolve(socket));
    socket.once('error', () => resolve(undefined));
  });
