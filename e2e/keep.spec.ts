// What a person keeps: packets as pcapng that Wireshark reads, a session that replays to the same hash.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, root, test } from './door.ts';

test('a recording replays to the same hash and an export is read by tshark', async ({ workbench: w, home }) => {
  await w.get('bar-record').click();
  await expect(w.toast('Recording to')).toBeVisible();
  await w.terminal('h1');
  await w.run('ping -c 2 10.0.0.2');
  await w.get('bar-record').click();
  const kept = w.toast('Recording kept:');
  await expect(kept).toBeVisible();
  const session = /kept: (.*\.mcap)/.exec((await kept.textContent()) ?? '')?.[1] ?? '';
  expect(session.startsWith(home)).toBe(true);
  const replay = spawnSync(process.execPath, [join(root, 'bin/ringscope'), 'replay', session, '--verify'], { encoding: 'utf8' });
  expect(replay.stderr + replay.stdout).toMatch(/hash/);
  expect(replay.status).toBe(0);

  await w.get('dock-tab-packets').click();
  await w.get('packets-export').click();
  const file = join(home, 'ping.pcapng');
  await w.get('export-path').fill(file);
  await w.get('export-go').click();
  await expect(w.toast(/^Wrote [1-9]\d* packets to /)).toBeVisible();
  expect(existsSync(file)).toBe(true);

  const tshark = spawnSync(
    'tshark',
    ['-r', file, '-T', 'fields', '-e', 'frame.interface_name', '-e', 'frame.time_relative', '-e', 'icmp.type'],
    { encoding: 'utf8' },
  );
  test.skip(tshark.error !== undefined, 'tshark is not installed');
  expect(tshark.status).toBe(0);
  const rows = tshark.stdout
    .trim()
    .split('\n')
    .map((l) => l.split('\t'));
  const times = rows.map((r) => Number(r[1]));
  expect(times).toEqual(times.toSorted((a, b) => a - b));
  expect(rows.filter((r) => r[2] === '8').length).toBeGreaterThanOrEqual(2);
  expect(rows.filter((r) => r[2] === '0').length).toBeGreaterThanOrEqual(2);
  expect(new Set(rows.map((r) => r[0])).size).toBe(2);
});
