// The bridge's data path: what comes in at a port goes up, out at the right port, or out at all (Linux: net/bridge/br_input.c, br_forward.c, br_vlan.c).
import { ETH_HLEN, ETH_P } from '../../wire/headers.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { IFF, NETDEV_TX_OK, type NetDevice, RX_HANDLER, type RxHandler } from '../../kernel/net_device.ts';
import { __skb_pull, __skb_push, skb_mac_header } from '../../kernel/skb_inline.ts';
import { CHECKSUM_COMPLETE, CHECKSUM_NONE, PACKET_HOST, PACKET_LOOPBACK, PACKET_MULTICAST, type SkBuff } from '../../kernel/skbuff.ts';
import type { BrFdb } from './br_fdb.ts';
import { BR_STATE, BR_VLAN, bridgeOf, macNumber, type NetBridge, type NetBridgePort, type VlanGroup } from './br_private.ts';

const VLAN_HLEN = 4;
const BROADCAST = 0xffffffffffff;
/** IEEE 802.1D §7.12.6: 01-80-C2-00-00-0x, never forwarded but for the bridge group itself when no spanning tree runs. */
const LINK_LOCAL = 0x0180c2000000;

export class BrForward implements RxHandler {
  /** The packet's VLAN, as ingress found it. */
  private vid = 0;
  constructor(
    readonly kernel: Kernel,
    readonly fdb: BrFdb,
  ) {}

  handle_frame(skb: SkBuff, dev: NetDevice): number {
    return this.br_handle_frame(skb, dev);
  }

  private mac(at: number): number {
    const { ram } = this.kernel.platform;
    return ram.u16be(at) * 0x100000000 + ram.u32be(at + 2);
  }

  br_handle_frame(given: SkBuff, dev: NetDevice): number {
    const { skb: skbs } = this.kernel;
    if (given.pkt_type === PACKET_LOOPBACK) return RX_HANDLER.PASS;
    const port = dev.master === undefined ? undefined : bridgeOf(dev.master).ports.find((p) => p.dev === dev);
    if (port === undefined) return RX_HANDLER.PASS;
    const at = skb_mac_header(given);
    const source = this.mac(at + 6);
    const dest = this.mac(at);
    const special = Math.floor(dest / 16) * 16 === LINK_LOCAL;
    if (special && dest !== LINK_LOCAL && dest !== LINK_LOCAL + 1) return RX_HANDLER.PASS;
    const invalid = source === 0 || (Math.floor(source / 0x10000000000) & 1) !== 0;
    const forwards = port.state === BR_STATE.FORWARDING || port.state === BR_STATE.LEARNING;
    if (invalid || !forwards || dest === LINK_LOCAL + 1) {
      skbs.kfree_skb(given);
      return RX_HANDLER.CONSUMED;
    }
    const skb = skbs.skb_share_check(given);
    if (skb === undefined) return RX_HANDLER.CONSUMED;
    if (dest === macNumber(port.br.dev.dev_addr)) skb.pkt_type = PACKET_HOST;
    this.br_handle_frame_finish(skb, port, dest);
    return RX_HANDLER.CONSUMED;
  }

  br_handle_frame_finish(skb: SkBuff, port: NetBridgePort, dest: number): void {
    const { br } = port;
    if (!this.br_allowed_ingress(br, port.vlans, skb)) return;
    const vid = this.vid;
    const { ram } = this.kernel.platform;
    if (port.learning) {
      const source = skb_mac_header(skb) + 6;
      const known = this.fdb.fdb_find(br, this.mac(source), vid);
      // the common case makes nothing
      if (known !== undefined && !known.local && known.dst === port) known.updated = this.kernel.now();
      else {
        const mac = new Uint8Array(6);
        ram.read(source, mac, 0, 6);
        this.fdb.br_fdb_update(br, port, mac, vid);
      }
    }
    let up = (br.dev.flags & IFF.PROMISC) !== 0;
    const multicast = (Math.floor(dest / 0x10000000000) & 1) !== 0;
    if (port.state === BR_STATE.LEARNING) return this.kernel.skb.kfree_skb(skb);
    if (multicast) up = true;
    else {
      const entry = this.fdb.fdb_find(br, dest, vid);
      if (entry !== undefined) {
        if (entry.local) return this.br_pass_frame_up(br, skb);
        if (up) this.passCopyUp(br, skb);
        return this.br_forward(entry.dst, port, skb, vid);
      }
    }
    if (up) this.passCopyUp(br, skb);
    this.br_flood(br, port, skb, dest, vid);
  }

  private passCopyUp(br: NetBridge, skb: SkBuff): void {
    const copy = this.kernel.skb.skb_clone(skb);
    if (copy !== undefined) this.br_pass_frame_up(br, copy);
  }
  /** To the host, as received by the bridge's device. */
  br_pass_frame_up(br: NetBridge, skb: SkBuff): void {
    if (!br.dev.started) return this.kernel.skb.kfree_skb(skb);
    br.rx_packets++;
    br.rx_bytes += skb.len;
    if (skb.pkt_type === PACKET_MULTICAST) br.rx_multicast++;
    if (br.vlan_enabled && !this.br_handle_vlan(br.vlans, skb, this.vid)) return;
    skb.dev = br.dev;
    this.kernel.net.rx.netif_receive_skb(skb);
  }

