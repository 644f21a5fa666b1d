// The net core end to end on one machine: frames through loopback and veth, states, namespaces, skbs freed.
import { describe, expect, it } from 'vitest';
import { DUMMY_MODULE } from '../drivers/dummy.ts';
import { LOOPBACK_MODULE } from '../drivers/loopback.ts';
import { VETH_MODULE } from '../drivers/veth.ts';
import { bootKernel, type KernelFixture, runFor } from '../testkit/kernel_fixture.ts';
import { hashOf } from '../sim/hash.ts';
import { Cloner } from '../sim/clone.ts';
import type { Kernel } from './kernel.ts';
import { IF_OPER, IFF, NET_XMIT_CN, type NetDevice } from './net_device.ts';
import { type PacketHandler, PacketType } from './packet_type.ts';
import { skb_reserve } from './skb_inline.ts';
import type { SkBuff } from './skbuff.ts';
import type { Net } from './net_namespace.ts';

const PROTO = 0x88b5; // IEEE 802 local experimental

class Sink implements PacketHandler {
  seen: { dev: string; len: number; type: number; text: string }[] = [];
  constructor(readonly kernel: Kernel) {}
  packet_rcv(skb: SkBuff, dev: NetDevice): number {
    const bytes = new Uint8Array(skb.len);
    this.kernel.skb.copyToArray(skb, 0, bytes, 0, skb.len);
    this.seen.push({ dev: dev.name, len: skb.len, type: skb.pkt_type, text: String.fromCharCode(...bytes.slice(0, 5)) });
    this.kernel.skb.consume_skb(skb);
    return 0;
  }
}

function boot(): KernelFixture {
  const f = bootKernel({ modules: { builtin: [LOOPBACK_MODULE], loadable: [VETH_MODULE, DUMMY_MODULE] }, cpus: 4 });
  if (f.kernel.init_net.devices.length === 0) f.kernel.boot();
  return f;
}

function send(kernel: Kernel, dev: NetDevice, text: string, to: Uint8Array | undefined): number {
  const skb = kernel.skb.alloc_skb(200);
  if (skb === undefined) throw new Error('no memory');
  skb_reserve(skb, 64);
  skb.dev = dev;
  skb.protocol = PROTO;
  const at = kernel.skb.skb_put(skb, text.length);
  for (let i = 0; i < text.length; i++) kernel.platform.ram.setU8(at + i, text.charCodeAt(i));
  kernel.net.eth.eth_header(skb, dev, PROTO, to, undefined, text.length);
  return kernel.net.xmit.dev_queue_xmit(skb);
}
const named = (net: Net, name: string): NetDevice => {
  const dev = net.__dev_get_by_name(name);
  if (dev === undefined) throw new Error(`no ${name}`);
  return dev;
};
const up = (kernel: Kernel, dev: NetDevice): number => kernel.net.dev_change_flags(dev, dev.flags | IFF.UP);

