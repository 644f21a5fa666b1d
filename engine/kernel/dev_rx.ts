// The receive path: from a driver or the backlog to the protocols and taps (Linux: net/core/dev.c).
import type { Cpu } from '../platform/cpu.ts';
import type { TracePoint } from '../trace/trace.ts';
import { ETH_P } from '../wire/headers.ts';
import type { Kernel } from './kernel.ts';
import { Napi, type NapiPoller } from './napi.ts';
import { NET_RX_DROP, NET_RX_SUCCESS, NetDevice, type NetDeviceOps, RX_HANDLER } from './net_device.ts';
import type { PacketType } from './packet_type.ts';
import { PACKET_OTHERHOST, type SkBuff, SkBuffHead } from './skbuff.ts';
import { NET_RX_SOFTIRQ } from './softirq.ts';
import { isVlanProto } from './vlan_core.ts';
import { ops } from '../base/ops.ts';
import { NetifReceiveSkb, NetifReceiveSkbEntry, NetifReceiveSkbExit, NetifRx, NetifRxEntry, NetifRxExit } from './tracepoints.ts';

/** net.core.netdev_max_backlog and dev_weight */
export const NETDEV_MAX_BACKLOG = 1000;
export const DEV_RX_WEIGHT = 64;

/** A row of /proc/net/softnet_stat, by its columns' kernel names. */
export interface SoftnetStat {
  readonly cpu: number;
  readonly processed: number;
  readonly dropped: number;
  readonly time_squeeze: number;
  readonly received_rps: number;
  readonly flow_limit_count: number;
  readonly backlog_len: number;
}

/** Linux: struct softnet_data, the part of the backlog. */
class Softnet {
  readonly input_pkt_queue = new SkBuffHead();
  readonly process_queue = new SkBuffHead();
  processed = 0;
  dropped = 0;
  received_rps = 0;
  /** Packets that were ever put in, and taken out. */
  tail = 0;
  head = 0;
  /** CPUs whose backlog got its first packet from here: they are told when this CPU's round is over. */
  readonly rps_ipi_list: number[] = [];
  constructor(readonly backlog: Napi) {}
}

/** The backlog's NAPI belongs to no device; this stands for Linux's "(no_device)". */
const noDeviceOps: NetDeviceOps = ops({ ndo_start_xmit: () => 0 });

export class DevRx implements NapiPoller {
  /** Inline in Linux. */
  static readonly inlined: readonly string[] = Object.freeze(['deliver_skb', 'netif_receive_skb_internal', 'dev_nit_active']);
  max_backlog = NETDEV_MAX_BACKLOG;
  private readonly softnet: Softnet[];
  private readonly ptype_all: PacketType[] = [];
  /** By EtherType's low four bits, as Linux hashes them. */
  private readonly ptype_base: PacketType[][] = Array.from({ length: 16 }, () => []);
  private readonly tpReceive: TracePoint;
  private readonly tpReceiveEntry: TracePoint;
  private readonly tpReceiveExit: TracePoint;
  private readonly tpRx: TracePoint;
  private readonly tpRxEntry: TracePoint;
  private readonly tpRxExit: TracePoint;

  constructor(readonly kernel: Kernel) {
    const { scope, cpus } = kernel.platform;
    this.softnet = cpus.list.map((_, i) => {
      const dev = new NetDevice(undefined as never, '(no_device)', noDeviceOps, 0, 0);
      const napi = new Napi(0, dev, this, DEV_RX_WEIGHT, i);
      napi.disabled = false;
      return new Softnet(napi);
    });
    this.tpReceive = scope.point(NetifReceiveSkb);
    this.tpReceiveEntry = scope.point(NetifReceiveSkbEntry);
    this.tpReceiveExit = scope.point(NetifReceiveSkbExit);
    this.tpRx = scope.point(NetifRx);
    this.tpRxEntry = scope.point(NetifRxEntry);
    this.tpRxExit = scope.point(NetifRxExit);
  }

