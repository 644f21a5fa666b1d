// TCP's numbers: connection and congestion states, timers, what an ACK brought (Linux: include/net/tcp_states.h, tcp.h; RFC 9293 §3.3.2).

export const TCP = {
  ESTABLISHED: 1,
  SYN_SENT: 2,
  SYN_RECV: 3,
  FIN_WAIT1: 4,
  FIN_WAIT2: 5,
  TIME_WAIT: 6,
  CLOSE: 7,
  CLOSE_WAIT: 8,
  LAST_ACK: 9,
  LISTEN: 10,
  CLOSING: 11,
  NEW_SYN_RECV: 12,
} as const;
/** Set of states as bits, tested with `(1 << state) & set`. */
export const TCPF = {
  ESTABLISHED: 1 << 1,
  SYN_SENT: 1 << 2,
  SYN_RECV: 1 << 3,
  FIN_WAIT1: 1 << 4,
  FIN_WAIT2: 1 << 5,
  TIME_WAIT: 1 << 6,
  CLOSE: 1 << 7,
  CLOSE_WAIT: 1 << 8,
  LAST_ACK: 1 << 9,
  LISTEN: 1 << 10,
  CLOSING: 1 << 11,
} as const;

/** enum tcp_ca_state */
export const TCP_CA = { Open: 0, Disorder: 1, CWR: 2, Recovery: 3, Loss: 4 } as const;

/** icsk_pending */
export const ICSK_TIME = { NONE: 0, RETRANS: 1, PROBE0: 3, LOSS_PROBE: 5, REO_TIMEOUT: 6 } as const;
/** icsk_ack.pending */
export const ICSK_ACK = { SCHED: 1, TIMER: 2, PUSHED: 4, PUSHED2: 8, NOW: 16 } as const;

/** sk_shutdown */
export const SHUTDOWN = { RCV: 1, SEND: 2, BOTH: 3 } as const;

/** What an incoming ACK did. */
export const FLAG = {
  DATA: 0x01,
  WIN_UPDATE: 0x02,
  DATA_ACKED: 0x04,
  RETRANS_DATA_ACKED: 0x08,
  SYN_ACKED: 0x10,
  DATA_SACKED: 0x20,
  ECE: 0x40,
  LOST_RETRANS: 0x80,
  SLOWPATH: 0x100,
  ORIG_SACK_ACKED: 0x200,
  SND_UNA_ADVANCED: 0x400,
  DSACKING_ACK: 0x800,
  SET_XMIT_TIMER: 0x1000,
  SACK_RENEGING: 0x2000,
  UPDATE_TS_RECENT: 0x4000,
  NO_CHALLENGE_ACK: 0x8000,
  ACK_MAYBE_DELAYED: 0x10000,
  DSACK_TLP: 0x20000,
} as const;
export const FLAG_ACKED = FLAG.DATA_ACKED | FLAG.SYN_ACKED;
export const FLAG_NOT_DUP = FLAG.DATA | FLAG.WIN_UPDATE | FLAG_ACKED;
export const FLAG_CA_ALERT = FLAG.DATA_SACKED | FLAG.ECE | FLAG.DSACKING_ACK;
export const FLAG_FORWARD_PROGRESS = FLAG_ACKED | FLAG.DATA_SACKED;

/** tp->nonagle */
export const TCP_NAGLE = { OFF: 1, CORK: 2, PUSH: 4 } as const;
/** tp->ecn_flags */
export const TCP_ECN = { OK: 1, QUEUE_CWR: 2, DEMAND_CWR: 4, SEEN: 8 } as const;

const MS = 1e6;
const S = 1e9;
/** Times in ns (Linux: in jiffies; HZ is 250). */
export const TCP_RTO_MAX = 120 * S;
export const TCP_RTO_MIN = 200 * MS;
export const TCP_TIMEOUT_INIT = 1 * S;
export const TCP_TIMEOUT_FALLBACK = 3 * S;
/** Two jiffies */
export const TCP_TIMEOUT_MIN = 8 * MS;
export const TCP_DELACK_MAX = 200 * MS;
export const TCP_DELACK_MIN = 40 * MS;
export const TCP_ATO_MIN = 40 * MS;
export const TCP_TIMEWAIT_LEN = 60 * S;
export const TCP_RESOURCE_PROBE_INTERVAL = 500 * MS;
export const TCP_PAWS_24DAYS = 60 * 60 * 24 * 24;
export const TCP_PAWS_WINDOW = 1;

export const TCP_MSS_DEFAULT = 536;
export const TCP_MIN_MSS = 88;
export const TCP_INIT_CWND = 10;
export const TCP_INFINITE_SSTHRESH = 0x7fffffff;
export const TCP_MAX_WSCALE = 14;
export const TCP_MAX_QUICKACKS = 16;
export const TCP_FASTRETRANS_THRESH = 3;
export const TCP_NUM_SACKS = 4;
/** Room for the headers below TCP's payload (Linux: MAX_TCP_HEADER on x86-64). */
export const MAX_TCP_HEADER = 320;
export const TCPOLEN_TSTAMP_ALIGNED = 12;
export const TCPOLEN_SACK_BASE_ALIGNED = 4;
export const TCPOLEN_SACK_PERBLOCK = 8;
/** A connection on which replies follow requests delays its ACKs. */
export const TCP_PINGPONG_THRESH = 1;
