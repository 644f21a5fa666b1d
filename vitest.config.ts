// Unit, conformance, fingerprint and fuzz tests; the window's tasks are in e2e/.
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['*.test.ts', 'engine/**/*.test.ts', 'main/**/*.test.ts', 'renderer/**/*.test.ts'],
    environment: 'node',
    testTimeout: 120_000,
  },
});
