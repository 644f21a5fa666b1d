// TCP's parts and what they share: which network layer, secrets, a segment's way to its socket (Linux: net/ipv4/tcp_ipv4.c, tcp.c).
import { TcpIpv6 } from '../ipv6/tcp_ipv6.ts';
import type { Kernel } from '../kernel.ts';
import type { Net } from '../net_namespace.ts';
import { skb_network_header } from '../skb_inline.ts';
import type { SkBuff } from '../skbuff.ts';
import { IP_PMTUDISC } from '../sock.ts';
import { traceable } from '../trace/traceable.ts';
import { InetHashtables } from './inet_hashtables.ts';
import { ipv4Net } from './ipv4_net.ts';
import { TcpAcking } from './tcp_acking.ts';
import { TcpAck } from './tcp_ack.ts';
import type { TcpAf } from './tcp_af.ts';
import { TcpCong } from './tcp_cong.ts';
import { TcpIo } from './tcp_io.ts';
import { TcpInput } from './tcp_input.ts';
import { TcpIpv4 } from './tcp_ipv4.ts';
import { TcpLoss } from './tcp_loss.ts';
import { TcpMinisocks } from './tcp_minisocks.ts';
import { TcpOffload } from './tcp_offload.ts';
import { TcpOutput } from './tcp_output.ts';
import { TcpRack } from './tcp_rack.ts';
import { TcpRate } from './tcp_rate.ts';
import { TcpReceive } from './tcp_rcv.ts';
import { TcpRetransmit } from './tcp_retransmit.ts';
import { TcpRtt } from './tcp_rtt.ts';
import { TcpSegment } from './tcp_segment.ts';
import { TcpSack } from './tcp_sack.ts';
import type { TcpHashed, TcpRequestSock, TcpSock } from './tcp_sock.ts';
import { TCP, TCPF } from './tcp_states.ts';
import { TcpSysctlTable } from './tcp_sysctls.ts';
import { TcpTimer } from './tcp_timer.ts';
import { TcpWindow } from './tcp_window.ts';
import { TcpUser } from './tcp_user.ts';

traceable('', [
  InetHashtables,
  TcpAck,
  TcpAcking,
  TcpCong,
  TcpInput,
  TcpIo,
  TcpIpv4,
  TcpIpv6,
  TcpLoss,
  TcpMinisocks,
  TcpOffload,
  TcpOutput,
  TcpRack,
  TcpRate,
  TcpReceive,
  TcpRetransmit,
  TcpRtt,
  TcpSack,
  TcpSegment,
  TcpTimer,
  TcpUser,
  TcpWindow,
]);

export class TcpProto {
  readonly timer: TcpTimer;
  readonly hash: InetHashtables;
  readonly cong: TcpCong;
  readonly rtt: TcpRtt;
  readonly rate: TcpRate;
  readonly out: TcpOutput;
  readonly retrans: TcpRetransmit;
  readonly rack: TcpRack;
  readonly sack: TcpSack;
  readonly loss: TcpLoss;
  readonly ack: TcpAck;
  readonly rcv: TcpReceive;
  readonly input: TcpInput;
  readonly mini: TcpMinisocks;
  readonly v4: TcpIpv4;
  readonly v6: TcpIpv6;
  readonly user: TcpUser;
  readonly sysctls: TcpSysctlTable;
  readonly offload: TcpOffload;
  /** Of sequence numbers and time stamps; drawn when first needed. */
  private secret = 0;

  constructor(readonly kernel: Kernel) {
    this.timer = new TcpTimer(kernel);
    this.hash = new InetHashtables(kernel);
    this.cong = new TcpCong(kernel);
    this.rtt = new TcpRtt(kernel);
    this.rate = new TcpRate(kernel);
    this.out = new TcpOutput(kernel);
    this.retrans = new TcpRetransmit(kernel);
    this.rack = new TcpRack(kernel);
    this.sack = new TcpSack(kernel);
    this.loss = new TcpLoss(kernel);
    this.ack = new TcpAck(kernel);
    this.rcv = new TcpReceive(kernel);
    this.input = new TcpInput(kernel);
    this.mini = new TcpMinisocks(kernel);
    this.v4 = new TcpIpv4(kernel);
    this.v6 = new TcpIpv6(kernel);
    this.user = new TcpUser(kernel);
    this.sysctls = new TcpSysctlTable(kernel);
    this.offload = new TcpOffload(kernel);
  }

  pernetInit(net: Net): void {
    this.sysctls.initNet(net);
  }
  /** A namespace dies: no timer of it may fire. */
  pernetExit(net: Net): void {
    const { tcp } = ipv4Net(net);
    for (const bucket of [...tcp.established.values()]) {
      for (const e of bucket.slice()) {
        if (e.kind === 'timewait') this.mini.inet_twsk_kill(e as never);
        else if (e.kind === 'request') this.mini.inet_csk_reqsk_queue_drop(e as TcpRequestSock);
        else this.user.tcp_done(e as TcpSock);
      }
    }
  }

