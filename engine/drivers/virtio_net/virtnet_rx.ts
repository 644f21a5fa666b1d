// Receive path of virtio-net (Linux: virtnet_poll() and below): buffers to the ring, packets to GRO.
import { Errno } from '../../base/errno.ts';
import type { Gpa } from '../../base/units.ts';
import { ops } from '../../base/ops.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import type { Napi, NapiPoller } from '../../kernel/napi.ts';
import type { NetDevice } from '../../kernel/net_device.ts';
import { CHECKSUM_PARTIAL, CHECKSUM_UNNECESSARY, NET_SKB_PAD, SHARED_INFO_SIZE, SKB_GSO, type SkBuff } from '../../kernel/skbuff.ts';
import { __skb_put, skb_reserve, skb_tailroom } from '../../kernel/skb_inline.ts';
import { ETH_HLEN, TcpHdr, UdpHdr } from '../../wire/headers.ts';
import { VIRTIO_NET_HDR_F, VIRTIO_NET_HDR_GSO, VirtioNetHdr, VirtioNetHdrHash } from '../../virtio/net.ts';
import { PAGE_SIZE } from '../../platform/ram.ts';
import type { Virtqueue } from '../virtio/virtio_ring.ts';
import { PageChain } from './virtnet_big.ts';
import { GOOD_COPY_LEN, GOOD_PACKET_LEN, type ReceiveQueue, type VirtnetInfo } from './virtnet_info.ts';

/** Where virtio_net_hdr_v1_hash has the hash and its kind. */
const HASH_AT = VirtioNetHdr.$size + VirtioNetHdrHash.hash_value.offset;
const HASH_REPORT_AT = VirtioNetHdr.$size + VirtioNetHdrHash.hash_report.offset;
/** Linux: GSO_BY_FRAGS */
const GSO_BY_FRAGS = 0xffff;
/** gso_type of the header → that of the sk_buff, and the least length of the transport header. */
const RX_GSO: Readonly<Record<number, readonly [type: number, transport: number] | undefined>> = ops({
  [VIRTIO_NET_HDR_GSO.TCPV4]: [SKB_GSO.TCPV4, TcpHdr.$size],
  [VIRTIO_NET_HDR_GSO.TCPV6]: [SKB_GSO.TCPV6, TcpHdr.$size],
  [VIRTIO_NET_HDR_GSO.UDP]: [SKB_GSO.UDP, UdpHdr.$size],
});
/** Token of every receive buffer in one piece; which one it is, its context tells: address * 65536 + length. */
const RX_BUFFER = ops({ kind: 'receive buffer' });
const CTX_UNIT = 65536;
/** Linux: L1_CACHE_BYTES; buffers and shared info are aligned to it. */
const ALIGN = 64;
const align = (n: number): number => Math.ceil(n / ALIGN) * ALIGN;
const SHINFO = align(SHARED_INFO_SIZE);
/** Length of a buffer for one whole frame, with headroom and shared info (Linux: receive_small()). */
const smallBufferBytes = (hdrLen: number): number => align(NET_SKB_PAD + hdrLen + GOOD_PACKET_LEN) + SHINFO;
/** Half a second until the next try when memory was out. */
const REFILL_RETRY = 500_000_000;

export class VirtnetRx implements NapiPoller {
  /** Inline in Linux. */
  static readonly inlined: readonly string[] = Object.freeze([
    'receive_small',
    'receive_mergeable',
    'add_recvbuf_mergeable',
    'add_recvbuf_small',
    'virtnet_receive',
    'virtio_net_hdr_to_skb',
    'free_receive_page_frags',
  ]);
  constructor(
    readonly kernel: Kernel,
    protected readonly vi: VirtnetInfo,
  ) {}

  // buffers

