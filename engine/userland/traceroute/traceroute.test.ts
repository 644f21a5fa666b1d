// traceroute(8) through a chain of three namespaces.
import { beforeAll, beforeEach, expect, test } from 'vitest';
import { bootTools, type ToolFixture } from '../../testkit/tool_fixture.ts';

let f: ToolFixture;
beforeAll(() => {
  f = bootTools();
  const setup = [
    'ip netns add r',
    'ip netns add t',
    'ip link add v0 type veth peer name v1 netns r',
    'ip -n r link add w0 type veth peer name w1 netns t',
    'ip addr add 10.0.0.1/24 dev v0',
    'ip -n r addr add 10.0.0.2/24 dev v1',
    'ip -n r addr add 10.1.0.1/24 dev w0',
    'ip -n t addr add 10.1.0.2/24 dev w1',
    'ip link set v0 up',
    'ip -n r link set v1 up',
    'ip -n r link set w0 up',
    'ip -n t link set w1 up',
    'ip route add default via 10.0.0.2',
    'ip -n t route add default via 10.1.0.1',
  ];
  for (const command of setup) expect({ command, ...f.run(command) }).toEqual({ command, status: 0, out: '', err: '' });
  expect(f.run('sysctl -qw net.ipv4.ip_forward=1', { netns: 'r' }).status).toBe(0);
});

// the router's token buckets for ICMP errors fill again
beforeEach(() => {
  f.run('sleep 8');
});

const masked = (text: string): string => text.replace(/\d+\.\d{3} ms/g, 'T ms');

test.each(['', '-I '])('the router and the destination answer three probes each (%s)', (method) => {
  const r = f.run(`traceroute ${method}-n 10.1.0.2`);
  expect({ ...r, out: masked(r.out) }).toEqual({
    status: 0,
    err: '',
    out: 'traceroute to 10.1.0.2 (10.1.0.2), 30 hops max, 60 byte packets\n 1  10.0.0.2  T ms  T ms  T ms\n 2  10.1.0.2  T ms  T ms  T ms\n',
  });
});

test('-f, -m and -q choose the hops and how often each is asked', () => {
  expect(masked(f.run('traceroute -n -f 2 -q 1 10.1.0.2').out)).toContain('packets\n 2  10.1.0.2  T ms\n');
  expect(masked(f.run('traceroute -n -m 1 -q 2 10.1.0.2').out)).toBe(
    'traceroute to 10.1.0.2 (10.1.0.2), 1 hops max, 60 byte packets\n 1  10.0.0.2  T ms  T ms\n',
  );
});

test('a router without a route says so, and the trace ends there', () => {
  expect(masked(f.run('traceroute -n -q 1 172.16.0.1').out)).toMatch(/\n 1 {2}10\.0\.0\.2 {2}T ms !N\n$/);
});

test('a hop that answers nothing is stars after the waiting time', () => {
  expect(f.run('ip -n t addr del 10.1.0.2/24 dev w1').status).toBe(0);
  expect(f.run('ip -n r neigh replace 10.1.0.9 lladdr 02:00:00:00:00:99 dev w0').status).toBe(0);
  const before = f.sim.now;
  expect(masked(f.run('traceroute -n -q 2 -w 1,0,0 -m 2 10.1.0.9').out)).toMatch(/\n 2 {2}\* \*\n$/);
  expect(f.sim.now - before).toBeGreaterThan(1e9);
});

test.each([
  ['traceroute', 2, 'Specify "host" missing argument.\n'],
  ['traceroute -f 9 -m 3 10.0.0.2', 2, 'first hop out of range\n'],
  ['traceroute -q 11 10.0.0.2', 2, 'no more than 10 probes per hop\n'],
])('%s is refused', (command, status, err) => expect(f.run(command)).toEqual({ status, out: '', err }));
