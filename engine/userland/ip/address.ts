// `ip address`: listing, flushing, and the way to changes.
import { IFF } from '../../kernel/net_device.ts';
import { AF, type AddrInfo, IFA_F } from '../../kernel/rtnl_records.ts';
import type { LinkInfo } from '../../kernel/rtnl_link_kinds.ts';
import { type Args, duparg2, getPrefix, incomplete, type InetPrefix, invarg, matches, parseUnsigned, samePrefix } from '../iproute/args.ts';
import { scopeNumber } from '../iproute/names.ts';
import { ToolExit } from '../tool.ts';
import { addressModify } from './address_modify.ts';
import { ADDRESS_FLAGS, printAddrBrief, printAddrInfo } from './address_print.ts';
import type { IpContext } from './ip_context.ts';
import { type LinkPrintMode, printLinkBrief, printLinkInfo } from './link_print.ts';
import { printLinkStats } from './link_stats.ts';
import { addressUsage, linkUsage } from './usage.ts';

/** What a listing of links or addresses selects. */
export interface Filter {
  ifindex: number;
  up: boolean;
  scope: number | undefined;
  prefix: InetPrefix | undefined;
  label: string | undefined;
  flags: number;
  flagMask: number;
  master: number | undefined;
  noMaster: boolean;
  kind: string | undefined;
  group: number | undefined;
}

const emptyFilter = (): Filter => ({
  ifindex: 0,
  up: false,
  scope: undefined,
  prefix: undefined,
  label: undefined,
  flags: 0,
  flagMask: 0,
  master: undefined,
  noMaster: false,
  kind: undefined,
  group: undefined,
});

function flagWord(filter: Filter, given: string): boolean {
  const invert = given.startsWith('-');
  const word = invert ? given.slice(1) : given;
  if (word === 'dynamic' || word === 'permanent') {
    filter.flagMask |= IFA_F.PERMANENT;
    if ((word === 'permanent') !== invert) filter.flags |= IFA_F.PERMANENT;
    return true;
  }
  const name = word === 'temporary' ? 'secondary' : word;
  const primary = word === 'primary';
  const bit = primary ? IFA_F.SECONDARY : ADDRESS_FLAGS.find(([k]) => k === name)?.[1];
  if (bit === undefined) return false;
  filter.flagMask |= bit;
  if (invert === primary) filter.flags |= bit;
  return true;
}

/** Reads the selection of `show` and `flush`; ends when an interface named does not exist. */
export function parseFilter(ip: IpContext, args: Args, link: boolean): Filter {
  const f = emptyFilter();
  let dev: string | undefined;
  for (; args.more; args.skip()) {
    const word = args.word;
    if (word === 'to') f.prefix = getPrefix(args.next(), ip.opt.family);
    else if (word === 'scope') {
      const s = args.next();
      f.scope = s === 'all' ? undefined : (scopeNumber(s) ?? invarg('invalid "scope"\n', s));
    } else if (word === 'up') f.up = true;
    else if (word === 'label') f.label = args.next();
    else if (word === 'group') {
      const g = args.next();
      f.group = g === 'default' ? 0 : (parseUnsigned(g) ?? invarg('Invalid "group" value\n', g));
    } else if (word === 'master') {
      const m = args.next();
      f.master = ip.ifindex(m) || invarg('Device does not exist\n', m);
    } else if (word === 'vrf') invarg('Not a valid VRF name\n', args.next());
    else if (word === 'nomaster') f.noMaster = true;
    else if (word === 'type') f.kind = args.next();
    else if (flagWord(f, word)) continue;
    else {
      if (word === 'dev') args.next();
      else if (matches(word, 'help')) (link ? linkUsage : addressUsage)();
      if (dev !== undefined) duparg2('dev', args.word);
      dev = args.word;
    }
  }
  if (dev !== undefined) f.ifindex = ip.filterDevice(dev);
  return f;
}

export function linkSelected(f: Filter, l: LinkInfo): boolean {
  if (f.ifindex !== 0 && l.ifindex !== f.ifindex) return false;
  if (f.up && (l.flags & IFF.UP) === 0) return false;
  if (f.kind !== undefined && l.kind !== f.kind) return false;
  if (f.group !== undefined && l.group !== f.group) return false;
  if (f.master !== undefined && l.master !== f.master) return false;
  return !(f.noMaster && l.master !== undefined);
}

/** The family asked for, by option or by `to PREFIX`. */
const familyOf = (ip: IpContext, f: Filter): number => (ip.opt.family === 0 ? (f.prefix?.family ?? 0) : ip.opt.family);

function addressSelected(f: Filter, family: number, a: AddrInfo): boolean {
  if (family !== 0 && a.family !== family) return false;
  if (f.scope !== undefined && a.scope !== f.scope) return false;
  if (((f.flags ^ a.flags) & f.flagMask) !== 0) return false;
  if (f.label !== undefined && !glob(f.label, a.label ?? '')) return false;
  const local = a.local ?? a.address;
  if (f.prefix === undefined || f.prefix.bytes.length === 0) return true;
  return local !== undefined && a.family === f.prefix.family && samePrefix(local, f.prefix.bytes, f.prefix.bitlen);
}

