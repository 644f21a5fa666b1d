// Classes whose functions can be traced though no field of the kernel leads to them. Process-wide, as code is.

/** A class whose snake_case methods model Linux functions and whose instances have a `kernel` field. */
export interface TraceableClass {
  readonly prototype: object;
}

export interface TraceableGroup {
  /** '' for built-in code, else the module's name as in lsmod. */
  readonly module: string;
  readonly classes: readonly TraceableClass[];
}

const groups: TraceableGroup[] = [];

/** Declares classes: call at the top level of their file. Loadable modules list theirs in ModuleDef.functions instead. */
export function traceable(module: string, classes: readonly TraceableClass[]): void {
  groups.push({ module, classes });
}

export const traceableGroups = (): readonly TraceableGroup[] => groups;
