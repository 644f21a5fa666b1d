// Packets of interfaces for recorders outside the world, taken where AF_PACKET sockets take them. Observation: neither cloned nor hashed.
import type { Cloner, SelfCloning } from '../sim/clone.ts';
import type { SelfHashing } from '../sim/hash.ts';
import type { Kernel } from './kernel.ts';
import type { NetDevice } from './net_device.ts';
import { SkbFrag, SkbSharedInfo, type SkBuff } from './skbuff.ts';

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
    const bytes = frameBytes(kernel, skb, outgoing || skb.mac_header < 0 ? 0 : skb.data - skb.head - skb.mac_header);
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

/** The packet with `before` bytes in front of data, read without touching the kernel's state. */
function frameBytes(kernel: Kernel, skb: SkBuff, before: number): Uint8Array {
  const { ram } = kernel.platform;
  const bytes = new Uint8Array(before + skb.len);
  const linear = skb.len - skb.data_len;
  ram.read(skb.data - before, bytes, 0, before + linear);
  let at = before + linear;
  for (let i = 0; i < SkbSharedInfo.nr_frags.get(ram, skb.end); i++) {
    const frag = skb.end + SkbSharedInfo.$size + i * SkbFrag.$size;
    const size = SkbFrag.size.get(ram, frag);
    ram.read(SkbFrag.page.get(ram, frag), bytes, at, size);
    at += size;
  }
  for (let part = skb.frag_list; part !== undefined && at < bytes.length; part = part.next) {
    const rest = frameBytes(kernel, part, 0);
    bytes.set(rest.subarray(0, bytes.length - at), at);
    at += rest.length;
  }
  return bytes;
}
