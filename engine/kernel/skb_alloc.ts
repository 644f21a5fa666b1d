// sk_buffs come, are shared, and go (Linux: net/core/skbuff.c). Descriptors are recycled, so that a packet makes no garbage.
import type { Gpa } from '../base/units.ts';
import type { FaultSet } from '../sim/faults.ts';
import type { TracePoint } from '../trace/trace.ts';
import { checkSkbAlive, checkSkbHead, markFreed } from './contract_net.ts';
import type { SkbDropReason } from './drop_reason.ts';
import type { Kernel } from './kernel.ts';
import type { Napi } from './napi.ts';
import type { NetDevice } from './net_device.ts';
import { PageFragCache, PageFrags } from './page_frag.ts';
import { SkbBits } from './skb_bits.ts';
import { __skb_put, skb_headroom, skb_reserve, skb_shared } from './skb_inline.ts';
import { CHECKSUM_NONE, HEAD_FRAG, HEAD_KMALLOC, NET_SKB_PAD, PACKET_HOST, SHARED_INFO_SIZE, SkBuff, SkbSharedInfo } from './skbuff.ts';
import { ConsumeSkb, KfreeSkb } from './tracepoints.ts';

const PAGE_SIZE = 4096;
/** Linux: SKB_DATA_ALIGN, SMP_CACHE_BYTES 64 */
export const SKB_DATA_ALIGN = (size: number): number => (size + 63) & ~63;
/** Linux: SKB_WITH_OVERHEAD(1024): below this a packet's head comes from the slab. */
const SMALL_HEAD = 1024 - SKB_DATA_ALIGN(SHARED_INFO_SIZE);
/** sizeof(struct sk_buff), for truesize */
const SKB_TRUESIZE_OVERHEAD = 256;
/** Recycled descriptors kept. */
const MAX_FREE = 512;
/** Freed ones that wait while the contract checker is on. */
const QUARANTINE = 64;

export class SkbAlloc extends SkbBits {
  /** Inline in Linux: no tracer may list them. */
  static override readonly inlined: readonly string[] = Object.freeze([
    'alloc_skb',
    'netdev_alloc_skb',
    'napi_alloc_skb',
    'pskb_may_pull',
    'kfree_skb',
    'skb_get',
    'skb_share_check',
    'skb_orphan',
    'skb_cow',
    'skb_cow_head',
    'skb_put_padto',
    'skb_linearize',
    'pskb_trim',
    'pskb_trim_rcsum',
  ]);
  readonly frags: PageFrags;
  /** skbs alive: allocated, cloned or copied, and not yet freed. 0 when nothing leaks and nothing is in flight. */
  live = 0;
  /** Fails the Nth next allocation when > 0 (fault injection); counts down. */
  failAfter = 0;
  faults: FaultSet | undefined;
  private readonly free: SkBuff[] = [];
  private quarantineAt = 0;
  private readonly caches: PageFragCache[];
  private readonly tpKfree: TracePoint;
  private readonly tpConsume: TracePoint;

  constructor(kernel: Kernel) {
    super(kernel);
    this.frags = new PageFrags(kernel);
    this.caches = kernel.platform.cpus.list.map(() => new PageFragCache());
    this.tpKfree = kernel.platform.scope.point(KfreeSkb);
    this.tpConsume = kernel.platform.scope.point(ConsumeSkb);
  }

  /** Room for at least `size` bytes from head to end, data at head; undefined when memory is out. */
  __alloc_skb(size: number): SkBuff | undefined {
    const { slab } = this.kernel.platform;
    const head = this.refused() ? (0 as Gpa) : slab.kmalloc(SKB_DATA_ALIGN(size) + SKB_DATA_ALIGN(SHARED_INFO_SIZE));
    if (head === 0) return undefined;
    return this.init(head, slab.ksize(head), HEAD_KMALLOC);
  }
  alloc_skb(size: number): SkBuff | undefined {
    return this.__alloc_skb(size);
  }

