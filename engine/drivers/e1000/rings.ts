// Transmit and receive paths of e1000: legacy receive descriptors, context and data descriptors for sending (Linux: e1000_main.c).
import type { DmaAddr, Gpa } from '../../base/units.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { NETDEV_TX_BUSY, NETDEV_TX_OK, type NetDevice } from '../../kernel/net_device.ts';
import { NETIF_F } from '../../kernel/netdev_features.ts';
import { skb_checksum_start_offset, skb_headlen } from '../../kernel/skb_inline.ts';
import { CHECKSUM_PARTIAL, CHECKSUM_UNNECESSARY, MAX_SKB_FRAGS, type SkBuff } from '../../kernel/skbuff.ts';
import {
  RXD_STAT,
  RxDescLegacy,
  TXD_CMD,
  TXD_DTYP_DATA,
  TXD_POPTS,
  TXD_STAT_DD,
  TxDescContext,
  TxDescData,
} from '../../pci/e1000e_desc.ts';
import { E1000, RCTL, RXCSUM, TCTL } from '../../pci/e1000e_regs.ts';
import { TIPG_COPPER } from '../../pci/e1000_regs.ts';
import type { E1000Adapter82540, E1000Ring82540 } from './adapter.ts';

/** The tail moves in steps of this many buffers; a power of two. */
const RX_BUFFER_WRITE = 16;
const FCS = 4;
/** Linux: E1000_MAX_DATA_PER_TXD; the most one descriptor carries. */
const MAX_PER_TXD = 4096;
/** Context, head, gap, and the fragments. */
const MOST_DESCRIPTORS = MAX_SKB_FRAGS + 5;
const TX_WAKE_THRESHOLD = 32;
/** Of the errors byte of a legacy descriptor (§3.2.3.2): checksum errors, and those that make a frame worthless. */
const RXD_ERR = { TCPE: 0x20, FRAME: 0x97 } as const;
const TIDV = 8;
const TADV = 32;
const COLLISION = (15 << TCTL.CT_SHIFT) | (0x3f << TCTL.COLD_SHIFT);

export class E1000Rings {
  /** Inline in Linux, or a part of another function. */
  static readonly inlined: readonly string[] = Object.freeze(['e1000_tx_csum', 'e1000_maybe_stop_tx', 'e1000_rx_checksum']);

  constructor(
    readonly kernel: Kernel,
    private readonly adapter: E1000Adapter82540,
  ) {}

  /** Memory for a ring's descriptors. */
  allocate(ring: E1000Ring82540, by: string): boolean {
    const memory = this.adapter.pdev.dma.dma_alloc_coherent(ring.size, by);
    if (memory === undefined) return false;
    ring.desc = memory.gpa;
    ring.dma = memory.dma;
    ring.next_to_use = ring.next_to_clean = 0;
    return true;
  }
  free(ring: E1000Ring82540, by: string): void {
    this.adapter.pdev.dma.dma_free_coherent(ring.size, ring.desc, ring.dma, by);
    ring.desc = 0 as Gpa;
  }

  e1000_configure_tx(): void {
    const { hw, tx_ring: ring } = this.adapter;
    hw.ew32(E1000.TDLEN0, ring.size);
    hw.ew32(E1000.TDBAH0, Math.floor(ring.dma / 2 ** 32));
    hw.ew32(E1000.TDBAL0, ring.dma % 2 ** 32);
    hw.ew32(E1000.TDT0, 0);
    hw.ew32(E1000.TDH0, 0);
    hw.ew32(E1000.TIPG, TIPG_COPPER);
    hw.ew32(E1000.TIDV, TIDV);
    hw.ew32(E1000.TADV, TADV);
    hw.ew32(E1000.TCTL, (hw.er32(E1000.TCTL) & ~TCTL.CT_MASK) | TCTL.EN | TCTL.PSP | TCTL.RTLC | COLLISION);
  }

  e1000_setup_rctl(): void {
    const { hw, rx_buffer_len, dev } = this.adapter;
    let rctl = hw.er32(E1000.RCTL) & ~((3 << RCTL.MO_SHIFT) | (3 << RCTL.BSIZE_SHIFT) | RCTL.BSEX | RCTL.SBP | RCTL.LPE);
    rctl |= RCTL.BAM | (dev.mtu > 1500 ? RCTL.LPE : 0);
    if (rx_buffer_len > 2048) rctl |= RCTL.BSEX | ((rx_buffer_len === 4096 ? 3 : rx_buffer_len === 8192 ? 2 : 1) << RCTL.BSIZE_SHIFT);
    hw.ew32(E1000.RCTL, rctl);
  }

