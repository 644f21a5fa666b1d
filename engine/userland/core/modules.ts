// kmod's tools: lsmod, modprobe, rmmod, insmod.
import { Errno, strerror } from '../../base/errno.ts';
import type { ModuleDef } from '../../kernel/module.ts';
import { getopt } from '../ping/getopt.ts';
import { type Tool, type ToolContext, ToolExit } from '../tool.ts';

const KMOD_VERSION = 'kmod version 30\n+ZSTD +XZ -ZLIB +LIBCRYPTO -EXPERIMENTAL\n';

const release = (ctx: ToolContext): string => ctx.readFile('/proc/sys/kernel/osrelease').trim();
const onDisk = (ctx: ToolContext, def: ModuleDef): string => `/lib/modules/${release(ctx)}/${def.path}`;

/** Modules that use this one, in the order of its holders directory. */
function holders(ctx: ToolContext, name: string): string[] {
  const users = ctx.kernel.modules.find_module(name)?.users.map((m) => m.name) ?? [];
  const entries = ctx.kernel.vfs.readdir(ctx.vfs, `/sys/module/${name}/holders`);
  if (typeof entries === 'number') return users;
  const listed = entries.map((e) => e.name).filter((n) => users.includes(n));
  return listed.length === users.length ? listed : users;
}

function lsmod(ctx: ToolContext): number {
  ctx.print('Module                  Size  Used by\n');
  for (const m of ctx.kernel.modules.loaded) {
    const users = holders(ctx, m.name);
    ctx.print(`${m.name.padEnd(19)} ${String(m.def.size).padStart(8)}  ${m.refcnt}${users.length > 0 ? ` ${users.join(',')}` : ''}\n`);
  }
  return 0;
}

function remove(ctx: ToolContext, names: readonly string[], verbose: boolean): number {
  let status = 0;
  for (const name of names) {
    const r = ctx.kernel.modules.modprobeRemove(name);
    if (verbose) for (const d of r.done) ctx.print(`rmmod ${d.name}\n`);
    if (r.errno === 0) continue;
    status = 1;
    if (r.errno === -Errno.ENOENT) ctx.error(`modprobe: FATAL: Module ${name} not found.\n`);
    else if (ctx.kernel.modules.isBuiltin(name)) ctx.error(`modprobe: FATAL: Module ${name} is builtin.\n`);
    else ctx.error(`modprobe: FATAL: Module ${r.failed ?? name} is in use.\n`);
  }
  return status;
}

function modprobe(ctx: ToolContext): number {
  const long: Readonly<Record<string, string>> = {
    '--verbose': '-v',
    '--remove': '-r',
    '--quiet': '-q',
    '--version': '-V',
    '--all': '-a',
    '--dry-run': '-n',
  };
  const parsed = getopt(
    ctx.argv.slice(1).map((w) => long[w] ?? w),
    'vrqVan',
  );
  if (parsed.error !== undefined) throw new ToolExit(1, `modprobe: ${parsed.error}\n`);
  const has = (letter: string): boolean => parsed.options.some((o) => o.letter === letter);
  if (has('V')) {
    ctx.print(KMOD_VERSION);
    return 0;
  }
  if (parsed.operands.length === 0) throw new ToolExit(1, 'modprobe: ERROR: missing parameters. See -h.\n');
  if (has('n')) throw new ToolExit(1, 'modprobe: --dry-run is not modelled\n');
  if (has('r')) return remove(ctx, parsed.operands, has('v'));
  const names = has('a') ? parsed.operands : parsed.operands.slice(0, 1);
  let status = 0;
  for (const name of names) {
    const r = ctx.kernel.modules.modprobe(name, has('a') ? [] : parsed.operands.slice(1));
    if (has('v')) for (const d of r.done) ctx.print(`insmod ${onDisk(ctx, d)} \n`);
    if (r.errno === 0) continue;
    status = 1;
    if (has('q')) continue;
    if (r.failed === undefined) ctx.error(`modprobe: FATAL: Module ${name} not found in directory /lib/modules/${release(ctx)}\n`);
    else ctx.error(`modprobe: ERROR: could not insert '${r.failed}': ${strerror(r.errno)}\n`);
  }
  return status;
}

function rmmod(ctx: ToolContext): number {
  const names = ctx.argv.slice(1).filter((w) => !w.startsWith('-'));
  if (names.length === 0) throw new ToolExit(1, 'rmmod: ERROR: missing module name.\n');
  let status = 0;
  for (const given of names) {
    const name = given.replace(/^.*\//, '').replace(/\.ko$/, '').replaceAll('-', '_');
    const { modules } = ctx.kernel;
    const m = modules.find_module(name);
    if (m !== undefined && m.refcnt === 0 && modules.delete_module(name) === 0) continue;
    status = 1;
    if (m === undefined) ctx.error(`rmmod: ERROR: Module ${name} is ${modules.isBuiltin(name) ? 'builtin.' : 'not currently loaded'}\n`);
    else
      ctx.error(
        m.users.length > 0
          ? `rmmod: ERROR: Module ${name} is in use by: ${holders(ctx, name).join(' ')}\n`
          : `rmmod: ERROR: Module ${name} is in use\n`,
      );
  }
  return status;
}

function insmod(ctx: ToolContext): number {
  const path = ctx.argv[1] as string | undefined;
  if (path === undefined) throw new ToolExit(1, 'insmod: ERROR: missing filename.\n');
  const def = ctx.kernel.modules.table.loadable.find((d) => onDisk(ctx, d) === path);
  if (def === undefined) throw new ToolExit(1, `insmod: ERROR: could not load module ${path}: ${strerror(Errno.ENOENT)}\n`);
  const r = ctx.kernel.modules.init_module(def, ctx.argv.slice(2));
  if (r === 0) return 0;
  throw new ToolExit(
    1,
    `insmod: ERROR: could not insert module ${path}: ${r === -Errno.ENOENT ? 'Unknown symbol in module' : strerror(r)}\n`,
  );
}

export const LSMOD: Tool = Object.freeze({ run: lsmod });
export const MODPROBE: Tool = Object.freeze({ run: modprobe });
export const RMMOD: Tool = Object.freeze({ run: rmmod });
export const INSMOD: Tool = Object.freeze({ run: insmod });
