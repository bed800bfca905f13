// The page in Chromium, against a server that does what the test says.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import {
  candlePixels, figure, gapPixels, launch, open, pixels, scrollsSideways, until, type PageOptions, type WatchedPage,
} from './browser';
import { NOW, ORIGIN, ScriptedServer } from './scripted_server';

const BTC = 'BINANCE:BTCUSDT';
const ETH = 'BINANCE:ETHUSDT';

let browser: Browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

// A server with bars of two symbols, and the page on it; `hash` as in the URL.
async function start(options: PageOptions & { hash?: string } = {}) {
  const { hash = '', ...rest } = options;
  const server = new ScriptedServer();
  server.fill(BTC, '1m', 300);
  server.fill(BTC, '1s', 1_500);
  server.fill(ETH, '1m', 40);
  const watched: WatchedPage = await open(browser, ORIGIN, { timezoneId: 'Europe/Berlin', ...rest });
  await server.serve(watched.page);
  await watched.page.goto(`${ORIGIN}/${hash}`);
  await until('bars', () => figure(watched.page, 'C'), (text) => text !== '–');
  return { server, page: watched.page, close: watched.close };
}

const trust = (page: Page) => page.locator('.trust').innerText();
const notice = (page: Page) => page.locator('#notice');
const key = (page: Page, name: string, times = 1) =>
  page.locator('#chart').focus().then(async () => {
    for (let i = 0; i < times; ++i) await page.keyboard.press(name);
  });

test('bars are drawn, and told in the exact digits that the server sent', async () => {
  const { server, page, close } = await start();
  const last = server.fill(BTC, '1m', 300).at(-1)!;
  assert.equal(await figure(page, 'O'), last.open);
  assert.equal(await figure(page, 'H'), `${last.high}0`);
  assert.equal(await figure(page, 'Volume'), last.volume);
  assert.equal(await figure(page, 'VWAP'), last.vwap);
  assert.match(await page.locator('.bar-time').innerText(), /2026-03-04 15:30:00 \(14:30:00 UTC\)/);
  assert.match(await page.title(), /^[\d.]+ BINANCE:BTCUSDT$/);
  await until('candles', () => candlePixels(page), (found) => found > 2_000);
  const axis = await page.locator('#chart td').nth(2).boundingBox();
  assert.ok(axis && axis.width > 40, 'the price axis is there');
  assert.equal(await page.locator('#lag').innerText(), 'lag 62 ms');
  assert.equal(await page.locator('#ledger').innerText(),
    '34,419 trades received = 34,400 stored + 10 skipped + 9 dead-lettered');
  assert.equal(await page.locator('#health').innerText(), 'Live');
  await close();
});

test('the last bar moves, a new one appears, and an old one can be revised', async () => {
  const { server, page, close } = await start();
  const bars = server.fill(BTC, '1m', 300);
  const last = bars.at(-1)!;
  const before = await candlePixels(page);
  server.update(BTC, '1m', [{ ...last, close: '61999.5', high: '61999.5', version: 2 }]);
  await until('the last bar moves', () => figure(page, 'C'), (text) => text === '61999.50');
  assert.equal(await page.locator('#price').innerText(), '61999.50');
  assert.notEqual(await candlePixels(page), before);

  server.update(BTC, '1m', [{ ...last, start: last.start + 60_000, close: '62000' }]);
  await until('a new bar', () => page.locator('.bar-time').innerText(), (text) => text.includes('15:31:00'));

  const old = bars.at(-4)!;
  await key(page, 'ArrowLeft', 5);
  assert.equal(await figure(page, 'C'), old.close);
  server.update(BTC, '1m', [{ ...old, close: '61777.77', state: 'revised', revision: 1, version: 9 }]);
  await until('the revision', () => figure(page, 'C'), (text) => text === '61777.77');
  assert.equal(await trust(page), 'Revised: it changed after it had been closed.');
  server.update(BTC, '1m', [{ ...old, close: '1', version: 3 }]);
  server.update(BTC, '1m', [{ ...last, start: last.start + 60_000, close: '62001', version: 2 }]);
  await until('the update after it', () => page.locator('#price').innerText(), (text) => text === '62001.00');
  assert.equal(await figure(page, 'C'), '61777.77');

  // A bar inside a stretch where there was none.
  server.update(BTC, '1m', [
    { ...old, start: old.start + 1_000, close: '61700.01' },
    { ...last, start: last.start + 60_000, close: '62002', version: 3 },
  ]);
  await until('the update with it', () => page.locator('#price').innerText(), (text) => text === '62002.00');
  await key(page, 'ArrowRight');
  assert.equal(await figure(page, 'C'), '61700.01');
  await close();
});

