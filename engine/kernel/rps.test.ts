// Receive packet steering, NAPI threads and deferred interrupts, on the simulated virtio-net device with two CPUs.
import { expect, test } from 'vitest';
import { type NicFixture, nicFixture } from '../testkit/nic_fixture.ts';
import { frame, payload } from '../testkit/frames.ts';
import type { NetDevice } from './net_device.ts';
import { IFF } from './net_device.ts';
import { PacketType } from './packet_type.ts';
import type { SkBuff } from './skbuff.ts';
import { ETH_P } from '../wire/headers.ts';

/** Notes on which CPU, and in whose name, each packet reached the protocols. */
class Watcher {
  readonly cpus: number[] = [];
  readonly tasks: string[] = [];
  constructor(private readonly f: NicFixture) {
    f.kernel.net.rx.dev_add_pack(new PacketType(ETH_P.ALL, this));
  }
  packet_rcv(skb: SkBuff): number {
    const cpu = this.f.platform.cpus.current;
    this.cpus.push(cpu?.id ?? -1);
    this.tasks.push(cpu?.context === 'task' ? cpu.currentTask : (cpu?.context ?? ''));
    this.f.kernel.skb.consume_skb(skb);
    return 0;
  }
}

function up(): { f: NicFixture; dev: NetDevice; watcher: Watcher; receive(flows: number): void } {
  const f = nicFixture();
  f.kernel.modules.modprobe('virtio_pci');
  f.kernel.modules.modprobe('virtio_net');
  f.settle();
  const dev = f.kernel.init_net.__dev_get_by_name('eth0')!;
  f.kernel.net.dev_change_flags(dev, dev.flags | IFF.UP);
  f.settle();
  const watcher = new Watcher(f);
  const receive = (flows: number): void => {
    watcher.cpus.length = watcher.tasks.length = 0;
    for (let i = 0; i < flows; i++) {
      const bytes = frame(payload(64), { sport: 1000 + i, dmac: [0x52, 0x54, 0, 0x12, 0x34, 0x56] });
      f.nic.net.receiveFrame({ bytes, id: i, skb: 0 });
      f.settle(1_000_000);
    }
  };
  return { f, dev, watcher, receive };
}

test('without steering a packet is processed where its interrupt came; with one CPU in the mask there, its arrival counted as steered', () => {
  const { f, dev, watcher, receive } = up();
  receive(8);
  const home = watcher.cpus[0];
  expect(new Set(watcher.cpus)).toEqual(new Set([home]));
  f.kernel.net.rps.store_rps_map(dev, 0, 1 << (1 - home));
  receive(8);
  expect(watcher.cpus).toEqual(Array.from({ length: 8 }, () => 1 - home));
  expect(f.kernel.net.rx.softnetStats()[1 - home].received_rps).toBe(8);
  f.kernel.net.rps.store_rps_map(dev, 0, 0);
  expect(f.kernel.net.rps.needed).toBe(0);
});

test('with several CPUs in the mask flows are spread by their hash, and each stays where it is', () => {
  const { f, dev, watcher, receive } = up();
  f.kernel.net.rps.store_rps_map(dev, 0, 3);
  receive(32);
  const first = [...watcher.cpus];
  expect(new Set(first)).toEqual(new Set([0, 1]));
  receive(32);
  expect(watcher.cpus).toEqual(first);
});

test('flow steering follows the CPU whose program read the flow last', () => {
  const { f, dev, watcher, receive } = up();
  const { rps, xmit } = f.kernel.net;
  expect([rps.resizeSockFlows(1000), rps.store_rps_dev_flow_table_cnt(dev, 0, 64)]).toEqual([1024, 0]);
  let hash = 0;
  const seen = xmit.skb_get_hash.bind(xmit);
  xmit.skb_get_hash = (skb) => (hash = seen(skb));
  receive(1);
  for (const cpu of [1, 0]) {
    const at = f.platform.cpus.list[cpu].enterTask();
    rps.rps_record_sock_flow(hash);
    f.platform.cpus.list[cpu].leaveTask(at, 'reader');
    receive(1);
    expect(watcher.cpus).toEqual([cpu]);
  }
});

test('a NAPI thread polls in its own name, and gives back to softirqs when switched off', () => {
  const { f, dev, watcher, receive } = up();
  expect(f.kernel.net.napi.dev_set_threaded(dev, true)).toBe(0);
  receive(2);
  expect(watcher.tasks).toEqual(['napi/eth0-8193', 'napi/eth0-8193']);
  f.kernel.net.napi.dev_set_threaded(dev, false);
  receive(1);
  expect(watcher.tasks).toEqual(['softirq']);
  expect(f.kernel.net.napi.dev_set_threaded(f.kernel.init_net.devices[0], true)).toBe(-95);
});

test('with deferred interrupts the timer polls until no work came so many times, then interrupts are on again', () => {
  const { f, dev, receive, watcher } = up();
  dev.napi_defer_hard_irqs = 2;
  dev.gro_flush_timeout = 100_000;
  const napi = dev.napis.find((n) => n.napi_id !== 0)!;
  const polls = napi.polls;
  receive(1);
  f.settle(2_000_000);
  expect([watcher.cpus.length, napi.polls - polls, napi.watchdog]).toEqual([1, 3, undefined]);
  receive(1);
  expect(watcher.cpus).toHaveLength(1);
});
