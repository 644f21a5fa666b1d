// One connection of a window: checks what comes in, answers requests, pushes what is subscribed at display rate.
import type { PushName, Pushes, RequestName, Requests, ToHost, ToWindow } from '../../preload/contract.ts';

/** The host's answer to every request; a missing one does not compile. */
export type Handlers = {
  readonly [N in RequestName]: (params: Requests[N][0], client: Client) => Requests[N][1] | Promise<Requests[N][1]>;
};

/** Display rate of pushes, milliseconds. */
export const PUSH_INTERVAL = 33;

/** A topic's latest value, made only when somebody listens; `version` changes when it is worth sending again. */
export interface Feed<N extends PushName> {
  version(params: Pushes[N][0]): number | string;
  value(params: Pushes[N][0]): Pushes[N][1] | undefined;
}
export type Feeds = { readonly [N in Exclude<PushName, 'toast' | 'term'>]: Feed<N> };

interface Subscription {
  readonly id: number;
  readonly topic: PushName;
  readonly params: unknown;
  sent: number | string | undefined;
}

/** An error whose message is made for the person; anything else is a defect of ours and says so. */
export class UserError extends Error {}

const isRecord = (v: unknown): v is Record<string, unknown> => typeof v === 'object' && v !== null;

/** Reads a message from a window; undefined when it is not one. */
function readMessage(raw: unknown): ToHost | undefined {
  if (!isRecord(raw) || typeof raw['id'] !== 'number') return undefined;
  if (raw['t'] === 'unsub') return { t: 'unsub', id: raw['id'] };
  if (raw['t'] === 'req' && typeof raw['name'] === 'string')
    return { t: 'req', id: raw['id'], name: raw['name'] as RequestName, params: raw['params'] };
  if (raw['t'] === 'sub' && typeof raw['topic'] === 'string')
    return { t: 'sub', id: raw['id'], topic: raw['topic'] as PushName, params: raw['params'] };
  return undefined;
}

export class Client {
  private readonly subscriptions = new Map<number, Subscription>();
  private closed = false;
  /** Terminals this window opened. */
  readonly terminals = new Set<number>();
  constructor(
    private readonly send: (message: ToWindow) => void,
    private readonly handlers: Handlers,
    private readonly feeds: Feeds,
    readonly door: 'electron' | 'browser',
  ) {}

  /** A message from the window, already parsed from its wire form. */
  receive(raw: unknown): void {
    const message = readMessage(raw);
    if (message === undefined)
      return this.send({
        t: 'res',
        id: -1,
        ok: false,
        error: 'The window sent a message that is not one of the contract; update the page.',
      });
    switch (message.t) {
      case 'req':
        void this.answer(message);
        return;
      case 'sub':
        if (message.topic !== 'toast' && message.topic !== 'term' && !(message.topic in this.feeds)) return;
        this.subscriptions.set(message.id, { id: message.id, topic: message.topic, params: message.params, sent: undefined });
        this.pushOne(message.id);
        return;
      case 'unsub':
        this.subscriptions.delete(message.id);
    }
  }

  /** Sends what changed since the last call; called at display rate. */
  push(): void {
    for (const id of this.subscriptions.keys()) this.pushOne(id);
  }

  /** Sends to the subscribers of a topic that is not a feed; false when there was none. */
  emit<N extends 'toast' | 'term'>(topic: N, matches: (params: Pushes[N][0]) => boolean, value: Pushes[N][1]): boolean {
    let any = false;
    for (const s of this.subscriptions.values()) {
      if (s.topic !== topic || !matches(s.params as Pushes[N][0])) continue;
      any = true;
      this.post(s.id, value);
    }
    return any;
  }

  close(): void {
    this.closed = true;
    this.subscriptions.clear();
  }

  private pushOne(id: number): void {
    const s = this.subscriptions.get(id);
    if (s === undefined || s.topic === 'toast' || s.topic === 'term') return;
    const feed = this.feeds[s.topic] as Feed<PushName>;
    const version = feed.version(s.params as never);
    if (version === s.sent) return;
    const value = feed.value(s.params as never);
    if (value === undefined) return;
    s.sent = version;
    this.post(s.id, value);
  }

  private post(id: number, value: unknown): void {
    if (!this.closed) this.send({ t: 'push', id, value });
  }

  private async answer(message: Extract<ToHost, { t: 'req' }>): Promise<void> {
    const handler = Object.hasOwn(this.handlers, message.name)
      ? (this.handlers[message.name] as (p: unknown, c: Client) => unknown)
      : undefined;
    try {
      if (handler === undefined)
        throw new UserError(`The host has no request '${message.name}'; the page and the host are of different versions: reload the page.`);
      const value = await handler(message.params, this);
      if (!this.closed) this.send({ t: 'res', id: message.id, ok: true, value });
    } catch (e) {
      const error = e instanceof UserError ? e.message : `${message.name}: ${e instanceof Error ? e.message : String(e)}`;
      if (!this.closed) this.send({ t: 'res', id: message.id, ok: false, error });
    }
  }
}
