// Candles and volume, their marks, and choosing a bar by pointer or key.

import {
  CandlestickSeries, ColorType, CrosshairMode, HistogramSeries, createChart, createSeriesMarkers,
  type CandlestickData, type HistogramData, type IChartApi, type ISeriesApi, type ISeriesMarkersPluginApi,
  type SeriesMarker, type TickMarkType, type Time, type WhitespaceData,
} from 'lightweight-charts';
import { INTERVAL_MS, type Bar, type Gap, type Interval } from './api';
import type { BarStore } from './bars';
import { hasPrice, marksOf, type Mark } from './explain';
import { decimalsOf, roughly } from './format';
import { GapBands, positionIn } from './gap_bands';
import { TimeAxis } from './time_axis';

export interface ChartEvents {
  onInspect(start: number | undefined): void;  // a bar under the pointer or chosen by key; undefined: none
  onNearStart(): void;  // older bars would soon be visible
  onScroll(atLatest: boolean): void;
}

const NEAR_START_BARS = 50;
const RIGHT_OFFSET_BARS = 4;
const SHAPES = {
  gap: { shape: 'arrowUp', position: 'belowBar', size: 0.8 },
  partial: { shape: 'square', position: 'belowBar', size: 0.5 },
  revised: { shape: 'circle', position: 'aboveBar', size: 0.5 },
  backfilled: { shape: 'square', position: 'aboveBar', size: 0.5 },
} as const satisfies Record<Mark, object>;

export class PriceChart {
  readonly #store: BarStore;
  readonly #chart: IChartApi;
  readonly #candles: ISeriesApi<'Candlestick'>;
  readonly #volume: ISeriesApi<'Histogram'>;
  readonly #markers: ISeriesMarkersPluginApi<Time>;
  readonly #bands = new GapBands();
  readonly #events: ChartEvents;
  #interval: Interval = '1m';
  #axis = new TimeAxis('1m');
  #digits = 0;
  #newest: number | undefined;  // start of the last bar drawn
  #marked = new Map<number, string>();  // the marks drawn, by start
  #chosen: number | undefined;  // by key; the crosshair stays with that bar when others come
  #color: (name: string) => string = () => '';

