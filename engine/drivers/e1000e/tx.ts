// Transmit path of e1000e (Linux: e1000_xmit_frame() and e1000_clean_tx_irq()).
import type { DmaAddr, Gpa } from '../../base/units.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { NETDEV_TX_BUSY, NETDEV_TX_OK, type NetDevice } from '../../kernel/net_device.ts';
import { skb_checksum_start_offset, skb_headlen, skb_network_offset, skb_transport_offset } from '../../kernel/skb_inline.ts';
import { CHECKSUM_PARTIAL, MAX_SKB_FRAGS, SKB_GSO, type SkBuff } from '../../kernel/skbuff.ts';
import { TXD_CMD, TXD_DTYP_DATA, TXD_POPTS, TXD_STAT_DD, TXD_TUCMD, TxDescContext, TxDescData } from '../../pci/e1000e_desc.ts';
import { E1000, STATUS, TCTL, TXDCTL } from '../../pci/e1000e_regs.ts';
import { IpHdr, Ipv6Hdr, TcpHdr } from '../../wire/headers.ts';
import { pseudoHeaderSum, pseudoHeaderSum6 } from '../../wire/checksum.ts';
import { type E1000Adapter, E1000Ring } from './adapter.ts';

const TX_WAKE_THRESHOLD = 32;
/** Linux: tx_fifo_limit for a packet buffer with 8 KB for transmission; the most one descriptor carries. */
const MAX_PER_TXD = 8192;
/** The device needs 17 bytes at least; shorter packets are padded. */
const MIN_PACKET = 17;
const FRAG_DESCRIPTORS = MAX_SKB_FRAGS * Math.ceil(4096 / MAX_PER_TXD) + 4;
const IPPROTO_TCP = 6;
const COLLISION_THRESHOLD = 15;
const TXDCTL_DMA_BURST_ENABLE = TXDCTL.GRAN | (5 << TXDCTL.WTHRESH_SHIFT) | (1 << 8) | 0x1f;
const NO_OFFLOAD = 0;
const OFFLOAD_CSUM = 1;
const OFFLOAD_TSO = 2;

export class E1000Tx {
  /** Inline in Linux. */
  static readonly inlined: readonly string[] = Object.freeze([
    'e1000_maybe_stop_tx',
    'e1000_put_txbuf',
    'e1000_tx_csum',
    'e1000_tso',
    'e1000_tx_map',
    'e1000_tx_queue',
  ]);

  constructor(
    readonly kernel: Kernel,
    private readonly adapter: E1000Adapter,
  ) {}

  /** Memory for the ring; 0 or -errno. */
  e1000e_setup_tx_resources(ring: E1000Ring): boolean {
    const memory = this.adapter.pdev.dma.dma_alloc_coherent(ring.size, 'e1000e_setup_tx_resources');
    if (memory === undefined) return false;
    ring.desc = memory.gpa;
    ring.dma = memory.dma;
    ring.next_to_use = ring.next_to_clean = 0;
    return true;
  }

  e1000e_free_tx_resources(ring: E1000Ring): void {
    this.e1000_clean_tx_ring(ring);
    this.adapter.pdev.dma.dma_free_coherent(ring.size, ring.desc, ring.dma, 'e1000e_free_tx_resources');
    ring.desc = 0 as Gpa;
  }

  e1000_configure_tx(): void {
    const { hw, tx_ring: ring } = this.adapter;
    hw.ew32(E1000.TDBAL0, ring.dma % 0x100000000);
    hw.ew32(E1000.TDBAH0, Math.floor(ring.dma / 0x100000000));
    hw.ew32(E1000.TDLEN0, ring.size);
    hw.ew32(E1000.TDH0, 0);
    hw.ew32(E1000.TDT0, 0);
    // delays in units of 1.024 µs; with MSI-X every write-back interrupts, and they do not matter
    hw.ew32(E1000.TIDV, this.adapter.tx_int_delay);
    hw.ew32(E1000.TADV, this.adapter.tx_abs_int_delay);
    hw.ew32(E1000.TXDCTL0, (hw.er32(E1000.TXDCTL0) & ~0x3f3f3f) | TXDCTL_DMA_BURST_ENABLE);
    hw.ew32(E1000.TXDCTL1, hw.er32(E1000.TXDCTL0));
    const collisions = (COLLISION_THRESHOLD << TCTL.CT_SHIFT) | (0x3f << TCTL.COLD_SHIFT);
    hw.ew32(E1000.TCTL, (hw.er32(E1000.TCTL) & ~TCTL.CT_MASK) | TCTL.PSP | TCTL.RTLC | collisions);
  }