  af(sk: TcpSock): TcpAf {
    return sk.wire6 ? this.v6 : this.v4;
  }
  afOf(wire6: boolean): TcpAf {
    return wire6 ? this.v6 : this.v4;
  }
  familyOf(skb: SkBuff): TcpAf {
    return this.afOf(this.kernel.skb.ram.u8(skb_network_header(skb)) >> 4 === 6);
  }

  private tuple(e: TcpHashed, salt: number): number {
    const random = this.kernel.platform.sim.random(`${this.kernel.platform.machine}:tcp_secret`);
    if (this.secret === 0) this.secret = random.u32() || 1;
    let h = this.secret ^ salt;
    const mix = (k: number): void => {
      h = Math.imul(h ^ k, 0x85ebca6b);
      h ^= h >>> 15;
      h = Math.imul(h, 0xc2b2ae35) ^ (h >>> 13);
    };
    if (e.wire6)
      for (const a of [e.local6, e.peer6])
        for (let i = 0; a !== undefined && i < 16; i += 4) mix((a[i] << 24) | (a[i + 1] << 16) | (a[i + 2] << 8) | a[i + 3]);
    else {
      mix(e.rcv_saddr);
      mix(e.daddr);
    }
    if (salt === 0) mix((e.num << 16) | e.dport);
    return h >>> 0;
  }
  /** RFC 6528: a keyed hash of the ends, plus a clock of 64 ns. */
  secureSeq(e: TcpHashed): number {
    return (this.tuple(e, 0) + Math.floor(this.kernel.now() / 64)) >>> 0 || 1;
  }
  /** net.ipv4.tcp_timestamps 1: every pair of hosts has its own offset. */
  secureTsOff(e: TcpHashed): number {
    return ipv4Net(e.net).tcp.sysctl.tcp_timestamps === 1 ? this.tuple(e, 0x7f4a7c15) : 0;
  }

  /** A segment for a full socket; consumed. */
  sockRcv(af: TcpAf, sk: TcpSock, skb: SkBuff, length: number): void {
    if (sk.state !== TCP.LISTEN) {
      sk.segs_in += Math.max(1, this.kernel.skb.gso_segs(skb));
      if (length > 0) sk.data_segs_in += Math.max(1, this.kernel.skb.gso_segs(skb));
    }
    if (skb.sk !== undefined) this.kernel.skb.skb_orphan(skb);
    if (sk.state === TCP.ESTABLISHED) return this.input.tcp_rcv_established(sk, skb);
    if (!this.input.tcp_rcv_state_process(sk, skb)) return;
    af.send_reset(sk, skb);
    this.kernel.skb.kfree_skb(skb);
  }

  /** A segment for a request; true: look again, the request has gone. */
  requestRcv(af: TcpAf, req: TcpRequestSock, skb: SkBuff): boolean {
    const { listener } = req;
    if (listener.state !== TCP.LISTEN) {
      this.mini.inet_csk_reqsk_queue_drop(req);
      return true;
    }
    const next = this.mini.tcp_check_req(listener, skb, req);
    if (next === undefined) {
      this.kernel.skb.consume_skb(skb);
      return false;
    }
    if (next === listener) {
      this.sockRcv(af, listener, skb, 0);
      return false;
    }
    if (this.mini.tcp_child_process(listener, next, skb)) {
      af.send_reset(next, skb);
      this.kernel.skb.kfree_skb(skb);
    }
    return false;
  }

  /** RFC 8201, RFC 1191: what was sent is too long for the path. */
  mtuReduced(sk: TcpSock, _mtu: number): void {
    if (sk.state === TCP.CLOSE || sk.state === TCP.LISTEN) return;
    const mtu = this.af(sk).mtu(sk);
    const disc = sk.wire6 ? (sk.v6?.pmtudisc ?? 1) : sk.pmtudisc;
    if (mtu === 0 || disc === IP_PMTUDISC.DONT || sk.pmtu_cookie <= mtu) return;
    this.out.tcp_sync_mss(sk, mtu);
    this.out.tcp_mstamp_refresh(sk);
    this.retrans.tcp_simple_retransmit(sk);
  }

  /** A network error: fatal while the connection is being opened, remembered afterwards. */
  reportError(sk: TcpSock, err: number, recverr: boolean): void {
    if (((1 << sk.state) & (TCPF.SYN_SENT | TCPF.SYN_RECV)) !== 0) {
      sk.err = err;
      this.kernel.sockets.sk_error_report(sk);
      this.user.tcp_done(sk);
    } else if (recverr) {
      sk.err = err;
      this.kernel.sockets.sk_error_report(sk);
    } else sk.err_soft = err;
  }
}
