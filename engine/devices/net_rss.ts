// Receive-side scaling of virtio-net: the Toeplitz hash, what of a packet is hashed, and the table that turns a hash into a queue (virtio-v1.2 §5.1.6.4.3, §5.1.6.5.5).
import { ETH_HLEN, ETH_P, IP_MF, IP_OFFSET, IpHdr, IPPROTO, Ipv6Hdr, NEXTHDR_HOP, VlanHdr } from '../wire/headers.ts';
import {
  VIRTIO_NET_HASH_REPORT as REPORT,
  VIRTIO_NET_HASH_TYPE as TYPE,
  VirtioNetHashConfig,
  VirtioNetRssHead,
  VirtioNetRssTail,
} from '../virtio/net.ts';
import { ByteMem } from '../base/memory.ts';
import { ops } from '../base/ops.ts';
import { be16 } from './net_flow.ts';

/** What the device says of itself (QEMU 7.2: VIRTIO_NET_RSS_MAX_KEY_SIZE, VIRTIO_NET_RSS_MAX_TABLE_LEN, VIRTIO_NET_RSS_SUPPORTED_HASHES). */
export const RSS_MAX_KEY = 40;
export const RSS_MAX_TABLE = 128;
export const RSS_HASH_TYPES = Object.values(TYPE).reduce((all, bit) => all | bit, 0);

/** Microsoft's RSS specification, "RSS Hashing Functions": for every set bit of the input, the 32 bits of the key that start there. */
export function toeplitz(key: Uint8Array, input: Uint8Array, length: number): number {
  let hash = 0;
  let window = (key[0] << 24) | (key[1] << 16) | (key[2] << 8) | key[3];
  for (let i = 0; i < length; i++) {
    const next = key[i + 4] ?? 0;
    for (let bit = 7; bit >= 0; bit--) {
      if ((input[i] & (1 << bit)) !== 0) hash ^= window;
      window = (window << 1) | ((next >> bit) & 1);
    }
  }
  return hash >>> 0;
}

const NEXTHDR = { ROUTING: 43, FRAGMENT: 44, DEST: 60 } as const;
/** RFC 6275 §6.3, §6.4: home address option, routing header of type 2. */
const OPTION_HOME_ADDRESS = 201;
const ROUTING_TYPE_2 = 2;
/** Two IPv6 addresses and two ports are the longest input. */
const scratch = ops({ input: new Uint8Array(36), home: [0, 0], l4: [0, 0] });

/** Result of `RssState.hash`. */
export interface PacketHash {
  value: number;
  /** VIRTIO_NET_HASH_REPORT_* */
  report: number;
}

/** What the driver configured. All of it is gone with a reset. */
export class RssState {
  /** Hashes are computed: RSS_CONFIG or HASH_CONFIG was accepted. */
  hashing = false;
  /** Queues are chosen by hash: RSS_CONFIG was accepted after the last VQ_PAIRS_SET. */
  steering = false;
  private types = 0;
  private unclassified = 0;
  private mask = 0;
  private readonly table = new Uint16Array(RSS_MAX_TABLE);
  private readonly key = new Uint8Array(RSS_MAX_KEY);
  /** Of the packet looked at last. */
  readonly last: PacketHash = { value: 0, report: REPORT.NONE };

  reset(): void {
    this.hashing = this.steering = false;
    this.types = this.unclassified = this.mask = 0;
    this.table.fill(0);
    this.key.fill(0);
    this.last.value = 0;
    this.last.report = REPORT.NONE;
  }

  /** virtio-v1.2 §5.1.6.5.5.2: VQ_PAIRS_SET brings back automatic steering. */
  stopSteering(): void {
    this.steering = false;
  }

