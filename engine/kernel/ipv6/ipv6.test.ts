// IPv6 end to end over veth: what a link coming up sends, addresses, neighbour discovery, echo.
import { describe, expect, it } from 'vitest';
import { addAddr, bootPair, device, echoRequest, ip, openSocket, up } from '../../testkit/ip_fixture.ts';
import { runFor } from '../../testkit/kernel_fixture.ts';
import { formatIpv6 } from '../../wire/addresses.ts';
import { ipv4Net } from '../ipv4/ipv4_net.ts';
import { IPSTATS } from '../ipv4/mib.ts';
import { AF, NUD } from '../rtnl_records.ts';
import { SOCK, type Message } from '../sock.ts';

function echo6(id: number, seq: number): Uint8Array {
  const b = echoRequest(id, seq);
  b[0] = 128;
  b[2] = b[3] = 0;
  return b;
}

describe('ipv6', () => {
  it('a link that comes up sends four MLDv2 reports, one neighbour solicitation, then router solicitations with back-off', () => {
    const { sim, init } = bootPair({ settle: 2_600_000_000 });
    const { mib } = ipv4Net(init);
    expect([mib.icmp6Out[143], mib.icmp6Out[135], mib.icmp6Out[133]]).toEqual([4, 1, 1]);
    // RFC 7559: 4 s, then about doubled
    runFor(sim, 36e9);
    expect(mib.icmp6Out[133]).toBe(4);
  });

  it('gives the link its EUI-64 address and the routes of a real machine', () => {
    const { kernel, init } = bootPair();
    const addrs = kernel.ipv6.rtnlAddr.inet6_dump_ifaddr(init);
    expect(addrs.map((a) => `${formatIpv6(a.address ?? new Uint8Array(16))}/${a.prefixlen}`)[0]).toBe('::1/128');
    const [, link] = addrs;
    const mac = device(init, 'veth0').dev_addr;
    expect(link.address?.[8]).toBe(mac[0] ^ 2);
    expect(link.flags).toBe(0x80);
    const shown = kernel.ipv6.rtnlRoute
      .inet6_dump_fib(init)
      .map((r) => `${r.type} ${r.dst === undefined ? 'default' : formatIpv6(r.dst)}/${r.dst_len} ${r.table}`);
    expect(shown).toEqual([
      '1 fe80::/64 254',
      '2 ::1/128 255',
      `2 ${formatIpv6(link.address ?? new Uint8Array(16))}/128 255`,
      '5 ff00::/8 255',
    ]);
  });

  it('pings a link-local address through neighbour discovery and frees every packet', () => {
    const { kernel, sim, init, test } = bootPair();
    const peer = kernel.ipv6.rtnlAddr.inet6_dump_ifaddr(test).find((a) => a.address?.[0] === 0xfe)?.address as Uint8Array;
    const live = kernel.skb.live;
    const sk = openSocket(kernel, init, 10, SOCK.RAW, 58);
    const { ifindex } = device(init, 'veth0');
    expect(kernel.sockets.sendmsg(sk, echo6(9, 1), { family: 10, addr: peer, port: 0, scope_id: ifindex })).toBe(64);
    runFor(sim, 1e9);
    const types: number[] = [];
    for (let m = kernel.sockets.recvmsg(sk, 2048, 0); typeof m !== 'number'; m = kernel.sockets.recvmsg(sk, 2048, 0))
      types.push((m as Message).data[0]);
    expect(types).toContain(129);
    const [n] = kernel.ipv4.rtnlNeigh.neigh_dump_info(init, AF.INET6).filter((e) => e.state !== NUD.NOARP);
    expect([formatIpv6(n.dst), n.state]).toEqual([formatIpv6(peer), NUD.REACHABLE]);
    kernel.sockets.close(sk);
    expect(kernel.skb.live).toBe(live);
  });

  it('answers ::1 and an own global address through loopback', () => {
    const { kernel, sim, init } = bootPair();
    expect(addAddr(kernel, init, '2001:db8::1/64', 'veth0').errno).toBe(0);
    expect(addAddr(kernel, init, '2001:db8::1/64', 'veth0').errno).toBe(-17);
    runFor(sim, 3e9);
    for (const target of ['::1', '2001:db8::1']) {
      const sk = openSocket(kernel, init, 10, SOCK.DGRAM, 17);
      const other = openSocket(kernel, init, 10, SOCK.DGRAM, 17);
      expect(kernel.sockets.bind(sk, { family: 10, addr: ip('::'), port: 7000, scope_id: 0 })).toBe(0);
      expect(kernel.sockets.sendmsg(other, Uint8Array.of(1, 2, 3), { family: 10, addr: ip(target), port: 7000, scope_id: 0 })).toBe(3);
      runFor(sim, 1e8);
      const m = kernel.sockets.recvmsg(sk, 100, 0) as Message;
      expect([...m.data]).toEqual([1, 2, 3]);
      kernel.sockets.close(sk);
      kernel.sockets.close(other);
    }
  });

  it('reports an unreachable neighbour to the raw socket after three solicitations', () => {
    const { kernel, sim, init } = bootPair();
    const sk = openSocket(kernel, init, 10, SOCK.RAW, 58);
    kernel.sockets.setsockopt(sk, 'IPV6_RECVERR', 1);
    kernel.sockets.sendmsg(sk, echo6(9, 1), { family: 10, addr: ip('fe80::1'), port: 0, scope_id: 0 });
    runFor(sim, 5e9);
    const m = kernel.sockets.recvmsg(sk, 2048, 0x2000) as Message;
    expect(m.err).toMatchObject({ ee_origin: 3, ee_type: 1, ee_code: 3, ee_errno: 113 });
    expect(m.err?.offender?.family).toBe(10);
    const [n] = kernel.ipv4.rtnlNeigh.neigh_dump_info(init, AF.INET6).filter((e) => e.state !== NUD.NOARP);
    expect(n.state).toBe(NUD.FAILED);
  });

  it('fragments what does not fit and puts it together again', () => {
    const { kernel, sim, init, test } = bootPair();
    addAddr(kernel, init, '2001:db8::1/64', 'veth0');
    addAddr(kernel, test, '2001:db8::2/64', 'veth1');
    runFor(sim, 3e9);
    const rx = openSocket(kernel, test, 10, SOCK.DGRAM, 17);
    kernel.sockets.bind(rx, { family: 10, addr: ip('::'), port: 5000, scope_id: 0 });
    const tx = openSocket(kernel, init, 10, SOCK.DGRAM, 17);
    const data = Uint8Array.from({ length: 8000 }, (_, i) => i & 255);
    expect(kernel.sockets.sendmsg(tx, data, { family: 10, addr: ip('2001:db8::2'), port: 5000, scope_id: 0 })).toBe(8000);
    runFor(sim, 1e9);
    const m = kernel.sockets.recvmsg(rx, 9000, 0) as Message;
    expect(m.data).toEqual(data);
    expect(ipv4Net(init).mib.ip6[IPSTATS.FragCreates]).toBe(6);
  });

  it('loses its addresses and routes when the link goes down, and gets them again', () => {
    const { kernel, sim, init } = bootPair();
    const count = (): number => kernel.ipv6.rtnlAddr.inet6_dump_ifaddr(init, device(init, 'veth0').ifindex).length;
    kernel.net.dev_change_flags(device(init, 'veth0'), device(init, 'veth0').flags & ~1);
    runFor(sim, 1e8);
    expect(count()).toBe(0);
    expect(kernel.ipv6.rtnlRoute.inet6_dump_fib(init).length).toBe(1);
    up(kernel, init, 'veth0');
    runFor(sim, 3e9);
    expect(count()).toBe(1);
    expect(kernel.ipv6.rtnlRoute.inet6_dump_fib(init).length).toBe(4);
  });
});
