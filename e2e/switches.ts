// Chromium's switches for every door: terminals are drawn as text that a test can read, never on a GPU canvas.
export const CHROMIUM_SWITCHES: readonly string[] = ['--disable-3d-apis'];
