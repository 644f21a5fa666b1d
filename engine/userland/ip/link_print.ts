// Text and JSON of one link, as `ip link`, `ip address` and `ip monitor` show it.
import { IFF } from '../../kernel/net_device.ts';
import type { LinkInfo } from '../../kernel/rtnl_link_kinds.ts';
import type { ColorKind } from '../iproute/output.ts';
import type { IpContext } from './ip_context.ts';
import { printLinkKind } from './link_kinds.ts';
import { printLinkStats } from './link_stats.ts';

const FLAG_ORDER = [
  'LOOPBACK',
  'BROADCAST',
  'POINTOPOINT',
  'MULTICAST',
  'NOARP',
  'ALLMULTI',
  'PROMISC',
  'MASTER',
  'SLAVE',
  'DEBUG',
  'DYNAMIC',
  'NOTRAILERS',
  'UP',
  'LOWER_UP',
  'DORMANT',
] as const;
const OPERSTATES = ['UNKNOWN', 'NOTPRESENT', 'DOWN', 'LOWERLAYERDOWN', 'TESTING', 'DORMANT', 'UP'] as const;
const LINK_MODES = ['DEFAULT', 'DORMANT', 'TESTING'] as const;
const ADDR_GEN_MODES = ['eui64', 'none', 'stable_secret', 'random'] as const;
const HARDWARE_TYPES = new Map<number, string>([
  [1, 'ether'],
  [772, 'loopback'],
  [0xfffe, 'none'],
  [0xffff, 'void'],
]);

export interface LinkPrintMode {
  /** Of `ip link`: link mode, alias and statistics belong to it. */
  readonly link: boolean;
  /** Queue length is shown (not by the monitor). */
  readonly queueLength: boolean;
  /** Answer of an AF_INET6 dump, which carries fewer attributes. */
  readonly inet6?: boolean;
  readonly deleted?: boolean;
  /** Family of the listing; with one, the link-layer line is left out. */
  readonly family: number;
}

export const operstateName = (n: number): string => OPERSTATES[n] ?? String(n);
export const groupName = (n: number): string => (n === 0 ? 'default' : String(n));
export const hardwareAddress = (b: Uint8Array): string => Array.from(b, (x) => x.toString(16).padStart(2, '0')).join(':');
export const linkTypeName = (type: number): string => HARDWARE_TYPES.get(type) ?? `[${type}]`;

const operColor = (n: number): ColorKind =>
  OPERSTATES[n] === 'UP' ? 'operstate_up' : OPERSTATES[n] === 'DOWN' ? 'operstate_down' : 'none';

/** 'name@link' with the format applied, or JSON members; true when the lower link is down (M-DOWN). */
export function printName(ip: IpContext, l: LinkInfo, format: (name: string) => string): boolean {
  const { out } = ip;
  let name = l.ifname;
  let lowerDown = false;
  if (l.link !== undefined) {
    if (l.link === 0) {
      out.js('link', null);
      name += '@NONE';
    } else if (l.link_netnsid !== undefined) {
      out.js('link_index', l.link);
      name += `@if${l.link}`;
    } else {
      out.js('link', ip.ifname(l.link));
      name += `@${ip.ifname(l.link)}`;
      lowerDown = ((ip.net.__dev_get_by_index(l.link)?.flags ?? 0) & IFF.UP) === 0;
    }
  }
  out.colored('ifname', 'ifname', l.ifname, '', format(name));
  return lowerDown;
}

export function printFlags(ip: IpContext, flags: number, lowerDown: boolean): void {
  const { out } = ip;
  const words: string[] = [];
  if ((flags & IFF.UP) !== 0 && (flags & IFF.RUNNING) === 0) words.push('NO-CARRIER');
  let rest = flags & ~IFF.RUNNING;
  for (const name of FLAG_ORDER) {
    if ((rest & IFF[name]) === 0) continue;
    words.push(name);
    rest &= ~IFF[name];
  }
  if (rest !== 0) words.push((rest >>> 0).toString(16));
  if (lowerDown) words.push('M-DOWN');
  out.openArray('flags');
  for (const w of words) out.item(w, '');
  out.closeArray();
  out.fp(`<${words.join(',')}> `);
}

/** Name under /run/netns of the namespace with this id as seen from here. */
export function netnsNameOfId(ip: IpContext, nsid: number): string | undefined {
  for (const [net, id] of ip.net.nsids) {
    if (id !== nsid) continue;
    const first = net.names.values().next();
    return first.done === true ? undefined : first.value;
  }
  return undefined;
}

function printHardware(ip: IpContext, l: LinkInfo, broadcast: boolean): void {
  const { out } = ip;
  out.nl();
  out.any('link_type', linkTypeName(l.type), `    link/${linkTypeName(l.type)} `);
  if (l.address.length > 0) out.colored('mac', 'address', hardwareAddress(l.address), '', hardwareAddress(l.address));
  if (broadcast && l.broadcast.length > 0) {
    const peer = (l.flags & IFF.POINTOPOINT) !== 0;
    if (peer) out.js('link_pointtopoint', true);
    out.colored('mac', 'broadcast', hardwareAddress(l.broadcast), peer ? ' peer ' : ' brd ', hardwareAddress(l.broadcast));
  }
}

