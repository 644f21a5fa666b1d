// Connections before they are full and after they are closed: requests, SYN-ACKs, children, TIME_WAIT (Linux: net/ipv4/tcp_minisocks.c, inet_connection_sock.c).
import type { Kernel } from '../kernel.ts';
import { skb_transport_header } from '../skb_inline.ts';
import type { SkBuff } from '../skbuff.ts';
import { ipv4Net } from './ipv4_net.ts';
import { TCPEXT, TCPSTATS } from './mib.ts';
import { type SackOption, tcp_parse_options } from './tcp_options.ts';
import { TCPHDR, TCP_SKB_CB, after, before, seqAdd } from './tcp_skb.ts';
import { TcpOptions, TcpRequestSock, TcpSock, TcpTimewaitSock } from './tcp_sock.ts';
import { TCP, TCP_ECN, TCP_INFINITE_SSTHRESH, TCP_PAWS_24DAYS, TCP_TIMEWAIT_LEN } from './tcp_states.ts';

/** What a segment to a TIME_WAIT socket calls for. */
export const TCP_TW = { SUCCESS: 0, RST: 1, ACK: 2, SYN: 3 } as const;

export class TcpMinisocks {
  static readonly inlined: readonly string[] = Object.freeze(['tcp_in_window', 'tcp_openreq_init', 'tcp_twsk_unique']);
  private readonly opt = new TcpOptions();
  private readonly sackOpt: SackOption = { at: 0, count: 0 };
  /** The sequence number that a SYN to a TIME_WAIT socket gets (Linux: tcp_tw_isn). */
  private twIsn = 0;

  constructor(readonly kernel: Kernel) {}

  private seconds(): number {
    return Math.floor(this.kernel.now() / 1e9) || 1;
  }
  tcp_in_window(seq: number, end: number, from: number, to: number): boolean {
    if (seq === from) return true;
    if (after(end, from) && before(seq, to)) return true;
    return seq === to && seq === end;
  }

  /** A SYN to a listener. The segment stays the caller's. */
  tcp_conn_request(sk: TcpSock, skb: SkBuff): void {
    const { tcp } = this.kernel;
    const n4 = ipv4Net(sk.net);
    const { mib } = n4;
    const cb = TCP_SKB_CB(skb);
    const forced = this.twIsn;
    this.twIsn = 0;
    const af = tcp.familyOf(skb);
    if (!af.unicast(skb)) return;
    if (sk.requests.length >= sk.max_ack_backlog && sk.max_ack_backlog > 0 && sk.accept_queue.length > sk.max_ack_backlog) {
      mib.tcpExt[TCPEXT.TCPReqQFullDrop]++;
      mib.tcpExt[TCPEXT.ListenDrops]++;
      return;
    }
    if (sk.accept_queue.length > sk.max_ack_backlog) {
      mib.tcpExt[TCPEXT.ListenOverflows]++;
      mib.tcpExt[TCPEXT.ListenDrops]++;
      return;
    }
    const { opt } = this;
    opt.sack_ok = opt.wscale_ok = opt.saw_tstamp = opt.tstamp_ok = false;
    opt.snd_wscale = 0;
    opt.mss_clamp = af.mss_clamp;
    opt.user_mss = sk.rx_opt.user_mss;
    tcp_parse_options(this.kernel, skb_transport_header(skb), opt, false, this.sackOpt, n4.tcp.sysctl);
    const req = af.newRequest(sk, skb);
    req.rcv_isn = cb.seq;
    req.rcv_nxt = seqAdd(cb.seq, 1);
    req.mss = opt.mss_clamp;
    req.ts_recent = opt.saw_tstamp ? opt.rcv_tsval : 0;
    req.tstamp_ok = opt.saw_tstamp;
    req.sack_ok = opt.sack_ok;
    req.snd_wscale = opt.snd_wscale;
    req.wscale_ok = opt.wscale_ok;
    req.mark = n4.tcp.sysctl.tcp_fwmark_accept !== 0 ? skb.mark : sk.mark;
    const ect = (cb.tcp_flags & (TCPHDR.ECE | TCPHDR.CWR)) === (TCPHDR.ECE | TCPHDR.CWR);
    req.ecn_ok = ect && n4.tcp.sysctl.tcp_ecn !== 0;
    const advmss = af.requestAdvmss(req);
    if (advmss === 0) return;
    req.snt_isn = forced !== 0 ? forced : tcp.secureSeq(req);
    req.ts_off = tcp.secureTsOff(req);
    this.tcp_openreq_init_rwin(sk, req, advmss);
    req.snt_synack = Math.floor(this.kernel.now() / 1000);
    sk.requests.push(req);
    tcp.hash.inet_ehash_insert(req);
    this.kernel.timers.startIn(req.timer, req.timeout);
    af.send_synack(req);
  }

