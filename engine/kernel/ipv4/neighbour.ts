// The neighbour tables of ARP and ndisc: entries, their states and timers (Linux: net/core/neighbour.c).
import { Errno } from '../../base/errno.ts';
import type { Actor } from '../../sim/sim.ts';
import type { Kernel } from '../kernel.ts';
import type { NetDevice } from '../net_device.ts';
import { NUD, NTF, type IpBytes } from '../rtnl_records.ts';
import { NL_OK, type NlResult } from '../rtnetlink.ts';
import { neighOrder } from './neigh_hash.ts';
import {
  NEIGH_OUT,
  NEIGH_UPDATE_F,
  NUD_CONNECTED,
  NUD_IN_TIMER,
  NUD_VALID,
  NeighParms,
  NeighTable,
  Neighbour,
  type NeighProtocol,
  type NeighStatistics,
} from './neigh_table.ts';
import type { SkBuff } from '../skbuff.ts';
import { __skb_push, skb_reset_network_header } from '../skb_inline.ts';

const MS = 1e6;

export class NeighCore implements Actor {
  static readonly inlined: readonly string[] = [
    'neigh_event_send',
    'neigh_output',
    'neigh_hh_output',
    'neigh_add_timer',
    'neigh_max_probes',
  ];
  readonly tables: NeighTable[] = [];
  private nextOrder = 0;

  constructor(readonly kernel: Kernel) {}

  neigh_table_init(family: number, name: string, proto: NeighProtocol, ethertype: number, locktimeMs: number): NeighTable {
    const { platform } = this.kernel;
    const chance = platform.sim.random(`${platform.machine}:${name}:hash`);
    const tbl = new NeighTable(
      family,
      name,
      proto,
      ethertype,
      Uint32Array.from({ length: 4 }, () => (chance.u32() | 1) >>> 0),
      platform.cpus.list.length,
    );
    for (const parms of [tbl.defaults, tbl.blackhole]) {
      parms.locktime_ms = locktimeMs;
      parms.reachable_time_ms = this.neigh_rand_reach_time(parms.base_reachable_time_ms);
    }
    this.tables.push(tbl);
    return tbl;
  }

  /** The running CPU's counters. */
  stat(tbl: NeighTable): NeighStatistics {
    return tbl.stats[this.kernel.platform.cpus.current?.id ?? 0];
  }

  neigh_parms_alloc(dev: NetDevice, tbl: NeighTable): NeighParms {
    const p = Object.assign(new NeighParms(dev), { ...tbl.defaults, dev });
    p.reachable_time_ms = this.neigh_rand_reach_time(p.base_reachable_time_ms);
    tbl.parms.set(dev, p);
    return p;
  }

  neigh_parms_release(dev: NetDevice, tbl: NeighTable): void {
    tbl.parms.delete(dev);
  }

  neigh_rand_reach_time(base: number): number {
    const stream = this.kernel.platform.sim.random(`${this.kernel.platform.machine}:neigh`);
    return base === 0 ? 0 : stream.below(base) + Math.floor(base / 2);
  }

  neigh_lookup(tbl: NeighTable, key: number | string, dev: NetDevice): Neighbour | undefined {
    this.stat(tbl).lookups++;
    const n = tbl.byDev.get(dev)?.get(key);
    if (n !== undefined) this.stat(tbl).hits++;
    return n;
  }

  /** The entry, made when there is none; undefined when the table is full or the protocol refuses. */
  __neigh_create(tbl: NeighTable, key: number | string, addr: IpBytes, dev: NetDevice): Neighbour | undefined {
    if (tbl.entries >= tbl.gc_thresh3 && !this.neigh_forced_gc(tbl)) {
      this.stat(tbl).table_fulls++;
      return undefined;
    }
    const parms = tbl.parms.get(dev);
    if (parms === undefined) return undefined;
    const n = new Neighbour(tbl, key, addr, dev, parms, this.nextOrder++, this);
    n.updated = n.used = this.kernel.now();
    this.stat(tbl).allocs++;
    if (tbl.proto.construct(n) < 0) return undefined;
    n.confirmed = this.kernel.now() - parms.base_reachable_time_ms * 2 * MS;
    let map = tbl.byDev.get(dev);
    if (map === undefined) tbl.byDev.set(dev, (map = new Map()));
    map.set(key, n);
    tbl.entries++;
    return n;
  }

