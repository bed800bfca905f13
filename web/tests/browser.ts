// Debian's Chromium, and a page in it that keeps account of what must not happen: errors, and requests to elsewhere.

import assert from 'node:assert/strict';
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';

export const DEADLINE_MS = 60_000;

export function launch(): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env.FINPIPE_CHROMIUM ?? '/usr/bin/chromium',
    timeout: DEADLINE_MS,
    args: [
      '--no-sandbox', '--headless=new', '--disable-gpu', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync',
    ],
  });
}

export interface WatchedPage {
  page: Page;
  close(): Promise<void>;  // fails when the page complained or asked someone else
}

// `tolerate`: messages that the console may show.
export type PageOptions = BrowserContextOptions & { tolerate?: RegExp };

export async function open(browser: Browser, origin: string, options: PageOptions = {}): Promise<WatchedPage> {
  const { tolerate, ...context } = options;
  const page = await browser.newPage({ viewport: { width: 1280, height: 760 }, ...context });
  page.setDefaultTimeout(DEADLINE_MS);
  const complaints: string[] = [];
  page.on('console', (message) => {
    const [type, text] = [message.type(), message.text()];
    if (['error', 'warning'].includes(type) && !tolerate?.test(text)) complaints.push(text);
  });
  page.on('pageerror', (error) => complaints.push(error.stack ?? String(error)));
  page.on('request', (request) => {
    if (new URL(request.url()).origin !== origin) complaints.push(`asked for ${request.url()}`);
  });
  return {
    page,
    close: async () => {
      await page.context().close();
      assert.deepEqual(complaints, []);
    },
  };
}

// Waits until `probe` gives what `wanted` accepts; says what it gave last when it never does.
export async function until<T>(what: string, probe: () => Promise<T>, wanted: (value: T) => boolean): Promise<T> {
  const deadline = Date.now() + DEADLINE_MS;
  for (;;) {
    const value = await probe();
    if (wanted(value)) return value;
    if (Date.now() > deadline) assert.fail(`not in time: ${what}; it was ${JSON.stringify(value)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

// What stands in a field of the line above the chart.
export function figure(page: Page, name: string): Promise<string> {
  return page.locator('#inspector dl div', { has: page.getByText(name, { exact: true }) }).locator('dd').innerText();
}

// How many pixels of the chart are nearly of a colour that style.css names, in its first `rows` rows. A translucent
// colour counts as it looks on the chart's ground.
export function pixels(page: Page, colour: string, rows = 10_000): Promise<number> {
  return page.evaluate(([name, most]) => {
    const paint = (width: number, height: number) =>
      new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true })!;
    const style = getComputedStyle(document.documentElement);
    const sample = paint(1, 1);
    for (const variable of ['--panel', `--${name}`]) {
      sample.fillStyle = style.getPropertyValue(variable);
      sample.fillRect(0, 0, 1, 1);
    }
    const wanted = sample.getImageData(0, 0, 1, 1).data;
    let found = 0;
    for (const canvas of document.querySelectorAll<HTMLCanvasElement>('#chart canvas')) {
      if (canvas.width < 200 || canvas.height < 40) continue;
      const copy = paint(canvas.width, canvas.height);
      copy.drawImage(canvas, 0, 0);
      const { data } = copy.getImageData(0, 0, canvas.width, Math.min(canvas.height, most));
      for (let i = 0; i < data.length; i += 4) {
        if ([0, 1, 2, 3].every((k) => Math.abs(data[i + k]! - wanted[k]!) < 6)) ++found;
      }
    }
    return found;
  }, [colour, rows] as const);
}

export async function candlePixels(page: Page): Promise<number> {
  return (await pixels(page, 'up')) + (await pixels(page, 'down'));
}

// The shade of a gap reaches the upper edge, where no candle does.
export const gapPixels = (page: Page) => pixels(page, 'gap-band', 4);

export function scrollsSideways(page: Page): Promise<boolean> {
  return page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);
}
