// The sockets that ss lists, as records of one shape.
import { v4bytes } from '../../kernel/ipv4/arp.ts';
import type { InetSock } from '../../kernel/ipv4/inet_sock.ts';
import { ipv4Net } from '../../kernel/ipv4/ipv4_net.ts';
import { tcp_queues } from '../../kernel/ipv4/tcp_info.ts';
import { tcpSockets, tcpStateOf, tcpTimer, type TcpAny, type TcpTimerInfo } from '../../kernel/ipv4/tcp_list.ts';
import type { TcpSock } from '../../kernel/ipv4/tcp_sock.ts';
import { PacketSock } from '../../kernel/af_packet.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import type { Net } from '../../kernel/net_namespace.ts';
import type { Sock } from '../../kernel/sock.ts';

export interface Entry {
  readonly netid: string;
  readonly family: number;
  readonly state: number;
  readonly rq: number;
  readonly wq: number;
  readonly laddr: Uint8Array;
  readonly lport: number;
  readonly paddr: Uint8Array;
  readonly pport: number;
  readonly ifindex: number;
  readonly v6only: boolean;
  /** The socket itself; a request or TIME_WAIT has none. */
  readonly sock: Sock | undefined;
  readonly tcp: TcpSock | undefined;
  readonly timer: TcpTimerInfo | undefined;
}

const ANY6 = new Uint8Array(16);
const NO_TIMER: TcpTimerInfo = Object.freeze({ kind: 0, left: 0, count: 0 });

function tcpEntry(kernel: Kernel, s: TcpAny): Entry {
  const six = s.family === 10;
  const [rq, wq] = s.kind === 'sock' ? tcp_queues(s) : [0, 0];
  const mapped = (a: number): Uint8Array => Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ...v4bytes(a));
  const of = (six6: Uint8Array | undefined, four: number): Uint8Array => (six ? (six6 ?? (s.wire6 ? ANY6 : mapped(four))) : v4bytes(four));
  return {
    netid: 'tcp',
    family: s.family,
    state: tcpStateOf(s),
    rq,
    wq,
    laddr: of(s.local6, s.rcv_saddr),
    lport: s.num,
    paddr: s.kind === 'sock' && !s.connected && six ? ANY6 : of(s.peer6, s.daddr),
    pport: s.dport,
    ifindex: s.bound_dev_if,
    v6only: s.kind === 'sock' && s.v6?.v6only === true,
    sock: s.kind === 'sock' ? s : undefined,
    tcp: s.kind === 'sock' ? s : undefined,
    timer: tcpTimer(kernel, s),
  };
}

function datagramEntry(netid: string, s: InetSock, port: number): Entry {
  const six = s.v6 !== undefined;
  return {
    netid,
    family: s.family,
    state: s.connected ? 1 : 7,
    rq: s.rmem_alloc,
    wq: s.wmem_alloc,
    laddr: six ? (s.v6?.rcv_saddr ?? ANY6) : v4bytes(s.rcv_saddr),
    lport: port,
    paddr: six ? (s.v6?.daddr ?? ANY6) : v4bytes(s.daddr),
    pport: s.connected ? s.dport : 0,
    ifindex: s.bound_dev_if,
    v6only: s.v6?.v6only === true,
    sock: s,
    tcp: undefined,
    timer: NO_TIMER,
  };
}

/** Sockets of a namespace by protocol: 'tcp', 'udp', 'raw', 'packet'. */
export function entriesOf(kernel: Kernel, net: Net, what: string): Entry[] {
  const n4 = ipv4Net(net);
  const both = <T>(f: (family: number) => T[]): T[] => [...f(2), ...f(10)];
  switch (what) {
    case 'tcp':
      return both((family) => tcpSockets(net, family).map((s) => tcpEntry(kernel, s)));
    case 'udp': {
      const all = [...n4.udp.values()].flat();
      const icmp = [...n4.ping.values()].flat();
      return both((family) => [
        ...all.filter((s) => s.family === family).map((s) => datagramEntry('udp', s, s.num)),
        ...icmp.filter((s) => s.family === family).map((s) => datagramEntry(family === 2 ? 'icmp' : 'icmp6', s, s.num)),
      ]);
    }
    case 'raw':
      return both((family) => (family === 2 ? n4.raw : n4.raw6).map((s) => datagramEntry('raw', s, s.protocol)));
    case 'packet':
      return kernel.sockets.all.flatMap((s): Entry[] =>
        s instanceof PacketSock && s.net === net
          ? [
              {
                netid: s.type === 3 ? 'p_raw' : 'p_dgr',
                family: 17,
                state: 7,
                rq: s.rmem_alloc,
                wq: s.wmem_alloc,
                laddr: ANY6,
                lport: s.num,
                paddr: ANY6,
                pport: 0,
                ifindex: s.ifindex,
                v6only: false,
                sock: s,
                tcp: undefined,
                timer: NO_TIMER,
              },
            ]
          : [],
      );
    default:
      return [];
  }
}
