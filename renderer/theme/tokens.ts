// Reads theme tokens for code that draws on a <canvas>; the values live in tokens.css only.

let cache = new Map<string, string>();
let cachedTheme: string | undefined;

/** The value of a custom property, e.g. token('--owner-free'), for the theme now shown. Cheap enough for every frame. */
export function token(name: `--${string}`): string {
  const theme = document.documentElement.dataset['theme'];
  if (theme !== cachedTheme) {
    cachedTheme = theme;
    cache = new Map();
  }
  let value = cache.get(name);
  if (value === undefined) {
    value = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
    cache.set(name, value);
  }
  return value;
}
