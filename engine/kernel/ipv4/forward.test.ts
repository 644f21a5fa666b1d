// A router between two links: forwarding, its errors, path MTU discovery, both families.
import { describe, expect, it } from 'vitest';
import { Errno } from '../../base/errno.ts';
import { addAddr, addRoute, bootPair, device, echoRequest, ip, openSocket, up, type IpFixture } from '../../testkit/ip_fixture.ts';
import { runFor } from '../../testkit/kernel_fixture.ts';
import type { Net } from '../net_namespace.ts';
import { AF, RTAX } from '../rtnl_records.ts';
import { MSG, SOCK, type Message } from '../sock.ts';
import { v4bytes } from './arp.ts';
import { ipv4Net } from './ipv4_net.ts';
import { IPSTATS } from './mib.ts';

/** init (10.0.0.1) – test (10.0.0.2 | 10.1.0.1, forwarding) – far (10.1.0.2); the far link's MTU is 1280. */
function chain(): IpFixture & { far: Net } {
  const f = bootPair();
  const { kernel, init, test } = f;
  const far = kernel.netns.createNamed('far');
  kernel.rtnl.rtnl_newlink(test, { ifname: 'out', kind: 'veth', peer: { ifname: 'in', netns: far } });
  for (const [net, name, v4, v6] of [
    [test, 'out', '10.1.0.1/24', '2001:db8:1::1/64'],
    [far, 'in', '10.1.0.2/24', '2001:db8:1::2/64'],
  ] as const) {
    kernel.net.dev_set_mtu(device(net, name), 1280);
    addAddr(kernel, net, v4, name);
    up(kernel, net, name);
    addAddr(kernel, net, v6, name);
  }
  addAddr(kernel, init, '2001:db8::1/64', 'veth0');
  addAddr(kernel, test, '2001:db8::2/64', 'veth1');
  expect(kernel.vfs.sysctl.set(test, 'net.ipv4.ip_forward', '1')).toBe(0);
  expect(kernel.vfs.sysctl.set(test, 'net.ipv6.conf.all.forwarding', '1')).toBe(0);
  runFor(f.sim, 3e9);
  expect(addRoute(kernel, init, '10.1.0.0/24', { gateway: ip('10.0.0.2') }).errno).toBe(0);
  expect(addRoute(kernel, far, 'default', { gateway: ip('10.1.0.1') }).errno).toBe(0);
  expect(addRoute(kernel, init, '2001:db8:1::/64', { gateway: ip('2001:db8::2') }).errno).toBe(0);
  expect(addRoute(kernel, far, '2001:db8::/64', { gateway: ip('2001:db8:1::1') }).errno).toBe(0);
  return { ...f, far };
}

const TO = { family: 2, addr: v4bytes(0x0a010002), port: 0 } as const;

