// The transmit path: from dev_queue_xmit through queue choice and qdisc to the driver (Linux: net/core/dev.c).
import { Errno } from '../base/errno.ts';
import type { Cpu } from '../platform/cpu.ts';
import type { TracePoint } from '../trace/trace.ts';
import { ETH_P, IpHdr, IPPROTO, Ipv6Hdr } from '../wire/headers.ts';
import { checkSkbAlive, checkXmitDone, checkXmitStart } from './contract_net.ts';
import type { Kernel } from './kernel.ts';
import { IFF, NET_XMIT_DROP, NET_XMIT_SUCCESS, NETDEV_TX_BUSY, NETDEV_TX_OK, type NetDevice, type NetdevQueue } from './net_device.ts';
import type { PacketType } from './packet_type.ts';
import type { Qdisc } from './sched/qdisc.ts';
import { NET_TX_SOFTIRQ } from './softirq.ts';
import { CHECKSUM_PARTIAL, CHECKSUM_UNNECESSARY, PACKET_LOOPBACK, PACKET_OUTGOING, SKB_GSO, type SkBuff } from './skbuff.ts';
import {
  __skb_pull,
  skb_headlen,
  skb_network_header,
  skb_network_offset,
  skb_reset_mac_header,
  skb_transport_offset,
} from './skb_inline.ts';
import { NetDevQueue, NetDevStartXmit, NetDevXmit } from './tracepoints.ts';

/** NETDEV_TX_*: the driver or the qdisc has consumed the skb (Linux: dev_xmit_complete()). */
export const dev_xmit_complete = (rc: number): boolean => rc < 0x10;
/** Nested transmits on one CPU through stacked devices (Linux: XMIT_RECURSION_LIMIT) */
const XMIT_RECURSION_LIMIT = 8;

export class DevXmit {
  /** Inline in Linux. */
  static readonly inlined: readonly string[] = Object.freeze([
    'netif_tx_start_queue',
    'netif_tx_start_all_queues',
    'netif_tx_wake_all_queues',
    'netif_stop_subqueue',
    'netif_tx_disable',
    '__dev_xmit_skb',
    'dev_queue_xmit',
    'dev_direct_xmit',
    'skb_tx_hash',
    'xmit_one',
    'xps_cpus',
    'get_xps_queue',
    'qdisc_pkt_len_init',
    'netif_subqueue_stopped',
    'netif_wake_subqueue',
  ]);
  /** Heads of the lists of scheduled qdiscs, by CPU. */
  private readonly output_queue: (Qdisc | undefined)[];
  private recursion = 0;
  private readonly tpQueue: TracePoint;
  private readonly tpStart: TracePoint;
  private readonly tpXmit: TracePoint;

  constructor(readonly kernel: Kernel) {
    const { scope, cpus } = kernel.platform;
    this.output_queue = cpus.list.map(() => undefined);
    this.tpQueue = scope.point(NetDevQueue);
    this.tpStart = scope.point(NetDevStartXmit);
    this.tpXmit = scope.point(NetDevXmit);
  }

  /** Sends a complete frame through its device's qdisc; consumes the skb. NET_XMIT_* or a negative errno. */
  dev_queue_xmit(skb: SkBuff): number {
    return this.__dev_queue_xmit(skb, undefined);
  }

