// One descriptor chain opened: fields, buffers, DMA mapping, the packet in it.
import { ByteMem, type Mem } from '../../base/memory.ts';
import { dmaOf, queueOf, skbInRing } from '../../machine/queries.ts';
import type { Machine } from '../../machine/machine.ts';
import type { World } from '../../machine/world.ts';
import { ctrlQueue, VirtioNetHdr } from '../../virtio/net.ts';
import { descAt, VIRTQ_DESC_F, VirtqDesc } from '../../virtio/ring.ts';
import { decodeFrame } from '../../wire/decode.ts';
import type { DecodeNode as DecodeTree } from '../../wire/decode_tree.ts';
import { packedDescAt, VIRTQ_DESC_F_AVAIL, VIRTQ_DESC_F_USED, VirtqPackedDesc } from '../../virtio/ring_packed.ts';
import { e1000eChainView } from './e1000e_rings.ts';
import { type FieldText, fieldsAt, toHex } from './fields.ts';
import { type RingRef, virtqueueView } from './rings.ts';

/** Bytes of a chain's buffers that are shown. */
const SHOWN = 2048;
/** Entries of an indirect table that are shown. */
const TABLE_SHOWN = 1024;

const hex = (n: number): string => `0x${n.toString(16)}`;
const FLAGS = { ...VIRTQ_DESC_F, AVAIL: VIRTQ_DESC_F_AVAIL, USED: VIRTQ_DESC_F_USED };
const flagNames = (flags: number, names: Readonly<Record<string, number>> = VIRTQ_DESC_F): string =>
  Object.entries(names)
    .filter(([, bit]) => (flags & bit) !== 0)
    .map(([n]) => n)
    .join(' | ') || '0';

const descriptorText = (name: string, v: number): string =>
  name === 'addr' ? hex(v) : name === 'flags' ? `${hex(v)} (${flagNames(v)})` : String(v);

const packedText = (name: string, v: number): string =>
  name === 'addr' ? hex(v) : name === 'flags' ? `${hex(v)} (${flagNames(v, FLAGS)})` : String(v);

type Ram = Mem & { readonly size: number };
/** The address in RAM behind one that the device uses; -1 when there is none. */
type Physical = (address: number) => number;

interface Buffer {
  readonly addr: number;
  readonly len: number;
  readonly write: boolean;
}

/** The chain that a descriptor belongs to; undefined when there is no such descriptor. */
export function chainView(world: World, ref: RingRef, descriptor: number) {
  return e1000eChainView(world, ref, descriptor) ?? virtqueueChainView(world, ref, descriptor);
}

function virtqueueChainView(world: World, ref: RingRef, descriptor: number) {
  const ring = virtqueueView(world, ref);
  const machine = world.machines.get(ref.machine);
  if (ring === undefined || machine === undefined || descriptor < 0 || descriptor >= ring.size || !ring.enabled || ring.table.length === 0)
    return undefined;
  const { ram } = machine.platform;
  const sides = queueOf(machine, ref.port, ref.queue);
  const physical = (address: number): number => sides?.physical(address) ?? -1;
  const head = ring.heads[descriptor] < 0 ? descriptor : ring.heads[descriptor];
  const owner = ({ f: 'free', a: 'driver', d: 'device', u: 'used' } as const)[ring.owners[descriptor] as 'f' | 'a' | 'd' | 'u'];
  const walked =
    ring.format === 'packed' ? packedChain(ram, physical, ring, head) : splitChain(ram, physical, ring, head, owner === 'free');
  const { descriptors, buffers } = walked;
  const totalBytes = buffers.reduce((n, b) => n + b.len, 0);
  const bytes = gather(machine, physical, owner === 'free' ? [] : buffers);
  const first = buffers[0];
  const m = first === undefined || owner === 'free' ? undefined : dmaOf(machine, ref.port)?.lookup(first.addr);
  const control = ref.queue === ctrlQueue(machine.nics.get(ref.port)?.virtio?.net.maxPairs ?? 1);
  const usedLen = owner === 'used' ? usedLength(ring, head) : undefined;
  const valid = buffers.every((b) => b.write) ? (usedLen ?? 0) : bytes.length;
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
    skb: owner === 'free' ? undefined : skbInRing(machine, ref.port, ref.queue, walked.id),
    bytes: toHex(bytes),
    totalBytes,
    decode: control ? [] : decodeBuffer(bytes.subarray(0, Math.max(0, valid))),
  };
}

type Ring = NonNullable<ReturnType<typeof virtqueueView>>;
type SplitRing = Extract<Ring, { readonly format: 'split' }>;
type PackedRing = Extract<Ring, { readonly format: 'packed' }>;

interface Walked {
  readonly descriptors: { id: number; address: number; fields: FieldText[]; indirect: boolean }[];
  readonly buffers: Buffer[];
  /** What the driver knows the chain by: its head, or its buffer ID. */
  readonly id: number;
}

