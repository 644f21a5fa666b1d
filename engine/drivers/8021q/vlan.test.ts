// VLAN devices over veth: tags on the wire, only the own VLAN comes up, the upper device follows the lower one.
import { beforeEach, describe, expect, it } from 'vitest';
import { spawnSpec } from '../../testkit/kernel_fixture.ts';
import { bootTools, type ToolFixture } from '../../testkit/tool_fixture.ts';
import { VLAN_MODULES } from './vlan.ts';

const PAIR = [
  'ip netns add far',
  'ip link add va type veth peer name vb netns far',
  'ip link add link va name va.5 type vlan id 5',
  'ip -n far link add link vb name vb.5 type vlan id 5',
  'ip addr add 10.5.0.1/24 dev va.5',
  'ip -n far addr add 10.5.0.2/24 dev vb.5',
  'ip link set va up',
  'ip -n far link set vb up',
  'ip link set va.5 up',
  'ip -n far link set vb.5 up',
];

describe('VLAN devices', () => {
  let f: ToolFixture;
  const all = (lines: readonly string[]): void => {
    for (const line of lines) expect(f.run(line), line).toMatchObject({ status: 0, err: '' });
  };
  beforeEach(() => {
    f = bootTools(VLAN_MODULES);
    all(PAIR);
  });

  it('carry packets between two ends of the same VLAN, tagged on the wire', () => {
    expect(f.run('ping -c 2 -W 1 10.5.0.2').out).toContain('2 packets transmitted, 2 received');
    const config = f.run('cat /proc/net/vlan/config').out;
    expect(config).toContain('va.5           | 5  | va\n');
  });

  it('do not reach another VLAN, nor the untagged network', () => {
    all(['ip -n far link del vb.5', 'ip -n far link add link vb name vb.6 type vlan id 6', 'ip -n far addr add 10.5.0.2/24 dev vb.6']);
    all(['ip -n far link set vb.6 up']);
    expect(f.run('ping -c 1 -W 1 10.5.0.2').status).toBe(1);
    all(['ip -n far link del vb.6', 'ip -n far addr add 10.5.0.2/24 dev vb']);
    expect(f.run('ping -c 1 -W 1 10.5.0.2').status).toBe(1);
  });

  it('carry a TCP stream whose segments the device below cuts', () => {
    f.kernel.procs.spawn(spawnSpec(['iperf3', '-s', '-1'], 'far'));
    f.run('sleep 1');
    const { out, err, status } = f.run('iperf3 -c 10.5.0.2 -n 1M');
    expect([status, err]).toEqual([0, '']);
    expect(out).toContain('iperf Done.');
  });

  it('go down and lose their carrier with the device below, and go with it', () => {
    all(['ip -n far link set vb down', 'sleep 2']);
    expect(f.run('ip link show va.5').out).toContain('<NO-CARRIER,BROADCAST,MULTICAST,UP> mtu 1500 qdisc noqueue state LOWERLAYERDOWN');
    all(['ip link set va down']);
    expect(f.run('ip link show va.5').out).toContain('<BROADCAST,MULTICAST,M-DOWN>');
    all(['ip link del va']);
    expect(f.run('ip link show va.5').status).toBe(1);
  });

  it('are refused with the reason', () => {
    const err = (line: string): string => f.run(line).err;
    expect(err('ip link add link va name x type vlan id 5')).toBe('Error: 8021q: VLAN device already exists.\n');
    expect(err('ip link add link lo name x type vlan id 5')).toBe('Error: 8021q: VLANs not supported on device.\n');
    expect(err('ip link add link va name x type vlan id 4095')).toBe('Error: 8021q: Invalid VLAN id.\n');
    expect(err('ip link add name x type vlan id 9')).toBe('Error: 8021q: link not specified.\n');
    expect(err('ip link add link va name x type vlan')).toBe('Error: 8021q: VLAN properties not specified.\n');
  });

  it('do not outlive their module', () => {
    all(['rmmod 8021q']);
    expect(f.run('ip link show va.5').status).toBe(1);
    expect(f.run('cat /proc/net/vlan/config').status).toBe(1);
  });
});
