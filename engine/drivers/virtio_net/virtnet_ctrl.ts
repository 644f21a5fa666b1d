// virtio-net's control queue, driver side: one command at a time, spinning for the device's answer (Linux: virtnet_send_command()).
import { Errno } from '../../base/errno.ts';
import type { Gpa } from '../../base/units.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { IFF, type NetDevice } from '../../kernel/net_device.ts';
import {
  VIRTIO_NET_CTRL,
  VIRTIO_NET_CTRL_ANNOUNCE_ACK,
  VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET,
  VIRTIO_NET_CTRL_MAC,
  VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET,
  VIRTIO_NET_CTRL_NOTF_COAL,
  VIRTIO_NET_CTRL_RX,
  VIRTIO_NET_CTRL_VLAN,
  VIRTIO_NET_ERR,
  VIRTIO_NET_OK,
  VirtioNetCtrl,
  VirtioNetCtrlCoal,
  VirtioNetConfig,
} from '../../virtio/net.ts';
import { CTRL } from './virtnet_ctrl_buf.ts';
import type { VirtnetInfo } from './virtnet_info.ts';

/** A turn of the loop that waits for the device's answer, ns, and how many there are at most: a second in all. */
const CPU_RELAX = 1_000;
const PATIENCE = 1_000_000;

/** Notifications wait this long, or for this many packets. */
export interface Coalescing {
  readonly usecs: number;
  readonly packets: number;
}

export class VirtnetCtrl {
  /** Inline in Linux. */
  static readonly inlined: readonly string[] = Object.freeze(['virtnet_ack_link_announce']);
  constructor(
    readonly kernel: Kernel,
    private readonly vi: VirtnetInfo,
  ) {}

  /** Memory for commands; 0 or -ENOMEM. */
  allocate(): number {
    this.vi.ctrlBuf = this.kernel.platform.slab.kmalloc(CTRL.BYTES);
    return this.vi.ctrlBuf === 0 ? -Errno.ENOMEM : 0;
  }

  free(): void {
    this.kernel.platform.slab.kfree(this.vi.ctrlBuf);
    this.vi.ctrlBuf = 0 as Gpa;
  }

  /** The command's data is in pieces of guest memory. True when the device did it. */
  virtnet_send_command(cls: number, command: number, data: readonly (readonly [at: number, length: number])[]): boolean {
    const { vi, kernel } = this;
    const { ram } = kernel.platform;
    const cvq = vi.cvq;
    if (cvq === undefined) return false;
    const base = vi.ctrlBuf;
    ram.setU8(base + CTRL.STATUS, VIRTIO_NET_ERR);
    VirtioNetCtrl.class.set(ram, base + CTRL.HDR, cls);
    VirtioNetCtrl.command.set(ram, base + CTRL.HDR, command);
    cvq.sgReset();
    cvq.sgAdd(base + CTRL.HDR, VirtioNetCtrl.$size);
    for (const [at, length] of data) cvq.sgAdd(at, length);
    const out = cvq.sgCount;
    cvq.sgAdd(base + CTRL.STATUS, 1);
    const err = cvq.virtqueue_add_sgs(out, vi);
    if (err < 0) {
      kernel.printk.dev_warn(vi.vdev, `Failed to add sgs for command vq: ${err}`);
      return false;
    }
    if (!cvq.virtqueue_kick()) return ram.u8(base + CTRL.STATUS) === VIRTIO_NET_OK;
    // A device that faulted never answers: where Linux would spin for ever, the queue is given up.
    for (let spins = 0; cvq.virtqueue_get_buf() === undefined; spins++) {
      if (cvq.broken || spins === PATIENCE) {
        cvq.broken = true;
        return false;
      }
      kernel.charge(CPU_RELAX);
    }
    return ram.u8(base + CTRL.STATUS) === VIRTIO_NET_OK;
  }

  /** Linux: dev_warn(&dev->dev): the interface's own device has a class and no driver. */
  private warn(text: string): void {
    this.kernel.printk.pr_warn(`net ${this.vi.dev.name}: ${text}`);
  }

  /** Notification coalescing of both directions. 0 or -EINVAL; what the device took is remembered. */
  virtnet_send_notf_coal_cmds(tx: Coalescing, rx: Coalescing): number {
    const { vi } = this;
    if (!this.sendCoalescing(VIRTIO_NET_CTRL_NOTF_COAL.TX_SET, CTRL.COAL_TX, tx)) return -Errno.EINVAL;
    vi.tx_usecs = tx.usecs;
    vi.tx_max_packets = tx.packets;
    if (!this.sendCoalescing(VIRTIO_NET_CTRL_NOTF_COAL.RX_SET, CTRL.COAL_RX, rx)) return -Errno.EINVAL;
    vi.rx_usecs = rx.usecs;
    vi.rx_max_packets = rx.packets;
    return 0;
  }

  private sendCoalescing(command: number, offset: number, c: Coalescing): boolean {
    const { ram } = this.kernel.platform;
    const at = this.vi.ctrlBuf + offset;
    VirtioNetCtrlCoal.max_packets.set(ram, at, c.packets);
    VirtioNetCtrlCoal.max_usecs.set(ram, at, c.usecs);
    return this.virtnet_send_command(VIRTIO_NET_CTRL.NOTF_COAL, command, [[at, VirtioNetCtrlCoal.$size]]);
  }

