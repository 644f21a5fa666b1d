// ingress and clsact: no queue, only places for filters on the way in and out (Linux: net/sched/sch_ingress.c).
import { NL_OK, type NlResult } from '../rtnetlink.ts';
import { invalid, type TcAttrs, TC_H_INGRESS, TC_H_MIN } from './qdisc.ts';
import { EmptyQdisc } from './sch_noqueue.ts';
import { TcfBlock } from './tcf.ts';

/** TC_H_MIN_INGRESS, TC_H_MIN_EGRESS */
const MIN_INGRESS = 0xfff2;
const MIN_EGRESS = 0xfff3;

export class ClsactQdisc extends EmptyQdisc {
  override ingress = true;
  override classful = true;

  override init(_attrs?: TcAttrs): NlResult {
    if (this.parent !== TC_H_INGRESS) return invalid();
    this.dev.tcf_ingress = new TcfBlock();
    this.dev.tcf_egress = this.kind === 'clsact' ? new TcfBlock() : undefined;
    return NL_OK;
  }
  override destroy(): void {
    this.dev.tcf_ingress = undefined;
    this.dev.tcf_egress = undefined;
  }
  override cl_find(classid: number): boolean {
    return this.tcf_block(classid) !== undefined;
  }
  override tcf_block(classid: number): TcfBlock | undefined {
    const minor = TC_H_MIN(classid);
    if (this.kind === 'ingress' || minor === MIN_INGRESS) return this.dev.tcf_ingress;
    return minor === MIN_EGRESS ? this.dev.tcf_egress : undefined;
  }
}
