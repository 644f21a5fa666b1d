// The README's pictures: `RINGSCOPE_SCREENSHOTS=1 npx playwright test screenshots --project=browser` writes docs/screenshot-{light,dark}.png.
import { join } from 'node:path';
import { expect, root, test } from './door.ts';

for (const theme of ['light', 'dark'] as const) {
  test(`the window after a ping, ${theme}`, async ({ workbench: w }) => {
    await w.page.emulateMedia({ colorScheme: theme });
    await w.command('Layout: Rings');
    await w.terminal('h1');
    expect(await w.run('ping -c 3 10.0.0.2')).toContain('3 received');
    await w.get('port-h1-nic0').click();
    await w.get('rings-table').click();
    await expect(w.get('panel-rings')).toContainText('reaped');
    await w.terminal('h1');
    // the cursor's blink and what hovers are no part of the picture
    await w.page.mouse.move(700, 5);
    await w.page.screenshot({ path: join(root, `docs/screenshot-${theme}.png`), animations: 'disabled' });
  });
}
