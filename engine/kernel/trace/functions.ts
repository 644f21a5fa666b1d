// Which functions of a kernel can be traced: methods named as the Linux functions they model, of its own classes and of its modules.
import type { Kernel } from '../kernel.ts';
import { traceableGroups, type TraceableClass } from './traceable.ts';

/** A traced method as seen by the wrapper: every such class has its kernel. */
export interface TracedObject {
  readonly kernel: Kernel;
}
export type TracedFunction = (this: TracedObject, ...args: unknown[]) => unknown;

/** One place where a function lives. */
export interface FunctionSite {
  readonly name: string;
  /** '' for built-in code. */
  readonly module: string;
  readonly prototype: object;
}

/** Linux's names are lower case and have an underscore; names of ours are camelCase. */
const LINUX_NAME = /^_*[a-z][a-z0-9]*(_[a-z0-9]*)+$/;

/** Macros and inline functions of 6.1: they exist in the source, not in the kernel that ftrace patches. */
const NOT_IN_THE_IMAGE = new Set(
  (
    'pr_emerg pr_alert pr_crit pr_err pr_warn pr_notice pr_info pr_debug dev_info dev_warn dev_err netdev_info netdev_warn netdev_err ' +
    'skb_reserve skb_reset_mac_header skb_reset_network_header skb_reset_transport_header skb_set_network_header skb_set_transport_header ' +
    'get_page put_page skb_headroom skb_tailroom netif_tx_start_queue netif_tx_stop_queue netif_stop_subqueue netif_start_subqueue ' +
    'netif_xmit_stopped napi_schedule napi_complete dev_hold dev_put netif_running netif_carrier_ok time_after alloc_skb netdev_alloc_skb napi_alloc_skb dev_printk ' +
    // names of accessors and interface members of ours, without a function of that name in Linux
    'nr_frags frag_page frag_size gso_size gso_segs gso_type time_squeeze error_report sysctl_write neigh_proc should_fail'
  ).split(' '),
);

/** Every place that may have to be patched for this kernel, loaded or not. */
export function allSites(kernel: Kernel): FunctionSite[] {
  const sites: FunctionSite[] = [];
  const seen = new Set<object>();
  collectReachable(kernel, kernel, sites, seen, 0);
  for (const { module, classes } of traceableGroups()) for (const c of classes) collectClass(c.prototype, module, sites, seen);
  const { builtin: inKernel, loadable } = kernel.modules.table;
  for (const def of inKernel)
    for (const c of def.functions ?? []) collectClass((c as unknown as TraceableClass).prototype, '', sites, seen);
  for (const def of loadable)
    for (const c of def.functions ?? []) collectClass((c as unknown as TraceableClass).prototype, def.name, sites, seen);
  return sites;
}

/** Names that `available_filter_functions` shows now, in order, with their module ('' for built-in). */
export function availableFunctions(kernel: Kernel): Map<string, string> {
  const out = new Map<string, string>();
  for (const s of allSites(kernel)) {
    if (!out.has(s.name) && (s.module === '' || kernel.modules.find_module(s.module) !== undefined)) out.set(s.name, s.module);
  }
  return out;
}

/** Subsystems hang below the kernel as fields; each has its `kernel`. */
const MAX_DEPTH = 4;
function collectReachable(kernel: Kernel, from: object, sites: FunctionSite[], seen: Set<object>, depth: number): void {
  for (const value of Object.values(from) as unknown[]) {
    if (typeof value !== 'object' || value === null || Array.isArray(value) || Object.isFrozen(value)) continue;
    if ((value as Partial<TracedObject>).kernel !== kernel || seen.has(value)) continue;
    seen.add(value);
    collectClass(Object.getPrototypeOf(value) as object, '', sites, seen);
    if (depth < MAX_DEPTH) collectReachable(kernel, value, sites, seen, depth + 1);
  }
}

function collectClass(prototype: object, module: string, sites: FunctionSite[], seen: Set<object>): void {
  for (let p: object | null = prototype; p !== null && p !== Object.prototype; p = Object.getPrototypeOf(p) as object | null) {
    if (seen.has(p)) return;
    seen.add(p);
    // a class lists its methods that are inline functions in Linux
    const { inlined = [] } = p.constructor as { readonly inlined?: readonly string[] };
    for (const name of Object.getOwnPropertyNames(p)) {
      if (!LINUX_NAME.test(name) || NOT_IN_THE_IMAGE.has(name) || inlined.includes(name)) continue;
      if (typeof Object.getOwnPropertyDescriptor(p, name)?.value === 'function') sites.push({ name, module, prototype: p });
    }
  }
}