  /** Fills the ring; false when memory was out. */
  try_fill_recv(rq: ReceiveQueue): boolean {
    const { vq } = rq;
    let err: number;
    do {
      err = this.vi.mergeable_rx_bufs
        ? this.add_recvbuf_mergeable(rq)
        : this.vi.big_packets
          ? this.vi.big.add_recvbuf_big(rq)
          : this.add_recvbuf_small(rq);
    } while (err === 0 && vq.num_free > 0);
    if (vq.virtqueue_kick_prepare() && vq.virtqueue_notify()) rq.stats.kicks++;
    return err !== -Errno.ENOMEM;
  }

  add_recvbuf_mergeable(rq: ReceiveQueue): number {
    const { frags } = this.kernel.skb;
    const frag = rq.alloc_frag;
    let length = this.get_mergeable_buf_len(rq);
    if (!frags.skb_page_frag_refill(length, frag)) return -Errno.ENOMEM;
    const buf = (frag.page + frag.offset) as Gpa;
    frags.get_page(frag.page);
    frag.offset += length;
    const hole = frag.size - frag.offset;
    // a rest too short for another buffer goes to this one
    if (hole < length) {
      length += hole;
      frag.offset += hole;
    }
    return this.addBuffer(rq, buf, buf, length);
  }

  add_recvbuf_small(rq: ReceiveQueue): number {
    const { frags } = this.kernel.skb;
    const frag = rq.alloc_frag;
    const bytes = smallBufferBytes(this.vi.hdr_len);
    if (!frags.skb_page_frag_refill(bytes, frag)) return -Errno.ENOMEM;
    const buf = (frag.page + frag.offset) as Gpa;
    frags.get_page(frag.page);
    frag.offset += bytes;
    return this.addBuffer(rq, buf, buf + NET_SKB_PAD, this.vi.hdr_len + GOOD_PACKET_LEN);
  }

  private addBuffer(rq: ReceiveQueue, buf: Gpa, at: number, length: number): number {
    const { vq } = rq;
    vq.sgReset();
    vq.sgAdd(at, length);
    const err = vq.virtqueue_add_inbuf_ctx(RX_BUFFER, buf * CTX_UNIT + length);
    if (err < 0) this.kernel.skb.frags.put_page(buf);
    return err;
  }

  /** Header and an average packet, at least a full frame's share, at most a page. */
  get_mergeable_buf_len(rq: ReceiveQueue): number {
    const { hdr_len } = this.vi;
    const average = Math.min(Math.max(rq.mrg_avg_pkt_len.read(), rq.min_buf_len), PAGE_SIZE - hdr_len);
    return align(hdr_len + average);
  }

  /** `data` is the ring's token, `ctx` what was given with it. */
  virtnet_rq_free_unused_buf(rq: ReceiveQueue, data: object, ctx: number): void {
    if (data instanceof PageChain) this.vi.big.give_pages(rq, data.pages);
    else this.kernel.skb.frags.put_page(Math.floor(ctx / CTX_UNIT) as Gpa);
  }

  free_receive_page_frags(): void {
    for (const rq of this.vi.rq) {
      if (rq.alloc_frag.page === 0) continue;
      this.kernel.skb.frags.put_page(rq.alloc_frag.page);
      rq.alloc_frag.page = 0 as Gpa;
    }
  }

  refill_work(): void {
    const { vi, kernel } = this;
    for (let i = 0; i < vi.curr_queue_pairs; i++) {
      const rq = vi.rq[i];
      kernel.net.napi.napi_disable(rq.napi);
      const stillEmpty = !this.try_fill_recv(rq);
      this.virtnet_napi_enable(rq.vq, rq.napi);
      // without a buffer there is no interrupt, and so nobody else would try again
      if (stillEmpty) kernel.workqueues.schedule_delayed_work(vi.refill, REFILL_RETRY);
    }
  }

  // interrupt and poll

  skb_recv_done(vq: Virtqueue, index: number): void {
    this.vi.tx.virtqueue_napi_schedule(this.vi.rq[index].napi, vq);
  }

  /** What came before NAPI was on makes no interrupt any more: look at once. */
  virtnet_napi_enable(vq: Virtqueue, napi: Napi): void {
    this.kernel.net.napi.napi_enable(napi);
    this.vi.tx.virtqueue_napi_schedule(napi, vq);
  }

