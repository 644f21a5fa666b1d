// Runs a packetdrill script against our TCP in simulated time.
import { errnoName } from '../../base/errno.ts';
import { LOOPBACK_MODULE } from '../../drivers/loopback.ts';
import { tcp_get_info } from '../../kernel/ipv4/tcp_info.ts';
import { Kernel } from '../../kernel/kernel.ts';
import { defaultCosts } from '../../platform/costs.ts';
import { Platform } from '../../platform/platform.ts';
import { Sim } from '../../sim/sim.ts';
import { Trace } from '../../trace/trace.ts';
import { ScriptCalls, Unsupported } from './calls.ts';
import { runCode } from './expression.ts';
import { ScriptLink } from './link.ts';
import { type Ends, flagBits, flagText, icmpBytes, parseWire, segmentBytes, type Wire } from './packets.ts';
import { parseScript, type Script, ScriptError, type ScriptEvent, type Segment } from './script.ts';

export interface PacketdrillResult {
  readonly verdict: 'pass' | 'fail' | 'unsupported';
  /** What went otherwise, with its line; '' for a pass. */
  readonly message: string;
}

class Failure extends Error {}

const LOCAL = 0xc0a80001;
const REMOTE = 0xc0000201;
const REMOTE_PORT = 53_055;
const TOLERANCE = 0.0045;
/** The scripts are written for HZ=1000. Ours is 250: two jiffies are 6 ms more, and a timer fires up to 4 ms after its time. */
const LATE = 0.0105;
/** What google/packetdrill's gtests/net/tcp/common/defaults.sh sets. */
const DEFAULTS: readonly (readonly [string, string])[] = [
  ['tcp_rmem', '4096 540000 15728640'],
  ['tcp_wmem', '4096 262144 4194304'],
  ['tcp_timestamps', '1'],
  ['tcp_syn_retries', '5'],
  ['tcp_synack_retries', '5'],
  ['tcp_slow_start_after_idle', '0'],
  ['tcp_early_retrans', '4'],
  ['tcp_ecn', '0'],
  ['tcp_pacing_ss_ratio', '200'],
  ['tcp_pacing_ca_ratio', '120'],
];
const CA: readonly string[] = ['TCP_CA_Open', 'TCP_CA_Disorder', 'TCP_CA_CWR', 'TCP_CA_Recovery', 'TCP_CA_Loss'];

/** Runs the text of one script. */
export function runPacketdrill(source: string): PacketdrillResult {
  try {
    const script = parseScript(source);
    new Runner(script).run();
    return { verdict: 'pass', message: '' };
  } catch (e) {
    if (e instanceof ScriptError) return { verdict: e.unsupported ? 'unsupported' : 'fail', message: e.message };
    if (e instanceof Unsupported) return { verdict: 'unsupported', message: e.message };
    if (e instanceof Failure) return { verdict: 'fail', message: e.message };
    throw e;
  }
}

class Runner {
  private readonly sim = new Sim(1);
  private readonly kernel: Kernel;
  private readonly link: ScriptLink;
  private readonly calls: ScriptCalls;
  private readonly ends: Ends = { local: LOCAL, remote: REMOTE, localPort: 8080, remotePort: REMOTE_PORT };
  /** Our sequence number that the script calls 0. */
  private isn: number | undefined;
  /** Wire value of our time stamps − the script's. */
  private readonly stamps = new Map<number, number>();
  private start = 0;
  private last = 0;
  private readonly tolerance: number;
  private blocked: { readonly event: ScriptEvent; readonly until: number } | undefined;

  constructor(private readonly script: Script) {
    const family = script.options.get('ip_version') ?? 'ipv4';
    if (family !== 'ipv4') throw new Unsupported(`--ip_version=${family}`);
    for (const name of ['local_ip', 'remote_ip'])
      if (script.options.has(name) && !['192.168.0.1', '192.0.2.1'].includes(script.options.get(name) ?? ''))
        throw new Unsupported(`--${name}`);
    this.tolerance = Math.max(TOLERANCE, Number(script.options.get('tolerance_usecs') ?? 0) / 1e6);
    const platform = new Platform(
      { machine: 'dut', ramBytes: 64 << 20, cpus: 1, costs: freeCosts(), iommu: false },
      this.sim,
      new Trace(this.sim),
    );
    this.kernel = new Kernel(platform, {
      hostname: 'dut',
      modules: { builtin: [LOOPBACK_MODULE], loadable: [] },
      programs: { names: [], create: () => undefined },
      autoload: [],
      cmdline: '',
      contract: false,
    });
    platform.cpus.entries = this.kernel;
    this.kernel.boot();
    this.link = new ScriptLink(this.kernel);
    this.configure();
    this.calls = new ScriptCalls(this.kernel, this.ends);
  }