  /** RSS_CONFIG's data. The number of transmit queues the driver uses, or -1 when it is not acceptable: then nothing changes. */
  configureRss(data: Uint8Array, maxPairs: number): number {
    const mem = new ByteMem(data);
    if (data.length < VirtioNetRssHead.$size + 2 + VirtioNetRssTail.$size) return -1;
    const types = VirtioNetRssHead.hash_types.get(mem, 0);
    const mask = VirtioNetRssHead.indirection_table_mask.get(mem, 0);
    const unclassified = VirtioNetRssHead.unclassified_queue.get(mem, 0);
    const entries = mask + 1;
    const tail = VirtioNetRssHead.$size + 2 * entries;
    if ((mask & entries) !== 0 || entries > RSS_MAX_TABLE || unclassified >= maxPairs) return -1;
    if (data.length < tail + VirtioNetRssTail.$size) return -1;
    for (let i = 0; i < entries; i++) if (mem.u16(VirtioNetRssHead.$size + 2 * i) >= maxPairs) return -1;
    const pairs = VirtioNetRssTail.max_tx_vq.get(mem, tail);
    if (pairs < 1 || pairs > maxPairs) return -1;
    if (!this.setKey(data, tail + VirtioNetRssTail.$size, VirtioNetRssTail.hash_key_length.get(mem, tail), types)) return -1;
    for (let i = 0; i < entries; i++) this.table[i] = mem.u16(VirtioNetRssHead.$size + 2 * i);
    this.mask = mask;
    this.unclassified = unclassified;
    this.hashing = this.steering = true;
    return pairs;
  }

  /** HASH_CONFIG's data: hashes are reported, queues chosen as before. False when it is not acceptable. */
  configureHash(data: Uint8Array): boolean {
    if (data.length < VirtioNetHashConfig.$size) return false;
    const mem = new ByteMem(data);
    const types = VirtioNetHashConfig.hash_types.get(mem, 0);
    if (!this.setKey(data, VirtioNetHashConfig.$size, VirtioNetHashConfig.hash_key_length.get(mem, 0), types)) return false;
    this.hashing = true;
    this.steering = false;
    return true;
  }

  /** VIRTIO_NET_HASH_TYPE_* in force, for views. */
  get enabledTypes(): number {
    return this.types;
  }
  tableEntry(i: number): number {
    return this.table[i];
  }

  /** Queue of a packet whose hash is `last`. */
  queue(): number {
    return this.last.report === REPORT.NONE ? this.unclassified : this.table[this.last.value & this.mask];
  }

  /** virtio-v1.2 §5.1.6.4.3.2 to §5.1.6.4.3.4: hashes a frame into `last`; report NONE when no enabled type fits. */
  hash(b: Uint8Array): void {
    this.last.report = REPORT.NONE;
    this.last.value = 0;
    if (!this.hashing || b.length < ETH_HLEN) return;
    let l3 = ETH_HLEN;
    let type = be16(b, ETH_HLEN - 2);
    if (type === ETH_P['8021Q'] && b.length >= ETH_HLEN + VlanHdr.$size) {
      type = be16(b, ETH_HLEN + VlanHdr.h_vlan_encapsulated_proto.offset);
      l3 += VlanHdr.$size;
    }
    if (type === ETH_P.IP) this.hashIpv4(b, l3);
    else if (type === ETH_P.IPV6) this.hashIpv6(b, l3);
  }

  private hashIpv4(b: Uint8Array, l3: number): void {
    const { types } = this;
    if (b.length < l3 + IpHdr.$size || b[l3] >> 4 !== 4) return;
    const fragment = (be16(b, l3 + IpHdr.frag_off.offset) & (IP_OFFSET | IP_MF)) !== 0;
    const protocol = b[l3 + IpHdr.protocol.offset];
    const l4 = l3 + (b[l3] & 15) * 4;
    const ports = !fragment && l4 + 4 <= b.length;
    copy(b, l3 + IpHdr.saddr.offset, 0, 8);
    if (ports && protocol === IPPROTO.TCP && (types & TYPE.TCPv4) !== 0) this.report(REPORT.TCPv4, b, l4, 8);
    else if (ports && protocol === IPPROTO.UDP && (types & TYPE.UDPv4) !== 0) this.report(REPORT.UDPv4, b, l4, 8);
    else if ((types & TYPE.IPv4) !== 0) this.report(REPORT.IPv4, b, 0, 8);
  }

