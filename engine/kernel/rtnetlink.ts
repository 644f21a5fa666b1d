// rtnetlink: the link half, and notifications for all of it (Linux: net/core/rtnetlink.c).
import { Errno } from '../base/errno.ts';
import { NET_ADDR_SET } from './dev_registry.ts';
import { in6Dev } from './ipv6/ipv6_net.ts';
import type { Kernel } from './kernel.ts';
import { IF_OPER, IFF, type NetDevice } from './net_device.ts';
import type { Net } from './net_namespace.ts';
import type { LinkInfo, LinkKindAttrs } from './rtnl_link_kinds.ts';

/** Answer of a request: 0 or a negative errno, with the kernel's own words when it has some. */
export interface NlResult {
  readonly errno: number;
  readonly extack?: string;
}
export const NL_OK: NlResult = Object.freeze({ errno: 0 });

export type RtnlGroup =
  | 'link'
  | 'ipv4-addr'
  | 'ipv4-route'
  | 'ipv6-addr'
  | 'ipv6-route'
  | 'neigh'
  | 'ipv4-rule'
  | 'ipv6-rule'
  | 'ipv6-prefix'
  | 'netconf'
  | 'nsid'
  | 'tc';
type RtmObject = 'LINK' | 'ADDR' | 'ROUTE' | 'NEIGH' | 'RULE' | 'NETCONF' | 'NSID' | 'QDISC' | 'TCLASS' | 'TFILTER';
export type RtmType = `RTM_${'NEW' | 'DEL'}${RtmObject}`;

/** RTM_NEWNSID, RTM_DELNSID */
export interface NsidInfo {
  readonly nsid: number;
  /** Whose id it is. */
  readonly peer: Net | undefined;
}

/** A notification; `info` is the record of its kind: LinkInfo, and those of ipv4/ and ipv6/. */
export interface RtnlMessage {
  readonly type: RtmType;
  readonly info: object;
}

/** Somebody listening on a netlink socket (ip monitor). Called in the context that changed something. */
export interface RtnlListener {
  onRtnl(message: RtnlMessage, net: Net): void;
}

/** Which link: by index or name. */
export interface LinkRef {
  readonly ifindex?: number;
  readonly ifname?: string;
}

/** What RTM_NEWLINK/RTM_SETLINK may ask. */
export interface LinkRequest extends LinkRef, LinkKindAttrs {
  /** New flags and which of them count (ifi_flags, ifi_change). */
  readonly flags?: number;
  readonly change?: number;
  readonly mtu?: number;
  readonly txqlen?: number;
  readonly address?: Uint8Array;
  readonly broadcast?: Uint8Array;
  /** Rename (ip link set X name Y). */
  readonly newname?: string;
  readonly group?: number;
  readonly ifalias?: string;
  /** IFLA_NET_NS_FD, IFLA_NET_NS_PID resolved by the caller. */
  readonly netns?: Net;
  readonly master?: number;
  readonly carrier?: boolean;
  readonly operstate?: number;
  readonly linkmode?: number;
  readonly addrgenmode?: number;
  readonly num_tx_queues?: number;
  readonly num_rx_queues?: number;
  /** IFLA_LINKINFO */
  readonly kind?: string;
  /** IFLA_INFO_SLAVE_KIND */
  readonly slaveKind?: string;
  readonly link?: number;
  /** VETH_INFO_PEER */
  readonly peer?: LinkRequest;
}

/** A kind of virtual link, registered by its module (Linux: struct rtnl_link_ops); a module constant made with ops(). */
export interface RtnlLinkOps {
  readonly kind: string;
  readonly netdev_ops: NetDevice['netdev_ops'];
  setup(dev: NetDevice): void;
  validate?(request: LinkRequest): NlResult;
  /** Registers `dev` (allocated and named by the core) and whatever belongs to it. */
  newlink(kernel: Kernel, net: Net, dev: NetDevice, request: LinkRequest): NlResult;
  /** `ip link set DEV type KIND …`; absent: EOPNOTSUPP. */
  changelink?(kernel: Kernel, dev: NetDevice, request: LinkRequest): NlResult;
  fill_info?(dev: NetDevice): LinkKindAttrs;
  /** The ports of a master of this kind. */
  fill_slave_info?(master: NetDevice, slave: NetDevice): LinkKindAttrs;
  slave_changelink?(kernel: Kernel, master: NetDevice, slave: NetDevice, request: LinkRequest): NlResult;
  /** Devices that go when it goes, itself included. */
  dellink(kernel: Kernel, dev: NetDevice): readonly NetDevice[];
  get_num_tx_queues?(kernel: Kernel): number;
  /** Namespace of IFLA_LINK. */
  get_link_net?(dev: NetDevice): Net;
}

