// IPv4 end to end over veth and loopback: echo, fragments, errors, neighbours, UDP, routes as the kernel makes them.
import { describe, expect, it } from 'vitest';
import { Errno } from '../../base/errno.ts';
import { addAddr, addRoute, bootPair, device, down, echoRequest, ip, openSocket } from '../../testkit/ip_fixture.ts';
import { runFor } from '../../testkit/kernel_fixture.ts';
import { formatIpv4 } from '../../wire/addresses.ts';
import { AF, NUD, RTN, RT_TABLE } from '../rtnl_records.ts';
import { MSG, SOCK, type Message } from '../sock.ts';
import { v4number } from './arp.ts';

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
});
