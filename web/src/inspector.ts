// The lines above the chart: the figures of one bar as exact text, and how far it can be trusted, in words.

import type { Bar, Interval } from './api';
import { explain, marksOf, startText } from './explain';
import { count, padDecimals } from './format';

const FIELDS = ['O', 'H', 'L', 'C', 'Volume', 'VWAP', 'Trades'] as const;

export class Inspector {
  readonly #time: HTMLElement;
  readonly #values: HTMLElement[];
  readonly #trust: HTMLElement;

  constructor(root: HTMLElement) {
    const figures = document.createElement('dl');
    this.#values = FIELDS.map((name) => {
      const pair = document.createElement('div');
      const [term, value] = [document.createElement('dt'), document.createElement('dd')];
      term.textContent = name;
      pair.append(term, value);
      figures.append(pair);
      return value;
    });
    this.#time = document.createElement('span');
    this.#time.className = 'bar-time';
    this.#trust = document.createElement('span');
    this.#trust.className = 'trust';
    const words = document.createElement('p');
    words.append(this.#time, ' ', this.#trust);
    root.replaceChildren(figures, words);
  }

  show(bar: Bar | undefined, interval: Interval, digits: number, now: number): void {
    const price = (text: string | null | undefined) => (text ? padDecimals(text, digits) : '–');
    const texts = bar
      ? [...[bar.open, bar.high, bar.low, bar.close].map(price), bar.volume, bar.vwap ?? '–', count(bar.trades)]
      : FIELDS.map(() => '–');
    this.#values.forEach((element, i) => (element.textContent = texts[i] ?? ''));
    this.#time.textContent = bar ? startText(bar, interval) : '';
    this.#trust.textContent = bar ? explain(bar, interval, now).join(' ') : '';
    this.#trust.dataset.mark = bar ? (marksOf(bar)[0] ?? bar.state) : '';
  }
}
