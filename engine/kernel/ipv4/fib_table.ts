// Forwarding tables: prefixes, aliases and the look-up (Linux: net/ipv4/fib_trie.c); rules' and next hops' structures.
import { Errno } from '../../base/errno.ts';
import type { NetDevice } from '../net_device.ts';
import { NLM_F, RTNH_F, type NumberRange } from '../rtnl_records.ts';
import { inDev } from './ipv4_net.ts';

export class FibNh {
  /** RTNH_F_* */
  flags = 0;
  scope = 0;
  gw = 0;
  weight = 1;
  dev: NetDevice | undefined;
  /** Learnt exceptions by destination: path MTU and redirects (Linux: fib_nh_exception). */
  exceptions: Map<number, FibException> | undefined;
  constructor(public oif: number) {}
}

export interface FibException {
  pmtu: number;
  mtu_locked: boolean;
  gw: number;
  expires: number;
}

export class FibInfo {
  flags = 0;
  dead = false;
  refcnt = 0;
  /** The next hop object that the paths come from, 0: none. */
  nhid = 0;
  readonly nhs: FibNh[] = [];
  constructor(
    readonly protocol: number,
    readonly scope: number,
    readonly type: number,
    readonly priority: number,
    readonly prefsrc: number,
    readonly tb_id: number,
    readonly metrics: Map<number, number> | undefined,
  ) {}
}

/** One route of a prefix (Linux: fib_alias). */
export class FibAlias {
  constructor(
    readonly info: FibInfo,
    readonly tos: number,
    readonly type: number,
    readonly plen: number,
  ) {}
}

/** All prefixes that begin at one address; aliases longest prefix first. */
export class FibLeaf {
  readonly aliases: FibAlias[] = [];
  constructor(readonly key: number) {}
}

export interface FibRule {
  readonly priority: number;
  readonly src: number;
  readonly src_len: number;
  readonly dst: number;
  readonly dst_len: number;
  readonly iifname: string | undefined;
  readonly oifname: string | undefined;
  readonly tos: number;
  readonly fwmark: number;
  readonly fwmask: number;
  readonly table: number;
  readonly action: number;
  readonly flags: number;
  readonly target: number;
  readonly suppress_prefixlen: number;
  readonly protocol: number;
  readonly ip_proto: number;
  readonly sport: NumberRange | undefined;
  readonly dport: NumberRange | undefined;
  readonly uid_range: NumberRange | undefined;
}

/** What is looked for (Linux: struct flowi4), and what was chosen. */
export class Flow4 {
  daddr = 0;
  saddr = 0;
  oif = 0;
  iif = 0;
  tos = 0;
  scope = 0;
  mark = 0;
  proto = 0;
  sport = 0;
  dport = 0;
  uid = 0;
  /** FLOWI_FLAG_ANYSRC */
  anysrc = false;
}

export class FibResult {
  info: FibInfo | undefined;
  table: FibTable | undefined;
  nhIndex = 0;
  type = 0;
  scope = 0;
  prefix = 0;
  prefixlen = 0;
  tos = 0;
  reset(): void {
    this.info = undefined;
    this.table = undefined;
    this.nhIndex = 0;
    this.type = 0;
    this.scope = 0;
    this.prefixlen = 0;
  }
  get nh(): FibNh | undefined {
    return this.info?.nhs[this.nhIndex];
  }
}

/** Error and largest scope of each route type (Linux: fib_props). */
export const FIB_PROPS: readonly { readonly error: number; readonly scope: number }[] = Object.freeze(
  [
    [0, 255],
    [0, 0],
    [0, 254],
    [0, 253],
    [0, 253],
    [0, 0],
    [-Errno.EINVAL, 0],
    [-Errno.EHOSTUNREACH, 0],
    [-Errno.EACCES, 0],
    [-Errno.EAGAIN, 0],
  ].map(([error, scope]) => Object.freeze({ error, scope })),
);

export const plenMask = (plen: number): number => (plen === 0 ? 0 : (0xffffffff << (32 - plen)) >>> 0);

/** Carrier loss hides a next hop only where the device's sysctl says so. */
const hidden = (nh: FibNh): boolean =>
  (nh.flags & RTNH_F.LINKDOWN) !== 0 && nh.dev !== undefined && inDev(nh.dev)?.cnf.ignore_routes_with_linkdown === 1;

export class FibTable {
  /** Leaves by address, ascending. */
  readonly leaves: FibLeaf[] = [];
  private readonly byPlen: (Map<number, FibLeaf> | undefined)[] = Array.from({ length: 33 }, () => undefined);
  constructor(readonly tb_id: number) {}

  get empty(): boolean {
    return this.leaves.length === 0;
  }

  leaf(key: number): FibLeaf | undefined {
    const i = this.position(key);
    return this.leaves[i]?.key === key ? this.leaves[i] : undefined;
  }

  private position(key: number): number {
    let low = 0;
    let high = this.leaves.length;
    while (low < high) {
      const mid = (low + high) >> 1;
      if (this.leaves[mid].key < key) low = mid + 1;
      else high = mid;
    }
    return low;
  }

  /** Linux: fib_find_alias(). The first alias of the prefix with at most this tos and at least this priority. */
  find(leaf: FibLeaf, plen: number, tos: number, priority: number): number {
    return leaf.aliases.findIndex((a) => a.plen === plen && a.tos <= tos && (a.info.priority >= priority || a.tos < tos));
  }

