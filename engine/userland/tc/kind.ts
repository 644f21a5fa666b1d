// What tc knows of one discipline: its options as words, as text, and its own statistics.
import type { TcAttrs } from '../../kernel/sched/qdisc.ts';
import { type Args, fail } from '../iproute/args.ts';
import type { Out } from '../iproute/output.ts';
import { ToolExit } from '../tool.ts';

export interface KindContext {
  readonly args: Args;
  /** Complaints so far go to stderr at once. */
  error(text: string): void;
}
export interface TcKind {
  /** Words after the kind; undefined: no TCA_OPTIONS is sent. */
  parse?(ctx: KindContext): TcAttrs | undefined;
  print?(out: Out, o: TcAttrs, details: boolean): void;
  xstats?(out: Out, x: Readonly<Record<string, number>>): void;
  parseClass?(ctx: KindContext): TcAttrs | undefined;
  printClass?(out: Out, o: TcAttrs, details: boolean): void;
  classXstats?(out: Out, x: Readonly<Record<string, number>>): void;
}

export const num = (o: TcAttrs, key: string): number => {
  const v = o[key];
  return typeof v === 'number' ? v : 0;
};
export const list = (o: TcAttrs, key: string): readonly number[] => {
  const v = o[key];
  return Array.isArray(v) ? v : [];
};
/** The word is no option of the kind. */
export function whatIs(word: string, usage: string): never {
  if (word === 'help') throw new ToolExit(1, `${usage}\n`);
  fail(1, `What is "${word}"?\n${usage}`);
}
/** Disciplines of Linux 6.1 that our kernel does not have. */
export const UNMODELLED_KINDS: ReadonlySet<string> = new Set(
  'atm cake cbq cbs choke drr dsmark ets etf fq_pie gred hfsc hhf mqprio pie qfq red rr sfb taprio teql0'.split(' '),
);
/** An option we know of but do not model. */
export function unmodelled(what: string): never {
  throw new ToolExit(1, `tc: ${what} is not modelled\n`);
}