interface Subscription {
  readonly net: Net;
  readonly groups: ReadonlySet<RtnlGroup>;
  readonly listener: RtnlListener;
}

/** IN6_ADDR_GEN_MODE_STABLE_PRIVACY */
const ADDR_GEN_STABLE = 2;

const refused = (errno: number, extack?: string): NlResult => (extack === undefined ? { errno: -errno } : { errno: -errno, extack });

export class Rtnetlink {
  /** Not functions of Linux's by these names. */
  static readonly inlined: readonly string[] = Object.freeze(['rtmsg_ifinfo_build']);
  private readonly kinds: RtnlLinkOps[] = [];
  private readonly subscriptions: Subscription[] = [];

  constructor(readonly kernel: Kernel) {}

  rtnl_link_register(ops: RtnlLinkOps): number {
    if (this.rtnl_link_ops_get(ops.kind) !== undefined) return -Errno.EEXIST;
    this.kinds.push(ops);
    return 0;
  }
  /** Destroys all links of the kind. */
  rtnl_link_unregister(ops: RtnlLinkOps): void {
    for (const net of this.kernel.netns.list.slice()) {
      for (const dev of net.devices.slice())
        if (dev.kind === ops.kind) this.kernel.net.unregister_netdevice_many(ops.dellink(this.kernel, dev));
    }
    this.kinds.splice(this.kinds.indexOf(ops), 1);
  }
  rtnl_link_ops_get(kind: string): RtnlLinkOps | undefined {
    return this.kinds.find((k) => k.kind === kind);
  }
  /** What goes when this device goes. */
  devicesOf(dev: NetDevice): readonly NetDevice[] {
    const ops = dev.kind === undefined ? undefined : this.rtnl_link_ops_get(dev.kind);
    return ops?.dellink(this.kernel, dev) ?? [dev];
  }

  /** `ip link add`. */
  rtnl_newlink(net: Net, request: LinkRequest): NlResult {
    return this.settled(this.__rtnl_newlink(net, request));
  }
  __rtnl_newlink(net: Net, request: LinkRequest): NlResult {
    this.kernel.charge(this.kernel.platform.costs.netlink);
    const name = request.ifname ?? '';
    const invalid = this.validate_linkmsg(request) ?? this.validate_linkmsg(request.peer);
    if (invalid !== undefined) return invalid;
    const taken = request.ifindex !== undefined && net.__dev_get_by_index(request.ifindex) !== undefined;
    if (taken || (name !== '' && net.__dev_get_by_name(name) !== undefined)) return refused(Errno.EEXIST);
    if (request.kind === undefined) return refused(Errno.EOPNOTSUPP);
    let ops = this.rtnl_link_ops_get(request.kind);
    if (ops === undefined && this.kernel.modules.modprobe(`rtnl-link-${request.kind}`).errno === 0)
      ops = this.rtnl_link_ops_get(request.kind);
    if (ops === undefined) return refused(Errno.EOPNOTSUPP, 'Unknown device type');
    const judged = ops.validate?.(request);
    if (judged !== undefined && judged.errno !== 0) return judged;
    // the module may have made a device of that name
    if (name !== '' && net.__dev_get_by_name(name) !== undefined) return refused(Errno.EEXIST);
    const dev = this.rtnl_create_link(request.netns ?? net, name === '' ? `${ops.kind}%d` : name, ops, request);
    if ('errno' in dev) return dev;
    const result = ops.newlink(this.kernel, net, dev, request);
    if (result.errno !== 0) {
      this.kernel.net.free_netdev(dev);
      return result;
    }
    return this.rtnl_configure_link(dev, request);
  }