  constructor(container: HTMLElement, store: BarStore, events: ChartEvents) {
    this.#store = store;
    this.#events = events;
    this.#chart = createChart(container, {
      autoSize: true,
      layout: { attributionLogo: false, fontSize: 11, panes: { enableResize: false } },
      crosshair: { mode: CrosshairMode.Normal },
      rightPriceScale: { borderVisible: false },
      timeScale: {
        borderVisible: false, timeVisible: true, secondsVisible: true, rightOffset: RIGHT_OFFSET_BARS, barSpacing: 8,
        tickMarkFormatter: (time: Time, type: TickMarkType) => this.#axis.tick(time, type),
      },
      localization: { timeFormatter: (time: Time) => this.#axis.label(time) },
    });
    this.#candles = this.#chart.addSeries(CandlestickSeries, {});
    this.#volume = this.#chart.addSeries(
      HistogramSeries,
      {
        priceFormat: { type: 'custom', formatter: roughly, minMove: 1e-8 },
        lastValueVisible: false,
        priceLineVisible: false,
      },
      1,
    );
    this.#chart.panes()[0]?.setStretchFactor(5);
    this.#chart.panes()[1]?.setStretchFactor(1);
    this.#markers = createSeriesMarkers(this.#candles, []);
    this.#candles.attachPrimitive(this.#bands);
    this.#chart.subscribeCrosshairMove(({ time, sourceEvent }) => {
      if (sourceEvent) this.#chosen = undefined;
      if (this.#chosen === undefined) events.onInspect(time === undefined ? undefined : this.#axis.startAt(time));
    });
    this.#chart.timeScale().subscribeVisibleLogicalRangeChange((range) => {
      if (range && this.#store.size > 0 && range.from < NEAR_START_BARS) events.onNearStart();
      events.onScroll(this.atLatest());
    });
    container.addEventListener('keydown', (event) => this.#key(event));
    container.addEventListener('blur', () => this.#clearCrosshair());
  }

  get digits(): number {
    return this.#digits;
  }

  // Another symbol or interval: what the scale knew of the last one does not hold.
  show(interval: Interval): void {
    this.#interval = interval;
    this.#axis = new TimeAxis(interval);
    this.#digits = 0;
    this.#chart.applyOptions({ timeScale: { timeVisible: interval !== '1d', secondsVisible: interval === '1s' } });
    this.#candles.priceScale().applyOptions({ autoScale: true });
    this.#clearCrosshair();
    this.drawAll();
    this.setGaps([]);
    this.goToLatest();
  }

  drawAll(): void {
    const bars = this.#store.all();
    this.#learnDigits(bars);
    this.#candles.setData(bars.map((bar) => this.#candle(bar)));
    this.#volume.setData(bars.map((bar) => this.#volumeBar(bar)));
    this.#newest = this.#store.last?.start;
    this.#mark();
    this.#pointAtChosen();
  }

  // Bars of the store that have changed, in ascending order; `isNew`: was not there when it was last drawn.
  drawChanged(bars: readonly Bar[], isNew: (start: number) => boolean): void {
    const newest = this.#newest;
    if (newest === undefined || bars.some(({ start }) => start < newest && isNew(start))) {
      this.drawAll();
      return;
    }
    this.#learnDigits(bars);
    for (const bar of bars) {
      this.#candles.update(this.#candle(bar), bar.start < newest);
      this.#volume.update(this.#volumeBar(bar), bar.start < newest);
    }
    this.#newest = this.#store.last?.start;
    if (bars.some((bar) => marksOf(bar).join() !== (this.#marked.get(bar.start) ?? ''))) this.#mark();
    this.#pointAtChosen();
  }

  setGaps(gaps: readonly Gap[]): void {
    const first = this.#store.first;
    // A day bar is a trading date: where in it a moment lies depends on the market.
    const shown = first && this.#interval !== '1d' ? gaps.filter(({ to, filled }) => to > first.start && !filled) : [];
    const upTo = (time: number) => this.#store.countUpTo(time);
    const startAt = (index: number) => this.#store.at(index)?.start ?? 0;
    this.#bands.set(shown, positionIn(upTo, startAt, INTERVAL_MS[this.#interval]));
  }

  applyTheme(): void {
    const style = getComputedStyle(document.documentElement);
    this.#color = (name) => style.getPropertyValue(`--${name}`).trim();
    const [up, down, line] = [this.#color('up'), this.#color('down'), this.#color('line')];
    const label = { labelBackgroundColor: this.#color('label'), color: this.#color('faint') };
    this.#chart.applyOptions({
      layout: {
        background: { type: ColorType.Solid, color: this.#color('panel') },
        textColor: this.#color('quiet'),
        fontFamily: style.fontFamily,
        panes: { separatorColor: line, separatorHoverColor: line },
      },
      grid: { vertLines: { color: this.#color('grid') }, horzLines: { color: this.#color('grid') } },
      crosshair: { vertLine: label, horzLine: label },
    });
    this.#candles.applyOptions({
      upColor: up, downColor: down, borderUpColor: up, borderDownColor: down, wickUpColor: up, wickDownColor: down,
    });
    this.#bands.setColor(this.#color('gap-band'));
    this.drawAll();
  }

  goToLatest(): void {
    this.#chart.timeScale().scrollToPosition(RIGHT_OFFSET_BARS, false);
  }

  atLatest(): boolean {
    return this.#chart.timeScale().scrollPosition() >= 0;
  }

  #candle(bar: Bar): CandlestickData | WhitespaceData {
    const time = this.#axis.place(bar.start);
    if (!hasPrice(bar)) return { time };
    const candle = {
      time, open: Number(bar.open), high: Number(bar.high), low: Number(bar.low), close: Number(bar.close),
    };
    if (bar.state !== 'provisional') return candle;
    return { ...candle, color: this.#color(candle.close >= candle.open ? 'up-soft' : 'down-soft') };
  }

  #volumeBar(bar: Bar): HistogramData {
    const rose = !hasPrice(bar) || Number(bar.close) >= Number(bar.open);
    const color = this.#color(rose ? 'up-soft' : 'down-soft');
    return { time: this.#axis.place(bar.start), value: Number(bar.volume), color };
  }

  #learnDigits(bars: readonly Bar[]): void {
    let digits = this.#digits;
    for (const { open, high, low, close } of bars) {
      for (const price of [open, high, low, close]) digits = Math.max(digits, decimalsOf(price ?? ''));
    }
    if (digits === this.#digits && bars.length !== this.#store.size) return;
    this.#digits = digits;
    this.#candles.applyOptions({ priceFormat: { type: 'price', precision: digits, minMove: 10 ** -digits } });
  }

  #mark(): void {
    this.#marked.clear();
    const markers: SeriesMarker<Time>[] = [];
    for (const bar of this.#store.all()) {
      const marks = marksOf(bar);
      if (marks.length === 0) continue;
      this.#marked.set(bar.start, marks.join());
      for (const mark of hasPrice(bar) ? marks : []) {
        markers.push({ time: this.#axis.place(bar.start), color: this.#color(mark), ...SHAPES[mark] });
      }
    }
    this.#markers.setMarkers(markers);
  }

  #key(event: KeyboardEvent): void {
    const count = this.#store.size;
    const at = this.#chosen === undefined ? count : this.#store.countUpTo(this.#chosen) - 1;
    const targets: Record<string, number> = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: count - 1 };
    const target = targets[event.key];
    if (event.key === 'Escape') this.#clearCrosshair();
    if (target === undefined || count === 0) return;
    event.preventDefault();
    const index = Math.max(0, Math.min(count - 1, target));
    this.#chosen = this.#store.at(index)?.start;
    const scale = this.#chart.timeScale();
    const range = scale.getVisibleLogicalRange();
    if (range && (index < range.from || index > range.to)) {
      scale.scrollToPosition(index - count + 1 + (range.to - range.from) / 2, false);
    }
    this.#pointAtChosen();
  }

  #pointAtChosen(): void {
    const bar = this.#chosen === undefined ? undefined : this.#store.get(this.#chosen);
    if (!bar) return;
    const price = Number(bar.close ?? 0);
    // The chart has no place for a crosshair, and throws, as long as nothing with a price is drawn.
    if (this.#candles.priceToCoordinate(price) !== null) {
      this.#chart.setCrosshairPosition(price, this.#axis.place(bar.start), this.#candles);
    }
    this.#events.onInspect(bar.start);
  }

  #clearCrosshair(): void {
    this.#chosen = undefined;
    this.#chart.clearCrosshairPosition();
    this.#events.onInspect(undefined);
  }
}
