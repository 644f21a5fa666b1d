// Next hop objects: what they print, what refers to them, and what goes with them.
import { beforeEach, expect, test } from 'vitest';
import { bootTools, type ToolFixture } from '../../testkit/tool_fixture.ts';

let f: ToolFixture;
const run = (command: string): string => {
  const { out, err, status } = f.run(command);
  return status === 0 ? out : `${status} ${err}`;
};
beforeEach(() => {
  f = bootTools();
  for (const n of [0, 1]) {
    expect(run(`ip link add d${n} type dummy`)).toBe('');
    expect(run(`ip link set d${n} up`)).toBe('');
    expect(run(`ip addr add 10.${n}.0.1/24 dev d${n}`)).toBe('');
    expect(run(`ip nexthop add id ${n + 1} via 10.${n}.0.2 dev d${n}`)).toBe('');
  }
});

test('objects and groups are listed by id, and a route that uses a group shows its paths', () => {
  expect(run('ip nexthop add id 10 group 1/2,3')).toBe('');
  expect(run('ip nexthop')).toBe('id 1 via 10.0.0.2 dev d0 scope link \nid 2 via 10.1.0.2 dev d1 scope link \nid 10 group 1/2,3 \n');
  expect(run('ip route add 10.7.0.0/16 nhid 10')).toBe('');
  expect(run('ip route show 10.7.0.0/16')).toBe(
    '10.7.0.0/16 nhid 10 \n\tnexthop via 10.0.0.2 dev d0 weight 1 \n\tnexthop via 10.1.0.2 dev d1 weight 3 \n',
  );
});

test('flows spread over a group in the proportion of its weights', () => {
  run('ip nexthop add id 10 group 1/2,3');
  run('ip route add 10.7.0.0/16 nhid 10');
  let second = 0;
  for (let i = 1; i <= 200; i++) if (run(`ip route get 10.7.1.${i}`).includes(' dev d1 ')) second++;
  expect(second).toBeGreaterThan(120);
  expect(second).toBeLessThan(180);
});

test('a route follows when its object is replaced, and goes when it is deleted', () => {
  run('ip route add 10.7.0.0/16 nhid 1');
  expect(run('ip route get 10.7.0.1')).toContain('via 10.0.0.2 dev d0');
  expect(run('ip nexthop replace id 1 via 10.1.0.9 dev d1')).toBe('');
  expect(run('ip route get 10.7.0.1')).toContain('via 10.1.0.9 dev d1');
  expect(run('ip nexthop del id 1')).toBe('');
  expect(run('ip route show 10.7.0.0/16')).toBe('');
});

test('a device that goes down takes its objects, and the group keeps the rest', () => {
  run('ip nexthop add id 10 group 1/2');
  run('ip route add 10.7.0.0/16 nhid 10');
  run('ip link set d0 down');
  expect(run('ip nexthop')).toBe('id 2 via 10.1.0.2 dev d1 scope link \nid 10 group 2 \n');
  expect(run('ip route show 10.7.0.0/16')).toBe('10.7.0.0/16 nhid 10 via 10.1.0.2 dev d1 \n');
  run('ip link set d1 down');
  expect(run('ip nexthop')).toBe('');
  expect(run('ip route show 10.7.0.0/16')).toBe('');
});

test('a blackhole swallows what is routed to it', () => {
  expect(run('ip nexthop add id 5 blackhole')).toBe('');
  expect(run('ip nexthop show id 5')).toBe('id 5 blackhole \n');
  run('ip route add 10.8.0.0/16 nhid 5');
  expect(run('ip route show 10.8.0.0/16')).toBe('blackhole 10.8.0.0/16 nhid 5 \n');
  expect(run('ip route get 10.8.0.1')).toBe('2 RTNETLINK answers: Invalid argument\n');
});

test.each([
  ['ip nexthop add id 1 via 10.0.0.3 dev d0', 'RTNETLINK answers: File exists'],
  ['ip nexthop del id 99', 'RTNETLINK answers: No such file or directory'],
  ['ip nexthop add id 7 via 10.0.0.3', 'Error: Device attribute required for non-blackhole and non-fdb nexthops.'],
  ['ip nexthop add id 7 via 172.16.0.1 dev d0', 'Error: Nexthop has invalid gateway.'],
  ['ip nexthop add id 7 group 1/99', 'Error: Invalid nexthop id.'],
  ['ip nexthop add id 7 group 1/1', 'Error: Nexthop id can not be used twice in a group.'],
  ['ip route add 10.9.0.0/16 nhid 99', 'Error: Nexthop id does not exist.'],
])('%s: %s', (command, err) => expect(run(command)).toBe(`2 ${err}\n`));