  tcp_openreq_init_rwin(sk: TcpSock, req: TcpRequestSock, advmss: number): void {
    const { out } = this.kernel.tcp;
    const mss = out.tcp_mss_clamp(sk, advmss);
    let clamp = sk.window_clamp;
    const full = out.tcp_full_space(sk);
    if (sk.userlocks_rcvbuf && (clamp > full || clamp === 0)) clamp = full;
    const w = out.tcp_select_initial_window(sk, full, mss - (req.tstamp_ok ? 12 : 0), clamp, req.wscale_ok, 0);
    req.rsk_rcv_wnd = w.rcv_wnd;
    req.rsk_window_clamp = w.window_clamp;
    req.rcv_wscale = w.rcv_wscale;
  }

  inet_rtx_syn_ack(req: TcpRequestSock): void {
    const { mib } = ipv4Net(req.net);
    req.num_retrans++;
    mib.tcp[TCPSTATS.RetransSegs]++;
    mib.tcpExt[TCPEXT.TCPSynRetrans]++;
    this.kernel.tcp.afOf(req.wire6).send_synack(req);
  }

  inet_csk_reqsk_queue_drop(req: TcpRequestSock): void {
    if (req.dead) return;
    req.dead = true;
    const { requests } = req.listener;
    const at = requests.indexOf(req);
    if (at >= 0) requests.splice(at, 1);
    this.kernel.timers.del_timer(req.timer);
    this.kernel.tcp.hash.inet_ehash_remove(req);
  }