  __dev_queue_xmit(skb: SkBuff, _sb_dev: NetDevice | undefined): number {
    const dev = skb.dev as NetDevice;
    if (this.kernel.contract.enabled && !checkSkbAlive(this.kernel, skb, 'dev_queue_xmit')) return NET_XMIT_DROP;
    skb.mac_header = skb.data - skb.head;
    const { tcf_egress } = dev;
    if (tcf_egress !== undefined && !this.kernel.sched.cls.sch_handle_egress(skb, tcf_egress)) return NET_XMIT_DROP;
    const index = dev.real_num_tx_queues === 1 ? 0 : this.netdev_core_pick_tx(dev, skb);
    skb.queue_mapping = index;
    const txq = dev.queues[index];
    const q = txq.qdisc;
    if (this.tpQueue.enabled) this.tpQueue.emit(dev.name, skb.id, skb.len);
    if (q.holdsPackets) return this.__dev_xmit_skb(skb, q, dev, txq);

    // a software device without a queue: loopback, veth, dummy
    let reason: 'DEV_READY' | 'NOT_SPECIFIED' = 'DEV_READY';
    if ((dev.flags & IFF.UP) !== 0) {
      reason = 'NOT_SPECIFIED';
      if (this.recursion >= XMIT_RECURSION_LIMIT) this.kernel.printk.pr_warn(`Dead loop on virtual device ${dev.name}, fix it urgently!`);
      else {
        const ready = this.validate_xmit_skb(skb, dev);
        if (ready === undefined) {
          dev.core_stats.tx_dropped++;
          return -Errno.ENOMEM;
        }
        if (!txq.drvXoff) {
          this.recursion++;
          const rc = this.dev_hard_start_xmit(ready, dev, txq);
          this.recursion--;
          if (dev_xmit_complete(rc)) return rc;
          const left = this.unsent as SkBuff;
          for (let rest = left.next; rest !== undefined;) {
            const next: SkBuff | undefined = rest.next;
            this.kernel.skb.kfree_skb(rest);
            rest = next;
          }
          left.next = undefined;
          dev.core_stats.tx_dropped++;
          this.kernel.skb.kfree_skb_reason(left, reason);
          this.kernel.printk.pr_warn(`Virtual device ${dev.name} asks to queue packet!`);
          return -Errno.ENETDOWN;
        }
        this.kernel.printk.pr_warn(`Virtual device ${dev.name} asks to queue packet!`);
      }
    }
    dev.core_stats.tx_dropped++;
    this.kernel.skb.kfree_skb_reason(skb, reason);
    return -Errno.ENETDOWN;
  }

  /** Through a qdisc that holds packets: past it when it is empty and allows that, else in and out again. */
  __dev_xmit_skb(skb: SkBuff, q: Qdisc, dev: NetDevice, txq: NetdevQueue): number {
    this.kernel.charge(this.kernel.platform.costs.qdisc);
    if (q.deactivated) {
      this.kernel.skb.kfree_skb_reason(skb, 'QDISC_DROP');
      return NET_XMIT_DROP;
    }
    const { sched } = this.kernel;
    this.qdisc_pkt_len_init(skb);
    if (q.canBypass && q.qlen === 0 && !q.running) {
      q.bytes += skb.pkt_len;
      q.packets += skb.pkt_segs;
      q.running = true;
      if (sched.sch_direct_xmit(skb, q, dev, txq)) sched.__qdisc_run(q);
      q.running = false;
      return NET_XMIT_SUCCESS;
    }
    const rc = this.dev_qdisc_enqueue(skb, q);
    if (!q.running) sched.qdisc_run(q);
    return rc;
  }

  /** What the packet will weigh on the wire: a GSO packet brings its headers once per segment. */
  qdisc_pkt_len_init(skb: SkBuff): void {
    const { skb: skbs } = this.kernel;
    skb.pkt_len = skb.len;
    skb.pkt_segs = 1;
    const size = skbs.gso_size(skb);
    if (size === 0 || skb.transport_header < 0) return;
    const tcp = (skbs.gso_type(skb) & (SKB_GSO.TCPV4 | SKB_GSO.TCPV6)) !== 0;
    const l4 = tcp ? (this.kernel.platform.ram.u8(skb.head + skb.transport_header + 12) >> 4) * 4 : 8;
    const header = skb.head + skb.transport_header - skb.data + l4;
    skb.pkt_segs = Math.max(1, Math.ceil((skb.len - header) / size));
    skb.pkt_len += (skb.pkt_segs - 1) * header;
  }

  dev_qdisc_enqueue(skb: SkBuff, q: Qdisc): number {
    const rc = q.enqueue(skb);
    if (rc === NET_XMIT_SUCCESS) this.kernel.sched.traceEnqueue(q, skb);
    return rc;
  }

