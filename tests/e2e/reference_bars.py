#!/usr/bin/env python3
"""Bars of the recorded Binance trades, computed from the source CSV with whole numbers only.

It shares nothing with the program or with the scripts that make tapes, so that an agreement means something. It prints
bars as CSV, or compares them with the program's export: exit code 0 when every bar agrees, 3 when one differs.

  reference_bars.py data/source/binance_trades_20240808_09.csv.gz --interval 1m
  reference_bars.py SOURCE --copies 20 --shift-minutes 12 --interval 1s --compare bars.csv
"""

import argparse
import csv
import datetime as dt
import gzip
import sys
from decimal import Decimal

INTERVALS_MS = {"1s": 1_000, "1m": 60_000, "5m": 300_000, "15m": 900_000, "1h": 3_600_000, "1d": 86_400_000}
COLUMNS = ["symbol", "interval", "start", "open", "high", "low", "close", "volume", "vwap", "trades"]
EXPORT_COLUMNS = COLUMNS + ["state", "flags", "missing_ms", "revision"]
SCALE = 8  # the source gives prices and sizes with 8 places
VWAP_SCALE = 9
MINUTE_MS = 60_000
SHOWN_DIFFERENCES = 10


class Bar:
    """Sums and extremes of one window; prices and sizes in units of 1e-8."""

    def __init__(self):
        self.first = self.last = None  # ((trade time, receive order), price)
        self.high = self.low = None
        self.volume = self.notional = self.trades = 0

    def add(self, key, price, size):
        if self.trades == 0:
            self.first = self.last = (key, price)
            self.high = self.low = price
        self.first = min(self.first, (key, price))
        self.last = max(self.last, (key, price))
        self.high = max(self.high, price)
        self.low = min(self.low, price)
        self.volume += size
        self.notional += price * size
        self.trades += 1

    def fields(self):
        # Units of 1e-16 over units of 1e-8 give units of 1e-8; the power makes them units of 1e-9.
        vwap = divide_half_even(self.notional * 10 ** (VWAP_SCALE - SCALE), self.volume)
        prices = (self.first[1], self.high, self.low, self.last[1])
        return [
            *(plain(price, SCALE) for price in prices),
            plain(self.volume, SCALE),
            plain(vwap, VWAP_SCALE),
            str(self.trades),
        ]


def divide_half_even(numerator, denominator):
    quotient, remainder = divmod(numerator, denominator)
    if 2 * remainder > denominator or (2 * remainder == denominator and quotient % 2 == 1):
        quotient += 1
    return quotient


def plain(units, scale):
    """An exact decimal without exponent and trailing zeros: (250000000, 8) -> 2.5, (300000000, 8) -> 3."""
    whole, fraction = divmod(units, 10**scale)
    digits = f"{fraction:0{scale}d}".rstrip("0")
    return f"{whole}.{digits}" if digits else str(whole)


def units(text):
    value = Decimal(text).scaleb(SCALE)
    if value != int(value):
        raise ValueError(f"{text} has more than {SCALE} decimal places")
    return int(value)


def iso(time_ms):
    moment = dt.datetime(1970, 1, 1) + dt.timedelta(milliseconds=time_ms)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{time_ms % 1000:03d}Z"


def read_trades(path):
    """(symbol, trade time, price, size) of the spot trades in receive order; file order decides between equal times."""
    with gzip.open(path, "rt", encoding="ascii", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["market"] == "spot"]
    rows.sort(key=lambda row: int(row["recv_ns"]))
    return [
        ("BINANCE:" + row["symbol"], int(row["trade_ms"]), units(row["price"]), units(row["qty"])) for row in rows
    ]


def bars_of(trades, copies, shift_minutes, interval):
    """{(symbol, start): fields}, where copy k of the trades lies k * shift_minutes later."""
    length_ms = INTERVALS_MS[interval]
    bars = {}
    for copy in range(copies):
        shift_ms = copy * shift_minutes * MINUTE_MS
        for order, (symbol, time_ms, price, size) in enumerate(trades, start=copy * len(trades)):
            time_ms += shift_ms
            window = (symbol, time_ms - time_ms % length_ms)
            bar = bars.get(window)
            if bar is None:
                bar = bars[window] = Bar()
            bar.add((time_ms, order), price, size)
    return {(symbol, iso(start)): bars[symbol, start].fields() for symbol, start in sorted(bars)}


def read_export(path, interval):
    """({(symbol, start): fields}, bars of other intervals) of an export; a bar that comes twice is an error."""
    bars, others = {}, 0
    with open(path, encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        header = next(rows, [])
        if header != EXPORT_COLUMNS:
            raise ValueError(f"{path}: header is {','.join(header)!r}, expected {','.join(EXPORT_COLUMNS)!r}")
        for row in rows:
            if len(row) != len(EXPORT_COLUMNS):
                raise ValueError(f"{path}, line {rows.line_num}: {len(row)} columns, expected {len(EXPORT_COLUMNS)}")
            if row[1] != interval:
                others += 1
                continue
            if (row[0], row[2]) in bars:
                raise ValueError(f"{path}, line {rows.line_num}: a second bar of {row[0]} {interval} {row[2]}")
            bars[row[0], row[2]] = row[3 : len(COLUMNS)]
    return bars, others


def differences(expected, actual):
    """Sentences, one for each bar that is missing, extra or different, in order of symbol and start."""
    for window in sorted(expected.keys() | actual.keys()):
        name = " ".join(window)
        if window not in actual:
            yield f"{name}: missing in the export"
        elif window not in expected:
            yield f"{name}: in the export, but no trade of the source lies there"
        elif expected[window] != actual[window]:
            fields = zip(COLUMNS[3:], expected[window], actual[window])
            yield f"{name}: " + ", ".join(f"{c} is {b or 'null'}, expected {a}" for c, a, b in fields if a != b)


def compare(expected, path, interval):
    actual, others = read_export(path, interval)
    found = list(differences(expected, actual))
    for line in found[:SHOWN_DIFFERENCES]:
        print(line)
    print(
        f"interval={interval} expected={len(expected)} exported={len(actual)} compared={len(expected.keys() & actual)}"
        f" differences={len(found)} other_intervals_ignored={others}"
    )
    return 3 if found else 0


def print_bars(bars, interval):
    rows = csv.writer(sys.stdout, lineterminator="\n")
    rows.writerow(COLUMNS)
    rows.writerows([symbol, interval, start, *fields] for (symbol, start), fields in bars.items())


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", metavar="SOURCE.csv.gz")
    parser.add_argument("--copies", type=int, default=1, help="as given to repeat_tape.py (default 1)")
    parser.add_argument("--shift-minutes", type=int, default=0, help="as printed by repeat_tape.py")
    parser.add_argument("--interval", choices=INTERVALS_MS, required=True)
    parser.add_argument("--compare", metavar="EXPORT.csv", help="compare with this export instead of printing bars")
    options = parser.parse_args(arguments)
    if options.copies < 1 or (options.copies > 1 and options.shift_minutes < 1):
        parser.error("--copies above 1 needs --shift-minutes of at least 1")
    try:
        bars = bars_of(read_trades(options.source), options.copies, options.shift_minutes, options.interval)
        if options.compare:
            return compare(bars, options.compare, options.interval)
    except (OSError, ValueError) as error:
        print(f"reference_bars: {error}", file=sys.stderr)
        return 1
    print_bars(bars, options.interval)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