/** Along NEXT, and into an indirect table (virtio-v1.2 §2.7.5). */
function splitChain(ram: Ram, physical: Physical, ring: SplitRing, head: number, alone: boolean): Walked {
  const descriptors: Walked['descriptors'] = [];
  const buffers: Buffer[] = [];
  const walk = (table: number, first: number, size: number, indirect: boolean): void => {
    let i = first;
    for (let n = 0; n < size && i < size; n++) {
      const at = descAt(table, i);
      if (table < 0 || at + VirtqDesc.$size > ram.size) return;
      descriptors.push({ id: i, address: at, fields: fieldsAt(VirtqDesc, ram, at, descriptorText), indirect });
      const flags = VirtqDesc.flags.get(ram, at);
      const addr = VirtqDesc.addr.get(ram, at);
      const len = VirtqDesc.len.get(ram, at);
      if ((flags & VIRTQ_DESC_F.INDIRECT) !== 0 && !indirect) walk(physical(addr), 0, Math.min(len / VirtqDesc.$size, TABLE_SHOWN), true);
      else buffers.push({ addr, len, write: (flags & VIRTQ_DESC_F.WRITE) !== 0 });
      if ((flags & VIRTQ_DESC_F.NEXT) === 0 || alone) return;
      i = VirtqDesc.next.get(ram, at);
    }
  };
  walk(physical(ring.descAddr), head, ring.size, false);
  return { descriptors, buffers, id: head };
}

/** Descriptors that follow each other, as far as the list goes; a used one has lost its own list, but not its address (virtio-v1.2 §2.8.6, §2.8.7). */
function packedChain(ram: Ram, physical: Physical, ring: PackedRing, head: number): Walked {
  const descriptors: Walked['descriptors'] = [];
  const buffers: Buffer[] = [];
  let id = 0;
  const members = ring.heads[head] < 0 ? 1 : Math.max(1, ring.heads.filter((h) => h === head).length);
  for (let n = 0; n < members; n++) {
    const i = (head + n) % ring.size;
    const at = packedDescAt(physical(ring.descAddr), i);
    descriptors.push({ id: i, address: at, fields: fieldsAt(VirtqPackedDesc, ram, at, packedText), indirect: false });
    const flags = VirtqPackedDesc.flags.get(ram, at);
    const addr = VirtqPackedDesc.addr.get(ram, at);
    const len = VirtqPackedDesc.len.get(ram, at);
    id = VirtqPackedDesc.id.get(ram, at);
    if ((flags & VIRTQ_DESC_F.INDIRECT) === 0) {
      buffers.push({ addr, len, write: (flags & VIRTQ_DESC_F.WRITE) !== 0 });
      continue;
    }
    const table = physical(addr);
    for (let k = 0; table >= 0 && k < Math.min(len / VirtqPackedDesc.$size, TABLE_SHOWN); k++) {
      const entry = packedDescAt(table, k);
      if (entry + VirtqPackedDesc.$size > ram.size) break;
      descriptors.push({ id: k, address: entry, fields: fieldsAt(VirtqPackedDesc, ram, entry, packedText), indirect: true });
      const write = (VirtqPackedDesc.flags.get(ram, entry) & VIRTQ_DESC_F.WRITE) !== 0;
      buffers.push({ addr: VirtqPackedDesc.addr.get(ram, entry), len: VirtqPackedDesc.len.get(ram, entry), write });
    }
  }
  return { descriptors, buffers, id };
}

/** Bytes that the device says it wrote to a used chain. */
function usedLength(ring: Ring, head: number): number | undefined {
  if (ring.format === 'packed') return ring.table[4 * head + 1];
  for (let i = ring.driverLastUsed; i !== ring.usedIdx; i = (i + 1) & 0xffff) {
    const slot = i & (ring.size - 1);
    if (ring.usedRing[2 * slot] === head) return ring.usedRing[2 * slot + 1];
  }
  return undefined;
}

function gather(machine: Machine, physical: Physical, buffers: readonly Buffer[]): Uint8Array {
  const { ram } = machine.platform;
  const out = new Uint8Array(
    Math.min(
      SHOWN,
      buffers.reduce((n, b) => n + b.len, 0),
    ),
  );
  let at = 0;
  for (const b of buffers) {
    const n = Math.min(b.len, out.length - at);
    const from = physical(b.addr);
    if (n <= 0 || from < 0 || from + n > ram.size) break;
    ram.read(from, out, at, n);
    at += n;
  }
  return out.subarray(0, at);
}

/** virtio_net_hdr (12 bytes, virtio-v1.2 §5.1.6) and the frame behind it. */
function decodeBuffer(bytes: Uint8Array): DecodeTree[] {
  if (bytes.length < VirtioNetHdr.$size) return [];
  const header: DecodeTree = {
    label: 'virtio_net_hdr',
    start: 0,
    end: VirtioNetHdr.$size,
    children: fieldsAt(VirtioNetHdr, new ByteMem(bytes), 0).map((f) => ({
      label: `${f.name}: ${f.value}`,
      note: f.note,
      start: f.offset,
      end: f.offset + f.size,
    })),
  };
  const frame = bytes.subarray(VirtioNetHdr.$size);
  return frame.length < 14 ? [header] : [header, ...shift(decodeFrame(frame).tree, VirtioNetHdr.$size)];
}

const shift = (nodes: readonly DecodeTree[], by: number): DecodeTree[] =>
  nodes.map((n) => ({
    ...n,
    start: n.start + by,
    end: n.end + by,
    ...(n.children === undefined ? {} : { children: shift(n.children, by) }),
  }));
