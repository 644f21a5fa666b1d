// The browser door's guards: who may connect, what is served, and the words of every refusal.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { get, type IncomingMessage, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { Host } from '../host/host.ts';
import { CSP, startWebDoor, type WebDoor } from './server.ts';

const dir = mkdtempSync(join(tmpdir(), 'ringscope-web-'));
const host = new Host({ labDirs: [], wall: () => performance.now(), hostShell: false });
let door: WebDoor;

beforeAll(async () => {
  mkdirSync(join(dir, 'root'));
  writeFileSync(join(dir, 'root/index.html'), '<title>window</title>');
  writeFileSync(join(dir, 'secret'), 'secret');
  const connect: Parameters<typeof startWebDoor>[0]['connect'] = (kind, receive) => {
    const client = host.connect(receive, kind);
    return { send: (m) => client.receive(m), close: () => host.disconnect(client) };
  };
  door = await startWebDoor({ connect }, join(dir, 'root'), 0);
});
afterAll(async () => {
  await door.close();
  await host.close();
  rmSync(dir, { recursive: true, force: true });
});

async function textOf(response: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) text += String(chunk);
  return text;
}
/** What a refused WebSocket is told. */
function refused(path: string, origin: string | undefined): Promise<{ status: number | undefined; text: string }> {
  const ws = new WebSocket(door.origin.replace('http', 'ws') + path, origin === undefined ? {} : { origin });
  return new Promise((resolve, reject) => {
    ws.on('open', () => reject(new Error('the connection was accepted')));
    ws.on('error', () => undefined);
    ws.on('unexpected-response', (_req, res) => void textOf(res).then((text) => resolve({ status: res.statusCode, text })));
  });
}
function accepted(): Promise<WebSocket> {
  const ws = new WebSocket(`${door.origin.replace('http', 'ws')}/ws?token=${door.token}`, { origin: door.origin });
  return new Promise((resolve, reject) => ws.once('open', () => resolve(ws)).once('error', reject));
}
function fetched(path: string, options: { readonly method?: string; readonly host?: string } = {}): Promise<IncomingMessage> {
  const { port } = new URL(door.origin);
  return new Promise((resolve, reject) => {
    const headers = options.host === undefined ? {} : { host: options.host };
    request({ host: '127.0.0.1', port, path, method: options.method ?? 'GET', headers }, resolve)
      .once('error', reject)
      .end();
  });
}

describe('a WebSocket', () => {
  test('with the token and the origin of this launch is answered', async () => {
    const ws = await accepted();
    const answer = new Promise((resolve) => ws.once('message', (data: Buffer) => resolve(JSON.parse(String(data)))));
    ws.send(JSON.stringify({ t: 'req', id: 7, name: 'app.hello', params: { version: 1 } }));
    expect(await answer).toEqual({ t: 'res', id: 7, ok: true, value: { version: 1, hostShell: false, door: 'browser' } });
    ws.close();
  });
  test('with a wrong, an empty or no token is refused and told why', async () => {
    const why = { status: 401, text: 'Refused: the token is wrong or from an earlier launch. Open the address that ringscope printed.\n' };
    expect(await refused(`/ws?token=${door.token.slice(1)}x`, door.origin)).toEqual(why);
    expect(await refused('/ws?token=', door.origin)).toEqual(why);
    expect(await refused('/ws', door.origin)).toEqual(why);
  });
  test('from another page, or from none, is refused even with the right token', async () => {
    expect(await refused(`/ws?token=${door.token}`, 'http://evil.example')).toEqual({
      status: 403,
      text: "Refused: the page's origin http://evil.example is not this server's. Open the address that ringscope printed.\n",
    });
    expect(await refused(`/ws?token=${door.token}`, undefined)).toEqual({
      status: 403,
      text: "Refused: the page's origin (none) is not this server's. Open the address that ringscope printed.\n",
    });
  });
  test('to another path is refused', async () => {
    expect(await refused(`/other?token=${door.token}`, door.origin)).toEqual({ status: 404, text: 'There is no such endpoint.\n' });
  });
  test('that sends what is no message is closed with a reason', async () => {
    const closed = async (send: string | Buffer): Promise<string> => {
      const ws = await accepted();
      ws.send(send);
      return new Promise((resolve) => ws.once('close', (code, reason) => resolve(`${code} ${String(reason)}`)));
    };
    expect(await closed('{')).toBe('1007 not JSON');
    expect(await closed(Buffer.from([1]))).toBe('1003 text messages only');
  });
});

describe('the files of the window', () => {
  test('are served with a policy that lets in no foreign script', async () => {
    const res = await new Promise<IncomingMessage>((resolve) => get(door.origin, resolve));
    expect(res.statusCode).toBe(200);
    expect(res.headers['content-security-policy']).toBe(CSP);
    expect(res.headers['x-content-type-options']).toBe('nosniff');
    expect(await textOf(res)).toBe('<title>window</title>');
  });
  test('end at their folder', async () => {
    for (const path of ['/../secret', '/%2e%2e/secret', '/..%2fsecret', '//../secret']) {
      const res = await fetched(path);
      expect([res.statusCode, await textOf(res)]).toEqual([404, 'There is no such file.\n']);
    }
  });
  test('are not given to a foreign host name that resolves here', async () => {
    const res = await fetched('/', { host: 'rebound.example' });
    expect([res.statusCode, await textOf(res)]).toEqual([421, 'This server answers to 127.0.0.1 only.\n']);
  });
  test('are only read', async () => {
    const res = await fetched('/', { method: 'POST' });
    expect([res.statusCode, await textOf(res)]).toEqual([405, 'Only GET is served here.\n']);
  });
  test('of a malformed address do not bring the server down', async () => {
    const res = await fetched('/%');
    expect([res.statusCode, await textOf(res)]).toEqual([400, 'The address is malformed.\n']);
  });
});
