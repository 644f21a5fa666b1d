// The one contract between a window and the host: requests, pushes and the views they carry. Types only, no code.
// Every door (Electron MessagePort, WebSocket) carries exactly these messages; a missing handler does not compile.

/** Simulated time, nanoseconds since boot of the world. */
export type Nanos = number;

// ── run control ────────────────────────────────────────────────────────────────────────────────
export interface RunState {
  readonly mode: 'running' | 'paused';
  /** Wanted speed: simulated seconds per wall second; 0 = as fast as possible. */
  readonly speed: number;
  /** Speed reached over the last second, in the same unit. */
  readonly reached: number;
  readonly time: Nanos;
  /** Events executed since the world was made. */
  readonly event: number;
  /** Latest event known to this session (greater than `event` after stepping back). */
  readonly lastEvent: number;
  readonly recording: boolean;
  readonly canUndo: string | undefined; // what undo would undo, as a menu label
  readonly canRedo: string | undefined;
  readonly dirty: boolean; // the lab differs from its file
}

// ── topology ───────────────────────────────────────────────────────────────────────────────────
export type LinkState = 'up' | 'down' | 'no-carrier';
export interface NicView {
  /** Port name within its machine, as in the lab file: 'nic0'. */
  readonly port: string;
  readonly model: string; // 'virtio-net', 'e1000e'
  readonly mac: string;
  readonly pci: string; // '0000:00:01.0'
  readonly ifname: string | undefined; // 'eth0'; undefined while no driver is bound
  readonly netns: string; // '' is init_net
  readonly admin: boolean; // IFF_UP
  readonly carrier: boolean;
  readonly queuePairs: number;
  readonly cable: string | undefined; // CableView.id
}
export interface InterfaceView {
  readonly ifindex: number;
  readonly name: string;
  readonly kind: string; // 'virtio_net' | 'veth' | 'loopback' …
  readonly netns: string;
  readonly mac: string;
  readonly mtu: number;
  readonly flags: readonly string[]; // UP BROADCAST …
  readonly addrs: readonly string[]; // '10.0.0.1/24'
  readonly peer: string | undefined; // veth: 'name@netns' of the other end
  readonly port: string | undefined; // NicView.port if hardware
}
export interface MachineView {
  readonly name: string;
  readonly x: number;
  readonly y: number;
  readonly cpus: number;
  readonly ramBytes: number;
  readonly nics: readonly NicView[];
  readonly interfaces: readonly InterfaceView[];
  readonly namespaces: readonly string[];
  readonly panicked: string | undefined;
}
export interface CableView {
  readonly id: string; // 'h1:nic0--h2:nic0'
  readonly a: { readonly machine: string; readonly port: string };
  readonly b: { readonly machine: string; readonly port: string };
  readonly rateBitsPerSecond: number; // 0 = unlimited
  readonly delayNs: number;
  readonly loss: number; // 0..1
  readonly up: boolean;
}
export interface TopologyView {
  readonly lab: { readonly name: string; readonly path: string | undefined; readonly seed: number; readonly notes: string };
  readonly machines: readonly MachineView[];
  readonly cables: readonly CableView[];
}
/** Cumulative counters, pushed at display rate for the whole topology. Parallel to TopologyView. */
export interface PortRates {
  readonly machine: string;
  readonly port: string;
  readonly txPackets: number;
  readonly txBytes: number;
  readonly rxPackets: number;
  readonly rxBytes: number;
}
/** A frame on its way along a cable, for truthful motion: shown only when its flight lasts ≥ 2 display frames at the chosen speed. */
export interface FrameInFlight {
  readonly id: number;
  readonly cable: string;
  readonly fromA: boolean;
  readonly sent: Nanos;
  readonly arrives: Nanos;
  readonly summary: string; // 'ICMP echo request'
}
export interface MotionView {
  readonly time: Nanos;
  readonly frames: readonly FrameInFlight[];
  readonly ports: readonly PortRates[];
}

