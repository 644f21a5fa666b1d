// Statistics of a qdisc or class, as tc prints them.
import type { QdiscStats } from '../../kernel/sched/qdisc.ts';
import type { Out } from '../iproute/output.ts';
import { sizeText } from './units.ts';

/** Lines of ` Sent …` and ` backlog …`, the last without its end. Absent parts are not reported by the kernel. */
export function printStats(out: Out, s: Partial<QdiscStats>, prefix: string): void {
  if (s.bytes !== undefined) {
    out.any('bytes', s.bytes, `${prefix}Sent ${s.bytes} bytes`);
    out.any('packets', s.packets ?? 0, ` ${s.packets} pkt`);
  }
  if (s.qlen === undefined) return;
  out.any('drops', s.drops ?? 0, ` (dropped ${s.drops}`);
  out.any('overlimits', s.overlimits ?? 0, `, overlimits ${s.overlimits}`);
  out.any('requeues', s.requeues ?? 0, ` requeues ${s.requeues}) `);
  out.nl();
  out.any('backlog', s.backlog ?? 0, `${prefix}backlog ${sizeText(s.backlog ?? 0)}`);
  out.any('qlen', s.qlen, ` ${s.qlen}p`);
  out.fp(` requeues ${s.requeues}`);
}
