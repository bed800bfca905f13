// The elements of index.html that the program fills. All text from the server goes in as text, never as markup.

import { INTERVALS, type Interval, type Status, type SymbolInfo } from './api';
import { count } from './format';
import type { Health } from './health';

export function element<T extends HTMLElement>(id: string, type: new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`index.html has no ${type.name} #${id}`);
  return found;
}

function setText(target: HTMLElement, text: string): void {
  if (target.textContent !== text) target.textContent = text;
}

export function fillSymbols(select: HTMLSelectElement, symbols: readonly SymbolInfo[], chosen: string): void {
  const names = symbols.map(({ symbol }) => symbol);
  if (!names.includes(chosen) && chosen) names.push(chosen);
  select.replaceChildren(...names.map((name) => new Option(name, name, false, name === chosen)));
  select.disabled = names.length === 0;
}

export function fillIntervals(group: HTMLElement, onChoose: (interval: Interval) => void): (chosen: Interval) => void {
  const inputs = INTERVALS.map((interval) => {
    const [label, input] = [document.createElement('label'), document.createElement('input')];
    input.type = 'radio';
    input.name = 'interval';
    input.value = interval;
    input.addEventListener('change', () => onChoose(interval));
    const text = document.createElement('span');
    text.textContent = interval;
    label.append(input, text);
    group.append(label);
    return input;
  });
  return (chosen) => inputs.forEach((input) => (input.checked = input.value === chosen));
}

export function showHealth(health: Health): void {
  const chip = element('health', HTMLElement);
  chip.dataset.level = health.level;
  setText(chip, health.label);
  const notice = element('notice', HTMLElement);
  setText(notice, health.notice);
  notice.hidden = !health.notice;
  document.body.classList.toggle('stale', health.level === 'bad');
}

export function showStatus(status: Status, market: string | undefined): void {
  element('demo', HTMLElement).hidden = !status.demo;
  const lag = status.lags.find((entry) => entry.market === market)?.lag_ms;
  setText(element('lag', HTMLElement), lag === undefined ? '' : `lag ${count(lag)} ms`);
  const { received, stored, skipped, dead_lettered: dead } = status.trades;
  const waiting = received - stored - skipped - dead;
  const parts = [`${count(stored)} stored`, `${count(skipped)} skipped`, `${count(dead)} dead-lettered`];
  if (waiting > 0) parts.push(`${count(waiting)} on their way`);
  setText(element('ledger', HTMLElement), `${count(received)} trades received = ${parts.join(' + ')}`);
  setText(element('version', HTMLElement), `finpipe ${status.version}`);
}

export function showPrice(symbol: string, text: string, step: number): void {
  const price = element('price', HTMLElement);
  setText(price, text || '–');
  if (step !== 0) price.dataset.step = step > 0 ? 'up' : 'down';
  document.title = text ? `${text} ${symbol}` : 'finpipe';
}
