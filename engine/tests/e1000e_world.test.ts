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

test('a card plugged into a running machine is found, driven, and carries packets', () => {
  const s = openLab('two-hosts');
  const spec = (port: string, mac: string) => ({
    port,
    model: 'e1000e' as const,
    mac,
    queuePairs: 1,
    ringSize: 256,
    slot: undefined,
    vectors: undefined,
  });
  for (const [machine, mac] of [
    ['h1', '52:54:00:00:0a:01'],
    ['h2', '52:54:00:00:0a:02'],
  ]) {
    expect(s.apply({ kind: 'edit', edit: { op: 'nic.add', machine, spec: spec('card', mac) } }).kind).toBe('edit');
    command(s, machine, 'modprobe e1000e');
    command(s, machine, `ip addr add 10.9.0.${mac.at(-1)}/24 dev eth1`);
    command(s, machine, 'ip link set eth1 up');
  }
  const cable = { a: { machine: 'h1', port: 'card' }, b: { machine: 'h2', port: 'card' }, rate: 1e9, delay: 500, loss: 0, up: true };
  expect(s.apply({ kind: 'edit', edit: { op: 'cable.add', spec: cable } }).kind).toBe('edit');
  runFor(s, 4e9);
  command(s, 'h1', 'ping -c 3 -i 0.2 10.9.0.2');
  runFor(s, 2e9);
  const { kernel } = s.world.machines.get('h1')!;
  expect(kernel.net.dev_get_stats(kernel.init_net.__dev_get_by_name('eth1')!).rx_packets).toBeGreaterThanOrEqual(4);
});
