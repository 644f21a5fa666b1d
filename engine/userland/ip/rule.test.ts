// Policy rules of both families: what `ip rule` lists and which table a flow uses.
import { beforeEach, expect, test } from 'vitest';
import { bootTools, type ToolFixture } from '../../testkit/tool_fixture.ts';

let f: ToolFixture;
const run = (command: string): string => {
  const { out, err, status } = f.run(command);
  return status === 0 ? out : `${status} ${err}`;
};
beforeEach(() => {
  f = bootTools();
  for (const dev of ['d0', 'd1']) expect([run(`ip link add ${dev} type dummy`), run(`ip link set ${dev} up`)]).toEqual(['', '']);
});

test('a rule by source chooses its table only for that source, and a prohibition ends the search', () => {
  run('ip -6 addr add 2001:db8::1/64 dev d0 nodad');
  run('ip -6 addr add 2001:db8:1::1/64 dev d0 nodad');
  run('ip -6 route add 2001:db8:9::/48 dev d0');
  run('ip -6 route add 2001:db8:9::/48 dev d1 table 77');
  expect(run('ip -6 rule add from 2001:db8:1::1 lookup 77')).toBe('');
  expect(run('ip -6 route get 2001:db8:9::1')).toContain(' dev d0 ');
  expect(run('ip -6 route get 2001:db8:9::1 from 2001:db8::1')).toContain(' dev d0 ');
  expect(run('ip -6 route get 2001:db8:9::1 from 2001:db8:1::1')).toContain(' dev d1 table 77 ');
  expect(run('ip -6 rule add to 2001:db8:9::/48 prohibit pref 1')).toBe('');
  expect(run('ip -6 route get 2001:db8:9::1')).toBe('2 RTNETLINK answers: Permission denied\n');
  expect(run('ip -6 rule del pref 1')).toBe('');
  expect(run('ip -6 route get 2001:db8:9::1')).toContain(' dev d0 ');
});

test('suppressing the default route of a table lets the next rule decide', () => {
  run('ip -6 route add default dev d0');
  run('ip -6 route add default dev d1 table 9');
  run('ip -6 rule add pref 5 table main suppress_prefixlength 0');
  run('ip -6 rule add pref 6 table 9');
  expect(run('ip -6 route get 2001:db8::5')).toContain(' dev d1 table 9 ');
});

test('ranges of ports and users are shown as ranges, and decide', () => {
  run('ip route add 10.50.0.0/16 dev d1 table 6');
  expect(run('ip rule add ipproto udp sport 10-20 table 6 pref 100')).toBe('');
  expect(run('ip rule add uidrange 5-9 table 6 pref 101')).toBe('');
  expect(run('ip rule show table 6')).toBe('100:\tfrom all ipproto udp sport 10-20 lookup 6\n101:\tfrom all uidrange 5-9 lookup 6\n');
  expect(run('ip route get 10.50.0.1 ipproto udp sport 20')).toContain(' dev d1 ');
  expect(run('ip route get 10.50.0.1 ipproto udp sport 21')).toBe('2 RTNETLINK answers: Network is unreachable\n');
  expect(run('ip route get 10.50.0.1 uid 9')).toContain(' dev d1 ');
  expect(run('ip rule del sport 10-20')).toBe('');
  expect(run('ip route get 10.50.0.1 ipproto udp sport 20')).toBe('2 RTNETLINK answers: Network is unreachable\n');
});

test('the same rule twice at one priority is refused, and so is a goto that leads back', () => {
  expect(run('ip -6 rule add table 9 pref 7')).toBe('');
  expect(run('ip -6 rule add table 9 pref 7')).toBe('2 RTNETLINK answers: File exists\n');
  expect(run('ip -6 rule add goto 3 pref 7')).toBe('2 Error: Backward goto not supported.\n');
  expect(run('ip -6 rule del table 8')).toBe('2 RTNETLINK answers: No such file or directory\n');
});
