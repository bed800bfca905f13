// What is shown stands in the URL's fragment, so that it can be bookmarked and shared.

import { INTERVALS, type Interval } from './api';

export interface Route {
  symbol?: string;
  interval?: Interval;
}

export function parseRoute(hash: string): Route {
  const parameters = new URLSearchParams(hash.replace(/^#/, ''));
  const symbol = parameters.get('symbol');
  const interval = INTERVALS.find((known) => known === parameters.get('interval'));
  return { ...(symbol && { symbol }), ...(interval && { interval }) };
}

export function routeText(symbol: string, interval: Interval): string {
  return `#symbol=${encodeURIComponent(symbol)}&interval=${interval}`;
}
