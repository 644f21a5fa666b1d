// The contract checker: what a driver must not do is found at the event itself, with the rule's source and what happened before.
import { formatSeconds } from '../base/units.ts';
import { ops } from '../base/ops.ts';
import type { DmaRule } from '../platform/dma_debug.ts';
import { event, type TracePoint } from '../trace/trace.ts';
import type { Kernel } from './kernel.ts';

const DMA_HOWTO = 'Linux Documentation/core-api/dma-api-howto.rst';
const DMA_API = 'Linux Documentation/core-api/dma-api.rst';
const NAPI = 'Linux Documentation/networking/napi.rst';
const NETDEV = 'Linux Documentation/networking/netdevices.rst';
const DRIVER = 'Linux Documentation/networking/driver.rst';

/** rule → what it says, and who says so. */
const RULES = ops({
  'dma-map-unchecked': ['a mapping was used without asking dma_mapping_error()', `${DMA_HOWTO}, Handling Errors`],
  'dma-unmap-invalid': ['what dma_map_*() refused was unmapped', `${DMA_HOWTO}, Handling Errors`],
  'dma-unmap-unknown': ['an address that is not mapped was unmapped', `${DMA_API}, Part Id`],
  'dma-unmap-size': ['a mapping was unmapped with another size than it was made with', `${DMA_API}, Part Id`],
  'dma-unmap-function': ['a mapping was undone by another kind of function than made it', `${DMA_API}, Part Id`],
  'dma-unmap-count': ['a scatter-gather list was unmapped with another number of entries', `${DMA_API}, Part Id`],
  'dma-unmap-cpu-address': ['coherent memory was freed with another CPU address', `${DMA_API}, Part Ia`],
  'dma-unmap-direction': ['a mapping was unmapped with another direction', `${DMA_API}, Part Id`],
  'dma-sync-unknown': ['memory that is not mapped was synchronised', `${DMA_API}, Part Id`],
  'dma-sync-range': ['more was synchronised than is mapped', `${DMA_API}, Part Id`],
  'dma-sync-direction': ['memory was synchronised in another direction than it is mapped for', `${DMA_API}, Part Id`],
  'dma-overlap': ['memory the device may write to was mapped twice', `${DMA_API}, Part Id: cache lines are not shared`],
  'dma-mask': ['memory beyond the device’s DMA mask was to be mapped', `${DMA_HOWTO}, DMA addressing capabilities`],
  'dma-leak': ['mappings were left when the driver let the device go', `${DMA_API}, Part III`],
  'dma-device-touch': ['the device touched memory that is not mapped for it', `${DMA_HOWTO}, What memory is DMA'able`],
  'dma-device-write': ['the device wrote to memory that is mapped for reading', `${DMA_HOWTO}, DMA Direction`],
  'dma-device-read': ['the device read memory that is mapped for writing', `${DMA_HOWTO}, DMA Direction`],
  'dma-cpu-touch': ['the driver used a buffer while the device owns it', `${DMA_HOWTO}, Using Streaming DMA mappings`],
  'dma-free-mapped': ['memory was freed while it is mapped for a device', `${DMA_HOWTO}, Using Streaming DMA mappings`],
  'napi-enable-twice': ['napi_enable() on an enabled instance', `${NAPI}, Control API`],
  'napi-disable-twice': ['napi_disable() on a disabled instance: it would wait for ever', `${NAPI}, Control API`],
  'napi-complete-twice': ['napi_complete_done() on an instance that is not scheduled', `${NAPI}, Datapath API`],
  'napi-schedule-disabled': ['__napi_schedule() on a disabled instance', `${NAPI}, Datapath API`],
  'napi-schedule-unprepared': ['__napi_schedule() without napi_schedule_prep()', `${NAPI}, Datapath API`],
  'napi-budget': ['poll() did more work than its budget', `${NAPI}, Datapath API`],
  'napi-not-completed': ['poll() returned less than its budget without napi_complete_done()', `${NAPI}, Datapath API`],
  'napi-complete-full': ['poll() completed and claimed its whole budget', `${NAPI}, Datapath API`],
  'napi-del-enabled': ['an enabled NAPI instance was deleted', `${NAPI}, Control API`],
  'xmit-stopped': ['ndo_start_xmit() was called for a stopped queue', `${DRIVER}, Transmit path guidelines`],
  'xmit-busy-consumed': [
    'ndo_start_xmit() freed the packet and returned NETDEV_TX_BUSY',
    `${NETDEV}, struct net_device synchronization rules`,
  ],
  'xmit-busy-running': ['ndo_start_xmit() returned NETDEV_TX_BUSY without stopping the queue', `${DRIVER}, Transmit path guidelines`],
  'bql-completed': [
    'more bytes were completed than are in flight',
    'Linux Documentation/networking/scaling.rst; lib/dynamic_queue_limits.c',
  ],
  'sleep-atomic': [
    'a function that may sleep was called in atomic context',
    'Linux Documentation/kernel-hacking/hacking.rst, Recipes for Deadlock',
  ],
  'ring-unwritten': ['the ring index exposes a slot whose descriptor is not written', 'virtio-v1.2 §2.7.13.1'],
  'ring-barrier': ['the ring index moved without a write barrier after the descriptor', 'virtio-v1.2 §2.7.13.3.1'],
  'irq-free-twice': ['free_irq() of an interrupt without a handler', 'Linux Documentation/core-api/genericirq.rst'],
  'irq-vectors-in-use': ['interrupt vectors were freed while a handler is registered', 'Linux Documentation/PCI/msi-howto.rst'],
  'netdev-free-registered': ['free_netdev() of a registered device', `${NETDEV}, struct net_device lifetime rules`],
  'skb-double-free': ['a packet was freed twice', 'Linux Documentation/networking/skbuff.rst, Reference counting'],
  'skb-panic': ['a packet was to hold more than there is room for', 'Linux Documentation/networking/skbuff.rst, Basic sk_buff geometry'],
  'skb-use-after-free': ['a packet was used after it was freed', 'Linux Documentation/networking/skbuff.rst, Reference counting'],
  'timer-after-free': ['a timer is armed for a device that is freed', `${NETDEV}, struct net_device lifetime rules`],
} as const satisfies Record<DmaRule, readonly [string, string]> & Record<string, readonly [string, string]>);

