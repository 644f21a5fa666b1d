// struct net: everything one network namespace owns.
import type { NetDevice } from './net_device.ts';

export class Net {
  /** Devices in order of ifindex creation (the order of dumps). */
  readonly devices: NetDevice[] = [];
  loopback_dev!: NetDevice;
  private ifindexNext = 1;
  /** Names under /run/netns that refer to this namespace. */
  readonly names = new Set<string>();
  /** Peer namespaces' ids as seen from here (Linux: netns_ids). */
  readonly nsids = new Map<Net, number>();
  /** sysctl tree: 'net.ipv4.ip_forward' → value as text. Filled by the subsystems at creation. */
  readonly sysctl = new Map<string, string>();
  /** The IP layers' own state (Ipv4Net, Ipv6Net), made with the namespace. */
  ipv4!: object;
  ipv6!: object;
  dead = false;

  constructor(
    /** Inode number of the namespace; identity in nsfs links. */
    readonly inum: number,
    /** 'init' for init_net, '' for others. */
    readonly label: string,
  ) {}

  /** Linux: dev_new_index() */
  newIndex(): number {
    while (this.devices.some((d) => d.ifindex === this.ifindexNext)) this.ifindexNext++;
    return this.ifindexNext++;
  }

  __dev_get_by_name(name: string): NetDevice | undefined {
    return this.devices.find((d) => d.name === name || d.altnames.includes(name));
  }
  __dev_get_by_index(ifindex: number): NetDevice | undefined {
    return this.devices.find((d) => d.ifindex === ifindex);
  }
}
