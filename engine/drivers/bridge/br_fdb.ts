// A bridge's table of addresses: learned, aged out, configured (Linux: net/bridge/br_fdb.c; IEEE 802.1D §7.8, §7.9).
import { Errno } from '../../base/errno.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import type { NetDevice } from '../../kernel/net_device.ts';
import { NTF, NUD } from '../../kernel/rtnl_records.ts';
import type { FdbInfo, FdbRequest } from '../../kernel/rtnl_link_kinds.ts';
import type { NlResult } from '../../kernel/rtnetlink.ts';
import type { Actor } from '../../sim/sim.ts';
import { TimerList } from '../../kernel/timer.ts';
import { bridgeOf, FdbEntry, macNumber, type NetBridge, type NetBridgePort } from './br_private.ts';

const OP_GC = 0;

export class BrFdb implements Actor {
  private readonly timers = new Map<NetBridge, TimerList>();
  constructor(readonly kernel: Kernel) {}

  fdb_find(br: NetBridge, mac: number, vid: number): FdbEntry | undefined {
    return br.fdbByVid.get(vid)?.get(mac);
  }

  private insert(br: NetBridge, entry: FdbEntry): FdbEntry {
    entry.updated = this.kernel.now();
    br.fdb.unshift(entry);
    let byMac = br.fdbByVid.get(entry.vid);
    if (byMac === undefined) br.fdbByVid.set(entry.vid, (byMac = new Map()));
    byMac.set(macNumber(entry.mac), entry);
    if (!entry.isStatic) this.arm(br);
    return entry;
  }
  fdb_delete(br: NetBridge, entry: FdbEntry): void {
    br.fdb.splice(br.fdb.indexOf(entry), 1);
    br.fdbByVid.get(entry.vid)?.delete(macNumber(entry.mac));
  }

  /** Where the source of a packet lives. */
  br_fdb_update(br: NetBridge, source: NetBridgePort, mac: Uint8Array, vid: number): void {
    const known = this.fdb_find(br, macNumber(mac), vid);
    if (known === undefined) {
      this.insert(br, new FdbEntry(mac.slice(), vid, source, false, false, false));
      return;
    }
    if (known.local) {
      const addr = Array.from(mac, (b) => b.toString(16).padStart(2, '0')).join(':');
      this.kernel.printk.pr_warn(
        `${br.dev.name}: received packet on ${source.dev.name} with own address as source address (addr:${addr}, vlan:${vid})`,
      );
      return;
    }
    known.updated = this.kernel.now();
    if (known.dst !== source) known.dst = source;
  }

  /** An address of this host; nothing when it is there. */
  br_fdb_add_local(br: NetBridge, source: NetBridgePort | undefined, mac: Uint8Array, vid: number): void {
    const known = this.fdb_find(br, macNumber(mac), vid);
    if (known?.local === true) return;
    if (known !== undefined) this.fdb_delete(br, known);
    this.insert(br, new FdbEntry(mac.slice(), vid, source, true, true, false));
  }
  /** The port's entries of one VLAN, its own address too. */
  br_fdb_delete_by_port(br: NetBridge, port: NetBridgePort, which: { readonly vid?: number; readonly all: boolean }): void {
    for (const entry of br.fdb.slice()) {
      if (entry.dst !== port || (which.vid !== undefined && entry.vid !== which.vid)) continue;
      if (!which.all && entry.isStatic) continue;
      this.fdb_delete(br, entry);
    }
    if (which.all && which.vid === undefined) this.handOver(br);
  }
  /** A port that left may have carried the address of another: that one is known again. */
  private handOver(br: NetBridge): void {
    for (const port of br.ports) {
      this.br_fdb_add_local(br, port, port.dev.dev_addr, 0);
      for (const vid of port.vlans.vlans.keys()) this.br_fdb_add_local(br, port, port.dev.dev_addr, vid);
    }
  }
  /** A port's device has another address. */
  br_fdb_changeaddr(br: NetBridge, port: NetBridgePort): void {
    for (const entry of br.fdb.slice()) if (entry.dst === port && entry.local && !entry.addedByUser) this.fdb_delete(br, entry);
    this.handOver(br);
  }
  br_fdb_flush(br: NetBridge): void {
    const timer = this.timers.get(br);
    if (timer !== undefined) this.kernel.timers.del_timer(timer);
    this.timers.delete(br);
    br.fdb.length = 0;
    br.fdbByVid.clear();
  }

