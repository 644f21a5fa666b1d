// A bridge between namespaces: learning, flooding, ageing, VLANs, ports that come and go.
import { beforeEach, describe, expect, it } from 'vitest';
import { bootTools, type ToolFixture } from '../../testkit/tool_fixture.ts';
import { VLAN_MODULES } from '../8021q/vlan.ts';
import { BRIDGE_MODULE } from './bridge.ts';
import { BR_STATE, bridgeOf, type NetBridge } from './br_private.ts';

describe('a bridge', () => {
  let f: ToolFixture;
  let br: NetBridge;
  const all = (...lines: readonly string[]): void => {
    for (const line of lines) expect(f.run(line), line).toMatchObject({ status: 0, err: '' });
  };
  const pings = (from: string, to: string): boolean => f.run(`ping -c 1 -W 1 ${to}`, { netns: from }).status === 0;
  const learned = (): string[] => br.fdb.filter((e) => !e.isStatic).map((e) => `${e.dst?.dev.name} ${e.vid}`);

  beforeEach(() => {
    f = bootTools([...VLAN_MODULES, BRIDGE_MODULE]);
    all('ip link add br0 type bridge');
    for (const i of [1, 2, 3]) {
      all(
        `ip netns add h${i}`,
        `ip link add v${i} type veth peer name eth0 netns h${i}`,
        `ip link set v${i} master br0`,
        `ip link set v${i} up`,
      );
      all(`ip -n h${i} addr add 10.10.0.${i}/24 dev eth0`, `ip -n h${i} link set eth0 up`);
    }
    all('ip link set br0 up', 'ip addr add 10.10.0.254/24 dev br0');
    const dev = f.kernel.init_net.__dev_get_by_name('br0');
    if (dev === undefined) throw new Error('no br0');
    br = bridgeOf(dev);
  });

  it('connects its ports with each other and with the host', () => {
    expect(pings('h1', '10.10.0.2')).toBe(true);
    expect(pings('h3', '10.10.0.254')).toBe(true);
    expect(pings('', '10.10.0.2')).toBe(true);
    expect(learned().sort()).toEqual(['v1 0', 'v2 0', 'v3 0']);
  });

  it('sends a packet to a learned address through that port only', () => {
    pings('h1', '10.10.0.2');
    const bystander = (): number => f.kernel.net.dev_get_stats(br.ports.find((p) => p.dev.name === 'v3')!.dev).tx_packets;
    f.run('sleep 8');
    const before = bystander();
    expect(f.run('ping -c 5 -i 0.01 10.10.0.2', { netns: 'h1' }).status).toBe(0);
    expect(bystander() - before).toBeLessThan(2);
  });

  it('forgets what is silent for the ageing time', () => {
    all('ip link set br0 type bridge ageing_time 500');
    pings('h1', '10.10.0.2');
    expect(learned()).toContain('v1 0');
    f.run('sleep 60');
    expect(learned()).toEqual([]);
  });

  it('has the smallest address of its ports, and a carrier while one of them forwards', () => {
    const lowest = br.ports.map((p) => Array.from(p.dev.dev_addr).join()).sort((a, b) => (a < b ? -1 : 1));
    expect(lowest).toContain(Array.from(br.dev.dev_addr).join());
    for (const i of [1, 2, 3]) all(`ip link set v${i} down`);
    expect(br.ports.map((p) => p.state)).toEqual([BR_STATE.DISABLED, BR_STATE.DISABLED, BR_STATE.DISABLED]);
    f.run('sleep 2');
    expect(f.run('ip link show br0').out).toContain('NO-CARRIER');
  });

  it('keeps VLANs apart when it filters', () => {
    all('ip link set br0 type bridge vlan_filtering 1');
    expect(pings('h1', '10.10.0.2')).toBe(true);
    all(
      'bridge vlan add dev v1 vid 10 pvid untagged',
      'bridge vlan add dev v2 vid 10 pvid untagged',
      'bridge vlan add dev v3 vid 20 pvid untagged',
    );
    expect(pings('h1', '10.10.0.2')).toBe(true);
    expect(pings('h1', '10.10.0.3')).toBe(false);
    expect(pings('h1', '10.10.0.254')).toBe(false);
  });

  it('gives its port back when the port leaves, and takes no bridge, no loopback, no port of another', () => {
    all('ip link set v1 nomaster');
    expect(pings('h1', '10.10.0.2')).toBe(false);
    expect(f.run('ip link set lo master br0').err).toBe('RTNETLINK answers: Invalid argument\n');
    expect(f.run('ip link set br0 master br0').err).toBe('Error: Can not enslave a bridge to a bridge.\n');
    all('ip link del br0');
    expect(f.run('ip link show v2').out).not.toContain('master');
  });
});
