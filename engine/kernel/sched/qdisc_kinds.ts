// The queueing disciplines there are, by name.
import { ops } from '../../base/ops.ts';
import type { Kernel } from '../kernel.ts';
import type { NetDevice, NetdevQueue } from '../net_device.ts';
import type { Qdisc } from './qdisc.ts';
import { Codel } from './sch_codel.ts';
import { Fifo } from './sch_fifo.ts';
import { Fq } from './sch_fq.ts';
import { FqCodel } from './sch_fq_codel.ts';
import { Htb } from './sch_htb.ts';
import { ClsactQdisc } from './sch_ingress.ts';
import { Mq } from './sch_mq.ts';
import { Netem } from './sch_netem.ts';
import { NoqueueQdisc } from './sch_noqueue.ts';
import { PfifoFast } from './sch_pfifo_fast.ts';
import { Plug, Skbprio } from './sch_plain.ts';
import { Multiq, Prio } from './sch_prio.ts';
import { Sfq } from './sch_sfq.ts';
import { Tbf } from './sch_tbf.ts';

export type QdiscClass = new (kernel: Kernel, kind: string, dev: NetDevice, txq: NetdevQueue | undefined) => Qdisc;

export const QDISC_KINDS: Readonly<Record<string, QdiscClass>> = ops<Record<string, QdiscClass>>({
  pfifo: Fifo,
  bfifo: Fifo,
  pfifo_fast: PfifoFast,
  fq: Fq,
  fq_codel: FqCodel,
  htb: Htb,
  ingress: ClsactQdisc,
  clsact: ClsactQdisc,
  sfq: Sfq,
  codel: Codel,
  mq: Mq,
  multiq: Multiq,
  netem: Netem,
  noqueue: NoqueueQdisc,
  plug: Plug,
  prio: Prio,
  skbprio: Skbprio,
  tbf: Tbf,
});
