// The programs of every machine: name → what makes its process.
import { ops } from '../base/ops.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { Net } from '../kernel/net_namespace.ts';
import type { Process, ProgramTable } from '../kernel/process.ts';
import { BRIDGE } from './bridge/bridge.ts';
import { CatProcess, LS } from './core/files.ts';
import { FREE } from './core/free.ts';
import { FIND } from './core/find.ts';
import { LSPCI } from './core/lspci.ts';
import { INSMOD, LSMOD, MODPROBE, RMMOD } from './core/modules.ts';
import { MOUNT } from './core/mount.ts';
import { ARP, IFCONFIG, ROUTE } from './core/nettools.ts';
import { NSTAT } from './core/nstat.ts';
import { DMESG, HOSTNAME, ID, NPROC, SleepProcess, SYSCTL, UNAME, WHOAMI } from './core/system.ts';
import { ETHTOOL } from './ethtool/ethtool.ts';
import { EthtoolProcess } from './ethtool/self_test.ts';
import { runIp } from './ip/ip.ts';
import { IpProcess } from './ip/ip_process.ts';
import type { ToolFinder } from './ip/netns.ts';
import { iperf3 } from './iperf3/iperf3.ts';
import { NcProcess } from './nc/nc.ts';
import { ArpingProcess } from './ping/arping.ts';
import { PingProcess } from './ping/ping.ts';
import { TracepathProcess } from './ping/tracepath.ts';
import { TracerouteProcess } from './traceroute/traceroute.ts';
import { SS } from './ss/ss.ts';
import { TC } from './tc/tc.ts';
import { TcpdumpProcess } from './tcpdump/tcpdump.ts';
import { type Tool, ToolProcess } from './tool.ts';

/** Tools that run to their end at once. */
const TOOLS: Readonly<Record<string, Tool>> = Object.freeze({
  arp: ARP,
  bridge: BRIDGE,
  dmesg: DMESG,
  ethtool: ETHTOOL,
  find: FIND,
  free: FREE,
  hostname: HOSTNAME,
  id: ID,
  ifconfig: IFCONFIG,
  insmod: INSMOD,
  ls: LS,
  lsmod: LSMOD,
  lspci: LSPCI,
  modprobe: MODPROBE,
  mount: MOUNT,
  nproc: NPROC,
  nstat: NSTAT,
  rmmod: RMMOD,
  route: ROUTE,
  ss: SS,
  sysctl: SYSCTL,
  tc: TC,
  uname: UNAME,
  whoami: WHOAMI,
});

const IN_PROCESS_IP: Tool = ops({ run: (ctx) => runIp(ctx, FINDER).status });
const FINDER: ToolFinder = ops({
  find: (name: string): Tool | undefined => (name === 'ip' ? IN_PROCESS_IP : Object.hasOwn(TOOLS, name) ? TOOLS[name] : undefined),
});

type Maker = (kernel: Kernel, net: Net, argv: readonly string[]) => Process;
const MAKERS: Readonly<Record<string, Maker>> = Object.freeze({
  arping: (kernel, net, argv) => new ArpingProcess(kernel, net, argv),
  cat: (kernel, net, argv) => new CatProcess(kernel, net, argv),
  ethtool: (kernel, net, argv) => new EthtoolProcess(kernel, net, argv),
  ip: (kernel, net, argv) => new IpProcess(kernel, net, argv, FINDER),
  iperf3,
  nc: (kernel, net, argv) => new NcProcess(kernel, net, argv),
  netcat: (kernel, net, argv) => new NcProcess(kernel, net, argv),
  ping: (kernel, net, argv) => new PingProcess(kernel, net, argv),
  ping6: (kernel, net, argv) => new PingProcess(kernel, net, argv),
  sleep: (kernel, net, argv) => new SleepProcess(kernel, net, argv),
  tcpdump: (kernel, net, argv) => new TcpdumpProcess(kernel, net, argv),
  traceroute: (kernel, net, argv) => new TracerouteProcess(kernel, net, argv),
  tracepath: (kernel, net, argv) => new TracepathProcess(kernel, net, argv),
});

/** setpriv(1): the command, as another user. */
function setpriv(kernel: Kernel, net: Net, argv: readonly string[]): Process | undefined {
  const at = argv.findIndex((w, i) => i > 0 && !w.startsWith('-'));
  const process = at < 0 ? undefined : PROGRAMS.create(kernel, net, argv.slice(at));
  const uid = argv.slice(1, at).find((w) => w.startsWith('--reuid='));
  if (process !== undefined && uid !== undefined) process.uid = Number(uid.slice('--reuid='.length)) || 0;
  return process;
}

export const PROGRAMS: ProgramTable = ops({
  names: Object.freeze([...new Set([...Object.keys(TOOLS), ...Object.keys(MAKERS), 'setpriv'])].sort()),
  create(kernel: Kernel, net: Net, argv: readonly string[]): Process | undefined {
    if (argv[0] === 'setpriv') return setpriv(kernel, net, argv);
    const name = (argv[0] ?? '').replace(/^(\/usr)?\/s?bin\//, '');
    if (Object.hasOwn(MAKERS, name)) return MAKERS[name](kernel, net, argv);
    if (Object.hasOwn(TOOLS, name)) return new ToolProcess(kernel, net, argv, TOOLS[name]);
    return undefined;
  },
});
