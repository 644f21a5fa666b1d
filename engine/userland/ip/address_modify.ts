// `ip address add | change | replace | delete`.
import { Errno } from '../../base/errno.ts';
import { AF, type AddrRequest, IFA_F, INFINITY_LIFE_TIME, NLM_F, RT_SCOPE } from '../../kernel/rtnl_records.ts';
import {
  type Args,
  duparg,
  duparg2,
  formatAddress,
  getAddress,
  getPrefix,
  incomplete,
  type InetPrefix,
  invarg,
  matches,
  parseUnsigned,
  unsigned,
} from '../iproute/args.ts';
import { scopeNumber } from '../iproute/names.ts';
import { ToolExit } from '../tool.ts';
import type { IpContext } from './ip_context.ts';
import { addressUsage } from './usage.ts';

/** Flags a request may set by name. */
const SETTABLE: readonly (readonly [word: string, flag: number])[] = [
  ['nodad', IFA_F.NODAD],
  ['optimistic', IFA_F.OPTIMISTIC],
  ['home', IFA_F.HOMEADDRESS],
  ['mngtmpaddr', IFA_F.MANAGETEMPADDR],
  ['noprefixroute', IFA_F.NOPREFIXROUTE],
  ['autojoin', IFA_F.MCAUTOJOIN],
];

/** Those of them that are for IPv4 too. */
const FOR_BOTH = IFA_F.NOPREFIXROUTE | IFA_F.MCAUTOJOIN;

function setFlag(ip: IpContext, req: AddrRequest, name: string, flag: number): void {
  if (req.family === AF.INET6 || (flag & FOR_BOTH) !== 0) req.flags |= flag;
  else ip.tool.error(`Warning: ${name} option can be set only for IPv6 addresses\n`);
}

function isMulticast(bytes: Uint8Array | undefined): boolean {
  if (bytes === undefined) return false;
  return bytes.length === 16 ? bytes[0] === 0xff : bytes[0] >> 4 === 14;
}

function seconds(word: string, what: string): number {
  if (word === 'forever') return INFINITY_LIFE_TIME;
  return parseUnsigned(word) ?? invarg(`${what} value`, word);
}

/** The broadcast address of a prefix, all host bits set or clear. */
function hostBits(bytes: Uint8Array, bits: number, ones: boolean): Uint8Array {
  const out = Uint8Array.from(bytes);
  for (let bit = bits; bit < 32; bit++) {
    const mask = 0x80 >> (bit & 7);
    out[bit >> 3] = ones ? out[bit >> 3] | mask : out[bit >> 3] & ~mask;
  }
  return out;
}

interface Given {
  local: InetPrefix | undefined;
  peer: InetPrefix | undefined;
  broadcast: string | undefined;
  anycast: string | undefined;
  scope: number | undefined;
  dev: string | undefined;
  label: string | undefined;
}

function parse(ip: IpContext, args: Args, req: AddrRequest): Given {
  const g: Given = {
    local: undefined,
    peer: undefined,
    broadcast: undefined,
    anycast: undefined,
    scope: undefined,
    dev: undefined,
    label: undefined,
  };
  for (; args.more; args.skip()) {
    const word = args.word;
    const flag = SETTABLE.find(([name]) => name === word);
    if (word === 'peer' || word === 'remote') {
      if (g.peer !== undefined) duparg('peer', word);
      g.peer = getPrefix(args.next(), req.family);
    } else if (matches(word, 'broadcast') || word === 'brd') {
      if (g.broadcast !== undefined) duparg('broadcast', args.following ?? incomplete());
      g.broadcast = args.next();
      if (g.broadcast !== '+' && g.broadcast !== '-') req.broadcast = getAddress(g.broadcast, req.family);
    } else if (word === 'anycast') {
      if (g.anycast !== undefined) duparg('anycast', args.following ?? incomplete());
      g.anycast = args.next();
    } else if (word === 'scope') {
      const s = args.next();
      g.scope = scopeNumber(s) ?? invarg('invalid scope value.', s);
    } else if (word === 'dev') g.dev = args.next();
    else if (word === 'label') g.label = args.next();
    else if (word === 'metric' || word === 'priority' || word === 'preference')
      req.rt_priority = unsigned(args.next(), '"metric" value is invalid\n');
    else if (matches(word, 'valid_lft')) req.valid_lft = seconds(args.next(), 'valid_lft');
    else if (matches(word, 'preferred_lft')) req.preferred_lft = seconds(args.next(), 'preferred_lft');
    else if (flag !== undefined) setFlag(ip, req, flag[0], flag[1]);
    else {
      if (word === 'local') args.next();
      if (matches(args.word, 'help')) addressUsage();
      if (g.local !== undefined) duparg2('local', args.word);
      g.local = getPrefix(args.word, req.family);
    }
    const latest = g.local ?? g.peer;
    if (req.family === AF.UNSPEC && latest !== undefined) req.family = latest.family;
  }
  if (g.dev === undefined) throw new ToolExit(1, 'Not enough information: "dev" argument is required.\n');
  return g;
}

