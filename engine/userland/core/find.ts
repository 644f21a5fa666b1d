// find (GNU findutils): walks directories without following links; tests -type, -name, -path, -maxdepth, -mindepth, -print.
import { strerror } from '../../base/errno.ts';
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from '../../kernel/fs/node.ts';
import { globToRegExp } from '../../kernel/trace/filter.ts';
import { ops } from '../../base/ops.ts';
import { type Tool, type ToolContext, ToolExit } from '../tool.ts';

interface Plan {
  readonly roots: readonly string[];
  readonly tests: readonly ((path: string, name: string, type: number) => boolean)[];
  readonly minDepth: number;
  readonly maxDepth: number;
}

const TYPES: Readonly<Record<string, number>> = { f: S_IFREG, d: S_IFDIR, l: S_IFLNK };

function argument(args: readonly string[], i: number): string {
  if (i + 1 >= args.length) throw new ToolExit(1, `find: missing argument to \`${args[i]}'\n`);
  return args[i + 1];
}

function depth(args: readonly string[], i: number): number {
  const text = argument(args, i);
  if (!/^\d+$/.test(text)) throw new ToolExit(1, `find: Expected a positive decimal integer argument to ${args[i]}, but got '${text}'\n`);
  return Number(text);
}

function parse(args: readonly string[]): Plan {
  const roots: string[] = [];
  const tests: Plan['tests'][number][] = [];
  let minDepth = 0;
  let maxDepth = Infinity;
  let i = 0;
  while (i < args.length && !args[i].startsWith('-') && args[i] !== '!' && args[i] !== '(') roots.push(args[i++]);
  for (; i < args.length; i++) {
    switch (args[i]) {
      case '-type': {
        const letters = argument(args, i++);
        const wanted = letters.split(',').map((l) => TYPES[l]);
        if (wanted.includes(undefined as never)) throw new ToolExit(1, `find: Unknown argument to -type: ${letters[0] ?? ''}\n`);
        tests.push((_path, _name, type) => wanted.includes(type));
        break;
      }
      case '-name': {
        const glob = globToRegExp(argument(args, i++));
        tests.push((_path, name) => glob.test(name));
        break;
      }
      case '-path': {
        const glob = globToRegExp(argument(args, i++));
        tests.push((path) => glob.test(path));
        break;
      }
      case '-maxdepth':
        maxDepth = depth(args, i++);
        break;
      case '-mindepth':
        minDepth = depth(args, i++);
        break;
      case '-print':
        break;
      default:
        throw new ToolExit(
          1,
          args[i].startsWith('-') ? `find: unknown predicate \`${args[i]}'\n` : `find: paths must precede expression: \`${args[i]}'\n`,
        );
    }
  }
  return { roots: roots.length > 0 ? roots : ['.'], tests, minDepth, maxDepth };
}

class Walk {
  status = 0;
  private out = '';
  constructor(
    private readonly ctx: ToolContext,
    private readonly plan: Plan,
  ) {}

  run(): number {
    for (const root of this.plan.roots) {
      const st = this.ctx.kernel.vfs.lstat(this.ctx.vfs, root);
      if (typeof st === 'number') this.fail(root, st);
      else this.visit(root, root.replace(/\/+$/, '').replace(/^.*\//, ''), st.mode & S_IFMT, 0);
    }
    this.ctx.print(this.out);
    return this.status;
  }

  private visit(path: string, name: string, type: number, level: number): void {
    if (level >= this.plan.minDepth && this.plan.tests.every((t) => t(path, name, type))) this.out += `${path}\n`;
    if (type !== S_IFDIR || level >= this.plan.maxDepth) return;
    const entries = this.ctx.kernel.vfs.readdir(this.ctx.vfs, path);
    if (typeof entries === 'number') return this.fail(path, entries);
    for (const e of entries) this.visit(path.endsWith('/') ? path + e.name : `${path}/${e.name}`, e.name, e.type, level + 1);
  }

  private fail(path: string, errno: number): void {
    this.ctx.error(`find: '${path}': ${strerror(errno)}\n`);
    this.status = 1;
  }
}

export const FIND: Tool = ops<Tool>({
  run(ctx: ToolContext): number {
    return new Walk(ctx, parse(ctx.argv.slice(1))).run();
  },
});
