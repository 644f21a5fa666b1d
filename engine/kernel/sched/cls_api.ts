// Filters added, removed and listed, and the hooks on the way in and out (Linux: net/sched/cls_api.c; net/core/dev.c).
import { Errno } from '../../base/errno.ts';
import type { NetDevice } from '../net_device.ts';
import { NL_OK, type NlResult } from '../rtnetlink.ts';
import type { SkBuff } from '../skbuff.ts';
import { type ActionKind, type ActionRequest, TcAction } from './act.ts';
import { Classifier } from './cls.ts';
import { TC_H_MAJ, TC_H_MIN, type TcAttrs } from './qdisc.ts';
import type { SchedCore } from './sch_generic.ts';
import { TC_ACT, type TcfBlock, type TfilterInfo } from './tcf.ts';

export interface FilterRequest {
  readonly dev: NetDevice;
  /** 0: the root qdisc. */
  readonly parent: number;
  readonly protocol: number;
  /** 0: the kernel picks one, or all when deleting. */
  readonly prio: number;
  readonly kind: string | undefined;
  readonly handle: number;
  readonly options: TcAttrs;
  readonly actions: readonly ActionRequest[];
}
const KINDS = ['matchall', 'u32', 'flower'];
const error = (errno: number, extack: string): NlResult => ({ errno: -errno, extack });

export class ClsApi {
  private readonly lastIndex: Record<ActionKind, number> = { gact: 0, mirred: 0, police: 0 };

  constructor(readonly sched: SchedCore) {}

  private block(dev: NetDevice, parent: number): TcfBlock | NlResult {
    const q = parent === 0 ? dev.qdisc : this.sched.api.qdisc_lookup(dev, TC_H_MAJ(parent));
    if (q === undefined) return error(Errno.EINVAL, "Parent Qdisc doesn't exists");
    if (!q.classful) return error(Errno.EINVAL, 'Qdisc not classful');
    if (TC_H_MIN(parent) !== 0 && !q.cl_find(parent)) return error(Errno.ENOENT, "Specified class doesn't exist");
    return q.tcf_block(parent) ?? error(Errno.EOPNOTSUPP, "Class doesn't support blocks");
  }

  tc_new_tfilter(r: FilterRequest): NlResult {
    const block = this.block(r.dev, r.parent);
    if ('errno' in block) return block;
    if (r.kind === undefined || !KINDS.includes(r.kind)) return error(Errno.ENOENT, 'TC classifier not found');
    let tp = block.protos.find((p) => p.prio === r.prio);
    if (tp !== undefined && (tp.kind !== r.kind || tp.protocol !== r.protocol))
      return error(Errno.EINVAL, "Specified filter kind/protocol doesn't match existing one");
    if (tp === undefined) {
      // preferences that nobody chose count down from 0xc000
      const prio = r.prio !== 0 ? r.prio : block.protos.length > 0 ? block.protos[0].prio - 1 : 0xc000;
      tp = new Classifier(this.sched.kernel, r.kind, r.protocol, prio, 0);
      block.protos.push(tp);
      block.protos.sort((a, b) => a.prio - b.prio);
    }
    if (!(tp instanceof Classifier)) return error(Errno.EINVAL, 'Invalid filter');
    if (r.kind === 'matchall' && tp.rules.length > 0) return { errno: -Errno.EEXIST };
    const actions = r.actions.map((a) => new TcAction(this.sched.kernel, a.kind, ++this.lastIndex[a.kind], a.options));
    tp.add(r.options, actions, r.handle);
    return NL_OK;
  }

  tc_del_tfilter(r: FilterRequest): NlResult {
    const block = this.block(r.dev, r.parent);
    if ('errno' in block) return block;
    if (r.prio === 0) {
      block.protos.length = 0;
      return NL_OK;
    }
    const at = block.protos.findIndex((p) => p.prio === r.prio);
    if (at < 0) return error(Errno.ENOENT, 'Filter with specified priority/protocol not found');
    const tp = block.protos[at];
    if (r.handle === 0 || !(tp instanceof Classifier)) block.protos.splice(at, 1);
    else {
      const rule = tp.rules.findIndex((x) => x.handle === r.handle);
      if (rule < 0) return error(Errno.ENOENT, 'Specified filter handle not found');
      tp.rules.splice(rule, 1);
      if (tp.rules.length === 0) block.protos.splice(at, 1);
    }
    return NL_OK;
  }

  tc_dump_tfilter(dev: NetDevice, parent: number): readonly TfilterInfo[] {
    const block = this.block(dev, parent);
    if ('errno' in block) return [];
    const shown = parent === 0 ? dev.qdisc.handle : parent;
    return block.protos.flatMap((p) => p.dump(shown));
  }

  /** Filters on the way in; false: the packet is gone. */
  sch_handle_ingress(skb: SkBuff, block: TcfBlock): boolean {
    return this.handle(skb, block, true);
  }
  sch_handle_egress(skb: SkBuff, block: TcfBlock): boolean {
    return this.handle(skb, block, false);
  }
  private handle(skb: SkBuff, block: TcfBlock, ingress: boolean): boolean {
    if (block.protos.length === 0) return true;
    const { skb: skbs } = this.sched.kernel;
    const verdict = block.tcf_classify(skb, { classid: 0 }, ingress);
    if (verdict === TC_ACT.SHOT) {
      skbs.kfree_skb_reason(skb, ingress ? 'TC_INGRESS' : 'TC_EGRESS');
      return false;
    }
    if (verdict !== TC_ACT.STOLEN && verdict !== TC_ACT.QUEUED && verdict !== TC_ACT.TRAP) return true;
    skbs.consume_skb(skb);
    return false;
  }
}