function setBroadcast(req: AddrRequest, given: string): void {
  if (given !== '+' && given !== '-') return;
  if (req.family !== AF.INET) throw new ToolExit(1, 'Broadcast can be set only for IPv4 addresses\n');
  const peer = req.address ?? req.local;
  if (peer === undefined || req.prefixlen > 30) return;
  req.broadcast = hostBits(peer, req.prefixlen, given === '+');
}

const wildcardWarning = (text: string): string =>
  'Warning: Executing wildcard deletion to stay compatible with old scripts.\n' +
  `         Explicitly specify the prefix length (${text}) to avoid this warning.\n` +
  '         This special behaviour is likely to disappear in further releases,\n' +
  '         fix your scripts!\n';

function setAddresses(ip: IpContext, req: AddrRequest, g: Given, adding: boolean): void {
  const local = g.local;
  if (local !== undefined) {
    req.local = local.bytes;
    req.prefixlen = local.bitlen;
  }
  if (g.peer !== undefined) {
    req.address = g.peer.bytes;
    req.prefixlen = g.peer.bitlen;
  } else if (req.local !== undefined) {
    const wildcard = !adding && req.family === AF.INET && local?.lengthGiven === false;
    if (wildcard) ip.tool.error(wildcardWarning(`${formatAddress(req.local)}/32`));
    else req.address = req.local;
  }
  if (g.broadcast !== undefined) setBroadcast(req, g.broadcast);
  if (g.anycast !== undefined) req.anycast = getAddress(g.anycast, req.family);
  if (g.label !== undefined) req.label = g.label;
  if (g.scope !== undefined) req.scope = g.scope;
  else if (adding && req.family === AF.INET && req.local?.[0] === 127) req.scope = RT_SCOPE.HOST;
}

export function addressModify(ip: IpContext, args: Args, command: 'add' | 'change' | 'replace' | 'delete'): number {
  const nlflags = { add: NLM_F.CREATE | NLM_F.EXCL, change: NLM_F.REPLACE, replace: NLM_F.CREATE | NLM_F.REPLACE, delete: 0 }[command];
  const req: AddrRequest = { family: ip.opt.family, ifindex: 0, prefixlen: 0, scope: RT_SCOPE.UNIVERSE, flags: 0, nlflags };
  const g = parse(ip, args, req);
  const adding = command !== 'delete';
  const dev = g.dev ?? '';
  setAddresses(ip, req, g, adding);
  req.ifindex = ip.requireDevice(dev);
  if ((req.flags & IFA_F.MCAUTOJOIN) !== 0 && !isMulticast(req.local)) {
    ip.tool.error('autojoin needs multicast address\n');
    return 1;
  }
  if (req.valid_lft === 0) {
    ip.tool.error('valid_lft is zero\n');
    return 1;
  }
  if (req.preferred_lft !== undefined && req.preferred_lft > (req.valid_lft ?? INFINITY_LIFE_TIME)) {
    ip.tool.error('preferred_lft is greater than valid_lft\n');
    return 1;
  }
  if (req.family !== AF.INET && req.family !== AF.INET6) return ip.request(() => ({ errno: -Errno.EOPNOTSUPP }));
  const { rtnlAddr } = ip.kernel.ipv4;
  const { rtnlAddr: rtnlAddr6 } = ip.kernel.ipv6;
  if (req.family === AF.INET6)
    return ip.request(() => (adding ? rtnlAddr6.inet6_rtm_newaddr(ip.net, req) : rtnlAddr6.inet6_rtm_deladdr(ip.net, req)));
  return ip.request(() => (adding ? rtnlAddr.inet_rtm_newaddr(ip.net, req) : rtnlAddr.inet_rtm_deladdr(ip.net, req)));
}
