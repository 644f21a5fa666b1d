// Types of setup.mjs for what is written in TypeScript.
/** Path of a Chromium-family browser, undefined when there is none. */
export function findChromium(): string | undefined;
