// rtnetlink for neighbours of both families (Linux: net/core/neighbour.c).
import { Errno } from '../../base/errno.ts';
import type { Kernel } from '../kernel.ts';
import type { Net } from '../net_namespace.ts';
import { AF, NLM_F, NTF, NUD, type NeighInfo, type NeighRequest, type NeighTableInfo } from '../rtnl_records.ts';
import { NL_OK, type NlResult } from '../rtnetlink.ts';
import { neighOrder } from './neigh_hash.ts';
import { v6key } from '../ipv6/in6.ts';
import { v4number } from './arp.ts';
import { NEIGH_UPDATE_F, NUD_VALID, QLEN_TRUESIZE, type NeighParms, type NeighTable, type Neighbour } from './neigh_table.ts';

export class RtnlNeigh {
  constructor(readonly kernel: Kernel) {}

  private table(family: number): NeighTable | undefined {
    return this.kernel.ipv4.neigh.tables.find((t) => t.family === family);
  }

  private keyOf(tbl: NeighTable, dst: Uint8Array): number | string {
    return tbl.family === AF.INET ? v4number(dst) : v6key(dst);
  }

  neigh_add(net: Net, req: NeighRequest): NlResult {
    this.kernel.charge(this.kernel.platform.costs.netlink);
    const { neigh } = this.kernel.ipv4;
    const dev = req.ifindex === 0 ? undefined : net.__dev_get_by_index(req.ifindex);
    if (req.ifindex !== 0 && dev === undefined) return { errno: -Errno.ENODEV };
    if (dev !== undefined && req.lladdr !== undefined && req.lladdr.length < dev.addr_len)
      return { errno: -Errno.EINVAL, extack: 'Invalid link address' };
    const tbl = this.table(req.family);
    if (tbl === undefined) return { errno: -Errno.EAFNOSUPPORT };
    if (req.dst.length < (tbl.family === AF.INET ? 4 : 16)) return { errno: -Errno.EINVAL, extack: 'Invalid network address' };
    if ((req.flags & NTF.PROXY) !== 0) {
      if (!tbl.proxies.some((p) => p.net === net && p.dev === dev && equal(p.addr, req.dst)))
        tbl.proxies.push({ net, dev, addr: req.dst, flags: req.flags });
      return NL_OK;
    }
    if (dev === undefined) return { errno: -Errno.EINVAL, extack: 'Device not specified' };
    let flags = NEIGH_UPDATE_F.OVERRIDE | NEIGH_UPDATE_F.OVERRIDE_ISROUTER;
    let n = neigh.neigh_lookup(tbl, this.keyOf(tbl, req.dst), dev);
    if (n === undefined) {
      if ((req.nlflags & NLM_F.CREATE) === 0) return { errno: -Errno.ENOENT };
      n = neigh.__neigh_create(tbl, this.keyOf(tbl, req.dst), req.dst.slice(), dev);
      if (n === undefined) return { errno: -Errno.ENOBUFS };
    } else {
      if ((req.nlflags & NLM_F.EXCL) !== 0) return { errno: -Errno.EEXIST };
      if ((req.nlflags & NLM_F.REPLACE) === 0) flags &= ~(NEIGH_UPDATE_F.OVERRIDE | NEIGH_UPDATE_F.OVERRIDE_ISROUTER);
    }
    if (req.protocol !== undefined) n.protocol = req.protocol;
    let all: number = flags | NEIGH_UPDATE_F.ADMIN;
    if ((req.flags & NTF.ROUTER) !== 0) all |= NEIGH_UPDATE_F.ISROUTER;
    if ((req.flags & NTF.USE) !== 0) all |= NEIGH_UPDATE_F.USE;
    if ((req.flags & NTF.EXT_LEARNED) !== 0) n.flags |= NTF.EXT_LEARNED;
    const result = neigh.__neigh_update(n, req.lladdr, req.state, all);
    if (result.errno === 0 && (req.flags & NTF.USE) !== 0) neigh.neigh_event_send(n, undefined);
    // an entry that got no address stays, as unusable as it was made
    return result;
  }

  neigh_delete(net: Net, req: NeighRequest): NlResult {
    this.kernel.charge(this.kernel.platform.costs.netlink);
    const { neigh } = this.kernel.ipv4;
    const tbl = this.table(req.family);
    if (tbl === undefined) return { errno: -Errno.EAFNOSUPPORT };
    const dev = req.ifindex === 0 ? undefined : net.__dev_get_by_index(req.ifindex);
    if (req.ifindex !== 0 && dev === undefined) return { errno: -Errno.ENODEV };
    if ((req.flags & NTF.PROXY) !== 0) {
      const at = tbl.proxies.findIndex((p) => p.net === net && p.dev === dev && equal(p.addr, req.dst));
      if (at < 0) return { errno: -Errno.ENOENT };
      tbl.proxies.splice(at, 1);
      return NL_OK;
    }
    if (dev === undefined) return { errno: -Errno.EINVAL };
    const n = neigh.neigh_lookup(tbl, this.keyOf(tbl, req.dst), dev);
    if (n === undefined) return { errno: -Errno.ENOENT };
    const result = neigh.__neigh_update(n, undefined, NUD.FAILED, NEIGH_UPDATE_F.OVERRIDE | NEIGH_UPDATE_F.ADMIN);
    neigh.neigh_remove_one(n);
    return result;
  }

