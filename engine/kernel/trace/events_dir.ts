// events/: one directory per system and event; enabling one attaches the kernel's own listener to its tracepoint.
import { Errno } from '../../base/errno.ts';
import { ops } from '../../base/ops.ts';
import type { ArgKind, EventDef } from '../../trace/trace.ts';
import { DirNode, GeneratedFile, S_IFDIR, S_IFREG, type FileOps, type VfsContext, type VNode } from '../fs/node.ts';
import type { Kernel } from '../kernel.ts';
import { EVENT_FORMATS, type EventFormat } from './event_formats.ts';
import { globToRegExp } from './filter.ts';
import { eventOf, systemOf, type Ftrace } from './ftrace.ts';

const RW = S_IFREG | 0o640;
const RO = S_IFREG | 0o440;
/** Linux: ids below are the tracers' own record types. */
const FIRST_EVENT_ID = 64;
/** Linux: struct trace_entry */
const COMMON_FIELDS_SIZE = 8;

/** Turns events named 'system:event', 'system:', 'system:*', or 'event' on or off. */
export function setEvents(trace: Ftrace, pattern: string, on: boolean): number {
  const colon = pattern.indexOf(':');
  const system = globToRegExp(colon < 0 ? '*' : pattern.slice(0, colon) || '*');
  const name = globToRegExp(colon < 0 ? pattern : pattern.slice(colon + 1) || '*');
  const matches = trace
    .events()
    .filter((e) => (system.test(systemOf(e)) && name.test(eventOf(e))) || (colon < 0 && systemOf(e) === pattern));
  if (matches.length === 0) return -Errno.EINVAL;
  for (const e of matches) trace.enableEvent(e, on);
  return 0;
}

/** What set_event shows: the enabled ones. */
export const setEventText = (trace: Ftrace): string =>
  trace
    .events()
    .filter((e) => trace.enabledEvents.has(e.name))
    .map((e) => `${e.name}\n`)
    .join('');

/** Which events an `enable` file is for: all, a system's, or one. */
const inScope = (trace: Ftrace, path: string): EventDef[] =>
  trace.events().filter((e) => path === '' || e.name === path || systemOf(e) === path);

const ENABLE: FileOps<string> = ops({
  read: (k: Kernel, _ctx: VfsContext, path: string) => {
    const events = inScope(k.trace, path);
    const on = events.filter((e) => k.trace.enabledEvents.has(e.name)).length;
    return on === 0 ? '0\n' : on === events.length ? '1\n' : 'X\n';
  },
  write: (k: Kernel, _ctx: VfsContext, path: string, data: string) => {
    const value = data.trim();
    if (value !== '0' && value !== '1') return -Errno.EINVAL;
    for (const e of inScope(k.trace, path)) k.trace.enableEvent(e, value === '1');
    return 0;
  },
});
const ID: FileOps<string> = ops({ read: (k: Kernel, _ctx: VfsContext, path: string) => `${eventId(k.trace, path)}\n` });
const FORMAT: FileOps<string> = ops({
  read: (k: Kernel, _ctx: VfsContext, path: string) => {
    const def = k.trace.events().find((e) => e.name === path);
    return def === undefined ? -Errno.ENODEV : formatText(def, eventId(k.trace, path));
  },
});

const byName = (trace: Ftrace, path: string): EventDef | undefined => trace.events().find((e) => e.name === path);
/** Of one event: what was written. Of a system: writing sets it for all its events that have the fields. */
const FILTER: FileOps<string> = ops({
  read: (k: Kernel, _ctx: VfsContext, path: string) => `${k.trace.eventFilters.get(path)?.text ?? 'none'}\n`,
  write: (k: Kernel, _ctx: VfsContext, path: string, data: string) => {
    const def = byName(k.trace, path);
    if (def !== undefined) return k.trace.setEventFilter(def, data);
    const taken = inScope(k.trace, path).filter((e) => k.trace.setEventFilter(e, data) === 0);
    return taken.length > 0 ? 0 : -Errno.EINVAL;
  },
});
const SYSTEM_FILTER: FileOps<string> = ops({
  ...FILTER,
  read: () =>
    '### global filter ###\n# Use this to set filters for multiple events.\n# Only events with the given fields will be affected.\n# If no events are modified, an error message will be displayed here\n',
});