  e1000_configure_rx(): void {
    const { hw, rx_ring: ring, dev } = this.adapter;
    const rctl = hw.er32(E1000.RCTL);
    hw.ew32(E1000.RCTL, rctl & ~RCTL.EN);
    hw.ew32(E1000.RDTR, 0);
    hw.ew32(E1000.RADV, TIDV);
    hw.ew32(E1000.RDLEN0, ring.size);
    hw.ew32(E1000.RDBAH0, Math.floor(ring.dma / 2 ** 32));
    hw.ew32(E1000.RDBAL0, ring.dma % 2 ** 32);
    hw.ew32(E1000.RDT0, 0);
    hw.ew32(E1000.RDH0, 0);
    const on = (dev.features & NETIF_F.RXCSUM) !== 0n;
    hw.ew32(E1000.RXCSUM, on ? hw.er32(E1000.RXCSUM) | RXCSUM.TUOFL : hw.er32(E1000.RXCSUM) & ~RXCSUM.TUOFL);
    hw.ew32(E1000.RCTL, rctl | RCTL.EN);
  }

  e1000_xmit_frame(skb: SkBuff, dev: NetDevice): number {
    const { adapter, kernel } = this;
    const { tx_ring: ring } = adapter;
    if (adapter.down || skb.len <= 0) {
      kernel.skb.kfree_skb(skb);
      return NETDEV_TX_OK;
    }
    if (!this.e1000_maybe_stop_tx(this.descriptorsFor(skb) + 2)) return NETDEV_TX_BUSY;
    const first = ring.next_to_use;
    const summed = this.e1000_tx_csum(ring, skb);
    if (!this.e1000_tx_map(ring, skb, first)) {
      ring.next_to_use = first;
      kernel.skb.kfree_skb(skb);
      return NETDEV_TX_OK;
    }
    this.e1000_tx_queue(ring, summed, ring.next_to_watch[first]);
    this.e1000_maybe_stop_tx(MOST_DESCRIPTORS);
    adapter.hw.ew32(E1000.TDT0, ring.next_to_use);
    dev.queues[0].trans_start = kernel.now();
    return NETDEV_TX_OK;
  }

  private descriptorsFor(skb: SkBuff): number {
    const { skb: core } = this.kernel;
    let n = Math.ceil(skb_headlen(skb) / MAX_PER_TXD);
    for (let i = core.nr_frags(skb) - 1; i >= 0; i--) n += Math.ceil(core.frag_size(skb, i) / MAX_PER_TXD);
    return n;
  }

  /** Whether there is room for so many descriptors; otherwise the queue stops. */
  e1000_maybe_stop_tx(size: number): boolean {
    const { tx_ring, dev, stats } = this.adapter;
    const { xmit } = this.kernel.net;
    if (tx_ring.unused() >= size) return true;
    xmit.netif_tx_stop_queue(dev.queues[0]);
    // room may have come meanwhile
    if (tx_ring.unused() < size) return false;
    xmit.netif_tx_start_queue(dev.queues[0]);
    stats.counts.tx_restart_queue++;
    return true;
  }

  /** A context descriptor when the device is to complete the checksum. */
  e1000_tx_csum(ring: E1000Ring82540, skb: SkBuff): boolean {
    if (skb.ip_summed !== CHECKSUM_PARTIAL) return false;
    const { ram, costs } = this.kernel.platform;
    const i = ring.next_to_use;
    const at = ring.descAt(i);
    const start = skb_checksum_start_offset(skb);
    ram.fill(at as Gpa, 0, TxDescContext.$size);
    TxDescContext.tucss.set(ram, at, start);
    TxDescContext.tucso.set(ram, at, start + skb.csum_offset);
    TxDescContext.cmd_and_length.set(ram, at, TXD_CMD.DEXT);
    ring.buffer_length[i] = 0;
    ring.next_to_use = ring.after(i);
    this.kernel.charge(costs.descriptor);
    return true;
  }

