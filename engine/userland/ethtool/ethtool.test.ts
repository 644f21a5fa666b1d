// ethtool(8) on a veth pair, and its grouping of features.
import { beforeAll, expect, test } from 'vitest';
import type { FeatureState } from '../../kernel/ethtool/ioctl.ts';
import { bootTools, type ToolFixture } from '../../testkit/tool_fixture.ts';
import { featureRows } from './features.ts';

let f: ToolFixture;
beforeAll(() => {
  f = bootTools();
  f.run('ip link add v0 type veth peer name v1');
});

const state = (name: string, active: boolean): FeatureState => ({ name, active, available: true, requested: active, never_changed: false });

test('several features of one kind stand under a head that is on when any of them is', () => {
  const rows = featureRows([
    state('tx-checksum-ipv4', false),
    state('tx-checksum-ip-generic', true),
    state('rx-checksum', false),
    state('highdma', true),
  ]);
  expect(rows.map((r) => `${r.indent ? '  ' : ''}${r.name}=${r.active}`)).toEqual([
    'rx-checksumming=false',
    'tx-checksumming=true',
    '  tx-checksum-ipv4=false',
    '  tx-checksum-ip-generic=true',
    'highdma=true',
  ]);
});

test('a change that drags others along lists all of them', () => {
  const r = f.run('ethtool -K v0 tx off');
  expect(r).toMatchObject({ status: 0, err: '' });
  expect(r.out).toMatch(/^Actual changes:\n(.*\n)*tx-checksum-ip-generic: off\n/);
  expect(r.out).toMatch(/tx-tcp-segmentation: off \[not requested\]\n/);
  expect(f.run('ethtool -k v0').out).toContain('\ntx-checksumming: off\n');
});

test('features that nobody may change are refused by the kernel, fixed ones are told as unmet', () => {
  expect(f.run('ethtool -K v0 netns-local on')).toEqual({
    status: 92,
    out: '',
    err: 'netlink error: attempt to change non-ethtool features\nnetlink error: Invalid argument\n',
  });
  expect(f.run('ethtool -K v0 rx-all on')).toEqual({
    status: 1,
    out: 'Actual changes:\nrx-all: off [requested on]\n',
    err: 'Could not change any device features\n',
  });
});

test.each([
  ['ethtool', 1, '', 'ethtool: bad command line argument(s)\nFor more information run ethtool -h\n'],
  ['ethtool --json -S v0', 1, '', 'ethtool: bad command line argument(s)\nFor more information run ethtool -h\n'],
  ['ethtool -g v0', 1, '', 'netlink error: Operation not supported\n'],
  ['ethtool -g nosuch', 1, '', 'netlink error: no device matches name (offset 24)\nnetlink error: No such device\n'],
  ['ethtool -i nosuch', 71, '', 'Cannot get driver information: No such device\n'],
  ['ethtool -x v0', 1, '', 'Cannot get RX ring count: Operation not supported\n'],
  ['ethtool --json -a v0', 1, '[ ]\n', 'netlink error: Operation not supported\n'],
  ['ethtool -G v0 rx', 1, '', "ethtool (-G): no value for parameter 'rx'\n"],
  ['ethtool -G v0 bogus 1', 1, '', "ethtool (-G): unknown parameter 'bogus'\n"],
  ['ethtool -G v0 rx -1', 1, '', "ethtool (-G): invalid value '-1' for parameter 'rx'\n"],
  ['ethtool -X v0', 1, '', 'ethtool: bad command line argument(s)\nFor more information run ethtool -h\n'],
  ['ethtool -X v0 equal 2 default', 1, '', 'Equal and default options are mutually exclusive\n'],
  ['ethtool -X v0 default', 1, '', 'Cannot get RX ring count: Operation not supported\n'],
  ['ethtool -N v0 rx-flow-hash tcp4 xy', 1, '', 'ethtool: bad command line argument(s)\nFor more information run ethtool -h\n'],
  ['ethtool -N v0 delete 1', 1, '', 'rmgr: Cannot delete RX class rule: Operation not supported\nCannot delete classification rule\n'],
  ['ethtool -N v0 flow-type tcp4 loc 1', 0, '', 'rmgr: Cannot insert RX class rule: Operation not supported\n'],
  ['ethtool -K v0 gro maybe', 1, '', "ethtool (-K): flag 'maybe' for parameter '(null)' is not followed by 'on' or 'off'\n"],
  ['ethtool -K v0 bogus on', 92, '', 'netlink error: bit name not found (offset 52)\nnetlink error: Operation not supported\n'],
  ['ethtool -S v0 --groups nosuch', 1, '', 'netlink error: bit name not found (offset 48)\nnetlink error: Operation not supported\n'],
  ['ethtool -k v0 extra', 1, '', "ethtool: unexpected parameter 'extra'\n"],
  ['ethtool -s v0 wol z', 1, '', "ethtool (-s): invalid char 'z' in 'z' for parameter 'wol'\n"],
  ['ethtool --set-fec v0', 1, '', 'ethtool (--set-fec): parameters missing\n'],
  ['ethtool --reset v0 mac-shared', 1, 'ETHTOOL_RESET 0x200000\n', 'Cannot issue ETHTOOL_RESET: Operation not supported\n'],
  ['ethtool --flash nosuch file', 255, '', 'Flashing failed: No such device\n'],
])('%s is refused as ethtool refuses it', (command, status, out, err) => expect(f.run(command)).toEqual({ status, out, err }));

test('a device that is not there is asked about five times', () => {
  const r = f.run('ethtool nosuch');
  expect(r).toMatchObject({ status: 75, out: 'No data available\n' });
  expect(r.err.match(/netlink error: No such device\n/g)).toHaveLength(5);
});
