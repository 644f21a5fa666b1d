// Two namespaces joined by a veth pair, addressed and up: what tests of the IP layers stand on.
import { DUMMY_MODULE } from '../drivers/dummy.ts';
import { LOOPBACK_MODULE } from '../drivers/loopback.ts';
import { VETH_MODULE } from '../drivers/veth.ts';
import type { InetSock } from '../kernel/ipv4/inet_sock.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { IFF, type NetDevice } from '../kernel/net_device.ts';
import type { Net } from '../kernel/net_namespace.ts';
import { AF, NLM_F, RTN, RTPROT, RT_SCOPE, RT_TABLE, type AddrRequest, type RouteRequest } from '../kernel/rtnl_records.ts';
import type { NlResult } from '../kernel/rtnetlink.ts';
import type { Sock } from '../kernel/sock.ts';
import { csumFold, csumPartial } from '../wire/checksum.ts';
import { ByteMem } from '../base/memory.ts';
import { parseIpv4, parseIpv6 } from '../wire/addresses.ts';
import { bootKernel, runFor, type KernelFixture } from './kernel_fixture.ts';

export interface IpFixture extends KernelFixture {
  readonly init: Net;
  readonly test: Net;
}

/** An address of either family in network order. */
export function ip(text: string): Uint8Array {
  const v4 = parseIpv4(text);
  if (v4 !== undefined) return Uint8Array.of(v4 >>> 24, (v4 >>> 16) & 255, (v4 >>> 8) & 255, v4 & 255);
  const v6 = parseIpv6(text);
  if (v6 === undefined) throw new Error(`not an address: ${text}`);
  return v6;
}

export const device = (net: Net, name: string): NetDevice => {
  const dev = net.__dev_get_by_name(name);
  if (dev === undefined) throw new Error(`no device ${name}`);
  return dev;
};

export const up = (kernel: Kernel, net: Net, name: string): number =>
  kernel.net.dev_change_flags(device(net, name), device(net, name).flags | IFF.UP);
export const down = (kernel: Kernel, net: Net, name: string): number =>
  kernel.net.dev_change_flags(device(net, name), device(net, name).flags & ~IFF.UP);

/** ip addr add TEXT dev NAME */
export function addAddr(kernel: Kernel, net: Net, text: string, name: string, more: Partial<AddrRequest> = {}): NlResult {
  const [addr, plen] = text.split('/');
  const local = ip(addr);
  const family = local.length === 4 ? AF.INET : AF.INET6;
  const req: AddrRequest = {
    family,
    ifindex: device(net, name).ifindex,
    prefixlen: Number(plen ?? (family === AF.INET ? 32 : 128)),
    scope: local[0] === 127 ? RT_SCOPE.HOST : 0,
    flags: 0,
    local,
    address: local,
    nlflags: NLM_F.CREATE | NLM_F.EXCL,
    ...more,
  };
  return family === AF.INET ? kernel.ipv4.rtnlAddr.inet_rtm_newaddr(net, req) : kernel.ipv6.rtnlAddr.inet6_rtm_newaddr(net, req);
}

/** ip route add PREFIX … */
export function addRoute(kernel: Kernel, net: Net, prefix: string, more: Partial<RouteRequest> = {}): NlResult {
  const [addr, plen] = prefix === 'default' ? ['0.0.0.0', '0'] : prefix.split('/');
  const dst = ip(addr);
  const family = dst.length === 4 ? AF.INET : AF.INET6;
  const type = more.type ?? RTN.UNICAST;
  const req: RouteRequest = {
    family,
    dst_len: Number(plen ?? (family === AF.INET ? 32 : 128)),
    tos: 0,
    table: RT_TABLE.MAIN,
    protocol: RTPROT.BOOT,
    scope: type === RTN.UNICAST && more.gateway === undefined && family === AF.INET && more.multipath === undefined ? RT_SCOPE.LINK : 0,
    type,
    flags: 0,
    nlflags: NLM_F.CREATE | NLM_F.EXCL,
    ...(prefix === 'default' ? {} : { dst }),
    ...more,
  };
  return family === AF.INET ? kernel.ipv4.rtnlRoute.inet_rtm_newroute(net, req) : kernel.ipv6.rtnlRoute.inet6_rtm_newroute(net, req);
}

/** A kernel with lo up, and a namespace `test`; veth0 (10.0.0.1/24) here, veth1 (10.0.0.2/24) there, both up and settled. */
export function bootPair(options: { readonly settle?: number; readonly seed?: number } = {}): IpFixture {
  const f = bootKernel({
    modules: { builtin: [LOOPBACK_MODULE], loadable: [VETH_MODULE, DUMMY_MODULE] },
    cpus: 2,
    seed: options.seed ?? 1,
  });
  const { kernel } = f;
  kernel.modules.modprobe('veth');
  const init = kernel.init_net;
  const test = kernel.netns.createNamed('test');
  for (const net of [init, test]) up(kernel, net, 'lo');
  const made = kernel.rtnl.rtnl_newlink(init, { ifname: 'veth0', kind: 'veth', peer: { ifname: 'veth1', netns: test } });
  if (made.errno !== 0) throw new Error(`veth: ${made.errno} ${made.extack}`);
  addAddr(kernel, init, '10.0.0.1/24', 'veth0');
  addAddr(kernel, test, '10.0.0.2/24', 'veth1');
  up(kernel, init, 'veth0');
  up(kernel, test, 'veth1');
  runFor(f.sim, options.settle ?? 3e9);
  return { ...f, init, test };
}

/** An ICMP echo request as ping builds it. */
export function echoRequest(id: number, seq: number, size = 56): Uint8Array {
  const b = new Uint8Array(8 + size);
  b[0] = 8;
  b[4] = id >> 8;
  b[5] = id & 255;
  b[6] = seq >> 8;
  b[7] = seq & 255;
  for (let i = 8; i < b.length; i++) b[i] = i & 255;
  const sum = csumFold(csumPartial(new ByteMem(b), 0, b.length));
  b[2] = sum >> 8;
  b[3] = sum & 255;
  return b;
}

/** A socket, or the test fails. */
export function openSocket(kernel: Kernel, net: Net, family: number, type: number, protocol: number): InetSock {
  const sk: Sock | number = kernel.sockets.socket(net, family, type, protocol);
  if (typeof sk === 'number') throw new Error(`socket: ${sk}`);
  return sk as InetSock;
}
