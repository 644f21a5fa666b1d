// ip(8) against a booted kernel: what it prints, what it refuses and how.
import { beforeAll, describe, expect, test } from 'vitest';
import { bootTools, type ToolFixture } from '../../testkit/tool_fixture.ts';

let f: ToolFixture;
const fails = (command: string, status: number, err: string): void =>
  expect({ command, ...f.run(command) }).toEqual({ command, status, out: '', err });

describe('words that ip cannot use', () => {
  beforeAll(() => {
    f = bootTools();
  });
  test.each([
    ['ip bogus', 1, 'Object "bogus" is unknown, try "ip help".\n'],
    ['ip link bogus', 255, 'Command "bogus" is unknown, try "ip link help".\n'],
    ['ip addr bogus', 255, 'Command "bogus" is unknown, try "ip address help".\n'],
    ['ip -bogus', 255, 'Option "-bogus" is unknown, try "ip -help".\n'],
    ['ip -f bogus addr', 255, 'Error: argument "bogus" is wrong: invalid protocol family\n'],
    ['ip link show dev nosuch', 1, 'Device "nosuch" does not exist.\n'],
    ['ip link set', 255, 'Not enough information: "dev" argument is required.\n'],
    ['ip link set nosuch up', 1, 'Cannot find device "nosuch"\n'],
    ['ip link set lo bogus', 255, 'Error: either "dev" is duplicate, or "bogus" is a garbage.\n'],
    ['ip link set lo mtu', 255, 'Command line is not complete. Try option "help"\n'],
    ['ip link set lo mtu abc', 255, 'Error: argument "abc" is wrong: Invalid "mtu" value\n\n'],
    ['ip link add x', 1, 'Not enough information: "type" argument is required\n'],
    ['ip link add x type bogus', 2, 'Error: Unknown device type.\n'],
    ['ip link add waytoolonginterfacename type dummy', 2, 'Error: Attribute failed policy validation.\n'],
    ['ip link del lo', 2, 'RTNETLINK answers: Operation not supported\n'],
    ['ip addr add 10.0.0.1/24', 1, 'Not enough information: "dev" argument is required.\n'],
    ['ip addr add 10.0.0.1/33 dev lo', 1, 'Error: any valid prefix is expected rather than "10.0.0.1/33".\n'],
    ['ip addr flush', 1, 'Flush requires arguments.\n'],
    ['ip route add default via 1.2.3.4', 2, 'Error: Nexthop has invalid gateway.\n'],
    ['ip neigh del 1.2.3.4', 255, 'Device and destination are required arguments.\n'],
    ['ip netns exec nosuch ip link', 255, 'Cannot open network namespace "nosuch": No such file or directory\n'],
    ['ip netns add a/b', 255, 'Invalid netns name "a/b"\n'],
    ['ip netns del nosuch', 1, 'Cannot remove namespace file "/run/netns/nosuch": No such file or directory\n'],
    ['ip -b /nonexistent', 1, 'Cannot open file "/nonexistent" for reading: No such file or directory\n'],
    ['ip monitor bogus', 255, 'Argument "bogus" is unknown, try "ip monitor help".\n'],
    ['ip link add br0 type bridge', 1, 'ip: link type bridge is not modelled\n'],
  ])('%s', (command, status, err) => fails(command, status, err));
});

test('a link goes from absent to addressed, and every step shows', () => {
  f = bootTools();
  expect(f.run('ip link')).toEqual({
    status: 0,
    err: '',
    out: '1: lo: <LOOPBACK> mtu 65536 qdisc noop state DOWN mode DEFAULT group default qlen 1000\n    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00\n',
  });
  expect(f.run('ip link add d0 address 02:00:00:00:00:01 type dummy').status).toBe(0);
  expect(f.run('ip addr add 10.1.0.1/16 brd + dev d0').status).toBe(0);
  expect(f.run('ip link set d0 up mtu 1400').status).toBe(0);
  expect(f.run('ip -4 addr show d0').out).toBe(
    '3: d0: <BROADCAST,NOARP,UP,LOWER_UP> mtu 1400 qdisc noqueue state UNKNOWN group default qlen 1000\n    inet 10.1.0.1/16 brd 10.1.255.255 scope global d0\n       valid_lft forever preferred_lft forever\n',
  );
  expect(f.run('ip -br -4 addr show d0').out).toBe('d0               UNKNOWN        10.1.0.1/16 \n');
  expect(f.run('ip -o -4 addr show d0').out).toBe(
    '3: d0    inet 10.1.0.1/16 brd 10.1.255.255 scope global d0\\       valid_lft forever preferred_lft forever\n',
  );
  expect(f.run('ip route').out).toBe('10.1.0.0/16 dev d0 proto kernel scope link src 10.1.0.1 \n');
  expect(f.run('ip route get 10.1.2.3').out).toBe('10.1.2.3 dev d0 src 10.1.0.1 uid 0 \n    cache \n');
  expect(JSON.parse(f.run('ip -j -p -4 addr show d0').out)).toMatchObject([
    { ifname: 'd0', addr_info: [{ family: 'inet', local: '10.1.0.1', prefixlen: 16, broadcast: '10.1.255.255', scope: 'global' }] },
  ]);
  expect(f.run('ip link del d0')).toEqual({ status: 0, out: '', err: '' });
  fails('ip link show d0', 1, 'Device "d0" does not exist.\n');
});

