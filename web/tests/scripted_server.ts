// A server of docs/api.md that does what a test says, inside Playwright's routes: no port, no process.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page, WebSocketRoute } from 'playwright-core';
import {
  INTERVAL_MS, type Bar, type ClientMessage, type Gap, type Interval, type ServerMessage, type Status, type Trade,
} from '../src/api';
import { bar } from './bar';

export const ORIGIN = 'http://finpipe.test';
export const NOW = Date.UTC(2026, 2, 4, 14, 30, 0);

const TYPES: Record<string, string> = {
  html: 'text/html', js: 'text/javascript', css: 'text/css', svg: 'image/svg+xml',
};

export class ScriptedServer {
  symbols = [{ symbol: 'BINANCE:BTCUSDT', market: 'crypto' }, { symbol: 'BINANCE:ETHUSDT', market: 'crypto' }];
  gaps: Gap[] = [];
  status: Status = {
    time: NOW, demo: false, version: '0.1.0', heartbeat_age_ms: 300, stale: false, symbols: 2,
    feed: { state: 'connected', since: NOW, last_frame: NOW, detail: '' },
    lags: [{ market: 'crypto', lag_ms: 62 }],
    trades: { received: 34_419, stored: 34_400, skipped: 10, dead_lettered: 9 },
  };
  down = false;
  received: ClientMessage[] = [];

  #bars = new Map<string, Bar[]>();
  #trades: Trade[] = [];
  #sockets = new Set<WebSocketRoute>();

  async serve(page: Page): Promise<void> {
    await page.route(`${ORIGIN}/**`, (route) => {
      const url = new URL(route.request().url());
      if (url.pathname.startsWith('/api/')) {
        return this.down ? route.abort() : route.fulfill({ json: this.#answer(url) });
      }
      const path = url.pathname === '/' ? '/index.html' : url.pathname;
      return route.fulfill({
        body: readFileSync(join(process.env.FINPIPE_PAGE ?? '', path)),
        contentType: TYPES[path.split('.').at(-1) ?? ''] ?? 'text/plain',
        headers: { 'content-security-policy': "default-src 'self'" },
      });
    });
    await page.routeWebSocket(/\/api\/v1\/stream$/, (socket) => {
      if (this.down) {
        void socket.close();
        return;
      }
      this.#sockets.add(socket);
      socket.onClose(() => this.#sockets.delete(socket));
      socket.onMessage((text) => this.#hear(socket, JSON.parse(String(text)) as ClientMessage));
    });
  }

  // The bars of a symbol and interval, `count` of them up to now, each like the one before with a wave in its price.
  fill(symbol: string, interval: Interval, count: number): Bar[] {
    const length = INTERVAL_MS[interval];
    const newest = Math.floor(NOW / length) * length;
    const bars = Array.from({ length: count }, (_, i) => {
      const price = (n: number) => 61_800 + 40 * Math.sin(n / 9) + 12 * Math.sin(n / 2.3);
      const [open, close] = [price(i - 1), price(i)];
      return bar(newest - (count - 1 - i) * length, {
        open: open.toFixed(2), close: close.toFixed(2),
        high: (Math.max(open, close) + 5).toFixed(1), low: (Math.min(open, close) - 4).toFixed(2),
        volume: (2 + Math.abs(close - open)).toFixed(5), vwap: ((open + close) / 2).toFixed(4), trades: 40 + (i % 17),
        state: i >= count - 2 ? 'provisional' : 'final',
      });
    });
    this.#bars.set(`${symbol} ${interval}`, bars);
    return bars;
  }

  update(symbol: string, interval: Interval, changed: Bar[], told = true): void {
    const others = (bar: Bar) => changed.every(({ start }) => start !== bar.start);
    const bars = (this.#bars.get(`${symbol} ${interval}`) ?? []).filter(others);
    this.#bars.set(`${symbol} ${interval}`, [...bars, ...changed].sort((a, b) => a.start - b.start));
    if (told) this.tell({ type: 'update', channel: 'bars', symbol, interval, bars: changed });
  }

  trade(symbol: string, trades: Trade[]): void {
    this.#trades.push(...trades);
    this.tell({ type: 'update', channel: 'trades', symbol, trades, dropped: 0 });
  }

  say(status: Partial<Status>): void {
    this.status = { ...this.status, ...status };
    this.tell({ type: 'update', channel: 'status', status: this.status });
  }

  tell(message: ServerMessage): void {
    for (const socket of this.#sockets) socket.send(JSON.stringify(message));
  }

  async stop(): Promise<void> {
    this.down = true;
    await Promise.all([...this.#sockets].map((socket) => socket.close()));
    this.#sockets.clear();
  }

  #hear(socket: WebSocketRoute, message: ClientMessage): void {
    this.received.push(message);
    if (message.type !== 'subscribe') return;
    const answer = (reply: ServerMessage) => socket.send(JSON.stringify(reply));
    if (message.channel === 'status') {
      answer({ type: 'update', channel: 'status', status: this.status });
    } else if (message.channel === 'trades') {
      const { symbol } = message;
      answer({ type: 'snapshot', channel: 'trades', symbol, trades: this.#trades.slice(-message.snapshot) });
    } else {
      const { symbol, interval } = message;
      const all = this.#bars.get(`${symbol} ${interval}`) ?? [];
      const bars = 'from' in message ? all.filter(({ start }) => start >= message.from) : all.slice(-message.snapshot);
      answer({ type: 'snapshot', channel: 'bars', symbol, interval, bars });
    }
  }

  #answer(url: URL): object {
    const query = url.searchParams;
    switch (url.pathname.split('/').at(-1)) {
      case 'symbols':
        return { symbols: this.symbols };
      case 'gaps':
        return { gaps: this.gaps };
      case 'bars': {
        const all = this.#bars.get(`${query.get('symbol')} ${query.get('interval')}`) ?? [];
        const before = all.filter(({ start }) => start < Number(query.get('to')));
        return { bars: before.reverse().slice(0, Number(query.get('limit'))), next: null };
      }
      default:
        return {};
    }
  }
}