  /** Registers a protocol receiver, or a tap (type ETH_P.ALL). */
  dev_add_pack(pt: PacketType): void {
    (pt.type === ETH_P.ALL ? this.ptype_all : this.ptype_base[pt.type & 15]).unshift(pt);
  }
  dev_remove_pack(pt: PacketType): void {
    const list = pt.type === ETH_P.ALL ? this.ptype_all : this.ptype_base[pt.type & 15];
    const i = list.indexOf(pt);
    if (i >= 0) list.splice(i, 1);
  }
  /** All receivers, taps first, as /proc/net/ptype lists them. */
  packetTypes(): PacketType[] {
    return [...this.ptype_all, ...this.ptype_base.flat()];
  }
  /** Taps, for the transmit path. */
  taps(): readonly PacketType[] {
    return this.ptype_all;
  }

  /** A packet from software or a driver without NAPI, into this CPU's backlog. NET_RX_SUCCESS or NET_RX_DROP. */
  netif_rx(skb: SkBuff): number {
    return this.traced(skb);
  }
  /** The same, where softirqs are off anyway. */
  __netif_rx(skb: SkBuff): number {
    return this.traced(skb);
  }
  netif_rx_internal(skb: SkBuff): number {
    if (this.tpRx.enabled) this.tpRx.emit(skb.dev?.name ?? '', skb.id, skb.len);
    const cpu = this.steered(skb);
    return this.enqueue_to_backlog(skb, cpu >= 0 ? cpu : this.kernel.smp_processor_id());
  }

  /** CPU that RPS wants for the packet, -1: this one. */
  private steered(skb: SkBuff): number {
    const { rps } = this.kernel.net;
    return rps.needed === 0 || skb.dev === undefined ? -1 : rps.get_rps_cpu(skb.dev, skb);
  }

  /** A backlog that was idle has work: polled here, or its CPU is sent an interrupt at the end of this CPU's round. */
  napi_schedule_rps(cpu: number): void {
    const here = this.kernel.smp_processor_id();
    if (cpu === here) return this.kernel.net.napi.____napi_schedule(this.softnet[cpu].backlog, cpu);
    this.softnet[here].rps_ipi_list.push(cpu);
    this.kernel.softirqs.raise_softirq(NET_RX_SOFTIRQ);
  }

  net_rps_action_and_irq_enable(here: number): void {
    const { rps_ipi_list } = this.softnet[here];
    for (const cpu of rps_ipi_list) this.rps_trigger_softirq(cpu);
    rps_ipi_list.length = 0;
  }

  /** The interrupt between processors. */
  rps_trigger_softirq(cpu: number): void {
    this.softnet[cpu].received_rps++;
    this.kernel.net.napi.____napi_schedule(this.softnet[cpu].backlog, cpu);
  }

  backlogHead(cpu: number): number {
    return this.softnet[cpu].head;
  }
  backlogTail(cpu: number): number {
    return this.softnet[cpu].tail;
  }

  enqueue_to_backlog(skb: SkBuff, cpu: number): number {
    const sd = this.softnet[cpu];
    const queue = sd.input_pkt_queue;
    if (skb.dev?.started === true && queue.qlen <= this.max_backlog) {
      queue.push(skb);
      sd.tail++;
      if (!sd.backlog.sched) {
        sd.backlog.sched = true;
        this.napi_schedule_rps(cpu);
      }
      return NET_RX_SUCCESS;
    }
    const reason = skb.dev?.started === true ? 'CPU_BACKLOG' : 'NOT_SPECIFIED';
    sd.dropped++;
    if (skb.dev !== undefined) skb.dev.core_stats.rx_dropped++;
    this.kernel.skb.kfree_skb_reason(skb, reason);
    return NET_RX_DROP;
  }

  poll(napi: Napi, budget: number): number {
    return this.process_backlog(napi, budget);
  }

