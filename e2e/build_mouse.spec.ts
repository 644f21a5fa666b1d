// A lab built with the mouse: machines dragged in, ports joined by dragging, saved, opened again, the same run.
import { expect, test } from './door.ts';
import type { Workbench } from './workbench.ts';

test.use({ lab: undefined });

async function drag(w: Workbench, from: string, to: string): Promise<void> {
  const a = await w.get(from).boundingBox();
  const b = await w.get(to).boundingBox();
  if (a === null || b === null) throw new Error(`${from} or ${to} is not on the screen`);
  await w.page.mouse.move(a.x + a.width / 2, a.y + a.height / 2);
  await w.page.mouse.down();
  await w.page.mouse.move((a.x + b.x) / 2, (a.y + b.y) / 2 + 20, { steps: 5 });
  await w.page.mouse.move(b.x + b.width / 2, b.y + b.height / 2, { steps: 5 });
  await w.page.mouse.up();
}

test('two machines dragged in and connected by dragging ping each other; saved and opened, the run is the same', async ({
  workbench: w,
  home,
}) => {
  await w.get('dock-tab-labs').click();
  await w.get('lab-new').click();
  await expect(w.machine('h1')).toHaveCount(0);

  await w.get('dock-tab-parts').click();
  const canvas = await w.get('canvas').boundingBox();
  if (canvas === null) throw new Error('the canvas is not on the screen');
  for (const [name, x] of [
    ['h1', 60],
    ['h2', canvas.width - 320],
  ] as const) {
    await w.get('part-machine-1').dragTo(w.get('canvas'), { targetPosition: { x, y: 90 } });
    await expect(w.machine(name)).toBeVisible();
  }
  await drag(w, 'plug-h1-nic0-r', 'plug-h2-nic0-l');
  await expect(w.get('cable-h1:nic0--h2:nic0')).toHaveCount(1);

  for (const [i, name] of ['h1', 'h2'].entries()) {
    await w.get(`machine-terminal-${name}`).click();
    await w.terminal(name);
    await w.run(`ip addr add 10.0.0.${i + 1}/24 dev eth0`);
    await w.run('ip link set eth0 up');
  }
  expect(await w.run('ping -c 2 10.0.0.1')).toContain('2 packets transmitted, 2 received, 0% packet loss');

  await w.get('dock-tab-labs').click();
  await w.get('lab-save').click();
  await w.get('save-path').fill('built.lab.yaml');
  await w.get('save-go').click();
  await expect(w.toast(`Saved ${home}/Ringscope/labs/built.lab.yaml`)).toBeVisible();

  const runOnce = async (): Promise<string> => {
    await w.get('lab-reload').click();
    await expect(w.machine('h2')).toBeVisible();
    await expect.poll(async () => (await w.ask('run.step', { events: 1 })).lastEvent).toBeGreaterThanOrEqual(8);
    await w.ask('run.goto', { event: 8 });
    return (await w.ask('world.hash', {})).hash;
  };
  expect(await runOnce()).toBe(await runOnce());
});
