// Receive path of e1000e (Linux: e1000_alloc_rx_buffers() and e1000_clean_rx_irq()).
import type { DmaAddr, Gpa } from '../../base/units.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import type { NetDevice } from '../../kernel/net_device.ts';
import { NETIF_F } from '../../kernel/netdev_features.ts';
import { __skb_push, __skb_put } from '../../kernel/skb_inline.ts';
import { CHECKSUM_UNNECESSARY, type SkBuff } from '../../kernel/skbuff.ts';
import { RXD_STAT, RXDEXT_ERR, RxDescRead, RxDescWriteback } from '../../pci/e1000e_desc.ts';
import { CTRL_EXT, E1000, MRQC, RCTL, RFCTL, RXCSUM } from '../../pci/e1000e_regs.ts';
import { ETH_HLEN } from '../../wire/headers.ts';
import { type E1000Adapter, E1000Ring } from './adapter.ts';

/** The tail moves in steps of this many buffers; a power of two. */
const E1000_RX_BUFFER_WRITE = 16;
const FCS = 4;
const ERRORS = RXDEXT_ERR.CE | RXDEXT_ERR.SE | RXDEXT_ERR.SEQ | RXDEXT_ERR.RXE;
const RXDCTL_DMA_BURST_ENABLE = 0x01000000 | (4 << 16) | (4 << 8) | 0x20;
const RSS_KEY_WORDS = 10;
const VLAN_TAG = 4;

export class E1000Rx {
  constructor(
    readonly kernel: Kernel,
    protected readonly adapter: E1000Adapter,
  ) {}

  e1000e_setup_rx_resources(ring: E1000Ring): boolean {
    const memory = this.adapter.pdev.dma.dma_alloc_coherent(ring.size, 'e1000e_setup_rx_resources');
    if (memory === undefined) return false;
    ring.desc = memory.gpa;
    ring.dma = memory.dma;
    ring.next_to_use = ring.next_to_clean = 0;
    return true;
  }

  e1000e_free_rx_resources(ring: E1000Ring): void {
    this.e1000_clean_rx_ring(ring);
    this.adapter.pdev.dma.dma_free_coherent(ring.size, ring.desc, ring.dma, 'e1000e_free_rx_resources');
    ring.desc = 0 as Gpa;
  }

  /** Receive control: buffer size, long packets, what is stripped; extended descriptors. */
  e1000_setup_rctl(): void {
    const { hw, rx_buffer_len, crcStripping, dev } = this.adapter;
    let rctl = hw.er32(E1000.RCTL) & ~((3 << RCTL.MO_SHIFT) | (3 << RCTL.BSIZE_SHIFT) | RCTL.BSEX | RCTL.SBP | RCTL.LPE | RCTL.SECRC);
    rctl |= RCTL.EN | RCTL.BAM;
    if (dev.mtu > 1500) rctl |= RCTL.LPE;
    if (crcStripping) rctl |= RCTL.SECRC;
    if (rx_buffer_len > 2048) rctl |= RCTL.BSEX | ((rx_buffer_len === 4096 ? 3 : rx_buffer_len === 8192 ? 2 : 1) << RCTL.BSIZE_SHIFT);
    hw.ew32(E1000.RFCTL, hw.er32(E1000.RFCTL) | RFCTL.EXTEN);
    if ((dev.features & NETIF_F.RXALL) !== 0n) rctl |= RCTL.SBP | RCTL.BAM;
    hw.ew32(E1000.RCTL, rctl);
  }

  e1000_configure_rx(): void {
    const { adapter } = this;
    const { hw, rx_ring: ring, dev } = adapter;
    hw.e1e_flush();
    hw.ew32(E1000.RXDCTL0, RXDCTL_DMA_BURST_ENABLE);
    hw.ew32(E1000.RXDCTL1, RXDCTL_DMA_BURST_ENABLE);
    hw.ew32(E1000.RDTR, adapter.rx_int_delay);
    hw.ew32(E1000.RADV, adapter.rx_abs_int_delay);
    if (adapter.itr_setting !== 0 && adapter.itr !== 0) adapter.intr.e1000e_write_itr(adapter.itr);
    // reading ICR masks what it reports; with MSI-X each vector does
    const control = hw.er32(E1000.CTRL_EXT);
    hw.ew32(E1000.IAM, 0xffffffff);
    hw.ew32(E1000.CTRL_EXT, (control | CTRL_EXT.IAME) >>> 0);
    hw.e1e_flush();
    hw.ew32(E1000.RDBAL0, ring.dma % 0x100000000);
    hw.ew32(E1000.RDBAH0, Math.floor(ring.dma / 0x100000000));
    hw.ew32(E1000.RDLEN0, ring.size);
    hw.ew32(E1000.RDH0, 0);
    hw.ew32(E1000.RDT0, 0);
    const on = (dev.features & NETIF_F.RXCSUM) !== 0n;
    const rxcsum = hw.er32(E1000.RXCSUM);
    hw.ew32(E1000.RXCSUM, on ? rxcsum | RXCSUM.TUOFL : rxcsum & ~RXCSUM.TUOFL);
    hw.ew32(E1000.RCTL, hw.er32(E1000.RCTL) | RCTL.EN);
  }

