// Qdiscs and NAPI under a small NIC of the test's own: a driver that takes, refuses and polls on command.
import { describe, expect, it } from 'vitest';
import { ops } from '../../base/ops.ts';
import { bootKernel, runFor } from '../../testkit/kernel_fixture.ts';
import type { Kernel } from '../kernel.ts';
import type { Napi, NapiPoller } from '../napi.ts';
import { NETDEV_TX_BUSY, NETDEV_TX_OK, type NetDevice, type NetDeviceOps } from '../net_device.ts';
import { type PacketHandler, PacketType } from '../packet_type.ts';
import { skb_reserve } from '../skb_inline.ts';
import type { SkBuff } from '../skbuff.ts';

const PROTO = 0x88b5;

class Nic implements NapiPoller {
  sent: number[] = [];
  room = Number.MAX_SAFE_INTEGER;
  /** Packets waiting in its receive ring. */
  waiting = 0;
  polls: number[] = [];
  timeouts = 0;
  napi!: Napi;
  constructor(
    readonly kernel: Kernel,
    readonly dev: NetDevice,
  ) {}
  xmit(skb: SkBuff): number {
    if (this.room === 0) {
      this.kernel.net.xmit.netif_stop_subqueue(this.dev, skb.queue_mapping);
      return NETDEV_TX_BUSY;
    }
    this.room--;
    this.sent.push(skb.mark);
    this.kernel.skb.consume_skb(skb);
    return NETDEV_TX_OK;
  }
  poll(napi: Napi, budget: number): number {
    const n = Math.min(budget, this.waiting);
    for (let i = 0; i < n; i++) {
      const skb = this.kernel.skb.napi_alloc_skb(napi, 60) as SkBuff;
      this.kernel.skb.skb_put(skb, 60);
      skb.protocol = PROTO;
      this.kernel.gro.napi_gro_receive(napi, skb);
    }
    this.waiting -= n;
    this.polls.push(n);
    if (n < budget) this.kernel.net.napi.napi_complete_done(napi, n);
    return n;
  }
}
const nicOps: NetDeviceOps = ops<NetDeviceOps>({
  ndo_start_xmit: (skb, dev) => (dev.priv as Nic).xmit(skb),
  ndo_tx_timeout: (dev) => {
    (dev.priv as Nic).timeouts++;
  },
});

class Count implements PacketHandler {
  seen = 0;
  constructor(readonly kernel: Kernel) {}
  packet_rcv(skb: SkBuff): number {
    this.seen++;
    this.kernel.skb.consume_skb(skb);
    return 0;
  }
}

function nic(kernel: Kernel, queues: number): Nic {
  const dev = kernel.net.alloc_etherdev_mq(nicOps, queues);
  const n = new Nic(kernel, dev);
  dev.priv = n;
  kernel.net.eth_hw_addr_random(dev);
  kernel.net.register_netdev(dev);
  n.napi = kernel.net.napi.netif_napi_add(dev, n, 64, 0);
  kernel.net.napi.napi_enable(n.napi);
  kernel.net.dev_open(dev);
  n.sent.length = 0;
  return n;
}

function send(kernel: Kernel, dev: NetDevice, mark: number, priority = 0, length = 100): number {
  const skb = kernel.skb.alloc_skb(length + 64) as SkBuff;
  skb_reserve(skb, 64);
  kernel.skb.skb_put(skb, length);
  skb.dev = dev;
  skb.protocol = PROTO;
  skb.network_header = skb.data - skb.head;
  skb.mark = mark;
  skb.priority = priority;
  return kernel.net.xmit.dev_queue_xmit(skb);
}

const boot = (): ReturnType<typeof bootKernel> => {
  const f = bootKernel({ cpus: 4 });
  if (f.kernel.netns.list.length === 0) f.kernel.boot();
  return f;
};
const own = (n: Nic): number[] => n.sent.filter((m) => m > 0);

