// The window's typed client of the host: requests with answers, subscriptions that outlive a lost connection.
import type { Bridge, PushName, Pushes, RequestName, Requests, ToHost, ToWindow } from '../../preload/contract.ts';

declare global {
  interface Window {
    readonly ringscope?: Bridge;
  }
}

export type ConnectionState = 'connecting' | 'open' | 'lost';

/** A bridge that may come and go; the preload's bridge never does. */
export interface Connection extends Bridge {
  onState?(listener: (state: ConnectionState) => void): () => void;
}

interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}
interface Subscription {
  readonly topic: PushName;
  readonly params: unknown;
  readonly deliver: (value: unknown) => void;
}

export class HostClient {
  private bridge: Connection | undefined;
  private nextId = 1;
  private readonly pending = new Map<number, Pending>();
  private readonly subscriptions = new Map<number, Subscription>();
  private readonly waiting: ToHost[] = [];
  private readonly stateListeners = new Set<(state: ConnectionState) => void>();
  state: ConnectionState = 'connecting';

  /** Called once, when the window starts. Requests made earlier wait for it. */
  connect(bridge: Connection): void {
    this.bridge = bridge;
    bridge.onMessage((message) => this.receive(message));
    if (bridge.onState) bridge.onState((state) => this.setState(state));
    else this.setState('open');
  }

  get door(): Bridge['door'] {
    return this.bridge?.door ?? 'browser';
  }

  /** Rejects with an Error whose message is made for a person. */
  request<N extends RequestName>(name: N, params: Requests[N][0]): Promise<Requests[N][1]> {
    if (this.state === 'lost')
      return Promise.reject(new Error('Not connected to the host; trying again. Repeat the action once the connection is back.'));
    const id = this.nextId++;
    return new Promise<Requests[N][1]>((resolve, reject) => {
      this.pending.set(id, { resolve: (value) => resolve(value as Requests[N][1]), reject });
      this.post({ t: 'req', id, name, params });
    });
  }

  /** Returns its own unsubscribe. Survives a reconnect. */
  subscribe<N extends PushName>(topic: N, params: Pushes[N][0], callback: (value: Pushes[N][1]) => void): () => void {
    const id = this.nextId++;
    this.subscriptions.set(id, { topic, params, deliver: (value) => callback(value as Pushes[N][1]) });
    if (this.state === 'open') this.bridge?.send({ t: 'sub', id, topic, params });
    return () => {
      if (this.subscriptions.delete(id) && this.state === 'open') this.bridge?.send({ t: 'unsub', id });
    };
  }

  /** Called at once with the state as it is, then with every change. Returns its own unsubscribe. */
  onState(listener: (state: ConnectionState) => void): () => void {
    this.stateListeners.add(listener);
    listener(this.state);
    return () => this.stateListeners.delete(listener);
  }

  private post(message: ToHost): void {
    if (this.bridge && this.state === 'open') this.bridge.send(message);
    else this.waiting.push(message);
  }

  private setState(state: ConnectionState): void {
    this.state = state;
    if (state === 'lost') this.dropRequests();
    if (state === 'open' && this.bridge) {
      for (const [id, { topic, params }] of this.subscriptions) this.bridge.send({ t: 'sub', id, topic, params });
      for (const message of this.waiting.splice(0)) this.bridge.send(message);
    }
    for (const listener of this.stateListeners) listener(state);
  }

  private dropRequests(): void {
    const lost = [...this.pending.values()];
    this.pending.clear();
    this.waiting.length = 0;
    for (const request of lost) request.reject(new Error('The connection to the host was lost before it answered.'));
  }

  private receive(message: ToWindow): void {
    if (message.t === 'push') {
      this.subscriptions.get(message.id)?.deliver(message.value);
      return;
    }
    const request = this.pending.get(message.id);
    if (!request) return;
    this.pending.delete(message.id);
    if (message.ok) request.resolve(message.value);
    else request.reject(new Error(message.error));
  }
}

/** The window's one connection; main.tsx connects it. */
export const host = new HostClient();
