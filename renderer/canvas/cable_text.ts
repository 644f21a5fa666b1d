// What a cable does to frames, in few words.
import type { CableView } from '../../preload/contract.ts';
import { formatDuration, formatLoss, formatRate } from '../widgets/units.ts';

/** '1 Gbit/s · 1 ms · 0.5 %'; nothing for a cable without limits. */
export function cableText(cable: CableView): string {
  const parts: string[] = [];
  if (cable.rateBitsPerSecond > 0) parts.push(formatRate(cable.rateBitsPerSecond));
  if (cable.delayNs > 0) parts.push(formatDuration(cable.delayNs));
  if (cable.loss > 0) parts.push(`${formatLoss(cable.loss)} loss`);
  return parts.join(' · ');
}