describe('qdiscs', () => {
  it('gives mq with a default qdisc per queue to a device of several, the plain default to one of one', () => {
    const { kernel } = boot();
    const a = nic(kernel, 4);
    const b = nic(kernel, 1);
    expect(kernel.sched.tc_dump_qdisc(a.dev).map((q) => [q.kind, q.parent, q.refcnt])).toEqual([
      ['mq', 0xffffffff, 1],
      ['fq_codel', 4, 1],
      ['fq_codel', 3, 1],
      ['fq_codel', 2, 1],
      ['fq_codel', 1, 1],
    ]);
    expect(kernel.sched.tc_dump_qdisc(b.dev).map((q) => [q.kind, q.refcnt])).toEqual([['fq_codel', 2]]);
    kernel.net.netif_set_real_num_tx_queues(a.dev, 2);
    expect(kernel.sched.tc_dump_qdisc(a.dev).map((q) => q.parent)).toEqual([0xffffffff, 2, 1]);
  });

  it('sends past an empty qdisc, and keeps in order what the driver refuses until its queue is woken', () => {
    const { kernel, sim } = boot();
    const n = nic(kernel, 1);
    n.room = 1;
    for (let mark = 1; mark <= 4; mark++) expect(send(kernel, n.dev, mark)).toBe(0);
    const q = n.dev.queues[0];
    expect([own(n), q.drvXoff, q.qdisc.qlen, q.qdisc.requeues]).toEqual([[1], true, 3, 1]);
    runFor(sim, 1_000_000);
    n.room = 10;
    kernel.net.xmit.netif_tx_wake_queue(q);
    runFor(sim, 1_000_000);
    expect([own(n), q.qdisc.qlen, q.qdisc.backlog, q.wakes]).toEqual([[1, 2, 3, 4], 0, 0, 1]);
    expect(kernel.sched.tc_dump_qdisc(n.dev)[0].stats).toMatchObject({ drops: 0, requeues: 1, qlen: 0 });
    expect(kernel.skb.live).toBe(0);
  });

  it('drops in pfifo_fast beyond tx_queue_len and serves bands by priority', () => {
    const { kernel, sim } = boot();
    expect(kernel.vfs.sysctl.set(kernel.init_net, 'net.core.default_qdisc', 'pfifo_fast')).toBe(0);
    expect(kernel.vfs.sysctl.set(kernel.init_net, 'net.core.default_qdisc', 'bogus')).toBe(-2);
    const n = nic(kernel, 1);
    n.dev.tx_queue_len = 2;
    n.room = 0;
    send(kernel, n.dev, 1);
    for (const [mark, priority] of [
      [2, 2],
      [3, 0],
      [4, 6],
      [5, 0],
      [6, 0],
    ] as const)
      send(kernel, n.dev, mark, priority);
    expect(n.dev.qdisc.drops).toBe(1);
    n.room = 10;
    kernel.net.xmit.netif_tx_wake_queue(n.dev.queues[0]);
    runFor(sim, 1_000_000);
    expect(own(n)).toEqual([1, 4, 3, 5, 2]);
    expect(kernel.skb.live).toBe(0);
  });

  it('lets CoDel drop from the head of a flow whose packets have waited longer than the target for an interval', () => {
    const { kernel, sim } = boot();
    const n = nic(kernel, 1);
    n.room = 0;
    for (let mark = 1; mark <= 200; mark++) send(kernel, n.dev, mark, 0, 1400);
    const q = n.dev.queues[0];
    for (let i = 0; i < 200 && q.qdisc.qlen > 0; i++) {
      runFor(sim, 5_000_000);
      n.room = 1;
      kernel.net.xmit.netif_tx_wake_queue(q);
      runFor(sim, 1000);
    }
    expect(q.qdisc.drops).toBeGreaterThan(5);
    expect(own(n).length + q.qdisc.drops).toBe(200);
    expect(kernel.skb.live).toBe(0);
  });

  it('frees what waits when the device goes down', () => {
    const { kernel } = boot();
    const n = nic(kernel, 1);
    n.room = 0;
    for (let mark = 1; mark <= 4; mark++) send(kernel, n.dev, mark);
    kernel.net.dev_close(n.dev);
    expect(kernel.skb.live).toBe(0);
    expect(kernel.rtnl.rtnl_getlink(kernel.init_net, { ifname: n.dev.name })).toMatchObject({ qdisc: 'fq_codel' });
  });

  it('reports a transmit queue that stays stopped', () => {
    const { kernel, sim } = boot();
    const n = nic(kernel, 1);
    n.room = 0;
    send(kernel, n.dev, 1);
    runFor(sim, 12_000_000_000);
    expect(n.timeouts).toBeGreaterThan(0);
    expect(kernel.printk.records.map((r) => r.text)).toContain('NETDEV WATCHDOG: eth0 (): transmit queue 0 timed out');
  });

  it('spreads flows over queues by CPU where XPS says so', () => {
    const { kernel } = boot();
    const n = nic(kernel, 4);
    for (let i = 0; i < 4; i++) kernel.net.xmit.netif_set_xps_queue(n.dev, 1 << i, i);
    expect([0, 1, 2, 3].map((q) => kernel.net.xmit.xps_cpus(n.dev, q))).toEqual([1, 2, 4, 8]);
    const cpu = kernel.platform.cpus.list[2];
    const start = cpu.enterTask();
    send(kernel, n.dev, 7);
    cpu.leaveTask(start, 'test');
    expect(n.dev.queues.map((q) => q.qdisc.packets)).toEqual([0, 0, 1, 0]);
  });
});

describe('NAPI', () => {
  it('polls in shares of 64, one per run of the softirq, until the ring is empty', () => {
    const { kernel, sim } = boot();
    const n = nic(kernel, 1);
    const count = new Count(kernel);
    kernel.net.rx.dev_add_pack(new PacketType(PROTO, count));
    n.waiting = 350;
    kernel.net.napi.napi_schedule(n.napi);
    expect(n.polls).toEqual([]);
    runFor(sim, 10_000_000);
    expect(n.polls).toEqual([64, 64, 64, 64, 64, 30]);
    expect(count.seen).toBe(350);
    expect(kernel.net.rx.softnetStats()[0]).toMatchObject({ processed: 350, time_squeeze: 0, dropped: 0 });
    expect(kernel.skb.live).toBe(0);
    expect(n.napi.sched).toBe(false);
  });

  it('counts a squeeze when the NAPIs of one CPU use up 300 packets in one run', () => {
    const { kernel, sim } = boot();
    const nics = Array.from({ length: 6 }, () => nic(kernel, 1));
    for (const n of nics) {
      n.waiting = 64;
      kernel.net.napi.napi_schedule(n.napi);
    }
    runFor(sim, 10_000_000);
    expect(kernel.net.rx.softnetStats()[0]).toMatchObject({ processed: 384, time_squeeze: 1 });
  });

  it('polls again when it was scheduled while it ran, and never when disabled', () => {
    const { kernel, sim } = boot();
    const n = nic(kernel, 1);
    const { napi } = kernel.net;
    expect(napi.napi_schedule_prep(n.napi)).toBe(true);
    expect(napi.napi_schedule_prep(n.napi)).toBe(false);
    napi.__napi_schedule(n.napi);
    runFor(sim, 1_000_000);
    expect(n.polls).toEqual([0, 0]);
    napi.napi_schedule(n.napi);
    napi.napi_disable(n.napi);
    napi.napi_schedule(n.napi);
    runFor(sim, 1_000_000);
    expect(n.polls).toEqual([0, 0]);
  });
});
