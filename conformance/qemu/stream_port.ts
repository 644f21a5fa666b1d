// The far end of `-netdev stream`: frames behind a 32-bit big-endian length, one end of a simulated cable. What passes is kept as a pcap file.
import { createServer, type Server, type Socket } from 'node:net';
import type { Frame, NicPort, Wire } from '../../engine/link/port.ts';
import type { Sim } from '../../engine/sim/sim.ts';

const LENGTH = 4;
/** https://wiki.wireshark.org/Development/LibpcapFileFormat: microseconds, version 2.4, Ethernet. */
const PCAP_HEADER = Buffer.from('d4c3b2a1020004000000000000000000ffff000001000000', 'hex');

export class StreamPort implements NicPort {
  readonly portName = 'stream';
  /** Frames from QEMU, and to it. */
  received = 0;
  sent = 0;
  /** Called for each frame from QEMU, before it goes on. */
  onFrame: ((bytes: Uint8Array) => void) | undefined;
  private wire: Wire | undefined;
  private socket: Socket | undefined;
  private readonly server: Server;
  private pending: Buffer = Buffer.alloc(0);
  private readonly kept: Buffer[] = [PCAP_HEADER];

  constructor(
    private readonly sim: Sim,
    /** Brings the clock up to date: a frame arrives now. */
    private readonly catchUp: () => void,
  ) {
    this.server = createServer((socket) => {
      this.socket = socket;
      socket.on('data', (d) => this.data(d));
      socket.on('error', () => undefined);
    });
  }

  listen(path: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(path, resolve);
    });
  }

  plug(wire: Wire | undefined): void {
    this.wire = wire;
  }
  linkChanged(): void {
    // QEMU's end of a stream has no carrier
  }

  /** A frame from the cable, for QEMU. */
  receiveFrame(frame: Frame): void {
    this.inject(frame.bytes);
  }

  inject(bytes: Uint8Array): void {
    const head = Buffer.alloc(LENGTH);
    head.writeUInt32BE(bytes.length);
    this.keep(bytes);
    this.sent++;
    this.socket?.write(head);
    this.socket?.write(bytes);
  }

  /** Everything that passed, as a capture file. */
  pcap(): Buffer {
    return Buffer.concat(this.kept);
  }

  close(): void {
    this.socket?.destroy();
    this.server.close();
  }

  private data(d: Buffer): void {
    this.pending = this.pending.length === 0 ? d : Buffer.concat([this.pending, d]);
    while (this.pending.length >= LENGTH) {
      const size = this.pending.readUInt32BE(0);
      if (this.pending.length < LENGTH + size) return;
      const bytes = Uint8Array.from(this.pending.subarray(LENGTH, LENGTH + size));
      this.pending = this.pending.subarray(LENGTH + size);
      this.received++;
      this.keep(bytes);
      this.onFrame?.(bytes);
      this.catchUp();
      this.wire?.transmit(this, { bytes, id: this.sim.newId(), skb: 0 });
    }
  }

  private keep(bytes: Uint8Array): void {
    const head = Buffer.alloc(16);
    const now = Date.now();
    head.writeUInt32LE(Math.floor(now / 1000), 0);
    head.writeUInt32LE((now % 1000) * 1000, 4);
    head.writeUInt32LE(bytes.length, 8);
    head.writeUInt32LE(bytes.length, 12);
    this.kept.push(head, Buffer.from(bytes));
  }
}
