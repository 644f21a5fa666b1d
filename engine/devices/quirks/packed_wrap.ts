// A packed ring whose wrap counters flip only when the position gets smaller: not for a chain as long as the ring.
import { PackedRing } from '../virtqueue_packed.ts';

export class ComparesPositions extends PackedRing {
  protected override flips(before: number, after: number): 0 | 1 {
    return after < before ? 1 : 0;
  }
}
