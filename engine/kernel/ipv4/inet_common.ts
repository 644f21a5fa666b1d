// Sending steps that UDP, raw and ICMP datagram sockets share: destination, source, route, options (Linux: ipcm_init_sk(), ip_cmsg_send()).
import { Errno } from '../../base/errno.ts';
import type { Kernel } from '../kernel.ts';
import type { SendControl } from '../sock.ts';
import { v4number } from './arp.ts';
import { Flow4 } from './fib_table.ts';
import type { InetSock } from './inet_sock.ts';
import type { IpSend } from './ip_output.ts';
import { ipv4Net } from './ipv4_net.ts';
import { IPSTATS } from './mib.ts';
import { RTCF } from '../rtnl_records.ts';

const isMulticast4 = (a: number): boolean => a >>> 28 === 0xe;

export class InetCommon {
  private readonly flow = new Flow4();
  /** Filled by prepare4; valid until the next call. */
  readonly send: IpSend;

  constructor(readonly kernel: Kernel) {
    this.send = {
      net: undefined as never,
      rt: undefined as never,
      saddr: 0,
      daddr: 0,
      protocol: 0,
      tos: 0,
      ttl: 0,
      pmtudisc: 0,
      opt: undefined,
      sk: undefined,
      connected: false,
      mark: 0,
      priority: 0,
    };
  }

  /** Chooses the route of a datagram to `daddr`; 0 and `this.send` filled, or -errno. */
  prepare4(sk: InetSock, daddr: number, protocol: number, control: SendControl | undefined, dport: number): number {
    const { ipv4 } = this.kernel;
    const f = this.flow;
    const s = this.send;
    const multicast = isMulticast4(daddr);
    let oif = control?.ifindex ?? sk.bound_dev_if;
    let saddr = control?.src === undefined ? sk.saddr : v4number(control.src);
    if (multicast) {
      if (oif === 0) oif = sk.mc_index;
      if (saddr === 0) saddr = sk.mc_addr;
    }
    const cached = sk.dst;
    if (cached !== undefined && sk.connected && control === undefined && daddr === sk.daddr && cached.genid === ipv4Net(sk.net).rtGenid) {
      s.rt = cached;
      s.saddr = saddr !== 0 ? saddr : cached.saddr;
    } else {
      f.daddr = daddr;
      f.saddr = saddr;
      f.oif = oif;
      f.tos = (control?.tos ?? sk.tos) & 0x1c;
      f.scope = sk.localroute ? 253 : 0;
      f.mark = sk.mark;
      f.proto = protocol;
      f.sport = sk.num;
      f.dport = dport;
      f.anysrc = sk.hdrincl;
      const rt = ipv4.route.ip_route_output_flow(sk.net, f);
      if (typeof rt === 'number') {
        if (rt === -Errno.ENETUNREACH) ipv4Net(sk.net).mib.ip[IPSTATS.OutNoRoutes]++;
        return rt;
      }
      if ((rt.rt_flags & RTCF.BROADCAST) !== 0 && !sk.broadcast) return -Errno.EACCES;
      s.rt = rt;
      s.saddr = f.saddr;
      if (sk.connected && daddr === sk.daddr && control === undefined) sk.dst = rt;
    }
    s.net = sk.net;
    s.daddr = f.daddr !== 0 && daddr === 0 ? f.daddr : daddr;
    s.protocol = protocol;
    s.tos = control?.tos ?? sk.tos;
    s.ttl = control?.ttl ?? (multicast ? sk.mc_ttl : sk.uc_ttl === -1 ? 0 : sk.uc_ttl);
    s.pmtudisc = sk.pmtudisc;
    s.opt = sk.opt;
    s.sk = sk;
    s.connected = sk.connected;
    s.mark = sk.mark;
    s.priority = sk.priority;
    return 0;
  }

  /** The path to a peer is chosen at connect; 0 or -errno. */
  connect4(sk: InetSock, daddr: number, port: number): number {
    const { ipv4 } = this.kernel;
    const f = this.flow;
    sk.dst = undefined;
    f.daddr = daddr;
    f.saddr = sk.saddr;
    f.oif = sk.bound_dev_if;
    f.tos = sk.tos & 0x1c;
    f.scope = sk.localroute ? 253 : 0;
    f.mark = sk.mark;
    f.proto = sk.protocol;
    f.anysrc = false;
    if (isMulticast4(daddr)) {
      if (f.oif === 0) f.oif = sk.mc_index;
      if (f.saddr === 0) f.saddr = sk.mc_addr;
    }
    const rt = ipv4.route.ip_route_output_flow(sk.net, f);
    if (typeof rt === 'number') {
      if (rt === -Errno.ENETUNREACH) ipv4Net(sk.net).mib.ip[IPSTATS.OutNoRoutes]++;
      return rt;
    }
    if ((rt.rt_flags & RTCF.BROADCAST) !== 0 && !sk.broadcast) return -Errno.EACCES;
    if (sk.saddr === 0) sk.saddr = f.saddr;
    if (sk.rcv_saddr === 0) sk.rcv_saddr = f.saddr;
    sk.daddr = f.daddr;
    sk.dport = port;
    sk.connected = true;
    sk.inet_id = this.kernel.platform.sim.random(`${this.kernel.platform.machine}:inet_id`).u32() & 0xffff;
    sk.dst = rt;
    return 0;
  }
}
