// Named random streams: sfc32 seeded from (seed, name), so that one consumer's use never shifts another's.

export class RandomStream {
  private readonly s = new Int32Array(4);

  constructor(seed: number, name: string) {
    let h = 0x811c9dc5 ^ (seed | 0);
    for (let i = 0; i < name.length; i++) h = Math.imul(h ^ name.charCodeAt(i), 0x01000193);
    this.s[0] = h;
    this.s[1] = Math.floor(seed / 0x100000000) ^ 0x9e3779b9;
    this.s[2] = Math.imul(h, 0x85ebca6b);
    this.s[3] = 1;
    for (let i = 0; i < 15; i++) this.u32();
  }

  /** 0 … 2^32-1 */
  u32(): number {
    const s = this.s;
    const t = (((s[0] + s[1]) | 0) + s[3]) | 0;
    s[3] = (s[3] + 1) | 0;
    s[0] = s[1] ^ (s[1] >>> 9);
    s[1] = (s[2] + (s[2] << 3)) | 0;
    s[2] = ((s[2] << 21) | (s[2] >>> 11)) + t;
    return t >>> 0;
  }

  /** [0, 1) with 32 bits. */
  float(): number {
    return this.u32() / 0x100000000;
  }

  /** 0 … n-1 */
  below(n: number): number {
    return Math.floor(this.float() * n);
  }
}
