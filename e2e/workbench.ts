// The window as a person uses it: what the specs do and read, by the selectors listed in renderer/store/actions.ts.
import { expect, type Locator, type Page } from '@playwright/test';
import type { RequestName, Requests } from '../preload/contract.ts';

/** How many descriptors each side owns. */
export interface Owners {
  readonly free: number;
  readonly driver: number;
  readonly device: number;
  readonly used: number;
}

export class Workbench {
  constructor(readonly page: Page) {}

  get(testId: string): Locator {
    return this.page.getByTestId(testId);
  }

  /** The window is usable: connected, a lab on the canvas. */
  async ready(): Promise<void> {
    await expect(this.get('bar-event')).toHaveText(/\d/);
    await expect(this.get('canvas')).toBeVisible();
  }

  // ── terminals ──
  /** The text of the terminal shown. */
  screen(): Promise<string> {
    return this.page.evaluate(() =>
      [...document.querySelectorAll('.term-box:not([hidden]) .xterm-rows > div')]
        .map((row) => (row.textContent ?? '').replaceAll('\u00a0', ' ').trimEnd())
        .join('\n'),
    );
  }
  async sees(pattern: RegExp, timeout = 20_000): Promise<void> {
    await expect.poll(() => this.screen(), { timeout }).toMatch(pattern);
  }
  /** Types a command at the prompt of the focused terminal and waits for the next prompt. */
  async run(command: string): Promise<string> {
    await this.sees(/[#$]\s*$/);
    const before = (await this.screen()).trimEnd().split('\n').length;
    await this.page.keyboard.type(command);
    await this.page.keyboard.press('Enter');
    await expect.poll(async () => (await this.screen()).trimEnd().split('\n').length, { timeout: 20_000 }).toBeGreaterThan(before);
    await this.sees(/[#$]\s*$/);
    return this.screen();
  }
  /** Brings the terminal of a machine to the front, by its tab or as a new one from the menu. */
  async terminal(machine: string): Promise<void> {
    await this.get('dock-tab-terminals').click();
    const tab = this.page
      .locator('.term-tab')
      .filter({ hasText: new RegExp(`^${machine}$`) })
      .last();
    if ((await tab.count()) > 0) await tab.click();
    else {
      await this.get('term-new').click();
      await this.get(`term-new-${machine}`).click();
    }
    await expect(tab).toHaveAttribute('aria-selected', 'true');
    await this.page.locator('.term-box:not([hidden]) .xterm-screen').click();
    await this.sees(/[#$]\s*$/);
  }

  // ── canvas ──
  machine(name: string): Locator {
    return this.get(`machine-${name}`);
  }

  // ── run control ──
  async event(): Promise<number> {
    const text = (await this.get('bar-event').textContent()) ?? '';
    return Number(text.replace(/ of .*/, '').replaceAll(',', ''));
  }
  async time(): Promise<string> {
    return (await this.get('bar-time').textContent()) ?? '';
  }
  async pause(): Promise<void> {
    const button = this.page.getByTestId('bar-run').and(this.page.getByRole('button', { name: /pause/i }));
    if (await button.isVisible()) await button.click();
    await expect.poll(async () => (await this.ask('run.step', { events: 0 })).mode).toBe('paused');
  }

  async step(): Promise<number> {
    const before = await this.event();
    await this.get('bar-step').click();
    await expect.poll(() => this.event()).toBeGreaterThan(before);
    return this.event();
  }

  /** An action by its name in the command palette, with keys alone. */
  async command(title: string): Promise<void> {
    await this.page.keyboard.press('F1');
    await expect(this.get('palette-input')).toBeFocused();
    await this.page.keyboard.type(title);
    await expect(this.page.locator('.palette-item[aria-selected="true"]')).toContainText(title);
    await this.page.keyboard.press('Enter');
    await expect(this.get('palette')).toHaveCount(0);
  }

  /** A short message of the window. */
  toast(text: string | RegExp): Locator {
    return this.page.locator('.toast').filter({ hasText: text });
  }

  // ── rings ──
  /** Shows one pair of queues; left alone, the panel shows whichever are busiest. */
  async showPair(pair: number): Promise<void> {
    await this.get(`rings-choice-pair-${pair}`).click();
    await expect(this.get(`ring-canvas-${2 * pair}`)).toHaveAttribute('data-owners', /./);
  }
  /** Lets a machine use its first pair only, so that it is known where its packets go. */
  async oneQueue(machine: string): Promise<void> {
    await this.terminal(machine);
    await this.run('ethtool -L eth0 combined 1');
  }
  /** As painted for the event the bar shows; time must be paused. */
  async owners(queue: number): Promise<Owners> {
    const painted = async (): Promise<number> => Number(await this.get(`ring-canvas-${queue}`).getAttribute('data-event'));
    await expect.poll(async () => (await painted()) - (await this.event())).toBe(0);
    const text = (await this.get(`ring-canvas-${queue}`).getAttribute('data-owners')) ?? '';
    const count = (c: string): number => text.split(c).length - 1;
    return { free: count('f'), driver: count('a'), device: count('d'), used: count('u') };
  }

  // ── the contract, for what has no place in the window ──
  /** Asks the host directly, over this window's own door. */
  ask<N extends RequestName>(name: N, params: Requests[N][0]): Promise<Requests[N][1]> {
    return this.page.evaluate(
      ({ name, params }) =>
        new Promise<never>((resolve, reject) => {
          const id = 1_000_000_000 + Math.floor(performance.now() * 1000);
          const take = (m: { t: string; id: number; ok?: boolean; value?: unknown; error?: string }): boolean => {
            if (m.t !== 'res' || m.id !== id) return false;
            if (m.ok === true) resolve(m.value as never);
            else reject(new Error(m.error));
            return true;
          };
          const bridge = (window as unknown as { ringscope?: { send(m: unknown): void; onMessage(l: (m: never) => void): () => void } })
            .ringscope;
          const request = { t: 'req', id, name, params };
          if (bridge !== undefined) {
            const stop = bridge.onMessage((m) => take(m) && stop());
            bridge.send(request);
            return;
          }
          const socket = new WebSocket(
            `${location.origin.replace('http', 'ws')}/ws?token=${sessionStorage.getItem('ringscope.token') ?? ''}`,
          );
          socket.addEventListener('open', () => socket.send(JSON.stringify(request)));
          socket.addEventListener('message', (e: MessageEvent<string>) => take(JSON.parse(e.data) as never) && socket.close());
          socket.addEventListener('error', () => reject(new Error('the WebSocket was refused')));
        }),
      { name, params },
    );
  }
}
