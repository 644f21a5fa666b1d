// virtio-net's configuration space (virtio-v1.2 §5.1.4): the bytes a driver reads, and what changes them.
import { ByteMem } from '../base/memory.ts';
import { RSS_HASH_TYPES, RSS_MAX_KEY, RSS_MAX_TABLE } from './net_rss.ts';
import { ETH_ALEN } from '../wire/headers.ts';
import { VIRTIO_NET_S, VirtioNetConfig } from '../virtio/net.ts';

/** virtio-v1.2 §5.1.4: what the device does not know. */
const SPEED_UNKNOWN = 0xffffffff;
const DUPLEX_UNKNOWN = 0xff;

/** Fields that a lab may set. */
export interface NetConfigValues {
  readonly mtu?: number;
  /** Mbit/s */
  readonly speed?: number;
  /** 0 half, 1 full */
  readonly duplex?: number;
  readonly rss?: boolean;
  readonly hashReport?: boolean;
}

export class NetConfig {
  readonly mem = new ByteMem(new Uint8Array(VirtioNetConfig.$size));

  constructor(
    /** The address the device has after reset. */
    readonly hardwareMac: Uint8Array,
    maxPairs: number,
    more: NetConfigValues = {},
  ) {
    const C = VirtioNetConfig;
    C.max_virtqueue_pairs.set(this.mem, 0, maxPairs);
    C.mtu.set(this.mem, 0, more.mtu ?? 0);
    C.speed.set(this.mem, 0, more.speed ?? SPEED_UNKNOWN);
    C.duplex.set(this.mem, 0, more.duplex ?? DUPLEX_UNKNOWN);
    if (more.rss === true || more.hashReport === true) {
      C.rss_max_key_size.set(this.mem, 0, RSS_MAX_KEY);
      C.rss_max_indirection_table_length.set(this.mem, 0, more.rss === true ? RSS_MAX_TABLE : 1);
      C.supported_hash_types.set(this.mem, 0, RSS_HASH_TYPES);
    }
    this.setMac(hardwareMac);
  }

  /** The link stays as it is: reset does not pull a cable. */
  reset(): void {
    this.setMac(this.hardwareMac);
    this.acknowledgeAnnounce();
  }

  setMac(mac: Uint8Array): void {
    this.mem.write(VirtioNetConfig.mac.offset, mac, 0, ETH_ALEN);
  }

  /** True when that changed anything. */
  setLink(up: boolean): boolean {
    return this.setStatus(VIRTIO_NET_S.LINK_UP, up);
  }

  requestAnnounce(): void {
    this.setStatus(VIRTIO_NET_S.ANNOUNCE, true);
  }

  /** True when an announcement was asked for. */
  acknowledgeAnnounce(): boolean {
    return this.setStatus(VIRTIO_NET_S.ANNOUNCE, false);
  }

  private setStatus(bit: number, on: boolean): boolean {
    const old = VirtioNetConfig.status.get(this.mem, 0);
    const status = on ? old | bit : old & ~bit;
    VirtioNetConfig.status.set(this.mem, 0, status);
    return status !== old;
  }
}
