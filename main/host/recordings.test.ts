// Recordings: what is written replays to the same state; what is damaged says so and loses nothing that was whole.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { Session } from '../../engine/index.ts';
import { command, openLab, runFor } from '../../engine/testkit/lab.ts';
import { formatLab } from './labs.ts';
import { readSession, Recording, SessionFileError } from './recordings.ts';
import { Runtime } from './runtime.ts';

const dir = mkdtempSync(join(tmpdir(), 'ringscope-recordings-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** Records a ping that starts after recording does; answers the file and the live session. */
async function record(name: string): Promise<{ path: string; session: Session }> {
  const session = openLab('two-hosts');
  const runtime = new Runtime(session);
  session.observe('all');
  const path = join(dir, name);
  const recording = await Recording.start(path, runtime, session.lab, formatLab(session.lab));
  command(session, 'h1', 'ping -c 2 10.0.0.2');
  runFor(session, 3e9);
  await recording.stop(session);
  return { path, session };
}

describe('a recording', () => {
  test('holds lab, inputs, trace and hashes, and replays to the same state', async () => {
    const { path, session } = await record('whole.mcap');
    const file = readSession(path);
    expect(file.truncated).toBe(false);
    expect(file.log).toEqual(session.log);
    expect(file.traced).toBeGreaterThan(50);
    const replay = new Session(file.lab, file.log);
    for (const mark of file.marks) {
      replay.replayTo(mark.event);
      expect(replay.hash()).toBe(mark.hash);
    }
    expect(file.marks.at(-1)?.hash).toBe(session.hash());
  });

  test('a rewind that was forked while recording is followed', async () => {
    const session = openLab('two-hosts');
    const runtime = new Runtime(session);
    const path = join(dir, 'forked.mcap');
    const recording = await Recording.start(path, runtime, session.lab, formatLab(session.lab));
    command(session, 'h1', 'ping -c 3 10.0.0.2');
    runFor(session, 2e9);
    session.goto(session.event - 10);
    command(session, 'h2', 'ping -c 1 10.0.0.1');
    runFor(session, 1e9);
    await recording.stop(session);
    const file = readSession(path);
    const replay = new Session(file.lab, file.log);
    replay.replayTo(session.event);
    expect(replay.hash()).toBe(session.hash());
  });

  test('cut off anywhere, it is either read as far as it goes or refused with a reason', async () => {
    const { path } = await record('cut.mcap');
    const whole = readFileSync(path);
    const cut = join(dir, 'part.mcap');
    for (const share of [0, 0.001, 0.1, 0.5, 0.9, 0.999]) {
      writeFileSync(cut, whole.subarray(0, Math.floor(whole.length * share)));
      try {
        expect(readSession(cut).truncated).toBe(true);
      } catch (e) {
        expect(e).toBeInstanceOf(SessionFileError);
        expect((e as Error).message).toMatch(/part\.mcap: .*it is not a Ringscope session, or it is damaged$/);
      }
    }
  });

  test('an input of no known shape is refused, not replayed', async () => {
    const session = openLab('two-hosts');
    const path = join(dir, 'odd.mcap');
    const write = async (entry: object): Promise<void> => {
      const runtime = new Runtime(session);
      Object.assign(session.log, [entry]);
      const recording = await Recording.start(path, runtime, session.lab, formatLab(session.lab));
      await recording.stop(session);
    };
    await write({ event: 1, time: 0, input: { kind: 'format-the-disk' } });
    expect(() => readSession(path)).toThrow(`${path}: the input of event 1 is none: it is not a Ringscope session, or it is damaged`);
    await write({ event: 1, time: 0 });
    expect(() => readSession(path)).toThrow('the input of event 1 is none');
  });

  test('bytes that are no recording are refused', () => {
    const path = join(dir, 'noise.mcap');
    writeFileSync(path, Buffer.alloc(5000, 0xa5));
    expect(() => readSession(path)).toThrow(/noise\.mcap: .*it is not a Ringscope session, or it is damaged/);
    expect(() => readSession(join(dir, 'nosuch.mcap'))).toThrow(/cannot read the session .*nosuch\.mcap: no such file/);
  });
});
