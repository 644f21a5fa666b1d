// The far end of QEMU's x-pci-proxy-dev: its messages become accesses to one of our PCI functions (QEMU 7.2: include/hw/remote/mpqemu-link.h).
import type { Duplex } from 'node:stream';
import { le32, le64, struct } from '../../engine/base/layout.ts';
import { ByteMem } from '../../engine/base/memory.ts';
import { barOffset, type PciFunction, type PciPlace } from '../../engine/devices/pci_function.ts';
import { Bus } from '../../engine/platform/bus.ts';
import type { GuestMemory, MemoryRegion } from './guest_memory.ts';

const CMD = { SYNC_SYSMEM: 0, RET: 1, CFG_WRITE: 2, CFG_READ: 3, BAR_WRITE: 4, BAR_READ: 5, SET_IRQFD: 6, RESET: 7 } as const;
const Header = struct('MPQemuMsg', { cmd: le32(), pad: le32(), size: le64() });
const ConfigAccess = struct('PciConfDataMsg', { addr: le32(), val: le32(), len: le32() });
/** The value is 64 bits wide; no register of ours is, so its upper half stays unused. */
const BarAccess = struct('BarAccessMsg', { addr: le64(), val: le32(), val_high: le32(), size: le32(), memory: le32() });
/** Entries of each of the three arrays of SyncSysmemMsg: gpa, size, offset. */
const REGIONS = 8;

export interface ProxyCounters {
  configReads: number;
  configWrites: number;
  barReads: number;
  barWrites: number;
  resets: number;
}

export class ProxyServer {
  readonly counters: ProxyCounters = { configReads: 0, configWrites: 0, barReads: 0, barWrites: 0, resets: 0 };
  /** Set when a message made no sense or an access threw; nothing is answered from then on. */
  failure: unknown;
  private pending: Buffer = Buffer.alloc(0);
  private readonly place: PciPlace;

  constructor(
    private readonly socket: Duplex,
    private readonly fn: PciFunction,
    bus: Bus,
    private readonly memory: GuestMemory,
    /** Called before each access: brings the simulation's clock up to date; and after the last one that came. */
    private readonly clock: { catchUp(): void; run(): void },
    private readonly failed: (why: unknown) => void,
    /** The function's interrupt line; without it the line ends nowhere. */
    line: (asserted: boolean) => void = () => undefined,
  ) {
    this.place = { bus, ports: new Bus(), requester: 0, intx: (_pin, asserted) => line(asserted) };
    fn.plug(this.place);
    socket.on('data', (data: Buffer) => this.received(data));
    socket.on('error', () => undefined);
  }

  private received(data: Buffer): void {
    if (this.failure !== undefined) return;
    this.pending = this.pending.length === 0 ? data : Buffer.concat([this.pending, data]);
    try {
      for (let size = this.complete(); size > 0; size = this.complete()) {
        this.clock.catchUp();
        this.message(new ByteMem(this.pending), size);
        this.pending = this.pending.subarray(size);
      }
    } catch (e) {
      this.failure = e;
      this.failed(e);
      return;
    }
    this.clock.run();
  }

  /** Bytes of the first message when it is there as a whole, otherwise 0. */
  private complete(): number {
    if (this.pending.length < Header.$size) return 0;
    const size = Header.$size + Header.size.get(new ByteMem(this.pending), 0);
    return this.pending.length < size ? 0 : size;
  }

  private message(m: ByteMem, size: number): void {
    const at = Header.$size;
    const cmd = Header.cmd.get(m, 0);
    switch (cmd) {
      case CMD.SYNC_SYSMEM:
        this.memory.regions = readRegions(m, at);
        return;
      case CMD.SET_IRQFD:
        return;
      case CMD.CFG_WRITE:
        this.counters.configWrites++;
        this.fn.configWrite(ConfigAccess.addr.get(m, at), ConfigAccess.len.get(m, at), ConfigAccess.val.get(m, at));
        return this.reply(0);
      case CMD.CFG_READ:
        this.counters.configReads++;
        return this.reply(this.fn.configRead(ConfigAccess.addr.get(m, at), ConfigAccess.len.get(m, at)));
      case CMD.BAR_WRITE:
        this.counters.barWrites++;
        this.space(m, at).write(BarAccess.addr.get(m, at), BarAccess.size.get(m, at), BarAccess.val.get(m, at));
        return this.reply(0);
      case CMD.BAR_READ:
        this.counters.barReads++;
        return this.reply(this.space(m, at).read(BarAccess.addr.get(m, at), BarAccess.size.get(m, at)));
      case CMD.RESET:
        this.counters.resets++;
        this.reset();
        return this.reply(0);
      default:
        throw new Error(`x-pci-proxy-dev sent command ${cmd}, ${size} bytes`);
    }
  }

  /** Where an access to a BAR goes: memory or ports. */
  private space(m: ByteMem, at: number): Bus {
    return m.u8(at + BarAccess.memory.offset) !== 0 ? this.place.bus : this.place.ports;
  }

  /** PCI 3.0 §4.3.1: RST# leaves decoding off and the BARs without an address. */
  private reset(): void {
    this.fn.plug(undefined);
    for (const bar of this.fn.bars) this.fn.configWrite(barOffset(bar.index), 4, 0);
    this.fn.plug(this.place);
  }

  private reply(value: number): void {
    const out = new ByteMem(new Uint8Array(Header.$size + 8));
    Header.cmd.set(out, 0, CMD.RET);
    Header.size.set(out, 0, 8);
    out.setU64(Header.$size, value);
    this.socket.write(out.bytes);
  }
}

function readRegions(m: ByteMem, at: number): MemoryRegion[] {
  const out: MemoryRegion[] = [];
  for (let i = 0; i < REGIONS; i++) {
    const [gpa, size, offset] = [0, 1, 2].map((array) => m.u64(at + 8 * (array * REGIONS + i)));
    if (size > 0) out.push({ gpa, size, offset });
  }
  return out;
}
