// Starts the window: theme and store first, then the bridge, then React.
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import '@xterm/xterm/css/xterm.css';
import 'dockview-react/dist/styles/dockview.css';
import './theme/tokens.css';
import './theme/base.css';
import './theme/dock.css';
import { App } from './App.tsx';
import { host } from './store/host.ts';
import { startStore } from './store/store.ts';
import { openWebSocket, takeToken } from './store/web_socket.ts';

startStore();
host.connect(window.ringscope ?? openWebSocket(location.origin, takeToken(location, history, sessionStorage)));

const root = document.getElementById('root');
if (!root) throw new Error('index.html has no #root');
createRoot(root).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
