// Wires the page: what is chosen, what the server says, and when it is drawn.

import { get, type Interval, type ServerMessage, type Status, type SymbolInfo } from './api';
import { PriceChart } from './chart';
import { hasPrice } from './explain';
import { padDecimals, zone } from './format';
import { health } from './health';
import { Inspector } from './inspector';
import { element, fillIntervals, fillSymbols, showHealth, showPrice, showStatus } from './page';
import { parseRoute, routeText } from './route';
import { Series } from './series';
import { browserSurroundings, Stream } from './stream';
import { startTheme } from './theme';
import { SHOWN_TRADES, TradeList } from './trade_list';

const SNAPSHOT_BARS = 1_000;
const RESUMED_BARS = 2_000;
const TRADES_EVERY_MS = 100;
const DEFAULT_INTERVAL: Interval = '1m';

class App {
  readonly #series = new Series({ onNews: () => this.#schedule(), onGaps: (gaps) => this.#chart.setGaps(gaps) });
  readonly #chart = new PriceChart(element('chart', HTMLElement), this.#series.store, {
    onInspect: (start) => this.#inspect(start),
    onNearStart: () => void this.#series.loadOlder(),
    onScroll: (atLatest) => (element('latest', HTMLButtonElement).hidden = atLatest),
  });
  readonly #trades = new TradeList(element('trades', HTMLTableSectionElement));
  readonly #inspector = new Inspector(element('inspector', HTMLElement));
  readonly #select = element('symbol', HTMLSelectElement);
  readonly #checkInterval = fillIntervals(element('intervals', HTMLElement), (interval) =>
    this.#choose(this.#series.symbol, interval));
  readonly #around = browserSurroundings();
  readonly #stream = new Stream(
    {
      onOpen: () => this.#opened(),
      onMessage: (message) => this.#received(message),
      onState: () => this.#showHealth(),
    },
    this.#around,
  );

  #symbols: SymbolInfo[] = [];
  #status: Status | undefined;
  #statusAt = 0;
  #refusal = '';
  #inspected: number | undefined;
  #price = '';
  #frame = 0;
  #newTrades = false;
  #tradesTimer: ReturnType<typeof setTimeout> | undefined;

  start(): void {
    this.#select.addEventListener('change', () => this.#choose(this.#select.value, this.#series.interval));
    element('latest', HTMLButtonElement).addEventListener('click', () => this.#chart.goToLatest());
    element('zone', HTMLElement).textContent = `Times in ${zone(Date.now())}`;
    startTheme(element('theme', HTMLButtonElement), () => this.#chart.applyTheme());
    const route = parseRoute(location.hash);
    this.#show(route.symbol ?? '', route.interval ?? DEFAULT_INTERVAL);
    addEventListener('hashchange', () => {
      const { symbol = this.#series.symbol, interval = this.#series.interval } = parseRoute(location.hash);
      this.#choose(symbol, interval);
    });
    addEventListener('online', () => this.#stream.retryNow());
    document.addEventListener('visibilitychange', () => document.hidden || this.#stream.retryNow());
    setInterval(() => {
      this.#showHealth();
      this.#showBar();
    }, 1_000);
    this.#stream.connect();
  }

  #choose(symbol: string, interval: Interval): void {
    const { symbol: oldSymbol, interval: oldInterval } = this.#series;
    if (symbol === oldSymbol && interval === oldInterval) return;
    if (oldSymbol) {
      this.#stream.send({ type: 'unsubscribe', channel: 'bars', symbol: oldSymbol, interval: oldInterval });
      if (symbol !== oldSymbol) this.#stream.send({ type: 'unsubscribe', channel: 'trades', symbol: oldSymbol });
    }
    this.#show(symbol, interval);
    this.#subscribe(symbol !== oldSymbol);
  }

  #show(symbol: string, interval: Interval): void {
    if (symbol !== this.#series.symbol) {
      this.#trades.reset([]);
      this.#newTrades = true;
      this.#price = '';
    }
    this.#series.choose(symbol, interval);
    this.#chart.show(interval);
    if (symbol) history.replaceState(null, '', routeText(symbol, interval));
    this.#showChoice();
    this.#showStatus();
    this.#schedule();
  }

  #subscribe(trades: boolean): void {
    const { symbol, interval, store } = this.#series;
    if (!symbol) return;
    const from = store.resumeFrom(RESUMED_BARS);
    const rows = from === undefined ? { snapshot: SNAPSHOT_BARS } : { from };
    this.#stream.send({ type: 'subscribe', channel: 'bars', symbol, interval, ...rows });
    if (trades) this.#stream.send({ type: 'subscribe', channel: 'trades', symbol, snapshot: SHOWN_TRADES + 1 });
  }

  #opened(): void {
    this.#refusal = '';
    this.#stream.send({ type: 'subscribe', channel: 'status' });
    this.#subscribe(true);
    void this.#loadSymbols();
  }

  #received(message: ServerMessage): void {
    if (message.type === 'error') {
      this.#refusal = message.message;
      this.#showHealth();
    } else if (message.channel === 'status') {
      this.#newStatus(message.status);
    } else if (message.symbol !== this.#series.symbol) {
      return;
    } else if (message.channel === 'trades') {
      if (message.type === 'snapshot') this.#trades.reset(message.trades);
      else this.#trades.add(message.trades);
      this.#newTrades = true;
      this.#schedule();
    } else if (message.interval === this.#series.interval) {
      if (message.type === 'snapshot') this.#series.snapshot(message.bars);
      else this.#series.update(message.bars);
    }
  }

  #newStatus(status: Status): void {
    if (this.#status && this.#status.feed.state !== status.feed.state) void this.#series.loadGaps();
    if (status.symbols !== this.#symbols.length) void this.#loadSymbols();
    this.#status = status;
    this.#statusAt = this.#around.now();
    this.#showHealth();
    this.#showStatus();
  }

  async #loadSymbols(): Promise<void> {
    const answer = await get<{ symbols: SymbolInfo[] }>('symbols').catch(() => undefined);
    if (!answer) return;  // the next status or connection asks again
    this.#symbols = answer.symbols;
    if (!this.#series.symbol) this.#choose(answer.symbols[0]?.symbol ?? '', this.#series.interval);
    this.#showChoice();
    this.#showStatus();
  }

  // At most once a frame.
  #schedule(): void {
    this.#frame ||= requestAnimationFrame(() => this.#draw());
  }

  #draw(): void {
    this.#frame = 0;
    if (this.#chart.atLatest()) this.#series.trim();
    const changes = this.#series.takeChanges();
    if (changes?.all) this.#chart.drawAll();
    else if (changes) this.#chart.drawChanged(changes.bars, changes.isNew);
    this.#drawTrades();
    this.#showPrice();
    this.#showBar();
    const { store, complete, symbol } = this.#series;
    const empty = element('empty', HTMLElement);
    empty.hidden = store.size > 0;
    empty.textContent = complete ? 'No trades of this symbol yet.' : symbol ? 'Loading…' : 'No trades yet.';
  }

  // Faster than this nobody reads.
  #drawTrades(): void {
    if (!this.#newTrades || this.#tradesTimer !== undefined) return;
    this.#newTrades = false;
    this.#trades.draw();
    this.#tradesTimer = setTimeout(() => {
      this.#tradesTimer = undefined;
      if (this.#newTrades) this.#schedule();
    }, TRADES_EVERY_MS);
  }

  #inspect(start: number | undefined): void {
    this.#inspected = start;
    this.#showBar();
  }

  #showBar(): void {
    const { store, interval } = this.#series;
    const bar = (this.#inspected !== undefined && store.get(this.#inspected)) || store.last;
    this.#inspector.show(bar, interval, this.#chart.digits, this.#serverTime(this.#around.now()));
  }

  #showPrice(): void {
    const price = this.#series.store.lastWhere(hasPrice)?.close ?? this.#price;
    const step = this.#price ? Number(price) - Number(this.#price) : 0;
    this.#price = price;
    showPrice(this.#series.symbol, price && padDecimals(price, this.#chart.digits), step);
  }

  #showChoice(): void {
    this.#checkInterval(this.#series.interval);
    fillSymbols(this.#select, this.#symbols, this.#series.symbol);
  }

  #serverTime(at: number): number {
    return this.#status ? this.#status.time + (at - this.#statusAt) : Date.now();
  }

  #showStatus(): void {
    const market = this.#symbols.find(({ symbol }) => symbol === this.#series.symbol)?.market;
    if (this.#status) showStatus(this.#status, market);
  }

  #showHealth(): void {
    const { state: stream, heardAt } = this.#stream;
    const dataUntil = this.#status && this.#serverTime(heardAt);
    const state = health({ stream, now: this.#around.now(), heardAt, status: this.#status, dataUntil });
    if (this.#refusal && !state.notice) state.notice = `finpipe says: ${this.#refusal}`;
    showHealth(state);
  }
}

new App().start();