  /** With NET_SKB_PAD of headroom, for a driver's receive buffer outside NAPI. */
  netdev_alloc_skb(dev: NetDevice | undefined, length: number): SkBuff | undefined {
    return this.__netdev_alloc_skb(dev, length);
  }
  __netdev_alloc_skb(dev: NetDevice | undefined, length: number): SkBuff | undefined {
    const skb = this.allocRx(length);
    if (skb !== undefined) skb.dev = dev;
    return skb;
  }
  /** With NET_SKB_PAD of headroom (NET_IP_ALIGN is 0 on x86), in a NAPI poll. */
  napi_alloc_skb(napi: Napi, length: number): SkBuff | undefined {
    return this.__napi_alloc_skb(napi, length);
  }
  __napi_alloc_skb(napi: Napi, length: number): SkBuff | undefined {
    const skb = this.allocRx(length);
    if (skb !== undefined) skb.dev = napi.dev;
    return skb;
  }

  /** A piece of a page for a receive buffer; 0 when memory is out. Free with put_page, or hand it to build_skb. */
  napi_alloc_frag(size: number): Gpa {
    if (this.refused()) return 0 as Gpa;
    return this.frags.page_frag_alloc(this.caches[this.kernel.smp_processor_id()], SKB_DATA_ALIGN(size));
  }

  /** An skb around a page fragment of `frag_size` bytes, of which the last SKB_DATA_ALIGN(SHARED_INFO_SIZE) hold skb_shared_info. Takes over the reference. */
  build_skb(data: Gpa, frag_size: number): SkBuff | undefined {
    return this.refused() ? undefined : this.init(data, frag_size, HEAD_FRAG);
  }

  /** A second descriptor on the same data; undefined when memory is out. */
  skb_clone(skb: SkBuff): SkBuff | undefined {
    if (this.refused()) return undefined;
    const n = this.descriptor();
    this.copyFields(n, skb);
    n.cloned = skb.cloned = true;
    n.headKind = skb.headKind;
    n.head = skb.head;
    n.data = skb.data;
    n.tail = skb.tail;
    n.end = skb.end;
    n.data_len = skb.data_len;
    n.truesize = skb.truesize;
    n.mac_header = skb.mac_header;
    n.network_header = skb.network_header;
    n.transport_header = skb.transport_header;
    n.csum_start = skb.csum_start;
    n.frag_list = skb.frag_list;
    SkbSharedInfo.dataref.set(this.ram, skb.end, SkbSharedInfo.dataref.get(this.ram, skb.end) + 1);
    this.kernel.charge(this.kernel.platform.costs.skb_alloc);
    return n;
  }

  /** A private, linear copy; undefined when memory is out. */
  skb_copy(skb: SkBuff): SkBuff | undefined {
    const headroom = skb_headroom(skb);
    const n = this.__alloc_skb(skb.end - skb.head + skb.data_len);
    if (n === undefined) return undefined;
    skb_reserve(n, headroom);
    this.copyFields(n, skb);
    n.len = 0;
    const at = __skb_put(n, skb.len);
    this.skb_copy_bits(skb, 0, at, skb.len);
    this.ram.copy(n.head, skb.head, headroom);
    n.mac_header = skb.mac_header;
    n.network_header = skb.network_header;
    n.transport_header = skb.transport_header;
    n.csum_start = skb.csum_start;
    this.setGso(n, this.gso_type(skb), this.gso_size(skb), this.gso_segs(skb));
    this.kernel.charge((skb.len >> 4) * this.kernel.platform.costs.copy_per_16_bytes);
    return n;
  }

  /** One more reference. */
  skb_get(skb: SkBuff): SkBuff {
    skb.users++;
    return skb;
  }
  /** skb, or a clone when it is shared (the original loses the caller's reference). */
  skb_share_check(skb: SkBuff): SkBuff | undefined {
    if (!skb_shared(skb)) return skb;
    const n = this.skb_clone(skb);
    if (n !== undefined) this.consume_skb(skb);
    else this.kfree_skb(skb);
    return n;
  }

