// Qdiscs that hold packets for later, and filters, under a NIC that notes when each packet left.
import { describe, expect, it } from 'vitest';
import { ops } from '../../base/ops.ts';
import { bootKernel, runFor } from '../../testkit/kernel_fixture.ts';
import type { Kernel } from '../kernel.ts';
import { NETDEV_TX_OK, type NetDevice, type NetDeviceOps } from '../net_device.ts';
import { skb_reserve } from '../skb_inline.ts';
import type { SkBuff } from '../skbuff.ts';
import { TC_H_INGRESS, TC_H_ROOT, type TcAttrs } from './qdisc.ts';
import { TC_ACT } from './tcf.ts';

class Nic {
  left: { readonly mark: number; readonly at: number; readonly length: number }[] = [];
  constructor(readonly kernel: Kernel) {}
  xmit(skb: SkBuff): number {
    this.left.push({ mark: skb.mark, at: this.kernel.now(), length: skb.len });
    this.kernel.skb.consume_skb(skb);
    return NETDEV_TX_OK;
  }
}
const nicOps: NetDeviceOps = ops<NetDeviceOps>({ ndo_start_xmit: (skb, dev) => (dev.priv as Nic).xmit(skb) });

function boot(): { readonly f: ReturnType<typeof bootKernel>; readonly nic: Nic; readonly dev: NetDevice } {
  const f = bootKernel({ cpus: 2 });
  const { kernel } = f;
  if (kernel.netns.list.length === 0) kernel.boot();
  const dev = kernel.net.alloc_etherdev_mq(nicOps, 1);
  const nic = new Nic(kernel);
  dev.priv = nic;
  kernel.net.eth_hw_addr_random(dev);
  kernel.net.register_netdev(dev);
  kernel.net.dev_open(dev);
  return { f, nic, dev };
}
function send(kernel: Kernel, dev: NetDevice, mark: number, length = 1000): void {
  const skb = kernel.skb.alloc_skb(length + 64) as SkBuff;
  skb_reserve(skb, 64);
  kernel.skb.skb_put(skb, length);
  skb.dev = dev;
  skb.protocol = 0x88b5;
  skb.network_header = skb.data - skb.head;
  skb.mark = mark;
  skb.priority = mark >= 0x10000 ? mark : 0;
  kernel.net.xmit.dev_queue_xmit(skb);
}
const root = (dev: NetDevice, kernel: Kernel, kind: string, options: TcAttrs | undefined, handle = 0): { errno: number; extack?: string } =>
  kernel.sched.api.tc_modify_qdisc({ command: 'replace', dev, parent: TC_H_ROOT, handle, kind, options });
const second = (packets: Nic['left'], from: number, mark?: number): number =>
  packets.filter((p) => p.at >= from && p.at < from + 1e9 && (mark === undefined || p.mark === mark)).reduce((n, p) => n + p.length, 0);

