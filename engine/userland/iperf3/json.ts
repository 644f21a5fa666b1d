// iperf3 -J: the whole test as JSON, in cJSON's layout (tabs, "key":<tab>value).
import type { Kernel } from '../../kernel/kernel.ts';
import { UTS_RELEASE } from '../../kernel/kernel.ts';
import { UTS_VERSION } from '../../kernel/uts.ts';
import type { IperfOptions } from './options.ts';
import type { Params, Results } from './protocol.ts';
import type { Interval, IperfStream } from './stream.ts';
import { address } from './test.ts';

export interface JsonInput {
  readonly options: IperfOptions;
  readonly params: Params | undefined;
  readonly streams: readonly IperfStream[];
  readonly sender: boolean;
  readonly start: number;
  readonly end: number;
  readonly remote: Results | undefined;
  readonly cookie: string;
  readonly kernel: Kernel;
  readonly error: string | undefined;
}

type Json = string | number | boolean | readonly Json[] | { readonly [key: string]: Json | undefined };

/** cJSON_Print(): objects over lines, arrays of objects inline. */
function print(value: Json, depth: number): string {
  if (typeof value !== 'object')
    return typeof value === 'number' && !Number.isInteger(value) ? String(Number(value.toPrecision(15))) : JSON.stringify(value);
  if (isArray(value)) return value.length === 0 ? '[]' : `[${value.map((v) => print(v, depth + 1)).join(', ')}]`;
  const pad = '\t'.repeat(depth + 1);
  const entries = Object.entries(value).filter((e): e is [string, Json] => e[1] !== undefined);
  if (entries.length === 0) return '{\n' + '\t'.repeat(depth) + '}';
  return `{\n${entries.map(([k, v]) => `${pad}${JSON.stringify(k)}:\t${print(v, depth + 1)}`).join(',\n')}\n${'\t'.repeat(depth)}}`;
}
const isArray = (v: Json): v is readonly Json[] => Array.isArray(v);

const rate = (bytes: number, seconds: number): number => (seconds > 0 ? (bytes * 8) / seconds : 0);

function intervalOf(l: Interval, s: IperfStream, sender: boolean): Json {
  const seconds = l.end - l.start;
  return {
    socket: s.id,
    start: l.start,
    end: l.end,
    seconds,
    bytes: l.bytes,
    bits_per_second: rate(l.bytes, seconds),
    ...(s.udp
      ? sender
        ? { packets: l.packets }
        : {
            jitter_ms: l.jitter * 1000,
            lost_packets: l.lost,
            packets: l.packets,
            lost_percent: l.packets > 0 ? (100 * l.lost) / l.packets : 0,
          }
      : sender
        ? { retransmits: l.retransmits, snd_cwnd: l.cwnd, snd_wnd: 0, rtt: l.rtt, rttvar: 0, pmtu: 1500 }
        : {}),
    omitted: l.omitted,
    sender,
  };
}

export function jsonReport(t: JsonInput): string {
  const { sockets } = t.kernel;
  const connected = t.streams.map((s): Json => {
    const local = sockets.getsockname(s.sock);
    const peer = sockets.getpeername(s.sock);
    if (typeof local === 'number' || typeof peer === 'number' || local.family === 17 || peer.family === 17) return { socket: s.id };
    return {
      socket: s.id,
      local_host: address(local.addr),
      local_port: local.port,
      remote_host: address(peer.addr),
      remote_port: peer.port,
    };
  });
  const count = Math.max(0, ...t.streams.map((s) => s.intervals.length));
  const intervals: Json[] = [];
  for (let i = 0; i < count; i++) {
    const lines = t.streams.flatMap((s) => (s.intervals.at(i) === undefined ? [] : [{ s, l: s.intervals[i] }]));
    const [{ l }] = lines;
    const bytes = lines.reduce((n, x) => n + x.l.bytes, 0);
    intervals.push({
      streams: lines.map((x) => intervalOf(x.l, x.s, t.sender)),
      sum: {
        start: l.start,
        end: l.end,
        seconds: l.end - l.start,
        bytes,
        bits_per_second: rate(bytes, l.end - l.start),
        ...(t.params?.udp === true || !t.sender ? {} : { retransmits: lines.reduce((n, x) => n + x.l.retransmits, 0) }),
        ...(t.params?.udp === true ? { packets: lines.reduce((n, x) => n + x.l.packets, 0) } : {}),
        omitted: l.omitted,
        sender: t.sender,
      },
    });
  }
  const total = (sender: boolean): { bytes: number; end: number; retransmits: number } => {
    const here = sender === t.sender;
    return {
      bytes: t.streams.reduce((n, s, i) => n + (here ? s.bytes : (t.remote?.streams[i]?.bytes ?? 0)), 0),
      end: here ? t.end : (t.remote?.streams[0]?.end_time ?? t.end),
      retransmits: t.streams.reduce((n, s, i) => n + (t.sender ? s.retransmits() : Math.max(0, t.remote?.streams[i]?.retransmits ?? 0)), 0),
    };
  };
  const side = (sender: boolean): Json => {
    const x = total(sender);
    return {
      start: 0,
      end: x.end,
      seconds: x.end,
      bytes: x.bytes,
      bits_per_second: rate(x.bytes, x.end),
      ...(sender && t.params?.udp !== true ? { retransmits: x.retransmits } : {}),
      sender: t.sender,
    };
  };
  const p = t.params;
  const report: Json = {
    start: {
      connected,
      version: 'iperf 3.12',
      system_info: `Linux ${t.kernel.hostname} ${UTS_RELEASE} ${UTS_VERSION} x86_64`,
      ...(t.options.server || t.error !== undefined ? {} : { connecting_to: { host: t.options.host, port: t.options.port } }),
      ...(p === undefined
        ? {}
        : {
            cookie: t.cookie,
            test_start: {
              protocol: p.udp === true ? 'UDP' : 'TCP',
              num_streams: p.parallel,
              blksize: p.len,
              omit: p.omit,
              duration: p.time,
              bytes: p.num,
              blocks: p.blockcount,
              reverse: p.reverse === true ? 1 : 0,
              tos: p.TOS ?? 0,
              target_bitrate: p.bandwidth ?? 0,
              bidir: 0,
              fqrate: 0,
            },
          }),
    },
    intervals,
    end:
      p === undefined
        ? {}
        : {
            streams: t.streams.map((_s, i): Json =>
              p.udp === true ? { udp: side(true) } : { sender: side(true), receiver: side(false), id: i + 1 },
            ),
            ...(p.udp === true ? { sum: side(true) } : { sum_sent: side(true), sum_received: side(false) }),
            cpu_utilization_percent: { host_total: 0, host_user: 0, host_system: 0, remote_total: 0, remote_user: 0, remote_system: 0 },
            ...(p.udp === true
              ? {}
              : { sender_tcp_congestion: t.options.congestion || 'cubic', receiver_tcp_congestion: t.remote?.congestion_used ?? 'cubic' }),
          },
    error: t.error,
  };
  return `${print(report, 0)}\n`;
}
