// The newest trades, newest on top, in a fixed set of table rows.

import type { Trade } from './api';
import { clockMs, decimalsOf, padDecimals } from './format';

export const SHOWN_TRADES = 50;

export class TradeList {
  readonly #body: HTMLTableSectionElement;
  readonly #rows: HTMLTableRowElement[];
  #trades: Trade[] = [];  // ascending, one more than is shown: a direction needs the trade before
  #priceDigits = 0;
  #volumeDigits = 0;

  constructor(body: HTMLTableSectionElement) {
    this.#body = body;
    this.#rows = Array.from({ length: SHOWN_TRADES }, () => {
      const row = document.createElement('tr');
      for (let i = 0; i < 4; ++i) row.insertCell();
      return row;
    });
  }

  reset(trades: readonly Trade[]): void {
    this.#trades = [];
    this.#priceDigits = this.#volumeDigits = 0;
    this.add(trades);
  }

  add(trades: readonly Trade[]): void {
    this.#trades = [...this.#trades, ...trades].slice(-SHOWN_TRADES - 1);
    for (const { price, volume } of trades) {
      this.#priceDigits = Math.max(this.#priceDigits, decimalsOf(price));
      this.#volumeDigits = Math.max(this.#volumeDigits, decimalsOf(volume));
    }
  }

  draw(): void {
    const shown = Math.min(SHOWN_TRADES, this.#trades.length);
    for (let i = 0; i < shown; ++i) {
      const at = this.#trades.length - 1 - i;
      this.#fill(this.#rows[i] as HTMLTableRowElement, this.#trades[at] as Trade, this.#trades[at - 1]);
    }
    const coded = this.#trades.some(({ conditions }) => conditions && conditions.length > 0);
    this.#body.parentElement?.classList.toggle('coded', coded);
    if (this.#body.rows.length !== shown) this.#body.replaceChildren(...this.#rows.slice(0, shown));
  }

  #fill(row: HTMLTableRowElement, trade: Trade, before: Trade | undefined): void {
    const texts = [
      clockMs(trade.time),
      padDecimals(trade.price, this.#priceDigits),
      padDecimals(trade.volume, this.#volumeDigits),
      trade.conditions?.join(' ') ?? '',
    ];
    texts.forEach((text, i) => {
      const cell = row.cells[i] as HTMLTableCellElement;
      if (cell.textContent !== text) cell.textContent = text;
    });
    const step = before ? Number(trade.price) - Number(before.price) : 0;
    row.className = `${step > 0 ? 'up' : step < 0 ? 'down' : ''}${trade.suspect ? ' suspect' : ''}`;
    row.title = trade.suspect ? 'Suspected to be a repetition: stored, but left out of the bars.' : '';
  }
}
