import assert from 'node:assert/strict';
import { test } from 'node:test';
import { retryWait, Stream, type Surroundings } from '../src/stream';

class FakeSocket {
  sent: string[] = [];
  closed = false;
  onopen = () => {};
  onclose = () => {};
  onmessage = (_event: { data: string }) => {};
  send(text: string): void {
    this.sent.push(text);
  }
  close(): void {
    this.closed = true;
    this.onclose();
  }
}

// A stream under virtual time.
class Bench {
  time = 0;
  sockets: FakeSocket[] = [];
  timers: { at: number; action: () => void }[] = [];
  opened = 0;
  heard: unknown[] = [];

  around: Surroundings = {
    connect: () => {
      const socket = new FakeSocket();
      this.sockets.push(socket);
      return socket as unknown as WebSocket;
    },
    now: () => this.time,
    random: () => 1,
    after: (ms, action) => {
      const timer = { at: this.time + ms, action };
      this.timers.push(timer);
      return () => void (this.timers = this.timers.filter((other) => other !== timer));
    },
  };
  stream = new Stream(
    { onOpen: () => ++this.opened, onMessage: (message) => this.heard.push(message), onState: () => {} },
    this.around,
  );

  get socket(): FakeSocket {
    return this.sockets.at(-1) as FakeSocket;
  }

  say(message: object): void {
    this.socket.onmessage({ data: JSON.stringify(message) });
  }

  pass(ms: number): void {
    const end = this.time + ms;
    for (;;) {
      const due = this.timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (!due) break;
      this.timers = this.timers.filter((other) => other !== due);
      this.time = due.at;
      due.action();
    }
    this.time = end;
  }
}

test('waits double up to a limit and are spread over half of themselves', () => {
  const longest = [0, 1, 2, 3, 4, 5, 50].map((attempt) => retryWait(attempt, 1));
  assert.deepEqual(longest, [500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000]);
  assert.equal(retryWait(2, 0), 1_000);
});

test('a lost connection is tried again, later each time, until the server speaks', () => {
  const bench = new Bench();
  bench.stream.connect();
  bench.socket.onclose();
  assert.deepEqual(bench.stream.state, { kind: 'waiting', retryAt: 500 });
  bench.pass(499);
  assert.equal(bench.sockets.length, 1);
  bench.pass(1);
  assert.equal(bench.sockets.length, 2);
  bench.socket.onopen();
  bench.socket.onclose();  // opened, but said nothing: no reason to hurry
  assert.deepEqual(bench.stream.state, { kind: 'waiting', retryAt: 1_500 });
  bench.pass(1_000);
  bench.socket.onopen();
  bench.say({ type: 'error', message: 'x' });
  bench.socket.onclose();
  assert.deepEqual(bench.stream.state, { kind: 'waiting', retryAt: 2_000 });
  assert.equal(bench.opened, 2);
});

test('a silent server is asked, and given up when it does not answer', () => {
  const bench = new Bench();
  bench.stream.connect();
  bench.socket.onopen();
  bench.pass(5_000);
  assert.deepEqual(bench.socket.sent, []);
  bench.pass(2_000);
  assert.ok(bench.socket.sent.length > 0);
  bench.say({ type: 'update', channel: 'status' });
  bench.pass(11_000);
  assert.equal(bench.stream.state.kind, 'open');
  bench.pass(2_000);
  assert.ok(bench.sockets[0]?.closed);
  assert.notEqual(bench.stream.state.kind, 'open');
});

test('an attempt that never ends is given up', () => {
  const bench = new Bench();
  bench.stream.connect();
  bench.pass(10_000);
  assert.ok(bench.sockets[0]?.closed);
  assert.equal(bench.stream.state.kind, 'waiting');
});

test('a connection that was replaced is not listened to any more', () => {
  const bench = new Bench();
  bench.stream.connect();
  const first = bench.socket;
  first.onclose();
  bench.stream.retryNow();
  assert.equal(bench.sockets.length, 2);
  bench.socket.onopen();
  first.onmessage({ data: '{"type":"error","message":"late"}' });
  first.onclose();
  assert.deepEqual(bench.heard, []);
  assert.equal(bench.stream.state.kind, 'open');
});