  poll(napi: Napi, budget: number): number {
    return this.virtnet_poll(napi, budget);
  }

  virtnet_poll(napi: Napi, budget: number): number {
    const rq = this.vi.rq[napi.queue];
    this.vi.tx.virtnet_poll_cleantx(rq.index);
    const received = this.virtnet_receive(rq, budget);
    if (received < budget) this.virtqueue_napi_complete(napi, rq.vq, received);
    return received;
  }

  virtqueue_napi_complete(napi: Napi, vq: Virtqueue, processed: number): void {
    const opaque = vq.virtqueue_enable_cb_prepare();
    if (this.kernel.net.napi.napi_complete_done(napi, processed)) {
      if (vq.virtqueue_poll(opaque)) this.vi.tx.virtqueue_napi_schedule(napi, vq);
    } else vq.virtqueue_disable_cb();
  }

  virtnet_receive(rq: ReceiveQueue, budget: number): number {
    const { vi, kernel } = this;
    const { vq, stats } = rq;
    let packets = 0;
    while (packets < budget) {
      const token = vq.virtqueue_get_buf_ctx();
      if (token === undefined) break;
      this.receive_buf(rq, token, vq.lastCtx, vq.lastLen);
      packets++;
    }
    if (vq.num_free > Math.min(budget, vq.num) / 2 && !this.try_fill_recv(rq) && vi.refill_enabled) {
      kernel.workqueues.schedule_delayed_work(vi.refill, 0);
    }
    stats.packets += packets;
    return packets;
  }

  receive_buf(rq: ReceiveQueue, token: object, ctx: number, length: number): void {
    const { vi, kernel } = this;
    const { dev } = vi;
    if (length < vi.hdr_len + ETH_HLEN) {
      dev.stats.rx_length_errors++;
      this.virtnet_rq_free_unused_buf(rq, token, ctx);
      return;
    }
    const skb = this.takeBuffer(rq, token, ctx, length);
    if (skb === undefined) return;
    if (rq.hdrHash !== 0) skb.hash = rq.hdrHash;
    if ((rq.hdrFlags & VIRTIO_NET_HDR_F.DATA_VALID) !== 0) skb.ip_summed = CHECKSUM_UNNECESSARY;
    if (!this.virtio_net_hdr_to_skb(rq, skb)) {
      kernel.printk.pr_warn(`${dev.name}: bad gso: type: ${rq.hdrGsoType}, size: ${rq.hdrGsoSize}`);
      dev.stats.rx_frame_errors++;
      kernel.skb.kfree_skb(skb);
      return;
    }
    skb.queue_mapping = rq.index + 1; // skb_record_rx_queue()
    kernel.net.eth.eth_type_trans(skb, dev);
    kernel.gro.napi_gro_receive(rq.napi, skb);
  }

  private takeBuffer(rq: ReceiveQueue, token: object, ctx: number, length: number): SkBuff | undefined {
    if (this.vi.mergeable_rx_bufs) return this.receive_mergeable(rq, ctx, length);
    if (!(token instanceof PageChain)) return this.receive_small(rq, ctx, length);
    this.readHeader(rq, token.pages[0]);
    return this.vi.big.receive_big(rq, token, length);
  }

  /** virtio_net_hdr at `at` into the queue's fields; the number of buffers, where the header has one. */
  private readHeader(rq: ReceiveQueue, at: number): number {
    const { view } = this.kernel.platform.ram;
    rq.hdrFlags = view.getUint8(at);
    rq.hdrGsoType = view.getUint8(at + 1);
    rq.hdrHdrLen = view.getUint16(at + 2, true);
    rq.hdrGsoSize = view.getUint16(at + 4, true);
    rq.hdrCsumStart = view.getUint16(at + 6, true);
    rq.hdrCsumOffset = view.getUint16(at + 8, true);
    const { vi } = this;
    // Linux: virtio_skb_set_hash()
    rq.hdrHash =
      vi.has_rss_hash_report && vi.rxhash && view.getUint16(at + HASH_REPORT_AT, true) !== 0 ? view.getUint32(at + HASH_AT, true) : 0;
    return vi.mergeable_rx_bufs ? view.getUint16(at + 10, true) : 1;
  }

