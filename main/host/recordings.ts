// Session recordings as MCAP: the lab, the inputs with their times, hash marks, the trace. Small chunks, so that a crash loses little.
import { type FileHandle, open } from 'node:fs/promises';
import { McapStreamReader, McapWriter } from '@mcap/core';
import { readFileSync, statSync } from 'node:fs';
import { type LabSpec, type LoggedInput, namedArgs, type Session } from '../../engine/index.ts';
import { parseLab } from './labs.ts';
import type { Runtime } from './runtime.ts';

const FORMAT = 'ringscope-session';
const VERSION = '1';
/** Bytes of a chunk: what a crash can lose at most, besides what the system had not written. */
const CHUNK = 64 * 1024;
/** Wall milliseconds between flushes and hash marks. */
const MARK_EVERY = 1_000;

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const json = (v: unknown): Uint8Array => encoder.encode(JSON.stringify(v));

const CHANNELS = ['/inputs', '/truncate', '/marks', '/trace'] as const;
type Channel = (typeof CHANNELS)[number];

class FileWritable {
  private at = 0n;
  constructor(private readonly file: FileHandle) {}
  async write(buffer: Uint8Array): Promise<void> {
    await this.file.write(buffer);
    this.at += BigInt(buffer.byteLength);
  }
  position(): bigint {
    return this.at;
  }
}

export class Recording {
  private queue: Promise<void> = Promise.resolve();
  private failure: unknown;
  private sequence = 0;
  private lastMark = 0;

  private constructor(
    readonly path: string,
    private readonly file: FileHandle,
    private readonly writer: McapWriter,
    private readonly channels: ReadonlyMap<Channel, number>,
    private readonly unlisten: () => void,
  ) {}

  /** Starts recording; what happened before is in it too, as inputs. */
  static async start(path: string, runtime: Runtime, lab: LabSpec, labText: string): Promise<Recording> {
    const file = await open(path, 'w');
    const writer = new McapWriter({ writable: new FileWritable(file), chunkSize: CHUNK });
    await writer.start({ profile: FORMAT, library: 'ringscope' });
    await writer.addMetadata({
      name: FORMAT,
      metadata: new Map([
        ['version', VERSION],
        ['lab', labText],
        ['seed', String(lab.seed)],
        ['start_event', String(runtime.session.event)],
      ]),
    });
    const channels = new Map<Channel, number>();
    for (const topic of CHANNELS) {
      const schemaId = await writer.registerSchema({
        name: `ringscope${topic.replace('/', '.')}`,
        encoding: 'jsonschema',
        data: json({ type: 'object' }),
      });
      channels.set(topic, await writer.registerChannel({ schemaId, topic, messageEncoding: 'json', metadata: new Map() }));
    }
    let recording: Recording | undefined;
    const unlisten = runtime.listen({
      logged: (e) => recording?.add('/inputs', e.time, e),
      truncated: (event) => recording?.add('/truncate', runtime.session.time, { event }),
      drained: (d) => {
        for (const r of d.trace)
          recording?.add('/trace', r.time, { event: r.event, who: r.who, cpu: r.cpu, name: r.def.name, args: namedArgs(r.def, r.args) });
        recording?.mark(runtime.session);
      },
    });
    recording = new Recording(path, file, writer, channels, unlisten);
    for (const entry of runtime.session.log) recording.add('/inputs', entry.time, entry);
    return recording;
  }

  /** Writes the final mark and closes the file. */
  async stop(session: Session): Promise<{ path: string; bytes: number }> {
    this.unlisten();
    this.add('/marks', session.time, { event: session.event, time: session.time, hash: session.hash(), end: true });
    await this.queue;
    if (this.failure !== undefined) throw this.failure;
    await this.writer.end();
    await this.file.close();
    return { path: this.path, bytes: statSync(this.path).size };
  }

  private mark(session: Session): void {
    const now = Date.now();
    if (now - this.lastMark < MARK_EVERY) return;
    this.lastMark = now;
    this.add('/marks', session.time, { event: session.event, time: session.time, hash: session.hash(), end: false });
  }

