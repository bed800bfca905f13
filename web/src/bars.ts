// The bars of one symbol and interval, ordered by start. Of two versions of one bar the higher stays, whichever comes
// first; a snapshot is the server's whole truth and replaces everything.

import type { Bar } from './api';

export class BarStore {
  #bars = new Map<number, Bar>();
  #starts: number[] = [];

  get size(): number {
    return this.#starts.length;
  }

  get first(): Bar | undefined {
    return this.at(0);
  }

  get last(): Bar | undefined {
    return this.at(this.size - 1);
  }

  lastWhere(wanted: (bar: Bar) => boolean): Bar | undefined {
    for (let i = this.size - 1; i >= 0; --i) {
      const bar = this.at(i);
      if (bar && wanted(bar)) return bar;
    }
    return undefined;
  }

  at(index: number): Bar | undefined {
    const start = this.#starts[index];
    return start === undefined ? undefined : this.#bars.get(start);
  }

  get(start: number): Bar | undefined {
    return this.#bars.get(start);
  }

  all(): Bar[] {
    return this.#starts.flatMap((start) => this.#bars.get(start) ?? []);
  }

  reset(bars: readonly Bar[]): void {
    this.#bars.clear();
    this.#starts = [];
    this.merge(bars);
  }

  // Returns those that changed something, in ascending order.
  merge(bars: readonly Bar[]): Bar[] {
    const changed = new Map<number, Bar>();
    const added: number[] = [];
    for (const bar of bars) {
      const known = this.#bars.get(bar.start);
      if (known && known.version > bar.version) continue;
      if (!known) added.push(bar.start);
      this.#bars.set(bar.start, bar);
      changed.set(bar.start, bar);
    }
    if (added.length > 0) {
      const ascending = added.every((start, i) => start > ((i > 0 ? added[i - 1] : this.#starts.at(-1)) ?? -Infinity));
      this.#starts.push(...added);
      if (!ascending) this.#starts.sort((a, b) => a - b);
    }
    return [...changed.values()].sort((a, b) => a.start - b.start);
  }

  // Drops the oldest beyond `count`.
  trim(count: number): void {
    for (const start of this.#starts.splice(0, Math.max(0, this.size - count))) this.#bars.delete(start);
  }

  // How many bars start before `time` or then.
  countUpTo(time: number): number {
    let low = 0;
    let high = this.#starts.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#starts[middle] as number) <= time) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  // Where a new snapshot must begin so that nothing is missed after an interruption: at the newest `count` bars (closed
  // ones too, they may have been revised meanwhile), and at no younger bar than the oldest that was not closed.
  resumeFrom(count: number): number | undefined {
    const wanted = this.#starts[Math.max(0, this.size - count)];
    const open = this.#starts.find((start) => this.#bars.get(start)?.state === 'provisional');
    return wanted === undefined || open === undefined ? wanted : Math.min(wanted, open);
  }
}