describe('forwarding', () => {
  it('passes packets on with one hop less, and answers when hops run out', () => {
    const { kernel, sim, init, test } = chain();
    const sk = openSocket(kernel, init, 2, SOCK.RAW, 1);
    kernel.sockets.sendmsg(sk, echoRequest(1, 1), TO);
    runFor(sim, 1e8);
    expect((kernel.sockets.recvmsg(sk, 2048, 0) as Message).ttl).toBe(63);
    expect(ipv4Net(test).mib.ip[IPSTATS.ForwDatagrams]).toBe(2);
    kernel.sockets.setsockopt(sk, 'IP_TTL', 1);
    kernel.sockets.setsockopt(sk, 'IP_RECVERR', 1);
    kernel.sockets.sendmsg(sk, echoRequest(1, 2), TO);
    runFor(sim, 1e8);
    const m = kernel.sockets.recvmsg(sk, 2048, MSG.ERRQUEUE) as Message;
    expect(m.err).toMatchObject({ ee_type: 11, ee_code: 0, ee_errno: Errno.EHOSTUNREACH });
    expect(m.err?.offender?.addr).toEqual(ip('10.0.0.2'));
  });

  it('reports the MTU of the next link; the sender remembers it for ten minutes', () => {
    const { kernel, sim, init } = chain();
    const sk = openSocket(kernel, init, 2, SOCK.RAW, 1);
    kernel.sockets.setsockopt(sk, 'IP_MTU_DISCOVER', 2);
    kernel.sockets.setsockopt(sk, 'IP_RECVERR', 1);
    expect(kernel.sockets.sendmsg(sk, echoRequest(1, 1, 1400), TO)).toBe(1408);
    runFor(sim, 1e8);
    const m = kernel.sockets.recvmsg(sk, 2048, MSG.ERRQUEUE) as Message;
    expect(m.err).toMatchObject({ ee_type: 3, ee_code: 4, ee_errno: Errno.EMSGSIZE, ee_info: 1280 });
    kernel.sockets.recvmsg(sk, 2048, 0);
    expect(kernel.sockets.sendmsg(sk, echoRequest(1, 2, 1400), TO)).toBe(-Errno.EMSGSIZE);
    const got = kernel.ipv4.rtnlRoute.inet_rtm_getroute(init, { family: AF.INET, dst: ip('10.1.0.2') });
    expect('metrics' in got && got.metrics?.get(RTAX.MTU)).toBe(1280);
    expect(kernel.ipv4.rtnlRoute.dumpRouteCache(init).length).toBe(1);
    runFor(sim, 601e9);
    expect(kernel.ipv4.rtnlRoute.dumpRouteCache(init).length).toBe(0);
  });

  it('fragments what may be fragmented', () => {
    const { kernel, sim, init, test } = chain();
    const sk = openSocket(kernel, init, 2, SOCK.RAW, 1);
    kernel.sockets.setsockopt(sk, 'IP_MTU_DISCOVER', 0);
    kernel.sockets.sendmsg(sk, echoRequest(1, 1, 1400), TO);
    runFor(sim, 1e8);
    expect((kernel.sockets.recvmsg(sk, 2048, 0) as Message).data.length).toBe(1428);
    expect(ipv4Net(test).mib.ip[IPSTATS.FragCreates]).toBe(2);
  });

  it('says that a network is unreachable, within the rate limit', () => {
    const { kernel, sim, init } = chain();
    addRoute(kernel, init, '10.9.0.0/16', { gateway: ip('10.0.0.2') });
    const sk = openSocket(kernel, init, 2, SOCK.RAW, 1);
    kernel.sockets.setsockopt(sk, 'IP_RECVERR', 1);
    let errors = 0;
    for (let i = 0; i < 10; i++) {
      kernel.sockets.sendmsg(sk, echoRequest(1, i), { family: 2, addr: ip('10.9.0.1'), port: 0 });
      runFor(sim, 1e7);
      const m = kernel.sockets.recvmsg(sk, 2048, MSG.ERRQUEUE);
      if (typeof m === 'number') continue;
      expect(m.err).toMatchObject({ ee_type: 3, ee_code: 0, ee_errno: Errno.ENETUNREACH });
      errors++;
    }
    // a burst of six, then one a second
    expect(errors).toBe(6);
  });

  it('forwards IPv6 and answers Packet Too Big', () => {
    const { kernel, sim, init } = chain();
    const sk = openSocket(kernel, init, 10, SOCK.RAW, 58);
    kernel.sockets.setsockopt(sk, 'IPV6_RECVERR', 1);
    const replies = new Uint8Array(32).fill(0xff);
    replies[16] = 0xfd; // all but 129 are blocked
    kernel.sockets.setsockopt(sk, 'ICMPV6_FILTER', replies);
    const to = { family: 10, addr: ip('2001:db8:1::2'), port: 0, scope_id: 0 } as const;
    const echo = (seq: number, size: number): Uint8Array => {
      const b = echoRequest(5, seq, size);
      b[0] = 128;
      return b;
    };
    kernel.sockets.sendmsg(sk, echo(1, 56), to);
    runFor(sim, 1e9);
    const m = kernel.sockets.recvmsg(sk, 2048, 0) as Message;
    expect([m.data[0], m.ttl]).toEqual([129, 63]);
    kernel.sockets.sendmsg(sk, echo(2, 1400), to);
    runFor(sim, 1e8);
    expect((kernel.sockets.recvmsg(sk, 2048, MSG.ERRQUEUE) as Message).err).toMatchObject({
      ee_type: 2,
      ee_errno: Errno.EMSGSIZE,
      ee_info: 1280,
    });
  });
});
