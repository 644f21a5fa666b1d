// Network namespaces: creation, names, ids, destruction (Linux: net/core/net_namespace.c).
import { Errno } from '../base/errno.ts';
import { CORE_SYSCTLS, CoreSysctls } from './core_sysctls.ts';
import type { Kernel } from './kernel.ts';
import type { NetDevice } from './net_device.ts';
import { Net } from './net_namespace.ts';
import { NETIF_F } from './netdev_features.ts';
import type { NlResult } from './rtnetlink.ts';

/** A driver with something in every namespace (Linux: struct pernet_operations); the loopback device. */
export interface PernetOperations {
  initNet(kernel: Kernel, net: Net): void;
  exitNet?(kernel: Kernel, net: Net): void;
}

/** Inode numbers in nsfs: init_net's, and the first of the others (Linux: PROC_DYNAMIC_FIRST and what a boot has used). */
const INIT_NET_INUM = 4026531840;
const FIRST_INUM = 4026532200;

export class NetNamespaces {
  /** Inline in Linux. */
  static readonly inlined: readonly string[] = Object.freeze(['put_net', 'unhash_nsid']);
  readonly init_net: Net;
  /** All namespaces alive, init_net first. */
  readonly list: Net[] = [];
  /** Names under /run/netns, oldest first. */
  private readonly named = new Map<string, Net>();
  private readonly pernet: PernetOperations[] = [];
  readonly sysctls: CoreSysctls;
  private nextInum = FIRST_INUM;

  constructor(readonly kernel: Kernel) {
    this.init_net = new Net(INIT_NET_INUM, 'init');
    this.sysctls = new CoreSysctls(kernel);
  }

  /** First thing of the boot: init_net gets its protocols. */
  boot(): void {
    this.setup_net(this.init_net);
  }

  /** From now on every namespace has it; those that exist get it at once. `ops` is a constant. */
  register_pernet_device(ops: PernetOperations): void {
    this.pernet.push(ops);
    for (const net of this.list) ops.initNet(this.kernel, net);
  }

  /** `ip netns add`: a new namespace known as /run/netns/`name`. */
  createNamed(name: string): Net {
    const net = this.copy_net_ns();
    this.attachName(name, net);
    return net;
  }
  /** `ip netns attach`: one more name for a living namespace. */
  attachName(name: string, net: Net): void {
    this.named.set(name, net);
    net.names.add(name);
    this.kernel.vfs.mounts.mountNetns(name);
  }
  /** By its name under /run/netns; '' is init_net. */
  byName(name: string): Net | undefined {
    return name === '' ? this.init_net : this.named.get(name);
  }
  /** Names under /run/netns, newest first as readdir of tmpfs gives them. */
  names(): string[] {
    return [...this.named.keys()].reverse();
  }
  /** Removes the name; the namespace dies when nobody uses it. False when there is no such name. */
  deleteNamed(name: string): boolean {
    const net = this.named.get(name);
    if (net === undefined) return false;
    this.named.delete(name);
    net.names.delete(name);
    this.kernel.vfs.mounts.umountNetns(name);
    this.put_net(net);
    return true;
  }

  /** A user is gone: a name, or a process that lived in it. */
  put_net(net: Net): void {
    if (net === this.init_net || net.dead || net.names.size > 0) return;
    for (const process of this.kernel.procs.table.values()) if (process.net === net) return;
    this.cleanup_net(net);
  }

  copy_net_ns(): Net {
    const net = new Net(this.nextInum++, '');
    this.setup_net(net);
    return net;
  }
  setup_net(net: Net): void {
    for (const [key, value] of Object.entries(CORE_SYSCTLS)) net.sysctl.set(key, value);
    this.kernel.ipv4.pernetInit(net);
    this.kernel.ipv6.pernetInit(net);
    this.list.push(net);
    for (const ops of this.pernet) ops.initNet(this.kernel, net);
  }

  /** Its ids are forgotten, hardware goes back to init_net, software devices end, then the protocols. */
  cleanup_net(net: Net): void {
    const { kernel } = this;
    net.dead = true;
    this.list.splice(this.list.indexOf(net), 1);
    for (const other of this.list) this.unhash_nsid(other, net);
    net.nsids.clear();
    for (const dev of net.devices.slice()) this.default_device_exit_net(dev);
    const going: NetDevice[] = [];
    for (const dev of net.devices.toReversed()) {
      if (going.includes(dev) || dev === net.loopback_dev) continue;
      going.push(...kernel.rtnl.devicesOf(dev).filter((d) => !going.includes(d)));
    }
    kernel.net.unregister_netdevice_many(going);
    for (const ops of this.pernet.toReversed()) ops.exitNet?.(kernel, net);
    kernel.ipv6.pernetExit(net);
    kernel.ipv4.pernetExit(net);
  }

  /** Hardware returns to init_net, by another name when its own is taken there. */
  default_device_exit_net(dev: NetDevice): void {
    if ((dev.features & NETIF_F.NETNS_LOCAL) !== 0n || dev.kind !== undefined) return;
    const fallback = `dev${dev.ifindex}`;
    const name = this.init_net.__dev_get_by_name(fallback) === undefined ? fallback : 'dev%d';
    const err = this.kernel.net.dev_change_net_namespace(dev, this.init_net, name);
    if (err !== 0) this.kernel.printk.pr_emerg(`default_device_exit_net: failed to move ${dev.name} to init_net: ${err}`);
  }

  /** Id of `peer` as seen from `net`: allocated when absent. */
  peernet2id_alloc(net: Net, peer: Net): number {
    const id = this.peernet2id(net, peer);
    if (id >= 0 || net.dead || peer.dead) return id;
    return this.allocate(net, peer, -1);
  }
  /** -1 when none. */
  peernet2id(net: Net, peer: Net): number {
    return net.nsids.get(peer) ?? -1;
  }
  /** RTM_NEWNSID: gives `peer` an id as seen from `net`; -1 is any. */
  rtnl_net_newid(net: Net, peer: Net, id: number): NlResult {
    if (this.peernet2id(net, peer) >= 0) return { errno: -Errno.EEXIST, extack: 'Peer netns already has a nsid assigned' };
    if (id >= 0 && [...net.nsids.values()].includes(id)) return { errno: -Errno.EEXIST, extack: 'The specified nsid is already used' };
    this.allocate(net, peer, id);
    return { errno: 0 };
  }

  unhash_nsid(net: Net, gone: Net): void {
    const nsid = this.peernet2id(net, gone);
    if (nsid < 0) return;
    net.nsids.delete(gone);
    this.kernel.rtnl.notify(net, 'nsid', { type: 'RTM_DELNSID', info: { nsid, peer: gone } });
  }

  private allocate(net: Net, peer: Net, wanted: number): number {
    const used = new Set(net.nsids.values());
    let id = Math.max(0, wanted);
    while (used.has(id)) id++;
    net.nsids.set(peer, id);
    this.kernel.rtnl.notify(net, 'nsid', { type: 'RTM_NEWNSID', info: { nsid: id, peer } });
    return id;
  }
}