test('namespaces are listed newest first, and a veth end is reached by the name of the other', () => {
  f = bootTools();
  for (const command of ['ip netns add a', 'ip netns add b', 'ip link add v0 type veth peer name v1 netns b'])
    expect(f.run(command)).toEqual({ status: 0, out: '', err: '' });
  expect(
    f
      .run('ip netns list')
      .out.split('\n')
      .map((l) => l[0]),
  ).toEqual(['b', 'a', undefined]);
  fails('ip netns add a', 1, 'Cannot create namespace file "/run/netns/a": File exists\n');
  expect(f.run('ip link show v0').out).toMatch(
    /^\d+: v0@if\d+: <BROADCAST,MULTICAST> [^\n]*\n {4}link\/ether [0-9a-f:]{17} brd ff:ff:ff:ff:ff:ff link-netns b\n$/,
  );
  expect(f.run('ip -n b -br link').out).toMatch(/^lo .*\nv1@if\d+ /);
  expect(f.run('ip -all netns exec ip -br link').out).toMatch(/^\nnetns: b\nlo[^\n]*\nv1@[^\n]*\n\nnetns: a\nlo[^\n]*\n$/);
  fails('ip link set v0 netns nosuch', 255, 'Error: argument "nosuch" is wrong: Invalid "netns" value\n\n');
});

test('a batch stops at the first failure and names the line', () => {
  f = bootTools();
  const text = 'link add d0 type dummy\n# a comment\nlink set nosuch up\nlink add d1 type dummy\n';
  expect(f.run('ip -b -', { stdin: text })).toMatchObject({ status: 1, err: 'Cannot find device "nosuch"\n' });
  expect(f.run('ip -br link').out).not.toContain('d1');
});

test('the monitor tells what happens to links and addresses until it is interrupted', () => {
  f = bootTools();
  const { kernel } = f;
  const spawned = kernel.procs.spawn({
    argv: ['ip', 'monitor', 'link', 'address'],
    netns: '',
    cwd: '/',
    env: {},
    stdin: { kind: 'null' },
    stdout: { kind: 'host' },
    stderr: { kind: 'host' },
  });
  if ('errno' in spawned) throw new Error('no monitor');
  const commands = ['ip link add d0 address 02:00:00:00:00:01 type dummy', 'ip addr add 10.0.0.1/8 dev d0'];
  let out = '';
  for (const argv of commands) {
    kernel.procs.spawn({
      argv: argv.split(' '),
      netns: '',
      cwd: '/',
      env: {},
      stdin: { kind: 'null' },
      stdout: { kind: 'host' },
      stderr: { kind: 'host' },
    });
    out += (kernel.procs.drainOutput()?.out ?? [])
      .filter((o) => o.pid === spawned.pid)
      .map((o) => o.data)
      .join('');
  }
  expect(out).toContain(
    '3: d0: <BROADCAST,NOARP> mtu 1500 qdisc noop state DOWN group default \n    link/ether 02:00:00:00:00:01 brd ff:ff:ff:ff:ff:ff\n',
  );
  expect(out).toContain('3: d0    inet 10.0.0.1/8 scope global d0\n       valid_lft forever preferred_lft forever\n');
});

// what follows was compared with iproute2 6.1 command by command
function ready(): void {
  f = bootTools();
  const steps = ['ip link add v0 type veth peer name v1', 'ip link set v0 up', 'ip link set v1 up', 'ip addr add 10.0.0.1/24 dev v0'];
  for (const command of steps) expect(f.run(command)).toEqual({ status: 0, out: '', err: '' });
}

