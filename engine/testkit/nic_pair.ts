// Two bare machines with a virtio NIC each, joined by a cable, driven by scripts.
import { F } from '../virtio/features.ts';
import { ctrlQueue, rxQueue, txQueue, VirtioNetHdr } from '../virtio/net.ts';
import { PCI_DEVFN } from '../pci/config_space.ts';
import { PciHost } from '../devices/pci_host.ts';
import { type VirtioNetPci, virtioNetPci, type VirtioNetSpec } from '../devices/virtio_net.ts';
import { Cable, type CableSpec } from '../link/cable.ts';
import type { Platform } from '../platform/platform.ts';
import { Sim } from '../sim/sim.ts';
import { Trace } from '../trace/trace.ts';
import { bareMachine, type IrqLog, ScriptedDriver, type ScriptedQueue } from './scripted_driver.ts';

const HDR = VirtioNetHdr.$size;

/** One machine, its NIC, and the script's queues. */
export class Station {
  readonly platform: Platform;
  readonly irqs: IrqLog;
  readonly host: PciHost;
  readonly nic: VirtioNetPci;
  readonly driver: ScriptedDriver;
  rx: ScriptedQueue[] = [];
  tx: ScriptedQueue[] = [];
  ctrl: ScriptedQueue | undefined;
  private readonly received: Uint8Array[] = [];
  private readonly rxBuffers = new Map<string, { addr: number; len: number }[]>();

  constructor(sim: Sim, trace: Trace, name: string, lastByte: number, spec: Partial<VirtioNetSpec> = {}) {
    ({ platform: this.platform, irqs: this.irqs } = bareMachine(sim, trace, name));
    this.host = new PciHost(this.platform);
    const mac = Uint8Array.of(0x52, 0x54, 0, 0, 0, lastByte);
    this.nic = virtioNetPci(this.platform, { portName: `${name}:nic0`, slot: '00:01.0', mac, queuePairs: 1, ...spec });
    this.host.addFunction(PCI_DEVFN(1, 0), this.nic.pci.fn);
    this.host.firmware();
    this.driver = new ScriptedDriver(this.platform, 1);
  }

  /** Probes, takes the given features (default: all offered), sets up every queue and starts the device. */
  start(features?: bigint, options: { readonly ringSize?: number } = {}): void {
    const d = this.driver;
    d.probe();
    const wanted = features ?? d.offeredFeatures();
    if (!d.negotiate(wanted | F.VIRTIO_F_VERSION_1)) throw new Error('FEATURES_OK refused');
    const pairs = this.nic.net.maxPairs;
    for (let p = 0; p < pairs; p++) {
      this.rx[p] = d.setupQueue(rxQueue(p), options.ringSize);
      this.tx[p] = d.setupQueue(txQueue(p), options.ringSize);
    }
    this.ctrl = d.setupQueue(ctrlQueue(pairs));
    d.driverOk();
  }

  /** Posts receive buffers; each entry is one chain, given as the lengths of its writable buffers. */
  postRx(chains: readonly (readonly number[])[], pair = 0): void {
    const q = this.rx[pair];
    for (const lengths of chains) {
      const buffers = lengths.map((len) => ({ addr: this.driver.page(len), len, write: true }));
      const head = q.addChain(buffers);
      this.rxBuffers.set(`${pair}/${head}`, buffers);
    }
    q.kick();
  }

  /** Puts a packet with its header into a transmit queue, header in its own buffer, without ringing. */
  queueTx(
    packet: Uint8Array,
    header: Partial<Record<'flags' | 'gso_type' | 'hdr_len' | 'gso_size' | 'csum_start' | 'csum_offset', number>> = {},
    pair = 0,
  ): number {
    const at = this.driver.page(HDR + packet.length);
    for (const [k, v] of Object.entries(header)) VirtioNetHdr[k as 'flags'].set(this.driver.ram, at, v);
    this.driver.ram.write(at + HDR, packet, 0, packet.length);
    return this.tx[pair].addChain([
      { addr: at, len: HDR },
      { addr: at + HDR, len: packet.length },
    ]);
  }

  send(packet: Uint8Array, header = {}, pair = 0): void {
    this.queueTx(packet, header, pair);
    this.tx[pair].kick();
  }

  /** Packets that arrived, headers in front, merged over their buffers. */
  receive(pair = 0): Uint8Array[] {
    const { ram } = this.driver;
    const used = this.rx[pair].takeUsed();
    while (used.length > 0) {
      const parts: Uint8Array[] = [];
      let buffers = 1;
      for (let k = 0; k < buffers; k++) {
        const u = used.shift();
        if (u === undefined) throw new Error('num_buffers promises more than was used');
        const part = new Uint8Array(u.len);
        let at = 0;
        for (const b of this.rxBuffers.get(`${pair}/${u.id}`) ?? []) {
          const n = Math.min(b.len, u.len - at);
          if (n > 0) ram.read(b.addr, part, at, n);
          at += Math.max(0, n);
        }
        parts.push(part);
        if (k === 0) buffers = part[VirtioNetHdr.num_buffers.offset] | (part[VirtioNetHdr.num_buffers.offset + 1] << 8);
      }
      this.received.push(Uint8Array.from(parts.flatMap((p) => [...p])));
    }
    return this.received.splice(0);
  }

  /** One control command; the ack byte. */
  command(cls: number, cmd: number, data: Uint8Array): number {
    const q = this.ctrl;
    if (q === undefined) throw new Error('no control queue');
    const at = this.driver.page(2 + data.length + 1);
    this.driver.ram.write(at, Uint8Array.of(cls, cmd, ...data), 0, 2 + data.length);
    this.driver.ram.setU8(at + 2 + data.length, 0xee);
    q.addChain([
      { addr: at, len: 2 },
      ...(data.length > 0 ? [{ addr: at + 2, len: data.length }] : []),
      { addr: at + 2 + data.length, len: 1, write: true },
    ]);
    q.kick();
    q.takeUsed();
    return this.driver.ram.u8(at + 2 + data.length);
  }
}

/** The whole scene, as a value: `clone` and `hashOf` work on it. */
export interface NicPair {
  readonly sim: Sim;
  readonly trace: Trace;
  readonly a: Station;
  readonly b: Station;
  readonly cable: Cable;
}

export function nicPair(
  options: { readonly spec?: Partial<VirtioNetSpec>; readonly cable?: Partial<CableSpec>; readonly seed?: number } = {},
): NicPair {
  const sim = new Sim(options.seed ?? 1);
  const trace = new Trace(sim);
  const a = new Station(sim, trace, 'a', 0x0a, options.spec);
  const b = new Station(sim, trace, 'b', 0x0b, options.spec);
  const cable = new Cable(sim, trace, { id: 'c0', rate: 1e9, delay: 500, loss: 0, ...options.cable }, a.nic.net, b.nic.net);
  return { sim, trace, a, b, cable };
}

/** Runs until nothing is scheduled. */
export function settle(sim: Sim): void {
  for (let i = 0; sim.step(); i++) if (i > 1_000_000) throw new Error('the world does not come to rest');
}