  /** A segment for a request: its child, the listener (answer with RST), or undefined when it is done. */
  tcp_check_req(sk: TcpSock, skb: SkBuff, req: TcpRequestSock): TcpSock | undefined {
    const { tcp } = this.kernel;
    const n4 = ipv4Net(sk.net);
    const { mib } = n4;
    const cb = TCP_SKB_CB(skb);
    const af = tcp.afOf(req.wire6);
    const { opt } = this;
    let flags = cb.tcp_flags & (TCPHDR.RST | TCPHDR.SYN | TCPHDR.ACK);
    opt.saw_tstamp = false;
    opt.tstamp_ok = req.tstamp_ok;
    opt.user_mss = 0;
    tcp_parse_options(this.kernel, skb_transport_header(skb), opt, false, this.sackOpt, n4.tcp.sysctl);
    let paws = false;
    if (opt.saw_tstamp && req.tstamp_ok) {
      opt.ts_recent = req.ts_recent;
      opt.ts_recent_stamp = this.seconds();
      paws = this.tcp_paws_reject(opt, (flags & TCPHDR.RST) !== 0);
    }
    if (cb.seq === req.rcv_isn && flags === TCPHDR.SYN && !paws) {
      if (!tcp.input.tcp_oow_rate_limited(req, skb, TCPEXT.TCPACKSkippedSynRecv)) {
        this.inet_rtx_syn_ack(req);
        this.kernel.timers.startIn(req.timer, Math.min(req.timeout * 2 ** req.num_timeout, 120e9));
      }
      return undefined;
    }
    if ((flags & TCPHDR.ACK) !== 0 && cb.ack_seq !== seqAdd(req.snt_isn, 1)) return sk;
    if (paws || !this.tcp_in_window(cb.seq, cb.end_seq, req.rcv_nxt, seqAdd(req.rcv_nxt, req.rsk_rcv_wnd))) {
      if ((flags & TCPHDR.RST) === 0 && !tcp.input.tcp_oow_rate_limited(req, skb, TCPEXT.TCPACKSkippedSynRecv)) af.reqsk_send_ack(req, skb);
      if (paws) mib.tcpExt[TCPEXT.PAWSEstab]++;
      return undefined;
    }
    if (opt.saw_tstamp && req.tstamp_ok && !after(cb.seq, req.rcv_nxt)) req.ts_recent = opt.rcv_tsval;
    if (cb.seq === req.rcv_isn) flags &= ~TCPHDR.SYN;
    if ((flags & (TCPHDR.RST | TCPHDR.SYN)) !== 0) {
      mib.tcp[TCPSTATS.AttemptFails]++;
      if ((flags & TCPHDR.RST) === 0) af.send_reset(undefined, skb);
      this.inet_csk_reqsk_queue_drop(req);
      mib.tcpExt[TCPEXT.EmbryonicRsts]++;
      return undefined;
    }
    if ((flags & TCPHDR.ACK) === 0) return undefined;
    if (req.num_timeout < sk.defer_accept && cb.end_seq === seqAdd(req.rcv_isn, 1)) {
      req.acked = true;
      mib.tcpExt[TCPEXT.TCPDeferAcceptDrop]++;
      return undefined;
    }
    const child = this.tcp_create_openreq_child(sk, req, skb);
    if (child === undefined) {
      if (n4.tcp.sysctl.tcp_abort_on_overflow === 0) {
        req.acked = true;
        return undefined;
      }
      af.send_reset(undefined, skb);
      this.inet_csk_reqsk_queue_drop(req);
      mib.tcpExt[TCPEXT.EmbryonicRsts]++;
      return undefined;
    }
    if (opt.saw_tstamp && req.tstamp_ok) {
      child.rx_opt.rcv_tsval = opt.rcv_tsval;
      child.rx_opt.rcv_tsecr = opt.rcv_tsecr;
    }
    return child;
  }

  tcp_paws_reject(opt: TcpOptions, rst: boolean): boolean {
    if (((opt.ts_recent - opt.rcv_tsval) | 0) <= 0) return false;
    if (this.seconds() >= opt.ts_recent_stamp + TCP_PAWS_24DAYS || opt.ts_recent === 0) return false;
    return !(rst && this.seconds() >= opt.ts_recent_stamp + 60);
  }

