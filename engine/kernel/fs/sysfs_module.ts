// /sys/module: what is loaded, its parameters and who holds it (Linux: kernel/module/sysfs.c, kernel/params.c).
import { Errno } from '../../base/errno.ts';
import { ops } from '../../base/ops.ts';
import type { Kernel } from '../kernel.ts';
import type { Module } from '../module.ts';
import { DirNode, GeneratedFile, S_IFDIR, S_IFREG, StaticDir, StaticLink, type FileOps, type VfsContext, type VNode } from './node.ts';
import { relativeLink } from './paths.ts';

const DIR = S_IFDIR | 0o755;
const RO = S_IFREG | 0o444;
const PAGE = 4096;

const shows = (text: (m: Module) => string): FileOps<Module> => ops({ read: (_k: Kernel, _ctx: VfsContext, m: Module) => `${text(m)}\n` });
const FILES: readonly (readonly [string, number, FileOps<Module>])[] = [
  ['coresize', RO, shows((m) => String(m.def.size))],
  ['initsize', RO, shows(() => '0')],
  ['initstate', RO, shows(() => 'live')],
  ['refcnt', RO, shows((m) => String(m.refcnt))],
  ['taint', RO, shows(() => '')],
  ['uevent', S_IFREG | 0o200, ops({ write: () => 0 })],
];

interface ParamArg {
  readonly module: Module;
  readonly name: string;
}
const BOOLS: ReadonlyMap<string, string> = new Map([
  ['1', 'Y'],
  ['y', 'Y'],
  ['Y', 'Y'],
  ['0', 'N'],
  ['n', 'N'],
  ['N', 'N'],
]);
const PARAM: FileOps<ParamArg> = ops({
  read: (_k: Kernel, _ctx: VfsContext, { module, name }: ParamArg) => `${module.params.get(name) ?? ''}\n`,
  write: (_k: Kernel, _ctx: VfsContext, { module, name }: ParamArg, data: string) => {
    const bool = module.def.params?.find((p) => p.name === name)?.type === 'bool';
    const value = bool ? BOOLS.get(data.trim()) : /^-?\d+$/.test(data.trim()) ? data.trim() : undefined;
    if (value === undefined) return -Errno.EINVAL;
    module.params.set(name, value);
    return 0;
  },
});

export class ModulesDir extends DirNode {
  readonly mode = DIR;
  constructor(readonly kernel: Kernel) {
    super();
  }
  private shown(): Module[] {
    return [...this.kernel.modules.loaded, ...this.kernel.modules.builtin.filter((m) => m.params.size > 0)];
  }
  list(_ctx: VfsContext): readonly string[] {
    return this.shown().map((m) => m.name);
  }
  lookup(_ctx: VfsContext, name: string): VNode | undefined {
    const module = this.shown().find((m) => m.name === name);
    return module === undefined ? undefined : makeModuleDir(this.kernel, module);
  }
}

function makeModuleDir(kernel: Kernel, module: Module): StaticDir {
  const here = `module/${module.name}`;
  const dir = new StaticDir(DIR);
  if (module.params.size > 0) {
    const params = new StaticDir(DIR);
    for (const p of module.def.params ?? [])
      if (p.mode !== 0) params.add(p.name, new GeneratedFile(kernel, S_IFREG | p.mode, PARAM, { module, name: p.name }, PAGE));
    dir.add('parameters', params);
  }
  if (!kernel.modules.loaded.includes(module)) return dir;
  for (const [name, mode, fileOps] of FILES) dir.add(name, new GeneratedFile(kernel, mode, fileOps, module, PAGE));
  const holders = new StaticDir(DIR);
  for (const user of module.users) holders.add(user.name, new StaticLink(relativeLink(`${here}/holders`, `module/${user.name}`), 0));
  dir.add('holders', holders).add('notes', new StaticDir(DIR)).add('sections', new StaticDir(DIR));
  const drivers = new StaticDir(DIR);
  for (const bus of kernel.drivers.buses) {
    for (const drv of bus.drivers) {
      if (drv.module === module.name)
        drivers.add(
          `${bus.type.name}:${drv.name}`,
          new StaticLink(relativeLink(`${here}/drivers`, `bus/${bus.type.name}/drivers/${drv.name}`), 0),
        );
    }
  }
  return drivers.children.size > 0 ? dir.add('drivers', drivers) : dir;
}
