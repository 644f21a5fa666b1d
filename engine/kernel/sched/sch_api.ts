// rtnetlink's half of traffic control: qdiscs and classes made, changed, replaced, removed and listed (Linux: net/sched/sch_api.c).
import { Errno } from '../../base/errno.ts';
import type { NetDevice } from '../net_device.ts';
import { NL_OK, type NlResult } from '../rtnetlink.ts';
import {
  invalid,
  type Qdisc,
  type QdiscInfo,
  TC_H_INGRESS,
  TC_H_MAJ,
  TC_H_MAKE,
  TC_H_MIN,
  TC_H_ROOT,
  type TcAttrs,
  type TclassInfo,
} from './qdisc.ts';
import { QDISC_KINDS } from './qdisc_kinds.ts';
import type { SchedCore } from './sch_generic.ts';

/** NLM_F_CREATE | NLM_F_EXCL, NLM_F_CREATE | NLM_F_REPLACE, none, NLM_F_REPLACE */
export type TcCommand = 'add' | 'replace' | 'change' | 'link';

export interface QdiscRequest {
  readonly command: TcCommand;
  readonly dev: NetDevice;
  /** 0: not given. */
  readonly parent: number;
  readonly handle: number;
  readonly kind: string | undefined;
  readonly options: TcAttrs | undefined;
}
export interface ClassRequest {
  readonly command: TcCommand | 'delete';
  readonly dev: NetDevice;
  readonly parent: number;
  readonly classid: number;
  readonly options: TcAttrs | undefined;
}

const error = (errno: number, extack: string): NlResult => ({ errno: -errno, extack });
const failed = (r: Qdisc | NlResult | undefined): r is NlResult => r !== undefined && 'errno' in r;

export class SchedApi {
  /** Handles for those who name none: 8001:, 8002: … for all devices. */
  private autohandle = 0x80000000;

  constructor(readonly sched: SchedCore) {}

  qdisc_hash_add(q: Qdisc): void {
    if (q.parent !== TC_H_ROOT && !q.ingress && !q.dev.qdisc_hash.includes(q)) q.dev.qdisc_hash.unshift(q);
  }
  qdisc_hash_del(q: Qdisc): void {
    const list = q.dev.qdisc_hash;
    const at = list.indexOf(q);
    if (at >= 0) list.splice(at, 1);
  }

  qdisc_lookup(dev: NetDevice, handle: number): Qdisc | undefined {
    if (handle === 0) return undefined;
    if (dev.qdisc.handle === handle && !dev.qdisc.builtin) return dev.qdisc;
    return dev.qdisc_hash.find((q) => q.handle === handle) ?? (dev.ingress_qdisc?.handle === handle ? dev.ingress_qdisc : undefined);
  }

  qdisc_leaf(p: Qdisc, classid: number): Qdisc | NlResult | undefined {
    if (!p.classful) return { errno: 0 };
    return p.cl_find(classid) ? p.cl_leaf(classid) : { errno: 0 };
  }

