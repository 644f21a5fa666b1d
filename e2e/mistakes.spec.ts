// A lab file with mistakes: each is named with file, line and column, and what was open stays as it was.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from './door.ts';

const WRONG = `ringscope: 1
name: Wrong
machines:
  h1:
    nics:
      nic0: { model: virtio-net, queues: 2 }
cables:
  - between: [h1:nic0, h1:nic1]
    rate: 10 parsecs
    delay: 5
`;

test('opening a lab with mistakes names them and loses nothing', async ({ workbench: w, home }) => {
  const file = join(home, 'wrong.lab.yaml');
  writeFileSync(file, WRONG);
  await w.terminal('h1');
  await w.run('echo still here');
  await w.command('Open a lab file');
  await w.get('open-path').fill(file);
  await w.get('open-go').click();
  const problem = w.get('open-dialog').getByRole('alert');
  await expect(problem).toContainText(`${file}:9:11: '10 parsecs' is not a rate`);
  await expect(problem).toContainText(`${file}:10:`);
  await w.page.keyboard.press('Escape');
  await expect(w.get('open-dialog')).toHaveCount(0);

  await expect(w.machine('h1')).toBeVisible();
  await expect(w.machine('h2')).toBeVisible();
  expect(await w.screen()).toContain('still here');
  await w.terminal('h1');
  expect(await w.run('ping -c 1 10.0.0.2')).toContain('1 received, 0% packet loss');

  await w.get('dock-tab-problems').click();
  await expect(w.get('panel-problems')).toContainText('wrong.lab.yaml:9:11');
  await expect(w.get('panel-problems')).toContainText('wrong.lab.yaml:10:');
});