  /** Maps head and fragments from next_to_use on, for the packet that starts at `first`; false when a mapping failed, then none is left. */
  e1000_tx_map(ring: E1000Ring82540, skb: SkBuff, first: number): boolean {
    const { kernel } = this;
    const { dma } = this.adapter.pdev;
    const frags = kernel.skb.nr_frags(skb);
    const begin = ring.next_to_use;
    let i = begin;
    let last = begin;
    for (let part = -1; part < frags; part++) {
      const base = part < 0 ? skb.data : kernel.skb.frag_page(skb, part);
      const length = part < 0 ? skb_headlen(skb) : kernel.skb.frag_size(skb, part);
      for (let offset = 0; offset < length; offset += MAX_PER_TXD) {
        const size = Math.min(MAX_PER_TXD, length - offset);
        const address = dma.dma_map_single((base + offset) as Gpa, size, 'DMA_TO_DEVICE', 'e1000_tx_map');
        kernel.charge(kernel.platform.costs.dma_map);
        if (dma.dma_mapping_error(address)) {
          for (let k = begin; k !== i; k = ring.after(k)) this.unmap(ring, k, 'DMA_TO_DEVICE', 'e1000_unmap_and_free_tx_resource');
          return false;
        }
        ring.buffer_dma[i] = address;
        ring.buffer_length[i] = size;
        ring.next_to_watch[i] = -1;
        last = i;
        i = ring.after(i);
      }
    }
    ring.skb[last] = skb;
    ring.next_to_watch[first] = last;
    return true;
  }

  e1000_tx_queue(ring: E1000Ring82540, summed: boolean, last: number): void {
    const { ram, costs } = this.kernel.platform;
    const command = TXD_CMD.IFCS | (summed ? TXD_CMD.DEXT | TXD_DTYP_DATA : 0);
    for (let i = ring.next_to_use, more = true; more; i = ring.after(i)) {
      more = i !== last;
      const at = ring.descAt(i);
      TxDescData.buffer_addr.set(ram, at, ring.buffer_dma[i]);
      TxDescData.cmd_and_length.set(ram, at, (command | ring.buffer_length[i] | (more ? 0 : TXD_CMD.EOP | TXD_CMD.RS | TXD_CMD.IDE)) >>> 0);
      TxDescData.status.set(ram, at, 0);
      TxDescData.popts.set(ram, at, summed ? TXD_POPTS.TXSM : 0);
      TxDescData.special.set(ram, at, 0);
      this.kernel.charge(costs.descriptor);
    }
    ring.next_to_use = ring.after(last);
  }

  /** Frees what the device is done with; false when that was a ring's worth. */
  e1000_clean_tx_irq(): boolean {
    const { adapter, kernel } = this;
    const { tx_ring: ring, dev } = adapter;
    const { ram } = kernel.platform;
    let cleaned = 0;
    let i = ring.next_to_clean;
    for (let eop = ring.next_to_watch[i]; eop >= 0 && cleaned < ring.count; eop = ring.next_to_watch[i]) {
      if ((TxDescData.status.get(ram, ring.descAt(eop)) & TXD_STAT_DD) === 0) break;
      for (let done = false; !done; i = ring.after(i), cleaned++) {
        done = i === eop;
        this.putTx(ring, i);
      }
      ring.next_to_clean = i;
    }
    const queue = dev.queues[0];
    if (cleaned > 0 && !dev.nocarrier && ring.unused() >= TX_WAKE_THRESHOLD && queue.drvXoff && !adapter.down) {
      kernel.net.xmit.netif_tx_wake_queue(queue);
      adapter.stats.counts.tx_restart_queue++;
    }
    return cleaned < ring.count;
  }

  private putTx(ring: E1000Ring82540, i: number): void {
    if (ring.buffer_length[i] !== 0) this.unmap(ring, i, 'DMA_TO_DEVICE', 'e1000_unmap_and_free_tx_resource');
    const skb = ring.skb[i];
    if (skb !== undefined) this.kernel.skb.napi_consume_skb(skb, 0);
    ring.skb[i] = undefined;
    ring.next_to_watch[i] = -1;
  }

  e1000_clean_tx_ring(ring: E1000Ring82540): void {
    for (let i = 0; i < ring.count; i++) this.putTx(ring, i);
    this.kernel.platform.ram.fill(ring.desc, 0, ring.size);
    ring.next_to_use = ring.next_to_clean = 0;
  }

