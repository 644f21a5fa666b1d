// Ethernet: building and reading its header (Linux: net/ethernet/eth.c).
import type { Kernel } from './kernel.ts';
import type { NetDevice } from './net_device.ts';
import type { SkBuff } from './skbuff.ts';

export class Eth {

  constructor(readonly kernel: Kernel) {}
  /** Sets protocol and pkt_type, pulls the header, sets skb.dev; returns the EtherType. */
  eth_type_trans(skb: SkBuff, dev: NetDevice): number;
  eth_type_trans(): number {
    return 0;
  }
  /** Pushes a header; `saddr` undefined is the device's own, `daddr` undefined leaves it open (then -14). Else 14. */
  eth_header(skb: SkBuff, dev: NetDevice, type: number, daddr: Uint8Array | undefined, saddr: Uint8Array | undefined, len: number): number;
  eth_header(): number {
    return 0;
  }
  eth_validate_addr(dev: NetDevice): number;
  eth_validate_addr(): number {
    return 0;
  }
  eth_mac_addr(dev: NetDevice, addr: Uint8Array): number;
  eth_mac_addr(): number {
    return 0;
  }
  eth_prepare_mac_addr_change(dev: NetDevice, addr: Uint8Array): number;
  eth_prepare_mac_addr_change(): number {
    return 0;
  }
}
