// The page's side of the stand-in: the isolated world of the preload script and its bridge to the main world, as source text.
// Objects cannot cross from one world to the other over the protocol; strings in DOM events can, at once and in both directions.

export const ISOLATED = 'Electron Isolated Context';
export const BINDING = '__standinToMain';

/** One end of the bridge; the same code in both worlds. Functions cross as numbers, everything else as JSON. */
function bridgeEnd(mine, theirs) {
  const functions = [];
  const numbers = new Map();
  const proxies = new Map();
  let answer;
  const pack = (v) => {
    if (typeof v === 'function') {
      if (!numbers.has(v)) numbers.set(v, functions.push(v) - 1);
      return { f: numbers.get(v) };
    }
    if (Array.isArray(v)) return { a: v.map(pack) };
    if (typeof v === 'object' && v !== null) return { o: Object.entries(v).map(([k, x]) => [k, pack(x)]) };
    return v === undefined ? {} : { v };
  };
  const unpack = (p) => {
    if ('f' in p) {
      if (!proxies.has(p.f)) proxies.set(p.f, (...args) => ask({ call: p.f, args: pack(args) }));
      return proxies.get(p.f);
    }
    if ('a' in p) return p.a.map(unpack);
    return 'o' in p ? Object.fromEntries(p.o.map(([k, x]) => [k, unpack(x)])) : p.v;
  };
  const ask = (question) => {
    answer = undefined;
    window.dispatchEvent(new CustomEvent(theirs, { detail: JSON.stringify(question) }));
    if (answer === undefined) throw new Error('the other world does not answer');
    const given = answer;
    if (given.error !== undefined) throw new Error(given.error);
    return unpack(given.value);
  };
  window.addEventListener(mine, (event) => {
    const message = JSON.parse(event.detail);
    if ('answer' in message) {
      answer = message.answer;
      return;
    }
    let reply;
    try {
      const value =
        'expose' in message
          ? Object.defineProperty(window, message.expose, { value: Object.freeze(unpack(message.api)), enumerable: true }) && undefined
          : functions[message.call](...unpack(message.args));
      reply = { value: pack(value) };
    } catch (e) {
      reply = { error: e instanceof Error ? e.message : String(e) };
    }
    window.dispatchEvent(new CustomEvent(theirs, { detail: JSON.stringify({ answer: reply }) }));
  });
  return { expose: (key, api) => ask({ expose: key, api: pack(api) }) };
}

/** The sandboxed preload's `electron` module. */
function preloadWorld(bridge, toMain) {
  const listeners = new Map();
  const ports = new Map();
  const ofChannel = (channel) => listeners.get(channel) ?? listeners.set(channel, []).get(channel);
  const openPort = (id) => {
    const { port1, port2 } = new MessageChannel();
    ports.set(id, port2);
    port2.onmessage = (e) => toMain({ t: 'port', id, data: e.data });
    return port1;
  };
  globalThis.__standinFromMain = (text) => {
    const m = JSON.parse(text);
    if (m.t === 'port') return ports.get(m.id)?.postMessage(m.data);
    const event = { ports: m.ports.map(openPort), senderId: 0 };
    for (const l of [...ofChannel(m.channel)]) l(event, ...m.args);
    return undefined;
  };
  window.addEventListener('standin:open', (event) => toMain({ t: 'open', url: event.detail }));
  window.addEventListener('standin:close', () => toMain({ t: 'close' }));
  const ipcRenderer = {
    on: (channel, listener) => (ofChannel(channel).push(listener), ipcRenderer),
    once: (channel, listener) => {
      const once = (...args) => (ipcRenderer.off(channel, once), listener(...args));
      return ipcRenderer.on(channel, once);
    },
    off: (channel, listener) => {
      listeners.set(
        channel,
        ofChannel(channel).filter((l) => l !== listener),
      );
      return ipcRenderer;
    },
    send: (channel, ...args) => toMain({ t: 'ipc', channel, args }),
  };
  return { contextBridge: { exposeInMainWorld: bridge.expose }, ipcRenderer };
}

/** For the main world, before any script of the page. */
export const mainWorldSource = `(${bridgeEnd})('standin:main', 'standin:isolated');
// Electron lets a page close its own window, and asks the app before it opens another; Chromium does neither
window.open = (url) => (window.dispatchEvent(new CustomEvent('standin:open', { detail: String(new URL(url, location.href)) })), null);
window.close = () => window.dispatchEvent(new CustomEvent('standin:close'));`;

/** For the isolated world: the module, a sandboxed `require`, then the preload script as it was built. */
export function isolatedWorldSource(preload) {
  return `{
  const electron = (${preloadWorld})((${bridgeEnd})('standin:isolated', 'standin:main'), (m) => ${BINDING}(JSON.stringify(m)));
  const require = (name) => {
    if (name === 'electron') return electron;
    throw new Error('module not found: ' + name);
  };
  const module = { exports: {} };
  (function (exports, require, module) {${preload}
  })(module.exports, require, module);
}`;
}
