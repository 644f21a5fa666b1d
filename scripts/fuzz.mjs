// npm run fuzz -- [TARGET …] [--seconds N] [--seed S]: fuzz targets, each for N seconds (default 60) from seed S (default: the clock). All targets by default.
// A target is a property of fast-check in a test (engine/testkit/fuzz.ts); among the tests it runs a fixed number of times.
import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { root } from './setup.mjs';

/** Name → test file, words of the test's title. */
const TARGETS = {
  split: ['engine/devices/virtqueue.test.ts', 'whatever the ring holds, the walker ends'],
  packed: ['engine/devices/virtqueue_packed.test.ts', 'whatever the ring holds, the walker ends'],
  registers: ['engine/devices/virtqueue.test.ts', 'a device fed random rings and random registers'],
  common: ['engine/devices/virtio_state.test.ts', 'whatever is written to the common configuration'],
  control: ['engine/devices/net_ctrl_fuzz.test.ts', 'any command is answered with OK or ERR'],
  pci: ['engine/tests/pci_fuzz.test.ts', 'random accesses to everything that configures the buses'],
  memory: ['engine/tests/memory_fuzz.test.ts', 'memory that changes under traffic'],
  'driver-split': ['engine/tests/rings.test.ts', 'nonsense into a ring split indirect event index: the driver'],
  'driver-packed': ['engine/tests/rings.test.ts', 'nonsense into a ring packed indirect event index: the driver'],
  'e1000e-registers': ['engine/devices/e1000e/e1000e.test.ts', 'whatever is written to registers and rings'],
  'e1000e-tx': ['engine/devices/e1000e/modes.test.ts', 'contexts, segments, checksums outside the packet'],
  'e1000e-rx': ['engine/devices/e1000e/modes.test.ts', 'receive descriptors of either format with any addresses'],
  ipv4: ['engine/kernel/ipv4/fuzz.test.ts', 'survive anything that arrives'],
};
/** Compiling and starting a target, and what runs behind its property, on a slow machine (s). */
const MARGIN = 120;

const args = process.argv.slice(2);
const option = (name, otherwise) => {
  const at = args.indexOf(name);
  return at < 0 ? otherwise : Number(args.splice(at, 2)[1]);
};
const seconds = option('--seconds', 60);
const seed = option('--seed', Date.now() % 2 ** 31);
const names = args.length === 0 ? Object.keys(TARGETS) : args;
const unknown = names.filter((name) => TARGETS[name] === undefined);
if (unknown.length > 0 || !(seconds > 0) || !Number.isSafeInteger(seed)) {
  process.stderr.write(`usage: npm run fuzz -- [TARGET …] [--seconds N] [--seed S]\ntargets: ${Object.keys(TARGETS).join(' ')}\n`);
  process.exit(2);
}

function run(name) {
  const [file, words] = TARGETS[name];
  const pattern = words.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const command = [
    'node_modules/vitest/vitest.mjs',
    'run',
    file,
    '-t',
    pattern,
    '--disable-console-intercept',
    '--testTimeout',
    String((seconds + MARGIN) * 1000),
  ];
  const child = spawn(process.execPath, command, {
    cwd: root,
    // a group of its own: what hangs is the worker, not vitest
    detached: process.platform !== 'win32',
    env: { ...process.env, NO_COLOR: '1', RINGSCOPE_FUZZ_SECONDS: String(seconds), RINGSCOPE_FUZZ_SEED: String(seed) },
  });
  let text = '';
  child.stdout.on('data', (chunk) => (text += chunk));
  child.stderr.on('data', (chunk) => (text += chunk));
  let hung = false;
  const limit = setTimeout(
    () => {
      hung = true;
      if (process.platform === 'win32') child.kill();
      else if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    },
    1000 * (seconds + MARGIN),
  );
  return new Promise((resolve) => {
    child.on('close', (code) => {
      clearTimeout(limit);
      const runs = /after (\d+) runs/.exec(text)?.[1] ?? '0';
      const ok = code === 0 && runs !== '0';
      process.stdout.write(`${ok ? 'ok' : 'FAILED'}  fuzz ${name}: ${runs} runs in ${seconds} s${hung ? ', hung' : ''}\n`);
      if (!ok) process.stdout.write(`${text}\nreproduce: npm run fuzz -- ${name} --seconds ${Math.max(60, 10 * seconds)} --seed ${seed}\n`);
      resolve(ok);
    });
  });
}

const waiting = [...names];
let failed = 0;
async function lane() {
  for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) if (!(await run(name))) failed++;
}
await Promise.all(Array.from({ length: Math.max(1, Math.min(4, availableParallelism())) }, lane));
process.stdout.write(`${names.length - failed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 ? 0 : 1;
