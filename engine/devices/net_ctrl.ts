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
  VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET,
  VIRTIO_NET_CTRL_RX,
  VIRTIO_NET_CTRL_VLAN,
  VIRTIO_NET_ERR,
  VIRTIO_NET_OK,
  VirtioNetCtrl,
  VirtioNetCtrlMac,
} from '../virtio/net.ts';
import type { NetConfig } from './net_config.ts';
import { RxFilter } from './net_filter.ts';
import { gather } from './net_tx.ts';
import { scatter } from './net_rx.ts';
import { breakQueue, type VirtioTransport } from './virtio_device.ts';
import { VirtqChain, type Virtqueue } from './virtqueue.ts';

/** The features whose receive offloads can be switched (virtio-v1.2 §5.1.6.5.6). */
export const GUEST_OFFLOADS =
  F.VIRTIO_NET_F_GUEST_CSUM | F.VIRTIO_NET_F_GUEST_TSO4 | F.VIRTIO_NET_F_GUEST_TSO6 | F.VIRTIO_NET_F_GUEST_ECN | F.VIRTIO_NET_F_GUEST_UFO;

/** Longest command taken; the largest real one is a MAC table of a few thousand addresses. */
const MAX_COMMAND = 65_536;
const scratch = ops({ chain: new VirtqChain(), ack: new Uint8Array(1) });

/** What the driver controls, and the queue it does so by. Reset state is that of a driver without any control feature. */
export class NetControl {
  readonly filter = new RxFilter();
  features = 0n;
  /** Queue pairs in use (virtio-v1.2 §5.1.6.5.5). */
  pairs = 1;
  /** VIRTIO_NET_F_GUEST_CSUM is negotiated and on. */
  guestCsum = false;

  constructor(
    readonly maxPairs: number,
    readonly config: NetConfig,
  ) {}

  reset(): void {
    this.features = 0n;
    this.pairs = 1;
    this.guestCsum = false;
    this.config.reset();
    this.filter.reset(this.config.hardwareMac);
  }

  negotiated(features: bigint): void {
    this.features = features;
    this.setOffloads(features & GUEST_OFFLOADS);
    if ((features & F.VIRTIO_NET_F_CTRL_VLAN) !== 0n) this.filter.filterVlans();
  }

  setOffloads(offloads: bigint): void {
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
      if (c.outBytes <= MAX_COMMAND) {
        const bytes = new Uint8Array(c.outBytes);
        gather(mem, c, 0, new ByteMem(bytes), 0, c.outBytes);
        ok = execute(this, bytes[VirtioNetCtrl.class.offset], bytes[VirtioNetCtrl.command.offset], bytes.subarray(VirtioNetCtrl.$size));
      }
      scratch.ack[0] = ok ? VIRTIO_NET_OK : VIRTIO_NET_ERR;
      scatter(mem, c, 0, scratch.ack, 0, 1);
      q.push(c.head, 1);
      transport.flush(q);
    }
    if (q.fault !== undefined) return transport.faulted(q);
    q.setNotifications(true);
  }
}

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
    case VIRTIO_NET_CTRL.MQ: {
      const pairs = data[0] | (data[1] << 8);
      if (
        command !== VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET ||
        data.length !== 2 ||
        !has(F.VIRTIO_NET_F_MQ) ||
        pairs < 1 ||
        pairs > target.maxPairs
      )
        return false;
      target.pairs = pairs;
      return true;
    }
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
