// `ip netns`: named network namespaces.
import { strerror } from '../../base/errno.ts';
import type { Net } from '../../kernel/net_namespace.ts';
import { type Args, invarg, matches, parseInteger } from '../iproute/args.ts';
import { runTool, ToolContext, ToolExit } from '../tool.ts';
import type { Tool } from '../tool.ts';
import type { IpContext } from './ip_context.ts';
import { netnsUsage } from './usage.ts';

const EPERM = 1;
const ENOENT = 2;
const EEXIST = 17;

/** Tools that `ip -all netns exec` can run inside this process; the table is handed in by programs.ts to keep the imports acyclic. */
export interface ToolFinder {
  find(name: string): Tool | undefined;
}

const invalidName = (name: string): boolean => name === '' || name.length > 255 || name.includes('/') || name === '.' || name === '..';

/** The namespace of this name, or the message of setns(). */
export function openNetns(ip: { readonly kernel: IpContext['kernel'] }, name: string): Net {
  const net = ip.kernel.netns.byName(name);
  if (name === '' || net === undefined) throw new ToolExit(255, `Cannot open network namespace "${name}": ${strerror(ENOENT)}\n`);
  return net;
}

function list(ip: IpContext): number {
  const { out } = ip;
  out.begin();
  for (const name of ip.kernel.netns.names()) {
    const net = ip.kernel.netns.byName(name);
    if (net === undefined) continue;
    out.openObject();
    out.any('name', name, name);
    const id = ip.net.nsids.get(net);
    if (id !== undefined && id >= 0) out.any('id', id, ` (id: ${id})`);
    out.fp('\n');
    out.closeObject();
  }
  out.end();
  return 0;
}

/** One nsid with its line's end. */
export function printNsid(ip: IpContext, id: number, peer: Net | undefined, deleted = false): void {
  const { out } = ip;
  const first = peer?.names.values().next();
  if (first !== undefined && first.done !== true) ip.nsidNames.set(id, first.value);
  const name = ip.nsidNames.get(id);
  if (deleted) ip.nsidNames.delete(id);
  out.openObject();
  if (deleted) out.any('deleted', true, 'Deleted ');
  out.any('nsid', id, `nsid ${id} `);
  if (name !== undefined) out.any('name', name, `(iproute2 netns name: ${name})`);
  out.fp('\n');
  out.closeObject();
}

function listId(ip: IpContext, args: Args): number {
  let only: number | undefined;
  for (; args.more; args.skip()) {
    if (args.word !== 'nsid') ip.notModelled(`ip netns list-id ${args.word}`);
    const n = args.next();
    only = parseInteger(n) ?? invarg('"nsid" value is invalid\n', n);
  }
  ip.out.begin();
  for (const [net, id] of [...ip.net.nsids].sort((a, b) => a[1] - b[1])) if (only === undefined || only === id) printNsid(ip, id, net);
  ip.out.end();
  return 0;
}

function add(ip: IpContext, args: Args): number {
  if (!args.more) throw new ToolExit(1, 'No netns name specified\n');
  const name = args.take();
  if (!ip.tool.capable) throw new ToolExit(1, `mount --make-shared /run/netns failed: ${strerror(EPERM)}\n`);
  if (ip.kernel.netns.byName(name) !== undefined)
    throw new ToolExit(1, `Cannot create namespace file "/run/netns/${name}": ${strerror(EEXIST)}\n`);
  ip.kernel.netns.createNamed(name);
  return 0;
}

function remove(ip: IpContext, args: Args): number {
  if (!args.more) {
    if (!ip.opt.all) throw new ToolExit(1, 'No netns name specified\n');
    for (const name of ip.kernel.netns.names()) ip.kernel.netns.deleteNamed(name);
    return 0;
  }
  const name = args.take();
  if (!ip.kernel.netns.deleteNamed(name)) throw new ToolExit(1, `Cannot remove namespace file "/run/netns/${name}": ${strerror(ENOENT)}\n`);
  return 0;
}

/** Opens a namespace by its file, whose absence is told without the name. */
function byFile(ip: IpContext, name: string): Net {
  const net = ip.kernel.netns.byName(name);
  if (net === undefined) throw new ToolExit(1, `Cannot open network namespace: ${strerror(ENOENT)}\n`);
  return net;
}

