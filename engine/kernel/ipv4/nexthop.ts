// Next hop objects: named next hops and groups of them that routes refer to (Linux: net/ipv4/nexthop.c). IPv4 only.
import { Errno } from '../../base/errno.ts';
import type { Kernel } from '../kernel.ts';
import { IFF, type NetDevice } from '../net_device.ts';
import type { Net } from '../net_namespace.ts';
import type { NetdevEvent } from '../netdev_events.ts';
import { NL_OK, type NlResult } from '../rtnetlink.ts';
import { AF, NLM_F, RTNH_F, RT_TABLE, type NexthopObject } from '../rtnl_records.ts';
import { v4bytes, v4number } from './arp.ts';
import { FibNh, type FibInfo } from './fib_table.ts';
import { ipv4Net } from './ipv4_net.ts';

/** One object: a next hop, nothing at all (blackhole), or a group. */
export class Nexthop {
  nh: FibNh | undefined;
  /** Members and their weights, in the order given. */
  group: { readonly id: number; readonly weight: number }[] | undefined;
  blackhole = false;
  protocol = 0;
  constructor(readonly id: number) {}
}

const fail = (errno: number, extack?: string): NlResult => (extack === undefined ? { errno: -errno } : { errno: -errno, extack });

export class Nexthops {
  constructor(readonly kernel: Kernel) {}

  nexthop_find_by_id(net: Net, id: number): Nexthop | undefined {
    return ipv4Net(net).nexthops.get(id);
  }

  rtm_new_nexthop(net: Net, req: NexthopObject, nlflags: number): NlResult {
    this.kernel.charge(this.kernel.platform.costs.netlink);
    const { nexthops } = ipv4Net(net);
    const id = req.id !== 0 ? req.id : this.nh_find_unused_id(net);
    const made = req.group === undefined ? this.nexthop_create(net, id, req) : this.nexthop_create_group(net, id, req);
    if (!(made instanceof Nexthop)) return made;
    made.protocol = req.protocol;
    const old = nexthops.get(id);
    if (old === undefined && (nlflags & NLM_F.CREATE) === 0) return fail(Errno.ENOENT);
    if (old !== undefined) {
      if ((nlflags & NLM_F.REPLACE) === 0) return fail(Errno.EEXIST);
      if ((old.group === undefined) !== (made.group === undefined))
        return fail(
          Errno.EINVAL,
          old.group === undefined ? 'Can not replace a nexthop with a nexthop group.' : 'Can not replace a nexthop group with a nexthop.',
        );
      Object.assign(old, { nh: made.nh, group: made.group, blackhole: made.blackhole, protocol: made.protocol });
      this.rebuild(net, id);
      return NL_OK;
    }
    nexthops.set(id, made);
    return NL_OK;
  }

  private nh_find_unused_id(net: Net): number {
    const { nexthops } = ipv4Net(net);
    let id = 1;
    while (nexthops.has(id)) id++;
    return id;
  }

  private nexthop_create(net: Net, id: number, req: NexthopObject): Nexthop | NlResult {
    const made = new Nexthop(id);
    if (req.blackhole) {
      made.blackhole = true;
      return made;
    }
    const dev = req.oif === 0 ? undefined : net.__dev_get_by_index(req.oif);
    if (req.oif === 0) return fail(Errno.EINVAL, 'Device attribute required for non-blackhole and non-fdb nexthops');
    if (dev === undefined) return fail(Errno.ENODEV, 'Invalid device index');
    if ((dev.flags & IFF.UP) === 0) return fail(Errno.ENETDOWN, 'Nexthop device is not up');
    if (!this.kernel.net.link.netif_carrier_ok(dev)) return fail(Errno.ENETDOWN, 'Carrier for nexthop device is down');
    const nh = new FibNh(req.oif);
    nh.gw = req.gateway === undefined ? 0 : v4number(req.gateway);
    nh.flags = req.flags & RTNH_F.ONLINK;
    const checked = this.kernel.ipv4.fib.semantics.fib_check_nh(net, nh, RT_TABLE.MAIN, 0);
    if (checked.errno !== 0) return checked;
    made.nh = nh;
    return made;
  }