export type ContractRule = keyof typeof RULES;
export const CONTRACT_RULES: readonly ContractRule[] = Object.freeze(Object.keys(RULES)) as readonly ContractRule[];

/** Rule, what it says, its source: for the documentation. */
export const CONTRACT_TABLE: readonly (readonly [string, string, string])[] = Object.freeze(
  CONTRACT_RULES.map((rule) => [rule, RULES[rule][0], RULES[rule][1]] as const),
);

/** One finding. The same rule broken at the same place again only counts. */
export interface Violation {
  readonly time: number;
  /** The world's event during which it was found. */
  readonly event: number;
  readonly rule: ContractRule;
  /** What the rule says was done wrong. */
  readonly what: string;
  /** Who, and the particulars. */
  readonly by: string;
  readonly detail: string;
  readonly source: string;
  /** The event before it that matters, '' when there is none. */
  readonly previous: string;
  count: number;
}

const ContractViolation = event(
  'contract:violation',
  { rule: 'str', by: 'str', text: 'str', source: 'str', previous: 'str' },
  (e) => `${e.rule} by ${e.by}: ${e.text}${e.previous === '' ? '' : `; before: ${e.previous}`} (${e.source})`,
);

export class Contract {
  /** Whether anything is checked; one test at each place. Set when the kernel is made. */
  readonly enabled: boolean;
  readonly violations: Violation[] = [];
  private readonly byKey = new Map<string, Violation>();
  private readonly tp: TracePoint;

  constructor(
    private readonly owner: Kernel,
    enabled: boolean,
  ) {
    this.enabled = enabled;
    this.tp = owner.platform.scope.point(ContractViolation);
    if (enabled) owner.platform.dmaDebug.enable();
  }

  /** A rule was broken by `by` ('virtio_net', or a function); `detail` says where and how, `previous` what led to it. */
  violation(rule: ContractRule, by: string, detail: string, previous = ''): void {
    if (!this.enabled) return;
    const key = `${rule} ${by}`;
    const known = this.byKey.get(key);
    if (known !== undefined) {
      known.count++;
      return;
    }
    const [what, source] = RULES[rule];
    const v: Violation = {
      time: this.owner.now(),
      event: this.owner.platform.sim.executed,
      rule,
      what,
      by,
      detail,
      source,
      previous,
      count: 1,
    };
    this.byKey.set(key, v);
    this.violations.push(v);
    if (this.tp.enabled) this.tp.emit(rule, by, detail === '' ? what : `${what}: ${detail}`, source, previous);
  }

  /** Call at the start of what may sleep. */
  mightSleep(what: string): void {
    const cpu = this.owner.platform.cpus.current;
    if (cpu === undefined || (cpu.context !== 'softirq' && cpu.context !== 'hardirq' && cpu.preemptCount === 0)) return;
    this.violation('sleep-atomic', what, `${what}() in ${cpu.context} context on CPU ${cpu.id}`);
  }
}

/** 'napi_enable at 1.234567' for `previous`. */
export const happened = (what: string, time: number): string => (what === '' ? '' : `${what} at ${formatSeconds(time)} s`);

/** As a person reads it, on one line. */
export const violationText = (v: Violation): string =>
  `${v.rule}: ${v.by}: ${v.what}${v.detail === '' ? '' : `: ${v.detail}`}${v.previous === '' ? '' : `; before: ${v.previous}`}` +
  `${v.count > 1 ? ` (${v.count} times)` : ''} [${v.source}]`;
