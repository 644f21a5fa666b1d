// ping(8) and its neighbours over a veth pair between two namespaces.
import { beforeAll, expect, test } from 'vitest';
import { bootTools, type ToolFixture } from '../../testkit/tool_fixture.ts';

let f: ToolFixture;

beforeAll(() => {
  f = bootTools();
  const setup = [
    'ip link set lo up',
    'ip netns add t',
    'ip link add v0 address 02:00:00:00:00:01 type veth peer name v1 address 02:00:00:00:00:02 netns t',
    'ip addr add 10.0.0.1/24 dev v0',
    'ip -n t addr add 10.0.0.2/24 dev v1',
    'ip link set v0 up',
    'ip -n t link set v1 up',
  ];
  for (const command of setup) expect({ command, ...f.run(command) }).toEqual({ command, status: 0, out: '', err: '' });
});

const masked = (text: string): string =>
  text
    .replace(/time=[\d.]+ ms/g, 'time=T ms')
    .replace(/= [\d.]+\/[\d.]+\/[\d.]+\/[\d.]+ ms/g, '= T ms')
    .replace(/ipg\/ewma [\d.]+\/[\d.]+ ms/, 'ipg/ewma T ms');

test('replies are counted and told one a second', () => {
  const r = f.run('ping -c 3 10.0.0.2');
  expect({ ...r, out: masked(r.out) }).toEqual({
    status: 0,
    err: '',
    out:
      'PING 10.0.0.2 (10.0.0.2) 56(84) bytes of data.\n' +
      [1, 2, 3].map((n) => `64 bytes from 10.0.0.2: icmp_seq=${n} ttl=64 time=T ms\n`).join('') +
      '\n--- 10.0.0.2 ping statistics ---\n3 packets transmitted, 3 received, 0% packet loss, time 2000ms\nrtt min/avg/max/mdev = T ms\n',
  });
});

test('a flood draws a dot for each probe and takes it back for each reply', () => {
  const r = f.run('ping -f -c 50 10.0.0.2');
  expect(r.status).toBe(0);
  expect(r.out.match(/\./g)?.length).toBeGreaterThanOrEqual(50);
  expect(r.out.match(/\x08 \x08/g)).toHaveLength(50);
  expect(masked(r.out)).toContain('50 packets transmitted, 50 received, 0% packet loss');
});

test('a neighbour that does not answer becomes three errors at once', () => {
  const r = f.run('ping -c 3 10.0.0.77');
  expect(r).toMatchObject({ status: 1, err: '' });
  expect(r.out.match(/From 10\.0\.0\.1 icmp_seq=\d Destination Host Unreachable\n/g)).toHaveLength(3);
  expect(r.out).toContain('3 packets transmitted, 0 received, +3 errors, 100% packet loss');
});

test.each([
  ['ping', 1, 'ping: usage error: Destination address required\n'],
  ['ping -c x 1.1.1.1', 1, "ping: invalid argument: 'x'\n"],
  ['ping -c 0 1.1.1.1', 1, "ping: invalid argument: '0': out of range: 1 <= value <= 9223372036854775807\n"],
  ['ping nosuch.host', 2, 'ping: nosuch.host: Temporary failure in name resolution\n'],
  ['ping -6 -c 1 10.0.0.2', 2, 'ping: 10.0.0.2: Address family for hostname not supported\n'],
  ['ping -I nosuch0 -c 1 10.0.0.2', 2, 'ping: SO_BINDTODEVICE nosuch0: No such device\n'],
  ['ping -I 9.9.9.9 -c 1 10.0.0.2', 2, 'ping: bind: Cannot assign requested address\n'],
  ['ping -c 1 8.8.8.8', 2, 'ping: connect: Network is unreachable\n'],
  ['ping -t 0 -c 1 10.0.0.2', 2, 'ping: cannot set unicast time-to-live: Invalid argument\n'],
  ['ping -Q 999 -c 1 10.0.0.2', 2, 'ping: the decimal value of TOS bits must be in range 0-255: 999\n'],
])('%s is refused', (command, status, err) => expect(f.run(command)).toEqual({ status, out: '', err }));

test('a packet above the MTU that must not be fragmented is a local error', () => {
  expect(f.run('ping -c 1 -M do -s 1473 10.0.0.2')).toEqual({
    status: 1,
    out: 'PING 10.0.0.2 (10.0.0.2) 1473(1501) bytes of data.\n\n--- 10.0.0.2 ping statistics ---\n1 packets transmitted, 0 received, +1 errors, 100% packet loss, time 0ms\n\n',
    err: 'ping: local error: message too long, mtu=1500\n',
  });
});

test('70,000 bytes are more than IP carries: every send fails, and ping goes on until it is stopped', () => {
  const r = f.run('ping -s 70000 -w 2 10.0.0.2');
  expect(r).toMatchObject({ status: 1, err: '' });
  expect(r.out).toMatch(
    /^PING 10\.0\.0\.2 \(10\.0\.0\.2\) 70000\(70028\) bytes of data\.\n\n--- 10\.0\.0\.2 ping statistics ---\n\d packets transmitted, 0 received, 100% packet loss/,
  );
});

test('arping asks once for all and then the neighbour itself', () => {
  const r = f.run('arping -c 2 -I v0 10.0.0.2');
  expect(r.status).toBe(0);
  expect(r.out.replace(/[\d.]+ms/g, 'Tms')).toBe(
    'ARPING 10.0.0.2 from 10.0.0.1 v0\nUnicast reply from 10.0.0.2 [02:00:00:00:00:02]  Tms\nUnicast reply from 10.0.0.2 [02:00:00:00:00:02]  Tms\nSent 2 probes (1 broadcast(s))\nReceived 2 response(s)\n',
  );
});
