// Text and JSON of one address, as `ip address` and `ip monitor` show it.
import { AF, type AddrInfo, IFA_F, INFINITY_LIFE_TIME } from '../../kernel/rtnl_records.ts';
import { formatAddress, sameBytes } from '../iproute/args.ts';
import { scopeName } from '../iproute/names.ts';
import type { IpContext } from './ip_context.ts';

/** Flags in the order ip(8) prints them. */
export const ADDRESS_FLAGS: readonly (readonly [string, number])[] = [
  ['secondary', IFA_F.SECONDARY],
  ['nodad', IFA_F.NODAD],
  ['optimistic', IFA_F.OPTIMISTIC],
  ['dadfailed', IFA_F.DADFAILED],
  ['home', IFA_F.HOMEADDRESS],
  ['deprecated', IFA_F.DEPRECATED],
  ['tentative', IFA_F.TENTATIVE],
  ['permanent', IFA_F.PERMANENT],
  ['mngtmpaddr', IFA_F.MANAGETEMPADDR],
  ['noprefixroute', IFA_F.NOPREFIXROUTE],
  ['autojoin', IFA_F.MCAUTOJOIN],
  ['stable-privacy', IFA_F.STABLE_PRIVACY],
];

const familyWord = (family: number): string => (family === AF.INET6 ? 'inet6' : 'inet');

function printFlags(ip: IpContext, a: AddrInfo): void {
  let rest = a.flags;
  for (const [name, bit] of ADDRESS_FLAGS) {
    const set = (a.flags & bit) !== 0;
    rest &= ~bit;
    if (bit === IFA_F.PERMANENT) {
      if (!set) ip.out.any('dynamic', true, 'dynamic ');
    } else if (set) {
      const word = bit === IFA_F.SECONDARY && a.family === AF.INET6 ? 'temporary' : name;
      ip.out.any(word, true, `${word} `);
    }
  }
  if (rest !== 0) ip.out.any('ifa_flags', `0x${rest.toString(16)}`, `flags ${rest.toString(16).padStart(2, '0')} `);
}

const lifetime = (ip: IpContext, key: string, word: string, before: string, seconds: number): void => {
  const text = seconds === INFINITY_LIFE_TIME ? 'forever' : `${seconds}sec`;
  ip.out.any(key, seconds, `${before}${word} ${text}`);
};

/** One address. `named`: the line starts with index and name (one-line listings and the monitor). */
export function printAddrInfo(ip: IpContext, a: AddrInfo, named: boolean, deleted = false): void {
  const { out } = ip;
  const local = a.local ?? a.address;
  out.openObject();
  if (deleted) out.any('deleted', true, 'Deleted ');
  if (named) {
    out.any('index', a.ifindex, `${a.ifindex}: `);
    out.any('dev', ip.ifname(a.ifindex), ip.ifname(a.ifindex));
  }
  out.any('family', familyWord(a.family), `    ${familyWord(a.family)} `);
  if (local !== undefined) {
    const text = formatAddress(local);
    out.colored(a.family === AF.INET6 ? 'inet6' : 'inet', 'local', text, '', text);
    if (a.address !== undefined && !sameBytes(a.address, local)) {
      const peer = formatAddress(a.address);
      out.colored(a.family === AF.INET6 ? 'inet6' : 'inet', 'address', peer, ' peer ', peer);
    }
    out.any('prefixlen', a.prefixlen, `/${a.prefixlen} `);
    if (a.rt_priority !== undefined && a.rt_priority !== 0) out.any('metric', a.rt_priority, `metric ${a.rt_priority} `);
  }
  if (a.broadcast !== undefined) {
    const text = formatAddress(a.broadcast);
    out.colored('inet', 'broadcast', text, 'brd ', text, ' ');
  }
  if (a.anycast !== undefined) {
    const text = formatAddress(a.anycast);
    out.colored('inet', 'anycast', text, 'any ', text, ' ');
  }
  const scope = scopeName(a.scope, ip.opt.numeric);
  out.any('scope', scope, `scope ${scope} `);
  printFlags(ip, a);
  if (a.label !== undefined) out.any('label', a.label, a.label);
  out.nl();
  lifetime(ip, 'valid_life_time', 'valid_lft', '       ', a.valid_lft);
  lifetime(ip, 'preferred_life_time', 'preferred_lft', ' ', a.preferred_lft);
  out.fp('\n');
  out.closeObject();
}

/** `ip -br address`: addresses only. */
export function printAddrBrief(ip: IpContext, a: AddrInfo): void {
  const { out } = ip;
  const local = a.local ?? a.address;
  if (local === undefined) return;
  out.openObject();
  const text = formatAddress(local);
  out.colored(a.family === AF.INET6 ? 'inet6' : 'inet', 'local', text, '', text);
  if (a.address !== undefined && !sameBytes(a.address, local)) {
    const peer = formatAddress(a.address);
    out.colored(a.family === AF.INET6 ? 'inet6' : 'inet', 'address', peer, ' peer ', peer);
  }
  out.any('prefixlen', a.prefixlen, `/${a.prefixlen} `);
  if (a.rt_priority !== undefined && a.rt_priority !== 0) out.any('metric', a.rt_priority, `metric ${a.rt_priority} `);
  out.closeObject();
}
