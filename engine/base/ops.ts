// Op tables and other constants that the world refers to but does not own: frozen, so that clone and hash share them by identity.

/** Marks a table of functions or data as a shared constant. Clone keeps the reference; hash ignores its contents. */
export function ops<T extends object>(table: T): Readonly<T> {
  return Object.freeze(table);
}

/** A defect of ours, never the guest's: the run stops and the person sees it. */
export class InvariantError extends Error {
  override readonly name = 'InvariantError';
}

export function invariant(condition: boolean, what: string): asserts condition {
  if (!condition) throw new InvariantError(what);
}
