// BrowserWindow and webContents: one page of Chromium each, its preload script in an isolated world, its navigation guarded.
import { EventEmitter } from 'node:events';
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { ipcMain, refused } from './electron.mjs';
import { BINDING, ISOLATED, isolatedWorldSource, mainWorldSource } from './worlds.mjs';

let chromium;
let app;
let permissions;
let nextPort = 1;
const windows = new Set();

class WebContents extends EventEmitter {
  page = undefined;
  target = undefined;
  /** Execution context of the preload script in the page shown now. */
  context = undefined;
  ports = new Map();
  wanted = '';
  windowOpenHandler = () => ({ action: 'allow' });

  isDestroyed() {
    return this.page === undefined;
  }
  setWindowOpenHandler(handler) {
    this.windowOpenHandler = handler;
  }
  /** To the page shown now; lost, as in Electron, when it has no listener yet. */
  postMessage(channel, message, transfer = []) {
    const ports = transfer.map((port) => {
      const id = nextPort++;
      this.ports.set(id, port);
      port.away = (data) => this.toPage({ t: 'port', id, data });
      for (const data of port.queue.splice(0)) port.away(data);
      return id;
    });
    this.toPage({ t: 'ipc', channel, args: [message], ports });
  }
  close({ waitForBeforeUnload = false } = {}) {
    // a page that objects keeps its window; the answer comes as an event
    const closing = waitForBeforeUnload ? this.page?.send('Page.close') : chromium.send('Target.closeTarget', { targetId: this.target });
    closing?.catch((e) => process.stderr.write(`standin: ${e.message}\n`));
  }

  toPage(message) {
    if (this.context === undefined) return;
    const call = {
      functionDeclaration: '(text) => globalThis.__standinFromMain(text)',
      arguments: [{ value: JSON.stringify(message) }],
      executionContextId: this.context,
    };
    // a page that was left meanwhile has no use for it
    this.page.send('Runtime.callFunctionOn', call).catch(() => undefined);
  }
  fromPage(text) {
    const m = JSON.parse(text);
    if (m.t === 'close') BrowserWindow.fromWebContents(this)?.close();
    else if (m.t === 'open') this.askToOpen(m.url);
    else if (m.t === 'ipc') ipcMain.emit(m.channel, { sender: this, ports: [] }, ...m.args);
    else this.ports.get(m.id)?.peer.arrive(m.data);
  }
  /** The app's answer to window.open; a second window is not modelled. */
  askToOpen(url) {
    if (this.windowOpenHandler({ url }).action !== 'deny') process.stderr.write(`standin: the app would open a window for ${url}\n`);
  }
  /** The page's document is gone, and its ends of all channels with it. */
  left() {
    this.context = undefined;
    for (const port of this.ports.values()) port.close();
    this.ports.clear();
  }

  /** Makes the page and arms it before anything is loaded. */
  async attach({ width, height, preload }) {
    const { targetId } = await chromium.browser.send('Target.createTarget', { url: 'about:blank', width, height, newWindow: true });
    this.target = targetId;
    const { sessionId } = await chromium.browser.send('Target.attachToTarget', { targetId, flatten: true });
    this.page = chromium.session(sessionId);
    const { page } = this;
    page.on('Runtime.bindingCalled', ({ name, payload, executionContextId }) => {
      if (name !== BINDING) return;
      this.context = executionContextId;
      this.fromPage(payload);
    });
    page.on('Runtime.executionContextDestroyed', ({ executionContextId }) => executionContextId === this.context && this.left());
    page.on('Runtime.executionContextsCleared', () => this.left());
    page.on('Fetch.requestPaused', (request) => this.guard(request));
    page.on('Page.javascriptDialogOpening', ({ type }) => type === 'beforeunload' && this.askedToStay());
    page.on('Page.loadEventFired', () => this.wanted !== '' && this.emit('did-finish-load'));
    await page.send('Runtime.enable');
    await page.send('Page.enable');
    await page.send('Runtime.addBinding', { name: BINDING, executionContextName: ISOLATED });
    await page.send('Page.addScriptToEvaluateOnNewDocument', { source: mainWorldSource });
    await page.send('Page.addScriptToEvaluateOnNewDocument', {
      source: isolatedWorldSource(readFileSync(preload, 'utf8')),
      worldName: ISOLATED,
    });
    await page.send('Fetch.enable', { patterns: [{ urlPattern: '*', resourceType: 'Document' }] });
    await permissions.apply(chromium, this);
  }

