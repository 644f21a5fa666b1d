// Multicast and unicast address lists, promiscuity (Linux: net/core/dev_addr_lists.c).
import type { Kernel } from './kernel.ts';
import type { NetDevice } from './net_device.ts';

export class DevAddrLists {

  constructor(readonly kernel: Kernel) {}
  dev_mc_add(dev: NetDevice, addr: Uint8Array): number;
  dev_mc_add(): number {
    return 0;
  }
  dev_mc_del(dev: NetDevice, addr: Uint8Array): number;
  dev_mc_del(): number {
    return 0;
  }
  /** Counted once per user (ip maddress add): -EEXIST when there. */
  dev_mc_add_excl(dev: NetDevice, addr: Uint8Array): number;
  dev_mc_add_excl(): number {
    return 0;
  }
  dev_uc_add(dev: NetDevice, addr: Uint8Array): number;
  dev_uc_add(): number {
    return 0;
  }
  dev_uc_del(dev: NetDevice, addr: Uint8Array): number;
  dev_uc_del(): number {
    return 0;
  }
  dev_mc_flush(dev: NetDevice): void;
  dev_mc_flush(): void {
    return;
  }
  dev_set_promiscuity(dev: NetDevice, inc: number): number;
  dev_set_promiscuity(): number {
    return 0;
  }
  dev_set_allmulti(dev: NetDevice, inc: number): number;
  dev_set_allmulti(): number {
    return 0;
  }
  /** Tells the driver, when the device is up. */
  dev_set_rx_mode(dev: NetDevice): void;
  dev_set_rx_mode(): void {
    return;
  }
  __dev_set_rx_mode(dev: NetDevice): void;
  __dev_set_rx_mode(): void {
    return;
  }
}