describe('net core', () => {
  it('registers lo first in every namespace, with index 1, down and without a qdisc', () => {
    const { kernel } = boot();
    const [lo] = kernel.rtnl.rtnl_dump_ifinfo(kernel.init_net);
    expect(lo).toMatchObject({
      ifindex: 1,
      ifname: 'lo',
      mtu: 65536,
      qdisc: 'noop',
      operstate: IF_OPER.DOWN,
      flags: IFF.LOOPBACK,
      txqlen: 1000,
      min_mtu: 0,
      tso_max_size: 524280,
    });
    const net = kernel.netns.createNamed('test');
    expect(kernel.rtnl.rtnl_dump_ifinfo(net).map((l) => [l.ifindex, l.ifname])).toEqual([[1, 'lo']]);
  });

  it('hands what lo sends to the protocol of its EtherType and frees every skb', () => {
    const { kernel, sim } = boot();
    const sink = new Sink(kernel);
    kernel.net.rx.dev_add_pack(new PacketType(PROTO, sink));
    const lo = kernel.init_net.loopback_dev;
    expect(send(kernel, lo, 'hello', lo.dev_addr)).toBe(NET_XMIT_CN);
    expect(up(kernel, lo)).toBe(0);
    expect(lo.qdisc.kind).toBe('noqueue');
    expect(send(kernel, lo, 'hello', lo.dev_addr)).toBe(0);
    expect(sink.seen).toEqual([]);
    runFor(sim, 1_000_000);
    expect(sink.seen).toEqual([{ dev: 'lo', len: 5, type: 0, text: 'hello' }]);
    expect(kernel.net.dev_get_stats(lo)).toMatchObject({ rx_packets: 1, tx_packets: 1, rx_bytes: 5, tx_dropped: 0 });
    expect(kernel.skb.live).toBe(0);
    expect(kernel.net.rx.softnetStats()[0].processed).toBe(1);
  });

  it('counts and frees a packet of a protocol that nobody receives', () => {
    const { kernel, sim } = boot();
    const lo = kernel.init_net.loopback_dev;
    up(kernel, lo);
    send(kernel, lo, 'hello', lo.dev_addr);
    runFor(sim, 1_000_000);
    expect(lo.core_stats.rx_dropped).toBe(1);
    expect(kernel.skb.live).toBe(0);
  });

  it('makes a veth pair whose ends have carrier only when both are up, and carries frames across namespaces', () => {
    const { kernel, sim } = boot();
    const { init_net } = kernel;
    const test = kernel.netns.createNamed('test');
    expect(kernel.rtnl.rtnl_newlink(init_net, { kind: 'veth', ifname: 'veth0', peer: { ifname: 'veth1' } })).toEqual({ errno: 0 });
    expect(kernel.modules.loaded.map((m) => m.name)).toEqual(['veth']);
    const veth0 = named(init_net, 'veth0');
    const veth1 = named(init_net, 'veth1');
    expect([veth1.ifindex, veth0.ifindex]).toEqual([2, 3]);
    expect(kernel.rtnl.rtnl_setlink(init_net, { ifindex: 2, netns: test })).toEqual({ errno: 0 });
    expect(kernel.rtnl.rtnl_getlink(init_net, { ifname: 'veth0' })).toMatchObject({
      link: 2,
      link_netnsid: 0,
      kind: 'veth',
      qdisc: 'noop',
      num_tx_queues: 4,
    });
    expect(up(kernel, veth0)).toBe(0);
    runFor(sim, 2_000_000_000);
    expect(kernel.rtnl.rtnl_getlink(init_net, { ifname: 'veth0' })).toMatchObject({
      operstate: IF_OPER.LOWERLAYERDOWN,
      qdisc: 'noqueue',
      carrier: false,
    });
    expect(up(kernel, veth1)).toBe(0);
    runFor(sim, 2_000_000_000);
    expect(veth0.operstate).toBe(IF_OPER.UP);
    expect(kernel.net.dev_get_flags(veth0) & IFF.LOWER_UP).not.toBe(0);
    const sink = new Sink(kernel);
    kernel.net.rx.dev_add_pack(new PacketType(PROTO, sink, undefined, test));
    const before = kernel.net.dev_get_stats(veth1).rx_packets;
    send(kernel, veth0, 'hello', veth1.dev_addr);
    send(kernel, veth0, 'world', new Uint8Array(6).fill(0xff));
    runFor(sim, 1_000_000);
    expect(sink.seen).toEqual([
      { dev: 'veth1', len: 5, type: 0, text: 'hello' },
      { dev: 'veth1', len: 5, type: 1, text: 'world' },
    ]);
    expect(kernel.net.dev_get_stats(veth1).rx_packets).toBe(before + 2);
    expect(kernel.skb.live).toBe(0);
  });

  it('destroys a namespace’s virtual devices with their peers when its last name goes', () => {
    const { kernel } = boot();
    const test = kernel.netns.createNamed('test');
    kernel.rtnl.rtnl_newlink(kernel.init_net, { kind: 'veth', ifname: 'veth0', peer: { ifname: 'veth1', netns: test } });
    expect(kernel.init_net.devices.map((d) => d.name)).toEqual(['lo', 'veth0']);
    expect(kernel.netns.deleteNamed('test')).toBe(true);
    expect(kernel.init_net.devices.map((d) => d.name)).toEqual(['lo']);
    expect(test.devices).toEqual([]);
    expect([...kernel.init_net.nsids]).toEqual([]);
    expect(kernel.netns.deleteNamed('test')).toBe(false);
  });

  it('refuses links as rtnetlink does', () => {
    const { kernel } = boot();
    const net = kernel.init_net;
    const add = (kind: string, ifname?: string): unknown =>
      kernel.rtnl.rtnl_newlink(net, ifname === undefined ? { kind } : { kind, ifname });
    expect(add('bogus', 'x')).toEqual({ errno: -95, extack: 'Unknown device type' });
    expect(add('dummy', 'waytoolonginterfacename')).toEqual({ errno: -34, extack: 'Attribute failed policy validation' });
    expect(add('dummy')).toEqual({ errno: 0 });
    expect(net.devices.map((d) => d.name)).toEqual(['lo', 'dummy0', 'dummy1']);
    expect(add('dummy', 'dummy0')).toEqual({ errno: -17 });
    expect(kernel.rtnl.rtnl_dellink(net, { ifname: 'lo' })).toEqual({ errno: -95 });
    expect(kernel.rtnl.rtnl_setlink(net, { ifname: 'lo', netns: kernel.netns.createNamed('a') })).toEqual({ errno: -22 });
    expect(kernel.rtnl.rtnl_setlink(net, { ifname: 'dummy0', newname: 'dummy1' })).toEqual({ errno: -17 });
    expect(kernel.rtnl.rtnl_setlink(net, { ifname: 'nosuch' })).toEqual({ errno: -19 });
    up(kernel, named(net, 'dummy0'));
    expect(kernel.rtnl.rtnl_setlink(net, { ifname: 'dummy0', newname: 'd0' })).toEqual({ errno: -16 });
    kernel.modules.delete_module('dummy');
    expect(net.devices.map((d) => d.name)).toEqual(['lo']);
  });

  it('says in dmesg who became promiscuous, once for several users', () => {
    const { kernel } = boot();
    const lo = kernel.init_net.loopback_dev;
    kernel.net.addrs.dev_set_promiscuity(lo, 1);
    kernel.net.addrs.dev_set_promiscuity(lo, 1);
    kernel.net.addrs.dev_set_promiscuity(lo, -1);
    kernel.net.addrs.dev_set_promiscuity(lo, -1);
    expect(kernel.printk.records.slice(-2).map((r) => r.text)).toEqual([
      'device lo entered promiscuous mode',
      'device lo left promiscuous mode',
    ]);
  });

  it('reports what ethtool -K changed beyond what was asked', () => {
    const { kernel } = boot();
    kernel.rtnl.rtnl_newlink(kernel.init_net, { kind: 'veth', ifname: 'veth0', peer: { ifname: 'veth1' } });
    const veth0 = named(kernel.init_net, 'veth0');
    const r = kernel.ethtool.setFeatures(veth0, new Map([['tx-scatter-gather', false]]));
    expect(r.changed.map(([n]) => n)).toEqual([
      'tx-scatter-gather',
      'tx-generic-segmentation',
      'tx-tcp-segmentation',
      'tx-tcp-ecn-segmentation',
      'tx-tcp-mangleid-segmentation',
      'tx-tcp6-segmentation',
    ]);
    expect(kernel.ethtool.setFeatures(veth0, new Map([['tx-lockless', false]]))).toMatchObject({ unmet: ['tx-lockless'], changed: [] });
    const gro = kernel.ethtool.features(veth0).find((f) => f.name === 'rx-gro');
    expect(gro).toMatchObject({ active: false, available: true });
  });

  it('goes on identically in a structural clone', () => {
    const f = boot();
    const { kernel } = f;
    const lo = kernel.init_net.loopback_dev;
    up(kernel, lo);
    const sink = new Sink(kernel);
    kernel.net.rx.dev_add_pack(new PacketType(PROTO, sink));
    send(kernel, lo, 'hello', lo.dev_addr);
    const copy = new Cloner().clone({ ...f, sink });
    for (const w of [f, copy]) runFor(w.sim, 5_000_000);
    expect(copy.sink.seen).toEqual(sink.seen);
    expect(hashOf(copy.kernel)).toBe(hashOf(kernel));
  });
});
