// mount (util-linux) without arguments: what is mounted where; -t filters by type.
import { ops } from '../../base/ops.ts';
import { type Tool, type ToolContext, ToolExit } from '../tool.ts';

export const MOUNT: Tool = ops<Tool>({
  run(ctx: ToolContext): number {
    const args = ctx.argv.slice(1);
    const types = args[0] === '-t' ? (args[1] ?? '').split(',') : undefined;
    if (args.length > (types === undefined ? 0 : 2)) throw new ToolExit(1, 'mount: mounting a file system is not modelled\n');
    for (const m of ctx.kernel.vfs.mounts.list) {
      if (types === undefined || types.includes(m.fstype)) ctx.print(`${m.source} on ${m.path} type ${m.fstype} (${m.options})\n`);
    }
    return 0;
  },
});