  neigh_forced_gc(tbl: NeighTable): boolean {
    this.stat(tbl).forced_gc_runs++;
    const now = this.kernel.now();
    let freed = 0;
    for (const map of tbl.byDev.values()) {
      for (const n of map.values()) {
        const idle = (n.nud_state & (NUD.PERMANENT | NUD.NOARP)) === 0 && now - n.updated > 5e9 && n.arp_queue.qlen === 0;
        if (n.nud_state === NUD.FAILED || n.nud_state === NUD.NOARP || idle) {
          this.neigh_remove_one(n);
          freed++;
        }
      }
    }
    return freed > 0;
  }

  neigh_remove_one(n: Neighbour): void {
    n.tbl.byDev.get(n.dev)?.delete(n.key);
    n.tbl.entries--;
    this.stat(n.tbl).destroys++;
    n.dead = true;
    this.kernel.timers.del_timer(n.timer);
    this.purge(n);
    this.__neigh_notify(n, 'RTM_DELNEIGH');
    n.output = NEIGH_OUT.BLACKHOLE;
    n.hhValid = false;
    n.nud_state = (n.nud_state & NUD_VALID) !== 0 ? NUD.NOARP : NUD.NONE;
  }

  /** Removes a device's entries; permanent ones too unless told. */
  neigh_flush_dev(tbl: NeighTable, dev: NetDevice, skipPermanent = false): void {
    const map = tbl.byDev.get(dev);
    if (map === undefined) return;
    for (const n of neighOrder(tbl, dev.net, dev)) if (!(skipPermanent && (n.nud_state & NUD.PERMANENT) !== 0)) this.neigh_remove_one(n);
    if (map.size === 0) tbl.byDev.delete(dev);
  }

  neigh_ifdown(tbl: NeighTable, dev: NetDevice): void {
    this.neigh_flush_dev(tbl, dev);
    for (let i = tbl.proxies.length - 1; i >= 0; i--) if (tbl.proxies[i].dev === dev) tbl.proxies.splice(i, 1);
  }

  neigh_carrier_down(tbl: NeighTable, dev: NetDevice): void {
    this.neigh_flush_dev(tbl, dev, true);
  }

  neigh_changeaddr(tbl: NeighTable, dev: NetDevice): void {
    this.neigh_flush_dev(tbl, dev);
  }

  private purge(n: Neighbour): void {
    for (let skb = n.arp_queue.shift(); skb !== undefined; skb = n.arp_queue.shift()) this.kernel.skb.kfree_skb_reason(skb, 'NEIGH_FAILED');
    n.arp_queue_len_bytes = 0;
  }

  neigh_add_timer(n: Neighbour, at: number): void {
    this.kernel.timers.mod_timer(n.timer, at);
  }

  neigh_suspect(n: Neighbour): void {
    n.output = NEIGH_OUT.RESOLVE;
  }
  neigh_connect(n: Neighbour): void {
    n.output = NEIGH_OUT.CONNECTED;
  }

  /** 0: the packet can be sent now. 1: it was queued or dropped. */
  neigh_event_send(n: Neighbour, skb: SkBuff | undefined): number {
    n.used = this.kernel.now();
    if ((n.nud_state & (NUD_CONNECTED | NUD.DELAY | NUD.PROBE)) !== 0) return 0;
    return this.__neigh_event_send(n, skb);
  }

