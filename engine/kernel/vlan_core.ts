// VLANs as the net core knows them: tags on packets, the VLANs of a device, receive into a VLAN's device (Linux: net/8021q/vlan_core.c).
import { Errno } from '../base/errno.ts';
import type { Gpa } from '../base/units.ts';
import { ETH_HLEN, ETH_P } from '../wire/headers.ts';
import type { Kernel } from './kernel.ts';
import type { NetDevice } from './net_device.ts';
import { NETIF_F } from './netdev_features.ts';
import { __skb_pull, __skb_push, skb_mac_header } from './skb_inline.ts';
import { CHECKSUM_COMPLETE, CHECKSUM_NONE, PACKET_HOST, PACKET_MULTICAST, PACKET_OTHERHOST, type SkBuff } from './skbuff.ts';

export const VLAN_HLEN = 4;
/** IEEE 802.1Q §9.4: the service tag's EtherType. */
export const ETH_P_8021AD = 0x88a8;
export const VLAN_VID_MASK = 0xfff;
export const VLAN_PRIO_SHIFT = 13;
const ETH_P_802_2 = 0x0004;

export const isVlanProto = (type: number): boolean => type === ETH_P['8021Q'] || type === ETH_P_8021AD;

/** What a VLAN device keeps (Linux: struct vlan_dev_priv); the driver's class extends it. */
export class VlanDevPriv {
  rx_packets = 0;
  rx_bytes = 0;
  rx_multicast = 0;
  tx_packets = 0;
  tx_bytes = 0;
  tx_dropped = 0;
  /** VLAN_FLAG_*: 1 REORDER_HDR, 2 GVRP, 4 LOOSE_BINDING, 8 MVRP, 16 BRIDGE_BINDING */
  flags = 1;
  /** skb priority by 802.1p priority. */
  readonly ingress: number[] = [0, 0, 0, 0, 0, 0, 0, 0];
  /** 802.1p priority by skb priority. */
  readonly egress = new Map<number, number>();
  constructor(
    readonly dev: NetDevice,
    readonly real_dev: NetDevice,
    readonly vlan_proto: number,
    readonly vlan_id: number,
  ) {}
}

interface VlanVid {
  readonly proto: number;
  readonly vid: number;
  refcount: number;
}

/** Linux: struct vlan_info: filters asked for, and the devices on top. */
export class VlanInfo {
  readonly vids: VlanVid[] = [];
  readonly devices: NetDevice[] = [];
}

export class VlanCore {
  /** Inline in Linux. */
  static readonly inlined: readonly string[] = Object.freeze(['__vlan_hwaccel_push_inside', 'vlan_for_each_dev']);
  constructor(readonly kernel: Kernel) {}

  /** The device of VLAN `vid` on `real`. */
  __vlan_find_dev_deep_rcu(real: NetDevice, proto: number, vid: number): NetDevice | undefined {
    const { vlan_info } = real;
    if (vlan_info === undefined) return undefined;
    for (const dev of vlan_info.devices) {
      const vlan = dev.priv as VlanDevPriv;
      if (vlan.vlan_id === vid && vlan.vlan_proto === proto) return dev;
    }
    return undefined;
  }

  /** Lets the VLAN through the device's filter; counted. 0 or a negative errno. */
  vlan_vid_add(dev: NetDevice, proto: number, vid: number): number {
    const info = dev.vlan_info ?? new VlanInfo();
    let entry = info.vids.find((v) => v.vid === vid && v.proto === proto);
    if (entry === undefined) {
      entry = { proto, vid, refcount: 0 };
      const err = this.vlan_add_rx_filter_info(dev, proto, vid);
      if (err < 0) return err;
      info.vids.push(entry);
    }
    dev.vlan_info = info;
    entry.refcount++;
    return 0;
  }
  vlan_vid_del(dev: NetDevice, proto: number, vid: number): void {
    const info = dev.vlan_info;
    const entry = info?.vids.find((v) => v.vid === vid && v.proto === proto);
    if (info === undefined || entry === undefined || --entry.refcount > 0) return;
    info.vids.splice(info.vids.indexOf(entry), 1);
    if (this.filters(dev, proto) && dev.present) {
      const err = dev.netdev_ops.ndo_vlan_rx_kill_vid?.(dev, proto, vid) ?? 0;
      if (err !== 0 && dev.reg_state === 'registered')
        this.kernel.printk.pr_warn(`failed to kill vid ${proto.toString(16).padStart(4, '0')}/${vid} for device ${dev.name}`);
    }
    if (info.vids.length === 0 && info.devices.length === 0) dev.vlan_info = undefined;
  }
  vlan_add_rx_filter_info(dev: NetDevice, proto: number, vid: number): number {
    if (!this.filters(dev, proto)) return 0;
    return dev.present ? (dev.netdev_ops.ndo_vlan_rx_add_vid?.(dev, proto, vid) ?? 0) : -Errno.ENODEV;
  }
  private filters(dev: NetDevice, proto: number): boolean {
    const bit = proto === ETH_P['8021Q'] ? NETIF_F.HW_VLAN_CTAG_FILTER : NETIF_F.HW_VLAN_STAG_FILTER;
    return (dev.features & bit) !== 0n;
  }