function setId(ip: IpContext, args: Args): number {
  if (!args.more) throw new ToolExit(1, 'No netns name specified\n');
  const name = args.take();
  if (!args.more) throw new ToolExit(1, 'No nsid specified\n');
  const word = args.take();
  const id = word === 'auto' ? -1 : (parseInteger(word) ?? invarg('Invalid "netnsid" value\n', word));
  if (id < -1) invarg('"netnsid" value should be >= 0\n', word);
  const peer = openNetns(ip, name);
  return ip.request(() => ip.kernel.netns.rtnl_net_newid(ip.net, peer, id));
}

const netOfPid = (ip: IpContext, pid: number): Net | undefined => (pid === 1 ? ip.kernel.init_net : ip.kernel.procs.get(pid)?.net);

function identify(ip: IpContext, args: Args): number {
  let net: Net | undefined = ip.net;
  if (args.more) {
    const word = args.take();
    const pid = parseInteger(word);
    if (pid === undefined) throw new ToolExit(1, `Specified string '${word}' is not a pid\n`);
    net = netOfPid(ip, pid);
    if (net === undefined) throw new ToolExit(1, `Cannot open network namespace: ${strerror(ENOENT)}\n`);
  }
  ip.tool.print(`${[...net.names].join('\n')}\n`);
  return 0;
}

function pids(ip: IpContext, args: Args): number {
  if (!args.more) throw new ToolExit(1, 'No netns name specified\n');
  const net = byFile(ip, args.take());
  for (const p of ip.kernel.procs.table.values()) if (p.net === net) ip.tool.print(`${p.pid}\n`);
  return 0;
}

function execIn(ip: IpContext, args: Args, finder: ToolFinder): number {
  if (ip.opt.all) return execInAll(ip, args, finder);
  if (!args.more) throw new ToolExit(1, 'No netns name specified\n');
  const name = args.take();
  if (!args.more) throw new ToolExit(1, 'No command specified\n');
  openNetns(ip, name);
  ip.tool.process.execve(args.rest(), name);
  return 0;
}

/** `ip -all netns exec`: one after the other, in this process, so only tools that end at once. */
function execInAll(ip: IpContext, args: Args, finder: ToolFinder): number {
  if (!args.more) throw new ToolExit(1, 'No command specified\n');
  const argv = args.rest();
  const tool = finder.find(argv[0]);
  if (tool === undefined) ip.notModelled(`ip -all netns exec ${argv[0]}`);
  for (const name of ip.kernel.netns.names()) {
    const net = ip.kernel.netns.byName(name);
    if (net === undefined) continue;
    ip.tool.print(`\nnetns: ${name}\n`);
    runTool(tool, new ToolContext(ip.tool.process, net, argv));
  }
  return 0;
}

function attach(ip: IpContext, args: Args): number {
  if (args.count < 2) throw new ToolExit(1, args.more ? 'No PID specified\n' : 'No netns name and PID specified\n');
  const name = args.take();
  const word = args.take();
  const pid = parseInteger(word);
  if (pid === undefined) throw new ToolExit(1, `Invalid PID: ${word}\n`);
  const net = netOfPid(ip, pid);
  if (ip.kernel.netns.byName(name) !== undefined)
    throw new ToolExit(1, `Cannot create namespace file "/run/netns/${name}": ${strerror(EEXIST)}\n`);
  if (net === undefined) throw new ToolExit(1, `Bind /proc/${pid}/ns/net -> /run/netns/${name} failed: ${strerror(ENOENT)}\n`);
  ip.kernel.netns.attachName(name, net);
  return 0;
}

export function ipNetns(ip: IpContext, args: Args, finder: ToolFinder): number {
  if (!args.more) return list(ip);
  const word = args.take();
  if (args.more && invalidName(args.word)) throw new ToolExit(255, `Invalid netns name "${args.word}"\n`);
  if (matches(word, 'list') || matches(word, 'show') || word === 'lst') return list(ip);
  if (matches(word, 'list-id')) return listId(ip, args);
  if (matches(word, 'help')) netnsUsage();
  if (matches(word, 'add')) return add(ip, args);
  if (matches(word, 'set')) return setId(ip, args);
  if (matches(word, 'delete')) return remove(ip, args);
  if (matches(word, 'identify')) return identify(ip, args);
  if (matches(word, 'pids')) return pids(ip, args);
  if (matches(word, 'exec')) return execIn(ip, args, finder);
  if (matches(word, 'monitor')) ip.notModelled('ip netns monitor');
  if (matches(word, 'attach')) return attach(ip, args);
  throw new ToolExit(255, `Command "${word}" is unknown, try "ip netns help".\n`);
}
