// The page on the program itself: finpipe with the simulator and the bundled tape, in Chromium. With FINPIPE_IMAGES set
// to a directory, the pictures of the documentation are taken there.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { INTERVALS, type Bar, type Gap } from '../src/api';
import {
  candlePixels, figure, launch, open, scrollsSideways, until, type PageOptions, type WatchedPage,
} from './browser';
import { Program, temporaryDirectory } from './program';

const SYMBOLS = ['BINANCE:BTCUSDT', 'BINANCE:ETHUSDT'];
const OUTAGE = /ERR_CONNECTION|ERR_EMPTY_RESPONSE|ERR_INCOMPLETE|ERR_INVALID_HTTP|WebSocket|503/;

let browser: Browser;
let directory: ReturnType<typeof temporaryDirectory>;
let programs: Program[];

before(async () => {
  browser = await launch();
});
after(() => browser.close());
beforeEach(() => {
  directory = temporaryDirectory();
  programs = [];
});
afterEach(async () => {
  await Promise.all(programs.map((program) => program.kill()));
  directory.remove();
});

async function finpipe(...args: string[]): Promise<Program> {
  const program = await Program.start(directory.path, ...args);
  programs.push(program);
  return program;
}

const demo = (listen = '127.0.0.1:0') => finpipe('run', '--feed', 'sim:', '--listen', listen);

async function show(address: string, options: PageOptions = {}): Promise<WatchedPage> {
  const watched = await open(browser, address, options);
  await watched.page.goto(address);
  await until('bars', () => figure(watched.page, 'C'), (text) => text !== '–');
  return watched;
}

async function get<T>(address: string, path: string): Promise<T> {
  const response = await fetch(`${address}/api/v1/${path}`);
  assert.equal(response.status, 200, path);
  return (await response.json()) as T;
}

const recorded = async (program: Program) => (await get<{ gaps: Gap[] }>(program.address, 'gaps')).gaps;
const newestBars = async (program: Program, symbol: string, interval: string, limit: number) => {
  const query = `bars?symbol=${symbol}&interval=${interval}&order=desc&limit=${limit}`;
  return (await get<{ bars: Bar[] }>(program.address, query)).bars;
};
const barTime = (page: Page) => page.locator('.bar-time').innerText();
const isLive = (page: Page) => until('live', () => page.locator('#health').innerText(), (text) => text === 'Live');

async function picture(page: Page, name: string): Promise<void> {
  if (process.env.FINPIPE_IMAGES) await page.screenshot({ path: join(process.env.FINPIPE_IMAGES, `${name}.png`) });
}

// The newest bars as the page tells them, one by one: start (UTC) and figures, oldest first.
async function told(page: Page, count: number): Promise<Map<string, string>> {
  const bars: [string, string][] = [];
  await page.locator('#chart').focus();
  for (let i = 0; i < count; ++i) {
    await page.keyboard.press('ArrowLeft');
    const figures = await Promise.all(['O', 'H', 'L', 'C', 'Volume', 'Trades'].map((name) => figure(page, name)));
    bars.unshift([await barTime(page), figures.join(' ')]);
  }
  await page.keyboard.press('Escape');
  return new Map(bars);
}

test('candles move, in every interval and symbol', async () => {
  const program = await demo();
  const { page, close } = await show(program.address, { colorScheme: 'dark' });
  await isLive(page);
  assert.ok(await page.getByText('This is a demo').isVisible());
  await until('candles', () => candlePixels(page), (found) => found > 2_000);
  await until('trades', () => page.locator('#trades tr').count(), (rows) => rows === 50);

  const [start, volume] = [await barTime(page), await figure(page, 'Volume')];
  await until('the bar changes', async () => [await barTime(page), await figure(page, 'Volume')].join(),
    (now) => now !== [start, volume].join());
  await picture(page, 'page-dark');

  for (const symbol of SYMBOLS) {
    await page.getByLabel('Symbol').selectOption(symbol);
    for (const interval of INTERVALS) {
      await page.getByLabel(interval, { exact: true }).check();
      await until(`${symbol} ${interval}`, () => figure(page, 'C'), (text) => text !== '–');
      assert.equal((await newestBars(program, symbol, interval, 1)).length, 1, `${symbol} ${interval}`);
    }
    await page.getByLabel('1s', { exact: true }).check();
    const before = await barTime(page);
    await until('a new second', () => barTime(page), (now) => now !== before);
  }
  await close();
});

