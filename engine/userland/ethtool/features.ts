// `ethtool -k` and `-K`: features grouped and named as users know them.
import { Errno } from '../../base/errno.ts';
import type { FeatureState } from '../../kernel/ethtool/ioctl.ts';
import { ToolExit } from '../tool.ts';
import type { EthtoolCommand, EthtoolContext } from './ethtool_context.ts';

/** A name of ethtool's own over one or more of the kernel's features; `pattern` may hold one '*'. */
interface Group {
  readonly short: string;
  readonly long: string;
  readonly pattern: string;
}
const GROUPS: readonly Group[] = [
  { short: 'rx', long: 'rx-checksumming', pattern: 'rx-checksum' },
  { short: 'tx', long: 'tx-checksumming', pattern: 'tx-checksum-*' },
  { short: 'sg', long: 'scatter-gather', pattern: 'tx-scatter-gather*' },
  { short: 'tso', long: 'tcp-segmentation-offload', pattern: 'tx-tcp*-segmentation' },
  { short: 'ufo', long: 'udp-fragmentation-offload', pattern: 'tx-udp-fragmentation' },
  { short: 'gso', long: 'generic-segmentation-offload', pattern: 'tx-generic-segmentation' },
  { short: 'gro', long: 'generic-receive-offload', pattern: 'rx-gro' },
  { short: 'lro', long: 'large-receive-offload', pattern: 'rx-lro' },
  { short: 'rxvlan', long: 'rx-vlan-offload', pattern: 'rx-vlan-hw-parse' },
  { short: 'txvlan', long: 'tx-vlan-offload', pattern: 'tx-vlan-hw-insert' },
  { short: 'ntuple', long: 'ntuple-filters', pattern: 'rx-ntuple-filter' },
  { short: 'rxhash', long: 'receive-hashing', pattern: 'rx-hashing' },
];

function matchesPattern(pattern: string, name: string): boolean {
  const star = pattern.indexOf('*');
  if (star < 0) return pattern === name;
  return name.length >= pattern.length - 1 && name.startsWith(pattern.slice(0, star)) && name.endsWith(pattern.slice(star + 1));
}

const members = (g: Group, all: readonly FeatureState[]): FeatureState[] => all.filter((f) => matchesPattern(g.pattern, f.name));
const onOff = (on: boolean): string => (on ? 'on' : 'off');
const isFixed = (f: FeatureState): boolean => !f.available || f.never_changed;

function suffix(f: FeatureState): string {
  if (isFixed(f)) return ' [fixed]';
  return f.requested !== f.active ? ` [requested ${onOff(f.requested)}]` : '';
}

/** A row of the listing: a single feature, or a group's head. */
interface Row {
  readonly name: string;
  readonly indent: boolean;
  readonly state: FeatureState | undefined;
  readonly active: boolean;
}

/** Groups first, then every feature that belongs to none, in kernel order. */
export function featureRows(all: readonly FeatureState[]): Row[] {
  const rows: Row[] = [];
  const grouped = new Set<FeatureState>();
  for (const g of GROUPS) {
    const own = members(g, all);
    for (const f of own) grouped.add(f);
    if (own.length === 0) continue;
    if (own.length === 1) rows.push({ name: g.long, indent: false, state: own[0], active: own[0].active });
    else {
      rows.push({ name: g.long, indent: false, state: undefined, active: own.some((f) => f.active) });
      for (const f of own) rows.push({ name: f.name, indent: true, state: f, active: f.active });
    }
  }
  for (const f of all) if (!grouped.has(f)) rows.push({ name: f.name, indent: false, state: f, active: f.active });
  return rows;
}

function show(e: EthtoolContext): number {
  e.noMoreArguments();
  const dev = e.netlinkDevice();
  const rows = featureRows(e.core.features(dev));
  if (e.json !== undefined) {
    e.json.startObject();
    e.json.field('ifname', dev.name);
    for (const r of rows) {
      e.json.startObject(r.name);
      e.json.field('active', r.active);
      e.json.field('fixed', r.state === undefined ? null : isFixed(r.state));
      e.json.field('requested', r.state === undefined ? null : !isFixed(r.state) && r.state.requested);
      e.json.endObject();
    }
    e.json.endObject();
    return 0;
  }
  const lines = rows.map((r) => `${r.indent ? '\t' : ''}${r.name}: ${onOff(r.active)}${r.state === undefined ? '' : suffix(r.state)}\n`);
  e.print(`Features for ${dev.name}:\n${lines.join('')}`);
  return 0;
}

/** Where the first bit's name lies in the request: behind the header with its flags, and the bitset's nests. */
const BIT_NAME_OFFSET = 20;
const aligned = (n: number): number => Math.ceil(n / 4) * 4;

/** Kernel names asked for, with the values wanted. A name that the kernel does not know is its error, at the name's place. */
function parse(e: EthtoolContext, all: readonly FeatureState[]): Map<string, boolean> {
  const wanted = new Map<string, boolean>();
  let offset = e.attributeOffset(0) + BIT_NAME_OFFSET;
  for (let i = 0; i < e.args.length; i += 2) {
    const [name, value] = [e.args[i], e.args[i + 1] as string | undefined];
    if (value !== 'on' && value !== 'off')
      throw new ToolExit(1, `ethtool (-K): flag '${value ?? '(null)'}' for parameter '(null)' is not followed by 'on' or 'off'\n`);
    const group = GROUPS.find((g) => g.short === name || g.long === name);
    const own = group === undefined ? all.filter((f) => f.name === name) : members(group, all);
    if (own.length === 0 && group === undefined) e.netlinkError(Errno.EOPNOTSUPP, 92, 'bit name not found', offset);
    for (const f of own) {
      wanted.set(f.name, value === 'on');
      offset += 4 + aligned(4 + f.name.length + 1) + (value === 'on' ? 4 : 0);
    }
  }
  return wanted;
}

function change(e: EthtoolContext): number {
  const dev = e.settableDevice(92);
  const all = e.core.features(dev);
  const wanted = parse(e, all);
  if (all.some((f) => f.never_changed && wanted.has(f.name))) e.netlinkError(Errno.EINVAL, 92, 'attempt to change non-ethtool features');
  const reply = e.core.setFeatures(dev, wanted);
  if (reply.errno < 0) e.netlinkError(reply.errno, 92);
  const unmet = new Set(reply.unmet);
  const changed = new Map(reply.changed);
  if (unmet.size > 0 || reply.changed.some(([name]) => !wanted.has(name))) {
    e.print('Actual changes:\n');
    for (const { name } of all) {
      const now = changed.get(name);
      if (unmet.has(name)) e.print(`${name}: ${onOff(wanted.get(name) !== true)} [requested ${onOff(wanted.get(name) === true)}]\n`);
      else if (now !== undefined) e.print(`${name}: ${onOff(now)}${wanted.has(name) ? '' : ' [not requested]'}\n`);
    }
  }
  // what was asked for and not refused counts as done, also when it was so before
  if (wanted.size > unmet.size || changed.size > 0) return 0;
  e.tool.error('Could not change any device features\n');
  return 1;
}

export const FEATURE_COMMANDS: readonly EthtoolCommand[] = [
  { opts: ['-k', '--show-features', '--show-offload'], dump: true, json: true, run: show },
  { opts: ['-K', '--features', '--offload'], run: change },
];