  /** Past the qdisc, to a chosen queue (AF_PACKET with QDISC_BYPASS). */
  dev_direct_xmit(skb: SkBuff, queue: number): number {
    return this.__dev_direct_xmit(skb, queue);
  }
  __dev_direct_xmit(skb: SkBuff, queue: number): number {
    const dev = skb.dev as NetDevice;
    const txq = dev.queues[queue];
    if (!dev.started || dev.nocarrier || txq.drvXoff) {
      dev.core_stats.tx_dropped++;
      this.kernel.skb.kfree_skb(skb);
      return NET_XMIT_DROP;
    }
    skb.queue_mapping = queue;
    const ready = this.validate_xmit_skb(skb, dev);
    return ready === undefined ? NET_XMIT_DROP : this.dev_hard_start_xmit(ready, dev, txq);
  }

  netdev_core_pick_tx(dev: NetDevice, skb: SkBuff): number {
    const select = dev.netdev_ops.ndo_select_queue;
    const index = select !== undefined ? dev.netdev_ops.ndo_select_queue!(dev, skb) : this.netdev_pick_tx(dev, skb);
    // Linux: netdev_cap_txqueue()
    return index < dev.real_num_tx_queues ? index : 0;
  }

  /** The queue of the running CPU (XPS), else one by the flow's hash. */
  netdev_pick_tx(dev: NetDevice, skb: SkBuff): number {
    const xps = this.get_xps_queue(dev, skb);
    return xps >= 0 ? xps : this.skb_tx_hash(dev, skb);
  }
  get_xps_queue(dev: NetDevice, skb: SkBuff): number {
    // by the receive queue of the socket's packets first, then by CPU
    const from = skb.sk?.rxQueue ?? -1;
    const byQueue = from >= 0 ? dev.xps_rxqs_map?.[from] : undefined;
    const queues = byQueue !== undefined && byQueue.length > 0 ? byQueue : dev.xps_map?.[this.kernel.smp_processor_id()];
    if (queues === undefined || queues.length === 0) return -1;
    const queue = queues.length === 1 ? queues[0] : queues[Math.floor((this.skb_get_hash(skb) * queues.length) / 0x100000000)];
    return queue < dev.real_num_tx_queues ? queue : -1;
  }
  skb_tx_hash(dev: NetDevice, skb: SkBuff): number {
    // reciprocal_scale()
    return Math.floor((this.skb_get_hash(skb) * dev.real_num_tx_queues) / 0x100000000);
  }

  /** Hash of addresses, protocol and ports; kept in the skb. */
  skb_get_hash(skb: SkBuff): number {
    if (skb.hash === 0) this.__skb_get_hash(skb);
    return skb.hash;
  }
  __skb_get_hash(skb: SkBuff): void {
    const { ram } = this.kernel.platform;
    let h = 0x9747b28c;
    if (skb.network_header >= 0) {
      const at = skb_network_header(skb);
      const end = skb.data + skb_headlen(skb);
      if (skb.protocol === ETH_P.IP && at + IpHdr.$size <= end) {
        const protocol = IpHdr.protocol.get(ram, at);
        h = mix(mix(mix(h, IpHdr.saddr.get(ram, at)), IpHdr.daddr.get(ram, at)), protocol);
        const l4 = at + (IpHdr.version_ihl.get(ram, at) & 15) * 4;
        const fragment = (IpHdr.frag_off.get(ram, at) & 0x3fff) !== 0;
        if (!fragment && (protocol === IPPROTO.UDP || protocol === IPPROTO.TCP) && l4 + 4 <= end) h = mix(h, ram.u32be(l4));
      } else if (skb.protocol === ETH_P.IPV6 && at + Ipv6Hdr.$size <= end) {
        for (let i = 8; i < 40; i += 4) h = mix(h, ram.u32be(at + i));
        const protocol = Ipv6Hdr.nexthdr.get(ram, at);
        h = mix(h, protocol);
        if ((protocol === IPPROTO.UDP || protocol === IPPROTO.TCP) && at + 44 <= end) h = mix(h, ram.u32be(at + 40));
      } else h = mix(h, skb.protocol);
    }
    h ^= h >>> 16;
    h = Math.imul(h, 0x85ebca6b);
    h ^= h >>> 13;
    skb.hash = h >>> 0 || 1;
  }

