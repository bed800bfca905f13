import { get, type Bar, type Gap, type Interval, type ServerMessage, type Status, type SymbolInfo } from './api';
import { BarStore } from './bars';
import { PriceChart } from './chart';
import { hasPrice } from './explain';
import { padDecimals, zone } from './format';
import { health } from './health';
import { Inspector } from './inspector';
import { element, fillIntervals, fillSymbols, showHealth, showPrice, showStatus } from './page';
import { parseRoute, routeText } from './route';
import { browserSurroundings, Stream } from './stream';
import { startTheme } from './theme';
import { SHOWN_TRADES, TradeList } from './trade_list';

const SNAPSHOT_BARS = 1_000;
const RESUMED_BARS = 2_000;
const OLDER_BARS = 1_000;
const KEPT_BARS = 20_000;
const TRADES_EVERY_MS = 100;
const DEFAULT_INTERVAL: Interval = '1m';

class App {
  readonly #store = new BarStore();
  readonly #trades = new TradeList(element('trades', HTMLTableSectionElement));
  readonly #inspector = new Inspector(element('inspector', HTMLElement));
  readonly #select = element('symbol', HTMLSelectElement);
  readonly #empty = element('empty', HTMLElement);
  readonly #around = browserSurroundings();
  readonly #stream = new Stream(
    {
      onOpen: () => this.#opened(),
      onMessage: (message) => this.#received(message),
      onState: () => this.#showHealth(),
    },
    this.#around,
  );
  readonly #chart = new PriceChart(element('chart', HTMLElement), this.#store, {
    onInspect: (start) => this.#inspect(start),
    onNearStart: () => void this.#loadOlder(),
    onScroll: (atLatest) => (element('latest', HTMLButtonElement).hidden = atLatest),
  });

  #symbols: SymbolInfo[] = [];
  #symbol = '';
  #interval: Interval = DEFAULT_INTERVAL;
  #selection = 0;  // rises with each one: answers to questions about an older selection are dropped
  #status: Status | undefined;
  #statusAt = 0;
  #refusal = '';
  #complete = false;  // the snapshot has come
  #allLoaded = false;  // there are no older bars
  #loadingOlder = false;
  #gapsWanted = false;
  #inspected: number | undefined;
  #price = '';
  #changed = new Map<number, { bar: Bar; isNew: boolean }>();  // since the last frame
  #redraw = false;
  #frame = 0;
  #newTrades = false;
  #tradesTimer: ReturnType<typeof setTimeout> | undefined;

  start(): void {
    const route = parseRoute(location.hash);
    const showInterval = fillIntervals(element('intervals', HTMLElement), (interval) => this.#choose(this.#symbol, interval));
    this.#onChoice = () => {
      showInterval(this.#interval);
      fillSymbols(this.#select, this.#symbols, this.#symbol);
    };
    this.#select.addEventListener('change', () => this.#choose(this.#select.value, this.#interval));
    element('latest', HTMLButtonElement).addEventListener('click', () => this.#chart.goToLatest());
    startTheme(element('theme', HTMLButtonElement), () => this.#chart.applyTheme());
    element('zone', HTMLElement).textContent = `Times in ${zone(Date.now())}`;
    this.#choose(route.symbol ?? '', route.interval ?? DEFAULT_INTERVAL);
    addEventListener('hashchange', () => this.#follow());
    addEventListener('online', () => this.#stream.retryNow());
    document.addEventListener('visibilitychange', () => document.hidden || this.#stream.retryNow());
    setInterval(() => this.#tick(), 1_000);
    this.#stream.connect();
  }

  #onChoice = () => {};

  // ---- What is shown ----

  #follow(): void {
    const route = parseRoute(location.hash);
    this.#choose(route.symbol ?? this.#symbol, route.interval ?? this.#interval);
  }

  #choose(symbol: string, interval: Interval): void {
    const other = symbol !== this.#symbol;
    if (!other && interval === this.#interval && this.#selection > 0) return;
    if (this.#symbol) {
      this.#stream.send({ type: 'unsubscribe', channel: 'bars', symbol: this.#symbol, interval: this.#interval });
      if (other) this.#stream.send({ type: 'unsubscribe', channel: 'trades', symbol: this.#symbol });
    }
    this.#symbol = symbol;
    this.#interval = interval;
    ++this.#selection;
    this.#store.reset([]);
    this.#changed.clear();
    this.#complete = this.#allLoaded = this.#loadingOlder = false;
    if (other) {
      this.#trades.reset([]);
      this.#newTrades = true;
      this.#price = '';
    }
    this.#chart.show(interval);
    this.#onChoice();
    if (symbol) history.replaceState(null, '', routeText(symbol, interval));
    this.#subscribe(other);
    this.#schedule();
    this.#showStatus();
  }

  #subscribe(trades: boolean): void {
    if (!this.#symbol) return;
    const [symbol, interval] = [this.#symbol, this.#interval];
    const from = this.#store.resumeFrom(RESUMED_BARS);
    const rows = from === undefined ? { snapshot: SNAPSHOT_BARS } : { from };
    this.#stream.send({ type: 'subscribe', channel: 'bars', symbol, interval, ...rows });
    if (trades) this.#stream.send({ type: 'subscribe', channel: 'trades', symbol, snapshot: SHOWN_TRADES + 1 });
  }

  // ---- What the server says ----

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
    } else if (message.symbol !== this.#symbol) {
      return;
    } else if (message.channel === 'trades') {
      if (message.type === 'snapshot') this.#trades.reset(message.trades);
      else this.#trades.add(message.trades);
      this.#newTrades = true;
    } else if (message.interval === this.#interval) {
      this.#newBars(message.bars, message.type === 'snapshot');
    }
    this.#schedule();
  }

  #newBars(bars: readonly Bar[], snapshot: boolean): void {
    if (snapshot) {
      this.#store.reset(bars);
      this.#complete = this.#redraw = true;
      this.#allLoaded = false;
      void this.#loadGaps();
      return;
    }
    const before = new Map(bars.map(({ start }) => [start, this.#store.get(start)]));
    for (const bar of this.#store.merge(bars)) {
      const known = before.get(bar.start);
      this.#changed.set(bar.start, { bar, isNew: this.#changed.get(bar.start)?.isNew ?? !known });
      if (bar.missing_ms !== (known?.missing_ms ?? 0)) void this.#loadGaps();
    }
  }

  #newStatus(status: Status): void {
    const feedChanged = this.#status && this.#status.feed.state !== status.feed.state;
    this.#status = status;
    this.#statusAt = this.#around.now();
    if (feedChanged) void this.#loadGaps();
    if (status.symbols !== this.#symbols.length) void this.#loadSymbols();
    this.#showHealth();
    this.#showStatus();
  }

  // ---- What the page asks for ----

  async #loadSymbols(): Promise<void> {
    const answer = await get<{ symbols: SymbolInfo[] }>('symbols').catch(() => undefined);
    if (!answer) return;  // the next status or connection asks again
    this.#symbols = answer.symbols;
    if (this.#symbol) this.#onChoice();
    else this.#choose(answer.symbols[0]?.symbol ?? '', this.#interval);
    this.#showStatus();
  }

  async #loadOlder(): Promise<void> {
    const first = this.#store.first;
    if (this.#loadingOlder || this.#allLoaded || !this.#complete || !first) return;
    this.#loadingOlder = true;
    const selection = this.#selection;
    const range = { symbol: this.#symbol, interval: this.#interval, to: first.start, order: 'desc', limit: OLDER_BARS };
    const answer = await get<{ bars: Bar[] }>('bars', range).catch(() => undefined);
    if (selection !== this.#selection) return;
    this.#loadingOlder = false;
    if (!answer) return;
    this.#allLoaded = answer.bars.length === 0;
    if (this.#store.merge(answer.bars).length === 0) return;
    this.#redraw = true;
    this.#schedule();
    void this.#loadGaps();
  }

  // Once for all that asks for it within a moment.
  async #loadGaps(): Promise<void> {
    const first = this.#store.first;
    if (this.#gapsWanted || !first) return;
    this.#gapsWanted = true;
    await new Promise((resolve) => setTimeout(resolve, 250));
    this.#gapsWanted = false;
    const selection = this.#selection;
    const range = { symbol: this.#symbol, from: this.#store.first?.start ?? 0, limit: 5_000 };
    const answer = await get<{ gaps: Gap[] }>('gaps', range).catch(() => undefined);
    if (answer && selection === this.#selection) this.#chart.setGaps(answer.gaps);
  }

  // ---- Drawing: at most once a frame ----

  #schedule(): void {
    this.#frame ||= requestAnimationFrame(() => this.#draw());
  }

  #draw(): void {
    this.#frame = 0;
    if (this.#store.size > KEPT_BARS && this.#chart.atLatest()) {
      this.#store.trim(KEPT_BARS / 2);
      this.#redraw = true;
      this.#allLoaded = false;
    }
    if (this.#redraw) {
      this.#chart.drawAll();
    } else if (this.#changed.size > 0) {
      const bars = [...this.#changed.values()].map(({ bar }) => bar).sort((a, b) => a.start - b.start);
      this.#chart.drawChanged(bars, (start) => this.#changed.get(start)?.isNew ?? false);
    }
    this.#redraw = false;
    this.#changed.clear();
    this.#drawTrades();
    this.#showPrice();
    this.#showBar();
    this.#empty.hidden = this.#store.size > 0;
    this.#empty.textContent = this.#complete ? 'No trades of this symbol yet.' : this.#symbol ? 'Loading…' : 'No trades yet.';
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

  #showPrice(): void {
    let bar: Bar | undefined;
    for (let i = this.#store.size - 1; i >= 0 && !bar; --i) {
      const candidate = this.#store.at(i);
      if (candidate && hasPrice(candidate)) bar = candidate;
    }
    const price = bar?.close ?? this.#price;
    const step = this.#price ? Number(price) - Number(this.#price) : 0;
    this.#price = price;
    showPrice(this.#symbol, price && padDecimals(price, this.#chart.digits), step);
  }

  #inspect(start: number | undefined): void {
    this.#inspected = start;
    this.#showBar();
  }

  #showBar(): void {
    const bar = (this.#inspected !== undefined && this.#store.get(this.#inspected)) || this.#store.last;
    this.#inspector.show(bar, this.#interval, this.#chart.digits, this.#serverTime(this.#around.now()));
  }

  #tick(): void {
    this.#showHealth();
    this.#showBar();
  }

  #serverTime(at: number): number {
    return this.#status ? this.#status.time + (at - this.#statusAt) : Date.now();
  }

  #showStatus(): void {
    if (!this.#status) return;
    showStatus(this.#status, this.#symbols.find(({ symbol }) => symbol === this.#symbol)?.market);
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