test('gaps and flags are marked and explained', async () => {
  const { server, page, close } = await start();
  const bars = server.fill(BTC, '1m', 300);
  const bar = bars.at(-3)!;
  assert.equal(await gapPixels(page), 0);
  assert.equal((await pixels(page, 'gap')) + (await pixels(page, 'partial')), 0);
  server.gaps = [{ from: bar.start + 10_000, to: bar.start + 71_200, reason: 'disconnected', filled: false }];
  server.update(BTC, '1m', [{ ...bar, flags: ['gap', 'partial'], missing_ms: 1_200, version: 2 }]);
  await until('the shade', () => gapPixels(page), (found) => found > 10 && found < 200);
  await until('the sign of the gap', () => pixels(page, 'gap'), (found) => found > 5);
  await until('the sign of the partial bar', () => pixels(page, 'partial'), (found) => found > 5);
  await key(page, 'ArrowLeft', 3);
  await until('the words', () => trust(page), (text) => text.includes('Gap, 1.2 s missing'));
  assert.match(await trust(page), /Partial: we began or stopped listening/);
  server.gaps = [{ ...server.gaps[0]!, filled: true }];
  server.update(BTC, '1m', [{ ...bar, flags: ['backfilled'], state: 'revised', revision: 1, version: 3 }]);
  await until('no shade any more', () => gapPixels(page), (found) => found === 0);
  assert.match(await trust(page), /^Revised.*Backfilled: some of its trades were filled in later\.$/);
  await page.getByText('What the marks mean').click();
  assert.ok(await page.getByText('Trades made in it are missing').isVisible());
  await close();
});

test('a bar without a price is no candle and does no harm', async () => {
  const { server, page, close } = await start();
  const last = server.fill(BTC, '1m', 300).at(-1)!;
  const price = await page.locator('#price').innerText();
  const none = { open: null, high: null, low: null, close: null, vwap: null };
  server.update(BTC, '1m', [{ ...last, ...none, start: last.start + 60_000 }]);
  await until('the words', () => trust(page), (text) => text.includes('only volume is drawn'));
  assert.equal(await figure(page, 'C'), '–');
  assert.equal(await page.locator('#price').innerText(), price);

  // Nor where there is no price at all.
  server.update(ETH, '1s', [3, 2, 1].map((back) => ({ ...last, ...none, start: last.start - back * 1_000 })));
  await page.getByLabel('Symbol').selectOption(ETH);
  await page.getByLabel('1s', { exact: true }).check();
  await until('the newest', () => page.locator('.bar-time').innerText(), (text) => text.includes('15:29:59'));
  await key(page, 'ArrowLeft', 2);
  assert.match(await page.locator('.bar-time').innerText(), /15:29:58/);
  await close();
});

test('a key that comes before the bars are drawn does no harm', async () => {
  const { server, page, close } = await start();
  const bars = server.fill(BTC, '1s', 1_500);
  await page.evaluate(() => {
    const draw = window.requestAnimationFrame;
    const held: FrameRequestCallback[] = [];
    window.requestAnimationFrame = (callback) => held.push(callback);
    addEventListener('draw', () => {
      window.requestAnimationFrame = draw;
      held.forEach((callback) => draw(callback));
    });
  });
  await page.getByLabel('1s', { exact: true }).check();
  await until('bars', () => figure(page, 'C'), (text) => text !== '–');
  await key(page, 'ArrowLeft', 2);
  await page.evaluate(() => dispatchEvent(new Event('draw')));
  await until('the one before the last', () => figure(page, 'C'), (text) => text === bars.at(-2)!.close);
  await close();
});