  __neigh_event_send(n: Neighbour, skb: SkBuff | undefined): number {
    const now = this.kernel.now();
    let probeNow = false;
    if (n.dead) {
      if (skb !== undefined) this.kernel.skb.kfree_skb_reason(skb, 'NEIGH_DEAD');
      return 1;
    }
    if ((n.nud_state & (NUD.STALE | NUD.INCOMPLETE)) === 0) {
      if (n.parms.mcast_solicit + n.parms.app_solicit > 0) {
        n.probes = n.parms.ucast_solicit;
        this.kernel.timers.del_timer(n.timer);
        n.nud_state = NUD.INCOMPLETE;
        n.updated = now;
        probeNow = true;
        this.neigh_add_timer(n, now + Math.max(n.parms.retrans_time_ms, 10) * MS);
      } else {
        n.nud_state = NUD.FAILED;
        n.updated = now;
        if (skb !== undefined) this.kernel.skb.kfree_skb_reason(skb, 'NEIGH_FAILED');
        return 1;
      }
    } else if ((n.nud_state & NUD.STALE) !== 0) {
      this.kernel.timers.del_timer(n.timer);
      n.nud_state = NUD.DELAY;
      n.updated = now;
      this.neigh_add_timer(n, now + n.parms.delay_first_probe_time_ms * MS);
    }
    let rc = 0;
    if (n.nud_state === NUD.INCOMPLETE) {
      if (skb !== undefined) this.queueUnresolved(n, skb);
      rc = 1;
    }
    if (probeNow) this.neigh_probe(n);
    return rc;
  }

  private queueUnresolved(n: Neighbour, skb: SkBuff): void {
    while (n.arp_queue_len_bytes + skb.truesize > n.parms.unres_qlen_bytes) {
      const old = n.arp_queue.shift();
      if (old === undefined) break;
      n.arp_queue_len_bytes -= old.truesize;
      this.stat(n.tbl).unres_discards++;
      this.kernel.skb.kfree_skb_reason(old, 'NEIGH_QUEUEFULL');
    }
    n.arp_queue.push(skb);
    n.arp_queue_len_bytes += skb.truesize;
  }

  neigh_probe(n: Neighbour): void {
    n.tbl.proto.solicit(n, n.arp_queue.last);
    n.probes++;
  }

  neigh_max_probes(n: Neighbour): number {
    const p = n.parms;
    return p.ucast_solicit + p.app_solicit + ((n.nud_state & NUD.PROBE) !== 0 ? p.mcast_resolicit : p.mcast_solicit);
  }

  onEvent(_op: number, arg: unknown): void {
    this.neigh_timer_handler(arg as Neighbour);
  }

  neigh_timer_handler(n: Neighbour): void {
    const now = this.kernel.now();
    const p = n.parms;
    let next = now + 1000 * MS;
    let notify = false;
    if ((n.nud_state & NUD_IN_TIMER) === 0) return;
    const delay = p.delay_first_probe_time_ms * MS;
    const reachable = p.reachable_time_ms * MS;
    if ((n.nud_state & NUD.REACHABLE) !== 0) {
      if (now <= n.confirmed + reachable) next = n.confirmed + reachable;
      else if (now <= n.used + delay) {
        n.nud_state = NUD.DELAY;
        n.updated = now;
        this.neigh_suspect(n);
        next = now + delay;
      } else {
        n.nud_state = NUD.STALE;
        n.updated = now;
        this.neigh_suspect(n);
        notify = true;
      }
    } else if ((n.nud_state & NUD.DELAY) !== 0) {
      if (now <= n.confirmed + delay) {
        n.nud_state = NUD.REACHABLE;
        n.updated = now;
        this.neigh_connect(n);
        notify = true;
        next = n.confirmed + reachable;
      } else {
        n.nud_state = NUD.PROBE;
        n.updated = now;
        n.probes = 0;
        notify = true;
        next = now + Math.max(p.retrans_time_ms, 10) * MS;
      }
    } else next = now + Math.max(p.retrans_time_ms, 10) * MS;
    if ((n.nud_state & (NUD.INCOMPLETE | NUD.PROBE)) !== 0 && n.probes >= this.neigh_max_probes(n)) {
      n.nud_state = NUD.FAILED;
      notify = true;
      this.neigh_invalidate(n);
    } else {
      if ((n.nud_state & NUD_IN_TIMER) !== 0) this.neigh_add_timer(n, Math.max(next, now + 10 * MS));
      if ((n.nud_state & (NUD.INCOMPLETE | NUD.PROBE)) !== 0) this.neigh_probe(n);
    }
    if (notify) this.neigh_update_notify(n);
  }