  receive_small(rq: ReceiveQueue, ctx: number, length: number): SkBuff | undefined {
    const { vi, kernel } = this;
    const buf = Math.floor(ctx / CTX_UNIT) as Gpa;
    const payload = length - vi.hdr_len;
    rq.stats.bytes += payload;
    if (payload > GOOD_PACKET_LEN) {
      vi.dev.stats.rx_length_errors++;
      return this.dropped(rq, buf);
    }
    this.readHeader(rq, buf + NET_SKB_PAD);
    const skb = kernel.skb.build_skb(buf, smallBufferBytes(vi.hdr_len));
    if (skb === undefined) return this.dropped(rq, buf);
    skb_reserve(skb, NET_SKB_PAD + vi.hdr_len);
    __skb_put(skb, payload);
    return skb;
  }

  private dropped(rq: ReceiveQueue, buf: Gpa): undefined {
    rq.stats.drops++;
    this.kernel.skb.frags.put_page(buf);
    return undefined;
  }

  receive_mergeable(rq: ReceiveQueue, ctx: number, length: number): SkBuff | undefined {
    const { vi, kernel } = this;
    const buf = Math.floor(ctx / CTX_UNIT) as Gpa;
    const truesize = ctx % CTX_UNIT;
    const buffers = this.readHeader(rq, buf);
    rq.stats.bytes += length - vi.hdr_len;
    if (length > truesize) {
      vi.dev.stats.rx_length_errors++;
      return this.dropRest(rq, undefined, buf, buffers);
    }
    const head = this.page_to_skb(rq, buf, length, truesize);
    if (head === undefined) return this.dropRest(rq, undefined, buf, buffers);
    let last = head;
    for (let left = buffers - 1; left > 0; left--) {
      const { vq } = rq;
      if (vq.virtqueue_get_buf_ctx() === undefined) {
        vi.dev.stats.rx_length_errors++;
        rq.stats.drops++;
        kernel.skb.kfree_skb(head);
        return undefined;
      }
      const next = Math.floor(vq.lastCtx / CTX_UNIT) as Gpa;
      rq.stats.bytes += vq.lastLen;
      const room = vq.lastCtx % CTX_UNIT;
      if (vq.lastLen > room) {
        vi.dev.stats.rx_length_errors++;
        return this.dropRest(rq, head, next, left);
      }
      if (!kernel.skb.skb_append_frag(last, next, vq.lastLen)) {
        // more fragments than one skb has places for: another one, empty but for fragments, behind it
        const more = kernel.skb.alloc_skb(0);
        if (more === undefined) return this.dropRest(rq, head, next, left);
        if (last === head) head.frag_list = more;
        else last.next = more;
        head.truesize += more.truesize;
        kernel.skb.skb_append_frag(more, next, vq.lastLen);
        last = more;
      }
      head.truesize += room;
      if (last === head) continue;
      head.len += vq.lastLen;
      head.data_len += vq.lastLen;
    }
    rq.mrg_avg_pkt_len.add(head.len);
    return head;
  }

  /** A packet that cannot be received: the rest of its buffers is taken from the ring and freed. `left` counts the one at hand. */
  private dropRest(rq: ReceiveQueue, head: SkBuff | undefined, buf: Gpa, left: number): undefined {
    const { kernel, vi } = this;
    kernel.skb.frags.put_page(buf);
    for (let i = left; i > 1; i--) {
      const token = rq.vq.virtqueue_get_buf();
      if (token === undefined) {
        vi.dev.stats.rx_length_errors++;
        break;
      }
      rq.stats.bytes += rq.vq.lastLen;
      this.virtnet_rq_free_unused_buf(rq, token, rq.vq.lastCtx);
    }
    rq.stats.drops++;
    if (head !== undefined) kernel.skb.kfree_skb(head);
    return undefined;
  }