  /** Frees a packet that was dropped. */
  kfree_skb_reason(skb: SkBuff, reason: SkbDropReason): void {
    if (this.kernel.contract.enabled && !checkSkbAlive(this.kernel, skb, 'kfree_skb')) return;
    if (skb.users > 1) {
      skb.users--;
      return;
    }
    if (this.tpKfree.enabled) this.tpKfree.emit(skb.id, skb.protocol, reason);
    this.__kfree_skb(skb);
  }
  kfree_skb(skb: SkBuff): void {
    this.kfree_skb_reason(skb, 'NOT_SPECIFIED');
  }
  /** Frees a packet that served its purpose. */
  consume_skb(skb: SkBuff): void {
    if (this.kernel.contract.enabled && !checkSkbAlive(this.kernel, skb, 'consume_skb')) return;
    if (skb.users > 1) {
      skb.users--;
      return;
    }
    if (this.tpConsume.enabled) this.tpConsume.emit(skb.id);
    this.__kfree_skb(skb);
  }
  /** As consume_skb, from a NAPI poll with its budget (0: from elsewhere). */
  napi_consume_skb(skb: SkBuff, _budget: number): void {
    if (this.kernel.contract.enabled && !checkSkbAlive(this.kernel, skb, 'napi_consume_skb')) return;
    if (skb.users > 1) {
      skb.users--;
      return;
    }
    if (this.tpConsume.enabled) this.tpConsume.emit(skb.id);
    this.release(skb);
  }

  __kfree_skb(skb: SkBuff): void {
    this.release(skb);
  }

  /** Owner, data, then the descriptor itself. */
  private release(skb: SkBuff): void {
    this.kernel.charge(this.kernel.platform.costs.skb_free);
    if (skb.sk !== undefined) this.skb_orphan(skb);
    this.skb_release_data(skb);
    this.live--;
    skb.users = 0;
    if (this.kernel.contract.enabled) markFreed(this.kernel, skb);
    skb.dev = undefined;
    skb.next = undefined;
    skb.dst = undefined;
    if (this.free.length < MAX_FREE) this.free.push(skb);
  }

  /** Drops this descriptor's reference on the data area, and frees the area with the last one. */
  skb_release_data(skb: SkBuff): void {
    const { ram } = this;
    if (skb.cloned) {
      const dataref = SkbSharedInfo.dataref.get(ram, skb.end) - 1;
      SkbSharedInfo.dataref.set(ram, skb.end, dataref);
      if (dataref > 0) {
        skb.frag_list = undefined;
        return;
      }
    }
    if (skb.data_len !== 0) {
      const n = SkbSharedInfo.nr_frags.get(ram, skb.end);
      for (let i = 0; i < n; i++) this.frags.put_page(this.frag_page(skb, i));
    }
    for (let list = skb.frag_list; list !== undefined;) {
      const next: SkBuff | undefined = list.next;
      this.consume_skb(list);
      list = next;
    }
    skb.frag_list = undefined;
    this.skb_free_head(skb);
  }

  skb_free_head(skb: SkBuff): void {
    if (this.kernel.contract.enabled) checkSkbHead(this.kernel, skb);
    if (skb.headKind === HEAD_FRAG) this.frags.put_page(skb.head);
    else this.kernel.platform.slab.kfree(skb.head);
  }

  /** Detaches the owner: its write memory is released now. */
  skb_orphan(skb: SkBuff): void {
    const owner = skb.sk;
    if (owner === undefined) return;
    skb.sk = undefined;
    owner.sock_wfree(skb);
  }

  /** Forgets what belongs to one receive path; with `xnet`, what belongs to one namespace too. */
  skb_scrub_packet(skb: SkBuff, xnet: boolean): void {
    skb.pkt_type = PACKET_HOST;
    skb.skb_iif = 0;
    skb.dst = undefined;
    if (!xnet) return;
    skb.mark = 0;
    skb.tstamp = 0;
  }