// ── edits: every canvas action is one; each is an input of the world and is logged with its command ──
export type Edit =
  | {
      readonly op: 'machine.add';
      readonly name?: string;
      readonly x: number;
      readonly y: number;
      readonly cpus?: number;
      readonly ramMiB?: number;
      readonly nics?: number;
    }
  | { readonly op: 'machine.remove'; readonly machine: string }
  | { readonly op: 'machine.rename'; readonly machine: string; readonly to: string }
  | { readonly op: 'machine.move'; readonly machine: string; readonly x: number; readonly y: number }
  | { readonly op: 'nic.add'; readonly machine: string; readonly model?: 'virtio-net' | 'e1000e'; readonly queuePairs?: number }
  | { readonly op: 'nic.remove'; readonly machine: string; readonly port: string }
  | {
      readonly op: 'cable.add';
      readonly a: { readonly machine: string; readonly port: string };
      readonly b: { readonly machine: string; readonly port: string };
    }
  | { readonly op: 'cable.remove'; readonly cable: string }
  | {
      readonly op: 'cable.set';
      readonly cable: string;
      readonly rateBitsPerSecond?: number;
      readonly delayNs?: number;
      readonly loss?: number;
      readonly up?: boolean;
    }
  /** Runs `ip link set IFNAME netns TO` in `netns` of the machine; '' is init_net. */
  | { readonly op: 'iface.move'; readonly machine: string; readonly netns: string; readonly ifname: string; readonly to: string }
  | { readonly op: 'batch'; readonly label: string; readonly edits: readonly Edit[] };
export interface ActionLogEntry {
  readonly time: Nanos;
  readonly label: string;
  readonly machine: string | undefined;
  readonly command: string | undefined; // the line one would type
}

