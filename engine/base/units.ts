// Units as types: branded numbers that cannot be mixed by accident.

declare const unit: unique symbol;
type Branded<Name extends string> = number & { readonly [unit]: Name };

/** Simulated time, nanoseconds since the world's boot. */
export type Instant = Branded<'Instant'>;
/** A span of simulated time, nanoseconds. */
export type Duration = Branded<'Duration'>;
/** Guest-physical address. */
export type Gpa = Branded<'Gpa'>;
/** Address as a device sees it (bus address, IOVA). */
export type DmaAddr = Branded<'DmaAddr'>;

export const ns = (n: number): Duration => n as Duration;
export const us = (n: number): Duration => (n * 1e3) as Duration;
export const ms = (n: number): Duration => (n * 1e6) as Duration;
export const seconds = (n: number): Duration => (n * 1e9) as Duration;
export const instant = (n: number): Instant => n as Instant;
export const gpa = (n: number): Gpa => n as Gpa;
export const after = (t: Instant, d: Duration): Instant => (t + d) as Instant;
export const elapsed = (from: Instant, to: Instant): Duration => (to - from) as Duration;

/** Time in the kernel's printk form: seconds with six decimals. */
export const formatSeconds = (t: number): string => (t / 1e9).toFixed(6);
