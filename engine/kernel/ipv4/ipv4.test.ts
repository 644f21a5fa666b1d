// IPv4 end to end over veth and loopback: echo, fragments, errors, neighbours, UDP, routes as the kernel makes them.
import { describe, expect, it } from 'vitest';
import { Errno } from '../../base/errno.ts';
import { addAddr, addRoute, bootPair, device, down, echoRequest, ip, openSocket } from '../../testkit/ip_fixture.ts';
import { runFor } from '../../testkit/kernel_fixture.ts';
import { formatIpv4 } from '../../wire/addresses.ts';
import { AF, NUD, RTN, RT_TABLE } from '../rtnl_records.ts';
import { MSG, SOCK, type Message } from '../sock.ts';
import { hashOf } from '../../sim/hash.ts';
import { Cloner } from '../../sim/clone.ts';
import { v4number } from './arp.ts';
import { ipv4Net } from './ipv4_net.ts';
import { IPSTATS, UDPSTATS } from './mib.ts';

const text = (b: Uint8Array | undefined): string => (b === undefined ? 'default' : formatIpv4(v4number(b)));

describe('ipv4', () => {
  it('answers a ping over veth, after ARP, and frees every packet', () => {
    const { kernel, sim, init } = bootPair();
    const live = kernel.skb.live;
    const sk = openSocket(kernel, init, 2, SOCK.RAW, 1);
    expect(kernel.sockets.sendmsg(sk, echoRequest(7, 1), { family: 2, addr: ip('10.0.0.2'), port: 0 })).toBe(64);
    runFor(sim, 1e9);
    const m = kernel.sockets.recvmsg(sk, 2048, 0) as Message;
    expect(typeof m).toBe('object');
    expect(m.data.length).toBe(84);
    expect(m.data[20]).toBe(0);
    expect(m.ttl).toBe(64);
    expect(text(m.from?.addr)).toBe('10.0.0.2');
    const [n] = kernel.ipv4.rtnlNeigh.neigh_dump_info(init, AF.INET).filter((e) => e.state !== NUD.NOARP);
    expect(text(n.dst)).toBe('10.0.0.2');
    expect(n.state).toBe(NUD.REACHABLE);
    kernel.sockets.close(sk);
    expect(kernel.skb.live).toBe(live);
  });

  it('sends an 8000-byte ping as six fragments each way and loses nothing', () => {
    const { kernel, sim, init, test } = bootPair();
    const live = kernel.skb.live;
    const sk = openSocket(kernel, init, 2, SOCK.RAW, 1);
    kernel.sockets.sendmsg(sk, echoRequest(7, 1, 8000), { family: 2, addr: ip('10.0.0.2'), port: 0 });
    runFor(sim, 1e9);
    const m = kernel.sockets.recvmsg(sk, 10_000, 0) as Message;
    expect([m.data.length, m.data[20], m.data[8027]]).toEqual([8028, 0, 8007 & 255]);
    const { mib } = ipv4Net(test);
    expect([mib.ip[IPSTATS.ReasmOKs], mib.ip[IPSTATS.FragOKs], mib.ip[IPSTATS.FragCreates]]).toEqual([1, 1, 6]);
    kernel.sockets.close(sk);
    expect(kernel.skb.live).toBe(live);
  });

  it('refuses what must not be fragmented with EMSGSIZE and the MTU on the error queue', () => {
    const { kernel, init } = bootPair();
    const sk = openSocket(kernel, init, 2, SOCK.RAW, 1);
    kernel.sockets.setsockopt(sk, 'IP_RECVERR', 1);
    kernel.sockets.setsockopt(sk, 'IP_MTU_DISCOVER', 2);
    expect(kernel.sockets.sendmsg(sk, echoRequest(7, 1, 1473), { family: 2, addr: ip('10.0.0.2'), port: 0 })).toBe(-Errno.EMSGSIZE);
    const m = kernel.sockets.recvmsg(sk, 100, MSG.ERRQUEUE) as Message;
    expect(m.err).toMatchObject({ ee_errno: Errno.EMSGSIZE, ee_origin: 1, ee_info: 1500 });
  });

  it('gives up on a silent neighbour after three requests and tells the sender: host unreachable', () => {
    const { kernel, sim, init } = bootPair();
    const sk = openSocket(kernel, init, 2, SOCK.RAW, 1);
    kernel.sockets.setsockopt(sk, 'IP_RECVERR', 1);
    kernel.sockets.sendmsg(sk, echoRequest(7, 1), { family: 2, addr: ip('10.0.0.77'), port: 0 });
    const state = (): number | undefined =>
      kernel.ipv4.rtnlNeigh.neigh_dump_info(init, AF.INET).find((n) => text(n.dst) === '10.0.0.77')?.state;
    runFor(sim, 2.9e9);
    expect(state()).toBe(NUD.INCOMPLETE);
    runFor(sim, 0.2e9);
    expect(state()).toBe(NUD.FAILED);
    const m = kernel.sockets.recvmsg(sk, 2048, MSG.ERRQUEUE) as Message;
    expect(m.err).toMatchObject({ ee_errno: Errno.EHOSTUNREACH, ee_origin: 2, ee_type: 3, ee_code: 1 });
    expect(text(m.err?.offender?.addr)).toBe('10.0.0.1');
    expect(m.data[0]).toBe(8);
  });

  it('walks REACHABLE, STALE, DELAY, PROBE and back, as traffic and time have it', () => {
    const { kernel, sim, init } = bootPair();
    const sk = openSocket(kernel, init, 2, SOCK.RAW, 1);
    const send = (): number => kernel.sockets.sendmsg(sk, echoRequest(7, 1), { family: 2, addr: ip('10.0.0.2'), port: 0 });
    const state = (): number | undefined =>
      kernel.ipv4.rtnlNeigh.neigh_dump_info(init, AF.INET).find((n) => text(n.dst) === '10.0.0.2')?.state;
    send();
    runFor(sim, 1e8);
    expect(state()).toBe(NUD.REACHABLE);
    runFor(sim, 60e9);
    expect(state()).toBe(NUD.STALE);
    send();
    runFor(sim, 1e8);
    expect(state()).toBe(NUD.DELAY);
    runFor(sim, 5.2e9);
    expect(state()).toBe(NUD.REACHABLE);
  });

  it('carries UDP with the checksum left to the device, and answers closed ports', () => {
    const { kernel, sim, init, test } = bootPair();
    const rx = openSocket(kernel, test, 2, SOCK.DGRAM, 17);
    expect(kernel.sockets.bind(rx, { family: 2, addr: ip('0.0.0.0'), port: 5001 })).toBe(0);
    const tx = openSocket(kernel, init, 2, SOCK.DGRAM, 17);
    expect(kernel.sockets.connect(tx, { family: 2, addr: ip('10.0.0.2'), port: 5001 })).toBe(0);
    expect(kernel.sockets.sendmsg(tx, Uint8Array.of(1, 2, 3))).toBe(3);
    runFor(sim, 1e8);
    const m = kernel.sockets.recvmsg(rx, 100, 0) as Message;
    expect([...m.data]).toEqual([1, 2, 3]);
    expect(m.from).toMatchObject({ family: 2, port: tx.num });
    kernel.sockets.close(rx);
    kernel.sockets.sendmsg(tx, Uint8Array.of(4));
    runFor(sim, 1e8);
    expect(kernel.sockets.recvmsg(tx, 100, 0)).toBe(-Errno.ECONNREFUSED);
    expect(kernel.sockets.recvmsg(tx, 100, 0)).toBe(-Errno.EAGAIN);
    expect(ipv4Net(test).mib.udp[UDPSTATS.NoPorts]).toBe(1);
  });

  it('makes and removes the routes of its addresses', () => {
    const { kernel, init } = bootPair();
    const routes = (table: number): string[] =>
      kernel.ipv4.rtnlRoute
        .inet_dump_fib(init, table)
        .map((r) => `${r.type} ${text(r.dst)}/${r.dst_len}${(r.flags & 16) !== 0 ? ' linkdown' : ''}`);
    expect(routes(RT_TABLE.MAIN)).toEqual(['1 10.0.0.0/24']);
    expect(routes(RT_TABLE.LOCAL)).toEqual(['2 10.0.0.1/32', '3 10.0.0.255/32', '2 127.0.0.0/8', '2 127.0.0.1/32', '3 127.255.255.255/32']);
    expect(addAddr(kernel, init, '10.0.0.5/24', 'veth0').errno).toBe(0);
    expect(addAddr(kernel, init, '10.0.0.5/24', 'veth0').errno).toBe(-Errno.EEXIST);
    const second = kernel.ipv4.rtnlAddr.inet_dump_ifaddr(init).find((a) => text(a.local) === '10.0.0.5');
    expect(second?.flags).toBe(0x81);
    down(kernel, init, 'veth0');
    expect(routes(RT_TABLE.MAIN)).toEqual([]);
    expect(routes(RT_TABLE.LOCAL).slice(0, 2)).toEqual(['2 10.0.0.1/32', '2 10.0.0.5/32']);
  });

  it('chooses, refuses and reports routes as Linux words it', () => {
    const { kernel, init } = bootPair();
    const gw = { gateway: ip('10.0.0.9') };
    expect(addRoute(kernel, init, 'default')).toEqual({ errno: -Errno.ENODEV });
    expect(addRoute(kernel, init, 'default', { gateway: ip('1.2.3.4') }).extack).toBe('Nexthop has invalid gateway');
    expect(addRoute(kernel, init, '10.1.2.3/16', { oif: device(init, 'veth0').ifindex }).extack).toBe(
      'Invalid prefix for given prefix length',
    );
    expect(addRoute(kernel, init, 'default', { ...gw, flags: 4 }).extack).toBe('Nexthop device required for onlink');
    expect(addRoute(kernel, init, 'default', { ...gw, prefsrc: ip('9.9.9.9') }).extack).toBe('Invalid prefsrc address');
    expect(addRoute(kernel, init, 'default', gw).errno).toBe(0);
    expect(addRoute(kernel, init, 'default', gw)).toEqual({ errno: -Errno.EEXIST });
    for (const [type, prefix] of [
      [RTN.UNREACHABLE, '10.2.0.0/16'],
      [RTN.PROHIBIT, '10.3.0.0/16'],
      [RTN.BLACKHOLE, '10.4.0.0/16'],
      [RTN.THROW, '10.5.0.0/16'],
    ] as const)
      expect(addRoute(kernel, init, prefix, { type }).errno).toBe(0);
    const get = (to: string): unknown => kernel.ipv4.rtnlRoute.inet_rtm_getroute(init, { family: AF.INET, dst: ip(to) });
    expect([get('10.2.0.1'), get('10.3.0.1'), get('10.4.0.1'), get('10.5.0.1')]).toEqual(
      [Errno.EHOSTUNREACH, Errno.EACCES, Errno.EINVAL, Errno.ENETUNREACH].map((e) => ({ errno: -e })),
    );
    expect(get('8.8.8.8')).toMatchObject({ type: RTN.UNICAST, prefsrc: ip('10.0.0.1'), nexthops: [{ gateway: ip('10.0.0.9') }] });
    expect(get('10.0.0.255')).toMatchObject({ type: RTN.BROADCAST });
    expect(get('127.0.0.1')).toMatchObject({ type: RTN.LOCAL, prefsrc: ip('127.0.0.1') });
  });

  it('records the route there and back (RFC 791)', () => {
    const { kernel, sim, init } = bootPair();
    const sk = openSocket(kernel, init, 2, SOCK.RAW, 1);
    const rr = new Uint8Array(40);
    rr.set([1, 7, 39, 4]);
    expect(kernel.sockets.setsockopt(sk, 'IP_OPTIONS', rr)).toBe(0);
    kernel.sockets.setsockopt(sk, 'IP_RETOPTS', 1);
    kernel.sockets.sendmsg(sk, echoRequest(7, 1), { family: 2, addr: ip('10.0.0.2'), port: 0 });
    runFor(sim, 1e9);
    const m = kernel.sockets.recvmsg(sk, 2048, 0) as Message;
    const at = (i: number): string => text(m.options?.subarray(3 + 4 * i, 7 + 4 * i));
    expect([0, 1, 2, 3, 4].map(at)).toEqual(['10.0.0.1', '10.0.0.2', '10.0.0.2', '10.0.0.1', '0.0.0.0']);
  });

  it('runs the same from the same seed, and a clone goes on as its original', () => {
    const run = (): string => {
      const f = bootPair({ seed: 5 });
      const sk = openSocket(f.kernel, f.init, 2, SOCK.RAW, 1);
      f.kernel.sockets.sendmsg(sk, echoRequest(7, 1, 3000), { family: 2, addr: ip('10.0.0.2'), port: 0 });
      runFor(f.sim, 1e7);
      return hashOf([f.sim, f.kernel]);
    };
    expect(run()).toBe(run());
    const f = bootPair({ seed: 6 });
    const copy = new Cloner().clone({ sim: f.sim, kernel: f.kernel });
    runFor(f.sim, 20e9);
    runFor(copy.sim, 20e9);
    expect(hashOf([copy.sim, copy.kernel])).toBe(hashOf([f.sim, f.kernel]));
  });
});