test('it is right in light colours and on a phone', async () => {
  const program = await demo();
  const light = await show(program.address, { colorScheme: 'light' });
  await isLive(light.page);
  await until('trades', () => light.page.locator('#trades tr').count(), (rows) => rows === 50);
  await picture(light.page, 'page-light');
  await light.close();
  const phone = await show(program.address, {
    colorScheme: 'dark', viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true,
  });
  await isLive(phone.page);
  assert.equal(await scrollsSideways(phone.page), false);
  await until('candles', () => candlePixels(phone.page), (found) => found > 500);
  await picture(phone.page, 'page-phone');
  await phone.close();
});

test('the program is killed and started again: the page goes on without a hole, and shows the gap', async () => {
  const first = await demo();
  const { page, close } = await show(first.address, { tolerate: OUTAGE, timezoneId: 'UTC' });
  await page.getByLabel('1s', { exact: true }).check();
  await isLive(page);
  const before = await barTime(page);
  await until('a new second', () => barTime(page), (now) => now !== before);
  await first.kill();
  await page.getByText('Connection lost, showing data until').waitFor();
  const lost = await barTime(page);

  const second = await demo(`127.0.0.1:${first.port}`);
  assert.equal(second.address, first.address);
  await isLive(page);
  await page.locator('#notice').waitFor({ state: 'hidden' });
  await until('a new second', () => barTime(page), (now) => now > lost);
  const gaps = await until('the gap', () => recorded(second), (rows) => rows.length > 0);
  assert.ok(gaps[0] && gaps[0].from < gaps[0].to);

  // What was on the page before and came after is what the server has, bar for bar: those that neither closed nor were
  // revised while the page was read.
  const symbol = await page.getByLabel('Symbol').inputValue();
  const closed = async () => (await newestBars(second, symbol, '1s', 200)).filter(({ state }) => state !== 'provisional');
  const settled = new Map((await closed()).map((bar) => [bar.start, bar.version]));
  const newestShown = await barTime(page);
  await until('a new second', () => barTime(page), (now) => now > newestShown);
  const shown = await told(page, 60);
  const [oldest = '', newest = ''] = [[...shown.keys()].at(0), [...shown.keys()].at(-1)];
  let compared = 0;
  for (const bar of (await closed()).filter(({ start, version }) => settled.get(start) === version)) {
    const time = `${new Date(bar.start).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
    if (time < oldest || time > newest) continue;
    const figures = shown.get(time);
    assert.ok(figures, `${time} is missing on the page`);
    const [, , , close_ = '', volume, trades] = figures.split(' ');
    assert.deepEqual([Number(close_), volume, trades], [Number(bar.close), bar.volume, String(bar.trades)], time);
    ++compared;
  }
  assert.ok(compared > 20, `${compared} bars compared`);
  await close();
});

test('the simulator goes away and comes back: the page says so, and marks the gap', async () => {
  const simulate = (listen: string) => finpipe('simulate', '--rebase', '--loop', '--listen', listen);
  const vendor = await simulate('127.0.0.1:0');
  const from = ['--feed', vendor.address, '--symbols', SYMBOLS.join()];
  const program = await finpipe('run', ...from, '--listen', '127.0.0.1:0');
  const { page, close } = await show(program.address, { tolerate: OUTAGE });
  await page.getByLabel('1s', { exact: true }).check();
  await isLive(page);
  await vendor.kill();
  await page.getByText('The feed is disconnected since').waitFor();
  await simulate(`127.0.0.1:${vendor.port}`);
  await isLive(page);
  await until('the gap', () => recorded(program), (rows) => rows.length > 0);
  const marked = async () => {
    const bars = await newestBars(program, SYMBOLS[0]!, '1m', 5);
    return bars.some(({ flags }) => flags.includes('gap'));
  };
  await until('a bar with the gap', marked, Boolean);
  await page.getByLabel('1m', { exact: true }).check();
  await page.locator('#chart').focus();
  await until('the words', async () => {
    await page.keyboard.press('ArrowLeft');
    return page.locator('.trust').innerText();
  }, (text) => text.includes('missing: the feed was interrupted'));
  await close();
});