  /** The full socket of a request, hashed and in the accept queue; undefined when that is full. */
  tcp_create_openreq_child(sk: TcpSock, req: TcpRequestSock, skb: SkBuff): TcpSock | undefined {
    const { tcp, sockets } = this.kernel;
    const { mib } = ipv4Net(sk.net);
    if (sk.accept_queue.length > sk.max_ack_backlog) {
      mib.tcpExt[TCPEXT.ListenOverflows]++;
      mib.tcpExt[TCPEXT.ListenDrops]++;
      return undefined;
    }
    const child = new TcpSock(sk.net, sk.family, sockets.newIno(), tcp.timer, sk.ca);
    tcp.user.tcp_init_sock(child);
    const isn = seqAdd(req.snt_isn, 1);
    const now = this.kernel.now();
    tcp.afOf(req.wire6).setChildAddresses(child, sk, req);
    child.ca = sk.ca;
    child.mark = req.mark;
    child.num = req.num;
    child.dport = req.dport;
    child.connected = true;
    child.bound_dev_if = req.bound_dev_if;
    child.uid = sk.uid;
    child.priority = sk.priority;
    child.tos = sk.tos;
    child.uc_ttl = sk.uc_ttl;
    child.reuse = sk.reuse;
    child.reuseport = sk.reuseport;
    child.rcvbuf = sk.rcvbuf;
    child.sndbuf = sk.sndbuf;
    child.userlocks_rcvbuf = sk.userlocks_rcvbuf;
    child.userlocks_sndbuf = sk.userlocks_sndbuf;
    child.nonagle = sk.nonagle;
    child.keepopen = sk.keepopen;
    child.linger = sk.linger;
    child.keepalive_time = sk.keepalive_time;
    child.keepalive_intvl = sk.keepalive_intvl;
    child.keepalive_probes = sk.keepalive_probes;
    child.linger2 = sk.linger2;
    child.user_timeout = sk.user_timeout;
    child.rcvlowat = sk.rcvlowat;
    child.notsent_lowat = sk.notsent_lowat;
    child.max_pacing_rate = sk.max_pacing_rate;
    child.pacing_needed = sk.pacing_needed;
    child.pmtudisc = sk.pmtudisc;
    child.rx_opt.user_mss = sk.rx_opt.user_mss;
    child.state = TCP.SYN_RECV;
    child.rcv_wup = child.copied_seq = child.rcv_nxt = seqAdd(req.rcv_isn, 1);
    child.segs_in = 1;
    child.snd_sml = child.snd_una = child.snd_nxt = child.write_seq = child.pushed_seq = isn;
    child.snd_wl1 = req.rcv_isn;
    child.lsndtime = child.lrcvtime = now;
    child.total_retrans = req.num_retrans;
    child.snd_ssthresh = TCP_INFINITE_SSTHRESH;
    const { rx_opt } = child;
    rx_opt.tstamp_ok = req.tstamp_ok;
    rx_opt.sack_ok = req.sack_ok;
    rx_opt.wscale_ok = req.wscale_ok;
    rx_opt.mss_clamp = req.mss;
    child.window_clamp = req.rsk_window_clamp;
    child.rcv_ssthresh = child.rcv_wnd = req.rsk_rcv_wnd;
    if (req.wscale_ok) {
      rx_opt.snd_wscale = req.snd_wscale;
      rx_opt.rcv_wscale = req.rcv_wscale;
    } else child.window_clamp = Math.min(child.window_clamp, 65535);
    child.snd_wnd = (this.kernel.skb.ram.u32be(skb_transport_header(skb) + 12) & 0xffff) * 2 ** rx_opt.snd_wscale;
    child.max_window = child.snd_wnd;
    if (req.tstamp_ok) {
      rx_opt.ts_recent = req.ts_recent;
      rx_opt.ts_recent_stamp = this.seconds();
    }
    if (req.num_timeout > 0) {
      child.undo_marker = isn;
      child.retrans_stamp = (Math.floor(req.snt_synack / 1000) + req.ts_off) >>> 0 || 1;
    }
    child.tsoffset = req.ts_off;
    child.tcp_mstamp = Math.floor(now / 1000);
    child.ecn_flags = req.ecn_ok ? TCP_ECN.OK : 0;
    mib.tcp[TCPSTATS.PassiveOpens]++;
    const af = tcp.afOf(req.wire6);
    if (af.rebuild_header(child) !== 0) return undefined;
    tcp.out.tcp_sync_mss(child, af.mtu(child));
    child.advmss = tcp.out.tcp_mss_clamp(sk, af.advmss(child));
    tcp.input.tcp_initialize_rcv_mss(child);
    // the handshake is the first RTT sample (Linux: tcp_synack_rtt_meas())
    if (req.num_retrans === 0) {
      const rtt = Math.floor(now / 1000) - req.snt_synack;
      tcp.rtt.tcp_update_rtt_min(child, Math.max(rtt, 1), 0);
      tcp.rtt.tcp_rtt_estimator(child, Math.max(rtt, 1));
      tcp.rtt.tcp_set_rto(child);
    }
    this.inet_csk_reqsk_queue_drop(req);
    tcp.hash.hold(child.net, child.num, child);
    tcp.hash.inet_hash(child);
    if (child.keepopen) tcp.timer.inet_csk_reset_keepalive_timer(child, tcp.timer.keepalive_time_when(child));
    sk.accept_queue.push(child);
    return child;
  }