  private add(topic: Channel, time: number, value: unknown): void {
    const data = json(value);
    const logTime = BigInt(Math.round(time));
    const channelId = this.channels.get(topic) ?? 0;
    const sequence = this.sequence++;
    this.queue = this.queue
      .then(() => this.writer.addMessage({ channelId, sequence, logTime, publishTime: logTime, data }))
      .catch((e: unknown) => {
        this.failure ??= e;
      });
  }
}

export interface Mark {
  readonly event: number;
  readonly time: number;
  readonly hash: string;
  readonly end: boolean;
}

/** A recording read back. */
export interface SessionFile {
  readonly lab: LabSpec;
  readonly log: readonly LoggedInput[];
  readonly marks: readonly Mark[];
  /** Records of the trace in the file. */
  readonly traced: number;
  /** The file was cut off before its end. */
  readonly truncated: boolean;
}

export class SessionFileError extends Error {}

const isNumber = (v: unknown): v is number => typeof v === 'number' && Number.isFinite(v) && v >= 0;

const KINDS: Readonly<Record<LoggedInput['input']['kind'], true>> = {
  spawn: true,
  stdin: true,
  signal: true,
  fs: true,
  edit: true,
  fault: true,
};

function isLogged(v: object): v is LoggedInput {
  const { event, time, input } = v as { readonly [K in keyof LoggedInput]?: unknown };
  return isNumber(event) && isNumber(time) && typeof input === 'object' && input !== null && 'kind' in input && String(input.kind) in KINDS;
}

function isMark(v: object): v is Mark {
  const { event, time, hash, end } = v as { readonly [K in keyof Mark]?: unknown };
  return isNumber(event) && isNumber(time) && typeof hash === 'string' && typeof end === 'boolean';
}

/** Reads a session file, also one that a crash cut off. Throws SessionFileError when it is none. */
export function readSession(path: string): SessionFile {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch (e) {
    throw new SessionFileError(
      `cannot read the session ${path}: ${(e as NodeJS.ErrnoException).code === 'ENOENT' ? 'no such file' : String(e)}`,
    );
  }
  const reader = new McapStreamReader({ validateCrcs: true });
  const channels = new Map<number, string>();
  let meta: ReadonlyMap<string, string> | undefined;
  const log: LoggedInput[] = [];
  const marks: Mark[] = [];
  let traced = 0;
  let ended = false;
  const broken = (what: string): SessionFileError =>
    new SessionFileError(`${path}: ${what}: it is not a Ringscope session, or it is damaged`);
  try {
    reader.append(bytes);
    for (let r = reader.nextRecord(); r !== undefined; r = reader.nextRecord()) {
      if (r.type === 'Metadata' && r.name === FORMAT) meta = r.metadata;
      else if (r.type === 'Footer') ended = true;
      else if (r.type === 'Channel') channels.set(r.id, r.topic);
      else if (r.type === 'Message') {
        const topic = channels.get(r.channelId);
        if (topic === '/trace') {
          traced++;
          continue;
        }
        const v = JSON.parse(decoder.decode(r.data)) as Record<string, unknown>;
        if (!isNumber(v['event'])) throw broken(`a record of ${topic ?? 'an unknown channel'} has no event number`);
        if (topic === '/inputs') {
          if (!isLogged(v)) throw broken(`the input of event ${v['event']} is none`);
          log.push(v);
        } else if (topic === '/marks') {
          if (!isMark(v)) throw broken(`the mark of event ${v['event']} has no hash`);
          marks.push(v);
        } else if (topic === '/truncate') {
          while (log.length > 0 && log[log.length - 1].event > v['event']) log.pop();
          while (marks.length > 0 && marks[marks.length - 1].event > v['event']) marks.pop();
        }
      }
    }
  } catch (e) {
    if (e instanceof SessionFileError) throw e;
    if (meta === undefined) throw broken(e instanceof Error ? e.message : String(e));
  }
  if (meta === undefined) throw broken('the session header is missing');
  if (meta.get('version') !== VERSION)
    throw new SessionFileError(
      `${path}: this session has format ${meta.get('version') ?? '?'}; this version of Ringscope reads format ${VERSION}`,
    );
  const lab = { ...parseLab(meta.get('lab') ?? '', `${path} (lab)`), seed: Number(meta.get('seed')) };
  return { lab, log, marks, traced, truncated: !ended };
}
