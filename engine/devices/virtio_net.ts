// The virtio-net device (virtio-v1.2 §5.1): queue pairs, control queue, offloads, link; and the factory that puts it on PCI.
import type { BytesField, Field } from '../base/layout.ts';
import type { ByteMem } from '../base/memory.ts';
import { invariant, InvariantError, ops } from '../base/ops.ts';
import type { Sim } from '../sim/sim.ts';
import type { Frame, FrameOffload, NicPort, Wire } from '../link/port.ts';
import { PCI_DEVICE_ID } from '../pci/ids.ts';
import type { Platform } from '../platform/platform.ts';
import { F } from '../virtio/features.ts';
import { ETH_ALEN } from '../wire/headers.ts';
import { ctrlQueue, netHdrLength, VIRTIO_NET_HDR_GSO, VirtioNetConfig } from '../virtio/net.ts';
import { VIRTIO_ID } from '../virtio/status.ts';
import { NetCoalescing } from './net_coalesce.ts';
import { NetConfig } from './net_config.ts';
import { NetControl } from './net_ctrl.ts';
import { NIC_TIMING, type NicContext, type NicCounters, type NicTiming, zeroCounters } from './net_context.ts';
import type { RxFilter } from './net_filter.ts';
import { FlowTable } from './net_flow.ts';
import type { RssState } from './net_rss.ts';
import { NetRx } from './net_rx.ts';
import { NetTx } from './net_tx.ts';
import type { VirtioInterfaces } from './virtio_core.ts';
import { netFeatures, type NetOptions, withoutOrphans } from './virtio_net_features.ts';
import { VirtioPci } from './virtio_pci.ts';
import type { VirtioDevice, VirtioTransport } from './virtio_device.ts';
import { RING_FORMATS, type RingFormats, VIRTQUEUE_MAX } from './virtqueue.ts';

/** What the device is made of; a quirk of it (engine/devices/quirks) puts its own in a part's place. */
export interface VirtioNetParts {
  readonly tx: typeof NetTx;
  readonly coalescing: typeof NetCoalescing;
  readonly rings: RingFormats;
  /** Whether a feature is in a word of features, where the device lays out its configuration. */
  readonly has: (word: bigint, feature: bigint) => boolean;
}
const PARTS: VirtioNetParts = ops({
  tx: NetTx,
  coalescing: NetCoalescing,
  rings: RING_FORMATS,
  has: (word: bigint, feature: bigint) => (word & feature) !== 0n,
});

/** What a lab file says about a virtio NIC. */
export interface VirtioNetSpec {
  /** 'h1:nic0' */
  readonly portName: string;
  /** QEMU's name of the device, for traces; 'virtio-net-pci' when absent. */
  readonly device?: string;
  /** '00:01.0', for traces. */
  readonly slot: string;
  readonly mac: Uint8Array;
  /** 1 … 64; MQ is offered from 2 on. */
  readonly queuePairs: number;
  /** Entries per receive and transmit queue, a power of two up to 1024; QEMU's default is 256. */
  readonly ringSize?: number;
  /** Default: both, a transitional device. */
  readonly interfaces?: VirtioInterfaces;
  /** MSI-X vectors; default 2 per pair, one for the control queue, one for the configuration; 0: INTA# only. */
  readonly vectors?: number;
  /** QEMU's page-per-vq. */
  readonly pagePerVq?: boolean;
  /** Features of transport and ring beyond those every device offers. */
  readonly offer?: bigint;
  /** Properties of the device itself. */
  readonly net?: NetOptions;
  /** Features not to offer, the ring's too, as QEMU's property=off; those that need them go too. */
  readonly disable?: bigint;
  readonly timing?: Partial<NicTiming>;
  readonly parts?: Partial<VirtioNetParts>;
}

const TRANSITIONAL: VirtioInterfaces = Object.freeze({ legacy: true, modern: true });
/** QEMU: the control queue always has 64 entries. */
const CTRL_QUEUE_SIZE = 64;
const CLASS_ETHERNET = 0x020000;
export const NIC_LIMITS = Object.freeze({ queuePairs: 64, ringMin: 64, ringMax: VIRTQUEUE_MAX });

export class VirtioNet implements VirtioDevice, NicPort, NicContext {
  readonly deviceId = VIRTIO_ID.NET;
  readonly name: string;
  /** Changes when the machine is renamed. */
  portName: string;
  readonly features: bigint;
  readonly withheld: bigint;
  readonly legacyFeatures = F.VIRTIO_NET_F_GSO;
  readonly configLength: number;
  readonly queueSizes: readonly number[];
  readonly maxPairs: number;
  readonly sim: Sim;
  readonly timing: NicTiming;
  readonly counters: NicCounters = zeroCounters();
  readonly flows = new FlowTable();
  readonly control: NetControl;
  readonly coalescing: NetCoalescing;
  readonly ringFormats: RingFormats;
  private readonly parts: VirtioNetParts;
  wire: Wire | undefined;
  mergeable = false;
  hashReport = false;
  hdrLen = netHdrLength(0n);
  private attached: VirtioTransport | undefined;
  private cableUp = false;
  private adminUp = true;
  private tx: NetTx | undefined;
  private rx: NetRx | undefined;