  /** will-navigate for what a page or a person starts; what the app loads passes. */
  guard({ requestId, request }) {
    const url = request.url + (request.urlFragment ?? '');
    const own = url.split('#')[0] === this.wanted;
    const stopped = !own && refused(this, 'will-navigate', { url, isMainFrame: true }, url);
    const answer = stopped ? ['Fetch.failRequest', { requestId, errorReason: 'Aborted' }] : ['Fetch.continueRequest', { requestId }];
    this.page.send(...answer).catch(() => undefined);
  }
  /** beforeunload: the window stays unless the app insists. */
  askedToStay() {
    const accept = refused(this, 'will-prevent-unload');
    if (!accept) app.quitting = false;
    this.page.send('Page.handleJavaScriptDialog', { accept }).catch(() => undefined);
  }
}

export class BrowserWindow extends EventEmitter {
  static useChromium(c, owner, session) {
    chromium = c;
    app = owner;
    permissions = session;
    c.browser.on('Target.targetDestroyed', ({ targetId }) => [...windows].find((w) => w.webContents.target === targetId)?.gone());
    c.browser.on('Target.targetCreated', ({ targetInfo }) => {
      const opener = targetInfo.openerId && [...windows].find((w) => w.webContents.target === targetInfo.openerId);
      if (targetInfo.type !== 'page' || !opener) return;
      const { action } = opener.webContents.windowOpenHandler({ url: targetInfo.url });
      if (action === 'deny') c.browser.send('Target.closeTarget', { targetId: targetInfo.targetId }).catch(() => undefined);
    });
    c.browser.send('Target.setDiscoverTargets', { discover: true }).catch((e) => process.stderr.write(`standin: ${e.message}\n`));
  }
  static getAllWindows() {
    return [...windows];
  }
  static fromWebContents(contents) {
    return [...windows].find((w) => w.webContents === contents) ?? null;
  }

  webContents = new WebContents();
  visible = true;

  constructor(options) {
    super();
    if (!app.isReady()) throw new Error('Cannot create BrowserWindow before app is ready');
    const { preload, sandbox = true, contextIsolation = true, nodeIntegration = false } = options.webPreferences;
    if (!sandbox || !contextIsolation || nodeIntegration) throw new Error('the stand-in has only sandboxed, isolated windows');
    this.visible = options.show ?? true;
    this.title = options.title ?? app.name;
    this.options = options;
    windows.add(this);
    app.emit('web-contents-created', {}, this.webContents);
    app.emit('browser-window-created', {}, this);
    this.attached = this.webContents.attach({ width: options.width, height: options.height, preload });
  }
  async loadFile(file) {
    await this.attached;
    const { webContents } = this;
    webContents.wanted = pathToFileURL(file).href;
    const loaded = new Promise((done) => webContents.once('did-finish-load', done));
    await webContents.page.send('Page.navigate', { url: webContents.wanted });
    await loaded;
    this.emit('ready-to-show');
  }
  show() {
    this.visible = true;
  }
  isVisible() {
    return this.visible;
  }
  isMinimized() {
    return false;
  }
  restore() {
    this.visible = true;
  }
  focus() {
    this.emit('focus');
  }
  isDestroyed() {
    return this.webContents.isDestroyed();
  }
  close() {
    if (!refused(this, 'close')) this.webContents.close({ waitForBeforeUnload: true });
  }
  destroy() {
    this.webContents.close();
  }
  gone() {
    windows.delete(this);
    this.webContents.left();
    this.webContents.page = undefined;
    this.webContents.emit('destroyed');
    this.emit('closed');
    if (windows.size === 0) app.allClosed();
  }
}

export const webContents = {
  getAllWebContents: () => [...windows].map((w) => w.webContents),
  fromDevToolsTargetId: (id) => webContents.getAllWebContents().find((c) => c.target === id),
};
