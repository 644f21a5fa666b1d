// A person's first minute: the window opens on a running lab; a ping shows in the terminal, in the packets and in the rings.
import { expect, test } from './door.ts';

test('a ping typed in the first terminal shows in the terminal, the packets and the ring', async ({ workbench: w }) => {
  await w.terminal('h1');
  const screen = await w.run('ping -c 3 10.0.0.2');
  for (const seq of [1, 2, 3]) expect(screen).toMatch(new RegExp(`64 bytes from 10\\.0\\.0\\.2: icmp_seq=${seq} ttl=64 time=[\\d.]+ ms`));
  expect(screen).toContain('3 packets transmitted, 3 received, 0% packet loss');

  // the device has used entries of a receive ring and the driver has reaped them
  await expect(w.get('panel-rings')).toContainText(/[1-9]\d* · reaped [1-9]\d* · 0 waiting/);

  await w.get('dock-tab-packets').click();
  await expect(w.get('packets-total')).toHaveText(/^[1-9]\d* packets/);
  await expect(w.get('panel-packets')).toContainText('Echo (ping) request');
  await expect(w.get('panel-packets')).toContainText('Echo (ping) reply');
});

test('a descriptor of the transmit ring changes hands while time is stepped', async ({ workbench: w }) => {
  await w.command('Layout: Rings');
  await w.showPair(0);
  await w.oneQueue('h1');
  await w.pause();
  await w.terminal('h1');
  const before = await w.owners(1);
  expect(before).toEqual({ free: 256, driver: 0, device: 0, used: 0 });
  await w.page.keyboard.type('ping -c 1 10.0.0.2\n');
  await w.sees(/PING/);
  const owned = { driver: 0, device: 0, used: 0 };
  const look = async (): Promise<void> => {
    const now = await w.owners(1);
    expect(now.free + now.driver + now.device + now.used).toBe(256);
    for (const who of ['driver', 'device', 'used'] as const) owned[who] = Math.max(owned[who], now[who]);
  };
  await look();
  for (let i = 0; i < 60 && owned.used === 0; i++) {
    await w.step();
    await look();
  }
  // from the driver to the device and back as used
  expect(owned.driver + owned.device).toBeGreaterThan(0);
  expect(owned.used).toBeGreaterThan(0);
});
