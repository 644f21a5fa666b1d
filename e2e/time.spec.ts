// Time in a person's hand: stopped, one event forward, one back to the very state that was, and on again.
import { expect, test } from './door.ts';

test('pause, step, step back, run on: the ring shows the state of each event', async ({ workbench: w }) => {
  await w.command('Layout: Rings');
  await w.showPair(0);
  await w.oneQueue('h1');
  await w.pause();
  await w.terminal('h1');
  await w.page.keyboard.type('ping -c 1 10.0.0.2\n');
  await w.sees(/PING 10\.0\.0\.2/);

  // forward until the transmit ring holds something
  const states = new Map<number, string>();
  const look = async (): Promise<string> => JSON.stringify([await w.owners(1), await w.get('ring-fact-1-avail.idx').textContent()]);
  states.set(await w.event(), await look());
  const first = await look();
  for (let i = 0; i < 60 && (await look()) === first; i++) {
    const event = await w.step();
    states.set(event, await look());
  }
  const at = await w.event();
  const time = await w.time();
  expect(await look()).not.toBe(first);

  // back: the event before, an earlier time, the ring as it was then
  await w.get('bar-step-back').click();
  await expect(w.get('bar-event')).toHaveText(`${(at - 1).toLocaleString('en')} of ${at.toLocaleString('en')}`);
  await expect.poll(look).toBe(states.get(at - 1));
  expect((await w.time()) <= time).toBe(true);

  // forward again: the same event at the same time shows the same ring
  await w.get('bar-step').click();
  await expect(w.get('bar-event')).toHaveText(at.toLocaleString('en'));
  await expect(w.get('bar-time')).toHaveText(time);
  await expect.poll(look).toBe(states.get(at));

  await w.get('bar-run').click();
  await w.sees(/1 packets transmitted, 1 received, 0% packet loss/);
  await expect.poll(() => w.event()).toBeGreaterThan(at);
});