  /** A random key, all entries to queue 0: the hash is for the stack, there is one queue. */
  e1000e_setup_rss_hash(): void {
    const { hw } = this.adapter;
    const chance = this.kernel.platform.sim.random(`${this.kernel.platform.machine}:rss_key`);
    for (let i = 0; i < RSS_KEY_WORDS; i++) hw.ew32(E1000.RSSRK + 4 * i, chance.below(0x100000000));
    for (let i = 0; i < 32; i++) hw.ew32(E1000.RETA + 4 * i, 0);
    hw.ew32(E1000.RXCSUM, hw.er32(E1000.RXCSUM) | RXCSUM.PCSD);
    hw.ew32(E1000.MRQC, MRQC.RSS_QUEUES | MRQC.IPV4 | MRQC.TCP_IPV4 | MRQC.IPV6 | MRQC.TCP_IPV6 | MRQC.TCP_IPV6_EX);
  }

  /** Gives the device `count` buffers more, as far as memory lasts. */
  e1000_alloc_rx_buffers(ring: E1000Ring, count: number): void {
    const { adapter, kernel } = this;
    const { ram } = kernel.platform;
    for (let left = count; left > 0; left--) {
      const i = ring.next_to_use;
      const skb = ring.skb[i] ?? kernel.skb.__netdev_alloc_skb(adapter.dev, adapter.rx_buffer_len);
      if (skb === undefined) {
        adapter.stats.own.alloc_rx_buff_failed++;
        return;
      }
      ring.skb[i] = skb;
      const dma = adapter.pdev.dma.dma_map_single(skb.data, adapter.rx_buffer_len, 'DMA_FROM_DEVICE', 'e1000_alloc_rx_buffers');
      kernel.charge(kernel.platform.costs.dma_map);
      if (adapter.pdev.dma.dma_mapping_error(dma)) {
        adapter.stats.own.rx_dma_failed++;
        return;
      }
      ring.buffer_dma[i] = dma;
      ring.buffer_length[i] = adapter.rx_buffer_len;
      const at = ring.descAt(i);
      RxDescRead.buffer_addr.set(ram, at, dma);
      RxDescRead.reserved.set(ram, at, 0);
      kernel.charge(kernel.platform.costs.descriptor);
      if ((i & (E1000_RX_BUFFER_WRITE - 1)) === 0) adapter.hw.ew32(ring.tail, i);
      ring.next_to_use = i + 1 === ring.count ? 0 : i + 1;
    }
  }

  /** Takes received packets up, at most `budget`; how many. */
  e1000_clean_rx_irq(ring: E1000Ring, budget: number): number {
    const { adapter, kernel } = this;
    const { ram, costs } = kernel.platform;
    let work = 0;
    let cleaned = 0;
    let i = ring.next_to_clean;
    while (work < budget) {
      const at = ring.descAt(i);
      const status = RxDescWriteback.status_error.get(ram, at);
      const skb = ring.skb[i];
      if ((status & RXD_STAT.DD) === 0 || skb === undefined || ring.buffer_length[i] === 0) break;
      work++;
      kernel.charge(costs.descriptor);
      ring.skb[i] = undefined;
      this.unmap(ring, i);
      const length = RxDescWriteback.length.get(ram, at);
      this.take(ring, i, skb, status, length, at);
      i = i + 1 === ring.count ? 0 : i + 1;
      ring.next_to_clean = i;
      cleaned++;
      if (cleaned >= E1000_RX_BUFFER_WRITE) {
        this.e1000_alloc_rx_buffers(ring, cleaned);
        cleaned = 0;
      }
    }
    const unused = ring.unused();
    if (unused > 0) this.e1000_alloc_rx_buffers(ring, unused);
    adapter.total_rx_packets += work;
    return work;
  }