  /** As validate_xmit_skb, for all that a qdisc gave. */
  validate_xmit_skb_list(skb: SkBuff, dev: NetDevice): SkBuff | undefined {
    return this.validate_xmit_skb(skb, dev);
  }
  /** Segments as a chain, each ready for the device; the packet is consumed. */
  private segment(skb: SkBuff, dev: NetDevice): SkBuff | undefined {
    const segs = this.kernel.gso.skb_gso_segment(skb, dev.hwSg, dev.hwCsum);
    if (segs === undefined) {
      dev.core_stats.tx_dropped++;
      this.kernel.skb.kfree_skb_reason(skb, 'SKB_GSO_SEG');
      return undefined;
    }
    this.kernel.skb.consume_skb(skb);
    if (!dev.hwCsum)
      for (let s: SkBuff | undefined = segs; s !== undefined; s = s.next)
        if (s.ip_summed === CHECKSUM_PARTIAL) this.kernel.skb.skb_checksum_help(s);
    return segs;
  }
  /** Completes in software what the device cannot do; undefined when that failed (then freed). */
  validate_xmit_skb(skb: SkBuff, dev: NetDevice): SkBuff | undefined {
    if (skb.vlan_proto !== 0 && !this.kernel.net.vlan.__vlan_hwaccel_push_inside(skb)) return this.unsendable(skb, dev);
    if (this.kernel.gso.netif_needs_gso(skb, dev)) return this.segment(skb, dev);
    if (skb.data_len !== 0 && (!dev.hwSg || (skb.frag_list !== undefined && !dev.hwFraglist)) && this.kernel.skb.skb_linearize(skb) !== 0)
      return this.unsendable(skb, dev);
    if (skb.ip_summed === CHECKSUM_PARTIAL && !dev.hwCsum && this.kernel.skb.skb_checksum_help(skb) !== 0) return this.unsendable(skb, dev);
    return skb;
  }

  /** What dev_hard_start_xmit could not hand over, from the refused packet on. */
  unsent: SkBuff | undefined;
  /** NETDEV_TX_OK, or NETDEV_TX_BUSY: then the caller keeps what is left of the chain, `unsent`. */
  dev_hard_start_xmit(first: SkBuff, dev: NetDevice, txq: NetdevQueue): number {
    let rc: number = NETDEV_TX_OK;
    for (let skb: SkBuff | undefined = first; skb !== undefined;) {
      const next: SkBuff | undefined = skb.next;
      skb.next = undefined;
      rc = this.xmit_one(skb, dev, txq);
      if (!dev_xmit_complete(rc)) {
        skb.next = next;
        this.unsent = skb;
        return rc;
      }
      if (next !== undefined && txq.drvXoff) {
        this.unsent = next;
        return NETDEV_TX_BUSY;
      }
      skb = next;
    }
    return rc;
  }
  xmit_one(skb: SkBuff, dev: NetDevice, txq: NetdevQueue): number {
    if (this.kernel.net.rx.dev_nit_active(dev)) this.dev_queue_xmit_nit(skb, dev);
    const { capture } = this.kernel.net;
    if (capture.enabled) capture.add(this.kernel, skb, dev, true);
    const { id, len } = skb;
    const { contract } = this.kernel;
    if (contract.enabled) checkXmitStart(this.kernel, dev, txq);
    if (this.tpStart.enabled) this.emitStart(skb, dev);
    let rc = dev.netdev_ops.ndo_start_xmit(skb, dev);
    if (contract.enabled && checkXmitDone(this.kernel, skb, dev, txq, rc)) rc = NETDEV_TX_OK;
    if (rc === NETDEV_TX_OK) txq.trans_start = this.kernel.now();
    if (this.tpXmit.enabled) this.tpXmit.emit(dev.name, id, len, rc);
    return rc;
  }