describe('shapers', () => {
  it('tbf lets its rate through within a percent, and drops beyond its limit', () => {
    const { f, nic, dev } = boot();
    expect(root(dev, f.kernel, 'tbf', { rate: 125_000, burst: 2000, limit: 400_000 }).errno).toBe(0);
    for (let i = 0; i < 500; i++) send(f.kernel, dev, 1);
    const start = f.kernel.now() + 1e8;
    runFor(f.kernel.platform.sim, 2e9);
    expect(Math.abs(second(nic.left, start) - 125_000)).toBeLessThanOrEqual(1250);
    expect(dev.qdisc.drops).toBeGreaterThan(90);
  });

  it('netem holds each packet for its delay', () => {
    const { f, nic, dev } = boot();
    root(dev, f.kernel, 'netem', { latency: 50e6, limit: 100 });
    nic.left = [];
    const at = f.kernel.now();
    send(f.kernel, dev, 7);
    runFor(f.kernel.platform.sim, 49e6);
    expect(nic.left.filter((p) => p.mark === 7)).toEqual([]);
    runFor(f.kernel.platform.sim, 10e6);
    const [one] = nic.left.filter((p) => p.mark === 7);
    expect(one.at - at).toBeGreaterThanOrEqual(50e6);
    expect(one.at - at).toBeLessThan(50.1e6);
  });

  it('an htb class borrows what its sibling leaves, and gets its own rate back when it is wanted', () => {
    const { f, nic, dev } = boot();
    root(dev, f.kernel, 'htb', { default: 0x10 }, 0x10000);
    const add = (parent: number, classid: number, rate: number): number =>
      f.kernel.sched.api.tc_ctl_tclass({ command: 'add', dev, parent, classid, options: { rate, ceil: 1e6, burst: 3000, cburst: 3000 } })
        .errno;
    expect([add(0x10000, 0x10001, 1e6), add(0x10001, 0x10010, 800_000), add(0x10001, 0x10020, 200_000)]).toEqual([0, 0, 0]);
    for (let i = 0; i < 900; i++) send(f.kernel, dev, 0x10020);
    const alone = f.kernel.now();
    runFor(f.kernel.platform.sim, 3e8);
    const borrowed = nic.left.filter((p) => p.mark === 0x10020 && p.at >= alone).reduce((n, p) => n + p.length, 0) / 0.3;
    expect(borrowed).toBeGreaterThan(950_000);
    for (let i = 0; i < 900; i++) send(f.kernel, dev, 0x10010);
    const both = f.kernel.now();
    runFor(f.kernel.platform.sim, 5e8);
    const share = (mark: number): number => nic.left.filter((p) => p.mark === mark && p.at >= both).length;
    expect(share(0x10010) / share(0x10020)).toBeGreaterThan(3.5);
    expect(share(0x10010) + share(0x10020)).toBeLessThan(510);
  });
});

describe('requests', () => {
  it('another kind takes the place of the one there, the same kind is not made twice', () => {
    const { f, dev } = boot();
    const { api } = f.kernel.sched;
    const add = (kind: string): string | undefined =>
      api.tc_modify_qdisc({ command: 'add', dev, parent: TC_H_ROOT, handle: 0, kind, options: undefined }).extack;
    expect(add('pfifo')).toBeUndefined();
    expect(add('pfifo')).toBe('Exclusivity flag on, cannot modify');
    expect(add('bfifo')).toBeUndefined();
    expect(dev.qdisc.kind).toBe('bfifo');
    expect(api.tc_del_qdisc(dev, TC_H_ROOT, 0, undefined).errno).toBe(0);
    expect(api.tc_del_qdisc(dev, TC_H_ROOT, 0, undefined).extack).toBe('Cannot delete qdisc with handle of zero');
  });

  it('a filter on the way out drops what it matches, and counts it', () => {
    const { f, nic, dev } = boot();
    const { api, cls } = f.kernel.sched;
    api.tc_modify_qdisc({ command: 'add', dev, parent: TC_H_INGRESS, handle: 0xffff0000, kind: 'clsact', options: undefined });
    const parent = 0xfffffff3;
    const request = { dev, parent, protocol: 3, prio: 0, kind: 'u32', handle: 0, options: { keys: [0, 0, 0] } };
    expect(cls.tc_new_tfilter({ ...request, actions: [{ kind: 'gact', options: { action: TC_ACT.SHOT } }] }).errno).toBe(0);
    nic.left = [];
    send(f.kernel, dev, 1);
    expect(nic.left).toEqual([]);
    expect(cls.tc_dump_tfilter(dev, parent).at(-1)?.actions[0].stats).toMatchObject({ packets: 1, drops: 1 });
    expect(cls.tc_del_tfilter({ ...request, kind: undefined, options: {}, actions: [] }).errno).toBe(0);
    send(f.kernel, dev, 2);
    expect(nic.left.map((p) => p.mark)).toEqual([2]);
  });
});
