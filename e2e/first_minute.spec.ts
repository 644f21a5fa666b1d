// A person's first minute: the window opens on a running lab; a ping shows in the terminal, in the packets and in the rings.
import { expect, test } from './door.ts';

test('a ping typed in the first terminal shows in the terminal, the packets and the ring', async ({ workbench: w }) => {
  const before = await w.owners(0);
  expect(before.driver + before.device).toBe(256);

  await w.terminal('h1');
  const screen = await w.run('ping -c 3 10.0.0.2');
  for (const seq of [1, 2, 3]) expect(screen).toMatch(new RegExp(`64 bytes from 10\\.0\\.0\\.2: icmp_seq=${seq} ttl=64 time=[\\d.]+ ms`));
  expect(screen).toContain('3 packets transmitted, 3 received, 0% packet loss');

  // descriptors of the receive ring changed hands: the device used some, the driver has refilled or will
  await expect(w.get('ring-fact-0-used.idx')).toHaveText(/^[1-9]\d* · reaped [1-9]\d*/);
  await expect.poll(async () => (await w.owners(0)).device + (await w.owners(0)).driver + (await w.owners(0)).used + (await w.owners(0)).free).toBe(256);

  await w.get('dock-tab-packets').click();
  await expect(w.get('packets-total')).toHaveText(/^\d+ packets/);
  const rows = w.get('panel-packets');
  await expect(rows).toContainText('Echo (ping) request');
  await expect(rows).toContainText('Echo (ping) reply');
});

test('a descriptor of the transmit ring changes hands while time is stepped', async ({ workbench: w }) => {
  await w.terminal('h1');
  await w.run('ping -c 1 10.0.0.2');
  await w.pause();
  await w.page.keyboard.type('ping -c 1 10.0.0.2\n');
  const seen = new Set<string>();
  for (let i = 0; i < 60 && seen.size < 2; i++) {
    await w.get('bar-step').click();
    seen.add(JSON.stringify(await w.owners(1)));
  }
  expect([...seen].length).toBeGreaterThan(1);
});
