// A ring of an 82574L as it is in guest memory and in the device's registers: what the ring inspector draws (82574L datasheet §7.1, §7.2).
import type { Mem } from '../../base/memory.ts';
import { dmaOf, e1000eQueueOf, type E1000eSides } from '../../machine/queries.ts';
import type { Machine } from '../../machine/machine.ts';
import type { World } from '../../machine/world.ts';
import {
  E1000_DESC_SIZE,
  RxDescRead,
  RxDescWriteback,
  TXD_CMD,
  TXD_DTYP_DATA,
  TXD_LENGTH_MASK,
  TXD_STAT_DD,
  TxDescContext,
  TxDescData,
  TxDescLegacy,
} from '../../pci/e1000e_desc.ts';
import { E1000, ICR, ITR_UNIT } from '../../pci/e1000e_regs.ts';
import { decodeFrame } from '../../wire/decode.ts';
import { fieldsAt, toHex } from './fields.ts';

interface Ref {
  readonly machine: string;
  readonly port: string;
  readonly queue: number;
}
const SHOWN = 2048;
const NAMES = ['input.0', 'output.0'] as const;

export function e1000eRingList(machine: Machine, port: string) {
  return NAMES.map((name, queue) => {
    const sides = e1000eQueueOf(machine, port, queue);
    return { machine: machine.spec.name, port, queue, name, format: 'e1000e' as const, size: sizeOf(sides), enabled: sizeOf(sides) > 0 };
  });
}

const sizeOf = (s: E1000eSides | undefined): number =>
  s === undefined ? 0 : s.register(s.receive ? E1000.RDLEN0 : E1000.TDLEN0) / E1000_DESC_SIZE;

/** undefined when there is no such NIC or queue. */
export function e1000eRingView(world: World, ref: Ref) {
  const machine = world.machines.get(ref.machine);
  const s = machine === undefined ? undefined : e1000eQueueOf(machine, ref.port, ref.queue);
  if (machine === undefined || s === undefined) return undefined;
  const { ram } = machine.platform;
  const [low, high, headAt, tailAt] = s.receive
    ? [E1000.RDBAL0, E1000.RDBAH0, E1000.RDH0, E1000.RDT0]
    : [E1000.TDBAL0, E1000.TDBAH0, E1000.TDH0, E1000.TDT0];
  const size = sizeOf(s);
  const descAddr = s.register(low) + s.register(high) * 0x100000000;
  const desc = s.physical(descAddr);
  const inRam = size > 0 && desc >= 0 && desc + size * E1000_DESC_SIZE <= ram.size;
  const [head, tail] = [s.register(headAt), s.register(tailAt)];
  const nextToUse = s.driver?.next_to_use ?? tail;
  const nextToClean = s.driver?.next_to_clean ?? head;
  const table: number[] = [];
  for (let i = 0; inRam && i < size; i++) table.push(...(s.receive ? receiveRow(ram, desc, i, s) : transmitRow(ram, desc, i)));
  return {
    ...ref,
    format: 'e1000e' as const,
    name: NAMES[ref.queue],
    size,
    enabled: size > 0,
    time: world.sim.now as number,
    descAddr,
    head,
    tail,
    nextToUse,
    nextToClean,
    owners: owners(size, head, tail, nextToUse, nextToClean),
    heads: s.receive ? Array.from({ length: size }, (_, i) => i) : packets(s, size),
    numFree: (((nextToClean - nextToUse - 1) % Math.max(size, 1)) + size) % Math.max(size, 1),
    eventIdx: false,
    indirect: false,
    inOrder: true,
    lastDoorbell: s.lastDoorbell < 0 ? undefined : s.lastDoorbell,
    lastInterrupt: s.lastInterrupt < 0 ? undefined : s.lastInterrupt,
    doorbells: s.doorbells,
    doorbellData: undefined,
    interrupts: s.interrupts,
    notifyDevice: `Every write to ${s.receive ? 'RDT' : 'TDT'} tells the device: there is no suppression. §${s.receive ? '7.1.9' : '7.2.10'}`,
    notifyDriver: interruptText(s),
    stopped: !s.receive && s.netdev !== undefined && (s.netdev.queues[0].drvXoff || s.netdev.queues[0].stackXoff),
    vector: s.vector,
    faults: [] as string[],
    table,
  };
}

/** The next write-back: does it interrupt, and if not, why. */
function interruptText(s: E1000eSides): string {
  const masked = s.register(E1000.IMS);
  const cause = s.vector === undefined ? (s.receive ? ICR.RXT0 : ICR.TXDW) : s.receive ? ICR.RXQ0 : ICR.TXQ0;
  const name = s.vector === undefined ? (s.receive ? 'RXT0' : 'TXDW') : s.receive ? 'RXQ0' : 'TXQ0';
  if ((masked & cause) === 0) return `${name} is masked in IMS: the next write-back does not interrupt. §10.2.4.5`;
  const interval = s.vector === undefined ? s.register(E1000.ITR) : s.register(E1000.EITR + 4 * s.vector);
  return `${name} is unmasked: the next write-back interrupts, at most every ${(interval * ITR_UNIT) / 1000} µs. §7.4.4`;
}

