// Packets of interfaces for recorders outside the world, taken where AF_PACKET sockets take them. Observation: neither cloned nor hashed.
import type { Cloner, SelfCloning } from '../sim/clone.ts';
import type { SelfHashing } from '../sim/hash.ts';
import type { Kernel } from './kernel.ts';
import type { NetDevice } from './net_device.ts';
import type { SkBuff } from './skbuff.ts';

export interface CapturedPacket {
  /** ns */
  readonly time: number;
  readonly ifname: string;
  readonly ifindex: number;
  /** Name of the interface's namespace, '' for init_net. */
  readonly netns: string;
  readonly outgoing: boolean;
  /** skb id. */
  readonly id: number;
  readonly bytes: Uint8Array;
}

export class PacketCapture implements SelfCloning, SelfHashing {
  /** Test before `add`. */
  enabled = false;
  out: CapturedPacket[] = [];

  /** Copies the packet from its link-layer header on. */
  add(kernel: Kernel, skb: SkBuff, dev: NetDevice, outgoing: boolean): void {
    const start = outgoing || skb.mac_header < 0 ? 0 : skb.head + skb.mac_header - skb.data;
    const bytes = new Uint8Array(skb.len - start);
    kernel.skb.skb_copy_bits(skb, start, bytes, 0, bytes.length);
    const netns = dev.net === kernel.init_net ? '' : ([...dev.net.names][0] ?? '');
    this.out.push({ time: kernel.now(), ifname: dev.name, ifindex: dev.ifindex, netns, outgoing, id: skb.id, bytes });
  }

  drain(): CapturedPacket[] {
    const { out } = this;
    if (out.length > 0) this.out = [];
    return out;
  }

  cloneInto(cloner: Cloner): PacketCapture {
    return cloner.register(this, new PacketCapture());
  }
  hashInto(): void {
    // observation is not state
  }
}