  constructor(
    private readonly platform: Platform,
    spec: VirtioNetSpec,
  ) {
    const ring = spec.ringSize ?? 256;
    const { portName, queuePairs } = spec;
    invariant(queuePairs >= 1 && queuePairs <= NIC_LIMITS.queuePairs, `${portName}: 1 to ${NIC_LIMITS.queuePairs} queue pairs`);
    invariant(
      ring >= NIC_LIMITS.ringMin && ring <= NIC_LIMITS.ringMax && (ring & (ring - 1)) === 0,
      `${portName}: the ring size is a power of two from ${NIC_LIMITS.ringMin} to ${NIC_LIMITS.ringMax}`,
    );
    this.parts = spec.parts === undefined ? PARTS : ops({ ...PARTS, ...spec.parts });
    this.ringFormats = this.parts.rings;
    this.sim = platform.sim;
    this.portName = portName;
    this.name = `${spec.device ?? 'virtio-net-pci'} ${spec.slot}`;
    this.maxPairs = queuePairs;
    this.timing = { ...NIC_TIMING, ...spec.timing };
    const net = spec.net ?? {};
    this.withheld = spec.disable ?? 0n;
    this.features = withoutOrphans(netFeatures(net, queuePairs) & ~this.withheld);
    this.configLength = configLength(this.features, this.parts.has);
    this.queueSizes = [...Array.from({ length: 2 * queuePairs }, () => ring), CTRL_QUEUE_SIZE];
    const { hostMtu: mtu, speed } = net;
    const config = new NetConfig(spec.mac, queuePairs, {
      ...(mtu === undefined ? {} : { mtu }),
      ...(speed === undefined ? {} : { speed }),
      ...(net.duplex === undefined ? {} : { duplex: net.duplex === 'full' ? 1 : 0 }),
      rss: this.offers(F.VIRTIO_NET_F_RSS),
      hashReport: this.offers(F.VIRTIO_NET_F_HASH_REPORT),
    });
    this.coalescing = new this.parts.coalescing(this.sim, 2 * queuePairs);
    this.control = new NetControl(queuePairs, config, this.coalescing);
    this.reset();
  }

  get transport(): VirtioTransport {
    if (this.attached === undefined) throw new InvariantError(`${this.name}: no transport`);
    return this.attached;
  }

  get config(): ByteMem {
    return this.control.config.mem;
  }
  get filter(): RxFilter {
    return this.control.filter;
  }
  /** The address the driver set, or was given. */
  get mac(): Uint8Array {
    return this.filter.mac;
  }
  get rss(): RssState {
    return this.control.rss;
  }
  get pairs(): number {
    return this.control.pairs;
  }
  get guestCsum(): boolean {
    return this.control.guestCsum;
  }
  get negotiatedFeatures(): bigint {
    return this.control.features;
  }
  get port(): NicPort {
    return this;
  }

  /** The link as the driver sees it: a cable that is up, and not switched off from outside. */
  get linkUp(): boolean {
    return this.cableUp && this.adminUp;
  }

  get wireUp(): boolean {
    return this.wire?.up === true;
  }

  attach(transport: VirtioTransport): void {
    this.attached = transport;
    this.tx = new this.parts.tx(this, transport.port, this.platform.scope);
    this.rx = new NetRx(this, transport.port, this.platform.scope);
  }

  negotiated(features: bigint): void {
    this.mergeable = (features & F.VIRTIO_NET_F_MRG_RXBUF) !== 0n;
    this.hashReport = (features & F.VIRTIO_NET_F_HASH_REPORT) !== 0n;
    this.hdrLen = netHdrLength(features);
    this.control.negotiated(features);
  }

  /** Doorbells that came before DRIVER_OK were not heard: look at every queue (virtio-v1.2 §3.1.1 lets the driver fill them earlier). */
  driverOk(): void {
    for (const q of this.transport.queues) if (q.hasWork()) this.queueNotify(q.index);
  }

  queueNotify(queue: number): void {
    // virtio-v1.2 §5.1.2: without MQ the control queue follows the first pair
    const control = ctrlQueue(this.has(F.VIRTIO_NET_F_MQ | F.VIRTIO_NET_F_RSS) ? this.maxPairs : 1);
    const { queues, port } = this.transport;
    if (queue === control) this.control.serve(this.transport, queues[queue], port);
    else if ((queue & 1) === 1) this.tx?.notify(queue >> 1, this.platform.cpus.now());
    // a receive queue's bell needs no answer: frames that found no buffer are gone, and the next one looks at the ring
  }

  queueReset(queue: number): void {
    if ((queue & 1) === 1) this.tx?.stop(queue >> 1);
    this.coalescing.queueReset(queue);
  }

  reset(): void {
    this.mergeable = this.hashReport = false;
    this.hdrLen = netHdrLength(0n);
    this.control.reset();
    this.flows.reset();
    this.tx?.reset();
    this.rx?.reset();
  }