/** f free, a filled and not told of, d the device's, u written back and not taken up. */
function owners(size: number, head: number, tail: number, use: number, clean: number): string {
  const out = new Array<string>(size).fill('f');
  const mark = (from: number, to: number, letter: string): void => {
    for (let i = from; size > 0 && i < size && to < size && i !== to; i = (i + 1) % size) out[i] = letter;
  };
  mark(clean, head, 'u');
  mark(head, tail, 'd');
  mark(tail, use, 'a');
  return out.join('');
}

/** Of each descriptor the first of its packet; -1 for what belongs to none. */
function packets(s: E1000eSides, size: number): number[] {
  const heads = new Array<number>(size).fill(-1);
  for (let i = 0; s.driver !== undefined && i < Math.min(size, s.driver.count); i++) {
    const last = s.driver.next_to_watch[i];
    if (last < 0) continue;
    for (let k = i; k !== last; k = (k + 1) % size) heads[k] = i;
    heads[last] = i;
  }
  return heads;
}

/** Address, length, status and errors, kind. What the device wrote back covers the address: then it is the driver's. */
function receiveRow(ram: Mem, desc: number, i: number, s: E1000eSides): number[] {
  const at = desc + i * E1000_DESC_SIZE;
  const status = RxDescWriteback.status_error.get(ram, at);
  const driver = s.driver;
  if ((status & 1) === 0) return [RxDescRead.buffer_addr.get(ram, at), driver?.buffer_length[i] ?? 0, 0, KIND.read];
  return [driver?.buffer_dma[i] ?? 0, RxDescWriteback.length.get(ram, at), status, KIND.written];
}

/** What a descriptor is, as the table's fourth number. */
const KIND = { read: 0, written: 1, legacy: 2, context: 3, data: 4 } as const;

/** Address, length, command with DD as bit 0, kind. */
function transmitRow(ram: Mem, desc: number, i: number): number[] {
  const at = desc + i * E1000_DESC_SIZE;
  const word = TxDescData.cmd_and_length.get(ram, at);
  const done = TxDescData.status.get(ram, at) & TXD_STAT_DD;
  const kind = (word & TXD_CMD.DEXT) === 0 ? KIND.legacy : (word & TXD_DTYP_DATA) === 0 ? KIND.context : KIND.data;
  const length = kind === KIND.legacy ? word & 0xffff : word & TXD_LENGTH_MASK;
  return [kind === KIND.context ? 0 : TxDescData.buffer_addr.get(ram, at), length, ((word & 0xff000000) | done) >>> 0, kind];
}

const LAYOUTS = { [KIND.legacy]: TxDescLegacy, [KIND.context]: TxDescContext, [KIND.data]: TxDescData } as const;
const hex = (n: number): string => `0x${n.toString(16)}`;
const show = (name: string, v: number): string => (/addr|status|cmd|rss|mrq|special/.test(name) ? hex(v) : String(v));

/** One packet's descriptors opened: fields, buffers, DMA mapping, bytes. undefined when there is no such descriptor. */
export function e1000eChainView(world: World, ref: Ref, descriptor: number) {
  const ring = e1000eRingView(world, ref);
  const machine = world.machines.get(ref.machine);
  const s = machine === undefined ? undefined : e1000eQueueOf(machine, ref.port, ref.queue);
  if (
    ring === undefined ||
    machine === undefined ||
    s === undefined ||
    descriptor < 0 ||
    descriptor >= ring.size ||
    ring.table.length === 0
  )
    return undefined;
  const { ram } = machine.platform;
  const head = ring.heads[descriptor] < 0 ? descriptor : ring.heads[descriptor];
  const owner = ({ f: 'free', a: 'driver', d: 'device', u: 'used' } as const)[ring.owners[descriptor] as 'f' | 'a' | 'd' | 'u'];
  const members = ring.heads[head] < 0 ? 1 : ring.heads.filter((h) => h === head).length;
  const descriptors = [];
  const out = new Uint8Array(SHOWN);
  let total = 0;
  let kept = 0;
  for (let n = 0; n < members; n++) {
    const id = (head + n) % ring.size;
    const address = s.physical(ring.descAddr) + id * E1000_DESC_SIZE;
    const [addr, length, , kind] = ring.table.slice(4 * id, 4 * id + 4);
    const layout = s.receive ? (kind === KIND.written ? RxDescWriteback : RxDescRead) : LAYOUTS[kind as 2 | 3 | 4];
    descriptors.push({ id, address, fields: fieldsAt(layout, ram, address, show), indirect: false });
    if (kind === KIND.context || owner === 'free') continue;
    total += length;
    const from = s.physical(addr);
    const take = Math.min(length, SHOWN - kept);
    if (from < 0 || from + take > ram.size) continue;
    ram.read(from, out, kept, take);
    kept += take;
  }
  const m = owner === 'free' ? undefined : dmaOf(machine, ref.port)?.lookup(ring.table[4 * head]);
  const bytes = out.subarray(0, kept);
  const last = (head + members - 1) % ring.size;
  return {
    ring: ref,
    head,
    owner,
    descriptors,
    mapping:
      m === undefined
        ? undefined
        : {
            dma: m.dma as number,
            gpa: m.gpa as number,
            length: m.length,
            direction: m.direction as string,
            by: m.by,
            since: m.since as number,
          },
    skb: owner === 'free' ? undefined : s.skb(last),
    bytes: toHex(bytes),
    totalBytes: total,
    decode: owner === 'free' || (s.receive && owner !== 'used') || kept < 14 ? [] : decodeFrame(bytes).tree,
  };
}
