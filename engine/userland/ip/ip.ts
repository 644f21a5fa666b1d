// ip(8): options, the table of objects, and batch files.
import { Errno, strerror } from '../../base/errno.ts';
import { AF } from '../../kernel/rtnl_records.ts';
import { Args, incomplete, invarg, matches } from '../iproute/args.ts';
import { IPROUTE_VERSION } from '../iproute/version.ts';
import { ToolExit, type ToolContext } from '../tool.ts';
import { ipAddress } from './address.ts';
import { defaultIpOptions, IpContext, type IpOptions } from './ip_context.ts';
import { ipLink } from './link.ts';
import { ipMaddress } from './maddress.ts';
import { ipMonitor } from './monitor.ts';
import { ipNeigh } from './neigh.ts';
import { ipNetconf, ipToken } from './netconf.ts';
import { ipNetns, openNetns, type ToolFinder } from './netns.ts';
import { ipNexthop } from './nexthop.ts';
import { ipNtable } from './ntable.ts';
import { ipRoute } from './route.ts';
import { ipRule } from './rule.ts';
import { ipUsage } from './usage.ts';

type IpObject = (ip: IpContext, args: Args, finder: ToolFinder) => number;

/** Objects that this kernel never has any of: a listing is empty, anything else is refused. */
const none =
  (name: string): IpObject =>
  (ip, args) => {
    if (!args.more || ['show', 'list', 'lst', 'state', 'policy'].includes(args.word)) {
      ip.out.begin();
      ip.out.end();
      return 0;
    }
    return ip.notModelled(`ip ${name} ${args.word}`);
  };
const refused =
  (name: string): IpObject =>
  (ip) =>
    ip.notModelled(`ip ${name}`);

/** Objects whose generic netlink family is not there, since no module brings it. */
const noFamily: IpObject = (ip) => {
  ip.tool.error(`RTNETLINK answers: ${strerror(Errno.ENOENT)}\nError talking to the kernel\n`);
  return 1;
};

/** Virtual routing domains: a listing of none. */
const noVrf: IpObject = (ip, args) => {
  if (args.more && !['show', 'list', 'lst'].some((k) => matches(args.word, k))) return ip.notModelled(`ip vrf ${args.word}`);
  ip.tool.print('Name              Table\n-----------------------\nNo VRF has been configured\n');
  return 0;
};

/** In the order in which abbreviations are tried. */
const OBJECTS: readonly (readonly [string, IpObject])[] = [
  ['address', ipAddress],
  ['addrlabel', refused('addrlabel')],
  ['maddress', ipMaddress],
  ['route', ipRoute],
  ['rule', ipRule],
  ['neighbor', ipNeigh],
  ['neighbour', ipNeigh],
  ['ntable', ipNtable],
  ['ntbl', ipNtable],
  ['link', ipLink],
  ['l2tp', refused('l2tp')],
  ['fou', noFamily],
  ['ila', refused('ila')],
  ['macsec', refused('macsec')],
  ['tunnel', none('tunnel')],
  ['tunl', none('tunnel')],
  ['tuntap', none('tuntap')],
  ['tap', none('tuntap')],
  ['token', ipToken],
  ['tcpmetrics', none('tcpmetrics')],
  ['tcp_metrics', none('tcp_metrics')],
  ['monitor', ipMonitor],
  ['xfrm', none('xfrm')],
  ['mroute', none('mroute')],
  ['mrule', refused('mrule')],
  ['netns', ipNetns],
  ['netconf', ipNetconf],
  ['vrf', noVrf],
  ['sr', refused('sr')],
  ['nexthop', ipNexthop],
  ['mptcp', refused('mptcp')],
  ['ioam', refused('ioam')],
  ['amt', refused('amt')],
  ['stats', refused('stats')],
];

const FAMILIES = new Map<string, number>([
  ['inet', AF.INET],
  ['inet6', AF.INET6],
  ['link', AF.PACKET],
  ['bridge', AF.BRIDGE],
  ['mpls', 28],
]);

