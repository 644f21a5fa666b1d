// Loadable modules (Linux: kernel/module, kmod's modprobe and rmmod): dependencies, use counts, init and exit.
import { Errno } from '../base/errno.ts';
import type { Kernel } from './kernel.ts';

export interface ModuleParam {
  readonly name: string;
  readonly type: string; // 'bool', 'int', as modinfo prints it
  readonly value: string;
  readonly mode: number;
  readonly description?: string;
}

/** One module as built: a constant made with `ops({...})`. */
export interface ModuleDef {
  readonly name: string;
  /** Below /lib/modules/RELEASE/: 'kernel/drivers/net/virtio_net.ko'. Empty for what is built in. */
  readonly path: string;
  /** Bytes as lsmod shows them. */
  readonly size: number;
  /** Modules whose symbols it uses, as `depends:` of modinfo lists them. */
  readonly depends: readonly string[];
  /** Everything it needs, directly or not, in the order of insertion (modules.dep); `depends` when absent. */
  readonly insertOrder?: readonly string[];
  readonly description: string;
  readonly author?: string;
  readonly license: string;
  readonly version?: string;
  readonly aliases?: readonly string[];
  readonly params?: readonly ModuleParam[];
  /** Classes whose snake_case methods are this module's functions, for the function tracer. */
  readonly functions?: readonly Function[];
  /** 0 or -errno. `module.state` is the place for what C keeps in static variables. */
  init?(kernel: Kernel, module: Module): number;
  exit?(kernel: Kernel, module: Module): void;
}

/** All modules a machine has on its disk, and what is built into its kernel (initialised at boot, in order). */
export interface ModuleTable {
  readonly builtin: readonly ModuleDef[];
  readonly loadable: readonly ModuleDef[];
  /** Modules of the disk whose hardware is not modelled: known by name and alias only, as modules.alias lists them. */
  readonly foreign?: readonly Pick<ModuleDef, 'name' | 'aliases'>[];
}

/** A loaded module. */
export class Module {
  refcnt = 0;
  /** Modules that use this one, newest first. */
  readonly users: Module[] = [];
  readonly params = new Map<string, string>();
  state: object | undefined;
  constructor(readonly def: ModuleDef) {
    for (const p of def.params ?? []) this.params.set(p.name, p.value);
  }
  get name(): string {
    return this.def.name;
  }
}

export interface ModprobeResult {
  readonly errno: number;
  /** What was inserted or removed, in order, including by a call that failed later. */
  readonly done: readonly ModuleDef[];
  /** The module whose init or removal failed. */
  readonly failed?: string;
}

export class Modules {
  /** Inline in Linux. */
  static readonly inlined: readonly string[] = Object.freeze(['init_module', 'delete_module']);
  /** Newest first, the order of /proc/modules. */
  readonly loaded: Module[] = [];
  readonly builtin: Module[] = [];
  constructor(
    readonly kernel: Kernel,
    readonly table: ModuleTable,
  ) {}

  /** Boot: initialises what is built in. */
  do_initcalls(): void {
    for (const def of this.table.builtin) {
      const m = new Module(def);
      this.builtin.push(m);
      def.init?.(this.kernel, m);
    }
  }

  find_module(name: string): Module | undefined {
    const n = canonical(name);
    return this.loaded.find((m) => m.def.name === n);
  }

  /** A module on disk, by name or alias. */
  findOnDisk(name: string): ModuleDef | undefined {
    const n = canonical(name);
    return this.table.loadable.find((d) => d.name === n) ?? this.table.loadable.find((d) => d.aliases?.includes(name));
  }

  isBuiltin(name: string): boolean {
    const n = canonical(name);
    return this.table.builtin.some((d) => d.name === n);
  }

  /** The built-in or loaded module's state object. */
  state(name: string): object | undefined {
    return (this.find_module(name) ?? this.builtin.find((m) => m.def.name === name))?.state;
  }

  /** insmod: 0, -EEXIST, -ENOENT (a needed module is missing), -EINVAL for a parameter or what init returned. `options` are NAME=VALUE. */
  init_module(def: ModuleDef, options: readonly string[] = []): number {
    if (this.find_module(def.name) !== undefined) return -Errno.EEXIST;
    const needs: Module[] = [];
    for (const d of def.depends) {
      const m = this.find_module(d);
      if (m === undefined && !this.isBuiltin(d)) return -Errno.ENOENT;
      if (m !== undefined) needs.push(m);
    }
    const module = new Module(def);
    this.loaded.unshift(module);
    for (const m of needs) {
      m.users.unshift(module);
      m.refcnt++;
    }
    const ret = this.parse_args(module, options) || this.do_init_module(module);
    if (ret < 0) this.free_module(module);
    return ret;
  }

