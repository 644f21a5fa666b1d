// tc qdisc: add, change, replace, link, delete, show.
import type { NetDevice } from '../../kernel/net_device.ts';
import { type QdiscInfo, TC_H_INGRESS, TC_H_MAJ, TC_H_ROOT } from '../../kernel/sched/qdisc.ts';
import type { TcCommand } from '../../kernel/sched/sch_api.ts';
import { type Args, duparg, fail, invarg, matches } from '../iproute/args.ts';
import { ToolExit } from '../tool.ts';
import { UNMODELLED_KINDS, unmodelled } from './kind.ts';
import { TC_KINDS } from './kinds.ts';
import { printStats } from './stats.ts';
import type { Tc } from './tc_context.ts';
import { handleText, parseClassId, parseQdiscHandle } from './units.ts';

const USAGE =
  'Usage: tc qdisc [ add | del | replace | change | show ] dev STRING [ handle H ] [ root | ingress | clsact | parent ID ] [ KIND OPTIONS ]\n';
/** Given to the kernel; `change` and the like in its flags. */
const COMMANDS: readonly (readonly [string, TcCommand | 'delete'])[] = [
  ['add', 'add'],
  ['change', 'change'],
  ['replace', 'replace'],
  ['link', 'link'],
  ['delete', 'delete'],
];

/** A name of no discipline that tc itself can still send: the kernel says what it thinks of it. */
function options(tc: Tc, kind: string, args: Args): ReturnType<NonNullable<(typeof TC_KINDS)[string]['parse']>> {
  const known = Object.hasOwn(TC_KINDS, kind) ? TC_KINDS[kind] : undefined;
  if (known?.parse !== undefined) return known.parse({ args, error: (text) => tc.error(text) });
  if (UNMODELLED_KINDS.has(kind)) unmodelled(`qdisc ${kind}`);
  if (!args.more) return undefined;
  if (args.word === 'help') throw new ToolExit(255, USAGE);
  return fail(1, `Unknown qdisc "${kind}", hence option "${args.word}" is unparsable`);
}

function modify(tc: Tc, command: TcCommand | 'delete', args: Args): number {
  let name: string | undefined;
  let [parent, handle] = [0, 0];
  let kind: string | undefined;
  let attrs: ReturnType<typeof options>;
  for (; args.more; args.skip()) {
    const word = args.word;
    if (word === 'dev') {
      if (name !== undefined) duparg('dev', args.next());
      name = args.next();
    } else if (word === 'handle') {
      if (handle !== 0) duparg('handle', args.next());
      const text = args.next();
      handle = parseQdiscHandle(text) ?? invarg('invalid qdisc ID', text);
    } else if (word === 'root') {
      if (parent !== 0) fail(255, 'Error: "root" is duplicate parent ID');
      parent = TC_H_ROOT;
    } else if (word === 'clsact' || word === 'ingress') {
      if (parent !== 0) fail(255, `Error: "${word}" is a duplicate parent ID`);
      parent = TC_H_INGRESS;
      handle = 0xffff0000;
      kind = word;
    } else if (word === 'parent') {
      const text = args.next();
      if (parent !== 0) duparg('parent', text);
      parent = parseClassId(text) ?? invarg('invalid parent ID', text);
    } else if (matches(word, 'estimator') || matches(word, 'stab') || matches(word, 'ingress_block') || matches(word, 'egress_block'))
      unmodelled(`qdisc ${word}`);
    else if (matches(word, 'help')) throw new ToolExit(255, USAGE);
    else {
      kind = word;
      args.skip();
      attrs = options(tc, kind, args);
      break;
    }
  }
  const dev = name === undefined ? undefined : tc.device(name);
  if (dev === undefined) return fail(2, 'RTNETLINK answers: No such device');
  tc.privileged();
  if (command === 'delete') tc.check(tc.api.tc_del_qdisc(dev, parent, handle, kind));
  else tc.check(tc.api.tc_modify_qdisc({ command, dev, parent, handle, kind, options: attrs }));
  return 0;
}

/** One qdisc; `dev`: its device's name where it is to be named. */
export function printQdisc(tc: Tc, q: QdiscInfo, dev: string | undefined): void {
  const { out, opt } = tc;
  out.openObject();
  out.any('kind', q.kind, `qdisc ${q.kind} `);
  const handle = `${(q.handle >>> 16).toString(16)}:`;
  out.any('handle', handle, `${handle} `);
  if (dev !== undefined) out.any('dev', dev, `dev ${dev} `);
  if (q.parent === TC_H_ROOT) out.any('root', true, 'root ');
  else if (q.parent !== 0) {
    const id = handleText(q.parent);
    out.any('parent', id, `parent ${id} `);
  }
  if (q.refcnt !== 1) out.any('refcnt', q.refcnt, `refcnt ${q.refcnt} `);
  out.openObject('options');
  TC_KINDS[q.kind]?.print?.(out, q.options, opt.details);
  out.closeObject();
  out.nl();
  if (opt.stats) {
    printStats(out, q.stats, ' ');
    if (q.stats.qlen !== undefined) out.nl();
    const xstats = TC_KINDS[q.kind]?.xstats;
    if (q.xstats !== undefined && xstats !== undefined) {
      xstats(out, q.xstats);
      out.nl();
    }
  }
  out.closeObject();
}

function show(tc: Tc, args: Args): number {
  let name: string | undefined;
  let invisible = false;
  let [parent, handle] = [0, 0];
  for (; args.more; args.skip()) {
    const word = args.word;
    if (word === 'dev') name = args.next();
    else if (word === 'root') parent = TC_H_ROOT;
    else if (word === 'ingress' || word === 'clsact') parent = TC_H_INGRESS;
    else if (word === 'parent') {
      const text = args.next();
      parent = parseClassId(text) ?? invarg('invalid parent ID', text);
    } else if (word === 'handle') {
      const text = args.next();
      handle = parseQdiscHandle(text) ?? invarg('invalid qdisc ID', text);
    } else if (matches(word, 'invisible')) invisible = true;
    else if (matches(word, 'help')) throw new ToolExit(255, USAGE);
    else fail(255, `What is "${word}"? Try "tc qdisc help".`);
  }
  const only = name === undefined ? undefined : tc.device(name);
  tc.out.begin();
  for (const d of only === undefined ? tc.tool.net.devices : [only])
    for (const q of tc.api.tc_dump_qdisc(d, invisible)) {
      if (parent !== 0 && q.parent !== parent) continue;
      if (handle !== 0 && TC_H_MAJ(q.handle) !== handle) continue;
      printQdisc(tc, q, only === undefined ? d.name : undefined);
    }
  tc.out.end();
  tc.flush();
  return 0;
}

export function doQdisc(tc: Tc, args: Args): number {
  if (!args.more) return show(tc, args);
  const word = args.take();
  const command = COMMANDS.find(([name]) => matches(word, name));
  if (command !== undefined) return modify(tc, command[1], args);
  if (matches(word, 'show') || matches(word, 'list') || word === 'lst') return show(tc, args);
  if (matches(word, 'help')) throw new ToolExit(0, USAGE);
  return fail(255, `Command "${word}" is unknown, try "tc qdisc help".`);
}

/** Name of a device known only by index, as tc has it. */
export const deviceName = (devices: readonly NetDevice[], ifindex: number): string =>
  devices.find((d) => d.ifindex === ifindex)?.name ?? `if${ifindex}`;