  /** Runs when the oldest learned entry may have come to its end. */
  private arm(br: NetBridge): void {
    let timer = this.timers.get(br);
    if (timer === undefined) this.timers.set(br, (timer = new TimerList(this, OP_GC, br)));
    if (!this.kernel.timers.timer_pending(timer)) this.kernel.timers.startIn(timer, br.ageing_time);
  }
  onEvent(_op: number, arg: unknown): void {
    this.br_fdb_cleanup(arg as NetBridge);
  }
  br_fdb_cleanup(br: NetBridge): void {
    const now = this.kernel.now();
    let next = Infinity;
    for (const entry of br.fdb.slice()) {
      if (entry.isStatic) continue;
      if (entry.updated + br.ageing_time <= now) this.fdb_delete(br, entry);
      else next = Math.min(next, entry.updated + br.ageing_time);
    }
    const timer = this.timers.get(br);
    if (timer !== undefined && next !== Infinity) this.kernel.timers.mod_timer(timer, next);
  }
  /** The ageing time was changed: the next look comes at once. */
  rearm(br: NetBridge): void {
    this.br_fdb_cleanup(br);
  }

  /** Entries that `port` (undefined: the bridge itself) has. */
  br_fdb_dump(br: NetBridge, port: NetBridgePort | undefined): FdbInfo[] {
    const dev = port?.dev ?? br.dev;
    return br.fdb
      .filter((e) => e.dst === port)
      .map((e) => ({
        ifindex: dev.ifindex,
        mac: e.mac,
        vlan: e.vid === 0 ? undefined : e.vid,
        master: br.dev.ifindex,
        state: e.local ? NUD.PERMANENT : e.isStatic ? NUD.NOARP : NUD.REACHABLE,
        flags: 0,
        updated: this.kernel.now() - e.updated,
      }));
  }

  /** `bridge fdb add|replace|del … master`, on a port or on the bridge. */
  br_fdb_add(dev: NetDevice, r: FdbRequest): NlResult {
    const br = dev.master === undefined ? bridgeOf(dev) : bridgeOf(dev.master);
    const port = br.ports.find((p) => p.dev === dev);
    if ((r.state & (NUD.PERMANENT | NUD.NOARP | NUD.REACHABLE)) === 0) return { errno: -Errno.EINVAL };
    const group = port?.vlans ?? br.vlans;
    const vids = r.vlan !== undefined ? [r.vlan] : [0, ...group.vlans.keys()];
    if (r.vlan !== undefined && !group.vlans.has(r.vlan)) return { errno: -Errno.EINVAL };
    for (const vid of vids) {
      const known = this.fdb_find(br, macNumber(r.mac), vid);
      if (known !== undefined && r.exclusive) return { errno: -Errno.EEXIST };
      if (known === undefined && !r.create) return { errno: -Errno.ENOENT };
      if (known !== undefined) this.fdb_delete(br, known);
      const local = (r.state & NUD.PERMANENT) !== 0;
      this.insert(br, new FdbEntry(r.mac.slice(), vid, port, local, local || (r.state & NUD.NOARP) !== 0, (r.flags & NTF.USE) === 0));
    }
    return { errno: 0 };
  }
  br_fdb_delete(dev: NetDevice, r: FdbRequest): NlResult {
    const br = dev.master === undefined ? bridgeOf(dev) : bridgeOf(dev.master);
    const port = br.ports.find((p) => p.dev === dev);
    const found = br.fdb.filter(
      (e) => e.dst === port && macNumber(e.mac) === macNumber(r.mac) && (r.vlan === undefined || e.vid === r.vlan),
    );
    for (const entry of found) this.fdb_delete(br, entry);
    return { errno: found.length === 0 ? -Errno.ENOENT : 0 };
  }
}
