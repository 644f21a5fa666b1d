// Devices with a known mistake, for labs that show what it does: a NIC's lab key `quirks`.
import { ops } from '../../base/ops.ts';
import type { VirtioNetParts } from '../virtio_net.ts';
import { SplitRing } from '../virtqueue_split.ts';
import { ComparesPositions } from './packed_wrap.ts';
import { NoRetry, NoSecondLook, NoTransmitInterrupt } from './transmit.ts';

export interface NicQuirk {
  readonly parts: Partial<VirtioNetParts>;
  /** What is wrong with it, in a sentence. */
  readonly about: string;
}

/** A word of 32 bits has no bit 31 that is above zero. */
const signedTest = (word: bigint, feature: bigint): boolean => {
  const half = feature > 0xffffffffn ? 32n : 0n;
  return (Number(BigInt.asIntN(32, word >> half)) & Number(BigInt.asIntN(32, feature >> half))) > 0;
};

export const NIC_QUIRKS = ops({
  'no-tx-interrupt': ops<NicQuirk>({
    parts: ops({ coalescing: NoTransmitInterrupt }),
    about: 'used transmit buffers make no interrupt',
  }),
  'no-second-look': ops<NicQuirk>({
    parts: ops({ tx: NoSecondLook }),
    about: 'after asking for doorbells the transmit ring is not looked at once more',
  }),
  'no-retry': ops<NicQuirk>({
    parts: ops({ tx: NoRetry }),
    about: 'a packet that the wire has no room for is tried again at the next doorbell only',
  }),
  'packed-wrap': ops<NicQuirk>({
    parts: ops({ rings: ops({ split: SplitRing, packed: ComparesPositions }) }),
    about: 'the wrap counters of a packed ring stay when a chain is as long as the ring',
  }),
  'packed-as-split': ops<NicQuirk>({
    parts: ops({ rings: ops({ split: SplitRing, packed: SplitRing }) }),
    about: 'packed rings are offered and read as split ones',
  }),
  'signed-features': ops<NicQuirk>({
    parts: ops({ has: signedTest }),
    about: 'a feature bit is tested with (word & bit) > 0 on signed 32-bit words: bits 31 and 63 are never there',
  }),
});

export type NicQuirkName = keyof typeof NIC_QUIRKS;
export const NIC_QUIRK_NAMES = Object.freeze(Object.keys(NIC_QUIRKS)) as readonly NicQuirkName[];
