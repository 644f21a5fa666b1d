// The doors that run on plain Node: the command line and the browser host, with the engine's worker. Packages stay outside the bundle.
import { builtinModules } from 'node:module';
import { defineConfig } from 'vite';

export default defineConfig({
  build: {
    ssr: true,
    target: 'node20',
    outDir: process.env['RINGSCOPE_OUT'] ?? 'out/node',
    emptyOutDir: true,
    sourcemap: true,
    minify: false,
    rolldownOptions: {
      input: { cli: 'main/cli/main.ts', worker: 'main/host/worker.ts' },
      external: [...builtinModules, /^node:/, /^[a-z@][^:]*$/],
      output: { format: 'es', entryFileNames: '[name].js', chunkFileNames: 'chunks/[name]-[hash].js' },
    },
  },
  logLevel: 'warn',
});