  /** Shows an outgoing skb to the taps: a clone each. */
  dev_queue_xmit_nit(skb: SkBuff, dev: NetDevice): void {
    const { kernel } = this;
    for (const pt of kernel.net.rx.taps().slice()) {
      if (pt.ignore_outgoing || (pt.dev !== undefined && pt.dev !== dev) || (pt.net !== undefined && pt.net !== dev.net)) continue;
      const clone = kernel.skb.skb_clone(skb);
      if (clone === undefined) return;
      this.showTo(pt, clone, dev);
    }
  }

  /** Feeds a packet back as received: multicast and broadcast to the host itself. */
  dev_loopback_xmit(skb: SkBuff): number {
    skb_reset_mac_header(skb);
    __skb_pull(skb, skb_network_offset(skb));
    skb.pkt_type = PACKET_LOOPBACK;
    if (skb.ip_summed !== CHECKSUM_PARTIAL) skb.ip_summed = CHECKSUM_UNNECESSARY;
    this.kernel.net.rx.netif_rx(skb);
    return 0;
  }

  netif_tx_stop_queue(txq: NetdevQueue): void {
    if (txq.drvXoff) return;
    txq.drvXoff = true;
    txq.stops++;
    txq.stoppedAt = this.kernel.now();
    this.kernel.sched.queueStopped(txq);
  }
  netif_tx_start_queue(txq: NetdevQueue): void {
    txq.drvXoff = false;
  }
  netif_tx_wake_queue(txq: NetdevQueue): void {
    if (!txq.drvXoff) return;
    txq.drvXoff = false;
    txq.wakes++;
    txq.wokenAt = this.kernel.now();
    this.__netif_schedule(txq.qdisc);
  }
  netif_stop_subqueue(dev: NetDevice, queue: number): void {
    this.netif_tx_stop_queue(dev.queues[queue]);
  }
  netif_wake_subqueue(dev: NetDevice, queue: number): void {
    this.netif_tx_wake_queue(dev.queues[queue]);
  }
  netif_subqueue_stopped(dev: NetDevice, queue: number): boolean {
    return dev.queues[queue].drvXoff;
  }
  netif_tx_start_all_queues(dev: NetDevice): void {
    for (let i = 0; i < dev.num_tx_queues; i++) this.netif_tx_start_queue(dev.queues[i]);
  }
  netif_tx_stop_all_queues(dev: NetDevice): void {
    for (let i = 0; i < dev.num_tx_queues; i++) this.netif_tx_stop_queue(dev.queues[i]);
  }
  netif_tx_wake_all_queues(dev: NetDevice): void {
    for (let i = 0; i < dev.num_tx_queues; i++) this.netif_tx_wake_queue(dev.queues[i]);
  }
  /** Stops all queues with their locks held: nothing is in the driver after it. */
  netif_tx_disable(dev: NetDevice): void {
    this.netif_tx_stop_all_queues(dev);
  }

  /** Has NET_TX run the qdisc soon. */
  __netif_schedule(q: Qdisc): void {
    if (q.scheduled || !q.holdsPackets) return;
    q.scheduled = true;
    this.__netif_reschedule(q);
  }
  __netif_reschedule(q: Qdisc): void {
    this.scheduleOn(q, this.kernel.smp_processor_id());
  }
  /** NET_TX of that CPU runs the qdisc. */
  scheduleOn(q: Qdisc, cpu: number): void {
    q.scheduled = true;
    q.next_sched = undefined;
    const head = this.output_queue[cpu];
    if (head === undefined) this.output_queue[cpu] = q;
    else {
      let last = head;
      while (last.next_sched !== undefined) last = last.next_sched;
      last.next_sched = q;
    }
    this.kernel.softirqs.raiseOn(this.kernel.platform.cpus.list[cpu], NET_TX_SOFTIRQ);
  }

