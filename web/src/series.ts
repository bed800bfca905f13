// The bars of one symbol and interval: what the stream says of them, the older ones and the gaps that the page asks
// for, and what of them was not drawn yet.

import { get, type Bar, type Gap, type Interval } from './api';
import { BarStore } from './bars';

const OLDER_BARS = 1_000;
const KEPT_BARS = 20_000;
const MOST_GAPS = 5_000;
const GATHER_MS = 250;

export interface SeriesEvents {
  onNews(): void;  // there is something to draw
  onGaps(gaps: Gap[]): void;
}

// `isNew`: it was not there when changes were taken last.
export type Changes = { all: true } | { all: false; bars: Bar[]; isNew: (start: number) => boolean };

export class Series {
  readonly store = new BarStore();
  symbol = '';
  interval: Interval = '1m';
  complete = false;  // the snapshot has come

  readonly #events: SeriesEvents;
  #choice = 0;  // rises with each one: answers to questions about an older choice are dropped
  #changed = new Map<number, { bar: Bar; isNew: boolean }>();
  #redraw = false;
  #allLoaded = false;  // there are no older bars
  #loadingOlder = false;
  #gapsWanted = false;

  constructor(events: SeriesEvents) {
    this.#events = events;
  }

  choose(symbol: string, interval: Interval): void {
    this.symbol = symbol;
    this.interval = interval;
    ++this.#choice;
    this.store.reset([]);
    this.#changed.clear();
    this.complete = this.#redraw = this.#allLoaded = this.#loadingOlder = false;
  }

  snapshot(bars: readonly Bar[]): void {
    this.store.reset(bars);
    this.complete = this.#redraw = true;
    this.#allLoaded = false;
    void this.loadGaps();
    this.#events.onNews();
  }

  update(bars: readonly Bar[]): void {
    const before = new Map(bars.map(({ start }) => [start, this.store.get(start)]));
    for (const bar of this.store.merge(bars)) {
      const known = before.get(bar.start);
      this.#changed.set(bar.start, { bar, isNew: this.#changed.get(bar.start)?.isNew ?? !known });
      if (bar.missing_ms !== (known?.missing_ms ?? 0)) void this.loadGaps();
    }
    this.#events.onNews();
  }

  takeChanges(): Changes | undefined {
    const changed = this.#changed;
    const all = this.#redraw;
    this.#changed = new Map();
    this.#redraw = false;
    if (all) return { all };
    if (changed.size === 0) return undefined;
    const bars = [...changed.values()].map(({ bar }) => bar).sort((a, b) => a.start - b.start);
    return { all, bars, isNew: (start) => changed.get(start)?.isNew ?? false };
  }

  // Lets go of old bars when there are too many; they can be loaded again.
  trim(): void {
    if (this.store.size <= KEPT_BARS) return;
    this.store.trim(KEPT_BARS / 2);
    this.#redraw = true;
    this.#allLoaded = false;
  }

  async loadOlder(): Promise<void> {
    const first = this.store.first;
    if (this.#loadingOlder || this.#allLoaded || !this.complete || !first) return;
    this.#loadingOlder = true;
    const choice = this.#choice;
    const range = { symbol: this.symbol, interval: this.interval, to: first.start, order: 'desc', limit: OLDER_BARS };
    const answer = await get<{ bars: Bar[] }>('bars', range).catch(() => undefined);
    if (choice !== this.#choice) return;
    this.#loadingOlder = false;
    if (!answer) return;  // asked again when one scrolls on
    this.#allLoaded = answer.bars.length === 0;
    if (this.store.merge(answer.bars).length === 0) return;
    this.#redraw = true;
    void this.loadGaps();
    this.#events.onNews();
  }

  // Once for all that asks for it within a moment.
  async loadGaps(): Promise<void> {
    if (this.#gapsWanted || this.store.size === 0) return;
    this.#gapsWanted = true;
    await new Promise((resolve) => setTimeout(resolve, GATHER_MS));
    this.#gapsWanted = false;
    const choice = this.#choice;
    const range = { symbol: this.symbol, from: this.store.first?.start ?? 0, limit: MOST_GAPS };
    const answer = await get<{ gaps: Gap[] }>('gaps', range).catch(() => undefined);
    if (answer && choice === this.#choice) this.#events.onGaps(answer.gaps);
  }
}
