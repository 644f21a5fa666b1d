// Packet sockets: what a tap sees of both directions, ARP asked by hand (as arping does), IGMP reports of a socket's group.
import { describe, expect, it } from 'vitest';
import { Errno } from '../base/errno.ts';
import { bootPair, device, ip } from '../testkit/ip_fixture.ts';
import { runFor } from '../testkit/kernel_fixture.ts';
import { formatIpv4, formatMac } from '../wire/addresses.ts';
import { ETH_P } from '../wire/headers.ts';
import { v4number } from './ipv4/arp.ts';
import type { Kernel } from './kernel.ts';
import type { Net } from './net_namespace.ts';
import type { Message, Sock, SockAddrLl } from './sock.ts';
import { SOCK } from './sock.ts';

function open(kernel: Kernel, net: Net, type: number, protocol: number, dev: string): Sock {
  const sk = kernel.sockets.socket(net, 17, type, protocol);
  if (typeof sk === 'number') throw new Error(`socket: ${sk}`);
  const { ifindex } = device(net, dev);
  expect(kernel.sockets.bind(sk, { family: 17, protocol, ifindex, hatype: 0, pkttype: 0, addr: new Uint8Array(0) })).toBe(0);
  return sk;
}

function all(kernel: Kernel, sk: Sock): Message[] {
  const out: Message[] = [];
  for (let m = kernel.sockets.recvmsg(sk, 2048, 0); typeof m !== 'number'; m = kernel.sockets.recvmsg(sk, 2048, 0)) out.push(m);
  return out;
}

describe('packet sockets', () => {
  it('ask by ARP and get the answer, without a neighbour entry being made', () => {
    const { kernel, sim, init, test } = bootPair();
    const sk = open(kernel, init, SOCK.DGRAM, ETH_P.ARP, 'veth0');
    const { dev_addr, ifindex } = device(init, 'veth0');
    const request = Uint8Array.from([
      0,
      1,
      8,
      0,
      6,
      4,
      0,
      1,
      ...dev_addr,
      ...ip('10.0.0.1'),
      0xff,
      0xff,
      0xff,
      0xff,
      0xff,
      0xff,
      ...ip('10.0.0.2'),
    ]);
    const to: SockAddrLl = { family: 17, protocol: ETH_P.ARP, ifindex, hatype: 1, pkttype: 0, addr: new Uint8Array(6).fill(255) };
    expect(kernel.sockets.sendmsg(sk, request, to)).toBe(28);
    runFor(sim, 1e8);
    const [reply] = all(kernel, sk).filter((m) => (m.from as SockAddrLl).pkttype === 0);
    expect([reply.data[7], formatMac(reply.data, 8), formatIpv4(v4number(reply.data.subarray(14)))]).toEqual([
      2,
      formatMac(device(test, 'veth1').dev_addr),
      '10.0.0.2',
    ]);
    expect(kernel.ipv4.rtnlNeigh.neigh_dump_info(init, 2)).toEqual([]);
    kernel.sockets.close(sk);
  });

  it('see frames in both directions, with the link-layer header and their direction', () => {
    const { kernel, sim, init } = bootPair();
    const tap = open(kernel, init, SOCK.RAW, ETH_P.ALL, 'veth0');
    kernel.ipv4.arp.arp_send(
      1,
      v4number(ip('10.0.0.2')),
      device(init, 'veth0'),
      v4number(ip('10.0.0.1')),
      undefined,
      device(init, 'veth0').dev_addr,
      undefined,
    );
    runFor(sim, 1e8);
    const seen = all(kernel, tap).filter((m) => (m.from as SockAddrLl).protocol === ETH_P.ARP);
    expect(seen.map((m) => [(m.from as SockAddrLl).pkttype, m.data.length])).toEqual([
      [4, 42],
      [0, 42],
    ]);
    kernel.sockets.close(tap);
  });

  it('show the two reports of a joined group, and of its leaving', () => {
    const { kernel, sim, init, test } = bootPair();
    const tap = open(kernel, test, SOCK.RAW, ETH_P.IP, 'veth1');
    const sk = kernel.sockets.socket(init, 2, SOCK.DGRAM, 0) as Sock;
    expect(kernel.sockets.setsockopt(sk, 'IP_ADD_MEMBERSHIP', ip('239.1.1.1'), device(init, 'veth0').ifindex)).toBe(0);
    runFor(sim, 3e9);
    const reports = all(kernel, tap);
    expect(reports.map((m) => [formatIpv4(v4number(m.data.subarray(30))), m.data[22], m.data[38], m.data[46]])).toEqual([
      ['224.0.0.22', 1, 0x22, 4],
      ['224.0.0.22', 1, 0x22, 4],
    ]);
    expect(reports.map((m) => formatIpv4(v4number(m.data.subarray(50))))).toEqual(['239.1.1.1', '239.1.1.1']);
    kernel.sockets.close(sk);
    runFor(sim, 3e9);
    expect(all(kernel, tap).map((m) => m.data[46])).toEqual([3, 3]);
    kernel.sockets.close(tap);
  });

  it('refuse devices that are down or gone', () => {
    const { kernel, init } = bootPair();
    const sk = kernel.sockets.socket(init, 17, SOCK.DGRAM, 0) as Sock;
    const to = (ifindex: number): SockAddrLl => ({
      family: 17,
      protocol: ETH_P.ARP,
      ifindex,
      hatype: 1,
      pkttype: 0,
      addr: new Uint8Array(6),
    });
    expect(kernel.sockets.sendmsg(sk, new Uint8Array(28), to(99))).toBe(-Errno.ENXIO);
    kernel.net.dev_change_flags(device(init, 'veth0'), device(init, 'veth0').flags & ~1);
    expect(kernel.sockets.sendmsg(sk, new Uint8Array(28), to(device(init, 'veth0').ifindex))).toBe(-Errno.ENETDOWN);
  });
});