// ── rings ──────────────────────────────────────────────────────────────────────────────────────
export interface RingId {
  readonly machine: string;
  readonly port: string;
  readonly queue: number; // virtqueue index: 0 rx0, 1 tx0, …, last = control
}
export interface RingInfo extends RingId {
  readonly name: string; // 'input.0' | 'output.0' | 'control'
  readonly format: 'split' | 'packed' | 'e1000e';
  readonly size: number;
  readonly enabled: boolean;
}
/** Who owns a descriptor. `completed`: used by the device, not yet reaped by the driver. */
export type Owner = 'free' | 'driver' | 'device' | 'used';
/** What a ring of any format shows. */
export interface VirtqueueView extends RingInfo {
  readonly time: Nanos;
  /** The event after which it was read. */
  readonly event: number;
  readonly descAddr: number;
  /** One character per descriptor: f free, a filled by driver but not yet exposed or fetched, d held by device, u used and not reaped. */
  readonly owners: string;
  /** Per descriptor: head of its chain, or -1. */
  readonly heads: readonly number[];
  readonly numFree: number;
  readonly eventIdx: boolean;
  readonly indirect: boolean;
  readonly inOrder: boolean;
  readonly lastDoorbell: Nanos | undefined;
  readonly lastInterrupt: Nanos | undefined;
  readonly doorbells: number;
  /** Upper half of the last doorbell with NOTIFICATION_DATA: where the driver adds next, wrap counter or highest bit in bit 15. */
  readonly doorbellData: number | undefined;
  readonly interrupts: number;
  /** One sentence each: would the next avail/used entry notify, and by what rule if not. */
  readonly notifyDevice: string;
  readonly notifyDriver: string;
  readonly stopped: boolean; // netdev queue stopped (tx)
  readonly vector: number | undefined;
  readonly faults: readonly string[];
  /** The descriptors as they are in RAM, four numbers each; absent where the host leaves them out (many queues open).
   *  Split: addr, len, flags, next. Packed: addr, len, id, flags. E1000e: addr, len, status and errors (receive) or command with DD
   *  (transmit), kind (0 to be written, 1 written back, 2 legacy, 3 context, 4 data). */
  readonly table?: readonly number[];
}
/** virtio-v1.2 §2.7 */
export interface SplitRingView extends VirtqueueView {
  readonly format: 'split';
  readonly availAddr: number;
  readonly usedAddr: number;
  readonly availIdx: number;
  readonly availFlags: number;
  readonly usedEvent: number; // written by the driver, meaningful with EVENT_IDX
  readonly usedIdx: number;
  readonly usedFlags: number;
  readonly availEvent: number; // written by the device
  readonly deviceLastAvail: number; // device's shadow: next avail entry it will fetch
  readonly driverLastUsed: number; // driver's shadow: next used entry it will reap
  /** avail->ring[]: the head in each slot. */
  readonly availRing?: readonly number[];
  /** used->ring[]: id, len per slot. */
  readonly usedRing?: readonly number[];
}
/** A descriptor and the wrap counter with which it is meant. */
export interface RingPosition {
  readonly at: number;
  readonly wrap: number; // 0 or 1
}
/** virtio-v1.2 §2.8.14: flags 0 always notify, 1 never, 2 at this position. */
export interface RingEvent extends RingPosition {
  readonly flags: number;
}
/** virtio-v1.2 §2.8 */
export interface PackedRingView extends VirtqueueView {
  readonly format: 'packed';
  readonly driverEventAddr: number;
  readonly deviceEventAddr: number;
  /** Where the driver makes the next descriptor available, and where the device takes the next one. */
  readonly driverAvail: RingPosition;
  readonly deviceAvail: RingPosition;
  /** Where the device writes the next used descriptor, and where the driver takes the next one back. */
  readonly deviceUsed: RingPosition;
  readonly driverUsed: RingPosition;
  readonly driverEvent: RingEvent; // written by the driver: when to interrupt
  readonly deviceEvent: RingEvent; // written by the device: when to ring the doorbell
}
/** A ring of an 82574L (its datasheet, §7.1.9, §7.2.10). */
export interface E1000eRingView extends VirtqueueView {
  readonly format: 'e1000e';
  readonly head: number; // RDH or TDH: the device's
  readonly tail: number; // RDT or TDT: written by the driver
  readonly nextToUse: number; // the driver's own
  readonly nextToClean: number;
}
export type RingView = SplitRingView | PackedRingView | E1000eRingView;
export interface FieldView {
  readonly name: string;
  readonly value: string;
  readonly note: string; // one sentence with the section
  readonly offset: number; // bytes from the start of the enclosing view
  readonly size: number;
}
export interface DescriptorView {
  readonly id: number;
  readonly address: number; // guest-physical of the descriptor itself
  readonly fields: readonly FieldView[];
  readonly indirect: boolean;
}
export interface ChainView {
  readonly ring: RingId;
  readonly head: number;
  readonly owner: Owner;
  readonly descriptors: readonly DescriptorView[];
  readonly mapping:
    | {
        readonly dma: number;
        readonly gpa: number;
        readonly length: number;
        readonly direction: string;
        readonly by: string;
        readonly since: Nanos;
        readonly history: readonly string[];
      }
    | undefined;
  readonly skb: { readonly id: number; readonly summary: string } | undefined;
  /** The buffers' bytes in order (at most 2,048), with their decode. */
  readonly bytes: string; // lower-case hex
  readonly totalBytes: number;
  readonly decode: readonly DecodeNode[];
}

// ── packets ────────────────────────────────────────────────────────────────────────────────────
export interface PacketRow {
  readonly index: number;
  readonly time: Nanos;
  readonly cable: string;
  readonly from: string; // 'h1:nic0'
  readonly to: string;
  readonly source: string;
  readonly destination: string;
  readonly protocol: string;
  readonly length: number;
  readonly info: string;
  readonly dropped: string | undefined; // reason
}
export interface DecodeNode {
  readonly label: string;
  readonly note?: string;
  readonly start: number; // byte range in the frame
  readonly end: number;
  readonly children?: readonly DecodeNode[];
}
export interface PacketView {
  readonly row: PacketRow;
  readonly bytes: string; // hex
  readonly decode: readonly DecodeNode[];
}

