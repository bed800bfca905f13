import assert from 'node:assert/strict';
import { test } from 'node:test';
import { explain, marksOf, startText } from '../src/explain';
import { clock, clockMs, decimalsOf, duration, padDecimals, zone } from '../src/format';
import { positionIn } from '../src/gap_bands';
import { health, type HealthInput } from '../src/health';
import type { Status } from '../src/api';
import { parseRoute, routeText } from '../src/route';
import { bar } from './bar';

process.env.TZ = 'Asia/Kolkata';
const NOON = Date.UTC(2024, 7, 9, 12, 0, 3, 45);

test('a decimal gains zeros and never loses a digit', () => {
  assert.equal(padDecimals('61840', 2), '61840.00');
  assert.equal(padDecimals('61837.6', 2), '61837.60');
  assert.equal(padDecimals('0.00001234', 2), '0.00001234');
  assert.equal(padDecimals('9007199254740993.123456789', 9), '9007199254740993.123456789');
  assert.deepEqual(['5', '5.', '5.25'].map(decimalsOf), [0, 0, 2]);
});

test('durations read as people say them', () => {
  const said = [0, 850, 1_200, 59_900, 60_000, 185_000, 3_600_000, 7_800_000, 90_000_000].map(duration);
  assert.deepEqual(said, ['0 ms', '850 ms', '1.2 s', '59.9 s', '1 min', '3 min 5 s', '1 h', '2 h 10 min', '1 d 1 h']);
});

test('times are shown in the zone of the viewer', () => {
  assert.equal(clock(NOON), '17:30:03');
  assert.equal(clockMs(NOON, true), '12:00:03.045');
  assert.equal(zone(NOON), 'UTC+5:30');
  assert.equal(startText(bar(NOON), '1m'), '2024-08-09 17:30:03 (12:00:03 UTC)');
  assert.equal(startText(bar(Date.UTC(2024, 7, 9)), '1d'), '2024-08-09 (trading date)');
});

test('a bar says in words what its marks mean', () => {
  const gap = bar(0, { state: 'provisional', flags: ['gap', 'partial'], missing_ms: 1_200 });
  assert.deepEqual(marksOf(gap), ['gap', 'partial']);
  const words = explain(gap, '1m', 59_999).join(' ');
  assert.match(words, /still forming/);
  assert.match(words, /Gap, 1\.2 s missing: the feed was interrupted/);
  assert.match(words, /Partial: we began or stopped listening/);
  assert.match(explain(gap, '1m', 60_000).join(' '), /over, waiting for late trades/);
  assert.match(explain(bar(0, { state: 'revised', revision: 2 }), '1m', 0).join(' '), /Revised, 2 times/);
  assert.match(explain(bar(0, { open: null, close: null }), '1m', 0).join(' '), /only volume/);
  assert.deepEqual(explain(bar(0), '1m', 0), ['Final.']);
});

test('a gap lies where it happened, also where there are no bars', () => {
  const starts = [1_000, 2_000, 6_000];
  const position = positionIn((time) => starts.filter((start) => start <= time).length, (i) => starts[i] ?? 0, 1_000);
  assert.deepEqual([500, 1_000, 1_250, 2_000, 2_999, 3_000, 5_999, 6_000, 6_500, 9_000].map(position),
    [0, 0, 0.25, 1, 1.999, 2, 2, 2, 2.5, 3]);
});

test('the fragment of the URL holds symbol and interval', () => {
  const text = routeText('IC MARKETS:1', '5m');
  assert.deepEqual(parseRoute(text), { symbol: 'IC MARKETS:1', interval: '5m' });
  assert.deepEqual(parseRoute('#interval=7m'), {});
  assert.deepEqual(parseRoute(''), {});
});

const status = (rest: Partial<Status> = {}): Status => ({
  time: NOON, demo: false, version: '1', heartbeat_age_ms: 400, stale: false, lags: [], symbols: 1,
  feed: { state: 'connected', since: NOON, last_frame: NOON, detail: '' },
  trades: { received: 0, stored: 0, skipped: 0, dead_lettered: 0 }, ...rest,
});
const open: HealthInput = { stream: { kind: 'open' }, now: 9_000, heardAt: 8_500, status: status(), dataUntil: NOON };

test('what is wrong is told, the nearest cause first', () => {
  assert.deepEqual(health(open), { level: 'good', label: 'Live', notice: '' });
  const waiting = { kind: 'waiting', retryAt: 11_200 } as const;
  assert.equal(health({ ...open, stream: waiting }).notice,
    'Connection lost, showing data until 17:30:03; trying again in 3 s.');
  assert.equal(health({ ...open, stream: waiting, status: undefined, dataUntil: undefined }).notice,
    'finpipe does not answer; trying again in 3 s.');
  assert.match(health({ ...open, now: 20_000 }).notice, /silent for 11 s, showing data until 17:30:03/);
  assert.match(health({ ...open, status: status({ stale: true, heartbeat_age_ms: 7_900 }) }).notice, /for 7 s/);
  assert.match(health({ ...open, status: status({ stale: true, heartbeat_age_ms: null }) }).notice, /not reported yet/);
  const feed = { state: 'disconnected', since: NOON, last_frame: NOON, detail: 'connection refused' } as const;
  assert.match(health({ ...open, status: status({ feed }) }).notice, /since 17:30:03 \(connection refused\)/);
  assert.equal(health({ ...open, stream: { kind: 'connecting' }, status: undefined }).level, 'waiting');
});
