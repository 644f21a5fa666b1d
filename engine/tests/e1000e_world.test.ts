// The reference machine's second NIC, an 82574L, across all layers: ping, and the world stays a value.
import { expect, test } from 'vitest';
import type { Session } from '../session/session.ts';
import { command, openLab, runFor } from '../testkit/lab.ts';

function pinging(): Session {
  const s = openLab('reference-guest');
  command(s, 'guest', 'modprobe e1000e');
  command(s, 'guest', 'ip addr add 192.168.101.2/24 dev eth0');
  command(s, 'guest', 'ip link set eth0 up');
  runFor(s, 4e9);
  command(s, 'guest', 'ping -c 5 -i 0.2 192.168.101.1');
  runFor(s, 0.5e9);
  return s;
}

const received = (s: Session): number => {
  const guest = s.world.machines.get('guest')!;
  const dev = guest.kernel.init_net.__dev_get_by_name('eth0')!;
  return guest.kernel.net.dev_get_stats(dev).rx_packets;
};

test('echo replies come back through the e1000e', () => {
  const s = pinging();
  runFor(s, 2e9);
  // five echo replies and an ARP reply
  expect(received(s)).toBeGreaterThanOrEqual(6);
});

test('two runs are equal, and a fork in the middle of a ping runs on identically', () => {
  const s = pinging();
  expect(pinging().hash()).toBe(s.hash());
  const fork = s.fork();
  expect(fork.hash()).toBe(s.hash());
  runFor(fork, 2e9);
  runFor(s, 2e9);
  expect(fork.hash()).toBe(s.hash());
});

test('unplugging the card while packets flow takes the interface away, and the machine lives on', () => {
  const s = pinging();
  const r = s.apply({ kind: 'edit', edit: { op: 'nic.remove', machine: 'guest', port: 'nic1' } });
  expect(r.kind).toBe('edit');
  runFor(s, 3e9);
  expect(s.world.machines.get('guest')!.kernel.init_net.__dev_get_by_name('eth0')).toBeUndefined();
});