  e1000_xmit_frame(skb: SkBuff, dev: NetDevice): number {
    const { adapter, kernel } = this;
    const { tx_ring: ring } = adapter;
    if (adapter.down || skb.len <= 0) {
      kernel.skb.kfree_skb(skb);
      return NETDEV_TX_OK;
    }
    if (skb.len < MIN_PACKET && kernel.skb.skb_put_padto(skb, MIN_PACKET) !== 0) return NETDEV_TX_OK;
    if (this.e1000_maybe_stop_tx(ring, this.descriptorsFor(skb) + 4) !== 0) return NETDEV_TX_BUSY;

    const first = ring.next_to_use;
    const offload = this.offload(ring, skb);
    if (offload < 0) {
      kernel.skb.kfree_skb(skb);
      return NETDEV_TX_OK;
    }
    const count = this.e1000_tx_map(ring, skb, first);
    if (count === 0) {
      adapter.stats.own.tx_dma_failed++;
      ring.next_to_use = first;
      kernel.skb.kfree_skb(skb);
      return NETDEV_TX_OK;
    }
    kernel.sched.bql.netdev_sent_queue(dev, skb.len);
    this.e1000_tx_queue(ring, offload, count, skb);
    this.e1000_maybe_stop_tx(ring, FRAG_DESCRIPTORS);
    adapter.hw.ew32(ring.tail, ring.next_to_use);
    dev.queues[0].trans_start = kernel.now();
    return NETDEV_TX_OK;
  }

  private descriptorsFor(skb: SkBuff): number {
    const { skb: core } = this.kernel;
    let n = Math.ceil(skb_headlen(skb) / MAX_PER_TXD);
    const frags = core.nr_frags(skb);
    for (let i = 0; i < frags; i++) n += Math.ceil(core.frag_size(skb, i) / MAX_PER_TXD);
    return n;
  }

  /** Room for so many descriptors, or the queue stops; looks once more, as room may have come meanwhile. */
  e1000_maybe_stop_tx(ring: E1000Ring, size: number): number {
    if (ring.unused() >= size) return 0;
    return this.__e1000_maybe_stop_tx(ring, size);
  }
  __e1000_maybe_stop_tx(ring: E1000Ring, size: number): number {
    const { xmit } = this.kernel.net;
    const queue = this.adapter.dev.queues[0];
    xmit.netif_tx_stop_queue(queue);
    if (ring.unused() < size) return -1;
    xmit.netif_tx_start_queue(queue);
    this.adapter.stats.own.restart_queue++;
    return 0;
  }

  /** Context descriptor for what the device is to do; which, or -1 when headers cannot be had. */
  private offload(ring: E1000Ring, skb: SkBuff): number {
    const tso = this.e1000_tso(ring, skb);
    if (tso !== 0) return tso < 0 ? tso : OFFLOAD_TSO;
    return this.e1000_tx_csum(ring, skb) ? OFFLOAD_CSUM : NO_OFFLOAD;
  }

  /** 1 with segmentation, 0 without, -1 on an error. */
  e1000_tso(ring: E1000Ring, skb: SkBuff): number {
    const { ram } = this.kernel.platform;
    const { skb: core } = this.kernel;
    const mss = core.gso_size(skb);
    if (mss === 0) return 0;
    if (core.skb_cow_head(skb, 0) !== 0) return -1;
    const ipcss = skb_network_offset(skb);
    const tucss = skb_transport_offset(skb);
    const ip = skb.data + ipcss;
    const tcp = skb.data + tucss;
    const hdrLength = tucss + (ram.u8(tcp + TcpHdr.doff_flags.offset) >> 4) * 4;
    const ipv4 = (core.gso_type(skb) & SKB_GSO.TCPV4) !== 0;
    let sum: number;
    if (ipv4) {
      IpHdr.tot_len.set(ram, ip, 0);
      IpHdr.check.set(ram, ip, 0);
      sum = pseudoHeaderSum(IpHdr.saddr.get(ram, ip), IpHdr.daddr.get(ram, ip), IPPROTO_TCP, 0);
    } else {
      Ipv6Hdr.payload_len.set(ram, ip, 0);
      sum = pseudoHeaderSum6(ram, ip + Ipv6Hdr.saddr.offset, ip + Ipv6Hdr.daddr.offset, IPPROTO_TCP, 0);
    }
    while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
    // the device adds each segment's length
    TcpHdr.check.set(ram, tcp, sum);
    const at = this.context(ring);
    TxDescContext.ipcss.set(ram, at, ipcss);
    TxDescContext.ipcso.set(ram, at, ipv4 ? ipcss + IpHdr.check.offset : 0);
    TxDescContext.ipcse.set(ram, at, ipv4 ? tucss - 1 : 0);
    TxDescContext.tucss.set(ram, at, tucss);
    TxDescContext.tucso.set(ram, at, tucss + TcpHdr.check.offset);
    TxDescContext.mss.set(ram, at, mss);
    TxDescContext.hdr_len.set(ram, at, hdrLength);
    const command = TXD_CMD.DEXT | TXD_TUCMD.TSE | TXD_TUCMD.TCP | (ipv4 ? TXD_TUCMD.IP : 0);
    TxDescContext.cmd_and_length.set(ram, at, (command | (skb.len - hdrLength)) >>> 0);
    return 1;
  }