  /** Gives the device what buffers it lacks, as far as memory lasts. */
  e1000_alloc_rx_buffers(ring: E1000Ring82540, count: number): void {
    const { adapter, kernel } = this;
    const { ram, costs } = kernel.platform;
    const { dma } = adapter.pdev;
    for (let left = count; left > 0; left--) {
      const i = ring.next_to_use;
      const skb = ring.skb[i] ?? kernel.skb.__netdev_alloc_skb(adapter.dev, adapter.rx_buffer_len);
      ring.skb[i] = skb;
      const address =
        skb === undefined ? undefined : dma.dma_map_single(skb.data, adapter.rx_buffer_len, 'DMA_FROM_DEVICE', 'e1000_alloc_rx_buffers');
      if (address === undefined || dma.dma_mapping_error(address)) {
        adapter.stats.counts.alloc_rx_buff_failed++;
        return;
      }
      ring.buffer_dma[i] = address;
      ring.buffer_length[i] = adapter.rx_buffer_len;
      const at = ring.descAt(i);
      RxDescLegacy.buffer_addr.set(ram, at, address);
      RxDescLegacy.status.set(ram, at, 0);
      kernel.charge(costs.dma_map + costs.descriptor);
      ring.next_to_use = ring.after(i);
      if ((ring.next_to_use & (RX_BUFFER_WRITE - 1)) === 0) adapter.hw.ew32(E1000.RDT0, i);
    }
  }

  /** Takes received packets up, at most `budget`; how many. */
  e1000_clean_rx_irq(budget: number): number {
    const { adapter, kernel } = this;
    const { rx_ring: ring } = adapter;
    const { ram, costs } = kernel.platform;
    let work = 0;
    for (let i = ring.next_to_clean; work < budget; i = ring.next_to_clean) {
      const at = ring.descAt(i);
      const status = RxDescLegacy.status.get(ram, at);
      const skb = ring.skb[i];
      if ((status & RXD_STAT.DD) === 0 || skb === undefined || ring.buffer_length[i] === 0) break;
      work++;
      kernel.charge(costs.descriptor);
      this.unmap(ring, i, 'DMA_FROM_DEVICE', 'e1000_clean_rx_irq');
      ring.next_to_clean = ring.after(i);
      const errors = RxDescLegacy.errors.get(ram, at);
      const length = RxDescLegacy.length.get(ram, at) - FCS;
      // a part of a frame, or a damaged one: the buffer is used again
      if ((status & RXD_STAT.EOP) !== 0 && (errors & RXD_ERR.FRAME) === 0 && length > 0) {
        ring.skb[i] = undefined;
        kernel.skb.skb_put(skb, length);
        this.e1000_rx_checksum(skb, status, errors);
        kernel.net.eth.eth_type_trans(skb, adapter.dev);
        kernel.gro.napi_gro_receive(adapter.napi, skb);
      }
      if (ring.unused() >= RX_BUFFER_WRITE) this.e1000_alloc_rx_buffers(ring, RX_BUFFER_WRITE);
    }
    if (ring.unused() > 0) this.e1000_alloc_rx_buffers(ring, ring.unused());
    return work;
  }

  e1000_rx_checksum(skb: SkBuff, status: number, errors: number): void {
    const { dev, stats } = this.adapter;
    if ((dev.features & NETIF_F.RXCSUM) === 0n || (status & RXD_STAT.IXSM) !== 0) return;
    if ((errors & RXD_ERR.TCPE) !== 0) {
      stats.counts.rx_csum_offload_errors++;
      return;
    }
    if ((status & RXD_STAT.TCPCS) === 0) return;
    skb.ip_summed = CHECKSUM_UNNECESSARY;
    stats.counts.rx_csum_offload_good++;
  }

  e1000_clean_rx_ring(ring: E1000Ring82540): void {
    for (let i = 0; i < ring.count; i++) {
      if (ring.buffer_length[i] !== 0) this.unmap(ring, i, 'DMA_FROM_DEVICE', 'e1000_clean_rx_ring');
      const skb = ring.skb[i];
      if (skb !== undefined) this.kernel.skb.kfree_skb(skb);
      ring.skb[i] = undefined;
    }
    this.kernel.platform.ram.fill(ring.desc, 0, ring.size);
    ring.next_to_use = ring.next_to_clean = 0;
  }

  private unmap(ring: E1000Ring82540, i: number, direction: 'DMA_TO_DEVICE' | 'DMA_FROM_DEVICE', by: string): void {
    this.adapter.pdev.dma.dma_unmap_single(ring.buffer_dma[i] as DmaAddr, ring.buffer_length[i], direction, by);
    this.kernel.charge(this.kernel.platform.costs.dma_unmap);
    ring.buffer_length[i] = 0;
  }
}
