// `npm test`: everything that needs nothing but Node and a Chromium: types, lint, unit tests, build, end-to-end tests.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureBuild, ensureChromium, ensureDependencies, root, run } from './setup.mjs';

ensureDependencies();

const results = { passed: 0, failed: 0 };

function step(name, ok) {
  results[ok ? 'passed' : 'failed']++;
  process.stdout.write(`${ok ? 'ok' : 'FAILED'}  ${name}\n`);
}

/** Runs a command, shows its output, and adds what its reporter counted. */
function counted(name, command, args, count) {
  const r = spawnSync(command, args, {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    shell: process.platform === 'win32',
    env: { ...process.env, FORCE_COLOR: '0', NO_COLOR: '1' },
  });
  process.stdout.write(r.stdout + r.stderr);
  const { passed, failed } = count(r.stdout + r.stderr);
  results.passed += passed;
  results.failed += failed;
  if (r.status !== 0 && failed === 0) step(name, false);
  if (passed + failed === 0) step(`${name}: no test ran`, false);
}

const number = (text, re) => Number(re.exec(text)?.[1] ?? 0);

step('types', run('npm', ['run', '--silent', 'typecheck']) === 0);
step('lint', run('npm', ['run', '--silent', 'lint', '--', '--quiet']) === 0);
step('format', run('npx', ['prettier', '--check', '--log-level', 'warn', '.']) === 0);
const temp = mkdtempSync(join(tmpdir(), 'ringscope-test-'));
const report = join(temp, 'unit.json');
counted('unit tests', 'npx', ['vitest', 'run', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`], (t) => ({
  passed: number(t, /^\s*Tests\s.*?(\d+) passed/m),
  failed: number(t, /^\s*Tests\s.*?(\d+) failed/m),
}));
step('what docs/conformance.md calls held', run('node', ['scripts/conformance_table.mjs', '--results', report]) === 0);
rmSync(temp, { recursive: true, force: true });
await ensureBuild();
step('build', true);
if (ensureChromium() === undefined) {
  process.stderr.write(
    'ringscope: no Chromium-family browser was found and none could be installed: the end-to-end tests need one (Debian: apt-get install chromium)\n',
  );
  step('end-to-end tests', false);
} else
  counted('end-to-end tests', 'npx', ['playwright', 'test'], (t) => ({
    passed: number(t, /^\s*(\d+) passed/m),
    failed: number(t, /^\s*(\d+) failed/m),
  }));

process.stdout.write(`${results.passed} passed, ${results.failed} failed\n`);
process.exitCode = results.failed === 0 ? 0 : 1;