  /** An unregistered device with what the request says of it. */
  rtnl_create_link(net: Net, name: string, ops: RtnlLinkOps, request: LinkRequest): NetDevice | NlResult {
    const tx = request.num_tx_queues ?? ops.get_num_tx_queues?.(this.kernel) ?? 1;
    const rx = request.num_rx_queues ?? ops.get_num_tx_queues?.(this.kernel) ?? 1;
    if (tx < 1 || tx > 4096) return refused(Errno.EINVAL, 'Invalid number of transmit queues');
    if (rx < 1 || rx > 4096) return refused(Errno.EINVAL, 'Invalid number of receive queues');
    const dev = this.kernel.net.alloc_netdev_mqs(name, ops.netdev_ops, ops.setup, tx, rx, net);
    dev.kind = ops.kind;
    dev.ifindex = request.ifindex ?? 0;
    dev.linkInitializing = true;
    if (request.mtu !== undefined) {
      if (request.mtu < dev.min_mtu) return refused(Errno.EINVAL, 'mtu less than device minimum');
      if (dev.max_mtu > 0 && request.mtu > dev.max_mtu) return refused(Errno.EINVAL, 'mtu greater than device maximum');
      dev.mtu = request.mtu;
    }
    if (request.address !== undefined) {
      dev.dev_addr = request.address.slice(0, dev.addr_len);
      dev.addr_assign_type = NET_ADDR_SET;
    }
    if (request.broadcast !== undefined) dev.broadcast = request.broadcast.slice(0, dev.addr_len);
    if (request.txqlen !== undefined) dev.tx_queue_len = request.txqlen;
    if (request.group !== undefined) dev.group = request.group;
    return dev;
  }

  /** A new link's flags, and the first that listeners hear of it. */
  rtnl_configure_link(dev: NetDevice, request: LinkRequest): NlResult {
    const { net } = this.kernel;
    const old = dev.flags;
    if (request.change !== undefined && request.change !== 0) {
      const err = net.__dev_change_flags(dev, this.flagsOf(dev, request));
      if (err < 0) return { errno: err };
    }
    const first = dev.linkInitializing;
    dev.linkInitializing = false;
    net.__dev_notify_flags(dev, old, first ? ~0 : old ^ dev.flags);
    return NL_OK;
  }