test('symbol and interval can be chosen, stand in the URL, and come back from it', async () => {
  const { server, page, close } = await start();
  await page.getByLabel('1s', { exact: true }).check();
  await until('seconds', () => page.locator('.bar-time').innerText(), (text) => text.includes('15:30:00'));
  assert.match(page.url(), /#symbol=BINANCE%3ABTCUSDT&interval=1s$/);
  await page.getByLabel('Symbol').selectOption(ETH);
  await page.getByText('No trades of this symbol yet.').waitFor();
  await page.getByLabel('1m', { exact: true }).check();
  const last = server.fill(ETH, '1m', 40).at(-1)!;
  await until('the other symbol', () => figure(page, 'C'), (text) => text === last.close);
  const sent = server.received.map((message) => Object.values(message).join(' '));
  for (const left of [`bars ${BTC} 1m`, `bars ${BTC} 1s`, `trades ${BTC}`, `bars ${ETH} 1s`]) {
    assert.ok(sent.includes(`unsubscribe ${left}`), `${left} in\n${sent.join('\n')}`);
  }

  server.update(BTC, '1m', [{ ...last, close: '1', version: 99 }]);  // of a symbol no longer shown
  await page.reload();
  await until('the same again', () => figure(page, 'C'), (text) => text === last.close);
  assert.equal(await page.getByLabel('Symbol').inputValue(), ETH);
  await close();
});

test('older bars come when one scrolls there, and one finds back', async () => {
  const { server, page, close } = await start({ hash: '#interval=1s' });
  await key(page, 'Home');
  const first = server.fill(BTC, '1s', 1_500)[0]!;
  await until('the oldest bar', async () => {
    await page.keyboard.press('Home');
    return page.locator('.bar-time').innerText();
  }, (text) => text.includes(new Date(first.start).toISOString().slice(11, 19)));
  await page.getByRole('button', { name: 'Latest' }).click();
  await page.getByRole('button', { name: 'Latest' }).waitFor({ state: 'hidden' });
  await close();
});

test('after an interruption the page is whole again', async () => {
  const { server, page, close } = await start({ tolerate: /ERR_FAILED|WebSocket/ });
  const bars = server.fill(BTC, '1m', 300);
  const last = bars.at(-1)!;
  await server.stop();
  await until('the notice', () => notice(page).innerText(), (text) =>
    /^Connection lost, showing data until 15:30:\d\d; trying again in \d+ s\.$/.test(text));
  assert.equal(await figure(page, 'C'), last.close);

  const next = { ...last, start: last.start + 60_000, close: '62000.01' };
  const revised = { ...bars.at(-50)!, close: '61500', state: 'revised', revision: 1, version: 5 } as const;
  server.update(BTC, '1m', [{ ...last, state: 'final', close: '61990', version: 7 }, next, revised], false);
  server.received = [];
  server.down = false;
  await until('the news', () => figure(page, 'C'), (text) => text === '62000.01');
  const again = server.received.find((m) => m.type === 'subscribe' && m.channel === 'bars');
  assert.ok(again && 'from' in again && again.from <= bars.at(-2)!.start, JSON.stringify(again));
  assert.ok(await notice(page).isHidden());
  await key(page, 'ArrowLeft', 2);
  assert.equal(await figure(page, 'C'), '61990.00');
  await page.keyboard.press('End');
  await key(page, 'ArrowLeft', 50);
  assert.equal(await figure(page, 'C'), '61500.00');
  await close();
});

test('a stale pipeline, a broken feed and a demo say so', async () => {
  const { server, page, close } = await start();
  assert.ok(await page.locator('#demo').isHidden());
  server.say({ demo: true });
  await page.getByText('recorded trades of 2024, played again as if they came now').waitFor();
  server.say({ stale: true, heartbeat_age_ms: 7_000 });
  await page.getByText('The pipeline has not reported for 7 s').waitFor();
  assert.equal(await page.locator('#health').innerText(), 'Stale');
  const since = NOW - 3_000;
  server.say({ stale: false, feed: { state: 'disconnected', since, last_frame: since, detail: 'connection refused' } });
  await page.getByText('disconnected since 15:29:57 (connection refused)').waitFor();
  server.say({ feed: { state: 'connected', since: NOW, last_frame: NOW, detail: '' } });
  await notice(page).waitFor({ state: 'hidden' });
  server.tell({ type: 'error', message: 'too many subscriptions' });
  await page.getByText('finpipe says: too many subscriptions').waitFor();
  await close();
});

test('trades are listed, newest first, with their suspects', async () => {
  const { server, page, close } = await start();
  const rest = { volume: '0.5', conditions: null, suspect: false };
  const trade = (i: number, price: string) => ({ time: NOW + i, price, ...rest });
  server.trade(BTC, Array.from({ length: 70 }, (_, i) => trade(i, '61800.5')));
  server.trade(BTC, [{ ...trade(99, '61800.75'), volume: '0.00012', conditions: ['1', '12'], suspect: true }]);
  const rows = page.locator('#trades tr');
  await until('the newest', () => rows.first().innerText(), (text) => text.includes('61800.75'));
  assert.equal(await rows.count(), 50);
  assert.deepEqual(await rows.nth(0).locator('td').allInnerTexts(), ['15:30:00.099', '61800.75', '0.00012', '1 12']);
  assert.deepEqual(await rows.nth(1).locator('td').allInnerTexts(), ['15:30:00.069', '61800.50', '0.50000', '']);
  assert.match((await rows.first().getAttribute('class')) ?? '', /up suspect/);
  await close();
});

test('a page to which nothing comes draws nothing', async () => {
  const { server, page, close } = await start();
  const price = (i: number) => ({ time: NOW + i, price: '61800.5', volume: '1', conditions: null, suspect: false });
  for (let i = 0; i < 40; ++i) server.trade(BTC, [price(i)]);
  await until('the trades', () => page.locator('#trades tr').count(), (rows) => rows === 40);
  const frames = () => page.evaluate(() => new Promise<number>((resolve) => {
    const original = window.requestAnimationFrame;
    let asked = 0;
    window.requestAnimationFrame = (callback) => (++asked, original(callback));
    setTimeout(() => ((window.requestAnimationFrame = original), resolve(asked)), 500);
  }));
  await until('rest', frames, (asked) => asked === 0);
  await close();
});

test('text from the server is text', async () => {
  const evil = '<img src=x onerror=alert(1)>';
  const { server, page, close } = await start();
  server.symbols.push({ symbol: evil, market: evil });
  server.fill(evil, '1m', 3);
  server.say({ symbols: 3, version: evil, feed: { state: 'stalled', since: NOW, last_frame: NOW, detail: evil } });
  await page.getByText(`The feed has gone silent since 15:30:00 (${evil})`).waitFor();
  await page.getByLabel('Symbol').selectOption(evil);
  await until('its bars', () => page.title(), (text) => text.endsWith(evil));
  assert.equal(await page.locator('img').count(), 0);
  await close();
});

test('a page without any symbol waits for the first', async () => {
  const server = new ScriptedServer();
  const known = server.symbols;
  server.symbols = [];
  server.status.symbols = 0;
  const { page, close } = await open(browser, ORIGIN);
  await server.serve(page);
  await page.goto(ORIGIN);
  await page.getByText('No trades yet.').waitFor();
  const last = server.fill(BTC, '1m', 5).at(-1)!;
  server.symbols = known;
  server.say({ symbols: 2 });
  await until('its bars', () => figure(page, 'C'), (text) => text === last.close);
  await close();
});

test('it follows the colours of the system until told otherwise', async () => {
  const { page, close } = await start({ colorScheme: 'light' });
  const theme = () => page.locator('html').getAttribute('data-theme');
  assert.equal(await theme(), 'light');
  await page.emulateMedia({ colorScheme: 'dark' });
  await until('dark', theme, (value) => value === 'dark');
  await page.getByRole('button', { name: 'Switch to light colours' }).click();
  assert.equal(await theme(), 'light');
  await page.reload();
  await until('kept', theme, (value) => value === 'light');
  await close();
});

test('a phone shows it without scrolling sideways', async () => {
  for (const width of [320, 390]) {
    const { page, close } = await start({ viewport: { width, height: 780 }, isMobile: true, hasTouch: true });
    await page.getByText('What the marks mean').click();
    assert.equal(await scrollsSideways(page), false);
    await until('candles', () => candlePixels(page), (found) => found > 500);
    await close();
  }
});