  tc_modify_qdisc(r: QdiscRequest): NlResult {
    const { dev, parent: clid, handle } = r;
    const create = r.command === 'add' || r.command === 'replace';
    const replace = r.command === 'replace' || r.command === 'link';
    let p: Qdisc | undefined;
    let q: Qdisc | undefined;
    if (clid === 0) {
      if (handle === 0) return error(Errno.EINVAL, 'Handle cannot be zero');
      q = this.qdisc_lookup(dev, handle);
    } else {
      if (clid === TC_H_ROOT) q = dev.qdisc;
      else if (clid === TC_H_INGRESS) q = dev.ingress_qdisc;
      else {
        p = this.qdisc_lookup(dev, TC_H_MAJ(clid));
        if (p === undefined) return error(Errno.ENOENT, 'Failed to find specified qdisc');
        const leaf = this.qdisc_leaf(p, clid);
        q = failed(leaf) ? undefined : leaf;
      }
      if (q?.handle === 0) q = undefined;
      if (q === undefined || handle === 0 || q.handle !== handle) {
        if (handle !== 0) {
          if (q !== undefined && !replace) return error(Errno.EEXIST, 'NLM_F_REPLACE needed to override');
          if (TC_H_MIN(handle) !== 0) return error(Errno.EINVAL, 'Invalid minor handle');
          q = this.qdisc_lookup(dev, handle);
          if (q === undefined) return this.createAndGraft(r, p);
          if (r.command === 'add') return error(Errno.EEXIST, 'Exclusivity flag on, cannot override');
          if (r.kind !== undefined && r.kind !== q.kind) return error(Errno.EINVAL, 'Invalid qdisc name: must match existing qdisc');
          if (q.ingress) return error(Errno.EINVAL, 'Cannot regraft ingress or clsact Qdiscs');
          for (let up = p; up !== undefined; up = up.upper) if (up === q) return error(Errno.ELOOP, 'Qdisc parent/child loop detected');
          if (clid === TC_H_INGRESS) return error(Errno.ENOENT, 'Ingress cannot graft directly');
          q.refcnt++;
          return this.qdisc_graft(dev, p, clid, q);
        }
        if (q === undefined) return this.createAndGraft(r, p);
        // another kind under the same parent takes its place
        if (r.kind !== undefined && r.kind !== q.kind && r.command !== 'link') return this.createAndGraft({ ...r, command: 'replace' }, p);
      }
    }
    if (q === undefined) return error(Errno.ENOENT, 'Specified qdisc not found');
    if (create && !replace) return error(Errno.EEXIST, 'Exclusivity flag on, cannot modify');
    if (r.kind !== undefined && r.kind !== q.kind) return error(Errno.EINVAL, 'Invalid qdisc name: must match existing qdisc');
    const changed = this.qdisc_change(q, r.options);
    if (changed.errno === 0) this.notify(dev, undefined, q);
    return changed;
  }

  qdisc_change(q: Qdisc, options: TcAttrs | undefined): NlResult {
    if (options === undefined) return NL_OK;
    return q.change(options) ?? error(Errno.EINVAL, 'Change operation not supported by specified qdisc');
  }

  private createAndGraft(r: QdiscRequest, p: Qdisc | undefined): NlResult {
    if (r.command === 'change' || r.command === 'link') return error(Errno.ENOENT, 'Qdisc not found. To create specify NLM_F_CREATE flag');
    const q = this.qdisc_create(r, p);
    if (failed(q)) return q;
    const grafted = this.qdisc_graft(r.dev, p, r.parent, q);
    if (grafted.errno !== 0) this.sched.qdisc_put(q);
    return grafted;
  }

  qdisc_create(r: QdiscRequest, p: Qdisc | undefined): Qdisc | NlResult {
    const Kind = r.kind === undefined || r.kind === 'noop' ? undefined : QDISC_KINDS[r.kind];
    if (Kind === undefined) return error(Errno.ENOENT, 'Specified qdisc kind is unknown');
    const { dev } = r;
    const classQueue = p?.kind === 'mq' ? dev.queues[TC_H_MIN(r.parent) - 1] : undefined;
    const q = new Kind(this.sched.kernel, r.kind as string, dev, classQueue ?? p?.dev_queue ?? dev.queues[0]);
    q.parent = r.parent;
    q.upper = p?.kind === 'mq' ? undefined : p;
    q.oneTxQueue = dev.num_tx_queues === 1 || (p?.oneTxQueue ?? false) || p?.kind === 'mq';
    if (r.parent === TC_H_INGRESS) {
      if (!q.ingress) return error(Errno.EINVAL, 'Specified parent ID is reserved for ingress and clsact Qdiscs');
      q.handle = TC_H_MAKE(TC_H_INGRESS, 0);
    } else q.handle = r.handle !== 0 ? r.handle : this.qdisc_alloc_handle(dev);
    const done = q.init(r.options);
    if (done.errno !== 0) {
      q.destroy();
      return done;
    }
    if (p !== undefined) q.deactivated = p.kind === 'mq';
    this.qdisc_hash_add(q);
    return q;
  }

