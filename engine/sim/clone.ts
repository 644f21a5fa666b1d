// Structural clone of world state: keeps identity, prototypes and cycles; frozen objects and functions are shared constants.

/** A class whose instances clone themselves (RAM: only what was ever allocated; the trace: without its pending output). */
export interface SelfCloning {
  cloneInto(cloner: Cloner): object;
}
const isSelfCloning = (o: object): o is SelfCloning => typeof (o as Partial<SelfCloning>).cloneInto === 'function';

/** One clone operation; use a fresh one per fork. */
export class Cloner {
  private readonly copies = new Map<object, object>();

  /** The copy of `value`, made at the first meeting. */
  clone<T>(value: T): T {
    if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
    const known = this.copies.get(value);
    if (known !== undefined) return known as T;
    return this.copy(value) as T;
  }

  /** For `cloneInto`: records the copy before its fields are cloned, so that cycles end. */
  register<T extends object>(original: object, copy: T): T {
    this.copies.set(original, copy);
    return copy;
  }

  private copy(o: object): object {
    if (isSelfCloning(o)) return o.cloneInto(this);
    if (Array.isArray(o)) {
      const out = this.register(o, new Array<unknown>(o.length));
      for (let i = 0; i < o.length; i++) out[i] = this.clone(o[i] as unknown);
      return out;
    }
    if (o instanceof Map) {
      const out = this.register(o, new Map<unknown, unknown>());
      for (const [k, v] of o) out.set(this.clone(k as unknown), this.clone(v as unknown));
      return out;
    }
    if (o instanceof Set) {
      const out = this.register(o, new Set<unknown>());
      for (const v of o) out.add(this.clone(v as unknown));
      return out;
    }
    if (o instanceof ArrayBuffer) return this.register(o, o.slice(0));
    if (ArrayBuffer.isView(o)) return this.copyView(o);
    const out = this.register(o, Object.create(Object.getPrototypeOf(o) as object) as Record<string, unknown>);
    for (const key of Object.keys(o)) out[key] = this.clone((o as Record<string, unknown>)[key]);
    return out;
  }

  private copyView(view: ArrayBufferView): object {
    const buffer = this.clone(view.buffer) as ArrayBuffer;
    const Type = view.constructor as new (b: ArrayBuffer, offset: number, length: number) => object;
    const length = view instanceof DataView ? view.byteLength : (view as Uint8Array).length;
    return this.register(view, new Type(buffer, view.byteOffset, length));
  }
}