  private configure(): void {
    const { kernel } = this;
    const { init_net: net } = kernel;
    const address = Uint8Array.of(192, 168, 0, 1);
    const request = {
      family: 2,
      ifindex: this.link.dev.ifindex,
      prefixlen: 16,
      scope: 0,
      flags: 0,
      local: address,
      address,
      nlflags: 0x600,
    };
    kernel.ipv4.rtnlAddr.inet_rtm_newaddr(net, request);
    const route = {
      family: 2,
      dst_len: 0,
      tos: 0,
      table: 254,
      protocol: 3,
      scope: 0,
      type: 1,
      flags: 0,
      nlflags: 0x600,
      gateway: Uint8Array.of(192, 168, 0, 2),
      oif: this.link.dev.ifindex,
    };
    kernel.ipv4.rtnlRoute.inet_rtm_newroute(net, route);
    for (const command of this.script.init) this.shell(command, 0);
    this.advance(1);
    this.link.sent.length = 0;
  }

  /** sysctl and the usual defaults; what else a shell would do is not here. */
  private shell(command: string, line: number): void {
    for (const part of command
      .replaceAll(/\\\n/g, ' ')
      .split(/[\n;]/)
      .map((p) => p.replace(/\s#.*/, '').trim())) {
      if (part === '' || part.startsWith('#') || /sysctl_restore|^ip tcp_metrics|^nstat|^\.\/|^\.\.\/.*ksft_runner/.test(part)) continue;
      if (part.endsWith('defaults.sh')) {
        for (const [name, value] of DEFAULTS) this.sysctl(`net.ipv4.${name}`, value, line);
        continue;
      }
      const offload = /^ethtool -K tun0\s+(.*?)(?:\s*>.*)?$/.exec(part);
      if (offload !== null) {
        this.link.offloads(offload[1]);
        continue;
      }
      const m = /^sysctl\s+(?:-q\s+|-w\s+)*(.*)$/.exec(part);
      const files = /set_sysctls\.py\s+(.*)$/.exec(part);
      const words = (m?.[1] ?? files?.[1] ?? '')
        .replaceAll('"', '')
        .replaceAll("'", '')
        .split(/\s+(?=\S+=)/);
      if (m === null && files === null) throw new ScriptError(line, `shell command: ${part}`, true);
      for (const w of words) {
        const [name, value] = w.split(/=(.*)/s);
        if (value === undefined) throw new ScriptError(line, `shell command: ${part}`, true);
        this.sysctl(name.replace('/proc/sys/', '').replaceAll('/', '.'), value.replace(/>.*$/, '').trim(), line);
      }
    }
  }
  private sysctl(name: string, value: string, line: number): void {
    const r = this.kernel.vfs.sysctl.set(this.kernel.init_net, name, value.startsWith('0x') ? String(Number(value)) : value);
    if (r < 0) throw new ScriptError(line, `sysctl ${name}=${value}: ${errnoName(r)}`, true);
  }

  private get now(): number {
    return (this.sim.now - this.start) / 1e9;
  }
  /** Runs the world for so many seconds, a blocked call with it. */
  private advance(seconds: number): void {
    this.advanceTo(this.sim.now + seconds * 1e9);
  }
  private advanceTo(end: number): void {
    for (let next = this.sim.peek(); next !== undefined && next <= end; next = this.sim.peek()) {
      this.sim.step();
      this.retry();
    }
    if (end > this.sim.now) this.sim.advance(Math.round(end) as typeof this.sim.now);
    this.retry();
  }
  private retry(): void {
    const { blocked } = this;
    if (blocked === undefined) return;
    const { action } = blocked.event;
    if (action.kind !== 'call') return;
    const [want, errno] = expectation(action.result);
    this.blocked = undefined;
    const r = this.calls.run(action.name, action.args, want);
    if (r === undefined) this.blocked = blocked;
    else this.check(blocked.event, r, want, errno);
  }

  run(): void {
    this.start = this.sim.now;
    for (const event of this.script.events) this.step(event);
    if (this.blocked !== undefined) {
      this.advanceTo(this.start + (this.blocked.until + this.tolerance) * 1e9);
      if (this.blocked !== undefined) throw new Failure(`line ${this.blocked.event.line}: the call still blocks`);
    }
  }

  private step(event: ScriptEvent): void {
    const { action } = event;
    const base = event.relative ? this.last : 0;
    const time = base + event.time;
    const until = event.until === undefined ? time : base + event.until;
    if (action.kind === 'segment' && action.segment.outbound) {
      const t = this.expect(
        event,
        action.segment,
        event.any ? Infinity : until + this.tolerance + LATE,
        event.any ? -Infinity : time - this.tolerance,
      );
      this.last = event.any ? t : time;
      return;
    }
    this.advanceTo(this.start + time * 1e9);
    this.last = time;
    switch (action.kind) {
      case 'segment':
        return this.inject(action.segment);
      case 'icmp':
        this.link.inject(icmpBytes(action.icmp, this.ends, ((this.isn ?? 0) + action.icmp.seq) >>> 0));
        return this.settle();
      case 'call':
        return this.call(event);
      case 'code':
        return this.code(event.line, action.text);
      case 'shell':
        return this.shell(action.text, event.line);
    }
  }
  /** What happens at once happens before the next event. */
  private settle(): void {
    this.advance(1e-6);
  }

  private call(event: ScriptEvent): void {
    const { action } = event;
    if (action.kind !== 'call') return;
    const [want, errno] = expectation(action.result);
    let r: number | undefined;
    try {
      r = this.calls.run(action.name, action.args, want);
    } catch (e) {
      if (e instanceof Unsupported) throw new Unsupported(`line ${event.line}: ${e.message}`);
      throw new Failure(`line ${event.line}: ${e instanceof Error ? e.message : String(e)}`);
    }
    if (r === undefined) {
      if (action.end === undefined) throw new Failure(`line ${event.line}: ${action.name} blocks`);
      this.blocked = { event, until: this.last + action.end };
    } else this.check(event, r, want, errno);
    this.settle();
  }
  private check(event: ScriptEvent, have: number, want: number, errno: string): void {
    const { action } = event;
    if (action.kind !== 'call' || action.result === '?') return;
    const same = have < 0 ? want === -1 && errno === errnoName(have) : have === want;
    const shown = have < 0 ? `-1 ${errnoName(have)}` : String(have);
    if (!same) throw new Failure(`line ${event.line}: ${action.name} gave ${shown}, not ${action.result}`);
  }

  private inject(s: Segment): void {
    // a new connection of the peer's begins the numbers anew
    if (s.flags === 'S' || s.flags === 'SEW') this.isn = undefined;
    const ack = (n: number): number => ((this.isn ?? 0) + n) >>> 0;
    this.link.inject(segmentBytes(s, this.ends, ack, (n) => this.stampOf(n)));
    this.settle();
  }
  private stampOf(script: number): number {
    const known = this.stamps.get(script);
    if (known !== undefined || script === 0) return known ?? 0;
    const first = this.stamps.entries().next().value;
    return first === undefined ? script : (first[1] + (script - first[0])) >>> 0;
  }

  /** What is expected leaves, in one packet or (unless the script is strict) cut into several; when it left. */
  private expect(event: ScriptEvent, s: Segment, latest: number, earliest: number): number {
    const strict = this.script.options.has('strict_segments');
    for (let rest = s; ;) {
      const [wire, at] = this.nextPacket(event, rest, latest);
      const partial = !strict && wire.length > 0 && wire.length < rest.length;
      this.compare(event, rest, wire, at, partial, latest, earliest);
      if (!partial) return at;
      rest = { ...rest, seq: rest.seq + wire.length, length: rest.length - wire.length };
    }
  }
  private nextPacket(event: ScriptEvent, s: Segment, latest: number): [Wire, number] {
    const end = Math.min(latest, this.now + 300);
    while (this.link.sent.length === 0 && this.now <= end) {
      const next = this.sim.peek();
      if (next === undefined || (next - this.start) / 1e9 > end) break;
      this.sim.step();
      this.retry();
    }
    const sent = this.link.sent.shift();
    if (sent === undefined) throw new Failure(`line ${event.line}: no packet; expected ${describe(s)}`);
    const wire = parseWire(sent.bytes);
    if ((wire.flags & 2) !== 0 && this.isn === undefined) {
      this.isn = wire.seq;
      this.ends.localPort = wire.localPort;
      this.ends.remotePort = wire.remotePort;
    }
    return [wire, (sent.time - this.start) / 1e9];
  }
  private compare(event: ScriptEvent, s: Segment, wire: Wire, at: number, partial: boolean, latest: number, earliest: number): void {
    const seq = (wire.seq - (this.isn ?? 0)) >>> 0;
    const have = `${flagText(wire.flags)} ${seq}:${(seq + wire.length) >>> 0}(${wire.length}) ack ${wire.ack} win ${wire.win} <${optionText(wire)}> at ${at.toFixed(6)}`;
    const wrong = (what: string): never => {
      throw new Failure(
        `line ${event.line}: ${what}: expected ${describe(s)} at ${Math.max(earliest + this.tolerance, 0).toFixed(6)}, got ${have}`,
      );
    };
    const ignored = partial ? 9 : 0;
    if (((flagBits(s.flags) ^ wire.flags) & ~ignored) !== 0) wrong('flags');
    if (seq !== s.seq) wrong('sequence number');
    if (!partial && wire.length !== s.length) wrong('length');
    if (s.ack !== undefined && wire.ack !== s.ack) wrong('acknowledgment');
    if (s.win !== undefined && wire.win !== s.win) wrong('window');
    if (s.ecn >= 0 && wire.ecn !== s.ecn) wrong('ECN');
    if (s.options !== undefined) this.compareOptions(s, wire, wrong);
    if (at > latest || at < earliest) wrong('time');
  }

  private compareOptions(s: Segment, wire: Wire, wrong: (what: string) => never): void {
    const want = s.options ?? [];
    if (want.length !== wire.options.length) wrong('options');
    want.forEach((w, i) => {
      const h = wire.options[i];
      if (w.kind !== h.kind) wrong(`option ${w.kind}`);
      if (w.kind === 'TS' && h.kind === 'TS') {
        if (w.ecr !== h.ecr) wrong('TS ecr');
        if (!this.stamps.has(w.val)) this.stamps.set(w.val, h.val);
      } else if ((w.kind === 'mss' || w.kind === 'wscale') && 'value' in h) {
        if (w.value !== h.value) wrong(w.kind);
      } else if (w.kind === 'sack' && h.kind === 'sack') {
        if (w.blocks.length !== h.blocks.length || w.blocks.some(([a, b], k) => a !== h.blocks[k][0] || b !== h.blocks[k][1]))
          wrong('sack');
      }
    });
  }

  private code(line: number, text: string): void {
    const names = new Map<string, number>();
    CA.forEach((name, i) => names.set(name, i));
    const sk = this.calls.newest();
    if (sk !== undefined)
      for (const [k, v] of Object.entries(tcp_get_info(this.kernel, sk) as unknown as Record<string, number>)) names.set(k, v);
    let message: string | undefined;
    try {
      message = runCode(text, names);
    } catch (e) {
      throw new Unsupported(`line ${line}: ${e instanceof Error ? e.message : String(e)}`);
    }
    if (message !== undefined) throw new Failure(`line ${line}: ${message}`);
  }
}

/** Work takes no time: a script's times are the protocol's alone. */
function freeCosts(): ReturnType<typeof defaultCosts> {
  const costs = defaultCosts();
  for (const name of Object.keys(costs) as (keyof typeof costs)[]) costs[name] = 0;
  return costs;
}

/** '3', '-1 EAGAIN', '?' */
function expectation(result: string): [number, string] {
  const [n, errno = ''] = result.split(/\s+/);
  return [n === '?' ? 0 : Number(n), errno];
}

const describe = (s: Segment): string =>
  `${s.flags} ${s.seq}:${s.seq + s.length}(${s.length})${s.ack === undefined ? '' : ` ack ${s.ack}`}${s.win === undefined ? '' : ` win ${s.win}`}`;

function optionText(w: Wire): string {
  return w.options
    .map((o) =>
      o.kind === 'TS'
        ? `TS val ${o.val} ecr ${o.ecr}`
        : o.kind === 'sack'
          ? `sack ${o.blocks.map((b) => b.join(':')).join(' ')}`
          : 'value' in o
            ? `${o.kind} ${o.value}`
            : o.kind,
    )
    .join(',');
}
