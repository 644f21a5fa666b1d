// Receive-side scaling of virtio-net, driver side: defaults, what is hashed per flow type, and the command that tells the device (Linux: virtnet_commit_rss_command()).
import { ops } from '../../base/ops.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import type { NetDevice } from '../../kernel/net_device.ts';
import { NETIF_F } from '../../kernel/netdev_features.ts';
import {
  VIRTIO_NET_CTRL,
  VIRTIO_NET_CTRL_MQ_HASH_CONFIG,
  VIRTIO_NET_CTRL_MQ_RSS_CONFIG,
  VIRTIO_NET_HASH_TYPE as TYPE,
  VirtioNetConfig,
  VirtioNetRssHead,
  VirtioNetRssTail,
} from '../../virtio/net.ts';
import { CTRL, VIRTIO_NET_RSS_MAX_KEY_SIZE } from './virtnet_ctrl_buf.ts';
import { type VirtnetInfo, virtnetInfo } from './virtnet_info.ts';

/** Linux: include/uapi/linux/ethtool.h */
export const RXH = { L2DA: 2, VLAN: 4, L3_PROTO: 8, IP_SRC: 16, IP_DST: 32, L4_B_0_1: 64, L4_B_2_3: 128, DISCARD: 0x80000000 } as const;
const RXH_L3 = RXH.IP_SRC | RXH.IP_DST;
const RXH_L4 = RXH_L3 | RXH.L4_B_0_1 | RXH.L4_B_2_3;

/** Flow type → the hash of its addresses, and the one with its ports. */
const FLOWS: Readonly<Record<string, readonly [l3: number, l4: number]>> = ops({
  tcp4: [TYPE.IPv4, TYPE.TCPv4],
  udp4: [TYPE.IPv4, TYPE.UDPv4],
  tcp6: [TYPE.IPv6, TYPE.TCPv6],
  udp6: [TYPE.IPv6, TYPE.UDPv6],
});
const TABLE = CTRL.RSS + VirtioNetRssHead.$size;

export class VirtnetRss {
  constructor(
    readonly kernel: Kernel,
    private readonly vi: VirtnetInfo,
  ) {}

  /** What the device can; negative errno when it says what cannot be. */
  readCapabilities(): number {
    const { vi, kernel } = this;
    const { config } = vi.vdev;
    vi.rss_indir_table_size = config.read(VirtioNetConfig.rss_max_indirection_table_length.offset, 2);
    vi.rss_key_size = config.read(VirtioNetConfig.rss_max_key_size.offset, 1);
    if (vi.rss_key_size > VIRTIO_NET_RSS_MAX_KEY_SIZE) {
      kernel.printk.dev_err(vi.vdev, `rss_max_key_size=${vi.rss_key_size} exceeds the limit ${VIRTIO_NET_RSS_MAX_KEY_SIZE}.`);
      return -22;
    }
    const types = config.read(VirtioNetConfig.supported_hash_types.offset, 4);
    vi.rss_hash_types_supported = types & ~(TYPE.IP_EX | TYPE.TCP_EX | TYPE.UDP_EX);
    vi.dev.hw_features |= NETIF_F.RXHASH;
    return 0;
  }

  /** Everything the device can hash is hashed, flows are spread evenly over the queues in use. */
  virtnet_init_default_rss(): void {
    const { vi, kernel } = this;
    const { ram } = kernel.platform;
    const base = vi.ctrlBuf + CTRL.RSS;
    vi.rss_hash_types_saved = vi.rss_hash_types_supported;
    VirtioNetRssHead.hash_types.set(ram, base, vi.rss_hash_types_saved);
    VirtioNetRssHead.indirection_table_mask.set(ram, base, Math.max(0, vi.rss_indir_table_size - 1));
    VirtioNetRssHead.unclassified_queue.set(ram, base, 0);
    for (let i = 0; i < vi.rss_indir_table_size; i++) this.setEntry(i, i % vi.curr_queue_pairs);
    VirtioNetRssTail.max_tx_vq.set(ram, vi.ctrlBuf + CTRL.RSS_TAIL, vi.curr_queue_pairs);
    VirtioNetRssTail.hash_key_length.set(ram, vi.ctrlBuf + CTRL.RSS_TAIL, vi.rss_key_size);
    const key = kernel.net.netdev_rss_key_fill(vi.rss_key_size);
    ram.write(vi.ctrlBuf + CTRL.RSS_KEY, key, 0, key.length);
  }

