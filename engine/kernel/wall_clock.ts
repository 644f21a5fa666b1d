// The machine's wall clock: what its real-time clock showed at boot plus simulated time, so that every run prints the same dates.
import type { Kernel } from './kernel.ts';

/** What a real-time clock shows at boot when the lab does not say, in seconds since the Unix epoch: 2026-01-01 00:00:00 UTC. */
export const DEFAULT_RTC = 1_767_225_600;

/** Linux: ktime_get_real(), in nanoseconds split as seconds and the rest, since a number cannot hold all digits. */
export function ktimeGetReal(kernel: Kernel): { readonly seconds: number; readonly nanoseconds: number } {
  const now = kernel.now();
  return { seconds: kernel.rtc + Math.floor(now / 1e9), nanoseconds: now % 1e9 };
}
