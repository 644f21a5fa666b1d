// The sandboxed bridge: hands the window a message channel to the host, and nothing else.
import { contextBridge, ipcRenderer } from 'electron';
import type { Bridge, ToHost, ToWindow } from './contract.ts';

const listeners = new Set<(message: ToWindow) => void>();
const early: ToHost[] = [];
let port: MessagePort | undefined;

ipcRenderer.once('ringscope:port', (event) => {
  [port] = event.ports;
  port.onmessage = (e: MessageEvent<ToWindow>) => {
    for (const l of listeners) l(e.data);
  };
  for (const m of early.splice(0)) port.postMessage(m);
});
ipcRenderer.send('ringscope:ready');

const bridge: Bridge = {
  door: 'electron',
  send: (message) => {
    if (port === undefined) early.push(message);
    else port.postMessage(message);
  },
  onMessage: (listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  },
};
contextBridge.exposeInMainWorld('ringscope', bridge);
