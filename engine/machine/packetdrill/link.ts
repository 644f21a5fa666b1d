// The interface of a script's machine: packets that leave are kept for the script, packets of the script come in (packetdrill's tun device).
import { ops } from '../../base/ops.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { ether_setup } from '../../kernel/eth.ts';
import { IFF, NETDEV_TX_OK, type NetDevice, type NetDeviceOps } from '../../kernel/net_device.ts';
import { NETIF_F } from '../../kernel/netdev_features.ts';
import type { SkBuff } from '../../kernel/skbuff.ts';
import { ETH_P } from '../../wire/headers.ts';

/** A link-layer header that nobody reads. */
const HEADER = 14;

/** A packet from its IP header on. */
export interface Sent {
  readonly time: number;
  readonly bytes: Uint8Array;
}

export class ScriptLink {
  readonly sent: Sent[] = [];
  readonly dev: NetDevice;
  constructor(readonly kernel: Kernel) {
    this.dev = kernel.net.alloc_netdev_mqs('tun0', LINK_OPS, setup, 1, 1, kernel.init_net);
    this.dev.priv = this;
    kernel.net.eth_hw_addr_random(this.dev);
    kernel.net.register_netdev(this.dev);
    kernel.net.dev_change_flags(this.dev, this.dev.flags | IFF.UP);
  }
  /** `ethtool -K`'s words: 'tso off gso off'. */
  offloads(words: string): void {
    for (const [, name, state] of words.matchAll(/(tso|gso|gro)\s+(on|off)/g)) {
      const bits = name === 'tso' ? NETIF_F.TSO | NETIF_F.TSO6 : name === 'gso' ? NETIF_F.GSO : NETIF_F.GRO;
      if (state === 'on') this.dev.wanted_features |= bits;
      else this.dev.wanted_features &= ~bits;
    }
    this.kernel.net.features.netdev_update_features(this.dev);
  }
  transmit(skb: SkBuff): number {
    if (skb.protocol === ETH_P.IP)
      this.sent.push({ time: this.kernel.now(), bytes: this.kernel.skb.toArray(skb, skb.len).subarray(HEADER) });
    this.kernel.skb.consume_skb(skb);
    return NETDEV_TX_OK;
  }
  inject(bytes: Uint8Array): void {
    const { kernel, dev } = this;
    const skb = kernel.skb.netdev_alloc_skb(dev, HEADER + bytes.length);
    if (skb === undefined) return;
    const at = kernel.skb.skb_put(skb, HEADER + bytes.length);
    kernel.skb.ram.write(at, dev.dev_addr, 0, 6);
    kernel.skb.ram.write(at + 6, dev.dev_addr, 0, 6);
    kernel.skb.ram.setU16be(at + 12, ETH_P.IP);
    kernel.skb.ram.write(at + HEADER, bytes, 0, bytes.length);
    kernel.net.eth.eth_type_trans(skb, dev);
    kernel.net.rx.netif_rx(skb);
  }
}

const LINK_OPS: NetDeviceOps = ops<NetDeviceOps>({
  ndo_start_xmit: (skb, dev) => (dev.priv as ScriptLink).transmit(skb),
});

function setup(dev: NetDevice): void {
  ether_setup(dev);
  dev.flags |= IFF.NOARP;
  dev.flags &= ~IFF.MULTICAST;
  dev.features |= NETIF_F.SG | NETIF_F.HW_CSUM | NETIF_F.TSO | NETIF_F.TSO6 | NETIF_F.GSO | NETIF_F.LLTX;
  dev.hw_features = dev.features;
  dev.priv_flags.add('IFF_NO_QUEUE');
}
