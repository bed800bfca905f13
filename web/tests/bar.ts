// What the unit and page tests make bars with.

import type { Bar } from '../src/api';

export function bar(start: number, rest: Partial<Bar> = {}): Bar {
  return {
    start, open: '100', high: '101.5', low: '99', close: '100.25', volume: '3', vwap: '100.1', trades: 7,
    state: 'final', flags: [], missing_ms: 0, revision: 0, version: 1, ...rest,
  };
}
