// `ip monitor`: prints rtnetlink's notifications until it is interrupted.
import type { Kernel } from '../../kernel/kernel.ts';
import type { Net } from '../../kernel/net_namespace.ts';
import type { AddrInfo, NeighInfo, NetconfInfo, RouteInfo, RuleInfo } from '../../kernel/rtnl_records.ts';
import type { NsidInfo, RtmType, RtnlGroup, RtnlMessage } from '../../kernel/rtnetlink.ts';
import type { LinkInfo } from '../../kernel/rtnl_link_kinds.ts';
import { type Args, invarg, matches } from '../iproute/args.ts';
import { ToolExit } from '../tool.ts';
import { printAddrInfo } from './address_print.ts';
import type { IpContext } from './ip_context.ts';
import { printLinkInfo } from './link_print.ts';
import { printNeigh } from './neigh.ts';
import { printNetconf } from './netconf.ts';
import { printNsid } from './netns.ts';
import { printRoute } from './route_print.ts';
import { printRule } from './rule.ts';
import { monitorUsage } from './usage.ts';

/** What the process listens to and how it labels it. */
export interface MonitorRequest {
  readonly groups: readonly RtnlGroup[];
  readonly labels: boolean;
  readonly ifindex: number;
}

const OBJECTS: readonly (readonly [string, readonly RtnlGroup[]])[] = [
  ['link', ['link']],
  ['address', ['ipv4-addr', 'ipv6-addr']],
  ['route', ['ipv4-route', 'ipv6-route']],
  ['prefix', ['ipv6-prefix']],
  ['neigh', ['neigh']],
  ['netconf', ['netconf']],
  ['rule', ['ipv4-rule', 'ipv6-rule']],
  ['nsid', ['nsid']],
];
const ALL: readonly RtnlGroup[] = OBJECTS.flatMap(([, groups]) => groups);

/** Understands the arguments; the process subscribes afterwards. */
export function ipMonitor(ip: IpContext, args: Args): number {
  const groups = new Set<RtnlGroup>();
  let labels = false;
  let ifindex = 0;
  for (; args.more; args.skip()) {
    const word = args.word;
    const object = OBJECTS.find(([name]) => matches(word, name));
    if (word === 'all') {
      labels = true;
      for (const g of ALL) groups.add(g);
    } else if (word === 'label') labels = true;
    else if (word === 'dev') {
      const d = args.next();
      ifindex = ip.ifindex(d) || invarg('Device does not exist\n', d);
    } else if (object !== undefined) for (const g of object[1]) groups.add(g);
    else if (matches(word, 'help')) monitorUsage();
    else if (['file', 'all-nsid', 'mroute', 'nexthop', 'stats'].includes(word)) ip.notModelled(`ip monitor ${word}`);
    else throw new ToolExit(255, `Argument "${word}" is unknown, try "ip monitor help".\n`);
  }
  ip.monitor = { groups: groups.size === 0 ? ALL : [...groups], labels, ifindex };
  return 0;
}

const LABELS: Readonly<Record<RtmType, string>> = Object.freeze({
  RTM_NEWLINK: 'LINK',
  RTM_DELLINK: 'LINK',
  RTM_NEWADDR: 'ADDR',
  RTM_DELADDR: 'ADDR',
  RTM_NEWROUTE: 'ROUTE',
  RTM_DELROUTE: 'ROUTE',
  RTM_NEWNEIGH: 'NEIGH',
  RTM_DELNEIGH: 'NEIGH',
  RTM_NEWRULE: 'RULE',
  RTM_DELRULE: 'RULE',
  RTM_NEWNETCONF: 'NETCONF',
  RTM_DELNETCONF: 'NETCONF',
  RTM_NEWNSID: 'NSID',
  RTM_DELNSID: 'NSID',
  RTM_NEWQDISC: 'QDISC',
  RTM_DELQDISC: 'QDISC',
  RTM_NEWTCLASS: 'TCLASS',
  RTM_DELTCLASS: 'TCLASS',
  RTM_NEWTFILTER: 'TFILTER',
  RTM_DELTFILTER: 'TFILTER',
});

