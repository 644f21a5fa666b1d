// virtio-net's configuration space (virtio-v1.2 §5.1.4): the bytes a driver reads, and what changes them.
import { ByteMem } from '../base/memory.ts';
import { ETH_ALEN } from '../wire/headers.ts';
import { VIRTIO_NET_S, VirtioNetConfig } from '../virtio/net.ts';

export class NetConfig {
  readonly mem = new ByteMem(new Uint8Array(VirtioNetConfig.$size));

  constructor(
    /** The address the device has after reset. */
    readonly hardwareMac: Uint8Array,
    maxPairs: number,
  ) {
    VirtioNetConfig.max_virtqueue_pairs.set(this.mem, 0, maxPairs);
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
