// Where two pieces of world state differ: paths for a person, when two hashes that should be equal are not.

/** The first `limit` differing places, each with its path. */
export function worldDiff(a: unknown, b: unknown, limit = 10): string[] {
  const out: string[] = [];
  const seen = new Map<object, object>();
  const visit = (x: unknown, y: unknown, path: string): void => {
    if (out.length >= limit || Object.is(x, y)) return;
    if (typeof x !== 'object' || typeof y !== 'object' || x === null || y === null) {
      if (typeof x !== 'function') out.push(`${path}: ${String(x)} ≠ ${String(y)}`);
      return;
    }
    if (Object.isFrozen(x)) return;
    const known = seen.get(x);
    if (known !== undefined) {
      if (known !== y) out.push(`${path}: another object than before`);
      return;
    }
    seen.set(x, y);
    if (ArrayBuffer.isView(x) && ArrayBuffer.isView(y)) {
      const p = new Uint8Array(x.buffer, x.byteOffset, x.byteLength);
      const q = new Uint8Array(y.buffer, y.byteOffset, y.byteLength);
      const at = p.findIndex((v, i) => v !== q[i]);
      if (at >= 0 || p.length !== q.length) out.push(`${path}: bytes differ at ${at}`);
      return;
    }
    if (x instanceof Map && y instanceof Map) {
      const [ex, ey] = [[...(x as Map<unknown, unknown>)], [...(y as Map<unknown, unknown>)]];
      if (ex.length !== ey.length) out.push(`${path}: ${ex.length} entries ≠ ${ey.length}`);
      ex.forEach(([k, v], i) => visit([k, v], ey[i], `${path}<${String(k)}>`));
      return;
    }
    if (x instanceof Set && y instanceof Set) return visit([...(x as Set<unknown>)], [...(y as Set<unknown>)], `${path}{}`);
    const kx = Object.keys(x);
    const ky = Object.keys(y);
    if (kx.join() !== ky.join())
      out.push(
        `${path}: keys ${kx.filter((k) => !ky.includes(k)).join()} ≠ ${ky.filter((k) => !kx.includes(k)).join()}${kx.length === ky.length ? ' (order)' : ''}`,
      );
    for (const k of kx) visit((x as Record<string, unknown>)[k], (y as Record<string, unknown>)[k], `${path}.${k}`);
  };
  visit(a, b, 'world');
  return out;
}