// ── trace ──────────────────────────────────────────────────────────────────────────────────────
export interface TraceRow {
  readonly index: number;
  readonly time: Nanos;
  readonly event: number; // world event that emitted it
  readonly machine: string;
  readonly cpu: number;
  readonly name: string; // 'net:net_dev_xmit'
  readonly text: string;
}
export interface Span {
  readonly track: string; // 'h1/cpu0', or a cable's id: 'h1:nic0--h2:nic0'
  readonly kind: string; // of a CPU: 'hardirq' | 'softirq' | 'task'; of a cable: the end that sent, 'h1:nic0 →'
  readonly label: string;
  readonly start: Nanos;
  readonly end: Nanos;
}

// ── inspectors ─────────────────────────────────────────────────────────────────────────────────
export interface InspectorSection {
  readonly title: string;
  readonly command?: string; // the command that prints the same
  readonly rows: readonly { readonly name: string; readonly value: string; readonly note?: string }[];
}

// ── labs, problems ─────────────────────────────────────────────────────────────────────────────
export interface LabInfo {
  readonly id: string; // file name without .lab.yaml
  readonly path: string;
  readonly title: string;
  readonly summary: string;
}
export interface Problem {
  readonly severity: 'error' | 'warning' | 'info';
  readonly text: string; // what, where, what to do
  readonly where: string; // 'two.lab.yaml:7:5' or 'h1: dmesg'
  readonly event: number | undefined;
}
/** A kind of fault that can be injected. */
export interface FaultKindInfo {
  readonly kind: string; // 'lost-doorbell'
  readonly target: 'nic' | 'cable' | 'machine';
  readonly title: string;
  /** What `value` is; absent when the kind has none. */
  readonly value?: { readonly unit: 'ns' | 'bytes' | 'number'; readonly default: number; readonly what: string };
  /** Needs the name of a function. */
  readonly fn: boolean;
  readonly symptom: string;
  readonly recovery: string;
}
/** What to inject. `at` is 'h1:nic0', a cable's id, or a machine. */
export interface FaultRequest {
  readonly kind: string;
  readonly at: string;
  readonly queue?: number;
  /** How often it strikes; -1 is no limit; the kind's own number when absent. */
  readonly times?: number;
  readonly skip?: number;
  readonly probability?: number;
  readonly value?: number;
  readonly fn?: string;
}
export interface FaultInfo {
  readonly id: number;
  readonly kind: string;
  readonly at: string;
  readonly text: string; // 'lost-doorbell@h1:nic0,queue=1'
  readonly phase: 'waiting' | 'armed' | 'over';
  readonly strikes: number;
  readonly occasions: number;
}
export interface Toast {
  readonly kind: 'info' | 'error';
  readonly text: string;
}