  /** `ip link set`. What precedes a failing attribute stays done, as in Linux. */
  rtnl_setlink(net: Net, request: LinkRequest): NlResult {
    this.kernel.charge(this.kernel.platform.costs.netlink);
    const dev = this.find(net, request);
    if (dev === undefined) return refused(Errno.ENODEV);
    return this.settled(this.validate_linkmsg(request) ?? this.changeKind(dev, request) ?? this.do_setlink(dev, request));
  }
  /** `ip link set DEV type KIND …` and `type KIND_slave …`: what the kind refuses, or undefined to go on. */
  private changeKind(dev: NetDevice, r: LinkRequest): NlResult | undefined {
    if (r.slaveKind !== undefined) {
      const master = dev.master === undefined ? undefined : this.opsOf(dev.master);
      if (master === undefined || dev.master === undefined) return refused(Errno.EINVAL);
      if (master.kind !== r.slaveKind || master.slave_changelink === undefined) return refused(Errno.EOPNOTSUPP);
      const result = master.slave_changelink(this.kernel, dev.master, dev, r);
      return result.errno === 0 ? undefined : result;
    }
    if (r.kind === undefined) return undefined;
    const kind = this.opsOf(dev);
    if (kind === undefined || kind.kind !== r.kind || kind.changelink === undefined) return refused(Errno.EOPNOTSUPP);
    const judged = kind.validate?.(r) ?? NL_OK;
    const result = judged.errno !== 0 ? judged : kind.changelink(this.kernel, dev, r);
    return result.errno === 0 ? undefined : result;
  }
  do_setlink(dev: NetDevice, r: LinkRequest): NlResult {
    const core = this.kernel.net;
    let err = 0;
    let notify = false;
    if (r.netns !== undefined) {
      err = core.dev_change_net_namespace(dev, r.netns, r.newname);
      if (err < 0) return { errno: err };
    }
    if (r.address !== undefined) {
      err = core.dev_set_mac_address(dev, r.address);
      if (err < 0) return { errno: err };
      this.rtmsg_ifinfo('RTM_NEWLINK', dev);
    }
    if (r.mtu !== undefined) {
      const result = core.dev_set_mtu_ext(dev, r.mtu);
      if (result.errno !== 0) return result;
      this.rtmsg_ifinfo('RTM_NEWLINK', dev);
    }
    if (r.group !== undefined) {
      dev.group = r.group;
      notify = true;
    }
    if (r.newname !== undefined && r.newname !== dev.name) {
      err = core.dev_change_name(dev, r.newname);
      if (err < 0) return { errno: err };
    }
    if (r.ifalias !== undefined) {
      if (r.ifalias.length >= 256) return refused(Errno.EINVAL);
      dev.ifalias = r.ifalias;
      notify = true;
    }
    if (r.broadcast !== undefined) {
      dev.broadcast = r.broadcast.slice(0, dev.addr_len);
      core.call_netdevice_notifiers('NETDEV_CHANGEADDR', dev);
    }
    if (r.master !== undefined) {
      const result = this.do_set_master(dev, r.master);
      if (result.errno !== 0) return result;
    }
    if (r.change !== undefined && r.change !== 0) {
      err = core.dev_change_flags(dev, this.flagsOf(dev, r));
      if (err < 0) return { errno: err };
    }
    if (r.carrier !== undefined) {
      const change = dev.netdev_ops.ndo_change_carrier;
      if (change === undefined) return refused(Errno.EOPNOTSUPP);
      if (!dev.present) return refused(Errno.ENODEV);
      err = dev.netdev_ops.ndo_change_carrier!(dev, r.carrier);
      if (err < 0) return { errno: err };
    }
    if (r.txqlen !== undefined && r.txqlen !== dev.tx_queue_len) {
      err = core.dev_change_tx_queue_len(dev, r.txqlen);
      if (err < 0) return { errno: err };
      this.rtmsg_ifinfo('RTM_NEWLINK', dev);
    }
    if (r.operstate !== undefined) this.set_operstate(dev, r.operstate);
    if (r.linkmode !== undefined) {
      notify ||= r.linkmode !== dev.link_mode;
      dev.link_mode = r.linkmode;
    }
    // stable addresses need a secret, and nobody gave one
    if (r.addrgenmode === ADDR_GEN_STABLE) return refused(Errno.EINVAL);
    const idev = in6Dev(dev);
    if (r.addrgenmode !== undefined && idev !== undefined) idev.cnf.addr_gen_mode = r.addrgenmode;
    // address, MTU and queue length have a message of their own and are no change of state (Linux: rtnetlink_event())
    if (notify) core.link.netdev_state_change(dev);
    return NL_OK;
  }

  /** Out from under its master, if any, and under the one with index `ifindex` (0: none). */
  do_set_master(dev: NetDevice, ifindex: number): NlResult {
    const { master } = dev;
    if (master !== undefined) {
      if (master.ifindex === ifindex) return NL_OK;
      if (master.netdev_ops.ndo_del_slave === undefined) return refused(Errno.EOPNOTSUPP);
      const err = master.netdev_ops.ndo_del_slave(master, dev);
      if (err !== 0) return { errno: err };
    }
    if (ifindex === 0) return NL_OK;
    const upper = dev.net.__dev_get_by_index(ifindex);
    if (upper === undefined) return refused(Errno.EINVAL);
    return upper.netdev_ops.ndo_add_slave?.(upper, dev) ?? refused(Errno.EOPNOTSUPP);
  }

  /** What a supplicant may say of a link that has a carrier. */
  set_operstate(dev: NetDevice, transition: number): void {
    const { UNKNOWN, TESTING, DORMANT, UP } = IF_OPER;
    const old = dev.operstate;
    if (transition === UP && (old === DORMANT || old === TESTING || old === UNKNOWN)) dev.operstate = UP;
    else if ((transition === TESTING || transition === DORMANT) && (old === UP || old === UNKNOWN)) dev.operstate = transition;
    if (dev.operstate !== old) this.kernel.net.link.netdev_state_change(dev);
  }

