// Where the parts of a split ring lie in one run of memory (Linux: vring_init() with the cache line as alignment).
import type { Gpa } from '../../base/units.ts';
import { availEventAt, availRingBytes, descTableBytes, usedEventAt, usedRingBytes } from '../../virtio/ring.ts';

/** Linux: SMP_CACHE_BYTES on x86: what a modern transport asks for; the legacy layout has pages (virtio-v1.2 §2.7.2). */
export const VRING_ALIGN = 64;

export interface VringPlace {
  readonly desc: Gpa;
  readonly avail: Gpa;
  readonly used: Gpa;
  readonly usedEvent: number;
  readonly availEvent: number;
  readonly bytes: number;
}

/** The parts of a ring of `num` entries at `base`, the used ring at a multiple of `align`. */
export function placeVring(base: Gpa, num: number, align = VRING_ALIGN): VringPlace {
  const avail = base + descTableBytes(num);
  const used = Math.ceil((avail + availRingBytes(num)) / align) * align;
  return {
    desc: base,
    avail: avail as Gpa,
    used: used as Gpa,
    usedEvent: usedEventAt(avail, num),
    availEvent: availEventAt(used, num),
    bytes: used + usedRingBytes(num) - base,
  };
}
