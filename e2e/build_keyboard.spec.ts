// The same lab built without a mouse.
import { expect, test } from './door.ts';

test('two machines are added, connected and pinged with keys alone; saved with a key', async ({ workbench: w, home }) => {
  const { keyboard } = w.page;
  await w.sees(/[#$]\s*$/);
  await w.command('New lab');
  await expect(w.machine('h1')).toHaveCount(0);

  await w.command('Show Parts');
  await expect(w.get('part-machine-1')).toBeFocused();
  for (const name of ['h1', 'h2']) {
    await keyboard.press('Enter');
    await expect(w.machine(name)).toBeVisible();
  }

  // in the tree: down to h1's port, C connects it
  await w.command('Show Tree');
  await expect.poll(() => w.page.evaluate(() => document.activeElement?.getAttribute('role'))).toMatch(/tree/);
  await keyboard.press('Home');
  await keyboard.press('ArrowDown');
  await keyboard.press('c');
  await expect(w.get('connect-input')).toBeFocused();
  await keyboard.type('h2');
  await keyboard.press('Enter');
  await expect(w.get('cable-h1:nic0--h2:nic0')).toHaveCount(1);

  for (const [i, name] of ['h1', 'h2'].entries()) {
    await w.command(`New terminal: ${name}`);
    await expect(w.page.getByRole('tab', { name, exact: true })).toHaveAttribute('aria-selected', 'true');
    await w.sees(new RegExp(`root@${name}:~#\\s*$`));
    await w.run(`ip addr add 10.0.0.${i + 1}/24 dev eth0`);
    await w.run('ip link set eth0 up');
  }
  expect(await w.run('ping -c 1 10.0.0.1')).toContain('1 packets transmitted, 1 received, 0% packet loss');

  await w.command('Save the lab as');
  await expect(w.get('save-path')).toBeFocused();
  await keyboard.press('Control+a');
  await keyboard.type('keys.lab.yaml');
  await keyboard.press('Enter');
  await expect(w.toast(`Saved ${home}/Ringscope/labs/keys.lab.yaml`)).toBeVisible();
});