  /** Work done; below `budget` it has left the poll list. */
  process_backlog(napi: Napi, budget: number): number {
    const sd = this.softnet[napi.queue];
    let work = 0;
    for (;;) {
      for (let skb = sd.process_queue.shift(); skb !== undefined; skb = sd.process_queue.shift()) {
        sd.head++;
        this.__netif_receive_skb(skb);
        if (++work >= budget) return work;
      }
      if (sd.input_pkt_queue.qlen === 0) {
        napi.sched = false;
        napi.onList = false;
        return work;
      }
      for (let skb = sd.input_pkt_queue.shift(); skb !== undefined; skb = sd.input_pkt_queue.shift()) sd.process_queue.push(skb);
    }
  }

  /** A packet in softirq context, straight to the protocols. */
  netif_receive_skb(skb: SkBuff): number {
    if (this.tpReceiveEntry.enabled) emitRxVerbose(this.kernel, this.tpReceiveEntry, skb, 0);
    const ret = this.netif_receive_skb_internal(skb);
    if (this.tpReceiveExit.enabled) this.tpReceiveExit.emit(ret);
    return ret;
  }
  netif_receive_skb_internal(skb: SkBuff): number {
    const cpu = this.steered(skb);
    return cpu >= 0 ? this.enqueue_to_backlog(skb, cpu) : this.__netif_receive_skb(skb);
  }
  /** A batch of one NAPI poll; empties `list`. */
  netif_receive_skb_list_internal(list: SkBuff[]): void {
    if (this.kernel.net.rps.needed === 0) this.__netif_receive_skb_list_core(list);
    else this.__netif_receive_skb_list_core(list.filter((skb) => !this.steerAway(skb)));
    list.length = 0;
  }
  private steerAway(skb: SkBuff): boolean {
    const cpu = this.steered(skb);
    if (cpu >= 0) this.enqueue_to_backlog(skb, cpu);
    return cpu >= 0;
  }
  __netif_receive_skb_list_core(list: readonly SkBuff[]): void {
    for (let i = 0; i < list.length; i++) this.__netif_receive_skb_core(list[i]);
  }

  __netif_receive_skb(skb: SkBuff): number {
    return this.__netif_receive_skb_one_core(skb);
  }
  __netif_receive_skb_one_core(skb: SkBuff): number {
    return this.__netif_receive_skb_core(skb);
  }

  /** Taps, VLAN and the device's handler, each of which may lead to another device; then the protocol of the skb's EtherType. */
  __netif_receive_skb_core(given: SkBuff): number {
    let skb = given;
    let dev = skb.dev as NetDevice;
    const origDev = dev;
    if (this.tpReceive.enabled) this.tpReceive.emit(dev.name, skb.id, skb.len);
    skb.network_header = skb.data - skb.head;
    if (skb.transport_header < 0) skb.transport_header = skb.network_header;
    const { capture, vlan } = this.kernel.net;
    for (;;) {
      skb.skb_iif = dev.ifindex;
      this.softnet[this.kernel.smp_processor_id()].processed++;
      if (this.ptype_all.length > 0) this.deliverToTaps(skb, dev);
      if (capture.enabled) capture.add(this.kernel, skb, dev, false);
      if (dev.tcf_ingress !== undefined && !this.kernel.sched.cls.sch_handle_ingress(skb, dev.tcf_ingress)) return NET_RX_DROP;
      if (skb.vlan_proto === 0 && isVlanProto(skb.protocol)) {
        const untagged = vlan.skb_vlan_untag(skb);
        if (untagged === undefined) return NET_RX_DROP;
        skb = untagged;
      }
      if (skb.vlan_proto !== 0 && dev.vlan_info !== undefined) {
        const upper = vlan.vlan_do_receive(skb);
        if (upper === 'dropped') return NET_RX_DROP;
        if (upper === 'taken') {
          dev = skb.dev as NetDevice;
          continue;
        }
      }
      if (dev.rx_handler === undefined) break;
      const done = dev.rx_handler.handle_frame(skb, dev);
      if (done === RX_HANDLER.CONSUMED) return NET_RX_SUCCESS;
      if (done !== RX_HANDLER.ANOTHER) break;
      dev = skb.dev as NetDevice;
    }
    if (skb.vlan_proto !== 0) {
      // nobody here has this VLAN; VLAN 0 carries a priority only
      if ((skb.vlan_tci & 0xfff) !== 0) skb.pkt_type = PACKET_OTHERHOST;
      skb.vlan_proto = 0;
    }
    return this.deliverToProtocol(skb, dev, origDev);
  }

