// `ip maddress`: multicast addresses, read from /proc/net as the real tool does.
import { AF } from '../../kernel/rtnl_records.ts';
import { formatIpv4, formatIpv6 } from '../../wire/addresses.ts';
import { type Args, linkAddress, matches } from '../iproute/args.ts';
import { ToolExit } from '../tool.ts';
import type { IpContext } from './ip_context.ts';
import { hardwareAddress } from './link_print.ts';
import { maddressUsage } from './usage.ts';

interface Entry {
  readonly ifindex: number;
  readonly ifname: string;
  readonly family: 'link' | 'inet' | 'inet6';
  readonly address: string;
  readonly users: number;
  readonly static: boolean;
}

const lines = (ip: IpContext, path: string): string[] =>
  ip.tool
    .readFile(path)
    .split('\n')
    .filter((l) => l !== '');
const hexBytes = (text: string): Uint8Array => Uint8Array.from(text.match(/../g) ?? [], (h) => Number.parseInt(h, 16));

function linkLayer(ip: IpContext): Entry[] {
  return lines(ip, '/proc/net/dev_mcast').map((line) => {
    const [index, name, users, st, hex] = line.trim().split(/\s+/);
    return {
      ifindex: Number(index),
      ifname: name,
      family: 'link',
      address: hardwareAddress(hexBytes(hex)),
      users: Number(users),
      static: st !== '0',
    };
  });
}

/** Device lines start at the margin; groups, in the byte order of a little-endian machine, are indented. */
function igmp(ip: IpContext): Entry[] {
  const out: Entry[] = [];
  let ifindex = 0;
  let ifname = '';
  for (const line of lines(ip, '/proc/net/igmp').slice(1)) {
    const words = line.trim().split(/\s+/);
    if (!line.startsWith('\t')) {
      ifindex = Number(words[0]);
      ifname = words[1].replace(/:$/, '');
    } else {
      const b = hexBytes(words[0]);
      out.push({
        ifindex,
        ifname,
        family: 'inet',
        address: formatIpv4(((b[3] << 24) | (b[2] << 16) | (b[1] << 8) | b[0]) >>> 0),
        users: Number(words[1]),
        static: false,
      });
    }
  }
  return out;
}

function igmp6(ip: IpContext): Entry[] {
  return lines(ip, '/proc/net/igmp6').map((line) => {
    const [index, name, hex, users] = line.trim().split(/\s+/);
    return {
      ifindex: Number(index),
      ifname: name,
      family: 'inet6',
      address: formatIpv6(hexBytes(hex)),
      users: Number(users),
      static: false,
    };
  });
}

function show(ip: IpContext, args: Args): number {
  let dev: string | undefined;
  for (; args.more; args.skip()) {
    if (args.word === 'dev') args.next();
    else if (matches(args.word, 'help')) maddressUsage();
    if (dev !== undefined) throw new ToolExit(255, `Error: either "dev" is duplicate, or "${args.word}" is a garbage.\n`);
    dev = args.word;
  }
  const { family } = ip.opt;
  const wanted = (f: number): boolean => family === 0 || family === f;
  const entries = [
    ...(wanted(AF.PACKET) ? linkLayer(ip) : []),
    ...(wanted(AF.INET) ? igmp(ip) : []),
    ...(wanted(AF.INET6) ? igmp6(ip) : []),
  ];
  const order = [...new Set(entries.map((e) => e.ifindex))].sort((a, b) => a - b);
  const { out } = ip;
  out.begin();
  for (const ifindex of order) {
    const own = entries.filter((e) => e.ifindex === ifindex && (dev === undefined || e.ifname === dev));
    if (own.length === 0) continue;
    out.openObject();
    out.any('ifindex', ifindex, `${ifindex}:`);
    out.colored('ifname', 'ifname', own[0].ifname, '\t', own[0].ifname, '\n');
    out.openArray('maddr');
    for (const e of own) {
      out.openObject();
      out.any(e.family === 'link' ? 'link' : 'family', e.family === 'link' ? e.address : e.family, `\t${e.family.padEnd(5)} `);
      if (e.family === 'link') out.fp(e.address);
      else out.any('address', e.address, e.address);
      if (e.users !== 1) out.any('users', e.users, ` users ${e.users}`);
      if (e.static) out.any('static', true, ' static');
      out.fp('\n');
      out.closeObject();
    }
    out.closeArray();
    out.closeObject();
  }
  out.end();
  return 0;
}

function modify(ip: IpContext, args: Args, adding: boolean): number {
  let dev: string | undefined;
  let address: string | undefined;
  for (; args.more; args.skip()) {
    if (args.word === 'dev') dev = args.next();
    else {
      if (args.word === 'address') args.next();
      if (matches(args.word, 'help')) maddressUsage();
      address = args.word;
    }
  }
  if (dev === undefined) throw new ToolExit(255, 'Not enough information: "dev" is required.\n');
  const mac = linkAddress(address ?? '');
  if (mac.length !== 6) throw new ToolExit(1, `Error: Invalid address length ${mac.length} - must be 6 bytes\n`);
  const device = ip.net.__dev_get_by_name(dev);
  if (device === undefined) throw new ToolExit(1, 'ioctl: No such device\n');
  const errno = adding ? ip.kernel.net.addrs.dev_mc_add_global(device, mac) : ip.kernel.net.addrs.dev_mc_del_global(device, mac);
  if (errno === 0) return 0;
  throw new ToolExit(1, `ioctl: ${adding ? 'Invalid argument' : 'No such file or directory'}\n`);
}

export function ipMaddress(ip: IpContext, args: Args): number {
  if (!args.more) return show(ip, args);
  const word = args.take();
  if (matches(word, 'add')) return modify(ip, args, true);
  if (matches(word, 'delete')) return modify(ip, args, false);
  if (matches(word, 'show') || matches(word, 'list') || word === 'lst') return show(ip, args);
  if (matches(word, 'help')) maddressUsage();
  throw new ToolExit(255, `Command "${word}" is unknown, try "ip maddr help".\n`);
}
