// The two doors as one fixture: a started app with its window, its own home folder, and nothing left running afterwards.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { _electron, type Browser, type ElectronApplication, type Page, test as base } from '@playwright/test';
import { CHROMIUM_SWITCHES } from './switches.ts';
import { Workbench } from './workbench.ts';

export { expect } from '@playwright/test';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
export const TWO_HOSTS = join(root, 'resources/labs/two-hosts.lab.yaml');
const VIEWPORT = { width: 1440, height: 900 };

export interface DoorOptions {
  readonly door: 'browser' | 'electron';
}
interface WorkerFixtures {
  /** One browser for all specs of the browser door, started when the first asks for it. */
  readonly sharedBrowser: () => Promise<Browser>;
}
interface Fixtures {
  /** HOME of the app: labs, exports and recordings land here. */
  readonly home: string;
  /** The lab given on the command line; undefined is the default one. */
  readonly lab: string | undefined;
  readonly app: ElectronApplication | undefined;
  readonly page: Page;
  readonly workbench: Workbench;
}

/** Starts the Electron door: the real binary with RINGSCOPE_E2E_ELECTRON=real, the stand-in otherwise. */
export function launchElectron(home: string, lab: string | undefined): Promise<ElectronApplication> {
  const real = process.env['RINGSCOPE_E2E_ELECTRON'] === 'real';
  return _electron.launch({
    args: [...CHROMIUM_SWITCHES, '.', `--user-data-dir=${join(home, 'electron')}`, ...(lab === undefined ? [] : [lab])],
    cwd: root,
    env: { ...environment(), HOME: home, USERPROFILE: home },
    ...(real ? {} : { executablePath: join(root, 'e2e/standin/electron') }),
  });
}

/** `ringscope serve`; answers its page's address. */
export async function launchServer(
  home: string,
  lab: string | undefined,
): Promise<{ readonly server: ChildProcess; readonly url: string }> {
  const args = [join(root, 'bin/ringscope'), 'serve', ...(lab === undefined ? [] : [lab])];
  const server = spawn(process.execPath, args, {
    cwd: root,
    env: { ...environment(), HOME: home, USERPROFILE: home },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  const url = await new Promise<string>((ready, failed) => {
    server.once('exit', (code) => failed(new Error(`ringscope serve ended with status ${code}: ${said}`)));
    server.stderr.on('data', (d: Buffer) => (said += String(d)));
    server.stdout.on('data', (d: Buffer) => {
      said += String(d);
      const found = /^(http:\S+)$/m.exec(said)?.[1];
      if (found !== undefined) ready(found);
    });
  });
  return { server, url };
}

/** Ends a child by its process id: asked first, then made to. */
export async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  const force = setTimeout(() => child.kill('SIGKILL'), 5_000);
  await ended;
  clearTimeout(force);
}

function environment(): Record<string, string> {
  return Object.fromEntries(Object.entries(process.env).flatMap(([k, v]) => (v === undefined ? [] : [[k, v]])));
}

async function throughElectron(app: ElectronApplication, use: (page: Page) => Promise<void>): Promise<void> {
  const page = await app.firstWindow();
  await page.setViewportSize(VIEWPORT);
  await page.emulateMedia({ colorScheme: 'light' });
  await use(page);
}

async function throughBrowser(browser: Browser, home: string, lab: string | undefined, use: (page: Page) => Promise<void>): Promise<void> {
  const { server, url } = await launchServer(home, lab);
  try {
    const page = await browser.newPage({ viewport: VIEWPORT, colorScheme: 'light' });
    try {
      await page.goto(url);
      await use(page);
    } finally {
      await page.close();
    }
  } finally {
    await end(server);
  }
}

export const test = base.extend<Fixtures & DoorOptions, WorkerFixtures>({
  sharedBrowser: [
    async ({ playwright, launchOptions }, use) => {
      let browser: Promise<Browser> | undefined;
      await use(() => (browser ??= playwright.chromium.launch(launchOptions)));
      await (await browser)?.close();
    },
    { scope: 'worker' },
  ],
  door: ['browser', { option: true }],
  lab: [undefined, { option: true }],
  home: async ({ door }, use) => {
    const home = mkdtempSync(join(tmpdir(), `ringscope-e2e-${door}-`));
    await use(home);
    rmSync(home, { recursive: true, force: true, maxRetries: 5 });
  },
  app: async ({ door, home, lab }, use) => {
    if (door === 'browser') return use(undefined);
    const app = await launchElectron(home, lab);
    const child = app.process();
    await use(app);
    // an app that does not close in time is ended by its process id
    const late = new Promise((pass) => setTimeout(pass, 8_000).unref());
    if (child.exitCode === null) await Promise.race([app.close(), late]);
    return end(child);
  },
  page: async ({ door, app, home, lab, sharedBrowser }, use, info) => {
    const errors: string[] = [];
    const watched = async (page: Page): Promise<void> => {
      page.on('pageerror', (e) => errors.push(e.stack ?? e.message));
      await use(page);
      if (info.status !== info.expectedStatus && !page.isClosed())
        await info.attach('window', { body: await page.screenshot(), contentType: 'image/png' });
    };
    if (app === undefined) await throughBrowser(await sharedBrowser(), home, lab, watched);
    else await throughElectron(app, watched);
    base.expect(errors, `errors of the page at the ${door} door`).toEqual([]);
  },
  workbench: async ({ page }, use) => {
    const workbench = new Workbench(page);
    await workbench.ready();
    await use(workbench);
  },
});
