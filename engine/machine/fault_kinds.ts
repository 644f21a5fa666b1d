// The catalogue of faults that can be injected: what each befalls, what its quantity is, what comes of it. docs/faults.md shows the same table.
import { ops } from '../base/ops.ts';

/** A NIC ('h1:nic0'), a cable ('h1:nic0--h2:nic0'), a machine ('h1'). */
export type FaultTarget = 'nic' | 'cable' | 'machine';

export interface FaultKindDef {
  readonly target: FaultTarget;
  /** For menus. */
  readonly title: string;
  /** What `value` is, with its default; absent when the kind has none. */
  readonly value?: { readonly unit: 'ns' | 'bytes' | 'number'; readonly default: number; readonly what: string };
  /** Strikes when nothing else is said. */
  readonly times: number;
  /** It strikes when it is injected, not at an occasion. */
  readonly atOnce?: true;
  /** It needs a function's name: which probe step fails. */
  readonly fn?: true;
  /** What a person sees. */
  readonly symptom: string;
  readonly recovery: string;
}

const kind = (def: FaultKindDef): FaultKindDef => ops(def);

export const FAULT_KINDS = ops({
  'lost-doorbell': kind({
    target: 'nic',
    title: 'Lose a doorbell',
    times: 1,
    symptom:
      'what was queued stays in the ring; with the event index of virtio the driver does not ring again, the ring fills, NETDEV WATCHDOG fires; an e1000e goes on with the next packet',
    recovery: 'virtio: rmmod and modprobe, or unbind and bind; e1000e: by itself',
  }),
  'lost-interrupt': kind({
    target: 'nic',
    title: 'Lose an interrupt',
    times: 1,
    symptom: 'completed buffers are not seen; round-trip times jump by the wait for the next interrupt',
    recovery: 'the next interrupt of the queue; with the event index of virtio none may come: ip link set down, up',
  }),
  'late-interrupt': kind({
    target: 'nic',
    title: 'Delay interrupts',
    value: { unit: 'ns', default: 1_000_000, what: 'delay' },
    times: Infinity,
    symptom: 'latency grows by the delay',
    recovery: 'by itself',
  }),
  'spurious-interrupt': kind({
    target: 'nic',
    title: 'Raise an interrupt for nothing',
    times: 1,
    atOnce: true,
    symptom: '/proc/interrupts counts one more; the poll finds no work',
    recovery: 'by itself',
  }),
  'stuck-queue': kind({
    target: 'nic',
    title: 'Stop serving a queue',
    times: 1,
    symptom:
      'transmit: the ring fills, the queue stops, NETDEV WATCHDOG fires; receive: nothing arrives, rx_no_buffer of the device counts',
    recovery: 'clear the fault: the device goes on where it stopped',
  }),
  'stale-used-index': kind({
    target: 'nic',
    title: 'Hold back the used index',
    times: 1,
    symptom: 'completions are in the ring and not shown: as a lost interrupt, but polling does not see them either',
    recovery:
      'virtio: the next completion shows both; e1000e: a receive ring waits at the descriptor until ip link set down, up, a transmit ring until the watchdog resets the device',
  }),
  'write-past-buffer': kind({
    target: 'nic',
    title: 'Write past a receive buffer',
    value: { unit: 'bytes', default: 64, what: 'bytes beyond the end' },
    times: 1,
    symptom:
      'a neighbour in memory is damaged; where nothing is mapped behind the buffer, the contract checker (dma-device-touch) or an IOMMU finds it',
    recovery: 'by itself; what was overwritten stays so',
  }),
  'wrong-used-length': kind({
    target: 'nic',
    title: 'Report a wrong length',
    value: { unit: 'bytes', default: 65535, what: 'length reported' },
    times: 1,
    symptom: 'virtio_net: rx_length_errors, and the packet is dropped; e1000e believes its device: skb_over_panic, kernel BUG',
    recovery: 'by itself',
  }),
  'wrong-used-id': kind({
    target: 'nic',
    title: 'Report a wrong buffer id',
    value: { unit: 'number', default: 0xffff, what: 'id reported' },
    times: 1,
    symptom: "dmesg: 'input.0:id 65535 out of range'; the driver gives the queue up",
    recovery: 'unbind and bind the driver, or rmmod and modprobe',
  }),
  'wrong-checksum-verdict': kind({
    target: 'nic',
    title: 'Turn checksum verdicts round',
    times: 1,
    symptom: 'a good packet is verified in software once more (InCsumErrors stays), a damaged one is believed',
    recovery: 'by itself',
  }),
  'dma-fault': kind({
    target: 'nic',
    title: 'Fail a memory access of the device',
    times: 1,
    symptom: "virtio: the queue's fault is shown, DEVICE_NEEDS_RESET; e1000e: the packet is dropped (tx_dma, rx_dma)",
    recovery: 'virtio: rmmod and modprobe, or unbind and bind; e1000e: by itself',
  }),
  'link-flap': kind({
    target: 'nic',
    title: 'Flap the link',
    value: { unit: 'ns', default: 100_000_000, what: 'time without link' },
    times: 1,
    atOnce: true,
    symptom: 'carrier lost and back (carrier_changes), packets meanwhile dropped',
    recovery: 'by itself',
  }),
  'frame-loss': kind({
    target: 'cable',
    title: 'Lose frames',
    times: 1,
    symptom: 'a frame does not arrive; the cable counts it as lost',
    recovery: 'by itself',
  }),
  'frame-corrupt': kind({
    target: 'cable',
    title: 'Damage frames',
    value: { unit: 'bytes', default: -1, what: 'offset of the damaged byte; -1 is the last' },
    times: 1,
    symptom: 'one byte changed behind a good FCS, as a broken switch does: InCsumErrors, or a wrong payload',
    recovery: 'by itself',
  }),
  'frame-duplicate': kind({
    target: 'cable',
    title: 'Duplicate frames',
    times: 1,
    symptom: 'a frame arrives twice (ping says DUP!)',
    recovery: 'by itself',
  }),
  'frame-reorder': kind({
    target: 'cable',
    title: 'Let frames be overtaken',
    value: { unit: 'ns', default: 200_000, what: 'how much later it arrives' },
    times: 1,
    symptom: 'later frames arrive first',
    recovery: 'by itself',
  }),
  'skb-alloc-fail': kind({
    target: 'machine',
    title: 'Fail packet allocations',
    times: 1,
    symptom: 'ENOBUFS for senders, rx drops for drivers',
    recovery: 'by itself',
  }),
  'page-alloc-fail': kind({
    target: 'machine',
    title: 'Fail page allocations',
    times: 1,
    symptom: 'receive rings are not refilled at once; probe and ip link set up fail with ENOMEM',
    recovery: 'by itself: virtio_net tries to refill again after half a second',
  }),
  'dma-map-fail': kind({
    target: 'nic',
    title: 'Fail DMA mappings',
    times: 1,
    symptom: "transmit: the packet is dropped ('Unexpected TXQ (0) queue failure: -12', tx_dropped); receive: the ring is refilled later",
    recovery: 'by itself',
  }),
  'surprise-removal': kind({
    target: 'nic',
    title: 'Pull the NIC out',
    times: 1,
    atOnce: true,
    symptom:
      'registers and configuration space read as ones (lspci: rev ff); nothing is sent or received, transmit queues time out; the kernel is not told',
    recovery: 'echo 1 > /sys/bus/pci/devices/ADDRESS/remove; clear the fault (the NIC is pushed back in); echo 1 > /sys/bus/pci/rescan',
  }),
  'probe-fail': kind({
    target: 'machine',
    title: 'Fail a step of probe',
    times: 1,
    fn: true,
    symptom: "dmesg: 'probe of … failed with error -12'; nothing is left behind",
    recovery: 'modprobe, or bind, once more',
  }),
});

export type FaultKind = keyof typeof FAULT_KINDS;
export const FAULT_KIND_NAMES = Object.freeze(Object.keys(FAULT_KINDS)) as readonly FaultKind[];

/** One fault to inject. Times are nanoseconds of simulated time. */
export interface FaultSpec {
  readonly kind: FaultKind;
  /** Port, cable or machine, as `FAULT_KINDS[kind].target` says. */
  readonly at: string;
  /** Queue of a NIC: 0 is the first receive queue, 1 the first transmit queue …; for a cable 0 is from its first end, 1 from its second. */
  readonly queue?: number;
  /** When it is armed: after the world's start in a lab file, after now elsewhere. */
  readonly after?: number;
  /** How long it stays armed; until cleared when absent. */
  readonly lasts?: number;
  readonly skip?: number;
  /** How often it strikes; -1 is no limit. */
  readonly times?: number;
  readonly probability?: number;
  readonly value?: number;
  /** The probe step that fails; for dma-map-fail the driver function whose mappings fail. */
  readonly fn?: string;
}
