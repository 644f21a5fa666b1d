// tc(8), as far as queueing disciplines are shown.
import { Errno, strerror } from '../../base/errno.ts';
import type { QdiscInfo } from '../../kernel/sched/qdisc.ts';
import { TC_H_ROOT } from '../../kernel/sched/qdisc.ts';
import { Args, matches } from '../iproute/args.ts';
import { IPROUTE_VERSION } from '../iproute/version.ts';
import { type Tool, type ToolContext, ToolExit } from '../tool.ts';

interface TcOptions {
  stats: boolean;
  details: boolean;
}

/** '1:2', ':4', '0:' as tc writes handles. */
export function handleText(h: number): string {
  const [major, minor] = [(h >>> 16) & 0xffff, h & 0xffff];
  if (h === 0) return '0:';
  if (major === 0) return `:${minor.toString(16)}`;
  return `${major.toString(16)}:${minor === 0 ? '' : minor.toString(16)}`;
}

/** Microseconds as tc writes times. */
export function timeText(us: number): string {
  if (us >= 1e6) return `${Number((us / 1e6).toPrecision(3))}s`;
  if (us >= 1e3) return `${Number((us / 1e3).toPrecision(3))}ms`;
  return `${us}us`;
}

/** Bytes as tc writes sizes. */
export function sizeText(bytes: number): string {
  if (bytes >= 1 << 20 && Math.abs((1 << 20) * Math.round(bytes / (1 << 20)) - bytes) < 1024) return `${Math.round(bytes / (1 << 20))}Mb`;
  if (bytes >= 1024 && Math.abs(1024 * Math.round(bytes / 1024) - bytes) < 16) return `${Math.round(bytes / 1024)}Kb`;
  return `${bytes}b`;
}

/** How each option of a discipline is written. */
const OPTION_TEXT: Readonly<Record<string, (v: number | string | boolean | readonly number[]) => string>> = Object.freeze({
  limit: (v) => `limit ${String(v)}p `,
  target: (v) => `target ${timeText(Number(v))} `,
  interval: (v) => `interval ${timeText(Number(v))} `,
  memory_limit: (v) => `memory_limit ${sizeText(Number(v))} `,
  ecn: (v) => (v === true || v === 1 ? 'ecn ' : ''),
  priomap: (v) => `priomap ${Array.isArray(v) ? v.join(' ') : String(v)} `,
});

function optionsText(q: QdiscInfo): string {
  return Object.entries(q.options)
    .map(([key, v]) => OPTION_TEXT[key]?.(v) ?? `${key} ${String(v)} `)
    .join('');
}

function xstatsText(q: QdiscInfo): string {
  const x = q.xstats;
  if (x === undefined || q.kind !== 'fq_codel') return '';
  let first = `  maxpacket ${x['maxpacket']} drop_overlimit ${x['drop_overlimit']} new_flow_count ${x['new_flow_count']} ecn_mark ${x['ecn_mark']}`;
  if (x['ce_mark'] > 0) first += ` ce_mark ${x['ce_mark']}`;
  if (x['memory_usage'] > 0) first += ` memory_used ${x['memory_usage']}`;
  if (x['drop_overmemory'] > 0) first += ` drop_overmemory ${x['drop_overmemory']}`;
  return `${first}\n  new_flows_len ${x['new_flows_len']} old_flows_len ${x['old_flows_len']}\n`;
}

export function qdiscText(q: QdiscInfo, dev: string | undefined, stats: boolean): string {
  let out = `qdisc ${q.kind} ${handleText(q.handle)} ${dev === undefined ? '' : `dev ${dev} `}`;
  out += q.parent === TC_H_ROOT ? 'root ' : `parent ${handleText(q.parent)} `;
  if (q.refcnt !== 1) out += `refcnt ${q.refcnt} `;
  out += `${optionsText(q)}\n`;
  if (!stats) return out;
  const s = q.stats;
  out += ` Sent ${s.bytes} bytes ${s.packets} pkt (dropped ${s.drops}, overlimits ${s.overlimits} requeues ${s.requeues}) \n`;
  out += ` backlog ${sizeText(s.backlog)} ${s.qlen}p requeues ${s.requeues}\n`;
  return out + xstatsText(q);
}

function showQdiscs(ctx: ToolContext, opt: TcOptions, args: Args): number {
  let dev: string | undefined;
  for (; args.more; args.skip()) {
    if (args.word === 'dev') dev = args.next();
    else throw new ToolExit(1, `tc: qdisc show ${args.word} is not modelled\n`);
  }
  const { kernel, net } = ctx;
  if (dev !== undefined && net.__dev_get_by_name(dev) === undefined) throw new ToolExit(1, `Cannot find device "${dev}"\n`);
  for (const d of net.devices) {
    if (dev !== undefined && d.name !== dev) continue;
    for (const q of kernel.sched.tc_dump_qdisc(d)) ctx.print(qdiscText(q, dev === undefined ? d.name : undefined, opt.stats));
  }
  return 0;
}

function run(ctx: ToolContext): number {
  const args = new Args(ctx.argv.slice(1));
  const opt: TcOptions = { stats: false, details: false };
  while (args.more && args.word.startsWith('-')) {
    const word = args.word.replace(/^--/, '-');
    if (matches(word, '-statistics') || matches(word, '-stats')) opt.stats = true;
    else if (matches(word, '-details')) opt.details = true;
    else if (matches(word, '-Version')) {
      ctx.print(`tc utility, iproute2-${IPROUTE_VERSION}, libbpf 1.1.2\n`);
      return 0;
    } else if (matches(word, '-netns')) {
      const name = args.next();
      const net = ctx.kernel.netns.byName(name);
      if (net === undefined) throw new ToolExit(255, `Cannot open network namespace "${name}": No such file or directory\n`);
      ctx.net = net;
    } else if (
      ['-raw', '-pretty', '-graph', '-force', '-json', '-color', '-iec', '-oneline', '-batch', '-timestamp'].some((o) => matches(word, o))
    ) {
      throw new ToolExit(1, `tc: ${word} is not modelled\n`);
    } else throw new ToolExit(255, `Option "${args.word}" is unknown, try "tc -help".\n`);
    args.skip();
  }
  if (!args.more || matches(args.word, 'help')) throw new ToolExit(255, 'Usage: tc [ -s ] [ -n NETNS ] qdisc [ show ] [ dev NAME ]\n');
  const object = args.take();
  if (!['qdisc', 'class', 'filter', 'actions', 'monitor', 'exec', 'chain'].some((o) => matches(object, o)))
    throw new ToolExit(2, `Object "${object}" is unknown, try "tc help".\n`);
  if (!matches(object, 'qdisc')) throw new ToolExit(1, `tc: ${object} is not modelled\n`);
  const command = args.more ? args.take() : 'show';
  if (matches(command, 'show') || matches(command, 'list') || command === 'lst') return showQdiscs(ctx, opt, args);
  if (!ctx.capable && ['add', 'change', 'replace', 'link', 'delete'].some((c) => matches(command, c)))
    throw new ToolExit(2, `RTNETLINK answers: ${strerror(Errno.EPERM)}\n`);
  if (['add', 'change', 'replace', 'link', 'delete', 'get'].some((c) => matches(command, c)))
    throw new ToolExit(1, `tc: qdisc ${command} is not modelled\n`);
  throw new ToolExit(1, `Command "${command}" is unknown, try "tc qdisc help".\n`);
}

export const TC: Tool = Object.freeze({ run });