  private nexthop_create_group(net: Net, id: number, req: NexthopObject): Nexthop | NlResult {
    const { nexthops } = ipv4Net(net);
    const members = req.group ?? [];
    const seen = new Set<number>();
    for (const m of members) {
      if (seen.has(m.id)) return fail(Errno.EINVAL, 'Nexthop id can not be used twice in a group');
      seen.add(m.id);
    }
    for (const m of members) {
      const found = nexthops.get(m.id);
      if (found === undefined) return fail(Errno.EINVAL, 'Invalid nexthop id');
      if (found.group !== undefined) return fail(Errno.EINVAL, 'Multipath group can not be a nexthop within a group');
      if (found.blackhole && members.length > 1)
        return fail(Errno.EINVAL, 'Blackhole nexthop can not be used in a group with more than 1 path');
    }
    const made = new Nexthop(id);
    made.group = members.map((m) => ({ id: m.id, weight: m.weight }));
    return made;
  }

  /** What a route that refers to the object sends to; empty for a blackhole. */
  pathsOf(net: Net, object: Nexthop): FibNh[] {
    if (object.group === undefined) return object.nh === undefined ? [] : [object.nh];
    const paths: FibNh[] = [];
    for (const { id, weight } of object.group) {
      const member = this.nexthop_find_by_id(net, id)?.nh;
      if (member === undefined) continue;
      const nh = Object.assign(new FibNh(member.oif), { flags: member.flags, scope: member.scope, gw: member.gw, dev: member.dev });
      nh.weight = weight;
      paths.push(nh);
    }
    return paths;
  }

  /** Routes that use the object, or a group with it, follow its change. */
  private rebuild(net: Net, id: number): void {
    for (const info of this.users(net, id)) {
      const object = this.nexthop_find_by_id(net, info.nhid);
      if (object !== undefined) info.nhs.splice(0, info.nhs.length, ...this.pathsOf(net, object));
    }
    this.kernel.ipv4.fib.rt_cache_flush(net);
  }

  private users(net: Net, id: number): FibInfo[] {
    const { nexthops, fibInfos } = ipv4Net(net);
    return fibInfos.filter((i) => i.nhid === id || (i.nhid !== 0 && nexthops.get(i.nhid)?.group?.some((m) => m.id === id) === true));
  }

  rtm_del_nexthop(net: Net, id: number): NlResult {
    this.kernel.charge(this.kernel.platform.costs.netlink);
    if (!ipv4Net(net).nexthops.has(id)) return fail(Errno.ENOENT);
    this.remove_nexthop(net, id);
    return NL_OK;
  }

  /** The object goes, and with it its routes, its place in groups, and groups that are left empty. */
  remove_nexthop(net: Net, id: number): void {
    const { nexthops, fibInfos } = ipv4Net(net);
    nexthops.delete(id);
    for (const info of fibInfos) if (info.nhid === id) info.flags |= RTNH_F.DEAD;
    for (const object of [...nexthops.values()]) {
      if (object.group?.some((m) => m.id === id) !== true) continue;
      object.group = object.group.filter((m) => m.id !== id);
      if (object.group.length === 0) this.remove_nexthop(net, object.id);
      else this.rebuild(net, object.id);
    }
    this.kernel.ipv4.fib.fib_flush(net);
  }

  /** Devices that go down, lose their link or go away take their next hops with them. */
  nh_netdev_event(event: NetdevEvent, dev: NetDevice): void {
    const gone =
      event === 'NETDEV_DOWN' ||
      event === 'NETDEV_UNREGISTER' ||
      (event === 'NETDEV_CHANGE' && (this.kernel.net.dev_get_flags(dev) & (IFF.RUNNING | IFF.LOWER_UP)) === 0);
    const { nexthops } = ipv4Net(dev.net);
    if (!gone || nexthops.size === 0) return;
    for (const object of [...nexthops.values()]) if (object.nh?.dev === dev) this.remove_nexthop(dev.net, object.id);
  }

  nh_fill_node(object: Nexthop): NexthopObject {
    const { nh, group } = object;
    return {
      family: group === undefined ? AF.INET : AF.UNSPEC,
      id: object.id,
      oif: nh?.oif ?? 0,
      ...(nh === undefined || nh.gw === 0 ? {} : { gateway: v4bytes(nh.gw) }),
      scope: nh?.scope ?? 0,
      flags: nh?.flags ?? 0,
      blackhole: object.blackhole,
      protocol: object.protocol,
      ...(group === undefined ? {} : { group }),
    };
  }

  /** In the order of ids. */
  rtm_dump_nexthop(net: Net): NexthopObject[] {
    return [...ipv4Net(net).nexthops.values()].sort((a, b) => a.id - b.id).map((n) => this.nh_fill_node(n));
  }
}