  e1000_tx_csum(ring: E1000Ring, skb: SkBuff): boolean {
    if (skb.ip_summed !== CHECKSUM_PARTIAL) return false;
    const { ram } = this.kernel.platform;
    const start = skb_checksum_start_offset(skb);
    const at = this.context(ring);
    TxDescContext.tucss.set(ram, at, start);
    TxDescContext.tucso.set(ram, at, start + skb.csum_offset);
    TxDescContext.cmd_and_length.set(ram, at, TXD_CMD.DEXT);
    return true;
  }

  /** The next descriptor, empty, as a context of its own. */
  private context(ring: E1000Ring): number {
    const { ram } = this.kernel.platform;
    const i = ring.next_to_use;
    const at = ring.descAt(i);
    ram.fill(at as Gpa, 0, TxDescContext.$size);
    ring.buffer_length[i] = 0;
    ring.buffer_dma[i] = 0;
    ring.next_to_watch[i] = i;
    ring.next_to_use = i + 1 === ring.count ? 0 : i + 1;
    this.kernel.charge(this.kernel.platform.costs.descriptor);
    return at;
  }

  /** Maps head and fragments, piece by piece; how many descriptors they take from next_to_use on, 0 when a mapping failed. */
  e1000_tx_map(ring: E1000Ring, skb: SkBuff, first: number): number {
    const { skb: core } = this.kernel;
    let i = ring.next_to_use;
    let count = 0;
    const frags = core.nr_frags(skb);
    for (let part = -1; part < frags; part++) {
      const base = part < 0 ? skb.data : core.frag_page(skb, part);
      const length = part < 0 ? skb_headlen(skb) : core.frag_size(skb, part);
      for (let offset = 0; offset < length; offset += MAX_PER_TXD) {
        const n = Math.min(MAX_PER_TXD, length - offset);
        const dma = this.adapter.pdev.dma.dma_map_single((base + offset) as Gpa, n, 'DMA_TO_DEVICE', 'e1000_tx_map');
        this.kernel.charge(this.kernel.platform.costs.dma_map);
        if (this.adapter.pdev.dma.dma_mapping_error(dma)) {
          for (; count > 0; count--) {
            i = i === 0 ? ring.count - 1 : i - 1;
            this.unmap(ring, i);
          }
          return 0;
        }
        ring.buffer_dma[i] = dma;
        ring.buffer_length[i] = n;
        ring.next_to_watch[i] = -1;
        i = i + 1 === ring.count ? 0 : i + 1;
        count++;
      }
    }
    const last = i === 0 ? ring.count - 1 : i - 1;
    ring.skb[last] = skb;
    ring.time_stamp[first] = this.kernel.now();
    ring.next_to_watch[first] = last;
    return count;
  }