  neigh_get(net: Net, req: NeighRequest): NeighInfo | NlResult {
    const tbl = this.table(req.family);
    if (tbl === undefined) return { errno: -Errno.EAFNOSUPPORT, extack: 'Unsupported family in header for neighbor get request' };
    const dev = req.ifindex === 0 ? undefined : net.__dev_get_by_index(req.ifindex);
    if (req.ifindex !== 0 && dev === undefined) return { errno: -Errno.ENODEV, extack: 'Unknown device ifindex' };
    if ((req.flags & NTF.PROXY) !== 0) {
      const found = this.neigh_dump_info(net, req.family, true).find((p) => p.ifindex === req.ifindex && equal(p.dst, req.dst));
      return found ?? { errno: -Errno.ENOENT, extack: 'Proxy neighbour entry not found' };
    }
    if (dev === undefined) return { errno: -Errno.EINVAL, extack: 'No device specified' };
    const n = this.kernel.ipv4.neigh.neigh_lookup(tbl, this.keyOf(tbl, req.dst), dev);
    return n === undefined ? { errno: -Errno.ENOENT, extack: 'Neighbour entry not found' } : this.neigh_fill_info(n);
  }

  neigh_fill_info(n: Neighbour): NeighInfo {
    const now = this.kernel.now();
    const ago = (t: number): number => Math.max(0, Math.floor((now - t) / 1e7));
    return {
      family: n.tbl.family,
      ifindex: n.dev.ifindex,
      state: n.nud_state,
      flags: n.flags,
      type: n.type,
      dst: n.addr,
      ...((n.nud_state & NUD_VALID) !== 0 ? { lladdr: n.ha.slice(0, n.dev.addr_len) } : {}),
      probes: n.probes,
      cacheinfo: { confirmed: ago(n.confirmed), used: ago(n.used), updated: ago(n.updated), refcnt: (n.nud_state & 0x1b) !== 0 ? 1 : 0 },
      ...(n.protocol === 0 ? {} : { protocol: n.protocol }),
    };
  }

  /** Entries of a family (0: both) in the order of the kernel's hash chains; `proxy` dumps the proxy entries instead. */
  neigh_dump_info(net: Net, family: number, proxy = false): NeighInfo[] {
    const out: NeighInfo[] = [];
    for (const tbl of this.kernel.ipv4.neigh.tables) {
      if (family !== 0 && tbl.family !== family) continue;
      if (proxy) {
        for (const p of tbl.proxies)
          if (p.net === net)
            out.push({
              family: tbl.family,
              ifindex: p.dev?.ifindex ?? 0,
              state: NUD.NONE,
              flags: p.flags | NTF.PROXY,
              type: 1,
              dst: p.addr,
            });
        continue;
      }
      for (const n of neighOrder(tbl, net)) out.push(this.neigh_fill_info(n));
    }
    return out;
  }

  neightbl_dump_info(net: Net, family: number): NeighTableInfo[] {
    const out: NeighTableInfo[] = [];
    for (const tbl of this.kernel.ipv4.neigh.tables) {
      if (family !== 0 && tbl.family !== family) continue;
      const one = (p: NeighParms, refcnt: number): NeighTableInfo => ({
        family: tbl.family,
        name: tbl.name,
        refcnt,
        reachable_time: p.reachable_time_ms,
        base_reachable_time: p.base_reachable_time_ms,
        retrans_time: p.retrans_time_ms,
        gc_staletime: p.gc_stale_time_ms,
        delay_probe_time: p.delay_first_probe_time_ms,
        queue_len: Math.floor(p.unres_qlen_bytes / QLEN_TRUESIZE),
        queue_lenbytes: p.unres_qlen_bytes,
        app_probes: p.app_solicit,
        ucast_probes: p.ucast_solicit,
        mcast_probes: p.mcast_solicit,
        anycast_delay: p.anycast_delay_ms,
        proxy_delay: p.proxy_delay_ms,
        proxy_qlen: p.proxy_qlen,
        locktime: p.locktime_ms,
      });
      out.push({
        ...one(tbl.defaults, 1),
        thresh1: tbl.gc_thresh1,
        thresh2: tbl.gc_thresh2,
        thresh3: tbl.gc_thresh3,
        gc_interval: tbl.gc_interval_ms,
      });
      const parms = [...tbl.parms.values()].filter((p) => p.dev?.net === net).reverse();
      // blackhole_netdev was there before lo for ndisc, and came after it for ARP
      if (net === this.kernel.init_net) parms.splice(tbl.family === AF.INET ? parms.length - 1 : parms.length, 0, tbl.blackhole);
      for (const p of parms) {
        const users = p.dev === undefined ? 0 : (tbl.byDev.get(p.dev)?.size ?? 0);
        out.push({ ...one(p, 1 + users), ifindex: p.dev?.ifindex ?? 0 });
      }
    }
    return out;
  }
}

const equal = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && a.every((v, i) => v === b[i]);
