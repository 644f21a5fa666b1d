// tc class: add, change, replace, delete, show.
import { TC_H_MAJ, TC_H_ROOT, type TcAttrs, type TclassInfo } from '../../kernel/sched/qdisc.ts';
import type { TcCommand } from '../../kernel/sched/sch_api.ts';
import { type Args, duparg, fail, invarg, matches } from '../iproute/args.ts';
import { ToolExit } from '../tool.ts';
import { UNMODELLED_KINDS, unmodelled } from './kind.ts';
import { TC_KINDS } from './kinds.ts';
import { printStats } from './stats.ts';
import type { Tc } from './tc_context.ts';
import { handleText, parseClassId, parseQdiscHandle } from './units.ts';

const USAGE = 'Usage: tc class [ add | del | change | replace | show ] dev STRING [ classid ID ] [ root | parent ID ] [ KIND OPTIONS ]\n';

function modify(tc: Tc, command: TcCommand | 'delete', args: Args): number {
  let name: string | undefined;
  let [parent, classid] = [0, 0];
  let options: TcAttrs | undefined;
  for (; args.more; args.skip()) {
    const word = args.word;
    if (word === 'dev') {
      if (name !== undefined) duparg('dev', args.next());
      name = args.next();
    } else if (word === 'classid') {
      const text = args.next();
      if (classid !== 0) duparg('classid', text);
      classid = parseClassId(text) ?? invarg('invalid class ID', text);
    } else if (word === 'root') {
      if (parent !== 0) fail(255, 'Error: "root" is duplicate parent ID.');
      parent = TC_H_ROOT;
    } else if (word === 'parent') {
      const text = args.next();
      if (parent !== 0) duparg('parent', text);
      parent = parseClassId(text) ?? invarg('invalid parent ID', text);
    } else if (matches(word, 'estimator')) unmodelled('class estimator');
    else if (matches(word, 'help')) throw new ToolExit(255, USAGE);
    else {
      args.skip();
      const known = Object.hasOwn(TC_KINDS, word) ? TC_KINDS[word] : undefined;
      if (known?.parseClass !== undefined) options = known.parseClass({ args, error: (text) => tc.error(text) });
      else if (UNMODELLED_KINDS.has(word)) unmodelled(`class ${word}`);
      else if (known !== undefined) fail(1, `Error: Qdisc "${word}" is classless.`);
      else if (args.more) fail(1, `Unknown qdisc "${word}", hence option "${args.word}" is unparsable`);
      break;
    }
  }
  const dev = name === undefined ? undefined : tc.device(name);
  if (dev === undefined) return fail(2, 'RTNETLINK answers: No such device');
  tc.privileged();
  tc.check(tc.api.tc_ctl_tclass({ command, dev, parent, classid, options }));
  return 0;
}

function printClass(tc: Tc, c: TclassInfo): void {
  const { out, opt } = tc;
  out.openObject();
  const handle = handleText(c.handle);
  out.any('class', c.kind, `class ${c.kind} `);
  out.any('handle', handle, `${handle} `);
  if (c.parent === TC_H_ROOT) out.any('root', true, 'root ');
  else if (c.parent !== 0) out.any('parent', handleText(c.parent), `parent ${handleText(c.parent)} `);
  if (c.leaf !== 0) {
    const leaf = `${(c.leaf >>> 16).toString(16)}:`;
    out.any('leaf', leaf, `leaf ${leaf} `);
  }
  if (c.options !== undefined) TC_KINDS[c.kind]?.printClass?.(out, c.options, opt.details);
  out.nl();
  if (opt.stats) {
    printStats(out, c.stats, ' ');
    out.nl();
    const xstats = TC_KINDS[c.kind]?.classXstats;
    if (c.xstats !== undefined && xstats !== undefined) {
      xstats(out, c.xstats);
      out.nl();
    }
  }
  out.closeObject();
}

function show(tc: Tc, args: Args): number {
  let name: string | undefined;
  let [parent, classid, qdisc] = [0, 0, 0];
  for (; args.more; args.skip()) {
    const word = args.word;
    if (word === 'dev') name = args.next();
    else if (matches(word, 'qdisc')) {
      const text = args.next();
      qdisc = parseQdiscHandle(text) ?? invarg('invalid qdisc ID', text);
    } else if (matches(word, 'classid')) {
      const text = args.next();
      classid = parseClassId(text) ?? invarg('invalid class ID', text);
    } else if (word === 'root') parent = TC_H_ROOT;
    else if (word === 'parent') {
      const text = args.next();
      parent = parseClassId(text) ?? invarg('invalid parent ID', text);
    } else if (matches(word, 'help')) throw new ToolExit(255, USAGE);
    else fail(255, `What is "${word}"? Try "tc class help".`);
  }
  if (name === undefined) return fail(255, 'Command "class show" needs "dev".');
  const dev = tc.device(name);
  tc.out.begin();
  for (const c of tc.api.tc_dump_tclass(dev, qdisc, parent === TC_H_ROOT ? 0 : TC_H_MAJ(parent))) {
    if (parent !== 0 && c.parent !== parent) continue;
    if (classid === 0 || c.handle === classid) printClass(tc, c);
  }
  tc.out.end();
  tc.flush();
  return 0;
}

export function doClass(tc: Tc, args: Args): number {
  if (!args.more) return show(tc, args);
  const word = args.take();
  for (const command of ['add', 'change', 'replace', 'delete'] as const) if (matches(word, command)) return modify(tc, command, args);
  if (matches(word, 'show') || matches(word, 'list') || word === 'lst') return show(tc, args);
  if (matches(word, 'help')) throw new ToolExit(0, USAGE);
  return fail(255, `Command "${word}" is unknown, try "tc class help".`);
}
