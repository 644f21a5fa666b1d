// Network namespaces: creation, names, ids, destruction (Linux: net/core/net_namespace.c).
import { Errno } from '../base/errno.ts';
import type { Kernel } from './kernel.ts';
import { Net } from './net_namespace.ts';
import type { NlResult } from './rtnetlink.ts';

/** A subsystem with state per namespace (Linux: struct pernet_operations). */
export interface PernetOperations {
  /** Fills net.ipv4, sysctls … of a new namespace; before its loopback is registered. */
  initNet(net: Net): void;
  /** Before its devices go. */
  exitNet?(net: Net): void;
}

export class NetNamespaces {
  readonly init_net: Net;
  /** All namespaces alive, init_net first. */
  readonly list: Net[] = [];

  /** Subsystems created later than this class register before the first boot step; init_net is initialised then too. */
  register_pernet_subsys(ops: PernetOperations): void;
  register_pernet_subsys(): void {
    return;
  }
  constructor(readonly kernel: Kernel) {
    this.init_net = new Net(4026531840, 'init');
  }
  /** `ip netns add`: a new namespace known as /run/netns/`name`. */
  createNamed(name: string): Net;
  createNamed(): Net {
    return this.init_net;
  }
  /** By its name under /run/netns; '' is init_net. */
  byName(name: string): Net | undefined;
  byName(): Net | undefined {
    return undefined;
  }
  /** Names under /run/netns, newest first as readdir of tmpfs gives them. */
  names(): string[] {
    return [];
  }
  /** Removes the name; the namespace dies when nobody uses it. */
  deleteNamed(name: string): boolean;
  deleteNamed(): boolean {
    return false;
  }
  /** A process lives in it, or has left it. */
  get_net(net: Net): void;
  get_net(): void {
    return;
  }
  put_net(net: Net): void;
  put_net(): void {
    return;
  }
  /** Id of `peer` as seen from `net`: allocated when absent. */
  peernet2id_alloc(net: Net, peer: Net): number;
  peernet2id_alloc(): number {
    return 0;
  }
  /** -1 when none. */
  peernet2id(net: Net, peer: Net): number;
  peernet2id(): number {
    return 0;
  }
  cleanup_net(net: Net): void;
  cleanup_net(): void {
    return;
  }
  /** `ip netns attach`: one more name for a living namespace. */
  attachName(name: string, net: Net): void;
  attachName(name: string, net?: Net): void {
    net?.names.add(name);
  }
  /** RTM_NEWNSID: gives `peer` an id as seen from `net`; -1 is any. */
  rtnl_net_newid(net: Net, peer: Net, id: number): NlResult {
    if ((net.nsids.get(peer) ?? -1) >= 0) return { errno: -Errno.EEXIST, extack: 'Peer netns already has a nsid assigned' };
    if (id >= 0 && [...net.nsids.values()].includes(id)) return { errno: -Errno.EEXIST, extack: 'The specified nsid is already used' };
    let free = 0;
    while ([...net.nsids.values()].includes(free)) free++;
    net.nsids.set(peer, id >= 0 ? id : free);
    return { errno: 0 };
  }
}
