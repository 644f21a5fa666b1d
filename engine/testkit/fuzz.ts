// How often a fuzz target runs: a few times among the tests; under scripts/fuzz.mjs as often as its time allows, from the seed it was given.
import type fc from 'fast-check';

declare const process: { readonly env: Readonly<Record<string, string | undefined>>; readonly stdout: { write(text: string): void } };

/** fast-check's parameters of a target: `runs` runs among the tests, from `seed` if it is given. */
export function fuzzRuns<T>(runs: number, seed?: number): fc.Parameters<T> {
  const { RINGSCOPE_FUZZ_SECONDS: seconds, RINGSCOPE_FUZZ_SEED: chosen } = process.env;
  if (seconds === undefined) return seed === undefined ? { numRuns: runs } : { numRuns: runs, seed };
  return {
    numRuns: 1e9,
    seed: Number(chosen),
    interruptAfterTimeLimit: 1000 * Number(seconds),
    reporter: ({ numRuns, failed, counterexample, errorInstance }) => {
      process.stdout.write(`${failed ? 'failed' : 'ok'} after ${numRuns} runs\n`);
      if (!failed) return;
      process.stdout.write(`counterexample: ${JSON.stringify(counterexample)}\n`);
      throw errorInstance;
    },
  };
}
