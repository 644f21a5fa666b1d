// The stand-in's Chromium: started once, spoken to over the DevTools protocol.
import { spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import WebSocket from 'ws';
import { findChromium } from '../../scripts/setup.mjs';

/** Switches of an Electron command line that Chromium gets as they are. */
const PASSED = /^--(no-sandbox|disable-3d-apis|force-|lang=|window-size=)/;
const OWN = [
  '--headless',
  '--remote-debugging-port=0',
  '--no-startup-window',
  '--no-first-run',
  '--no-default-browser-check',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-extensions',
  '--disable-sync',
  '--disable-backgrounding-occluded-windows',
  '--disable-renderer-backgrounding',
  // a window loads its modules from file:, as in Electron
  '--allow-file-access-from-files',
];

/** One session of the protocol: the browser's, or a page's. Emits events by their method names. */
class Session extends EventEmitter {
  constructor(connection, id) {
    super();
    this.connection = connection;
    this.id = id;
  }
  send(method, params = {}) {
    return this.connection.send(method, params, this.id);
  }
}

export class Chromium {
  /** @param argv an Electron command line */
  static async start(argv) {
    const executable = findChromium();
    if (executable === undefined) throw new Error('the stand-in for Electron needs a Chromium-family browser; none was found');
    const profile = mkdtempSync(join(tmpdir(), 'ringscope-standin-'));
    const flags = [...OWN, ...argv.filter((a) => PASSED.test(a)), `--user-data-dir=${profile}`];
    if (process.getuid?.() === 0 && !flags.includes('--no-sandbox')) flags.push('--no-sandbox');
    const child = spawn(executable, flags, { stdio: ['ignore', 'ignore', 'pipe'] });
    // whatever way this process ends, the browser does not outlive it
    process.once('exit', () => child.kill('SIGKILL'));
    const url = await new Promise((ready, failed) => {
      let said = '';
      child.once('exit', () => failed(new Error(`Chromium ended at once: ${said}`)));
      child.stderr.on('data', (d) => {
        said += d;
        const m = /DevTools listening on (ws:\S+)/.exec(said);
        if (m) ready(m[1]);
      });
    });
    // Electron prints it too; Playwright's _electron waits for it
    process.stderr.write(`DevTools listening on ${url}\n`);
    const socket = new WebSocket(url, { perMessageDeflate: false });
    await new Promise((open, failed) => socket.once('open', open).once('error', failed));
    return new Chromium(child, profile, socket);
  }

  constructor(child, profile, socket) {
    this.child = child;
    this.profile = profile;
    this.socket = socket;
    this.nextId = 1;
    this.waiting = new Map();
    this.sessions = new Map();
    this.browser = this.session(undefined);
    socket.on('message', (data) => this.receive(JSON.parse(String(data))));
    socket.on('error', () => socket.terminate());
  }

  session(id) {
    const session = new Session(this, id);
    this.sessions.set(id, session);
    return session;
  }

  send(method, params, sessionId) {
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject, method });
      this.socket.send(JSON.stringify(sessionId === undefined ? { id, method, params } : { id, method, params, sessionId }));
    });
  }

  receive(message) {
    if (message.id === undefined) {
      this.sessions.get(message.sessionId)?.emit(message.method, message.params);
      return;
    }
    const { resolve, reject, method } = this.waiting.get(message.id);
    this.waiting.delete(message.id);
    if (message.error === undefined) resolve(message.result);
    else reject(new Error(`${method}: ${message.error.message}`));
  }

  /** Ends the browser in order, or by force after a while, and removes its profile. */
  async stop() {
    const ended = once(this.child, 'exit');
    this.send('Browser.close', {}).catch(() => this.child.kill('SIGKILL'));
    const force = setTimeout(() => this.child.kill('SIGKILL'), 2_000);
    if (this.child.exitCode === null && this.child.signalCode === null) await ended;
    clearTimeout(force);
    rmSync(this.profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
  }
}
