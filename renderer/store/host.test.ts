// Rules of the window's client: answers find their question, subscriptions survive a lost connection, nothing waits for ever.
import { describe, expect, test } from 'vitest';
import type { ToHost, ToWindow } from '../../preload/contract.ts';
import { HostClient, type Connection, type ConnectionState } from './host.ts';

function scripted() {
  const sent: ToHost[] = [];
  let toWindow: (message: ToWindow) => void = () => {};
  let toState: (state: ConnectionState) => void = () => {};
  const connection: Connection = {
    door: 'browser',
    send: (message) => sent.push(message),
    onMessage: (listener) => {
      toWindow = listener;
      return () => {};
    },
    onState: (listener) => {
      toState = listener;
      return () => {};
    },
  };
  return { sent, connection, say: (message: ToWindow) => toWindow(message), become: (state: ConnectionState) => toState(state) };
}

describe('HostClient', () => {
  test('a request made before the connection is open is sent once it is, and answered', async () => {
    const { sent, connection, say, become } = scripted();
    const host = new HostClient();
    const answer = host.request('lab.text', {});
    host.connect(connection);
    expect(sent).toEqual([]);
    become('open');
    expect(sent).toEqual([{ t: 'req', id: 1, name: 'lab.text', params: {} }]);
    say({ t: 'res', id: 1, ok: true, value: 'name: two' });
    expect(await answer).toBe('name: two');
  });

  test("the host's refusal is the error's message", async () => {
    const { connection, say, become } = scripted();
    const host = new HostClient();
    host.connect(connection);
    become('open');
    const answer = host.request('lab.open', { path: 'x' });
    say({ t: 'res', id: 1, ok: false, error: 'x: no such file' });
    await expect(answer).rejects.toThrow('x: no such file');
  });

  test('a lost connection rejects what was asked, and asks nothing new', async () => {
    const { connection, become } = scripted();
    const host = new HostClient();
    host.connect(connection);
    become('open');
    const answer = host.request('lab.text', {});
    become('lost');
    await expect(answer).rejects.toThrow('lost before it answered');
    await expect(host.request('lab.text', {})).rejects.toThrow('Not connected');
  });

  test('after a reconnect every subscription still held is asked for again, and no other', () => {
    const { sent, connection, say, become } = scripted();
    const host = new HostClient();
    host.connect(connection);
    become('open');
    const seen: number[] = [];
    host.subscribe('packets', undefined, ({ total }) => seen.push(total));
    host.subscribe('trace', undefined, () => {})();
    become('lost');
    sent.length = 0;
    become('open');
    expect(sent).toEqual([{ t: 'sub', id: 1, topic: 'packets', params: undefined }]);
    say({ t: 'push', id: 1, value: { total: 7 } });
    say({ t: 'push', id: 2, value: { total: 8 } });
    expect(seen).toEqual([7]);
  });
});
