import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BarStore } from '../src/bars';
import { bar } from './bar';

const starts = (store: BarStore) => store.all().map(({ start }) => start);

test('bars come out in order of start, however they came in', () => {
  const store = new BarStore();
  store.merge([bar(3), bar(1)]);
  store.merge([bar(2), bar(5), bar(4)]);
  assert.deepEqual(starts(store), [1, 2, 3, 4, 5]);
  assert.equal(store.first?.start, 1);
  assert.equal(store.last?.start, 5);
  assert.equal(store.lastWhere(({ start }) => start < 4)?.start, 3);
  assert.equal(store.lastWhere(({ start }) => start > 5), undefined);
});

test('of two versions of a bar the higher stays, whichever comes first', () => {
  const store = new BarStore();
  assert.deepEqual(store.merge([bar(1, { version: 2, close: '7' })]).length, 1);
  assert.deepEqual(store.merge([bar(1, { version: 1, close: '6' })]), []);
  assert.equal(store.get(1)?.close, '7');
  assert.deepEqual(store.merge([bar(1, { version: 3, close: '8' })]).length, 1);
  assert.equal(store.get(1)?.close, '8');
  assert.equal(store.size, 1);
});

test('an old bar can be revised, and says so once', () => {
  const store = new BarStore();
  store.merge([bar(1), bar(2), bar(3)]);
  const revised = bar(1, { version: 5, state: 'revised' });
  const changed = store.merge([bar(3, { version: 2 }), revised, bar(1, { version: 4 })]);
  assert.deepEqual(changed.map(({ start, version }) => [start, version]), [[1, 5], [3, 2]]);
});

test('a snapshot replaces everything, even higher versions', () => {
  const store = new BarStore();
  store.merge([bar(1, { version: 9 }), bar(2)]);
  store.reset([bar(1, { version: 1 }), bar(3)]);
  assert.deepEqual(store.all().map(({ start, version }) => [start, version]), [[1, 1], [3, 1]]);
});

test('a new connection asks from the newest bars it has, and from no younger than the oldest open one', () => {
  const store = new BarStore();
  assert.equal(store.resumeFrom(2), undefined);
  store.merge([bar(1), bar(2), bar(3), bar(4, { state: 'provisional' })]);
  assert.equal(store.resumeFrom(2), 3);
  assert.equal(store.resumeFrom(99), 1);
  store.merge([bar(2, { state: 'provisional', version: 2 })]);
  assert.equal(store.resumeFrom(2), 2);
});

test('counting and trimming agree with the order', () => {
  const store = new BarStore();
  store.merge([bar(10), bar(20), bar(30)]);
  assert.deepEqual([9, 10, 29, 30, 99].map((time) => store.countUpTo(time)), [0, 1, 2, 3, 3]);
  store.trim(2);
  assert.deepEqual(starts(store), [20, 30]);
  assert.equal(store.get(10), undefined);
  store.trim(5);
  assert.deepEqual(starts(store), [20, 30]);
});

test('merging at random equals the highest version of each start', () => {
  let seed = 7;
  const random = (below: number) => (seed = (seed * 48_271) % 2_147_483_647) % below;
  const store = new BarStore();
  const model = new Map<number, number>();
  for (let round = 0; round < 500; ++round) {
    const bars = Array.from({ length: random(5) }, () => bar(random(40), { version: random(9) }));
    store.merge(bars);
    for (const { start, version } of bars) model.set(start, Math.max(version, model.get(start) ?? 0));
  }
  const expected = [...model].sort(([a], [b]) => a - b);
  assert.deepEqual(store.all().map(({ start, version }) => [start, version]), expected);
});