  private hashIpv6(b: Uint8Array, l3: number): void {
    const { types } = this;
    if (b.length < l3 + Ipv6Hdr.$size || b[l3] >> 4 !== 6) return;
    const extended = followIpv6(b, l3);
    const [l4, protocol] = scratch.l4;
    const ports = l4 !== 0 && l4 + 4 <= b.length;
    if (extended) {
      const [source, destination] = scratch.home;
      copy(b, source, 0, 16);
      copy(b, destination, 16, 16);
      if (ports && protocol === IPPROTO.TCP && (types & TYPE.TCP_EX) !== 0) return this.report(REPORT.TCPv6_EX, b, l4, 32);
      if (ports && protocol === IPPROTO.UDP && (types & TYPE.UDP_EX) !== 0) return this.report(REPORT.UDPv6_EX, b, l4, 32);
      if ((types & TYPE.IP_EX) !== 0) return this.report(REPORT.IPv6_EX, b, 0, 32);
    }
    copy(b, l3 + Ipv6Hdr.saddr.offset, 0, 32);
    if (ports && protocol === IPPROTO.TCP && (types & TYPE.TCPv6) !== 0) this.report(REPORT.TCPv6, b, l4, 32);
    else if (ports && protocol === IPPROTO.UDP && (types & TYPE.UDPv6) !== 0) this.report(REPORT.UDPv6, b, l4, 32);
    else if ((types & TYPE.IPv6) !== 0) this.report(REPORT.IPv6, b, 0, 32);
  }

  /** Hashes the addresses that are in the scratch, with the ports at `l4` unless that is 0. */
  private report(kind: number, b: Uint8Array, l4: number, length: number): void {
    if (l4 !== 0) copy(b, l4, length, 4);
    this.last.report = kind;
    this.last.value = toeplitz(this.key, scratch.input, l4 === 0 ? length : length + 4);
  }

  private setKey(data: Uint8Array, at: number, length: number, types: number): boolean {
    if ((types & ~RSS_HASH_TYPES) !== 0 || length > RSS_MAX_KEY || at + length !== data.length) return false;
    if (types !== 0 && length === 0) return false;
    this.types = types;
    this.key.fill(0);
    this.key.set(data.subarray(at, at + length));
    return true;
  }
}

function copy(b: Uint8Array, from: number, to: number, length: number): void {
  for (let i = 0; i < length; i++) scratch.input[to + i] = b[from + i];
}

/** Walks the extension headers; true when there are any. Leaves the places of both addresses and of the transport header (0: none) in the scratch. */
function followIpv6(b: Uint8Array, l3: number): boolean {
  scratch.home[0] = l3 + Ipv6Hdr.saddr.offset;
  scratch.home[1] = l3 + Ipv6Hdr.daddr.offset;
  scratch.l4[0] = 0;
  let next = b[l3 + Ipv6Hdr.nexthdr.offset];
  let at = l3 + Ipv6Hdr.$size;
  let extended = false;
  while (next === NEXTHDR_HOP || next === NEXTHDR.ROUTING || next === NEXTHDR.DEST || next === NEXTHDR.FRAGMENT) {
    extended = true;
    if (next === NEXTHDR.FRAGMENT || at + 8 > b.length) return extended;
    const length = (b[at + 1] + 1) * 8;
    if (at + length > b.length) return extended;
    if (next === NEXTHDR.ROUTING && b[at + 2] === ROUTING_TYPE_2 && length >= 24) scratch.home[1] = at + 8;
    if (next === NEXTHDR.DEST) findHomeAddress(b, at + 2, at + length);
    next = b[at];
    at += length;
  }
  scratch.l4[0] = at;
  scratch.l4[1] = next;
  return extended;
}

function findHomeAddress(b: Uint8Array, from: number, end: number): void {
  for (let at = from; at < end;) {
    // RFC 8200 §4.2: Pad1 has neither length nor data
    if (b[at] === 0) at++;
    else {
      if (b[at] === OPTION_HOME_ADDRESS && b[at + 1] === 16 && at + 18 <= end) scratch.home[0] = at + 2;
      at += 2 + b[at + 1];
    }
  }
}
