// A machine deleted by mistake comes back as it was: counters, rings, addresses.
import { expect, test } from './door.ts';

test('undoing the deletion of a machine brings back its counters and rings', async ({ workbench: w }) => {
  await w.oneQueue('h2');
  await w.run('ping -c 2 10.0.0.1');
  // nothing may come in while it is looked at
  await w.pause();
  await w.terminal('h2');
  await w.run('clear');
  const counters = (screen: string): string | undefined => /eth0:.*/.exec(screen)?.[0];
  const before = counters(await w.run('cat /proc/net/dev'));
  expect(before).toMatch(/eth0:\s+[1-9]/);
  await w.get('port-h2-nic0').click();
  await expect(w.get('rings-nic')).toHaveValue('h2/nic0');
  await w.showPair(0);
  await expect(w.get('ring-fact-0-used.idx')).toHaveText(/^[1-9]/);
  const ring = await w.get('ring-fact-0-used.idx').textContent();

  await w.machine('h2').locator('.machine-name').click();
  await w.page.keyboard.press('Delete');
  await expect(w.machine('h2')).toHaveCount(0);

  await w.get('bar-undo').click();
  await expect(w.machine('h2')).toBeVisible();
  await expect(w.get('cable-h1:nic0--h2:nic0')).toHaveCount(1);
  await w.get('port-h2-nic0').click();
  await w.showPair(0);
  await expect(w.get('ring-fact-0-used.idx')).toHaveText(ring ?? '');

  await w.get('machine-terminal-h2').click();
  await w.page.locator('.term-box:not([hidden]) .xterm-screen').click();
  await w.sees(/root@h2:~#\s*$/);
  expect(counters(await w.run('cat /proc/net/dev'))).toBe(before);
  await w.get('bar-run').click();
  await w.terminal('h2');
  expect(await w.run('ping -c 1 10.0.0.1')).toContain('1 received, 0% packet loss');
});
