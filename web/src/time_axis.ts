// The chart's time axis runs in the viewer's time zone (day bars: in UTC, they are trading dates). The chart library
// knows UTC only, so times are shifted on the way in and back on the way out. The shift is one for the whole chart, so
// that order and distances stay what they are; labels are right on both sides of a change of clocks.

import { TickMarkType, type Time, type UTCTimestamp } from 'lightweight-charts';
import type { Interval } from './api';
import { clock, day, offsetMs } from './format';

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

export class TimeAxis {
  readonly #utc: boolean;
  readonly #shift: number;

  constructor(interval: Interval) {
    this.#utc = interval === '1d';
    this.#shift = this.#utc ? 0 : offsetMs(Date.now());
  }

  place(start: number): UTCTimestamp {
    return ((start - this.#shift) / 1_000) as UTCTimestamp;
  }

  startAt(place: Time): number {
    return (place as number) * 1_000 + this.#shift;
  }

  tick(place: Time, type: TickMarkType): string {
    const start = this.startAt(place);
    const [year = '', month = '', date = ''] = day(start, this.#utc).split('-');
    const monthName = MONTHS[Number(month) - 1] ?? '';
    if (type === TickMarkType.Year) return year;
    if (type === TickMarkType.Month) return monthName;
    if (type === TickMarkType.DayOfMonth) return `${Number(date)} ${monthName}`;
    return type === TickMarkType.TimeWithSeconds ? clock(start) : clock(start).slice(0, 5);
  }

  label(place: Time): string {
    const start = this.startAt(place);
    return this.#utc ? day(start, true) : `${day(start)} ${clock(start)}`;
  }
}
