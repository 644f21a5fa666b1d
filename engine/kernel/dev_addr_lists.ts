// Multicast and unicast address lists, promiscuity, and what of it the driver is told (Linux: net/core/dev_addr_lists.c, dev.c).
import { Errno } from '../base/errno.ts';
import type { Kernel } from './kernel.ts';
import { type HwAddr, IFF, type NetDevice } from './net_device.ts';

const same = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && a.every((x, i) => x === b[i]);

export class DevAddrLists {
  constructor(readonly kernel: Kernel) {}

  dev_mc_add(dev: NetDevice, addr: Uint8Array): number {
    return this.__dev_mc_add(dev, addr);
  }
  __dev_mc_add(dev: NetDevice, addr: Uint8Array): number {
    this.__hw_addr_add(dev.mc, addr);
    this.__dev_set_rx_mode(dev);
    return 0;
  }
  /** For a user (ip maddress add): counts once however often it is added. */
  dev_mc_add_global(dev: NetDevice, addr: Uint8Array): number {
    const known = dev.mc.find((a) => same(a.addr, addr));
    if (known?.global_use === true) return 0;
    this.__hw_addr_add(dev.mc, addr);
    const entry = known ?? dev.mc[dev.mc.length - 1];
    entry.global_use = true;
    this.__dev_set_rx_mode(dev);
    return 0;
  }
  /** -ENOENT when no user added it. */
  dev_mc_del_global(dev: NetDevice, addr: Uint8Array): number {
    const known = dev.mc.find((a) => same(a.addr, addr));
    if (known?.global_use !== true) return -Errno.ENOENT;
    known.global_use = false;
    return this.dev_mc_del(dev, addr);
  }
  dev_mc_del(dev: NetDevice, addr: Uint8Array): number {
    return this.remove(dev, dev.mc, addr);
  }
  dev_uc_add(dev: NetDevice, addr: Uint8Array): number {
    this.__hw_addr_add(dev.uc, addr);
    this.__dev_set_rx_mode(dev);
    return 0;
  }
  dev_uc_del(dev: NetDevice, addr: Uint8Array): number {
    return this.remove(dev, dev.uc, addr);
  }
  dev_mc_flush(dev: NetDevice): void {
    dev.mc.length = 0;
  }
  dev_uc_flush(dev: NetDevice): void {
    dev.uc.length = 0;
  }

  __hw_addr_add(list: HwAddr[], addr: Uint8Array): void {
    const known = list.find((a) => same(a.addr, addr));
    if (known !== undefined) known.refcount++;
    else list.push({ addr: addr.slice(), refcount: 1, global_use: false });
  }

  /** 0, or -EOVERFLOW. The last user's end ends it. */
  dev_set_promiscuity(dev: NetDevice, inc: number): number {
    const old = dev.flags;
    const err = this.__dev_set_promiscuity(dev, inc, { notify: true });
    if (err === 0 && dev.flags !== old) this.dev_set_rx_mode(dev);
    return err;
  }
  __dev_set_promiscuity(dev: NetDevice, inc: number, how: { notify: boolean }): number {
    const old = dev.flags;
    dev.promiscuity += inc;
    dev.flags = dev.promiscuity > 0 ? dev.flags | IFF.PROMISC : dev.flags & ~IFF.PROMISC;
    if (dev.flags !== old)
      this.kernel.printk.pr_info(`device ${dev.name} ${(dev.flags & IFF.PROMISC) !== 0 ? 'entered' : 'left'} promiscuous mode`);
    if (dev.flags !== old) this.dev_change_rx_flags(dev, IFF.PROMISC);
    if (how.notify && dev.flags !== old) this.kernel.net.__dev_notify_flags(dev, old, IFF.PROMISC);
    return 0;
  }

  dev_set_allmulti(dev: NetDevice, inc: number): number {
    return this.__dev_set_allmulti(dev, inc, { notify: true });
  }
  dev_change_rx_flags(dev: NetDevice, flags: number): void {
    if ((dev.flags & IFF.UP) !== 0) dev.netdev_ops.ndo_change_rx_flags?.(dev, flags);
  }
  /** Gives `to` the addresses of `from`'s lists; `held` is what was given before, and is brought up to date. */
  dev_mc_sync(to: NetDevice, from: NetDevice, held: Uint8Array[]): void {
    for (const a of held.slice()) if (!from.mc.some((m) => same(m.addr, a))) this.dev_mc_del(to, held.splice(held.indexOf(a), 1)[0]);
    for (const { addr } of from.mc.slice()) if (!held.some((a) => same(a, addr)) && this.dev_mc_add(to, addr) === 0) held.push(addr);
  }
  dev_uc_sync(to: NetDevice, from: NetDevice, held: Uint8Array[]): void {
    for (const a of held.slice()) if (!from.uc.some((m) => same(m.addr, a))) this.dev_uc_del(to, held.splice(held.indexOf(a), 1)[0]);
    for (const { addr } of from.uc.slice()) if (!held.some((a) => same(a, addr)) && this.dev_uc_add(to, addr) === 0) held.push(addr);
  }
  /** Takes back what was given. */
  dev_mc_unsync(to: NetDevice, held: Uint8Array[]): void {
    for (const a of held.splice(0)) this.dev_mc_del(to, a);
  }
  dev_uc_unsync(to: NetDevice, held: Uint8Array[]): void {
    for (const a of held.splice(0)) this.dev_uc_del(to, a);
  }
  __dev_set_allmulti(dev: NetDevice, inc: number, how: { notify: boolean }): number {
    const old = dev.flags;
    dev.allmulti += inc;
    dev.flags = dev.allmulti > 0 ? dev.flags | IFF.ALLMULTI : dev.flags & ~IFF.ALLMULTI;
    if (dev.flags === old) return 0;
    this.dev_change_rx_flags(dev, IFF.ALLMULTI);
    this.dev_set_rx_mode(dev);
    if (how.notify) this.kernel.net.__dev_notify_flags(dev, old, IFF.ALLMULTI);
    return 0;
  }

  /** Tells the driver its filters, when the device is up. */
  dev_set_rx_mode(dev: NetDevice): void {
    this.__dev_set_rx_mode(dev);
  }
  __dev_set_rx_mode(dev: NetDevice): void {
    if ((dev.flags & IFF.UP) === 0 || !dev.present) return;
    dev.netdev_ops.ndo_set_rx_mode?.(dev);
  }

  private remove(dev: NetDevice, list: HwAddr[], addr: Uint8Array): number {
    const i = list.findIndex((a) => same(a.addr, addr));
    if (i < 0) return -Errno.ENOENT;
    if (--list[i].refcount > 0) return 0;
    list.splice(i, 1);
    this.__dev_set_rx_mode(dev);
    return 0;
  }
}
