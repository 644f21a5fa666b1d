// Which classes hold functions that a tracer may patch. Process-wide, as code is: the kernel's classes and those of loaded modules.

/** A class whose snake_case methods model Linux functions and whose instances have a `kernel` field. */
export interface TraceableClass {
  readonly name: string;
  readonly prototype: object;
}

export interface TraceableGroup {
  /** '' for built-in code, else the module's name as in lsmod. */
  readonly module: string;
  readonly classes: readonly TraceableClass[];
}

const groups: TraceableGroup[] = [];

/** Declares the classes of a module: call at the top level of the module's main file. */
export function traceable(module: string, classes: readonly TraceableClass[]): void {
  groups.push({ module, classes });
}

export const traceableGroups = (): readonly TraceableGroup[] => groups;
