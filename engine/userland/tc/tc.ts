// tc(8): options, objects, batches.
import { Args, fail, matches } from '../iproute/args.ts';
import { IPROUTE_VERSION } from '../iproute/version.ts';
import { type Tool, type ToolContext, ToolExit } from '../tool.ts';
import { doClass } from './class.ts';
import { doFilter } from './filter.ts';
import { unmodelled } from './kind.ts';
import { doQdisc } from './qdisc.ts';
import { Tc, TC_DEFAULTS, type TcOptions } from './tc_context.ts';

const USAGE = 'Usage: tc [ OPTIONS ] { qdisc | class | filter | actions | monitor } { COMMAND | help }\n       tc [ -force ] -batch FILE\n';

function runObject(tool: ToolContext, opt: TcOptions, args: Args): number {
  if (!args.more) throw new ToolExit(0, USAGE);
  const object = args.take();
  const tc = new Tc(tool, opt);
  if (matches(object, 'qdisc')) return doQdisc(tc, args);
  if (matches(object, 'class')) return doClass(tc, args);
  if (matches(object, 'help')) throw new ToolExit(0, USAGE);
  if (matches(object, 'filter')) return doFilter(tc, args);
  for (const known of ['chain', 'actions', 'monitor', 'exec']) if (matches(object, known)) unmodelled(known);
  return fail(255, `Object "${object}" is unknown, try "tc help".`);
}

/** Lines of a file, a command each; `#` starts a comment. */
function runBatch(tool: ToolContext, opt: TcOptions, path: string, force: boolean): number {
  const text = tool.kernel.vfs.readFile(tool.vfs, path);
  if (typeof text !== 'string') return fail(1, `Cannot open file "${path}" for reading: No such file or directory`);
  let status = 0;
  for (const [i, line] of text.split('\n').entries()) {
    const words = line.replace(/#.*/, '').trim().split(/\s+/);
    if (words[0] === '') continue;
    try {
      runObject(tool, opt, new Args(words));
    } catch (e) {
      if (!(e instanceof ToolExit)) throw e;
      tool.error(`${e.text}Command failed ${path}:${i + 1}\n`);
      status = 1;
      if (!force) break;
    }
  }
  return status;
}

function run(ctx: ToolContext): number {
  const args = new Args(ctx.argv.slice(1));
  let opt = TC_DEFAULTS;
  let batch: string | undefined;
  let force = false;
  for (; args.more && args.word.startsWith('-'); args.skip()) {
    const word = args.word.replace(/^--/, '-');
    if (matches(word, '-statistics') || matches(word, '-stats')) opt = { ...opt, stats: true };
    else if (matches(word, '-details')) opt = { ...opt, details: true };
    else if (matches(word, '-raw')) opt = { ...opt, raw: true };
    else if (matches(word, '-pretty')) opt = { ...opt, pretty: true };
    else if (matches(word, '-json')) opt = { ...opt, json: true };
    else if (matches(word, '-oneline')) opt = { ...opt, oneline: true };
    else if (matches(word, '-color')) opt = { ...opt, color: true };
    else if (matches(word, '-force')) force = true;
    else if (matches(word, '-Version')) {
      ctx.print(`tc utility, iproute2-${IPROUTE_VERSION}, libbpf 1.1.2\n`);
      return 0;
    } else if (matches(word, '-help')) throw new ToolExit(0, USAGE);
    else if (matches(word, '-batch')) batch = args.next();
    else if (matches(word, '-netns')) {
      const name = args.next();
      const net = ctx.kernel.netns.byName(name);
      if (net === undefined) throw new ToolExit(255, `Cannot open network namespace "${name}": No such file or directory\n`);
      ctx.net = net;
    } else if (['-graph', '-iec', '-timestamp', '-tshort', '-names', '-conf', '-Numeric', '-brief'].some((o) => matches(word, o)))
      unmodelled(word);
    else throw new ToolExit(255, `Option "${args.word}" is unknown, try "tc -help".\n`);
  }
  return batch === undefined ? runObject(ctx, opt, args) : runBatch(ctx, opt, batch, force);
}

export const TC: Tool = Object.freeze({ run });
