// The browser door: the window's files over HTTP and the contract over WebSocket, on loopback only, with a per-launch token and Origin check.
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { createReadStream, existsSync, statSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize, sep } from 'node:path';
import type { Duplex } from 'node:stream';
import { WebSocket, WebSocketServer } from 'ws';
import type { HostThread } from '../host/client.ts';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.woff2': 'font/woff2',
  '.json': 'application/json',
  '.map': 'application/json',
};
/** Largest message a window may send, bytes. */
const MAX_MESSAGE = 4 << 20;
/** Unsent bytes towards a window above which pushes to it are held back. */
const BACKLOG = 8 << 20;

export const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

export interface WebDoor {
  /** The page with its token; open this. */
  readonly url: string;
  readonly origin: string;
  readonly token: string;
  close(): Promise<void>;
}

const HEADERS: Readonly<Record<string, string>> = {
  'Content-Security-Policy': CSP,
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Cache-Control': 'no-cache',
};

/** Serves `root` (the built window) on 127.0.0.1. `port` 0: any free one. */
export async function startWebDoor(host: Pick<HostThread, 'connect'>, root: string, port: number): Promise<WebDoor> {
  const token = randomBytes(24).toString('base64url');
  const server = createServer((req, res) => serveFile(root, req, res));
  await new Promise<void>((ready, failed) => {
    server.once('error', failed);
    server.listen(port, '127.0.0.1', ready);
  });
  const { port: bound } = server.address() as AddressInfo;
  const origin = `http://127.0.0.1:${bound}`;
  const sockets = new WebSocketServer({ noServer: true, maxPayload: MAX_MESSAGE });
  server.on('upgrade', (req, socket, head) => {
    const refusal = refuse(req, origin, token);
    if (refusal !== undefined) return reject(socket, refusal);
    sockets.handleUpgrade(req, socket, head, (ws) => attach(ws, host));
  });
  return { url: `${origin}/#token=${token}`, origin, token, close: () => closeAll(server, sockets) };
}

interface Refusal {
  readonly status: string;
  readonly text: string;
}

/** Why an upgrade is refused; undefined when it is ours. */
function refuse(req: IncomingMessage, origin: string, token: string): Refusal | undefined {
  const url = new URL(req.url ?? '/', origin);
  if (url.pathname !== '/ws') return { status: '404 Not Found', text: 'There is no such endpoint.\n' };
  const from = req.headers.origin;
  if (from !== origin && from !== origin.replace('127.0.0.1', 'localhost')) {
    return {
      status: '403 Forbidden',
      text: `Refused: the page's origin ${from ?? '(none)'} is not this server's. Open the address that ringscope printed.\n`,
    };
  }
  const given = Buffer.from(url.searchParams.get('token') ?? '');
  const wanted = Buffer.from(token);
  if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) {
    return {
      status: '401 Unauthorized',
      text: 'Refused: the token is wrong or from an earlier launch. Open the address that ringscope printed.\n',
    };
  }
  return undefined;
}

function reject(socket: Duplex, { status, text }: Refusal): void {
  socket.end(
    `HTTP/1.1 ${status}\r\nContent-Type: text/plain\r\nContent-Length: ${Buffer.byteLength(text)}\r\nConnection: close\r\n\r\n${text}`,
  );
}

function attach(ws: WebSocket, host: Pick<HostThread, 'connect'>): void {
  const connection = host.connect('browser', (message) => {
    if (ws.readyState !== WebSocket.OPEN) return;
    // a window that does not read gets answers and terminal output, but no views: the next push brings the newest anyway
    if (ws.bufferedAmount > BACKLOG && message.t === 'push' && !isTerminal(message.value)) return;
    ws.send(JSON.stringify(message));
  });
  ws.on('message', (data, binary) => {
    if (binary) return ws.close(1003, 'text messages only');
    let message: unknown;
    try {
      message = JSON.parse(String(data as Buffer));
    } catch {
      return ws.close(1007, 'not JSON');
    }
    connection.send(message);
    return undefined;
  });
  ws.on('close', () => connection.close());
  ws.on('error', () => ws.terminate());
}

const isTerminal = (v: unknown): boolean => typeof v === 'object' && v !== null && ('data' in v || 'exit' in v);

function serveFile(root: string, req: IncomingMessage, res: ServerResponse): void {
  for (const [k, v] of Object.entries(HEADERS)) res.setHeader(k, v);
  const fail = (status: number, text: string): void => {
    res.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8' }).end(`${text}\n`);
  };
  // a name that resolves here by DNS rebinding is not ours
  if (!/^(127\.0\.0\.1|localhost)(:\d+)?$/.test(req.headers.host ?? '')) return fail(421, 'This server answers to 127.0.0.1 only.');
  if (req.method !== 'GET' && req.method !== 'HEAD') return fail(405, 'Only GET is served here.');
  let path: string;
  try {
    path = normalize(decodeURIComponent(new URL(req.url ?? '/', 'http://x').pathname));
  } catch {
    return fail(400, 'The address is malformed.');
  }
  const file = join(root, path === '/' || path === sep ? 'index.html' : path);
  if (!file.startsWith(root + sep) || !existsSync(file) || !statSync(file).isFile()) return fail(404, 'There is no such file.');
  res.writeHead(200, { 'Content-Type': TYPES[extname(file)] ?? 'application/octet-stream', 'Content-Length': statSync(file).size });
  if (req.method === 'HEAD') res.end();
  else createReadStream(file).pipe(res);
}

async function closeAll(server: Server, sockets: WebSocketServer): Promise<void> {
  for (const ws of sockets.clients) ws.terminate();
  server.closeAllConnections();
  await new Promise((done) => server.close(done));
}
