// End-to-end tests: every spec runs at both doors, in a browser on `ringscope serve` and in Electron (the stand-in where its binary is absent).
import { defineConfig } from '@playwright/test';
import type { DoorOptions } from './e2e/door.ts';
import { CHROMIUM_SWITCHES } from './e2e/switches.ts';
import { findChromium } from './scripts/setup.mjs';

const chromium = findChromium();
const pictures = process.env['RINGSCOPE_SCREENSHOTS'] === undefined ? ['screenshots.spec.ts'] : [];
const asRoot = process.getuid?.() === 0;

export default defineConfig<DoorOptions>({
  testDir: 'e2e',
  timeout: 60_000,
  expect: { timeout: 15_000 },
  workers: 1,
  fullyParallel: false,
  reporter: [['list']],
  use: {
    viewport: { width: 1440, height: 900 },
    colorScheme: 'light',
    launchOptions: {
      args: [...CHROMIUM_SWITCHES, ...(asRoot ? ['--no-sandbox'] : [])],
      ...(chromium === undefined ? {} : { executablePath: chromium }),
    },
  },
  projects: [
    { name: 'browser', use: { door: 'browser' }, testIgnore: [...pictures, 'electron.spec.ts'] },
    { name: 'electron', use: { door: 'electron' }, testIgnore: pictures },
  ],
});