  qdisc_alloc_handle(dev: NetDevice): number {
    for (let i = 0; i < 0x8000; i++) {
      this.autohandle += 0x10000;
      if (this.autohandle === 0xffff0000) this.autohandle = 0x80010000;
      if (this.qdisc_lookup(dev, this.autohandle) === undefined) break;
    }
    return this.autohandle;
  }

  /** Puts `q` (undefined: the default) under a class of `p`, or at the root. */
  qdisc_graft(dev: NetDevice, p: Qdisc | undefined, classid: number, q: Qdisc | undefined): NlResult {
    if (p === undefined) return this.graftRoot(dev, classid, q);
    if (!p.classful) return { errno: -Errno.EOPNOTSUPP };
    if (!p.cl_find(classid)) return error(Errno.ENOENT, 'Specified class not found');
    if (q?.kind === 'noqueue') return error(Errno.EINVAL, 'Cannot use noqueue as a child qdisc');
    const old = p.cl_graft(classid, q);
    if (failed(old)) return old;
    this.notify(dev, old, q);
    if (old !== undefined) this.sched.qdisc_put(old);
    return NL_OK;
  }

  private graftRoot(dev: NetDevice, classid: number, q: Qdisc | undefined): NlResult {
    const { sched } = this;
    if (classid === TC_H_INGRESS || q?.ingress === true) {
      const old = dev.ingress_qdisc;
      dev.ingress_qdisc = q;
      this.notify(dev, old, q);
      if (old !== undefined) sched.qdisc_put(old);
      return NL_OK;
    }
    if (dev.started) sched.dev_deactivate(dev);
    const old = dev.qdisc;
    const ownQueues = q?.kind === 'mq';
    if (!ownQueues)
      for (const txq of dev.queues) {
        const before = sched.dev_graft_qdisc(txq, q);
        if (q !== undefined && txq.index > 0) q.refcnt++;
        sched.qdisc_put(before);
      }
    if (q !== undefined && !ownQueues) q.refcnt++;
    if (q !== undefined) dev.qdisc = q;
    else sched.setNoop(dev);
    this.notify(dev, old, q);
    sched.qdisc_put(old);
    if (ownQueues) q?.attach();
    if (dev.started) sched.dev_activate(dev);
    return NL_OK;
  }

  /** RTM_DELQDISC */
  tc_del_qdisc(dev: NetDevice, parent: number, handle: number, kind: string | undefined): NlResult {
    let p: Qdisc | undefined;
    let q: Qdisc | undefined;
    if (parent !== 0) {
      if (parent === TC_H_ROOT) q = dev.qdisc;
      else if (parent === TC_H_INGRESS) q = dev.ingress_qdisc;
      else {
        p = this.qdisc_lookup(dev, TC_H_MAJ(parent));
        if (p === undefined) return error(Errno.ENOENT, 'Failed to find qdisc with specified classid');
        const leaf = this.qdisc_leaf(p, parent);
        q = failed(leaf) ? undefined : leaf;
      }
      if (q === undefined) return error(Errno.ENOENT, 'Cannot find specified qdisc on specified device');
      if (handle !== 0 && q.handle !== handle) return error(Errno.EINVAL, 'Invalid handle');
    } else {
      q = this.qdisc_lookup(dev, handle);
      if (q === undefined) return error(Errno.ENOENT, 'Failed to find qdisc with specified handle');
    }
    if (kind !== undefined && kind !== q.kind) return error(Errno.EINVAL, 'Invalid qdisc name');
    if (parent === 0) return error(Errno.EINVAL, 'Classid cannot be zero');
    if (q.handle === 0) return error(Errno.ENOENT, 'Cannot delete qdisc with handle of zero');
    return this.qdisc_graft(dev, p, parent, undefined);
  }