// ── the contract ───────────────────────────────────────────────────────────────────────────────
/** request name → [parameters, answer]. A failed request rejects with a message made for a person. */
export interface Requests {
  'app.hello': [{ readonly version: 1 }, { readonly version: 1; readonly hostShell: boolean; readonly door: 'electron' | 'browser' }];
  'lab.list': [Record<string, never>, readonly LabInfo[]];
  'lab.open': [{ readonly path: string }, TopologyView];
  'lab.new': [Record<string, never>, TopologyView];
  'lab.text': [Record<string, never>, string];
  'lab.save': [{ readonly path?: string }, { readonly path: string }];
  'lab.reload': [Record<string, never>, TopologyView];
  'world.topology': [Record<string, never>, TopologyView];
  'world.edit': [Edit, TopologyView];
  'world.undo': [Record<string, never>, TopologyView];
  'world.redo': [Record<string, never>, TopologyView];
  'world.hash': [Record<string, never>, { readonly hash: string; readonly event: number }];
  'run.start': [{ readonly speed?: number }, RunState];
  'run.pause': [Record<string, never>, RunState];
  'run.step': [{ readonly events: number }, RunState];
  'run.stepBack': [{ readonly events: number }, RunState];
  'run.goto': [{ readonly event: number }, RunState];
  'run.until': [{ readonly time?: Nanos; readonly tracepoint?: string; readonly function?: string }, RunState];
  'term.open': [
    (
      | { readonly machine: string; readonly netns?: string; readonly cols: number; readonly rows: number }
      | { readonly host: true; readonly cols: number; readonly rows: number }
    ),
    { readonly id: number; readonly title: string },
  ];
  'term.input': [{ readonly id: number; readonly data: string }, void];
  'term.resize': [{ readonly id: number; readonly cols: number; readonly rows: number }, void];
  'term.ack': [{ readonly id: number; readonly chars: number }, void];
  'term.close': [{ readonly id: number }, void];
  'rings.list': [Record<string, never>, readonly RingInfo[]];
  'rings.chain': [RingId & { readonly descriptor: number }, ChainView];
  'packets.rows': [
    { readonly from: number; readonly count: number; readonly filter?: string },
    { readonly total: number; readonly matching: number; readonly rows: readonly PacketRow[] },
  ];
  'packets.get': [{ readonly index: number }, PacketView];
  'packets.export': [{ readonly path?: string }, { readonly path: string; readonly packets: number }];
  'trace.rows': [
    { readonly from: number; readonly count: number; readonly filter?: string },
    { readonly total: number; readonly matching: number; readonly rows: readonly TraceRow[] },
  ];
  'trace.spans': [{ readonly from: Nanos; readonly to: Nanos; readonly limit: number }, readonly Span[]];
  'inspect.get': [
    { readonly machine: string; readonly port?: string; readonly ifname?: string; readonly netns?: string } | { readonly cable: string },
    readonly InspectorSection[],
  ];
  'record.start': [{ readonly path?: string }, { readonly path: string }];
  'record.stop': [Record<string, never>, { readonly path: string; readonly bytes: number }];
  'log.list': [Record<string, never>, readonly ActionLogEntry[]];
  'fault.kinds': [Record<string, never>, readonly FaultKindInfo[]];
  'fault.list': [Record<string, never>, readonly FaultInfo[]];
  'fault.inject': [FaultRequest, readonly FaultInfo[]];
  'fault.clear': [{ readonly id: number }, readonly FaultInfo[]];
  'problems.list': [Record<string, never>, readonly Problem[]];
}
/** push topic → [subscription parameters, payload]. Pushed at display rate, coalesced; never one message per packet. */
export interface Pushes {
  run: [undefined, RunState];
  topology: [undefined, TopologyView];
  motion: [undefined, MotionView];
  ring: [RingId, RingView];
  /** Chains the device has taken from each virtqueue of a NIC so far, by virtqueue index: which queues the traffic uses. */
  queues: [{ readonly machine: string; readonly port: string }, { readonly taken: readonly number[] }];
  packets: [undefined, { readonly total: number }];
  trace: [undefined, { readonly total: number }];
  log: [undefined, readonly ActionLogEntry[]];
  problems: [undefined, readonly Problem[]];
  toast: [undefined, Toast];
  /** Terminal output; the window acknowledges characters with `term.ack`, the host pauses the producer above 256 Ki unacknowledged. */
  term: [{ readonly id: number }, { readonly data: string } | { readonly exit: number }];
}
export type RequestName = keyof Requests;
export type PushName = keyof Pushes;

/** Wire form, the same on every door. */
export type ToHost =
  | { readonly t: 'req'; readonly id: number; readonly name: RequestName; readonly params: unknown }
  | { readonly t: 'sub'; readonly id: number; readonly topic: PushName; readonly params: unknown }
  | { readonly t: 'unsub'; readonly id: number };
export type ToWindow =
  | { readonly t: 'res'; readonly id: number; readonly ok: true; readonly value: unknown }
  | { readonly t: 'res'; readonly id: number; readonly ok: false; readonly error: string }
  | { readonly t: 'push'; readonly id: number; readonly value: unknown };

/** What `window.ringscope` (preload) or the WebSocket client gives the renderer. */
export interface Bridge {
  send(message: ToHost): void;
  /** Returns its own unsubscribe. */
  onMessage(listener: (message: ToWindow) => void): () => void;
  readonly door: 'electron' | 'browser';
}