  entry(i: number): number {
    return this.kernel.platform.ram.u16(this.vi.ctrlBuf + TABLE + 2 * i);
  }
  setEntry(i: number, queue: number): void {
    this.kernel.platform.ram.setU16(this.vi.ctrlBuf + TABLE + 2 * i, queue);
  }
  key(): Uint8Array {
    const out = new Uint8Array(this.vi.rss_key_size);
    this.kernel.platform.ram.read(this.vi.ctrlBuf + CTRL.RSS_KEY, out, 0, out.length);
    return out;
  }
  setKey(key: Uint8Array): void {
    this.kernel.platform.ram.write(this.vi.ctrlBuf + CTRL.RSS_KEY, key, 0, Math.min(key.length, this.vi.rss_key_size));
  }

  virtnet_commit_rss_command(): boolean {
    const { vi, kernel } = this;
    const { cvq } = vi;
    const base = vi.ctrlBuf;
    const entries = VirtioNetRssHead.indirection_table_mask.get(kernel.platform.ram, base + CTRL.RSS) + 1;
    const command = vi.has_rss ? VIRTIO_NET_CTRL_MQ_RSS_CONFIG : VIRTIO_NET_CTRL_MQ_HASH_CONFIG;
    const sent =
      cvq !== undefined &&
      vi.ctrl.virtnet_send_command(VIRTIO_NET_CTRL.MQ, command, [
        [base + CTRL.RSS, VirtioNetRssHead.$size],
        [base + TABLE, 2 * entries],
        [base + CTRL.RSS_TAIL, VirtioNetRssTail.$size],
        [base + CTRL.RSS_KEY, vi.rss_key_size],
      ]);
    if (!sent) kernel.printk.pr_warn(`net ${vi.dev.name}: VIRTIONET issue with committing RSS sgs`);
    return sent;
  }

  /** RXH_* bits that are hashed for a flow type. */
  virtnet_get_hashflow(flow: string): number {
    const types = FLOWS[flow];
    const saved = this.vi.rss_hash_types_saved;
    if (types === undefined) return 0;
    return (saved & types[1]) !== 0 ? RXH_L4 : (saved & types[0]) !== 0 ? RXH_L3 : 0;
  }

  /** False for what the device cannot do: only addresses, addresses with ports, or nothing can be hashed. */
  virtnet_set_hashflow(flow: string, data: number): boolean {
    const { vi, kernel } = this;
    const discard = (data & RXH.DISCARD) !== 0;
    const l4 = data === RXH_L4;
    if (data !== RXH_L3 && !l4 && !discard) return false;
    const types = FLOWS[flow];
    if (types === undefined) return false;
    let wanted = vi.rss_hash_types_saved & ~(types[0] | types[1]);
    if (!discard) wanted |= types[0] | (l4 ? types[1] : 0);
    if ((wanted & ~vi.rss_hash_types_supported) !== 0) return false;
    if (wanted === vi.rss_hash_types_saved) return true;
    vi.rss_hash_types_saved = wanted;
    VirtioNetRssHead.hash_types.set(kernel.platform.ram, vi.ctrlBuf + CTRL.RSS, wanted);
    return (vi.dev.features & NETIF_F.RXHASH) === 0n || this.virtnet_commit_rss_command();
  }

  /** NETIF_F_RXHASH was switched; 0 or -EINVAL. */
  setRxHash(on: boolean): number {
    const { vi, kernel } = this;
    VirtioNetRssHead.hash_types.set(kernel.platform.ram, vi.ctrlBuf + CTRL.RSS, on ? vi.rss_hash_types_saved : 0);
    return this.virtnet_commit_rss_command() ? 0 : -22;
  }
}

export const rssOf = (dev: NetDevice): VirtnetRss => virtnetInfo(dev).rss;
