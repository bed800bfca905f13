// The WebSocket to the server, which heals itself: tries again with growing, jittered waits; takes a connection that
// went silent for dead; and leaves it to `onOpen` to say again what is wanted.

import type { ClientMessage, ServerMessage } from './api';

export type StreamState =
  | { kind: 'connecting' }
  | { kind: 'open' }
  | { kind: 'waiting'; retryAt: number };  // for the next attempt

export interface StreamEvents {
  onOpen(): void;
  onMessage(message: ServerMessage): void;
  onState(): void;
}

// The part of a browser that a test replaces.
export interface Surroundings {
  connect(): WebSocket;
  now(): number;  // monotonic, in ms
  random(): number;  // in [0, 1)
  after(ms: number, action: () => void): () => void;  // returns what cancels it
}

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;
const CONNECT_TIMEOUT_MS = 10_000;
const ASK_AFTER_MS = 6_000;  // of silence
const GIVE_UP_AFTER_MS = 12_000;
const CHECK_EVERY_MS = 1_000;

// Before attempt number `attempt` (from 0): doubled each time, and spread over half of it so that the pages of a
// restarted server do not all come at once.
export function retryWait(attempt: number, random: number): number {
  const wait = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** attempt);
  return wait / 2 + (random * wait) / 2;
}

export class Stream {
  state: StreamState = { kind: 'connecting' };
  heardAt: number;

  readonly #events: StreamEvents;
  readonly #around: Surroundings;
  #socket: WebSocket | undefined;
  #attempt = 0;
  #cancel = () => {};

  constructor(events: StreamEvents, around: Surroundings) {
    this.#events = events;
    this.#around = around;
    this.heardAt = around.now();
  }

  connect(): void {
    this.#cancel();
    this.#set({ kind: 'connecting' });
    const socket = this.#around.connect();
    this.#socket = socket;
    const current = (handler: () => void) => () => {
      if (this.#socket === socket) handler();
    };
    socket.onopen = current(() => this.#opened());
    socket.onclose = current(() => this.#lost());
    socket.onmessage = (event: MessageEvent<string>) => current(() => this.#received(event.data))();
    this.#cancel = this.#around.after(CONNECT_TIMEOUT_MS, () => this.#drop());
  }

  // Does not wait any longer: the network came back, or someone looks at the page again.
  retryNow(): void {
    if (this.state.kind === 'waiting') this.connect();
  }

  send(message: ClientMessage): void {
    if (this.state.kind === 'open') this.#socket?.send(JSON.stringify(message));
  }

  #opened(): void {
    this.heardAt = this.#around.now();
    this.#set({ kind: 'open' });
    this.#watch();
    this.#events.onOpen();
  }

  #received(text: string): void {
    this.heardAt = this.#around.now();
    this.#attempt = 0;
    this.#events.onMessage(JSON.parse(text) as ServerMessage);
  }

  // A socket can stay open long after the other end is gone. Asking for the status makes a living server answer.
  #watch(): void {
    this.#cancel();
    this.#cancel = this.#around.after(CHECK_EVERY_MS, () => {
      const silent = this.#around.now() - this.heardAt;
      if (silent >= GIVE_UP_AFTER_MS) {
        this.#drop();
        return;
      }
      if (silent >= ASK_AFTER_MS) this.send({ type: 'subscribe', channel: 'status' });
      this.#watch();
    });
  }

  #drop(): void {
    const socket = this.#socket;
    this.#lost();
    socket?.close();
  }

  #lost(): void {
    this.#cancel();
    this.#socket = undefined;
    const wait = retryWait(this.#attempt++, this.#around.random());
    this.#cancel = this.#around.after(wait, () => this.connect());
    this.#set({ kind: 'waiting', retryAt: this.#around.now() + wait });
  }

  #set(state: StreamState): void {
    this.state = state;
    this.#events.onState();
  }
}

export function browserSurroundings(): Surroundings {
  return {
    connect: () => new WebSocket(`${location.origin.replace(/^http/, 'ws')}/api/v1/stream`),
    now: () => performance.now(),
    random: Math.random,
    after(ms, action) {
      const timer = setTimeout(action, ms);
      return () => clearTimeout(timer);
    },
  };
}