  /** Linux: __netdev_alloc_skb() and __napi_alloc_skb(): a slab object when small or large, else a page fragment. */
  private allocRx(length: number): SkBuff | undefined {
    const size = length + NET_SKB_PAD;
    let skb: SkBuff | undefined;
    if (size <= SMALL_HEAD || size > PAGE_SIZE - SKB_DATA_ALIGN(SHARED_INFO_SIZE)) skb = this.__alloc_skb(size);
    else {
      const bytes = SKB_DATA_ALIGN(size) + SKB_DATA_ALIGN(SHARED_INFO_SIZE);
      const data = this.napi_alloc_frag(bytes);
      if (data !== 0) skb = this.init(data, bytes, HEAD_FRAG);
    }
    if (skb !== undefined) skb_reserve(skb, NET_SKB_PAD);
    return skb;
  }

  private quarantined(): SkBuff | undefined {
    const { free } = this;
    if (free.length < QUARANTINE) return undefined;
    // the oldest, roughly: a cursor goes round, and the newest takes the place of the one that is taken
    const at = this.quarantineAt++ % (free.length - 1);
    const skb = free[at];
    free[at] = free.pop() as SkBuff;
    return skb;
  }

  protected refused(): boolean {
    if (this.faults?.strike('skb-alloc-fail', -1, 'an sk_buff') !== undefined) return true;
    return this.failAfter > 0 && --this.failAfter === 0;
  }

  /** A descriptor over a data area of `size` bytes, skb_shared_info included. */
  private init(head: Gpa, size: number, kind: number): SkBuff {
    const skb = this.descriptor();
    const end = head + size - SKB_DATA_ALIGN(SHARED_INFO_SIZE);
    skb.head = skb.data = skb.tail = head;
    skb.end = end as Gpa;
    skb.headKind = kind;
    skb.truesize = size + SKB_TRUESIZE_OVERHEAD;
    const { view } = this.ram;
    // nr_frags, tx_flags, gso_size; gso_segs; gso_type; dataref = 1
    view.setUint32(end, 0);
    view.setUint32(end + 4, 0);
    view.setUint32(end + 8, 0);
    view.setUint32(end + 12, 1, true);
    this.kernel.charge(this.kernel.platform.costs.skb_alloc);
    return skb;
  }

  private descriptor(): SkBuff {
    this.live++;
    // what the checker watches is not used again at once: a use after free would look like one of the next packet
    const skb = (this.kernel.contract.enabled ? this.quarantined() : this.free.pop()) ?? new SkBuff();
    skb.id = this.kernel.platform.sim.newId();
    skb.parent = 0;
    skb.len = 0;
    skb.data_len = 0;
    skb.users = 1;
    skb.cloned = false;
    skb.mac_header = -1;
    skb.network_header = -1;
    skb.transport_header = -1;
    skb.protocol = 0;
    skb.vlan_proto = 0;
    skb.vlan_tci = 0;
    skb.pkt_type = PACKET_HOST;
    skb.ip_summed = CHECKSUM_NONE;
    skb.csum_start = 0;
    skb.csum_offset = 0;
    skb.csum = 0;
    skb.queue_mapping = 0;
    skb.priority = 0;
    skb.mark = 0;
    skb.hash = 0;
    skb.skb_iif = 0;
    skb.tstamp = 0;
    skb.cb0 = 0;
    skb.cb1 = 0;
    skb.cb2 = 0;
    skb.cb3 = 0;
    return skb;
  }

  private copyFields(n: SkBuff, skb: SkBuff): void {
    n.parent = skb.id;
    n.len = skb.len;
    n.protocol = skb.protocol;
    n.pkt_type = skb.pkt_type;
    n.ip_summed = skb.ip_summed;
    n.csum_offset = skb.csum_offset;
    n.csum = skb.csum;
    n.queue_mapping = skb.queue_mapping;
    n.priority = skb.priority;
    n.mark = skb.mark;
    n.vlan_proto = skb.vlan_proto;
    n.vlan_tci = skb.vlan_tci;
    n.hash = skb.hash;
    n.skb_iif = skb.skb_iif;
    n.tstamp = skb.tstamp;
    n.dev = skb.dev;
    n.dst = skb.dst;
    n.cb0 = skb.cb0;
    n.cb1 = skb.cb1;
    n.cb2 = skb.cb2;
    n.cb3 = skb.cb3;
  }
}
