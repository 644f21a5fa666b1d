// Control queue of virtio-net: receive modes, MAC and VLAN filtering, announce, queue pairs, receive offloads (virtio-v1.2 §5.1.6.5).
import { ByteMem } from '../base/memory.ts';
import { ops } from '../base/ops.ts';
import { ETH_ALEN } from '../wire/headers.ts';
import type { DmaPort } from '../platform/bus.ts';
import { F } from '../virtio/features.ts';
import {
  VIRTIO_NET_CTRL,
  VIRTIO_NET_CTRL_ANNOUNCE_ACK,
  VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET,
  VIRTIO_NET_CTRL_MAC,
  VIRTIO_NET_CTRL_NOTF_COAL,
  VIRTIO_NET_CTRL_RX,
  VIRTIO_NET_CTRL_VLAN,
  VIRTIO_NET_ERR,
  VIRTIO_NET_OK,
  VirtioNetCtrl,
  VirtioNetCtrlCoal,
  VirtioNetCtrlMac,
} from '../virtio/net.ts';
import type { NetCoalescing } from './net_coalesce.ts';
import { setCoalescing, setQueues } from './net_ctrl_queues.ts';
import type { NetConfig } from './net_config.ts';
import { RxFilter } from './net_filter.ts';
import { RssState } from './net_rss.ts';
import { gather } from './net_tx.ts';
import { scatter } from './net_rx.ts';
import { breakQueue, type VirtioTransport } from './virtio_device.ts';
import { VirtqChain, type Virtqueue } from './virtqueue.ts';

/** The features whose receive offloads can be switched (virtio-v1.2 §5.1.6.5.6). */
export const GUEST_OFFLOADS =
  F.VIRTIO_NET_F_GUEST_CSUM |
  F.VIRTIO_NET_F_GUEST_TSO4 |
  F.VIRTIO_NET_F_GUEST_TSO6 |
  F.VIRTIO_NET_F_GUEST_ECN |
  F.VIRTIO_NET_F_GUEST_UFO |
  F.VIRTIO_NET_F_GUEST_USO4 |
  F.VIRTIO_NET_F_GUEST_USO6;

/** Longest command taken; the largest real one is a MAC table of a few thousand addresses. */
const MAX_COMMAND = 65_536;
const scratch = ops({ chain: new VirtqChain(), ack: new Uint8Array(1), coal: new ByteMem(new Uint8Array(VirtioNetCtrlCoal.$size)) });

/** What the driver controls, and the queue it does so by. Reset state is that of a driver without any control feature. */
export class NetControl {
  readonly filter = new RxFilter();
  readonly rss = new RssState();
  features = 0n;
  /** Queue pairs in use (virtio-v1.2 §5.1.6.5.5). */
  pairs = 1;
  /** VIRTIO_NET_F_GUEST_CSUM is negotiated and on. */
  guestCsum = false;
  /** The VIRTIO_NET_F_GUEST_* bits that are on (virtio-v1.2 §5.1.6.5.6). */
  guestOffloads = 0n;

  constructor(
    readonly maxPairs: number,
    readonly config: NetConfig,
    readonly coalescing: NetCoalescing,
  ) {}

  reset(): void {
    this.features = 0n;
    this.pairs = 1;
    this.guestCsum = false;
    this.guestOffloads = 0n;
    this.rss.reset();
    this.coalescing.reset();
    this.config.reset();
    this.filter.reset(this.config.hardwareMac);
  }

  negotiated(features: bigint): void {
    this.features = features;
    this.setOffloads(features & GUEST_OFFLOADS);
    if ((features & F.VIRTIO_NET_F_CTRL_VLAN) !== 0n) this.filter.filterVlans();
  }

  setOffloads(offloads: bigint): void {
    this.guestOffloads = offloads;
    this.guestCsum = (offloads & F.VIRTIO_NET_F_GUEST_CSUM) !== 0n;
  }

  /** Executes all waiting commands at once: the driver spins for the ack, so the doorbell write does not return before it is there. */
  serve(transport: VirtioTransport, q: Virtqueue, mem: DmaPort): void {
    const c = scratch.chain;
    q.setNotifications(false);
    while (q.pop(c)) {
      if (c.outBytes < VirtioNetCtrl.$size || c.inBytes < 1)
        return breakQueue(transport, q, 'no ack byte', c.head, `${c.outBytes} bytes to read, ${c.inBytes} to write`);
      let ok = false;
      let written = 1;
      if (c.outBytes <= MAX_COMMAND) {
        const bytes = new Uint8Array(c.outBytes);
        gather(mem, c, 0, new ByteMem(bytes), 0, c.outBytes);
        const [cls, command] = [bytes[VirtioNetCtrl.class.offset], bytes[VirtioNetCtrl.command.offset]];
        const data = bytes.subarray(VirtioNetCtrl.$size);
        ok = isQuery(cls, command) ? this.answerQuery(mem, c, data) : execute(this, cls, command, data);
        if (ok && isQuery(cls, command)) written += VirtioNetCtrlCoal.$size;
      }
      scratch.ack[0] = ok ? VIRTIO_NET_OK : VIRTIO_NET_ERR;
      scatter(mem, c, 0, scratch.ack, 0, 1);
      q.push(c.head, written);
      transport.flush(q);
    }
    if (q.fault !== undefined) return transport.faulted(q);
    q.setNotifications(true);
  }

