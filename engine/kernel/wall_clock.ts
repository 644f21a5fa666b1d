// The machine's wall clock: a fixed date at boot plus simulated time, so that every run prints the same dates.
import type { Kernel } from './kernel.ts';

/** Seconds since the Unix epoch at boot: 2026-01-01 00:00:00 UTC. */
export const BOOT_EPOCH_SECONDS = 1_767_225_600;

/** Linux: ktime_get_real(), in nanoseconds split as seconds and the rest, since a number cannot hold all digits. */
export function ktimeGetReal(kernel: Kernel): { readonly seconds: number; readonly nanoseconds: number } {
  const now = kernel.now();
  return { seconds: BOOT_EPOCH_SECONDS + Math.floor(now / 1e9), nanoseconds: now % 1e9 };
}
