// TCP end to end over veth and loopback: handshake, streams both ways, ends, errors.
import { describe, expect, it } from 'vitest';
import { Errno } from '../base/errno.ts';
import { ipv4Net } from '../kernel/ipv4/ipv4_net.ts';
import { TCPEXT, TCPSTATS } from '../kernel/ipv4/mib.ts';
import { TCP } from '../kernel/ipv4/tcp_states.ts';
import { POLL, type Message } from '../kernel/sock.ts';
import { Cloner } from '../sim/clone.ts';
import { hashOf } from '../sim/hash.ts';
import { bootPair, down } from '../testkit/ip_fixture.ts';
import { runFor } from '../testkit/kernel_fixture.ts';
import { bootImpaired, connectTcp, openTcp, tcpAddress, transfer } from '../testkit/tcp_fixture.ts';

describe('tcp', () => {
  it.each([
    ['veth', '10.0.0.2'],
    ['loopback', '127.0.0.1'],
    ['IPv6 loopback', '::1'],
  ])('carries a megabyte over %s byte for byte and gives back every packet', (name, address) => {
    const f = bootPair();
    const { sockets, skb } = f.kernel;
    const live = skb.live;
    const server = name === 'veth' ? f.test : f.init;
    const [l, c, s] = connectTcp(f, server, address, f.init);
    expect(transfer(f, c, s, 1_000_000)).toBe(1_000_000);
    expect(transfer(f, s, c, 300_000)).toBe(300_000);
    sockets.close(c);
    runFor(f.sim, 1e8);
    sockets.close(s);
    sockets.close(l);
    runFor(f.sim, 1e9);
    expect(skb.live).toBe(live);
    expect([...ipv4Net(f.init).tcp.established.values()].flat().map((e) => e.state)).toEqual([TCP.TIME_WAIT]);
    runFor(f.sim, 62e9);
    expect(ipv4Net(f.init).tcp.established.size).toBe(0);
    expect(ipv4Net(f.init).tcp.bound.size).toBe(0);
  });

  it('ends in order: FIN is the end of the stream, then both are gone', () => {
    const f = bootPair();
    const { sockets } = f.kernel;
    const [, c, s] = connectTcp(f, f.test, '10.0.0.2', f.init);
    sockets.sendmsg(c, Uint8Array.of(1, 2, 3));
    sockets.shutdown(c, 2);
    runFor(f.sim, 1e8);
    expect([c.state, s.state]).toEqual([TCP.FIN_WAIT2, TCP.CLOSE_WAIT]);
    expect((sockets.recvmsg(s, 100, 0) as Message).data).toEqual(Uint8Array.of(1, 2, 3));
    expect((sockets.recvmsg(s, 100, 0) as Message).data.length).toBe(0);
    expect(sockets.sendmsg(s, Uint8Array.of(9))).toBe(1);
    sockets.close(s);
    runFor(f.sim, 1e8);
    expect((sockets.recvmsg(c, 100, 0) as Message).data).toEqual(Uint8Array.of(9));
    expect(c.state).toBe(TCP.CLOSE);
  });

  it('refuses a port nobody listens on, and resets a peer whose data was not read', () => {
    const f = bootPair();
    const { sockets } = f.kernel;
    const c = openTcp(f, f.init);
    sockets.connect(c, tcpAddress('10.0.0.2', 81));
    runFor(f.sim, 1e8);
    expect(sockets.poll(c) & POLL.ERR).toBe(POLL.ERR);
    expect(sockets.getsockopt(c, 'SO_ERROR')).toBe(Errno.ECONNREFUSED);
    const [, a, b] = connectTcp(f, f.test, '10.0.0.2', f.init);
    sockets.sendmsg(a, new Uint8Array(10));
    runFor(f.sim, 1e8);
    sockets.close(b);
    runFor(f.sim, 1e8);
    expect(sockets.recvmsg(a, 10, 0)).toBe(-Errno.ECONNRESET);
    expect(sockets.sendmsg(a, new Uint8Array(1))).toBe(-Errno.EPIPE);
    expect(ipv4Net(f.test).mib.tcpExt[TCPEXT.TCPAbortOnClose]).toBe(1);
    expect(ipv4Net(f.init).mib.tcp[TCPSTATS.AttemptFails]).toBe(1);
  });

  it('a fork in the middle of a lossy transfer runs on exactly as the original', () => {
    const f = bootImpaired({ loss: 0.03, jitter: 3e6, duplicate: 0.02 }, 5);
    const [, c, s] = connectTcp(f, f.test, '10.1.0.2', f.init);
    f.kernel.sockets.sendmsg(c, new Uint8Array(60_000).fill(7));
    runFor(f.sim, 5e7);
    const original = { sim: f.sim, kernel: f.kernel, s };
    const fork = new Cloner().clone(original);
    for (const world of [original, fork]) runFor(world.sim, 20e9);
    expect(fork.s === s).toBe(false);
    expect(hashOf(fork)).toBe(hashOf(original));
    expect((fork.kernel.sockets.recvmsg(fork.s, 100_000, 0) as Message).data).toEqual(new Uint8Array(60_000).fill(7));
  });

  it('a path that became narrower is told, and the stream goes on in smaller segments', () => {
    const f = bootPair();
    const [, c, s] = connectTcp(f, f.test, '10.0.0.2', f.init);
    expect(transfer(f, c, s, 50_000)).toBe(50_000);
    expect(c.mss_cache).toBe(1448);
    f.kernel.ipv4.route.ipv4_update_pmtu(f.init, 0x0a000002, 0, 900);
    f.kernel.tcp.mtuReduced(c, 900);
    expect(c.mss_cache).toBe(848);
    expect(transfer(f, c, s, 50_000)).toBe(50_000);
  });

  it('keepalive finds a peer that is gone', () => {
    const f = bootImpaired({}, 3);
    const { sockets } = f.kernel;
    const [, c] = connectTcp(f, f.test, '10.1.0.2', f.init);
    for (const [option, value] of [
      ['SO_KEEPALIVE', 1],
      ['TCP_KEEPIDLE', 10],
      ['TCP_KEEPINTVL', 5],
      ['TCP_KEEPCNT', 3],
    ] as const)
      expect(sockets.setsockopt(c, option, value)).toBe(0);
    runFor(f.sim, 12e9);
    expect(c.state).toBe(TCP.ESTABLISHED);
    down(f.kernel, f.test, 'imp1');
    runFor(f.sim, 40e9);
    expect(c.state).toBe(TCP.CLOSE);
    expect(sockets.recvmsg(c, 10, 0)).toBe(-Errno.ETIMEDOUT);
  });

  it('a reader that stops closes the window; when it reads again all data comes', () => {
    const f = bootPair();
    const { sockets } = f.kernel;
    const [, c, s] = connectTcp(f, f.test, '10.0.0.2', f.init);
    let sent = 0;
    for (let i = 0; i < 200; i++) {
      const r = sockets.sendmsg(c, new Uint8Array(8192));
      if (r > 0) sent += r;
      runFor(f.sim, 1e8);
    }
    expect(c.snd_wnd).toBe(0);
    expect(ipv4Net(f.init).mib.tcpExt[TCPEXT.TCPWinProbe]).toBeGreaterThan(0);
    let got = 0;
    for (let i = 0; i < 400 && got < sent; i++) {
      const m = sockets.recvmsg(s, 65536, 0);
      if (typeof m !== 'number') got += m.data.length;
      runFor(f.sim, 2e8);
    }
    expect(got).toBe(sent);
  });
});
