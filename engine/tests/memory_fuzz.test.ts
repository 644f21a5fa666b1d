// Whatever somebody writes into the rings and buffers of a NIC while it works: neither driver nor device throws, time goes on, nothing is left behind.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { IFF } from '../kernel/net_device.ts';
import { __skb_put, skb_reserve } from '../kernel/skb_inline.ts';
import { frame, payload } from '../testkit/frames.ts';
import { fuzzRuns } from '../testkit/fuzz.ts';
import { type NicFixture, nicFixture } from '../testkit/nic_fixture.ts';
import { F } from '../virtio/features.ts';

function send(f: NicFixture, length: number): void {
  const { kernel } = f;
  const dev = kernel.init_net.__dev_get_by_name('eth0')!;
  const skb = kernel.skb.alloc_skb(64 + length)!;
  skb_reserve(skb, 64);
  f.platform.ram.fill(__skb_put(skb, length), 0x5a, length);
  skb.dev = dev;
  skb.protocol = 0x88b5;
  const cpu = f.platform.cpus.list[0];
  const at = cpu.enterTask();
  kernel.net.xmit.dev_queue_xmit(skb);
  cpu.leaveTask(at, 'test');
}

const step = fc.oneof(
  fc.record({ kind: fc.constant('send' as const), length: fc.integer({ min: 14, max: 1514 }) }),
  fc.record({ kind: fc.constant('receive' as const), length: fc.integer({ min: 0, max: 3000 }) }),
  fc.record({ kind: fc.constant('wait' as const), length: fc.integer({ min: 1, max: 200_000 }) }),
  fc.record({
    kind: fc.constant('corrupt' as const),
    queue: fc.nat(2),
    part: fc.nat(2),
    at: fc.oneof(fc.nat(40), fc.nat(2100)),
    value: fc.oneof(fc.nat(15), fc.nat(0xffff)),
  }),
  fc.record({ kind: fc.constant('bell' as const), queue: fc.nat(4) }),
);

test('memory that changes under traffic: nothing throws, nothing hangs, and unloading the driver takes everything back', () => {
  fc.assert(
    fc.property(fc.boolean(), fc.array(step, { minLength: 10, maxLength: 60 }), (eventIdx, steps) => {
      const f = nicFixture({ disable: eventIdx ? 0n : F.VIRTIO_F_RING_EVENT_IDX });
      const { modules } = f.kernel;
      modules.modprobe('virtio_pci');
      modules.modprobe('virtio_net');
      f.settle();
      const dev = f.kernel.init_net.__dev_get_by_name('eth0')!;
      f.kernel.net.dev_change_flags(dev, dev.flags | IFF.UP);
      f.settle();
      const { queues } = f.nic.pci;
      for (const s of steps) {
        if (s.kind === 'send') send(f, s.length);
        else if (s.kind === 'receive') f.nic.net.receiveFrame({ bytes: frame(payload(s.length)), id: 1, skb: 0 });
        else if (s.kind === 'wait') f.settle(s.length);
        else if (s.kind === 'bell') f.nic.pci.doorbell(s.queue, s.queue);
        else {
          const q = queues[s.queue];
          f.platform.ram.setU16([q.desc, q.driver, q.device][s.part] + (s.at & ~1), s.value);
        }
      }
      f.settle(2_000_000_000);
      modules.delete_module('virtio_net');
      f.settle(1_000_000_000);
      expect([f.kernel.skb.live, f.kernel.skb.frags.live, f.kernel.init_net.devices.map((d) => d.name)]).toEqual([0, 0, ['lo']]);
    }),
    fuzzRuns(8),
  );
});