  /** virtio-v1.3 §5.1.6.5.7, VQ_GET: the queue's parameters follow the ack. */
  private answerQuery(mem: DmaPort, c: VirtqChain, data: Uint8Array): boolean {
    const size = VirtioNetCtrlCoal.$size;
    if ((this.features & F.VIRTIO_NET_F_VQ_NOTF_COAL) === 0n || data.length < 2 || c.inBytes < 1 + size) return false;
    const queue = data[0] | (data[1] << 8);
    if (queue >= 2 * this.maxPairs) return false;
    const { maxPackets, maxUsecs } = this.coalescing.ofQueue(queue);
    VirtioNetCtrlCoal.max_packets.set(scratch.coal, 0, maxPackets);
    VirtioNetCtrlCoal.max_usecs.set(scratch.coal, 0, maxUsecs);
    scatter(mem, c, 1, scratch.coal.bytes, 0, size);
    return true;
  }
}

const isQuery = (cls: number, command: number): boolean =>
  cls === VIRTIO_NET_CTRL.NOTF_COAL && command === VIRTIO_NET_CTRL_NOTF_COAL.VQ_GET;

function execute(target: NetControl, cls: number, command: number, data: Uint8Array): boolean {
  const has = (feature: bigint): boolean => (target.features & feature) !== 0n;
  switch (cls) {
    case VIRTIO_NET_CTRL.RX:
      return (
        data.length === 1 &&
        has(command <= VIRTIO_NET_CTRL_RX.ALLMULTI ? F.VIRTIO_NET_F_CTRL_RX : F.VIRTIO_NET_F_CTRL_RX_EXTRA) &&
        setRxMode(target.filter, command, data[0] !== 0)
      );
    case VIRTIO_NET_CTRL.MAC:
      return command === VIRTIO_NET_CTRL_MAC.ADDR_SET
        ? has(F.VIRTIO_NET_F_CTRL_MAC_ADDR) && setMac(target, data)
        : command === VIRTIO_NET_CTRL_MAC.TABLE_SET && setMacTable(target.filter, data);
    case VIRTIO_NET_CTRL.VLAN: {
      if (data.length !== 2 || command > VIRTIO_NET_CTRL_VLAN.DEL) return false;
      const vid = data[0] | (data[1] << 8);
      if (vid > 4095) return false;
      target.filter.setVlan(vid, command === VIRTIO_NET_CTRL_VLAN.ADD);
      return true;
    }
    case VIRTIO_NET_CTRL.ANNOUNCE:
      return command === VIRTIO_NET_CTRL_ANNOUNCE_ACK && target.config.acknowledgeAnnounce();
    case VIRTIO_NET_CTRL.MQ:
      return setQueues(target, command, data);
    case VIRTIO_NET_CTRL.NOTF_COAL:
      return setCoalescing(target, command, data);
    case VIRTIO_NET_CTRL.GUEST_OFFLOADS: {
      if (command !== VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET || data.length !== 8 || !has(F.VIRTIO_NET_F_CTRL_GUEST_OFFLOADS)) return false;
      let offloads = 0n;
      for (let i = 7; i >= 0; i--) offloads = (offloads << 8n) | BigInt(data[i]);
      if ((offloads & ~(target.features & GUEST_OFFLOADS)) !== 0n) return false;
      target.setOffloads(offloads);
      return true;
    }
    default:
      return false;
  }
}

function setRxMode(filter: RxFilter, command: number, on: boolean): boolean {
  switch (command) {
    case VIRTIO_NET_CTRL_RX.PROMISC:
      filter.promisc = on;
      return true;
    case VIRTIO_NET_CTRL_RX.ALLMULTI:
      filter.allmulti = on;
      return true;
    case VIRTIO_NET_CTRL_RX.ALLUNI:
      filter.alluni = on;
      return true;
    case VIRTIO_NET_CTRL_RX.NOMULTI:
      filter.nomulti = on;
      return true;
    case VIRTIO_NET_CTRL_RX.NOUNI:
      filter.nouni = on;
      return true;
    case VIRTIO_NET_CTRL_RX.NOBCAST:
      filter.nobcast = on;
      return true;
    default:
      return false;
  }
}

function setMac(target: NetControl, data: Uint8Array): boolean {
  if (data.length !== ETH_ALEN) return false;
  target.filter.mac.set(data);
  target.config.setMac(data);
  return true;
}

/** Two tables one behind the other, unicast then multicast, each a count and that many addresses. */
function setMacTable(filter: RxFilter, data: Uint8Array): boolean {
  const counts: number[] = [];
  const parts: Uint8Array[] = [];
  let at = 0;
  for (let t = 0; t < 2; t++) {
    if (at + VirtioNetCtrlMac.$size > data.length) return false;
    const entries = data[at] + data[at + 1] * 0x100 + data[at + 2] * 0x10000 + data[at + 3] * 0x1000000;
    at += VirtioNetCtrlMac.$size;
    if (at + entries * ETH_ALEN > data.length) return false;
    counts.push(entries);
    parts.push(data.subarray(at, at + entries * ETH_ALEN));
    at += entries * ETH_ALEN;
  }
  if (at !== data.length) return false;
  const all = new Uint8Array((counts[0] + counts[1]) * ETH_ALEN);
  all.set(parts[0]);
  all.set(parts[1], parts[0].length);
  filter.setTable(all, counts[0]);
  return true;
}
