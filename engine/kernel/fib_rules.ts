// What the policy rules of both families have in common (Linux: net/core/fib_rules.c).
import type { Net } from './net_namespace.ts';
import { FIB_RULE, FR_ACT, type NumberRange, type RuleInfo } from './rtnl_records.ts';

export const inRange = (range: NumberRange | undefined, value: number): boolean =>
  range === undefined || (value >= range.start && value <= range.end);

export const equalRange = (a: NumberRange | undefined, b: NumberRange | undefined): boolean =>
  a === b || (a !== undefined && b !== undefined && a.start === b.start && a.end === b.end);

/** A request that names no range matches any. */
export const sameRange = (wanted: NumberRange | undefined, range: NumberRange | undefined): boolean =>
  wanted === undefined || equalRange(wanted, range);

/** Without a priority: just before the first rule that is not the local one (Linux: fib_default_rule_pref()). */
export function defaultRulePriority(rules: readonly { readonly priority?: number }[]): number {
  const second = rules.at(1)?.priority ?? 0;
  return second > 0 ? second - 1 : 0;
}

/** Marks interfaces and targets that are not there (yet), as a dump shows them. */
export function withUnresolved(net: Net, info: RuleInfo, rules: readonly { readonly priority?: number }[]): RuleInfo {
  let { flags } = info;
  if (info.iifname !== undefined && net.__dev_get_by_name(info.iifname) === undefined) flags |= FIB_RULE.IIF_DETACHED;
  if (info.oifname !== undefined && net.__dev_get_by_name(info.oifname) === undefined) flags |= FIB_RULE.OIF_DETACHED;
  if (info.action === FR_ACT.GOTO && !rules.some((t) => t.priority === info.target)) flags |= FIB_RULE.UNRESOLVED;
  return { ...info, flags };
}