test('what a listing of routes selects by is not said again', () => {
  ready();
  for (const route of ['10.1.0.0/16 via 10.0.0.2 src 10.0.0.1', '10.2.0.0/16 dev v0 tos 0x20', '10.3.0.0/16 dev v0 proto 99'])
    expect(f.run(`ip route add ${route}`).err).toBe('');
  expect(f.run('ip route show src 10.0.0.1').out).toBe('10.0.0.0/24 dev v0 proto kernel scope link \n10.1.0.0/16 via 10.0.0.2 dev v0 \n');
  expect(f.run('ip route show tos CS1').out).toBe('10.2.0.0/16 dev v0 scope link \n');
  expect(f.run('ip route show 10.2.0.0/16').out).toBe('10.2.0.0/16 tos CS1 dev v0 scope link \n');
  expect(f.run('ip -N route show 10.3.0.0/16').out).toBe('10.3.0.0/16 dev v0 proto 99 scope 253 \n');
  expect(f.run('ip -s -s route flush proto 99').out).toBe(
    '10.3.0.0/16 dev v0 scope link \n\n*** Round 1, deleting 1 entries ***\n*** Flush is complete after 1 round ***\n',
  );
  fails('ip route show table 4711', 2, 'Error: ipv4: FIB table does not exist.\nDump terminated\n');
});

test('rules are selected, and flushed but for the first', () => {
  ready();
  for (const rule of ['iif nosuch table 7', 'from 10.9.0.0/16 table 8 pref 100', 'goto 50000 pref 80'])
    expect(f.run(`ip rule add ${rule}`).err).toBe('');
  expect(f.run('ip rule show table 7').out).toBe('32765:\tfrom all iif nosuch [detached] lookup 7\n');
  expect(f.run('ip rule show pref 80').out).toBe('80:\tfrom all goto 50000 [unresolved]\n');
  expect(f.run('ip rule show from 10.9.0.0/16').out).toBe('100:\tfrom 10.9.0.0/16 lookup 8\n');
  fails('ip rule add goto 5 pref 6', 2, 'Error: Backward goto not supported.\n');
  expect(f.run('ip rule flush')).toEqual({ status: 0, out: '', err: '' });
  expect(f.run('ip rule').out).toBe('0:\tfrom all lookup local\n');
});

test('addresses are listed by label without their links, and by prefix without hardware', () => {
  ready();
  expect(f.run('ip addr add 10.5.0.1/24 label foo dev v0').err).toBe('');
  expect(f.run('ip -4 addr show label foo').out).toBe(
    '    inet 10.5.0.1/24 scope global foo\n       valid_lft forever preferred_lft forever\n',
  );
  expect(f.run('ip addr show to 10.5.0.0/16').out).toMatch(/^\d+: v0@v1: <[^\n]*\n {4}inet 10\.5\.0\.1\/24 scope global foo\n[^\n]*\n$/);
  expect(f.run('ip addr add 10.6.0.1/24 nodad noprefixroute dev v0')).toEqual({
    status: 0,
    out: '',
    err: 'Warning: nodad option can be set only for IPv6 addresses\n',
  });
  fails('ip addr add 10.7.0.1/24 valid_lft 0 dev v0', 1, 'valid_lft is zero\n');
  fails('ip addr add 10.7.0.1/24 autojoin dev v0', 1, 'autojoin needs multicast address\n');
  fails('ip link set v0 address 02:00', 1, 'Invalid address length 2 - must be 6 bytes\n');
  fails('ip link set v0 address 02:zz', 1, '"zz" is invalid lladdr.\n');
});

test('links take an index when they are made, and change by group', () => {
  ready();
  expect(f.run('ip link add x0 index 100 type veth peer name x1 index 200').err).toBe('');
  fails('ip link add x2 index 100 type veth peer name x3', 2, 'RTNETLINK answers: File exists\n');
  for (const command of ['ip link set x0 group 9', 'ip link set x1 group 9', 'ip link set group 9 up mtu 1300'])
    expect(f.run(command)).toEqual({ status: 0, out: '', err: '' });
  expect(f.run('ip -br link show group 9').out).toMatch(/^x0@x1 +UP .*\nx1@x0 +UP .*\n$/);
  expect(f.run('ip link show x1').out).toMatch(/^200: x1@x0: .* mtu 1300 /);
  expect(f.run('ip link del group 9').err).toBe('');
  fails('ip link show x1', 1, 'Device "x1" does not exist.\n');
});
