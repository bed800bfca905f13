// Numbers and times as text. Decimals are never computed with: digits are only appended.

export function decimalsOf(decimal: string): number {
  const point = decimal.indexOf('.');
  return point < 0 ? 0 : decimal.length - point - 1;
}

// "61840" with 2 digits: "61840.00"; one with more digits stays as it is.
export function padDecimals(decimal: string, digits: number): string {
  const missing = digits - decimalsOf(decimal);
  if (missing <= 0) return decimal;
  return `${decimal}${decimal.includes('.') ? '' : '.'}${'0'.repeat(missing)}`;
}

const counts = new Intl.NumberFormat('en-US');
export function count(value: number): string {
  return counts.format(value);
}

const compact = new Intl.NumberFormat('en-US', { notation: 'compact', maximumSignificantDigits: 4 });
export function roughly(value: number): string {
  return compact.format(value);
}

// "850 ms", "1.2 s", "3 min 5 s", "2 h 10 min", "3 d 4 h".
export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${Number((ms / 1_000).toFixed(1))} s`;
  const units: [number, string][] = [[86_400, 'd'], [3_600, 'h'], [60, 'min'], [1, 's']];
  const seconds = Math.round(ms / 1_000);
  const first = units.findIndex(([size]) => seconds >= size);
  let rest = seconds;
  const parts = units.slice(first, first + 2).map(([size, name]) => {
    const whole = Math.floor(rest / size);
    rest -= whole * size;
    return whole > 0 ? `${whole} ${name}` : '';
  });
  return parts.filter(Boolean).join(' ');
}

const two = (value: number) => String(value).padStart(2, '0');

// Fields of a moment in the viewer's zone, or in UTC.
function fields(ms: number, utc: boolean) {
  const date = new Date(ms - (utc ? 0 : offsetMs(ms)));
  return {
    date: `${date.getUTCFullYear()}-${two(date.getUTCMonth() + 1)}-${two(date.getUTCDate())}`,
    time: `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())}`,
    ms: String(date.getUTCMilliseconds()).padStart(3, '0'),
  };
}

// UTC minus local time.
export function offsetMs(ms: number): number {
  return new Date(ms).getTimezoneOffset() * 60_000;
}

export function clock(ms: number, utc = false): string {
  return fields(ms, utc).time;
}

export function clockMs(ms: number, utc = false): string {
  const { time, ms: millis } = fields(ms, utc);
  return `${time}.${millis}`;
}

export function day(ms: number, utc = false): string {
  return fields(ms, utc).date;
}

// "UTC", "UTC+2", "UTC−3:30" of the viewer's zone at that moment.
export function zone(ms: number): string {
  const minutes = -offsetMs(ms) / 60_000;
  if (minutes === 0) return 'UTC';
  const size = Math.abs(minutes);
  return `UTC${minutes < 0 ? '−' : '+'}${Math.floor(size / 60)}${size % 60 ? `:${two(size % 60)}` : ''}`;
}
