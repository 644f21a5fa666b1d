// A packed ring in the ring panel: positions with wrap counters, AVAIL and USED in the table, a descriptor opened.
import { join } from 'node:path';
import { expect, root, test } from './door.ts';

test.use({ lab: join(root, 'resources/labs/packed.lab.yaml') });

test('a person sees where both sides stand in a packed ring, and what a used descriptor says', async ({ workbench: w }) => {
  await w.command('Layout: Rings');
  await w.terminal('h1');
  expect(await w.run('ping -c 70 -i 0.01 -q 10.0.0.2')).toContain('70 received');
  await w.get('port-h2-nic0').click();
  await w.get('rings-table').click();
  // 64 descriptors went round: the wrap counters are 0
  await expect(w.get('ring-fact-1-avail')).toHaveText(/^\d+\/0 · fetched \d+\/0 · 0 waiting$/);
  await expect(w.get('ring-fact-1-used')).toHaveText(/^\d+\/0 · reaped \d+\/0 · 0 waiting$/);
  await expect(w.get('ring-where-1')).toContainText('RING_PACKED');
  await expect(w.get('ring-notify-device-1')).toContainText('virtio-v1.2 §2.8.10');
  await w.get('ring-desc-1-3').click();
  await expect(w.get('chain')).toContainText('flags');
  await expect(w.get('chain-field-id')).toBeVisible();
});