const eventId = (trace: Ftrace, path: string): number => FIRST_EVENT_ID + trace.events().findIndex((e) => e.name === path);

/** Types of a record's arguments in C, for events whose layout is not stated in event_formats.ts. */
const C_TYPES: Readonly<Record<ArgKind, readonly [string, number]>> = Object.freeze({
  u8: ['u8', 1],
  u16: ['u16', 2],
  u32: ['unsigned int', 4],
  i32: ['int', 4],
  u64: ['u64', 8],
  addr: ['const void *', 8],
  str: ['__data_loc char[]', 4],
  bool: ['bool', 1],
  ns: ['u64', 8],
});
const CONVERSIONS: Readonly<Partial<Record<ArgKind, string>>> = Object.freeze({ str: '%s', addr: '%p', i32: '%d' });

function derivedFormat(def: EventDef): EventFormat {
  const fields = def.args.map(({ name, kind }) => ({ type: C_TYPES[kind][0], name, size: C_TYPES[kind][1], signed: kind === 'i32' }));
  const formats = def.args.map(({ name, kind }) => `${name}=${CONVERSIONS[kind] ?? '%u'}`);
  const values = def.args.map(({ name, kind }) => (kind === 'str' ? `__get_str(${name})` : `REC->${name}`));
  return { fields, print: `"${formats.join(' ')}", ${values.join(', ')}` };
}

function formatText(def: EventDef, id: number): string {
  const { fields, print } = EVENT_FORMATS.get(def.name) ?? derivedFormat(def);
  let offset = COMMON_FIELDS_SIZE;
  const lines = fields.map(({ type, name, size, signed }) => {
    offset = Math.ceil(offset / size) * size;
    const line = `\tfield:${type} ${name};\toffset:${offset};\tsize:${size};\tsigned:${signed ? 1 : 0};\n`;
    offset += size;
    return line;
  });
  return (
    `name: ${eventOf(def)}\nID: ${id}\nformat:\n` +
    '\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n' +
    '\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;\n' +
    '\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;\n' +
    '\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n' +
    `${lines.join('')}\nprint fmt: ${print}\n`
  );
}

export class EventsDir extends DirNode {
  readonly mode = S_IFDIR | 0o750;
  constructor(readonly kernel: Kernel) {
    super();
  }
  list(_ctx: VfsContext): readonly string[] {
    return ['enable', ...new Set(this.kernel.trace.events().map(systemOf))];
  }
  lookup(ctx: VfsContext, name: string): VNode | undefined {
    if (name === 'enable') return new GeneratedFile(this.kernel, RW, ENABLE, '');
    return this.list(ctx).includes(name) ? new SystemDir(this.kernel, name) : undefined;
  }
}

class SystemDir extends DirNode {
  readonly mode = S_IFDIR | 0o750;
  constructor(
    readonly kernel: Kernel,
    private readonly system: string,
  ) {
    super();
  }
  list(_ctx: VfsContext): readonly string[] {
    return ['enable', 'filter', ...inScope(this.kernel.trace, this.system).map(eventOf)];
  }
  lookup(ctx: VfsContext, name: string): VNode | undefined {
    if (name === 'enable') return new GeneratedFile(this.kernel, RW, ENABLE, this.system);
    if (name === 'filter') return new GeneratedFile(this.kernel, RW, SYSTEM_FILTER, this.system);
    return this.list(ctx).includes(name) ? new EventDir(this.kernel, `${this.system}:${name}`) : undefined;
  }
}

class EventDir extends DirNode {
  readonly mode = S_IFDIR | 0o750;
  constructor(
    readonly kernel: Kernel,
    private readonly event: string,
  ) {
    super();
  }
  list(_ctx: VfsContext): readonly string[] {
    return ['enable', 'filter', 'format', 'id'];
  }
  lookup(_ctx: VfsContext, name: string): VNode | undefined {
    if (name === 'enable') return new GeneratedFile(this.kernel, RW, ENABLE, this.event);
    if (name === 'filter') return new GeneratedFile(this.kernel, RW, FILTER, this.event);
    if (name === 'id') return new GeneratedFile(this.kernel, RO, ID, this.event);
    return name === 'format' ? new GeneratedFile(this.kernel, RO, FORMAT, this.event) : undefined;
  }
}
