// Ethernet: building and reading its header (Linux: net/ethernet/eth.c).
import { Errno } from '../base/errno.ts';
import { ETH_HLEN, EthHdr } from '../wire/headers.ts';
import { checkSkbOwned } from './contract_net.ts';
import type { Kernel } from './kernel.ts';
import { ARPHRD, IFF, type NetDevice } from './net_device.ts';
import { __skb_push, skb_reset_mac_header } from './skb_inline.ts';
import { PACKET_BROADCAST, PACKET_MULTICAST, PACKET_OTHERHOST, type SkBuff } from './skbuff.ts';

const is_zero_ether_addr = (a: Uint8Array): boolean => (a[0] | a[1] | a[2] | a[3] | a[4] | a[5]) === 0;
const is_multicast_ether_addr = (a: Uint8Array): boolean => (a[0] & 1) !== 0;
export const is_valid_ether_addr = (a: Uint8Array): boolean => !is_multicast_ether_addr(a) && !is_zero_ether_addr(a);

/** Type-specific fields of an Ethernet device (Linux: ether_setup()). */
export function ether_setup(dev: NetDevice): void {
  dev.type = ARPHRD.ETHER;
  dev.hard_header_len = ETH_HLEN;
  dev.min_header_len = ETH_HLEN;
  dev.mtu = 1500;
  dev.min_mtu = 68;
  dev.max_mtu = 1500;
  dev.addr_len = 6;
  dev.tx_queue_len = 1000;
  dev.flags = IFF.BROADCAST | IFF.MULTICAST;
  dev.priv_flags.add('IFF_TX_SKB_SHARING');
  dev.broadcast.fill(0xff);
}

export class Eth {
  constructor(readonly kernel: Kernel) {}

  /** Sets protocol, pkt_type and dev, pulls the header; returns the EtherType. */
  eth_type_trans(skb: SkBuff, dev: NetDevice): number {
    const { ram } = this.kernel.platform;
    const at = skb.data;
    if (this.kernel.contract.enabled) checkSkbOwned(this.kernel, skb, dev);
    skb.dev = dev;
    skb_reset_mac_header(skb);
    skb.data = (at + ETH_HLEN) as SkBuff['data'];
    skb.len -= ETH_HLEN;
    const own = dev.dev_addr;
    if ((ram.u8(at) & 1) !== 0) {
      const broadcast = ram.u32(at) === 0xffffffff && ram.u16(at + 4) === 0xffff;
      skb.pkt_type = broadcast ? PACKET_BROADCAST : PACKET_MULTICAST;
    } else if (
      ram.u8(at + 5) !== own[5] ||
      ram.u8(at + 4) !== own[4] ||
      ram.u8(at + 3) !== own[3] ||
      ram.u8(at + 2) !== own[2] ||
      ram.u8(at + 1) !== own[1] ||
      ram.u8(at) !== own[0]
    ) {
      skb.pkt_type = PACKET_OTHERHOST;
    }
    const proto = ram.u16be(at + 12);
    // IEEE 802.3 §3.2.6: below 1536 it is a length, and what follows is LLC
    skb.protocol = proto >= 0x600 ? proto : ETH_P_802_2;
    return skb.protocol;
  }

  /** Pushes a header. `saddr` undefined is the device's own; `daddr` undefined leaves it open (then -14 is returned). Else 14. */
  eth_header(skb: SkBuff, dev: NetDevice, type: number, daddr: Uint8Array | undefined, saddr: Uint8Array | undefined, len: number): number {
    const { ram } = this.kernel.platform;
    const at = __skb_push(skb, ETH_HLEN);
    EthHdr.h_proto.set(ram, at, type !== ETH_P_802_3 && type !== ETH_P_802_2 ? type : len);
    ram.write(at + 6, saddr ?? dev.dev_addr, 0, 6);
    if (daddr !== undefined) {
      ram.write(at, daddr, 0, 6);
      return ETH_HLEN;
    }
    if ((dev.flags & (IFF.LOOPBACK | IFF.NOARP)) !== 0) {
      ram.setU32(at, 0);
      ram.setU16(at + 4, 0);
      return ETH_HLEN;
    }
    return -ETH_HLEN;
  }

  eth_validate_addr(dev: NetDevice): number {
    return is_valid_ether_addr(dev.dev_addr) ? 0 : -Errno.EADDRNOTAVAIL;
  }

  /** -EBUSY while up, unless the device allows it. */
  eth_prepare_mac_addr_change(dev: NetDevice, addr: Uint8Array): number {
    if (!dev.priv_flags.has('IFF_LIVE_ADDR_CHANGE') && dev.started) return -Errno.EBUSY;
    return is_valid_ether_addr(addr) ? 0 : -Errno.EADDRNOTAVAIL;
  }
  eth_commit_mac_addr_change(dev: NetDevice, addr: Uint8Array): void {
    dev.dev_addr = addr.slice(0, 6);
  }
  eth_mac_addr(dev: NetDevice, addr: Uint8Array): number {
    const err = this.eth_prepare_mac_addr_change(dev, addr);
    if (err === 0) this.eth_commit_mac_addr_change(dev, addr);
    return err;
  }
}

const ETH_P_802_3 = 0x0001;
const ETH_P_802_2 = 0x0004;