  /** Out at one port; undefined when it has none. Consumes the packet. */
  br_forward(to: NetBridgePort | undefined, from: NetBridgePort | undefined, skb: SkBuff, vid: number): void {
    if (to !== undefined && this.should_deliver(to, from, vid)) return this.__br_forward(to, skb, vid);
    this.kernel.skb.kfree_skb(skb);
  }
  /** Out at all ports that want it. Consumes the packet. */
  br_flood(br: NetBridge, from: NetBridgePort | undefined, skb: SkBuff, dest: number, vid: number): void {
    let previous: NetBridgePort | undefined;
    const multicast = (Math.floor(dest / 0x10000000000) & 1) !== 0;
    for (const port of br.ports) {
      // a user can turn flooding off, of what came in at a port at least
      const wanted = dest === BROADCAST ? port.bcast_flood : multicast ? port.mcast_flood || from === undefined : port.flood;
      if (!wanted || !this.should_deliver(port, from, vid)) continue;
      if (previous !== undefined) {
        const copy = this.kernel.skb.skb_clone(skb);
        if (copy !== undefined) this.__br_forward(previous, copy, vid);
      }
      previous = port;
    }
    if (previous === undefined) this.kernel.skb.kfree_skb(skb);
    else this.__br_forward(previous, skb, vid);
  }
  should_deliver(port: NetBridgePort, from: NetBridgePort | undefined, vid: number): boolean {
    if (port.state !== BR_STATE.FORWARDING || (port === from && !port.hairpin)) return false;
    if (from?.isolated === true && port.isolated) return false;
    return !port.br.vlan_enabled || vid === 0 || port.vlans.vlans.has(vid);
  }
  __br_forward(to: NetBridgePort, skb: SkBuff, vid: number): void {
    if (to.br.vlan_enabled && !this.br_handle_vlan(to.vlans, skb, vid)) return;
    if (skb.ip_summed === CHECKSUM_COMPLETE) skb.ip_summed = CHECKSUM_NONE;
    skb.dev = to.dev;
    this.br_dev_queue_push_xmit(skb, to.dev);
  }
  br_dev_queue_push_xmit(skb: SkBuff, dev: NetDevice): void {
    __skb_push(skb, ETH_HLEN);
    const fits = this.kernel.skb.gso_size(skb) !== 0 || skb.len <= dev.mtu + dev.hard_header_len + VLAN_HLEN;
    if ((dev.flags & IFF.UP) === 0 || !fits) return this.kernel.skb.kfree_skb(skb);
    skb.dst = undefined;
    this.kernel.net.xmit.dev_queue_xmit(skb);
  }

  /** IEEE 802.1Q §8.6.1, §8.6.2: the packet's VLAN into `vid`; false when it may not come in (then freed). */
  br_allowed_ingress(br: NetBridge, group: VlanGroup, skb: SkBuff): boolean {
    this.vid = 0;
    if (!br.vlan_enabled) return true;
    let vid = skb.vlan_proto === 0 ? 0 : skb.vlan_tci & 0xfff;
    if (vid === 0) {
      vid = group.pvid;
      if (vid !== 0) {
        skb.vlan_tci = (skb.vlan_proto === 0 ? 0 : skb.vlan_tci & 0xf000) | vid;
        skb.vlan_proto = ETH_P['8021Q'];
      }
    }
    this.vid = vid;
    if (vid !== 0 && group.vlans.has(vid)) return true;
    this.kernel.skb.kfree_skb(skb);
    return false;
  }
  /** IEEE 802.1Q §8.8.2: leaves untagged where the VLAN is untagged; false when it does not belong here (then freed). */
  br_handle_vlan(group: VlanGroup, skb: SkBuff, vid: number): boolean {
    const flags = group.vlans.get(vid);
    if (flags === undefined) {
      this.kernel.skb.kfree_skb(skb);
      return false;
    }
    if ((flags & BR_VLAN.UNTAGGED) !== 0) skb.vlan_proto = 0;
    return true;
  }

  /** What the host sends through the bridge's device. */
  br_dev_xmit(skb: SkBuff, dev: NetDevice): number {
    const br = bridgeOf(dev);
    br.tx_packets++;
    br.tx_bytes += skb.len;
    const dest = this.mac(skb.data);
    skb.mac_header = skb.data - skb.head;
    __skb_pull(skb, ETH_HLEN);
    if (!this.br_allowed_ingress(br, br.vlans, skb)) return NETDEV_TX_OK;
    const { vid } = this;
    const multicast = (Math.floor(dest / 0x10000000000) & 1) !== 0;
    const entry = multicast ? undefined : this.fdb.fdb_find(br, dest, vid);
    if (entry !== undefined) this.br_forward(entry.dst, undefined, skb, vid);
    else this.br_flood(br, undefined, skb, dest, vid);
    return NETDEV_TX_OK;
  }
}