  /** 0, -EEXIST, -ENOENT. */
  insert(key: number, fresh: FibAlias, nlflags: number): number {
    const { plen, tos, info } = fresh;
    const known = this.leaf(key);
    let before = known === undefined ? -1 : this.find(known, plen, tos, info.priority);
    if (known !== undefined && before >= 0 && known.aliases[before].tos === tos && known.aliases[before].info.priority === info.priority) {
      if ((nlflags & NLM_F.EXCL) !== 0) return -Errno.EEXIST;
      const first = before;
      let match = -1;
      let i = before;
      for (; i < known.aliases.length; i++) {
        const a = known.aliases[i];
        if (a.plen !== plen || a.tos !== tos || a.info.priority !== info.priority) break;
        if (a.type === fresh.type && sameInfo(a.info, info)) {
          match = i;
          break;
        }
      }
      if ((nlflags & NLM_F.REPLACE) !== 0) {
        if (match >= 0) return match === first ? 0 : -Errno.EEXIST;
        known.aliases[first].info.refcnt--;
        known.aliases[first] = fresh;
        info.refcnt++;
        return 0;
      }
      if (match >= 0) return -Errno.EEXIST;
      before = (nlflags & NLM_F.APPEND) !== 0 ? i : first;
    }
    if ((nlflags & NLM_F.CREATE) === 0) return -Errno.ENOENT;
    const leaf = known ?? this.addLeaf(key);
    if (before < 0) {
      before = leaf.aliases.findIndex((a) => a.plen < plen);
      if (before < 0) before = leaf.aliases.length;
    }
    leaf.aliases.splice(before, 0, fresh);
    info.refcnt++;
    (this.byPlen[plen] ??= new Map()).set(key, leaf);
    return 0;
  }

  private addLeaf(key: number): FibLeaf {
    const leaf = new FibLeaf(key);
    this.leaves.splice(this.position(key), 0, leaf);
    return leaf;
  }

  remove(leaf: FibLeaf, alias: FibAlias): void {
    leaf.aliases.splice(leaf.aliases.indexOf(alias), 1);
    alias.info.refcnt--;
    if (!leaf.aliases.some((a) => a.plen === alias.plen)) {
      const map = this.byPlen[alias.plen];
      map?.delete(leaf.key);
      if (map?.size === 0) this.byPlen[alias.plen] = undefined;
    }
    if (leaf.aliases.length === 0) this.leaves.splice(this.leaves.indexOf(leaf), 1);
  }

  /** 0 and the result filled, -EAGAIN when nothing matches (or a throw route does), or the error of a matching route. */
  lookup(flow: Flow4, result: FibResult, ignoreLinkstate: boolean): number {
    for (let plen = 32; plen >= 0; plen--) {
      const map = this.byPlen[plen];
      if (map === undefined) continue;
      const leaf = map.get((flow.daddr & plenMask(plen)) >>> 0);
      if (leaf === undefined) continue;
      for (const alias of leaf.aliases) {
        if (alias.plen !== plen) continue;
        const { info } = alias;
        if (alias.tos !== 0 && alias.tos !== flow.tos) continue;
        if (info.dead || info.scope < flow.scope) continue;
        const { error } = FIB_PROPS[alias.type];
        if (error < 0) return error;
        if ((info.flags & RTNH_F.DEAD) !== 0) continue;
        // a blackhole object
        if (info.nhid !== 0 && info.nhs.length === 0) return -Errno.EINVAL;
        for (let i = 0; i < info.nhs.length; i++) {
          const nh = info.nhs[i];
          if ((nh.flags & RTNH_F.DEAD) !== 0 || (!ignoreLinkstate && hidden(nh))) continue;
          if (flow.oif !== 0 && flow.oif !== nh.oif) continue;
          result.info = info;
          result.nhIndex = i;
          result.type = alias.type;
          result.scope = info.scope;
          result.prefix = leaf.key;
          result.prefixlen = plen;
          result.tos = alias.tos;
          result.table = this;
          return 0;
        }
      }
    }
    return -Errno.EAGAIN;
  }

  /** Removes the aliases whose next hops are all dead. */
  flush(): number {
    let found = 0;
    for (const leaf of this.leaves.slice()) {
      for (const alias of leaf.aliases.slice()) {
        if (!alias.info.dead && (alias.info.flags & RTNH_F.DEAD) === 0) continue;
        this.remove(leaf, alias);
        found++;
      }
    }
    return found;
  }
}

function sameMetrics(a: Map<number, number> | undefined, b: Map<number, number> | undefined): boolean {
  if ((a?.size ?? 0) !== (b?.size ?? 0)) return false;
  return a === undefined || [...a].every(([k, v]) => b?.get(k) === v);
}

/** Two routes share one fib_info in Linux when they agree in all of this. */
function sameInfo(a: FibInfo, b: FibInfo): boolean {
  return (
    a.protocol === b.protocol &&
    a.scope === b.scope &&
    a.prefsrc === b.prefsrc &&
    a.priority === b.priority &&
    a.type === b.type &&
    a.tb_id === b.tb_id &&
    a.nhid === b.nhid &&
    sameMetrics(a.metrics, b.metrics) &&
    ((a.flags ^ b.flags) & ~(RTNH_F.DEAD | RTNH_F.LINKDOWN)) === 0 &&
    a.nhs.length === b.nhs.length &&
    a.nhs.every((x, i) => {
      const y = b.nhs[i];
      return (
        x.oif === y.oif &&
        x.gw === y.gw &&
        x.scope === y.scope &&
        x.weight === y.weight &&
        ((x.flags ^ y.flags) & ~(RTNH_F.DEAD | RTNH_F.LINKDOWN)) === 0
      );
    })
  );
}