  /** A short packet is copied; of a long one the Ethernet header, or nothing when there is room for shared info behind it. */
  page_to_skb(rq: ReceiveQueue, buf: Gpa, length: number, truesize: number): SkBuff | undefined {
    const { vi, kernel } = this;
    const { ram, costs } = kernel.platform;
    const at = buf + vi.hdr_len;
    const payload = length - vi.hdr_len;
    if (payload > GOOD_COPY_LEN && truesize - length >= SHINFO) {
      const skb = kernel.skb.build_skb(buf, truesize);
      if (skb === undefined) return undefined;
      skb_reserve(skb, vi.hdr_len);
      __skb_put(skb, payload);
      return skb;
    }
    const skb = kernel.skb.napi_alloc_skb(rq.napi, GOOD_COPY_LEN);
    if (skb === undefined) return undefined;
    const copy = payload <= skb_tailroom(skb) ? payload : ETH_HLEN;
    ram.copyTo(at, ram, __skb_put(skb, copy), copy);
    kernel.charge(Math.ceil(copy / 16) * costs.copy_per_16_bytes);
    if (payload > copy) kernel.skb.skb_add_rx_frag(skb, 0, (at + copy) as Gpa, payload - copy, truesize);
    else kernel.skb.frags.put_page(buf);
    return skb;
  }

  /** virtio-v1.2 §5.1.6.4: checksum to be completed, segmentation data. False for a header that cannot be right. */
  virtio_net_hdr_to_skb(rq: ReceiveQueue, skb: SkBuff): boolean {
    const { skb: core } = this.kernel;
    if ((rq.hdrFlags & VIRTIO_NET_HDR_F.NEEDS_CSUM) !== 0) {
      const end = rq.hdrCsumStart + rq.hdrCsumOffset + 2;
      if (end > skb.len || !core.pskb_may_pull(skb, end)) return false;
      skb.ip_summed = CHECKSUM_PARTIAL;
      skb.csum_start = skb.data - skb.head + rq.hdrCsumStart;
      skb.csum_offset = rq.hdrCsumOffset;
    }
    if (rq.hdrGsoType === VIRTIO_NET_HDR_GSO.NONE) return true;
    const kind = RX_GSO[rq.hdrGsoType & ~VIRTIO_NET_HDR_GSO.ECN];
    if (kind === undefined || rq.hdrGsoSize === 0 || rq.hdrGsoSize === GSO_BY_FRAGS) return false;
    const [type, transport] = kind;
    const headers = rq.hdrCsumStart + transport;
    if ((rq.hdrFlags & VIRTIO_NET_HDR_F.NEEDS_CSUM) !== 0 ? !core.pskb_may_pull(skb, headers) : !core.pskb_may_pull(skb, transport))
      return false;
    const ecn = (rq.hdrGsoType & VIRTIO_NET_HDR_GSO.ECN) !== 0 ? SKB_GSO.TCP_ECN : 0;
    // one segment's worth is no packet to be segmented; the segments are counted when somebody needs to know
    if (skb.len > rq.hdrGsoSize) core.setGso(skb, type | ecn | SKB_GSO.DODGY, rq.hdrGsoSize, 0);
    return true;
  }
}

/** Length that a buffer for `dev` must have at least, so that `ringSize` of them hold the largest packet (Linux: mergeable_min_buf_len()). */
export function mergeable_min_buf_len(hdrLen: number, dev: NetDevice, ringSize: number, bigPackets: boolean): number {
  const packet = bigPackets ? 0xffff : dev.max_mtu;
  const least = Math.ceil((hdrLen + ETH_HLEN + 4 + packet) / ringSize);
  return Math.max(Math.max(least, hdrLen) - hdrLen, GOOD_PACKET_LEN);
}
