// What a bar's state and flags mean, in words for someone who has never read the documentation.

import { INTERVAL_MS, type Bar, type Interval } from './api';
import { clock, day, duration, zone } from './format';

// The most telling mark of a bar; each has its own sign on the chart and in the legend.
export type Mark = 'gap' | 'partial' | 'revised' | 'backfilled';

export function marksOf(bar: Bar): Mark[] {
  const marks: Mark[] = [];
  if (bar.flags.includes('gap')) marks.push('gap');
  if (bar.flags.includes('partial')) marks.push('partial');
  if (bar.state === 'revised') marks.push('revised');
  if (bar.flags.includes('backfilled')) marks.push('backfilled');
  return marks;
}

export function hasPrice(bar: Bar): boolean {
  return bar.open !== null && bar.high !== null && bar.low !== null && bar.close !== null;
}

// `now` is the server's clock.
export function explain(bar: Bar, interval: Interval, now: number): string[] {
  const lines: string[] = [];
  if (bar.state === 'provisional') {
    const over = now >= bar.start + INTERVAL_MS[interval];
    lines.push(over ? 'Provisional: over, waiting for late trades before it is final.' : 'Provisional: still forming.');
  } else if (bar.state === 'final') {
    lines.push('Final.');
  } else {
    const times = bar.revision > 1 ? `, ${bar.revision} times` : '';
    lines.push(`Revised${times}: it changed after it had been closed.`);
  }
  if (bar.flags.includes('gap')) {
    lines.push(
      `Gap, ${duration(bar.missing_ms)} missing: the feed was interrupted for that long in this bar, ` +
        'so high, low and volume may fall short.',
    );
  }
  if (bar.flags.includes('partial')) lines.push('Partial: we began or stopped listening inside this bar.');
  if (bar.flags.includes('backfilled')) lines.push('Backfilled: some of its trades were filled in later.');
  if (!hasPrice(bar)) lines.push('No price: none of its trades may set one, so only volume is drawn.');
  return lines;
}

// When a bar begins, in the viewer's time with UTC beside it; a day bar is a trading date and has no time of day.
export function startText(bar: Bar, interval: Interval): string {
  if (interval === '1d') return `${day(bar.start, true)} (trading date)`;
  const local = `${day(bar.start)} ${clock(bar.start)}`;
  return zone(bar.start) === 'UTC' ? `${local} UTC` : `${local} (${clock(bar.start, true)} UTC)`;
}
