// A 64-bit hash of world state: equal states hash equally (order of queues and tables included); frozen constants count by presence only.

/** A class that feeds the hash itself (RAM: allocated pages only) or not at all (the trace: what is observed changes nothing). */
export interface SelfHashing {
  hashInto(hasher: Hasher): void;
}
const isSelfHashing = (o: object): o is SelfHashing => typeof (o as Partial<SelfHashing>).hashInto === 'function';

const scratch = new DataView(new ArrayBuffer(8));

export class Hasher {
  private a = 0x9e3779b9 | 0;
  private b = 0x85ebca6b | 0;
  private readonly seen = new Map<object, number>();

  word(w: number): void {
    this.a = Math.imul(this.a ^ w, 0x01000193);
    this.a ^= this.a >>> 15;
    this.b = Math.imul(this.b + w, 0x27d4eb2f);
    this.b = (this.b << 13) | (this.b >>> 19);
  }

  bytes(data: Uint8Array, from = 0, to = data.length): void {
    let i = from;
    if ((data.byteOffset & 3) === 0) {
      while ((i & 3) !== 0 && i < to) this.word(data[i++]);
      const words = new Int32Array(data.buffer, data.byteOffset + i, (to - i) >> 2);
      for (let k = 0; k < words.length; k++) this.word(words[k]);
      i += words.length * 4;
    }
    while (i < to) this.word(data[i++]);
  }

  add(value: unknown): void {
    switch (typeof value) {
      case 'number':
        if ((value | 0) === value) this.word(value);
        else {
          scratch.setFloat64(0, value);
          this.word(scratch.getInt32(0));
          this.word(scratch.getInt32(4));
        }
        return;
      case 'string':
        this.word(value.length | 0x40000000);
        for (let i = 0; i < value.length; i++) this.word(value.charCodeAt(i));
        return;
      case 'boolean':
        this.word(value ? 0x11 : 0x22);
        return;
      case 'bigint':
        this.add(value.toString(16));
        return;
      case 'object':
        if (value === null) this.word(0x33);
        else this.object(value);
        return;
      default:
        this.word(0x44); // undefined, function
    }
  }

  private object(o: object): void {
    if (Object.isFrozen(o)) return this.word(0x55);
    const at = this.seen.get(o);
    if (at !== undefined) return this.word(at | 0x20000000);
    this.seen.set(o, this.seen.size);
    if (isSelfHashing(o)) return o.hashInto(this);
    if (Array.isArray(o)) {
      this.word(o.length);
      for (let i = 0; i < o.length; i++) this.add(o[i] as unknown);
    } else if (o instanceof Map) {
      this.word(o.size);
      for (const [k, v] of o) {
        this.add(k);
        this.add(v);
      }
    } else if (o instanceof Set) {
      this.word(o.size);
      for (const v of o) this.add(v);
    } else if (o instanceof ArrayBuffer) this.bytes(new Uint8Array(o));
    else if (ArrayBuffer.isView(o)) this.bytes(new Uint8Array(o.buffer, o.byteOffset, o.byteLength));
    else {
      for (const key of Object.keys(o)) {
        const v = (o as Record<string, unknown>)[key];
        if (typeof v !== 'function') this.add(v);
      }
    }
  }

  /** 16 hex digits. */
  digest(): string {
    const half = (n: number): string => (n >>> 0).toString(16).padStart(8, '0');
    return half(this.a) + half(this.b);
  }
}

/** The hash of any piece of world state. */
export function hashOf(value: unknown): string {
  const h = new Hasher();
  h.add(value);
  return h.digest();
}