  private deliverToProtocol(skb: SkBuff, dev: NetDevice, origDev: NetDevice): number {
    const type = skb.protocol;
    const list = this.ptype_base[type & 15];
    let previous: PacketType | undefined;
    for (let i = 0; i < list.length; i++) {
      const pt = list[i];
      if (pt.type !== type || (pt.dev !== undefined && pt.dev !== dev) || (pt.net !== undefined && pt.net !== dev.net)) continue;
      if (previous !== undefined) this.deliver_skb(skb, previous, dev);
      previous = pt;
    }
    if (previous !== undefined) return previous.handler.packet_rcv(skb, dev, previous, origDev);
    dev.core_stats.rx_dropped++;
    this.kernel.skb.kfree_skb_reason(skb, 'UNHANDLED_PROTO');
    return NET_RX_DROP;
  }

  /** One of several receivers: it gets a reference of its own. */
  deliver_skb(skb: SkBuff, pt: PacketType, dev: NetDevice): number {
    skb.users++;
    return pt.handler.packet_rcv(skb, dev, pt, dev);
  }

  /** Somebody taps packets. */
  dev_nit_active(_dev: NetDevice): boolean {
    return this.ptype_all.length > 0;
  }

  /** A device is going: its packets in all backlogs are freed (Linux: flush_backlog). */
  flush_backlog(dev: NetDevice): void {
    for (const sd of this.softnet) {
      for (const queue of [sd.input_pkt_queue, sd.process_queue]) {
        for (let n = queue.qlen; n > 0; n--) {
          const skb = queue.shift() as SkBuff;
          if (skb.dev === dev) {
            sd.head++;
            this.kernel.skb.kfree_skb(skb);
          } else queue.push(skb);
        }
      }
    }
  }

  /** Rows of /proc/net/softnet_stat. */
  softnetStats(): SoftnetStat[] {
    return this.softnet.map((sd, cpu) => ({
      cpu,
      processed: sd.processed,
      dropped: sd.dropped,
      time_squeeze: this.kernel.net.napi.time_squeeze(cpu),
      received_rps: sd.received_rps,
      flow_limit_count: 0,
      backlog_len: sd.input_pkt_queue.qlen + sd.process_queue.qlen,
    }));
  }

  runSoftirq(_nr: number, cpu: Cpu): void {
    this.kernel.net.napi.net_rx_action(cpu);
  }

  private traced(skb: SkBuff): number {
    if (this.tpRxEntry.enabled) emitRxVerbose(this.kernel, this.tpRxEntry, skb, 0);
    const rc = this.netif_rx_internal(skb);
    if (this.tpRxExit.enabled) this.tpRxExit.emit(rc);
    return rc;
  }

  private deliverToTaps(skb: SkBuff, dev: NetDevice): void {
    for (const pt of this.ptype_all.slice()) {
      if ((pt.dev !== undefined && pt.dev !== dev) || (pt.net !== undefined && pt.net !== dev.net)) continue;
      this.deliver_skb(skb, pt, dev);
    }
  }
}

/** Emits one of the `net_dev_rx_verbose` tracepoints. */
export function emitRxVerbose(kernel: Kernel, point: TracePoint, skb: SkBuff, napi_id: number): void {
  point.emit(
    skb.dev?.name ?? '',
    napi_id,
    skb.queue_mapping,
    skb.id,
    skb.protocol,
    skb.ip_summed,
    skb.hash,
    skb.len,
    skb.data_len,
    skb.truesize,
    skb.mac_header >= 0,
    skb.head + skb.mac_header - skb.data,
    kernel.skb.nr_frags(skb),
    kernel.skb.gso_size(skb),
    kernel.skb.gso_type(skb),
  );
}
