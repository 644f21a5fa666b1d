// The browser door's bridge: a WebSocket to the page's own origin, token from the URL fragment, reconnecting for ever.
import type { ToHost, ToWindow } from '../../preload/contract.ts';
import type { Connection, ConnectionState } from './host.ts';

const TOKEN_KEY = 'ringscope.token';
const RETRY_FIRST_MS = 250;
const RETRY_MAX_MS = 4_000;

/** Takes `#token=…` out of the address bar; a reload of the same tab finds it in sessionStorage. */
export function takeToken(location: Location, history: History, storage: Storage): string | undefined {
  const found = /(?:^#|&)token=([^&]+)/.exec(location.hash)?.[1];
  if (found === undefined) return storage.getItem(TOKEN_KEY) ?? undefined;
  storage.setItem(TOKEN_KEY, found);
  history.replaceState(history.state, '', location.pathname + location.search);
  return found;
}

/** Opens `ws(s)://<origin>/ws?token=…`. */
export function openWebSocket(origin: string, token: string | undefined): Connection {
  const url = `${origin.replace(/^http/, 'ws')}/ws?token=${encodeURIComponent(token ?? '')}`;
  const messageListeners = new Set<(message: ToWindow) => void>();
  const stateListeners = new Set<(state: ConnectionState) => void>();
  let socket: WebSocket | undefined;
  let state: ConnectionState = 'connecting';
  let retry = RETRY_FIRST_MS;

  const setState = (next: ConnectionState): void => {
    if (next === state) return;
    state = next;
    for (const listener of stateListeners) listener(next);
  };
  const open = (): void => {
    const next = new WebSocket(url);
    socket = next;
    next.addEventListener('open', () => {
      retry = RETRY_FIRST_MS;
      setState('open');
    });
    next.addEventListener('message', (event: MessageEvent<string>) => {
      const message = JSON.parse(event.data) as ToWindow;
      for (const listener of messageListeners) listener(message);
    });
    next.addEventListener('close', () => {
      setState('lost');
      setTimeout(open, retry);
      retry = Math.min(retry * 2, RETRY_MAX_MS);
    });
  };
  open();

  return {
    door: 'browser',
    send: (message: ToHost) => {
      if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
    },
    onMessage: (listener) => {
      messageListeners.add(listener);
      return () => messageListeners.delete(listener);
    },
    onState: (listener) => {
      stateListeners.add(listener);
      listener(state);
      return () => stateListeners.delete(listener);
    },
  };
}