  /** `ip link del`. */
  rtnl_dellink(net: Net, request: LinkRequest): NlResult {
    this.kernel.charge(this.kernel.platform.costs.netlink);
    const dev = this.find(net, request);
    if (dev === undefined) return refused(Errno.ENODEV);
    const ops = dev.kind === undefined ? undefined : this.rtnl_link_ops_get(dev.kind);
    if (ops === undefined) return refused(Errno.EOPNOTSUPP);
    this.kernel.net.unregister_netdevice_many(ops.dellink(this.kernel, dev));
    return this.settled(NL_OK);
  }

  /** One link, or why not. */
  rtnl_getlink(net: Net, ref: LinkRef): LinkInfo | NlResult {
    this.kernel.charge(this.kernel.platform.costs.netlink);
    const dev = this.find(net, ref);
    return dev === undefined ? refused(Errno.ENODEV) : this.rtnl_fill_ifinfo(dev);
  }
  /** All links of a namespace, by index. */
  rtnl_dump_ifinfo(net: Net): LinkInfo[] {
    this.kernel.charge(this.kernel.platform.costs.netlink);
    return [...net.devices].sort((a, b) => a.ifindex - b.ifindex).map((dev) => this.rtnl_fill_ifinfo(dev));
  }

  rtnl_fill_ifinfo(dev: NetDevice): LinkInfo {
    const { net: core, netns } = this.kernel;
    const linkNet = (dev.kind === undefined ? undefined : this.rtnl_link_ops_get(dev.kind))?.get_link_net?.(dev);
    const elsewhere = linkNet !== undefined && linkNet !== dev.net;
    const iflink = core.dev_get_iflink(dev);
    return {
      ifindex: dev.ifindex,
      ifname: dev.name,
      flags: core.dev_get_flags(dev),
      type: dev.type,
      mtu: dev.mtu,
      qdisc: dev.qdisc.kind,
      operstate: dev.started ? dev.operstate : IF_OPER.DOWN,
      linkmode: dev.link_mode,
      group: dev.group,
      txqlen: dev.tx_queue_len,
      address: dev.dev_addr,
      broadcast: dev.broadcast,
      perm_address: dev.perm_addr.some((b) => b !== 0) ? dev.perm_addr : undefined,
      link: elsewhere || iflink !== dev.ifindex ? iflink : undefined,
      link_netnsid: elsewhere ? netns.peernet2id_alloc(dev.net, linkNet) : undefined,
      master: dev.master?.ifindex,
      ifalias: dev.ifalias,
      promiscuity: dev.promiscuity,
      allmulti: dev.allmulti,
      min_mtu: dev.min_mtu,
      max_mtu: dev.max_mtu,
      num_tx_queues: dev.num_tx_queues,
      num_rx_queues: dev.num_rx_queues,
      gso_max_size: dev.gso_max_size,
      gso_max_segs: dev.gso_max_segs,
      tso_max_size: dev.tso_max_size,
      tso_max_segs: dev.tso_max_segs,
      gro_max_size: dev.gro_max_size,
      carrier: !dev.nocarrier,
      carrier_up_count: dev.carrier_up_count,
      carrier_down_count: dev.carrier_down_count,
      kind: dev.kind,
      ...this.rtnl_link_fill(dev),
      altnames: dev.altnames.slice(),
      parentbus: dev.parent?.bus.name,
      parentdev: dev.parent?.name,
      addrgenmode: in6Dev(dev)?.cnf.addr_gen_mode ?? 0,
      stats: core.dev_get_stats(dev),
    };
  }