/** fnmatch() with the wildcards that labels use. */
function glob(pattern: string, text: string): boolean {
  const source = pattern
    .replace(/[.+^${}()|\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${source}$`).test(text);
}

function allAddresses(ip: IpContext): AddrInfo[] {
  const { family } = ip.opt;
  return [
    ...(family === 0 || family === AF.INET ? ip.kernel.ipv4.rtnlAddr.inet_dump_ifaddr(ip.net) : []),
    ...(family === 0 || family === AF.INET6 ? ip.kernel.ipv6.rtnlAddr.inet6_dump_ifaddr(ip.net) : []),
  ];
}

/** Links that a listing of addresses shows: those with a selected address, and without a family those that have none at all. */
function shown(ip: IpContext, f: Filter, l: LinkInfo, addresses: readonly AddrInfo[]): boolean {
  if (!linkSelected(f, l)) return false;
  const own = addresses.filter((a) => a.ifindex === l.ifindex);
  const family = familyOf(ip, f);
  if (own.length === 0) return family === 0 || family === AF.PACKET;
  return own.some((a) => addressSelected(f, family, a));
}

/** `ip -0 address`: the link alone. */
function showPacket(ip: IpContext, l: LinkInfo, mode: LinkPrintMode): void {
  if (ip.opt.brief) printLinkBrief(ip, l, true);
  else {
    printLinkInfo(ip, l, mode);
    if (ip.opt.stats > 0) {
      printLinkStats(ip, l);
      ip.out.fp('\n');
    }
  }
  ip.out.closeObject();
}

function showAddresses(ip: IpContext, args: Args): number {
  const f = parseFilter(ip, args, false);
  const { out, opt } = ip;
  const addresses = allAddresses(ip);
  const family = familyOf(ip, f);
  const mode: LinkPrintMode = {
    link: false,
    queueLength: true,
    inet6: opt.family === AF.INET6 && f.ifindex === 0,
    family: family === AF.PACKET ? 0 : family,
  };
  out.begin();
  for (const l of ip.kernel.rtnl.rtnl_dump_ifinfo(ip.net)) {
    if (!shown(ip, f, l, addresses)) continue;
    const own = addresses.filter((a) => a.ifindex === l.ifindex && addressSelected(f, opt.family, a));
    out.openObject();
    if (opt.family === AF.PACKET) {
      showPacket(ip, l, mode);
      continue;
    }
    if (f.label === undefined) {
      if (opt.brief) printLinkBrief(ip, l, false);
      else if (!opt.oneline || out.json !== undefined) printLinkInfo(ip, l, mode);
    }
    out.openArray('addr_info');
    for (const a of own) {
      if (opt.brief) printAddrBrief(ip, a);
      else printAddrInfo(ip, a, opt.oneline);
    }
    out.closeArray();
    if (opt.brief) out.fp('\n');
    else if (opt.stats > 0 && f.label === undefined) {
      printLinkStats(ip, l);
      out.fp('\n');
    }
    out.closeObject();
  }
  out.end();
  return 0;
}

function flushAddresses(ip: IpContext, args: Args): number {
  if (!args.more) throw new ToolExit(1, 'Flush requires arguments.\n');
  const f = parseFilter(ip, args, false);
  const onePass = (f.flags & IFA_F.SECONDARY) === 0 && (f.flagMask & IFA_F.SECONDARY) !== 0;
  const verbose = ip.opt.stats > 0;
  for (let round = 0; ; round++) {
    const links = ip.kernel.rtnl.rtnl_dump_ifinfo(ip.net).filter((l) => linkSelected(f, l));
    const victims = allAddresses(ip).filter((a) => links.some((l) => l.ifindex === a.ifindex) && addressSelected(f, ip.opt.family, a));
    if (victims.length === 0 || (onePass && round === 1)) {
      if (verbose)
        ip.tool.print(round === 0 ? 'Nothing to flush.\n' : `*** Flush is complete after ${round} round${round > 1 ? 's' : ''} ***\n`);
      return 0;
    }
    if (round === 10) {
      ip.tool.error(`*** Flush remains incomplete after 10 rounds. ***\n`);
      return 1;
    }
    for (const a of victims) {
      if (ip.opt.stats > 1) printAddrInfo(ip, a, true);
      const req = { ...a, nlflags: 0 };
      if (a.family === AF.INET6) ip.kernel.ipv6.rtnlAddr.inet6_rtm_deladdr(ip.net, req);
      else ip.kernel.ipv4.rtnlAddr.inet_rtm_deladdr(ip.net, req);
    }
    if (verbose) {
      ip.flush();
      ip.tool.print(`\n*** Round ${round + 1}, deleting ${victims.length} addresses ***\n`);
    }
  }
}

export function ipAddress(ip: IpContext, args: Args): number {
  if (!args.more) return showAddresses(ip, args);
  const word = args.take();
  if (matches(word, 'add')) return addressModify(ip, args, 'add');
  if (matches(word, 'change') || word === 'chg') return addressModify(ip, args, 'change');
  if (matches(word, 'replace')) return addressModify(ip, args, 'replace');
  if (matches(word, 'delete')) return addressModify(ip, args, 'delete');
  if (matches(word, 'show') || matches(word, 'list') || word === 'lst') return showAddresses(ip, args);
  if (matches(word, 'flush')) return flushAddresses(ip, args);
  if (['save', 'showdump', 'restore'].some((k) => matches(word, k))) ip.notModelled(`ip address ${word}`);
  if (matches(word, 'help')) addressUsage();
  if (word === '') incomplete();
  throw new ToolExit(255, `Command "${word}" is unknown, try "ip address help".\n`);
}
