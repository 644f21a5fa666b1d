// Module resolution: `electron` is the stand-in.
const STANDIN = new URL('electron.mjs', import.meta.url).href;

export function resolve(specifier, context, next) {
  return specifier === 'electron' ? { url: STANDIN, shortCircuit: true } : next(specifier, context);
}