  neigh_invalidate(n: Neighbour): void {
    this.stat(n.tbl).res_failed++;
    n.updated = this.kernel.now();
    while (n.nud_state === NUD.FAILED) {
      const skb = n.arp_queue.shift();
      if (skb === undefined) break;
      n.tbl.proto.error_report(n, skb);
    }
    this.purge(n);
  }

  neigh_update(n: Neighbour, lladdr: Uint8Array | undefined, wanted: number, flags: number): number {
    return this.__neigh_update(n, lladdr, wanted, flags).errno;
  }

  __neigh_update(n: Neighbour, given: Uint8Array | undefined, wanted: number, flags: number): NlResult {
    const now = this.kernel.now();
    const old = n.nud_state;
    let state = wanted;
    let notify = false;
    if (n.dead) return { errno: -Errno.EINVAL, extack: 'Neighbor entry is now dead' };
    if ((flags & NEIGH_UPDATE_F.ADMIN) === 0 && (old & (NUD.NOARP | NUD.PERMANENT)) !== 0) return { errno: -Errno.EPERM };
    if ((flags & NEIGH_UPDATE_F.USE) !== 0) {
      n.nud_state = old & ~NUD.PERMANENT;
      return NL_OK;
    }
    if ((state & NUD_VALID) === 0) {
      this.kernel.timers.del_timer(n.timer);
      if ((old & NUD_CONNECTED) !== 0) this.neigh_suspect(n);
      n.nud_state = state;
      notify = (old & NUD_VALID) !== 0;
      if ((old & (NUD.INCOMPLETE | NUD.PROBE)) !== 0 && (state & NUD.FAILED) !== 0) {
        this.neigh_invalidate(n);
        notify = true;
      }
      if (notify) this.neigh_update_notify(n);
      return NL_OK;
    }
    let same = true;
    if (n.dev.addr_len !== 0) {
      if (given !== undefined) same = (old & NUD_VALID) !== 0 && equalBytes(given, n.ha);
      else if ((old & NUD_VALID) === 0) return { errno: -Errno.EINVAL, extack: 'No link layer address given' };
    }
    if ((state & NUD_CONNECTED) !== 0) n.confirmed = now;
    if ((old & NUD_VALID) !== 0) {
      if (!same && (flags & NEIGH_UPDATE_F.OVERRIDE) === 0) {
        if ((flags & NEIGH_UPDATE_F.WEAK_OVERRIDE) === 0 || (old & NUD_CONNECTED) === 0) return NL_OK;
        same = true;
        state = NUD.STALE;
      } else if (same && state === NUD.STALE && (flags & NEIGH_UPDATE_F.ADMIN) === 0) state = old;
    }
    if (state !== old || !same) n.updated = now;
    if (state !== old) {
      this.kernel.timers.del_timer(n.timer);
      if ((state & NUD.PROBE) !== 0) n.probes = 0;
      if ((state & NUD_IN_TIMER) !== 0) this.neigh_add_timer(n, now + ((state & NUD.REACHABLE) !== 0 ? n.parms.reachable_time_ms * MS : 0));
      n.nud_state = state;
      notify = true;
    }
    if (!same && given !== undefined) {
      n.ha.set(given);
      n.hhValid = false;
      if ((state & NUD_CONNECTED) === 0) n.confirmed = now - n.parms.base_reachable_time_ms * 2 * MS;
      notify = true;
    }
    if (state !== old) {
      if ((state & NUD_CONNECTED) !== 0) this.neigh_connect(n);
      else this.neigh_suspect(n);
      if ((old & NUD_VALID) === 0) this.flushQueue(n);
    }
    if ((flags & NEIGH_UPDATE_F.OVERRIDE_ISROUTER) !== 0) {
      const was = n.flags & NTF.ROUTER;
      n.flags = (flags & NEIGH_UPDATE_F.ISROUTER) !== 0 ? n.flags | NTF.ROUTER : n.flags & ~NTF.ROUTER;
      if ((n.flags & NTF.ROUTER) !== was) notify = true;
    }
    if (notify) this.neigh_update_notify(n);
    return NL_OK;
  }

