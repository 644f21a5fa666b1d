// QEMU's qtest socket, as far as a device needs it: message-signalled interrupts are memory writes.
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { MsiSink } from '../../engine/platform/bus.ts';

export class Qtest implements MsiSink {
  /** Interrupt messages sent. */
  messages = 0;
  /** Changes of interrupt lines. */
  lines = 0;
  private socket: Socket | undefined;

  /** Connects to a socket that QEMU makes while it starts. */
  async open(path: string, timeoutMs = 20_000): Promise<void> {
    const end = Date.now() + timeoutMs;
    for (;;) {
      const socket = await attempt(path);
      if (socket !== undefined) {
        // the answers ('OK' per write) are of no use here
        socket.resume();
        socket.on('error', () => undefined);
        this.socket = socket;
        return;
      }
      if (Date.now() > end) throw new Error(`QEMU did not open ${path} within ${timeoutMs / 1000} s`);
      await sleep(50);
    }
  }

  msiWrite(address: number, data: number): void {
    this.messages++;
    this.socket?.write(`writel 0x${address.toString(16)} 0x${data.toString(16)}\n`);
  }

  /** Sets the level of an input of the I/O APIC: a line interrupt. */
  setLine(gsi: number, level: boolean): void {
    this.lines++;
    this.socket?.write(`set_irq_in /machine/q35/ioapic unnamed-gpio-in ${gsi} ${level ? 1 : 0}\n`);
  }

  close(): void {
    this.socket?.destroy();
  }
}

const attempt = (path: string): Promise<Socket | undefined> =>
  new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => resolve(socket));
    socket.once('error', () => resolve(undefined));
  });
