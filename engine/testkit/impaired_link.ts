// Two network devices joined by a link that loses, duplicates, reorders, delays and corrupts frames by chance: what transports are tested over.
import { ops } from '../base/ops.ts';
import type { Instant } from '../base/units.ts';
import { ether_setup } from '../kernel/eth.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { NETDEV_TX_OK, type NetDevice, type NetDeviceOps } from '../kernel/net_device.ts';
import type { Net } from '../kernel/net_namespace.ts';
import { NETIF_F } from '../kernel/netdev_features.ts';
import type { SkBuff } from '../kernel/skbuff.ts';
import type { RandomStream } from '../sim/random.ts';
import type { Actor } from '../sim/sim.ts';

/** Probabilities are 0 … 1, times ns. */
export interface Impairment {
  readonly delay: number;
  /** Added at random: frames overtake each other. */
  readonly jitter: number;
  readonly loss: number;
  readonly duplicate: number;
  readonly corrupt: number;
  /** bits per second */
  readonly rate: number;
  /** Software segments and sums what TCP sends large. */
  readonly offloads: boolean;
}

export class ImpairedLink implements Actor {
  readonly devices: NetDevice[] = [];
  lost = 0;
  private readonly random: RandomStream;
  private readonly busy = [0, 0];

  constructor(
    readonly kernel: Kernel,
    readonly how: Impairment,
    nets: readonly [Net, Net],
    names: readonly [string, string] = ['imp0', 'imp1'],
  ) {
    this.random = kernel.platform.sim.random('impaired_link');
    for (let i = 0; i < 2; i++) {
      const dev = kernel.net.alloc_netdev_mqs(names[i], LINK_OPS, how.offloads ? offloadSetup : plainSetup, 1, 1, nets[i]);
      dev.priv = this;
      kernel.net.eth_hw_addr_random(dev);
      kernel.net.register_netdev(dev);
      this.devices.push(dev);
    }
  }

  send(skb: SkBuff, dev: NetDevice): number {
    const { sim } = this.kernel.platform;
    const side = this.devices.indexOf(dev);
    const bytes = this.kernel.skb.toArray(skb, skb.len);
    this.kernel.skb.consume_skb(skb);
    const start = Math.max(this.kernel.now(), this.busy[side]);
    this.busy[side] = start + (bytes.length * 8e9) / this.how.rate;
    const copies = this.random.float() < this.how.duplicate ? 2 : 1;
    for (let i = 0; i < copies; i++) {
      if (this.random.float() < this.how.loss) {
        this.lost++;
        continue;
      }
      const frame = bytes.slice();
      // ARP has no checksum: an address learnt wrong would stay
      if (this.random.float() < this.how.corrupt && frame[12] === 8 && frame[13] === 0)
        frame[14 + this.random.below(frame.length - 14)] ^= 1 << this.random.below(8);
      const at = this.busy[side] + this.how.delay + this.random.float() * this.how.jitter;
      sim.at(Math.max(sim.now, Math.ceil(at)) as Instant, this, 1 - side, frame);
    }
    return NETDEV_TX_OK;
  }

  onEvent(side: number, arg: unknown): void {
    const frame = arg as Uint8Array;
    const { kernel } = this;
    const dev = this.devices[side];
    const skb = kernel.skb.netdev_alloc_skb(dev, frame.length);
    if (skb === undefined) return;
    kernel.skb.ram.write(kernel.skb.skb_put(skb, frame.length), frame, 0, frame.length);
    kernel.net.eth.eth_type_trans(skb, dev);
    kernel.net.rx.netif_rx(skb);
  }
}

const LINK_OPS: NetDeviceOps = ops<NetDeviceOps>({
  ndo_start_xmit: (skb, dev) => (dev.priv as ImpairedLink).send(skb, dev),
});

function plainSetup(dev: NetDevice): void {
  ether_setup(dev);
  dev.features |= NETIF_F.LLTX;
  dev.priv_flags.add('IFF_NO_QUEUE');
}
function offloadSetup(dev: NetDevice): void {
  plainSetup(dev);
  dev.features |= NETIF_F.SG | NETIF_F.GSO;
  dev.hw_features |= NETIF_F.SG | NETIF_F.GSO;
}