  _virtnet_set_queues(pairs: number): number {
    const { vi, kernel } = this;
    if (!vi.has_cvq || !vi.has('VIRTIO_NET_F_MQ')) return 0;
    kernel.platform.ram.setU16(vi.ctrlBuf + CTRL.MQ, pairs);
    if (!this.virtnet_send_command(VIRTIO_NET_CTRL.MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, [[vi.ctrlBuf + CTRL.MQ, 2]])) {
      this.warn(`Fail to set num of queue pairs to ${pairs}`);
      return -Errno.EINVAL;
    }
    vi.curr_queue_pairs = pairs;
    if ((vi.dev.flags & IFF.UP) !== 0) kernel.workqueues.schedule_delayed_work(vi.refill, 0);
    return 0;
  }

  virtnet_set_rx_mode(dev: NetDevice): void {
    const { vi, kernel } = this;
    const { ram, slab } = kernel.platform;
    if (!vi.has('VIRTIO_NET_F_CTRL_RX')) return;
    this.oneBitMode(VIRTIO_NET_CTRL_RX.PROMISC, CTRL.PROMISC, (dev.flags & IFF.PROMISC) !== 0, 'promisc');
    this.oneBitMode(VIRTIO_NET_CTRL_RX.ALLMULTI, CTRL.ALLMULTI, (dev.flags & IFF.ALLMULTI) !== 0, 'allmulti');
    // virtio-v1.2 §5.1.6.5.2: a count and the unicast addresses, then the same for multicast
    const unicast = 4 + 6 * dev.uc.length;
    const multicast = 4 + 6 * dev.mc.length;
    const buf = slab.kmalloc(unicast + multicast);
    if (buf === 0) return;
    ram.setU32(buf, dev.uc.length);
    dev.uc.forEach((a, i) => ram.write(buf + 4 + 6 * i, a.addr, 0, 6));
    const second = buf + unicast;
    ram.setU32(second, dev.mc.length);
    dev.mc.forEach((a, i) => ram.write(second + 4 + 6 * i, a.addr, 0, 6));
    if (
      !this.virtnet_send_command(VIRTIO_NET_CTRL.MAC, VIRTIO_NET_CTRL_MAC.TABLE_SET, [
        [buf, unicast],
        [second, multicast],
      ])
    ) {
      this.warn('Failed to set MAC filter table.');
    }
    slab.kfree(buf);
  }

  private oneBitMode(command: number, at: number, on: boolean, name: string): void {
    const { vi, kernel } = this;
    kernel.platform.ram.setU8(vi.ctrlBuf + at, on ? 1 : 0);
    if (this.virtnet_send_command(VIRTIO_NET_CTRL.RX, command, [[vi.ctrlBuf + at, 1]])) return;
    this.warn(`Failed to ${on ? 'en' : 'dis'}able ${name} mode.`);
  }

  virtnet_set_mac_address(dev: NetDevice, addr: Uint8Array): number {
    const { vi, kernel } = this;
    const { eth } = kernel.net;
    const ret = eth.eth_prepare_mac_addr_change(dev, addr);
    if (ret < 0) return ret;
    if (vi.has('VIRTIO_NET_F_CTRL_MAC_ADDR')) {
      kernel.platform.ram.write(vi.ctrlBuf + CTRL.MAC, addr, 0, 6);
      if (!this.virtnet_send_command(VIRTIO_NET_CTRL.MAC, VIRTIO_NET_CTRL_MAC.ADDR_SET, [[vi.ctrlBuf + CTRL.MAC, 6]])) {
        kernel.printk.dev_warn(vi.vdev, 'Failed to set mac address by vq command.');
        return -Errno.EINVAL;
      }
    }
    // a legacy device without the command takes the address where it told it
    else if (vi.has('VIRTIO_NET_F_MAC') && !vi.has('VIRTIO_F_VERSION_1'))
      addr.forEach((byte, i) => vi.vdev.config.write(VirtioNetConfig.mac.offset + i, 1, byte));
    eth.eth_commit_mac_addr_change(dev, addr);
    return 0;
  }

  virtnet_vlan_rx_add_vid(vid: number): number {
    return this.vlan(VIRTIO_NET_CTRL_VLAN.ADD, vid, 'add');
  }
  virtnet_vlan_rx_kill_vid(vid: number): number {
    return this.vlan(VIRTIO_NET_CTRL_VLAN.DEL, vid, 'kill');
  }
  private vlan(command: number, vid: number, what: string): number {
    const { vi, kernel } = this;
    kernel.platform.ram.setU16(vi.ctrlBuf + CTRL.VID, vid);
    if (!this.virtnet_send_command(VIRTIO_NET_CTRL.VLAN, command, [[vi.ctrlBuf + CTRL.VID, 2]])) {
      this.warn(`Failed to ${what} VLAN ID ${vid}.`);
    }
    return 0;
  }

  virtnet_set_guest_offloads(offloads: bigint): number {
    const { vi, kernel } = this;
    const at = vi.ctrlBuf + CTRL.OFFLOADS;
    kernel.platform.ram.setU32(at, Number(offloads & 0xffffffffn));
    kernel.platform.ram.setU32(at + 4, Number(offloads >> 32n));
    if (this.virtnet_send_command(VIRTIO_NET_CTRL.GUEST_OFFLOADS, VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET, [[at, 8]])) return 0;
    this.warn('Fail to set guest offload.');
    return -Errno.EINVAL;
  }

  virtnet_ack_link_announce(): void {
    if (!this.virtnet_send_command(VIRTIO_NET_CTRL.ANNOUNCE, VIRTIO_NET_CTRL_ANNOUNCE_ACK, [])) {
      this.warn('Failed to ack link announce.');
    }
  }
}