  /** What `tc qdisc show dev` lists, in order: the root, the rest by their handle's hash bucket, ingress last. */
  tc_dump_qdisc(dev: NetDevice, invisible: boolean): QdiscInfo[] {
    const root = dev.qdisc;
    const bucket = (q: Qdisc): number => Math.imul(q.handle, 0x61c88647) >>> 28;
    const rest = dev.qdisc_hash.map((q, i) => ({ q, key: bucket(q) * 0x10000 + i })).sort((a, b) => a.key - b.key);
    const all = [...(root.builtin ? [] : [root]), ...rest.map((r) => r.q)];
    if (dev.ingress_qdisc !== undefined) all.push(dev.ingress_qdisc);
    return all.filter((q) => (invisible || !q.invisible) && this.onUsedQueue(q)).map((q) => this.tc_fill_qdisc(q));
  }
  /** mq lists the children of the queues in use only (Linux: mq_change_real_num_tx()). */
  private onUsedQueue(q: Qdisc): boolean {
    const { dev } = q;
    const underMq = dev.qdisc.kind === 'mq' && q !== dev.qdisc && q.upper === undefined && q.dev_queue !== undefined;
    return !underMq || (q.dev_queue?.index ?? 0) < dev.real_num_tx_queues;
  }
  tc_fill_qdisc(q: Qdisc): QdiscInfo {
    const { kind, handle, parent, refcnt } = q;
    return { kind, handle, parent, refcnt, options: q.dumpOptions(), stats: q.dumpStats(), xstats: q.dumpXstats() };
  }

  /** RTM_NEWTCLASS, RTM_DELTCLASS */
  tc_ctl_tclass(r: ClassRequest): NlResult {
    const { dev } = r;
    let portid = r.parent;
    let qid = TC_H_MAJ(r.classid);
    if (portid !== TC_H_ROOT) {
      const maj = TC_H_MAJ(portid);
      if (qid !== 0 && maj !== 0 && qid !== maj) return invalid();
      if (maj !== 0) qid = maj;
      else if (qid === 0) qid = dev.qdisc.handle;
      if (portid !== 0) portid = TC_H_MAKE(qid, portid);
    } else if (qid === 0) qid = dev.qdisc.handle;
    const q = this.qdisc_lookup(dev, qid);
    if (q === undefined) return { errno: -Errno.ENOENT };
    if (!q.classful) return invalid();
    let clid = r.classid;
    if (clid !== 0) clid = TC_H_MAKE(qid, clid);
    else if (portid === TC_H_ROOT) clid = qid;
    const exists = clid !== 0 && q.cl_find(clid);
    if (!exists && r.command !== 'add' && r.command !== 'replace') return { errno: -Errno.ENOENT };
    if (exists && r.command === 'delete') return q.cl_delete(clid);
    if (exists && r.command === 'add') return { errno: -Errno.EEXIST };
    return q.cl_change({ classid: clid, parent: portid, options: r.options });
  }

  /** Classes of all qdiscs, or of `qdisc` (its major number), below `parent` (0: all). */
  tc_dump_tclass(dev: NetDevice, qdisc: number, parent: number): TclassInfo[] {
    const all = [dev.qdisc, ...dev.qdisc_hash, ...(dev.ingress_qdisc === undefined ? [] : [dev.ingress_qdisc])];
    return all
      .filter(
        (q) => q.classful && !q.builtin && (parent === 0 ? qdisc === 0 || q.handle === TC_H_MAJ(qdisc) : q.handle === TC_H_MAJ(parent)),
      )
      .flatMap((q) => q.cl_walk());
  }

  /** Tells listeners: what goes, and what comes. */
  private notify(dev: NetDevice, old: Qdisc | undefined, q: Qdisc | undefined): void {
    const { rtnl } = this.sched.kernel;
    const record = (x: Qdisc): QdiscInfo & { readonly ifindex: number } => ({ ...this.tc_fill_qdisc(x), ifindex: dev.ifindex });
    if (old !== undefined && !old.builtin) rtnl.notify(dev.net, 'tc', { type: 'RTM_DELQDISC', info: record(old) });
    if (q !== undefined && !q.builtin) rtnl.notify(dev.net, 'tc', { type: 'RTM_NEWQDISC', info: record(q) });
  }
}
