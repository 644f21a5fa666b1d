// The `electron` module over Chromium: what main/ uses of it, with Electron's names, order of events and refusals. Tests only.
import { EventEmitter } from 'node:events';
import { Chromium } from './chromium.mjs';
import { BrowserWindow, webContents } from './window.mjs';

export { BrowserWindow, webContents };
export { MessageChannelMain } from './ports.mjs';

/** An event that a listener may refuse; answers whether one did. */
export function refused(emitter, name, details = {}, ...rest) {
  let prevented = false;
  emitter.emit(name, { ...details, preventDefault: () => (prevented = true), defaultPrevented: prevented }, ...rest);
  return prevented;
}

class App extends EventEmitter {
  isPackaged = false;
  chromium = undefined;
  quitting = false;
  exiting = false;
  ready = false;

  constructor() {
    super();
    const started = Chromium.start(process.argv.slice(1)).then((c) => {
      this.chromium = c;
      c.child.once('exit', () => this.exit(1));
      BrowserWindow.useChromium(c, this, session.defaultSession);
    });
    // Playwright's _electron attaches first, then lets the app become ready
    const gate = process.argv.some((a) => a.startsWith('--inspect')) ? new Promise((go) => (globalThis.__playwright_run = go)) : undefined;
    this.becomesReady = started
      .then(() => gate)
      .then(() => {
        this.ready = true;
        this.emit('ready');
      });
    this.becomesReady.catch((e) => {
      process.stderr.write(`standin: ${e.message}\n`);
      this.exit(1);
    });
  }
  whenReady() {
    return this.becomesReady;
  }
  isReady() {
    return this.ready;
  }
  enableSandbox() {
    if (this.ready) throw new Error('app.enableSandbox() can only be called before app is ready');
  }
  requestSingleInstanceLock() {
    return true;
  }
  /** before-quit, every window closed unless its page objects, will-quit, quit. */
  quit() {
    if (refused(this, 'before-quit')) return;
    this.quitting = true;
    if (BrowserWindow.getAllWindows().length === 0) this.allClosed();
    else for (const w of BrowserWindow.getAllWindows()) w.close();
  }
  allClosed() {
    if (!this.quitting) {
      if (this.listenerCount('window-all-closed') > 0) this.emit('window-all-closed');
      else this.quit();
      return;
    }
    if (!refused(this, 'will-quit')) this.exit(0);
  }
  exit(code = 0) {
    if (this.exiting) return;
    this.exiting = true;
    this.emit('quit', {}, code);
    void Promise.resolve(this.chromium?.stop()).finally(() => process.exit(code));
  }
}

class Session {
  request = undefined;
  check = undefined;
  setPermissionRequestHandler(handler) {
    this.request = handler;
  }
  setPermissionCheckHandler(handler) {
    this.check = handler;
  }
  /** Chromium is told beforehand what the handlers would answer. */
  async apply(chromium, contents) {
    for (const [name, descriptor] of Object.entries(PERMISSIONS)) {
      let granted = true;
      this.request?.(contents, name, (answer) => (granted = answer), {});
      if (this.check?.(contents, name, 'file://', {}) === false) granted = false;
      await chromium.browser.send('Browser.setPermission', { permission: descriptor, setting: granted ? 'granted' : 'denied' });
    }
  }
}
/** Electron's permission names and the protocol's. */
const PERMISSIONS = {
  'clipboard-sanitized-write': { name: 'clipboard-write', allowWithoutSanitization: false },
  'clipboard-read': { name: 'clipboard-read' },
  geolocation: { name: 'geolocation' },
  notifications: { name: 'notifications' },
  midi: { name: 'midi' },
  'idle-detection': { name: 'idle-detection' },
};

export const session = { defaultSession: new Session() };

export const ipcMain = new EventEmitter();

/** Native menus have no window here: the template is kept to be looked at. */
export const Menu = {
  current: null,
  buildFromTemplate: (template) => ({ items: template }),
  setApplicationMenu: (menu) => (Menu.current = menu),
  getApplicationMenu: () => Menu.current,
};

/** Addresses that would have opened in the person's browser. */
export const shell = {
  opened: [],
  openExternal: async (url) => {
    shell.opened.push(url);
  },
};

export const app = new App();
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => app.exit(0));