  /** The child takes the segment that made it; true: answer with RST. */
  tcp_child_process(parent: TcpSock, child: TcpSock, skb: SkBuff): boolean {
    child.segs_in = 1;
    const reset = this.kernel.tcp.input.tcp_rcv_state_process(child, skb);
    if (child.state !== TCP.SYN_RECV) this.kernel.sockets.sock_def_readable(parent);
    return reset;
  }

  /** The socket becomes a TIME_WAIT one (or its FIN_WAIT2 forerunner, for `timeout` ns). */
  tcp_time_wait(sk: TcpSock, state: number, timeout: number): void {
    const { tcp, timers } = this.kernel;
    const n4 = ipv4Net(sk.net);
    if (n4.tcp.timewaits < n4.tcp.sysctl.tcp_max_tw_buckets) {
      const tw = new TcpTimewaitSock(sk.net, sk.family, sk.wire6, sk.ino, tcp.timer, sk.local6, sk.peer6);
      tw.substate = state;
      tw.num = sk.num;
      tw.dport = sk.dport;
      tw.rcv_saddr = sk.rcv_saddr;
      tw.daddr = sk.daddr;
      tw.bound_dev_if = sk.bound_dev_if;
      tw.rcv_wscale = sk.rx_opt.rcv_wscale;
      tw.rcv_nxt = sk.rcv_nxt;
      tw.snd_nxt = sk.snd_nxt;
      tw.rcv_wnd = tcp.out.tcp_receive_window(sk);
      tw.ts_recent = sk.rx_opt.tstamp_ok ? sk.rx_opt.ts_recent : 0;
      tw.ts_recent_stamp = sk.rx_opt.tstamp_ok ? sk.rx_opt.ts_recent_stamp : 0;
      tw.ts_offset = sk.tsoffset;
      tw.last_oow_ack_time = 0;
      tw.reuse = sk.reuse;
      tw.mark = sk.mark;
      tw.tos = sk.tos;
      const rto = sk.rto * 4 - sk.rto / 2;
      n4.tcp.timewaits++;
      tcp.hash.hold(sk.net, sk.num, tw);
      tcp.hash.inet_unhash(sk);
      tcp.hash.inet_ehash_insert(tw);
      timers.startIn(tw.timer, state === TCP.TIME_WAIT ? TCP_TIMEWAIT_LEN : Math.max(timeout, rto));
    } else n4.mib.tcpExt[TCPEXT.TCPTimeWaitOverflow]++;
    tcp.user.tcp_done(sk);
  }

  inet_twsk_kill(tw: TcpTimewaitSock): void {
    if (tw.dead) return;
    tw.dead = true;
    const n4 = ipv4Net(tw.net);
    n4.tcp.timewaits--;
    this.kernel.timers.del_timer(tw.timer);
    this.kernel.tcp.hash.inet_ehash_remove(tw);
    this.kernel.tcp.hash.inet_put_port(tw.net, tw.num, tw);
  }

  /** RFC 6191: a new connection may take an old one's place when time stamps keep them apart. */
  tcp_twsk_unique(sk: TcpSock, tw: TcpTimewaitSock): boolean {
    const { tcp, mib } = ipv4Net(sk.net);
    let { tcp_tw_reuse: reuse } = tcp.sysctl;
    if (reuse === 2) reuse = !sk.wire6 && sk.daddr >>> 24 === 127 ? 1 : 0;
    if (tw.ts_recent_stamp === 0 || reuse === 0 || this.seconds() <= tw.ts_recent_stamp) return false;
    sk.write_seq = seqAdd(tw.snd_nxt, 65535 + 2) || 1;
    sk.rx_opt.ts_recent = tw.ts_recent;
    sk.rx_opt.ts_recent_stamp = tw.ts_recent_stamp;
    mib.tcpExt[TCPEXT.TWRecycled]++;
    this.inet_twsk_kill(tw);
    return true;
  }