  private flushQueue(n: Neighbour): void {
    while ((n.nud_state & NUD_VALID) !== 0) {
      const skb = n.arp_queue.shift();
      if (skb === undefined) break;
      this.neigh_output(n, skb);
    }
    this.purge(n);
  }

  /** Sends an IP packet through the entry. Consumes the skb. */
  neigh_output(n: Neighbour, skb: SkBuff): number {
    if ((n.nud_state & NUD_CONNECTED) !== 0 && n.hhValid) return this.neigh_hh_output(n, skb);
    switch (n.output) {
      case NEIGH_OUT.RESOLVE:
        return this.neigh_resolve_output(n, skb);
      case NEIGH_OUT.CONNECTED:
        return this.neigh_connected_output(n, skb);
      case NEIGH_OUT.DIRECT:
        return this.neigh_direct_output(n, skb);
      default:
        this.kernel.skb.kfree_skb_reason(skb, 'NEIGH_DEAD');
        return -Errno.ENETDOWN;
    }
  }

  neigh_hh_output(n: Neighbour, skb: SkBuff): number {
    n.hh.copyTo(0, this.kernel.skb.ram, __skb_push(skb, 14), 14);
    return this.kernel.net.xmit.dev_queue_xmit(skb);
  }

  neigh_direct_output(_n: Neighbour, skb: SkBuff): number {
    return this.kernel.net.xmit.dev_queue_xmit(skb);
  }

  neigh_connected_output(n: Neighbour, skb: SkBuff): number {
    skb_reset_network_header(skb);
    this.kernel.charge(this.kernel.platform.costs.neigh);
    this.neigh_hh_init(n);
    return this.neigh_hh_output(n, skb);
  }

  neigh_resolve_output(n: Neighbour, skb: SkBuff): number {
    this.kernel.charge(this.kernel.platform.costs.neigh);
    if (this.neigh_event_send(n, skb) !== 0) return 0;
    skb_reset_network_header(skb);
    if (n.dev.addr_len !== 0) {
      this.neigh_hh_init(n);
      return this.neigh_hh_output(n, skb);
    }
    return this.kernel.net.xmit.dev_queue_xmit(skb);
  }

  neigh_hh_init(n: Neighbour): void {
    if (n.hhValid) return;
    n.hh.bytes.set(n.ha, 0);
    n.hh.bytes.set(n.dev.dev_addr, 6);
    n.hh.setU16be(12, n.tbl.ethertype);
    n.hhValid = true;
  }

  neigh_update_notify(n: Neighbour): void {
    this.__neigh_notify(n, 'RTM_NEWNEIGH');
  }

  __neigh_notify(n: Neighbour, type: 'RTM_NEWNEIGH' | 'RTM_DELNEIGH'): void {
    const { rtnl } = this.kernel;
    const { net } = n.dev;
    if (rtnl.listening(net, 'neigh')) rtnl.notify(net, 'neigh', { type, info: this.kernel.ipv4.rtnlNeigh.neigh_fill_info(n) });
  }
}

function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return a.length === b.length;
}