function printNetns(ip: IpContext, key: string, word: string, id: number): void {
  if (id < 0) return ip.out.any(`${key}id`, 'unknown', ` ${word}id unknown`);
  const name = netnsNameOfId(ip, id);
  if (name !== undefined) ip.out.any(key, name, ` ${word} ${name}`);
  else ip.out.any(`${key}id`, id, ` ${word}id ${id}`);
}

function printDetails(ip: IpContext, l: LinkInfo, link: boolean): void {
  const { out } = ip;
  out.any('promiscuity', l.promiscuity, ` promiscuity ${l.promiscuity} `);
  out.any('allmulti', l.allmulti, ` allmulti ${l.allmulti} `);
  out.any('min_mtu', l.min_mtu, `minmtu ${l.min_mtu} `);
  out.any('max_mtu', l.max_mtu, `maxmtu ${l.max_mtu} `);
  printLinkKind(ip, l);
  if (link) {
    const mode = ADDR_GEN_MODES[l.addrgenmode] ?? `0x${l.addrgenmode.toString(16)}`;
    out.any('inet6_addr_gen_mode', mode, `addrgenmode ${mode} `);
  }
  out.any('num_tx_queues', l.num_tx_queues, `numtxqueues ${l.num_tx_queues} `);
  out.any('num_rx_queues', l.num_rx_queues, `numrxqueues ${l.num_rx_queues} `);
  out.any('gso_max_size', l.gso_max_size, `gso_max_size ${l.gso_max_size} `);
  out.any('gso_max_segs', l.gso_max_segs, `gso_max_segs ${l.gso_max_segs} `);
  out.any('tso_max_size', l.tso_max_size, `tso_max_size ${l.tso_max_size} `);
  out.any('tso_max_segs', l.tso_max_segs, `tso_max_segs ${l.tso_max_segs} `);
  out.any('gro_max_size', l.gro_max_size, `gro_max_size ${l.gro_max_size} `);
  if (l.parentbus !== undefined) out.any('parentbus', l.parentbus, `parentbus ${l.parentbus} `);
  if (l.parentdev !== undefined) out.any('parentdev', l.parentdev, `parentdev ${l.parentdev} `);
}

/** Everything of a link but the closing of its JSON object, which addresses may follow. */
export function printLinkInfo(ip: IpContext, l: LinkInfo, mode: LinkPrintMode): void {
  const { out, opt } = ip;
  if (mode.deleted === true) out.any('deleted', true, 'Deleted ');
  out.any('ifindex', l.ifindex, `${l.ifindex}: `);
  const lowerDown = printName(ip, l, (n) => `${n}: `);
  printFlags(ip, l.flags, lowerDown);
  out.any('mtu', l.mtu, `mtu ${l.mtu} `);
  if (mode.inet6 !== true) {
    out.any('qdisc', l.qdisc, `qdisc ${l.qdisc} `);
    if (l.master !== undefined) out.any('master', ip.ifname(l.master), `master ${ip.ifname(l.master)} `);
  }
  out.colored(operColor(l.operstate), 'operstate', operstateName(l.operstate), 'state ', operstateName(l.operstate), ' ');
  if (mode.link) out.any('linkmode', LINK_MODES[l.linkmode] ?? l.linkmode, `mode ${LINK_MODES[l.linkmode] ?? l.linkmode} `);
  if (mode.inet6 !== true) out.any('group', groupName(l.group), `group ${groupName(l.group)} `);
  if (mode.queueLength && l.txqlen !== 0) out.any('txqlen', l.txqlen, `qlen ${l.txqlen}`);
  if (mode.family === 0 || opt.details) {
    printHardware(ip, l, mode.inet6 !== true);
    if (l.link_netnsid !== undefined) printNetns(ip, 'link_netns', 'link-netns', l.link_netnsid);
    if (l.new_netnsid !== undefined) printNetns(ip, 'new_netns', 'new-netns', l.new_netnsid);
    if (l.new_ifindex !== undefined) out.any('new_ifindex', l.new_ifindex, ` new-ifindex ${l.new_ifindex}`);
    if (opt.details && mode.inet6 !== true) printDetails(ip, l, mode.link);
  }
  if ((mode.link || opt.details) && l.ifalias !== '') {
    out.nl();
    out.any('ifalias', l.ifalias, `    alias ${l.ifalias}`);
  }
  if (mode.link && opt.stats > 0) {
    out.nl();
    printLinkStats(ip, l);
  }
  if (mode.inet6 !== true && l.altnames.length > 0) {
    out.openArray('altnames');
    for (const name of l.altnames) {
      out.nl();
      out.item(name, `    altname ${name}`);
    }
    out.closeArray();
  }
  out.fp('\n');
}

/** `ip -br`: name, state and, for `ip link`, address and flags. */
export function printLinkBrief(ip: IpContext, l: LinkInfo, link: boolean): void {
  const { out } = ip;
  const lowerDown = printName(ip, l, (n) => `${n.padEnd(16)} `);
  out.colored(operColor(l.operstate), 'operstate', operstateName(l.operstate), '', `${operstateName(l.operstate).padEnd(14)} `);
  if (!link) return;
  if (l.address.length > 0) out.colored('mac', 'address', hardwareAddress(l.address), '', `${hardwareAddress(l.address)} `);
  printFlags(ip, l.flags, lowerDown);
  out.fp('\n');
}