  plug(wire: Wire | undefined): void {
    this.wire = wire;
  }

  receiveFrame(frame: Frame): void {
    if (this.linkUp) this.rx?.receive(frame);
  }

  /** virtio-v1.2 §5.1.6.4: what the driver negotiated and did not switch off since. */
  takesOffload(offload: FrameOffload): boolean {
    const on = (bits: bigint): boolean => (this.control.guestOffloads & bits) === bits;
    if (!on(F.VIRTIO_NET_F_GUEST_CSUM)) return false;
    if ((offload.gsoType & VIRTIO_NET_HDR_GSO.ECN) !== 0 && !on(F.VIRTIO_NET_F_GUEST_ECN)) return false;
    switch (offload.gsoType & ~VIRTIO_NET_HDR_GSO.ECN) {
      case VIRTIO_NET_HDR_GSO.NONE:
        return true;
      case VIRTIO_NET_HDR_GSO.TCPV4:
        return on(F.VIRTIO_NET_F_GUEST_TSO4);
      case VIRTIO_NET_HDR_GSO.TCPV6:
        return on(F.VIRTIO_NET_F_GUEST_TSO6);
      case VIRTIO_NET_HDR_GSO.UDP:
        return on(F.VIRTIO_NET_F_GUEST_UFO);
      case VIRTIO_NET_HDR_GSO.UDP_L4:
        return on(F.VIRTIO_NET_F_GUEST_USO4 | F.VIRTIO_NET_F_GUEST_USO6);
      default:
        return false;
    }
  }

  linkChanged(up: boolean): void {
    this.cableUp = up;
    this.updateLink();
  }

  /** QMP set_link: the link as if pulled, whatever the cable. */
  setLink(up: boolean): void {
    this.adminUp = up;
    this.updateLink();
  }

  /** Asks the driver to announce itself, as after a migration (virtio-v1.2 §5.1.6.5.4). */
  announce(): void {
    const needed = F.VIRTIO_NET_F_GUEST_ANNOUNCE | F.VIRTIO_NET_F_CTRL_VQ;
    if ((this.control.features & needed) !== needed) return;
    this.control.config.requestAnnounce();
    this.transport.configChanged();
  }

  /** virtio-v1.2 §5.1.4.3: a legacy driver sets the address here when it has no command for it; all else is read-only. */
  configWritten(offset: number, size: number, value: number, legacy: boolean): void {
    const { mac } = VirtioNetConfig;
    if (!legacy || offset < mac.offset || offset + size > mac.offset + ETH_ALEN || this.has(F.VIRTIO_NET_F_CTRL_MAC_ADDR)) return;
    const next = this.mac.slice();
    for (let i = 0; i < size; i++) next[offset - mac.offset + i] = (value >>> (8 * i)) & 0xff;
    this.control.config.setMac(next);
    this.filter.mac.set(next);
  }

  private offers(feature: bigint): boolean {
    return (this.features & feature) !== 0n;
  }

  private has(feature: bigint): boolean {
    return (this.control.features & feature) !== 0n;
  }

  private updateLink(): void {
    if (this.control.config.setLink(this.linkUp)) this.transport.configChanged();
  }
}

/** The configuration has the fields of the features offered (QEMU: virtio_net's feature_sizes). */
function configLength(features: bigint, has: VirtioNetParts['has']): number {
  const C = VirtioNetConfig;
  const ends: readonly (readonly [bigint, Field | BytesField])[] = [
    [F.VIRTIO_NET_F_MAC, C.mac],
    [F.VIRTIO_NET_F_STATUS, C.status],
    [F.VIRTIO_NET_F_MQ, C.max_virtqueue_pairs],
    [F.VIRTIO_NET_F_MTU, C.mtu],
    [F.VIRTIO_NET_F_SPEED_DUPLEX, C.duplex],
    [F.VIRTIO_NET_F_RSS | F.VIRTIO_NET_F_HASH_REPORT, C.supported_hash_types],
  ];
  return ends.reduce((n, [f, field]) => (has(features, f) ? Math.max(n, field.offset + field.size) : n), 0);
}

/** The device on PCI, ready for `host.addFunction(devfn, nic.pci.fn)` and `new Cable(…, nic.net, …)`. */
export interface VirtioNetPci {
  readonly pci: VirtioPci;
  readonly net: VirtioNet;
}

export function virtioNetPci(platform: Platform, spec: VirtioNetSpec): VirtioNetPci {
  const net = new VirtioNet(platform, spec);
  const pci = new VirtioPci(
    platform,
    {
      name: net.name,
      interfaces: spec.interfaces ?? TRANSITIONAL,
      transitionalId: PCI_DEVICE_ID.VIRTIO_NET_TRANSITIONAL,
      classCode: CLASS_ETHERNET,
      msixVectors: spec.vectors ?? 2 * spec.queuePairs + 2,
      pagePerVq: spec.pagePerVq ?? false,
      offer: spec.offer ?? 0n,
    },
    net,
  );
  return { pci, net };
}
