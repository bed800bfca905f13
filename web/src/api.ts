// What docs/api.md says the server sends. Decimals are text: parsed only to be drawn, shown as they are.

export const INTERVALS = ['1s', '1m', '5m', '15m', '1h', '1d'] as const;
export type Interval = (typeof INTERVALS)[number];

export const INTERVAL_MS: Record<Interval, number> = {
  '1s': 1_000,
  '1m': 60_000,
  '5m': 300_000,
  '15m': 900_000,
  '1h': 3_600_000,
  '1d': 86_400_000,
};

export type Flag = 'gap' | 'partial' | 'backfilled';

export interface Bar {
  start: number;
  open: string | null;
  high: string | null;
  low: string | null;
  close: string | null;
  volume: string;
  vwap: string | null;
  trades: number;
  state: 'provisional' | 'final' | 'revised';
  flags: Flag[];
  missing_ms: number;
  revision: number;
  version: number;
}

export interface Trade {
  time: number;
  price: string;
  volume: string;
  conditions: string[] | null;
  suspect: boolean;
}

export interface Gap {
  from: number;
  to: number;
  reason: string;
  filled: boolean;
}

export interface SymbolInfo {
  symbol: string;
  market: string;
}

export interface Status {
  time: number;
  demo: boolean;
  version: string;
  feed: {
    state: 'connected' | 'disconnected' | 'stalled';
    since: number | null;
    last_frame: number | null;
    detail: string;
  };
  heartbeat_age_ms: number | null;  // null, as the times above: nothing is known yet
  stale: boolean;
  lags: { market: string; lag_ms: number }[];
  symbols: number;
  trades: { received: number; stored: number; skipped: number; dead_lettered: number };
}

export type ServerMessage =
  | { type: 'snapshot' | 'update'; channel: 'bars'; symbol: string; interval: Interval; bars: Bar[] }
  | { type: 'snapshot' | 'update'; channel: 'trades'; symbol: string; trades: Trade[]; dropped?: number }
  | { type: 'update'; channel: 'status'; status: Status }
  | { type: 'error'; message: string };

export type ClientMessage =
  | { type: 'subscribe'; channel: 'bars'; symbol: string; interval: Interval; snapshot: number }
  | { type: 'subscribe'; channel: 'bars'; symbol: string; interval: Interval; from: number }
  | { type: 'unsubscribe'; channel: 'bars'; symbol: string; interval: Interval }
  | { type: 'subscribe'; channel: 'trades'; symbol: string; snapshot: number }
  | { type: 'unsubscribe'; channel: 'trades'; symbol: string }
  | { type: 'subscribe'; channel: 'status' };

const TIMEOUT_MS = 10_000;

// Throws when there is no answer in time, or one other than 200.
export async function get<T>(path: string, parameters: Record<string, string | number> = {}): Promise<T> {
  const url = new URL(`/api/v1/${path}`, location.origin);
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, String(value));
  const response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
  if (!response.ok) throw new Error(`${path}: status ${response.status}`);
  return (await response.json()) as T;
}
