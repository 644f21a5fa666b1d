// Patching of prototypes. Code is process-wide, and so are patches; which kernel traces is decided inside the wrapper.
import { allSites, type FunctionSite, type TracedFunction, type TracedObject } from './functions.ts';
import type { Ftrace } from './ftrace.ts';

interface Patch {
  readonly site: FunctionSite;
  readonly original: TracedFunction;
}

/** Not world state: which prototypes carry a wrapper now. */
const patches: Patch[] = [];
const patched = new Map<object, Set<string>>();
/** Tracers that need them. Weak, so that a dropped world does not keep them installed. */
const users = new Set<WeakRef<Ftrace>>();

/** Installs or removes wrappers so that they are there exactly while some living kernel traces. */
export function updatePatches(trace: Ftrace): void {
  for (const ref of users) {
    const other = ref.deref();
    if (other === undefined || other === trace || !other.tracing) users.delete(ref);
  }
  if (trace.tracing) {
    users.add(new WeakRef(trace));
    for (const site of allSites(trace.kernel)) install(site);
  }
  if (users.size === 0) removeAll();
}

/** A world was dropped: its tracer needs nothing any more, whatever its state says. */
export function releasePatches(trace: Ftrace): void {
  for (const ref of users) if (ref.deref() === trace) users.delete(ref);
  if (users.size === 0) removeAll();
}

/** How many prototypes' methods are patched; for tests. */
export const patchCount = (): number => patches.length;

function install(site: FunctionSite): void {
  let names = patched.get(site.prototype);
  if (names === undefined) patched.set(site.prototype, (names = new Set()));
  if (names.has(site.name)) return;
  names.add(site.name);
  const original = Object.getOwnPropertyDescriptor(site.prototype, site.name)?.value as TracedFunction;
  patches.push({ site, original });
  Object.defineProperty(site.prototype, site.name, {
    value: wrap(site.name, original),
    writable: true,
    configurable: true,
    enumerable: false,
  });
}

function removeAll(): void {
  for (const { site, original } of patches) {
    Object.defineProperty(site.prototype, site.name, { value: original, writable: true, configurable: true, enumerable: false });
  }
  patches.length = 0;
  patched.clear();
}

function wrap(name: string, original: TracedFunction): TracedFunction {
  return function traced(this: TracedObject, ...args: unknown[]): unknown {
    const trace = (this as Partial<TracedObject>).kernel?.trace;
    if (trace === undefined || !trace.tracing || trace.muted) return original.apply(this, args);
    trace.enter(name);
    try {
      return original.apply(this, args);
    } finally {
      trace.leave();
    }
  };
}