  runSoftirq(_nr: number, cpu: Cpu): void {
    this.net_tx_action(cpu);
  }
  net_tx_action(cpu: Cpu): void {
    let q = this.output_queue[cpu.id];
    this.output_queue[cpu.id] = undefined;
    while (q !== undefined) {
      const next: Qdisc | undefined = q.next_sched;
      q.next_sched = undefined;
      q.scheduled = false;
      if (!q.deactivated && !q.running) this.kernel.sched.qdisc_run(q);
      q = next;
    }
  }

  /** XPS: the CPUs in `mask` send through `queue`. */
  netif_set_xps_queue(dev: NetDevice, mask: number, queue: number): number {
    if (queue >= dev.num_tx_queues) return -Errno.EINVAL;
    setXps((dev.xps_map ??= this.kernel.platform.cpus.list.map(() => [])), BigInt(mask >>> 0), queue);
    return 0;
  }
  /** The same by receive queues: `mask` has a bit for each. */
  setXpsRxqs(dev: NetDevice, mask: bigint, queue: number): number {
    setXps((dev.xps_rxqs_map ??= Array.from({ length: dev.num_rx_queues }, () => [])), mask, queue);
    return 0;
  }
  /** Mask of receive queues whose sockets send through a transmit queue. */
  xpsRxqs(dev: NetDevice, queue: number): bigint {
    return (dev.xps_rxqs_map ?? []).reduce((mask, queues, from) => (queues.includes(queue) ? mask | (1n << BigInt(from)) : mask), 0n);
  }
  /** Queues from `first` on are not used any more. */
  netif_reset_xps_queues_gt(dev: NetDevice, first: number): void {
    for (const map of [dev.xps_map, dev.xps_rxqs_map])
      map?.forEach((queues, i) => {
        map[i] = queues.filter((q) => q < first);
      });
  }
  /** CPU mask of a transmit queue; 0 when none is set. */
  xps_cpus(dev: NetDevice, queue: number): number {
    return dev.xps_map === undefined
      ? 0
      : dev.xps_map.reduce((mask, queues, cpu) => (queues.includes(queue) ? mask | (1 << cpu) : mask), 0);
  }

  private unsendable(skb: SkBuff, dev: NetDevice): undefined {
    dev.core_stats.tx_dropped++;
    this.kernel.skb.kfree_skb_reason(skb, 'SKB_CSUM');
    return undefined;
  }

  private showTo(pt: PacketType, clone: SkBuff, dev: NetDevice): void {
    clone.tstamp = this.kernel.now();
    skb_reset_mac_header(clone);
    if (clone.network_header < 0) clone.network_header = clone.data - clone.head;
    clone.transport_header = clone.network_header;
    clone.pkt_type = PACKET_OUTGOING;
    pt.handler.packet_rcv(clone, dev, pt, dev);
  }

  private emitStart(skb: SkBuff, dev: NetDevice): void {
    const { skb: core } = this.kernel;
    const transport = skb.transport_header >= 0;
    this.tpStart.emit(
      dev.name,
      skb.queue_mapping,
      skb.id,
      skb.protocol,
      skb.ip_summed,
      skb.len,
      skb.data_len,
      skb_network_offset(skb),
      transport,
      transport ? skb_transport_offset(skb) : 0,
      0,
      core.gso_size(skb),
      core.gso_segs(skb),
      core.gso_type(skb),
    );
  }
}

const mix = (h: number, k: number): number => {
  let x = Math.imul(k, 0xcc9e2d51);
  x = Math.imul((x << 15) | (x >>> 17), 0x1b873593);
  const y = h ^ x;
  return (Math.imul((y << 13) | (y >>> 19), 5) + 0xe6546b64) | 0;
};

/** `queue` is on the lists whose bit is set, and on no other. */
function setXps(map: readonly number[][], mask: bigint, queue: number): void {
  map.forEach((queues, i) => {
    const at = queues.indexOf(queue);
    const wanted = ((mask >> BigInt(i)) & 1n) !== 0n;
    if (wanted && at < 0) queues.push(queue);
    else if (!wanted && at >= 0) queues.splice(at, 1);
  });
}
