// The Electron door: one window on the host.
import { app, BrowserWindow, ipcMain, MessageChannelMain } from 'electron';
import { resolve } from 'node:path';
import { HostThread } from './host/client.ts';
import { labDirs, workerScript } from './host/places.ts';
import { installMenu } from './menu.ts';
import { hardenApp, hardenSession } from './security.ts';
import { createWindow } from './window.ts';

hardenApp(app);

let host: HostThread | undefined;

/** Gives a window its own port to the host, each time its page loads. */
function join(contents: Electron.WebContents, thread: HostThread): void {
  const { port1, port2 } = new MessageChannelMain();
  const connection = thread.connect('electron', (message) => port1.postMessage(message));
  port1.on('message', (e) => connection.send(e.data));
  port1.on('close', () => connection.close());
  port1.start();
  contents.postMessage('ringscope:port', null, [port2]);
}

async function start(): Promise<void> {
  await app.whenReady();
  hardenSession();
  const thread = new HostThread(workerScript(), { labDirs: labDirs() }, (e) => {
    process.stderr.write(`ringscope: the engine stopped: ${e.stack ?? e.message}\n`);
    app.exit(1);
  });
  host = thread;
  ipcMain.on('ringscope:ready', (event) => {
    if (BrowserWindow.fromWebContents(event.sender) !== null) join(event.sender, thread);
  });
  installMenu();
  const given = process.argv.slice(app.isPackaged ? 1 : 2).find((a) => a.endsWith('.yaml'));
  try {
    await thread.openLab(given === undefined ? resolve(labDirs()[0], 'two-hosts.lab.yaml') : resolve(given));
  } catch (e) {
    // the window opens all the same: its Problems panel names every mistake
    process.stderr.write(`ringscope: ${e instanceof Error ? e.message : String(e)}\n`);
  }
  createWindow();
  app.on('activate', () => {
    if (BrowserWindow.getAllWindows().length === 0) createWindow();
  });
}

if (app.requestSingleInstanceLock()) {
  app.on('second-instance', () => {
    const [window] = BrowserWindow.getAllWindows();
    if (window === undefined) return;
    if (window.isMinimized()) window.restore();
    window.focus();
  });
  app.on('window-all-closed', () => {
    if (process.platform !== 'darwin') app.quit();
  });
  app.on('will-quit', (event) => {
    if (host === undefined) return;
    // every window has agreed to close; recordings are closed before the process ends
    event.preventDefault();
    const closing = host;
    host = undefined;
    void closing.close().finally(() => app.quit());
  });
  start().catch((e: unknown) => {
    process.stderr.write(`ringscope: cannot start: ${e instanceof Error ? (e.stack ?? e.message) : String(e)}\n`);
    app.exit(1);
  });
} else app.quit();