  /** RFC 9293 §3.10.7.4 and RFC 1337 for what is left of a connection. */
  tcp_timewait_state_process(tw: TcpTimewaitSock, skb: SkBuff): number {
    const { timers } = this.kernel;
    const n4 = ipv4Net(tw.net);
    const cb = TCP_SKB_CB(skb);
    const { opt } = this;
    const rst = (cb.tcp_flags & TCPHDR.RST) !== 0;
    const syn = (cb.tcp_flags & TCPHDR.SYN) !== 0;
    const ack = (cb.tcp_flags & TCPHDR.ACK) !== 0;
    let paws = false;
    opt.saw_tstamp = false;
    if (tw.ts_recent_stamp !== 0) {
      tcp_parse_options(this.kernel, skb_transport_header(skb), opt, false, this.sackOpt, n4.tcp.sysctl);
      if (opt.saw_tstamp) {
        opt.ts_recent = tw.ts_recent;
        opt.ts_recent_stamp = tw.ts_recent_stamp;
        paws = this.tcp_paws_reject(opt, rst);
      }
    }
    if (tw.substate === TCP.FIN_WAIT2) {
      if (paws || !this.tcp_in_window(cb.seq, cb.end_seq, tw.rcv_nxt, seqAdd(tw.rcv_nxt, tw.rcv_wnd))) return this.oow(tw, skb);
      if (rst) return this.kill(tw);
      if (syn && !before(cb.seq, tw.rcv_nxt)) return TCP_TW.RST;
      if (!ack || !after(cb.end_seq, tw.rcv_nxt) || cb.end_seq === cb.seq) return TCP_TW.SUCCESS;
      if ((cb.tcp_flags & TCPHDR.FIN) === 0 || cb.end_seq !== seqAdd(tw.rcv_nxt, 1)) return TCP_TW.RST;
      tw.substate = TCP.TIME_WAIT;
      tw.rcv_nxt = cb.end_seq;
      this.stamp(tw);
      timers.startIn(tw.timer, TCP_TIMEWAIT_LEN);
      return TCP_TW.ACK;
    }
    if (!paws && cb.seq === tw.rcv_nxt && (cb.seq === cb.end_seq || rst)) {
      if (rst) {
        if (n4.tcp.sysctl.tcp_rfc1337 === 0) return this.kill(tw);
      } else timers.startIn(tw.timer, TCP_TIMEWAIT_LEN);
      this.stamp(tw);
      return TCP_TW.SUCCESS;
    }
    if (syn && !rst && !ack && !paws && (after(cb.seq, tw.rcv_nxt) || (opt.saw_tstamp && ((tw.ts_recent - opt.rcv_tsval) | 0) < 0))) {
      this.twIsn = seqAdd(tw.snd_nxt, 65535 + 2) || 1;
      return TCP_TW.SYN;
    }
    if (paws) n4.mib.tcpExt[TCPEXT.PAWSEstab]++;
    if (rst) return TCP_TW.SUCCESS;
    if (paws || ack) timers.startIn(tw.timer, TCP_TIMEWAIT_LEN);
    return this.oow(tw, skb);
  }
  private stamp(tw: TcpTimewaitSock): void {
    if (!this.opt.saw_tstamp) return;
    tw.ts_recent = this.opt.rcv_tsval;
    tw.ts_recent_stamp = this.seconds();
  }
  private kill(tw: TcpTimewaitSock): number {
    this.inet_twsk_kill(tw);
    return TCP_TW.SUCCESS;
  }
  private oow(tw: TcpTimewaitSock, skb: SkBuff): number {
    return this.kernel.tcp.input.tcp_oow_rate_limited(tw, skb, TCPEXT.TCPACKSkippedTimeWait) ? TCP_TW.SUCCESS : TCP_TW.ACK;
  }

  /** The listener goes: requests and children that nobody accepted go with it. */
  inet_csk_listen_stop(sk: TcpSock): void {
    const { tcp } = this.kernel;
    for (const req of sk.requests.slice()) this.inet_csk_reqsk_queue_drop(req);
    for (const child of sk.accept_queue.splice(0)) {
      child.dead = true;
      tcp.user.tcp_disconnect(child);
      tcp.user.tcp_done(child);
    }
  }
}
