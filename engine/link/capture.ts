// What a cable shows to whoever records frames: a bounded list drained by the session. Observation, not state: neither cloned nor hashed.
import type { Cloner, SelfCloning } from '../sim/clone.ts';
import type { SelfHashing } from '../sim/hash.ts';
import type { Frame } from './port.ts';

export interface CapturedFrame {
  /** World event during which it was sent. */
  readonly event: number;
  /** First bit on the wire, and last bit at the other end; ns. */
  readonly sent: number;
  readonly arrives: number;
  /** The cable's id. */
  readonly cable: string;
  /** Port names. */
  readonly from: string;
  readonly to: string;
  readonly frame: Frame;
  /** '' when it arrives; otherwise why it does not: 'loss', 'down'. */
  readonly lost: string;
}

export class FrameCapture implements SelfCloning, SelfHashing {
  /** Test before `add`, as with a tracepoint. */
  enabled = false;
  out: CapturedFrame[] = [];
  /** Frames not kept because nobody drained; reset by `drain`. */
  overflow = 0;
  constructor(readonly limit = 65_536) {}

  add(captured: CapturedFrame): void {
    if (this.out.length < this.limit) this.out.push(captured);
    else this.overflow++;
  }

  /** Takes what was captured since the last call. */
  drain(): { readonly frames: readonly CapturedFrame[]; readonly overflow: number } {
    const taken = { frames: this.out, overflow: this.overflow };
    this.out = [];
    this.overflow = 0;
    return taken;
  }

  cloneInto(cloner: Cloner): FrameCapture {
    return cloner.register(this, new FrameCapture(this.limit));
  }

  hashInto(): void {
    // observation is not state
  }
}
