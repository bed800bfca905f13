#!/usr/bin/env python3
"""Makes the bundled tapes, data/binance.tape and data/finnhub.tape, from the recordings in data/source.

A tape holds one raw Finnhub frame a line, optionally preceded by the integer receive time in ns and a space. The result
depends on the sources alone: running this again writes the same bytes.
"""

import argparse
import csv
import gzip
import pathlib
import sys
from collections import Counter
from typing import NamedTuple

BINANCE_SOURCE = "binance_trades_20240808_09.csv.gz"
FINNHUB_SOURCE = "finnhub_ws_frames.ndjson.gz"
MARKET = "spot"  # the source also holds futures, whose symbols the vendor names differently
MAX_TRADES_PER_FRAME = 10  # the most that was seen in the vendor's frames
FRAME_SPAN_NS = 50_000_000
PING_INTERVAL_NS = 60_000_000_000
PING = '{"type":"ping"}'


class Trade(NamedTuple):
    received_ns: int
    symbol: str
    time_ms: int
    price: str
    volume: str


def plain(number):
    """The same decimal without trailing zeros: 61837.63000000 -> 61837.63, 1.00000000 -> 1."""
    return number.rstrip("0").rstrip(".") if "." in number else number


def read_trades(path):
    """The spot trades in receive order. The source is sorted within a symbol and has no two equal receive times."""
    with gzip.open(path, "rt", encoding="ascii", newline="") as file:
        trades = [
            Trade(int(row["recv_ns"]), f"BINANCE:{row['symbol']}", int(row["trade_ms"]), row["price"], row["qty"])
            for row in csv.DictReader(file)
            if row["market"] == MARKET
        ]
    return sorted(trades, key=lambda trade: trade.received_ns)


def group_into_frames(trades):
    """Cuts the stream into frames: at most ten trades, received within 50 ms of the frame's first one."""
    frames = []
    for trade in trades:
        frame = frames[-1] if frames else None
        if frame and len(frame) < MAX_TRADES_PER_FRAME and trade.received_ns - frame[0].received_ns < FRAME_SPAN_NS:
            frame.append(trade)
        else:
            frames.append([trade])
    return frames


def frame_text(frame):
    trades = ",".join(
        f'{{"c":null,"p":{plain(t.price)},"s":"{t.symbol}","t":{t.time_ms},"v":{plain(t.volume)}}}' for t in frame
    )
    return f'{{"data":[{trades}],"type":"trade"}}'


def with_pings(frames):
    """Yields (receive time, text): a frame at the receive time of its last trade, and a ping each minute.

    A frame arrives as a whole, so a ping never falls inside one; a ping due at a frame's own time goes behind it.
    """
    next_ping_ns = frames[0][-1].received_ns + PING_INTERVAL_NS
    for frame in frames:
        received_ns = frame[-1].received_ns
        while next_ping_ns < received_ns:
            yield next_ping_ns, PING
            next_ping_ns += PING_INTERVAL_NS
        if next_ping_ns == received_ns:
            next_ping_ns += 1
        yield received_ns, frame_text(frame)


def write_lines(path, lines):
    with open(path, "w", encoding="ascii", newline="\n") as file:
        file.writelines(f"{line}\n" for line in lines)


def make_binance_tape(source, target):
    trades = read_trades(source)
    frames = group_into_frames(trades)
    lines = list(with_pings(frames))
    write_lines(target, (f"{received_ns} {text}" for received_ns, text in lines))

    contents = Counter((t.symbol, t.time_ms, t.price, t.volume) for t in trades)
    by_symbol = Counter(t.symbol for t in trades)
    skews_ms = sorted(t.received_ns / 1e6 - t.time_ms for t in trades)
    mixed = sum(len({t.symbol for t in frame}) > 1 for frame in frames)
    return {
        "bytes": target.stat().st_size,
        "lines": len(lines),
        "frames": len(frames),
        "frames of ten": sum(len(frame) == MAX_TRADES_PER_FRAME for frame in frames),
        "frames with both symbols": mixed,
        "pings": len(lines) - len(frames),
        "trades": len(trades),
        **{f"trades of {symbol}": count for symbol, count in sorted(by_symbol.items())},
        "trades that equal an earlier one (symbol, ms, price, size)": len(trades) - len(contents),
        "first and last receive time, ns": f"{lines[0][0]} {lines[-1][0]}",
        "first and last trade time, ms": f"{min(t.time_ms for t in trades)} {max(t.time_ms for t in trades)}",
        "median of receive time - trade time, ms": f"{skews_ms[len(skews_ms) // 2]:.1f}",
    }


def make_finnhub_tape(source, target):
    with gzip.open(source, "rt", encoding="utf-8") as file:
        frames = file.read().splitlines()
    write_lines(target, frames)
    return {
        "bytes": target.stat().st_size,
        "lines": len(frames),
        "trade frames": sum('"type":"trade"' in frame for frame in frames),
        "trades": sum(frame.count('"t":') for frame in frames),
    }


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=pathlib.Path, help="folder of the recordings, such as data/source")
    parser.add_argument("target", type=pathlib.Path, help="folder to write the tapes to, such as data")
    options = parser.parse_args(arguments)
    tapes = (
        ("binance.tape", make_binance_tape, BINANCE_SOURCE),
        ("finnhub.tape", make_finnhub_tape, FINNHUB_SOURCE),
    )
    for name, make, source in tapes:
        try:
            statistics = make(options.source / source, options.target / name)
        except OSError as error:
            print(f"make_tapes: {error}", file=sys.stderr)
            return 1
        print(options.target / name)
        for key, value in statistics.items():
            print(f"  {key}: {value}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