  /** Takes the tag out of the data: data is behind it, and the Ethernet addresses move up to it. The skb, or undefined when it was dropped. */
  skb_vlan_untag(given: SkBuff): SkBuff | undefined {
    const { skb: skbs, platform } = this.kernel;
    const skb = skbs.skb_share_check(given);
    if (skb === undefined) return undefined;
    if (!skbs.pskb_may_pull(skb, VLAN_HLEN + 2) || skbs.skb_cow(skb, 0) !== 0) {
      skbs.kfree_skb(skb);
      return undefined;
    }
    const { ram } = platform;
    const type = ram.u16be(skb.data + 2);
    skb.vlan_proto = skb.protocol;
    skb.vlan_tci = ram.u16be(skb.data);
    if (skb.ip_summed === CHECKSUM_COMPLETE) skb.ip_summed = CHECKSUM_NONE;
    __skb_pull(skb, VLAN_HLEN);
    skb.protocol = type >= 0x600 ? type : ETH_P_802_2;
    const mac = skb_mac_header(skb);
    ram.copy((mac + VLAN_HLEN) as Gpa, mac, ETH_HLEN - 2);
    skb.mac_header += VLAN_HLEN;
    skb.network_header = skb.data - skb.head;
    skb.transport_header = skb.network_header;
    return skb;
  }

  /** Writes the tag that the skb carries into its data, which starts at the Ethernet header; false when memory is out. */
  __vlan_hwaccel_push_inside(skb: SkBuff): boolean {
    if (this.kernel.skb.skb_cow_head(skb, VLAN_HLEN) !== 0) return false;
    const { ram } = this.kernel.platform;
    const at = __skb_push(skb, VLAN_HLEN);
    ram.copy(at, (at + VLAN_HLEN) as Gpa, ETH_HLEN - 2);
    ram.setU16be(at + ETH_HLEN - 2, skb.vlan_proto);
    ram.setU16be(at + ETH_HLEN, skb.vlan_tci);
    skb.mac_header = at - skb.head;
    skb.vlan_proto = 0;
    return true;
  }

  /** Gives a tagged packet to the VLAN's device: 'taken' (skb.dev has changed), 'none' when there is none, or 'dropped'. */
  vlan_do_receive(skb: SkBuff): 'taken' | 'none' | 'dropped' {
    const dev = this.__vlan_find_dev_deep_rcu(skb.dev as NetDevice, skb.vlan_proto, skb.vlan_tci & VLAN_VID_MASK);
    if (dev === undefined) return 'none';
    const { ram } = this.kernel.platform;
    const vlan = dev.priv as VlanDevPriv;
    skb.dev = dev;
    if (!dev.started) {
      dev.core_stats.rx_dropped++;
      this.kernel.skb.kfree_skb(skb);
      return 'dropped';
    }
    if (skb.pkt_type === PACKET_OTHERHOST) {
      const mac = skb_mac_header(skb);
      let i = 0;
      while (i < 6 && ram.u8(mac + i) === dev.dev_addr[i]) i++;
      if (i === 6) skb.pkt_type = PACKET_HOST;
    }
    skb.priority = vlan.ingress[skb.vlan_tci >> VLAN_PRIO_SHIFT];
    skb.vlan_proto = 0;
    vlan.rx_packets++;
    vlan.rx_bytes += skb.len;
    if (skb.pkt_type === PACKET_MULTICAST) vlan.rx_multicast++;
    return 'taken';
  }
}
