// A person breaks a NIC on purpose and mends it again.
import { expect, test } from './door.ts';

test('a fault is injected from the canvas, seen in a ping, and cleared', async ({ workbench: w }) => {
  await w.get('port-h1-nic0').click({ button: 'right' });
  await w.get('canvas-menu-fault').click();
  await expect(w.get('fault-dialog')).toContainText('Inject a fault into h1:nic0');
  await w.get('fault-kind').selectOption('stuck-queue');
  await w.get('fault-inject').click();
  await expect(w.get('fault-row-1')).toContainText('stuck-queue@h1:nic0');
  await w.page.keyboard.press('Escape');
  await w.terminal('h1');
  expect(await w.run('ping -c 2 -W 1 10.0.0.2')).toContain('0 received');
  await w.get('port-h1-nic0').click({ button: 'right' });
  await w.get('canvas-menu-fault').click();
  await w.get('fault-clear-1').click();
  await expect(w.get('fault-row-1')).toHaveCount(0);
  await w.page.keyboard.press('Escape');
  await w.terminal('h1');
  expect(await w.run('ping -c 2 10.0.0.2')).toContain('2 received');
});
