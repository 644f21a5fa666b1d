// TCP connections between two namespaces of one kernel, and streams whose every byte is checked.
import { Errno } from '../base/errno.ts';
import type { TcpSock } from '../kernel/ipv4/tcp_sock.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { Net } from '../kernel/net_namespace.ts';
import type { Sim } from '../sim/sim.ts';
import { type Impairment, ImpairedLink } from './impaired_link.ts';
import { addAddr, bootPair, ip, type IpFixture, up } from './ip_fixture.ts';
import { runFor } from './kernel_fixture.ts';

export interface TcpFixture {
  readonly kernel: Kernel;
  readonly sim: Sim;
  readonly init: Net;
  readonly test: Net;
}

export const CLEAN: Impairment = { delay: 5e6, jitter: 0, loss: 0, duplicate: 0, corrupt: 0, rate: 1e8, offloads: true };

/** 10.1.0.1 here and 10.1.0.2 in `test`, over a link that treats frames as asked. */
export function bootImpaired(how: Partial<Impairment>, seed = 1): IpFixture & { readonly link: ImpairedLink } {
  const f = bootPair({ seed });
  const link = new ImpairedLink(f.kernel, { ...CLEAN, ...how }, [f.init, f.test]);
  addAddr(f.kernel, f.init, '10.1.0.1/24', 'imp0');
  addAddr(f.kernel, f.test, '10.1.0.2/24', 'imp1');
  up(f.kernel, f.init, 'imp0');
  up(f.kernel, f.test, 'imp1');
  runFor(f.sim, 1e8);
  return { ...f, link };
}

export const tcpAddress = (address: string, port: number) =>
  address.includes(':') ? { family: 10 as const, addr: ip(address), port, scope_id: 0 } : { family: 2 as const, addr: ip(address), port };

export function openTcp(f: TcpFixture, net: Net, family = 2): TcpSock {
  const sk = f.kernel.sockets.socket(net, family, 1, 0);
  if (typeof sk === 'number') throw new Error(`socket: ${sk}`);
  return sk as TcpSock;
}

/** A listener in one namespace, a connection to it from another, the accepted end. */
export function connectTcp(
  f: TcpFixture,
  server: Net,
  address: string,
  client: Net,
  port = 5000,
): [listener: TcpSock, client: TcpSock, server: TcpSock] {
  const { sockets } = f.kernel;
  const family = address.includes(':') ? 10 : 2;
  const l = openTcp(f, server, family);
  if (sockets.bind(l, tcpAddress(family === 10 ? '::' : '0.0.0.0', port)) !== 0 || sockets.listen(l, 5) !== 0) throw new Error('listen');
  // ARP that is lost three times is a host that cannot be reached: the caller tries again
  for (let attempt = 0; attempt < 3; attempt++) {
    const c = openTcp(f, client, family);
    if (sockets.connect(c, tcpAddress(address, port)) !== -Errno.EINPROGRESS) throw new Error('connect');
    for (let i = 0; i < 1000 && c.err !== Errno.EHOSTUNREACH; i++) {
      runFor(f.sim, 1e8);
      const s = sockets.accept(l);
      if (typeof s !== 'number') return [l, c, s as TcpSock];
    }
    sockets.close(c);
  }
  throw new Error('nobody came');
}

const PATTERN = 251;

/** Sends `total` patterned bytes from one end and reads them at the other: how many came right, before one that did not or the time was up. */
export function transfer(f: TcpFixture, from: TcpSock, into: TcpSock, total: number, limit = 600e9): number {
  const { sockets } = f.kernel;
  const chunk = new Uint8Array(16384);
  let sent = 0;
  let got = 0;
  const end = f.sim.now + limit;
  while (got < total && f.sim.now < end) {
    while (sent < total) {
      const n = Math.min(chunk.length, total - sent);
      for (let i = 0; i < n; i++) chunk[i] = (sent + i) % PATTERN;
      const r = sockets.sendmsg(from, chunk.subarray(0, n));
      if (r < 0) break;
      sent += r;
    }
    runFor(f.sim, 2e6);
    for (;;) {
      const m = sockets.recvmsg(into, 65536, 0);
      if (typeof m === 'number' || m.data.length === 0) break;
      for (let i = 0; i < m.data.length; i++) if (m.data[i] !== (got + i) % PATTERN) return got + i;
      got += m.data.length;
    }
  }
  return got;
}