  /** Sets what the command line gives; a boolean is kept as Y or N. 0 or -EINVAL. */
  parse_args(module: Module, options: readonly string[]): number {
    const { name } = module.def;
    for (const option of options) {
      const at = option.indexOf('=');
      const key = (at < 0 ? option : option.slice(0, at)).replaceAll('-', '_');
      const param = module.def.params?.find((p) => p.name === key);
      if (param === undefined) {
        this.kernel.printk.pr_warn(`${name}: unknown parameter '${key}' ignored`);
        continue;
      }
      const value = paramValue(param.type, at < 0 ? undefined : option.slice(at + 1));
      if (value === undefined) {
        this.kernel.printk.pr_err(`${name}: \`${at < 0 ? '' : option.slice(at + 1)}' invalid for parameter \`${key}'`);
        return -Errno.EINVAL;
      }
      module.params.set(key, value);
    }
    return 0;
  }

  do_init_module(module: Module): number {
    return module.def.init?.(this.kernel, module) ?? 0;
  }

  /** rmmod: 0, -ENOENT when not loaded, -EAGAIN when in use. */
  delete_module(name: string): number {
    const module = this.find_module(name);
    if (module === undefined) return -Errno.ENOENT;
    if (module.refcnt > 0) return -Errno.EAGAIN;
    module.def.exit?.(this.kernel, module);
    this.free_module(module);
    return 0;
  }

  free_module(module: Module): void {
    for (const m of this.loaded) {
      const i = m.users.indexOf(module);
      if (i >= 0) {
        m.users.splice(i, 1);
        m.refcnt--;
      }
    }
    const i = this.loaded.indexOf(module);
    if (i >= 0) this.loaded.splice(i, 1);
  }

  /** What `def` needs, in the order of insertion. */
  dependencies(def: ModuleDef): ModuleDef[] {
    return (def.insertOrder ?? def.depends).flatMap((name) => this.table.loadable.filter((d) => d.name === name));
  }

  /** What modprobe would insert for `def`: what is missing of its dependencies, then itself. */
  insertOrder(def: ModuleDef): ModuleDef[] {
    return [...this.dependencies(def), def].filter((d) => this.find_module(d.name) === undefined);
  }

  /** Loads a module and what it needs; nothing to do when it is loaded or built in. -ENOENT when there is none of that name. */
  modprobe(name: string, options: readonly string[] = []): ModprobeResult {
    const def = this.findOnDisk(name);
    if (def === undefined) return { errno: this.isBuiltin(name) ? 0 : -Errno.ENOENT, done: [] };
    const done: ModuleDef[] = [];
    for (const d of this.insertOrder(def)) {
      const ret = this.init_module(d, d === def ? options : []);
      if (ret < 0) return { errno: ret, done, failed: d.name };
      done.push(d);
    }
    return { errno: 0, done };
  }

  /** modprobe -r: removes the module, then those of its dependencies that nobody uses any more. -ENOENT: not on disk; -EBUSY: in use. */
  modprobeRemove(name: string): ModprobeResult {
    const def = this.findOnDisk(name);
    if (def === undefined) return { errno: -Errno.ENOENT, done: [] };
    const module = this.find_module(def.name);
    if (module === undefined) return { errno: 0, done: [] };
    if (module.refcnt > 0) return { errno: -Errno.EBUSY, done: [], failed: def.name };
    this.delete_module(def.name);
    const done = [def];
    // kmod 30: one pass over the dependencies in the order of insertion; what only becomes free in this pass stays
    for (const d of this.dependencies(def)) {
      if (this.find_module(d.name)?.refcnt === 0 && this.delete_module(d.name) === 0) done.push(d);
    }
    return { errno: 0, done };
  }
}

/** Module names are written with '-' or '_'. */
const canonical = (name: string): string => name.replaceAll('-', '_');

/** As the parameter's type keeps it, undefined when it is none of that type (Linux: kernel/params.c). */
function paramValue(type: string, text: string | undefined): string | undefined {
  if (type === 'bool') return text === undefined || /^(y|Y|1|on|ON|On)/.test(text) ? 'Y' : /^(n|N|0|of|OF|Of)/.test(text) ? 'N' : undefined;
  if (text === undefined) return undefined;
  const words = type.startsWith('array of') ? text.split(',') : [text];
  if (/(int|uint|long|ushort|short|byte)$/.test(type)) return words.every((w) => /^-?(0x[0-9a-f]+|\d+)$/i.test(w)) ? text : undefined;
  return text;
}
