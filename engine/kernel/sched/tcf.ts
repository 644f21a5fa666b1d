// Filters of a qdisc: chains of classifiers by preference, and what they decide (Linux: net/sched/cls_api.c).
import type { Kernel } from '../kernel.ts';
import type { SkBuff } from '../skbuff.ts';
import type { TcAttrs } from './qdisc.ts';

/** Linux: include/uapi/linux/pkt_cls.h */
export const TC_ACT = Object.freeze({
  UNSPEC: -1,
  OK: 0,
  RECLASSIFY: 1,
  SHOT: 2,
  PIPE: 3,
  STOLEN: 4,
  QUEUED: 5,
  REPEAT: 6,
  REDIRECT: 7,
  TRAP: 8,
});

/** What a filter says of a packet. */
export interface TcfResult {
  classid: number;
}

/** One filter as RTM_NEWTFILTER describes it. */
export interface TfilterInfo {
  readonly kind: string;
  readonly parent: number;
  readonly protocol: number;
  readonly prio: number;
  readonly chain: number;
  readonly handle: number;
  readonly options: TcAttrs;
  readonly actions: readonly TcActionInfo[];
}
export interface TcActionInfo {
  readonly kind: string;
  readonly order: number;
  readonly options: TcAttrs;
  readonly stats: { readonly bytes: number; readonly packets: number; readonly drops: number; readonly overlimits: number };
}

/** A classifier of one preference and protocol (Linux: struct tcf_proto). */
export abstract class TcfProto {
  constructor(
    readonly kernel: Kernel,
    readonly kind: string,
    readonly protocol: number,
    readonly prio: number,
    readonly chain: number,
  ) {}
  /** TC_ACT_*, UNSPEC when nothing matched. */
  abstract classify(skb: SkBuff, result: TcfResult, ingress: boolean): number;
  abstract dump(parent: number): readonly TfilterInfo[];
}

/** Where filters hang, in order of preference. */
export class TcfBlock {
  readonly protos: TcfProto[] = [];

  /** A filter sends packets to that class. */
  refersTo(classid: number): boolean {
    return this.protos.some((tp) => tp.dump(0).some((f) => f.options['classid'] === classid));
  }
  /** First that decides; UNSPEC when none does. `protocol` in host order; ETH_P_ALL matches all. */
  tcf_classify(skb: SkBuff, result: TcfResult, ingress = false): number {
    for (let i = 0; i < this.protos.length; i++) {
      const tp = this.protos[i];
      if (tp.chain !== 0 || (tp.protocol !== skb.protocol && tp.protocol !== ETH_P_ALL)) continue;
      const verdict = tp.classify(skb, result, ingress);
      if (verdict >= 0) return verdict;
    }
    return TC_ACT.UNSPEC;
  }
}
export const ETH_P_ALL = 3;