function option(tool: ToolContext, opt: IpOptions, args: Args): void {
  const given = args.word;
  const word = given.startsWith('--') ? given.slice(1) : given;
  if (matches(word, '-loops')) args.next();
  else if (matches(word, '-family')) {
    if (args.following === undefined) ipUsage();
    const f = args.next();
    if (f === 'help') ipUsage();
    opt.family = FAMILIES.get(f) ?? invarg('invalid protocol family', f);
  } else if (word === '-4') opt.family = AF.INET;
  else if (word === '-6') opt.family = AF.INET6;
  else if (word === '-0') opt.family = AF.PACKET;
  else if (word === '-M') opt.family = 28;
  else if (word === '-B') opt.family = AF.BRIDGE;
  else if (matches(word, '-human-readable')) opt.human = true;
  else if (matches(word, '-iec')) opt.iec = true;
  else if (matches(word, '-statistics') || matches(word, '-stats')) opt.stats++;
  else if (matches(word, '-details')) opt.details = true;
  else if (matches(word, '-resolve')) opt.resolve = true;
  else if (matches(word, '-oneline')) opt.oneline = true;
  else if (matches(word, '-timestamp')) opt.timestamp = Math.max(1, opt.timestamp);
  else if (matches(word, '-tshort')) opt.timestamp = 2;
  else if (matches(word, '-Version')) throw new VersionShown(tool);
  else if (matches(word, '-force')) opt.force = true;
  else if (matches(word, '-batch')) {
    if (args.following === undefined) ipUsage();
    opt.batch = args.next();
  } else if (matches(word, '-brief')) opt.brief = true;
  else if (matches(word, '-json')) opt.json = true;
  else if (matches(word, '-pretty')) opt.pretty = true;
  else if (matches(word, '-rcvbuf')) {
    const size = args.next();
    if (!/^\d+$/.test(size)) throw new ToolExit(255, `Invalid rcvbuf size '${size}'\n`);
  } else if (matches(word.split('=')[0], '-color')) opt.color = !word.endsWith('=never');
  else if (matches(word, '-help')) ipUsage();
  else if (matches(word, '-netns')) tool.net = openNetns(tool, args.following === undefined ? '(null)' : args.next());
  else if (matches(word, '-Numeric')) opt.numeric = true;
  else if (matches(word, '-all')) opt.all = true;
  else if (matches(word, '-echo')) throw new ToolExit(1, 'ip: -echo is not modelled\n');
  else throw new ToolExit(255, `Option "${given}" is unknown, try "ip -help".\n`);
}

/** `-V` prints at once, whatever follows. */
class VersionShown extends ToolExit {
  constructor(tool: ToolContext) {
    super(0);
    tool.print(`ip utility, iproute2-${IPROUTE_VERSION}, libbpf 1.1.2\n`);
  }
}

function doObject(ip: IpContext, args: Args, finder: ToolFinder): number {
  const word = args.take();
  if (matches(word, 'help')) ipUsage();
  const object = OBJECTS.find(([name]) => matches(word, name));
  if (object === undefined) throw new ToolExit(1, `Object "${word}" is unknown, try "ip help".\n`);
  const status = object[1](ip, args, finder);
  ip.flush();
  return status;
}

function batch(tool: ToolContext, opt: IpOptions, file: string, finder: ToolFinder): number {
  const text = file === '-' ? tool.process.stdinData : tool.kernel.vfs.readFile(tool.vfs, file);
  if (typeof text === 'number') throw new ToolExit(1, `Cannot open file "${file}" for reading: ${strerror(text)}\n`);
  let status = 0;
  const lines = text.replaceAll('\\\n', ' ').split('\n');
  for (let n = 0; n < lines.length; n++) {
    const words = splitLine(lines[n].replace(/#.*$/, ''));
    if (words.length === 0) continue;
    if (doObject(new IpContext(tool, opt), new Args(words), finder) !== 0) {
      tool.error(`Command failed ${file}:${n + 1}\n`);
      status = 1;
      if (!opt.force) break;
    }
  }
  return status;
}

/** Words of a batch line; quotes group. */
function splitLine(line: string): string[] {
  return Array.from(line.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g), (m) => m[1] ?? m[2] ?? m[3]);
}

/** `-batch -`: the commands come from standard input, which must have ended before. */
export const readsStdin = (argv: readonly string[]): boolean =>
  argv.some((w, i) => w === '-' && matches(argv[i - 1] ?? '', '-batch') && argv[i - 1].length > 1);

/** Runs one command line. `ip` is undefined when nothing was run. */
export function runIp(tool: ToolContext, finder: ToolFinder): { readonly status: number; readonly ip: IpContext | undefined } {
  const opt = defaultIpOptions();
  const args = new Args(tool.argv.slice(1));
  while (args.more && args.word.startsWith('-')) {
    if (args.word === '--') {
      args.skip();
      break;
    }
    if (args.word === '-') incomplete();
    option(tool, opt, args);
    args.skip();
  }
  if (opt.batch !== undefined) {
    return { status: batch(tool, opt, opt.batch, finder), ip: undefined };
  }
  if (!args.more) ipUsage();
  const ip = new IpContext(tool, opt);
  return { status: doObject(ip, args, finder), ip };
}