  /** What its kind and its master's kind say of it. */
  private rtnl_link_fill(dev: NetDevice): Pick<LinkInfo, 'data' | 'slaveKind' | 'slaveData'> {
    const data = this.opsOf(dev)?.fill_info?.(dev);
    const master = dev.master === undefined ? undefined : this.opsOf(dev.master);
    const slave = master?.fill_slave_info === undefined ? undefined : master.fill_slave_info(dev.master as NetDevice, dev);
    return {
      ...(data === undefined ? {} : { data }),
      ...(slave === undefined || master === undefined ? {} : { slaveKind: master.kind, slaveData: slave }),
    };
  }
  private opsOf(dev: NetDevice): RtnlLinkOps | undefined {
    return dev.kind === undefined ? undefined : this.rtnl_link_ops_get(dev.kind);
  }

  /** `ip link property add`, `del`: alternative names. */
  rtnl_linkprop(net: Net, ref: LinkRef, add: boolean, names: readonly string[]): NlResult {
    this.kernel.charge(this.kernel.platform.costs.netlink);
    const dev = this.find(net, ref);
    if (dev === undefined) return refused(Errno.ENODEV);
    let changed = false;
    for (const name of names) {
      if (add) {
        if (net.__dev_get_by_name(name) !== undefined) return refused(Errno.EEXIST);
        dev.altnames.push(name);
      } else {
        const at = dev.altnames.indexOf(name);
        if (at < 0) return refused(net.__dev_get_by_name(name) === undefined ? Errno.ENOENT : Errno.EINVAL);
        dev.altnames.splice(at, 1);
      }
      changed = true;
    }
    if (changed) this.kernel.net.link.netdev_state_change(dev);
    return NL_OK;
  }

  /** Tells listeners of the device's namespace about a link. */
  rtmsg_ifinfo(type: 'RTM_NEWLINK' | 'RTM_DELLINK', dev: NetDevice): void {
    if (dev.reg_state !== 'registered' || dev.linkInitializing || !this.listening(dev.net, 'link')) return;
    this.notify(dev.net, 'link', { type, info: this.rtnl_fill_ifinfo(dev) });
  }
  /** The record of a link that is about to go. */
  rtmsg_ifinfo_build(dev: NetDevice): LinkInfo {
    return this.rtnl_fill_ifinfo(dev);
  }

  /** Tells listeners of `group` in `net`. Ask `listening` first where building the record costs. */
  notify(net: Net, group: RtnlGroup, message: RtnlMessage): void {
    for (const s of this.subscriptions.slice()) if (s.net === net && s.groups.has(group)) s.listener.onRtnl(message, net);
  }
  listening(net: Net, group: RtnlGroup): boolean {
    for (const s of this.subscriptions) if (s.net === net && s.groups.has(group)) return true;
    return false;
  }
  subscribe(net: Net, groups: readonly RtnlGroup[], listener: RtnlListener): void {
    this.subscriptions.push({ net, groups: new Set(groups), listener });
  }
  unsubscribe(listener: RtnlListener): void {
    for (let i = this.subscriptions.length - 1; i >= 0; i--)
      if (this.subscriptions[i].listener === listener) this.subscriptions.splice(i, 1);
  }

  /** What the attribute policy refuses before anything is done. */
  validate_linkmsg(r: LinkRequest | undefined): NlResult | undefined {
    if (r === undefined) return undefined;
    const tooLong = (r.ifname ?? '').length > 15 || (r.newname ?? '').length > 15;
    if (tooLong) return refused(Errno.ERANGE, 'Attribute failed policy validation');
    return undefined;
  }

  /** The kworker that link watch woke has run before the requester does anything else. */
  private settled(result: NlResult): NlResult {
    this.kernel.net.link.runQueued();
    return result;
  }

  private find(net: Net, ref: LinkRef): NetDevice | undefined {
    if (ref.ifindex !== undefined && ref.ifindex > 0) return net.__dev_get_by_index(ref.ifindex);
    return ref.ifname === undefined ? undefined : net.__dev_get_by_name(ref.ifname);
  }

  /** Linux: rtnl_dev_combine_flags(): only the flags that the request names change. */
  private flagsOf(dev: NetDevice, r: LinkRequest): number {
    const now = (dev.flags & ~(IFF.PROMISC | IFF.ALLMULTI)) | (dev.gflags & (IFF.PROMISC | IFF.ALLMULTI));
    const change = r.change ?? 0;
    return ((r.flags ?? 0) & change) | (now & ~change);
  }
}
