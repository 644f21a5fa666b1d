// What only the desktop app has: a locked page, no permissions, a menu, a port that survives a reload, a window that asks before it closes.
import { expect, test } from './door.ts';

test('the page is alone in its world, goes nowhere else, opens nothing and gets no permission', async ({ workbench: w, app }) => {
  const { page } = w;
  const here = page.url();
  expect(here).toMatch(/^file:.*\/out\/renderer\/index\.html$/);
  expect(
    await page.evaluate(() => [
      typeof Reflect.get(window, 'require'),
      typeof Reflect.get(window, 'process'),
      Object.keys(Reflect.get(window, 'ringscope')),
    ]),
  ).toEqual(['undefined', 'undefined', ['door', 'send', 'onMessage']]);

  await page.evaluate(() => location.assign('http://127.0.0.1:9/elsewhere'));
  await page.evaluate(() => window.open('file:///etc/passwd'));
  await expect.poll(() => app?.windows().length).toBe(1);
  expect(page.url()).toBe(here);
  await expect(w.machine('h1')).toBeVisible();

  expect(await page.evaluate(async () => (await navigator.permissions.query({ name: 'geolocation' })).state)).toBe('denied');
  expect(await page.evaluate(async () => (await navigator.permissions.query({ name: 'notifications' })).state)).toBe('denied');
  expect(await app?.evaluate(({ Menu }) => Menu.getApplicationMenu()?.items.length)).toBeGreaterThan(1);
});

test('a reloaded page gets a new port to the same running lab', async ({ workbench: w }) => {
  await w.terminal('h1');
  await w.run('ping -c 1 10.0.0.2');
  const event = await w.event();
  await w.page.reload();
  await w.ready();
  expect(await w.event()).toBeGreaterThanOrEqual(event);
  await w.terminal('h1');
  expect(await w.run('ping -c 1 10.0.0.2')).toContain('1 received, 0% packet loss');
});

test('a window with unsaved edits asks before it closes, and stays when told to', async ({ workbench: w, app }) => {
  // the app answers a page that objects to being left, not Playwright
  w.page.on('dialog', () => undefined);
  await w.get('part-machine-1').click();
  await expect(w.machine('h3')).toBeVisible();
  await expect(w.get('bar-undo')).toBeEnabled();
  await app?.evaluate(({ BrowserWindow }) => BrowserWindow.getAllWindows()[0]?.close());
  await expect(w.get('unsaved')).toBeVisible();
  await w.get('unsaved-cancel').click();
  await expect(w.get('unsaved')).toHaveCount(0);

  // the engine behind the window is still there
  await w.terminal('h1');
  expect(await w.run('ping -c 1 10.0.0.2')).toContain('1 received, 0% packet loss');

  await app?.evaluate(({ app: electron }) => electron.quit());
  await expect(w.get('unsaved')).toBeVisible();
  const ended = new Promise<number | null | undefined>((done) => app?.process().once('exit', done));
  await w.get('unsaved-discard').click();
  expect(await ended).toBe(0);
});