  e1000_tx_queue(ring: E1000Ring, offload: number, count: number, skb: SkBuff): void {
    const { ram, costs } = this.kernel.platform;
    const segments = offload === OFFLOAD_TSO;
    const command = TXD_CMD.DEXT | TXD_DTYP_DATA | TXD_CMD.IFCS | TXD_CMD.IDE | (segments ? TXD_CMD.TSE : 0);
    let options = offload === NO_OFFLOAD ? 0 : TXD_POPTS.TXSM;
    if (segments && (this.kernel.skb.gso_type(skb) & SKB_GSO.TCPV4) !== 0) options |= TXD_POPTS.IXSM;
    let i = ring.next_to_use;
    for (let left = count; left > 0; left--) {
      const at = ring.descAt(i);
      TxDescData.buffer_addr.set(ram, at, ring.buffer_dma[i]);
      TxDescData.cmd_and_length.set(ram, at, (command | ring.buffer_length[i] | (left === 1 ? TXD_CMD.EOP | TXD_CMD.RS : 0)) >>> 0);
      TxDescData.status.set(ram, at, 0);
      TxDescData.popts.set(ram, at, options);
      TxDescData.special.set(ram, at, 0);
      this.kernel.charge(costs.descriptor);
      i = i + 1 === ring.count ? 0 : i + 1;
    }
    ring.next_to_use = i;
  }

  /** Frees what the device is done with; false when there was more than a ring's worth. */
  e1000_clean_tx_irq(ring: E1000Ring): boolean {
    const { adapter, kernel } = this;
    const { ram } = kernel.platform;
    let i = ring.next_to_clean;
    let cleaned = 0;
    let packets = 0;
    let bytes = 0;
    for (let eop = ring.next_to_watch[i]; eop >= 0 && cleaned < ring.count; eop = ring.next_to_watch[i]) {
      if ((TxDescData.status.get(ram, ring.descAt(eop)) & TXD_STAT_DD) === 0) break;
      for (let done = false; !done; cleaned++) {
        done = i === eop;
        const skb = ring.skb[i];
        if (done && skb !== undefined) {
          adapter.total_tx_packets++;
          adapter.total_tx_bytes += skb.len;
          packets++;
          bytes += skb.len;
        }
        this.e1000_put_txbuf(ring, i, true);
        // status, options and tag; the rest stays as it was
        ram.setU32(ring.descAt(i) + TxDescData.status.offset, 0);
        i = i + 1 === ring.count ? 0 : i + 1;
      }
      ring.next_to_clean = i;
    }
    kernel.sched.bql.netdev_completed_queue(adapter.dev, packets, bytes);
    if (adapter.detect_tx_hung) this.detectHang(ring, i);
    const queue = adapter.dev.queues[0];
    if (cleaned > 0 && !adapter.dev.nocarrier && ring.unused() >= TX_WAKE_THRESHOLD && queue.drvXoff && !adapter.down) {
      kernel.net.xmit.netif_tx_wake_queue(queue);
      adapter.stats.own.restart_queue++;
    }
    return cleaned < ring.count;
  }

  /** The oldest packet waits for more than a second (longer at lower speeds), and pause frames are not why. */
  private detectHang(ring: E1000Ring, i: number): void {
    const { adapter, kernel } = this;
    adapter.detect_tx_hung = false;
    const waits = ring.next_to_watch[i] >= 0 && kernel.now() > ring.time_stamp[i] + adapter.tx_timeout_factor * 1e9;
    if (waits && (adapter.hw.er32(E1000.STATUS) & STATUS.TXOFF) === 0) kernel.workqueues.schedule_work(adapter.print_hang_task);
    else adapter.tx_hang_recheck = false;
  }

  e1000_put_txbuf(ring: E1000Ring, i: number, napi: boolean): void {
    this.unmap(ring, i);
    const skb = ring.skb[i];
    ring.skb[i] = undefined;
    ring.next_to_watch[i] = -1;
    if (skb === undefined) return;
    if (napi) this.kernel.skb.napi_consume_skb(skb, 1);
    else this.kernel.skb.kfree_skb(skb);
  }

  private unmap(ring: E1000Ring, i: number): void {
    if (ring.buffer_length[i] === 0) return;
    this.adapter.pdev.dma.dma_unmap_single(ring.buffer_dma[i] as DmaAddr, ring.buffer_length[i], 'DMA_TO_DEVICE', 'e1000_put_txbuf');
    this.kernel.charge(this.kernel.platform.costs.dma_unmap);
    ring.buffer_length[i] = 0;
    ring.buffer_dma[i] = 0;
  }

  /** Everything that is still queued is freed; the device is stopped. */
  e1000_clean_tx_ring(ring: E1000Ring): void {
    for (let i = 0; i < ring.count; i++) this.e1000_put_txbuf(ring, i, false);
    this.kernel.sched.bql.netdev_reset_queue(this.adapter.dev);
    if (ring.desc !== 0) this.kernel.platform.ram.fill(ring.desc, 0, ring.size);
    ring.next_to_use = ring.next_to_clean = 0;
  }
}