  /** One descriptor's packet: to the stack, or its buffer back to the ring. */
  private take(ring: E1000Ring, i: number, skb: SkBuff, status: number, length: number, at: number): void {
    const { adapter, kernel } = this;
    const { ram, costs } = kernel.platform;
    const all = (adapter.dev.features & NETIF_F.RXALL) !== 0n;
    const whole = (status & RXD_STAT.EOP) !== 0;
    if (!whole || ((status & ERRORS) !== 0 && !all)) {
      ring.skb[i] = skb;
      return;
    }
    const fcs = adapter.crcStripping || (adapter.dev.features & NETIF_F.RXFCS) !== 0n ? 0 : FCS;
    const bytes = length - fcs;
    adapter.total_rx_bytes += bytes;
    let packet = skb;
    // shorter packets are copied, so that their buffers stay where they are
    if (bytes < adapter.copybreak) {
      const copy = kernel.skb.napi_alloc_skb(adapter.napi, bytes);
      if (copy !== undefined) {
        ram.copy(copy.tail, skb.data, bytes);
        kernel.charge(Math.ceil(bytes / 16) * costs.copy_per_16_bytes);
        ring.skb[i] = skb;
        packet = copy;
      }
    }
    kernel.skb.skb_put(packet, bytes);
    this.e1000_rx_checksum(packet, status);
    if ((adapter.dev.features & NETIF_F.RXHASH) !== 0n) packet.hash = RxDescWriteback.rss.get(ram, at);
    this.e1000_receive_skb(packet, status, RxDescWriteback.vlan.get(ram, at));
  }

  e1000_rx_checksum(skb: SkBuff, status: number): void {
    const { adapter } = this;
    if ((adapter.dev.features & NETIF_F.RXCSUM) === 0n || (status & RXD_STAT.IXSM) !== 0) return;
    if ((status & (RXDEXT_ERR.TCPE | RXDEXT_ERR.IPE)) !== 0) {
      adapter.stats.own.hw_csum_err++;
      return;
    }
    if ((status & (RXD_STAT.TCPCS | RXD_STAT.UDPCS)) === 0) return;
    skb.ip_summed = CHECKSUM_UNNECESSARY;
    adapter.stats.own.hw_csum_good++;
  }

  e1000_receive_skb(skb: SkBuff, status: number, tag: number): void {
    const { adapter, kernel } = this;
    if ((status & RXD_STAT.VP) !== 0) this.restoreTag(skb, tag);
    kernel.net.eth.eth_type_trans(skb, adapter.dev);
    kernel.gro.napi_gro_receive(adapter.napi, skb);
  }

  /** The stack of this world reads VLAN tags in the packet: one that the device took out goes back in. */
  private restoreTag(skb: SkBuff, tag: number): void {
    const { ram } = this.kernel.platform;
    const at = __skb_push(skb, VLAN_TAG);
    ram.copy(at, (at + VLAN_TAG) as Gpa, ETH_HLEN - 2);
    ram.setU16be(at + ETH_HLEN - 2, 0x8100);
    ram.setU16be(at + ETH_HLEN, tag);
  }

  protected unmap(ring: E1000Ring, i: number): void {
    this.adapter.pdev.dma.dma_unmap_single(ring.buffer_dma[i] as DmaAddr, ring.buffer_length[i], 'DMA_FROM_DEVICE', 'e1000_clean_rx_irq');
    this.kernel.charge(this.kernel.platform.costs.dma_unmap);
    ring.buffer_length[i] = 0;
  }

  e1000_clean_rx_ring(ring: E1000Ring): void {
    for (let i = 0; i < ring.count; i++) {
      if (ring.buffer_length[i] !== 0) this.unmap(ring, i);
      const skb = ring.skb[i];
      if (skb !== undefined) this.kernel.skb.kfree_skb(skb);
      ring.skb[i] = undefined;
    }
    if (ring.desc !== 0) this.kernel.platform.ram.fill(ring.desc, 0, ring.size);
    ring.next_to_use = ring.next_to_clean = 0;
  }

  /** Addresses wanted besides the interface's own: exact where entries suffice, and multicast by hash. */
  e1000e_set_rx_mode(dev: NetDevice, promisc: boolean, allmulti: boolean): void {
    const { hw } = this.adapter;
    let rctl = hw.er32(E1000.RCTL) & ~(RCTL.UPE | RCTL.MPE);
    if (promisc) rctl = (rctl | RCTL.UPE | RCTL.MPE) & ~RCTL.VFE;
    else {
      if (allmulti) rctl |= RCTL.MPE;
      else hw.e1000e_update_mc_addr_list_generic(dev.mc.map((a) => a.addr));
      if (!this.e1000e_write_uc_addr_list(dev)) rctl |= RCTL.UPE;
    }
    hw.ew32(E1000.RCTL, rctl);
  }

  /** False when there are more addresses than entries. */
  e1000e_write_uc_addr_list(dev: NetDevice): boolean {
    const { hw } = this.adapter;
    const entries = 14;
    if (dev.uc.length > entries) return false;
    for (let i = 0; i < entries; i++) hw.e1000e_rar_set_generic(dev.uc[i]?.addr, i + 1);
    return true;
  }
}