const WEEKDAYS = ['Thu', 'Fri', 'Sat', 'Sun', 'Mon', 'Tue', 'Wed'] as const; // from 1970-01-01
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'] as const;

/** Date of a day number since 1970-01-01. */
export function civilDate(days: number): { readonly year: number; readonly month: number; readonly day: number } {
  const z = days + 719_468;
  const era = Math.floor(z / 146_097);
  const doe = z - era * 146_097;
  const yoe = Math.floor((doe - Math.floor(doe / 1460) + Math.floor(doe / 36_524) - Math.floor(doe / 146_096)) / 365);
  const doy = doe - (365 * yoe + Math.floor(yoe / 4) - Math.floor(yoe / 100));
  const mp = Math.floor((5 * doy + 2) / 153);
  const month = mp < 10 ? mp + 3 : mp - 9;
  return { year: yoe + era * 400 + (month <= 2 ? 1 : 0), month, day: doy - Math.floor((153 * mp + 2) / 5) + 1 };
}

/** `-t`: a line of its own; `-ts`: a prefix. */
export function timestampText(kernel: Kernel, short: boolean): string {
  const now = kernel.now();
  const seconds = kernel.rtc + Math.floor(now / 1e9);
  const micros = Math.floor((now % 1e9) / 1e3);
  const days = Math.floor(seconds / 86_400);
  const d = civilDate(days);
  const two = (n: number): string => String(n).padStart(2, '0');
  const clock = `${two(Math.floor(seconds / 3600) % 24)}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
  if (short) return `[${d.year}-${two(d.month)}-${two(d.day)}T${clock}.${String(micros).padStart(6, '0')}] `;
  return `Timestamp: ${WEEKDAYS[days % 7]} ${MONTHS[d.month - 1]} ${String(d.day).padStart(2)} ${clock} ${d.year} ${micros} usec\n`;
}

function interfaceOf(message: RtnlMessage): number {
  const info = message.info as Partial<LinkInfo & RouteInfo>;
  return info.ifindex ?? info.nexthops?.[0]?.ifindex ?? 0;
}

/** Prints one notification. */
export function monitorMessage(ip: IpContext, request: MonitorRequest, message: RtnlMessage, net: Net): void {
  if (request.ifindex !== 0 && interfaceOf(message) !== request.ifindex) return;
  const { out, opt } = ip;
  const deleted = message.type.startsWith('RTM_DEL');
  if (opt.timestamp > 0) out.fp(timestampText(ip.kernel, opt.timestamp === 2));
  if (request.labels) out.fp(`[${LABELS[message.type]}]`);
  ip.learn(net);
  switch (LABELS[message.type]) {
    case 'LINK':
      printLink(ip, message.info as LinkInfo, deleted);
      if (deleted) ip.forget((message.info as LinkInfo).ifindex);
      break;
    case 'ADDR':
      printAddrInfo(ip, message.info as AddrInfo, true, deleted);
      break;
    case 'ROUTE':
      printRoute(ip, message.info as RouteInfo, { table: 0, deleted });
      break;
    case 'NEIGH':
      printNeigh(ip, message.info as NeighInfo, false, deleted);
      break;
    case 'RULE':
      printRule(ip, message.info as RuleInfo, deleted);
      break;
    case 'NETCONF':
      printNetconf(ip, message.info as NetconfInfo, deleted);
      break;
    default: {
      const nsid = message.info as NsidInfo;
      printNsid(ip, nsid.nsid, nsid.peer, deleted);
    }
  }
  ip.flush();
}

function printLink(ip: IpContext, l: LinkInfo, deleted: boolean): void {
  ip.out.openObject();
  printLinkInfo(ip, l, { link: false, queueLength: false, family: 0, deleted });
  ip.out.closeObject();
}
