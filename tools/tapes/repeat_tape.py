#!/usr/bin/env python3
"""Repeats a tape: every copy is shifted by whole minutes so that it starts after the copy before it has ended.

Receive times and trade times move by the same amount, so that lag, order and cuts into frames stay as recorded. The
input is read once to measure it and once for each copy, so its size does not matter.
"""

import argparse
import os
import re
import sys
from typing import NamedTuple

MINUTE_MS = 60_000
NS_PER_MS = 1_000_000

# A key inside a JSON string would carry escaped quotes (\"t\":) and so cannot match.
TRADE_TIME = re.compile(r'("t":)([0-9]+)')


class Measure(NamedTuple):
    lines: int
    trades: int
    span_ms: int  # the longer of the spans of receive time and of trade time


def split_line(line):
    """(receive time or None, frame text) of one line of a tape."""
    head, space, frame = line.partition(" ")
    return (int(head), frame) if space and head.isascii() and head.isdigit() else (None, line)


def measure(lines):
    count = trades = 0
    received_ns, times_ms = [], []
    for line in lines:
        if not line.endswith("\n"):
            raise ValueError("the last line is torn: the next copy would run into it")
        count += 1
        stamp, frame = split_line(line)
        found = [int(match[1]) for match in TRADE_TIME.findall(frame)]
        trades += len(found)
        # Only the extremes are kept, so memory does not grow with the tape.
        if stamp is not None:
            received_ns = [min([stamp, *received_ns]), max([stamp, *received_ns])]
        if found:
            times_ms = [min(found + times_ms), max(found + times_ms)]
    received_span_ms = (received_ns[-1] - received_ns[0]) // NS_PER_MS if received_ns else 0
    time_span_ms = times_ms[-1] - times_ms[0] if times_ms else 0
    return Measure(count, trades, max(received_span_ms, time_span_ms))


def smallest_shift_minutes(span_ms):
    """The smallest whole number of minutes that is more than the span and one minute."""
    return span_ms // MINUTE_MS + 2


def shifted(lines, shift_ms):
    def move_time(match):
        return match[1] + str(int(match[2]) + shift_ms)

    for line in lines:
        stamp, frame = split_line(line)
        frame = TRADE_TIME.sub(move_time, frame)
        yield frame if stamp is None else f"{stamp + shift_ms * NS_PER_MS} {frame}"


def open_tape(path, mode):
    # Bytes that are no UTF-8 pass through unchanged: a tape may hold broken frames.
    return open(path, mode, encoding="utf-8", errors="surrogateescape", newline="\n")


def repeat(source, target, copies, shift_minutes):
    with open_tape(source, "r") as tape:
        measured = measure(tape)
        smallest = smallest_shift_minutes(measured.span_ms)
        if shift_minutes is None:
            shift_minutes = smallest
        elif shift_minutes < smallest:
            raise ValueError(f"a shift of {shift_minutes} minutes makes copies overlap; {smallest} is the least")
        with open_tape(target, "w") as out:
            for copy in range(copies):
                tape.seek(0)
                out.writelines(shifted(tape, copy * shift_minutes * MINUTE_MS))
    return measured, shift_minutes


def minutes_or_auto(text):
    return None if text == "auto" else int(text)


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", metavar="IN", help="tape to read")
    parser.add_argument("target", metavar="OUT", help="tape to write")
    parser.add_argument("--copies", type=int, required=True, help="how many copies, the first one unshifted")
    parser.add_argument(
        "--shift-minutes",
        type=minutes_or_auto,
        default=None,
        metavar="auto|N",
        help="minutes between starts of copies (default auto: the least that is more than the tape and a minute)",
    )
    options = parser.parse_args(arguments)
    if options.copies < 1:
        parser.error("--copies must be at least 1")
    if os.path.realpath(options.source) == os.path.realpath(options.target):
        parser.error("IN and OUT are the same file")
    try:
        measured, shift_minutes = repeat(options.source, options.target, options.copies, options.shift_minutes)
    except (OSError, ValueError) as error:
        print(f"repeat_tape: {error}", file=sys.stderr)
        return 1
    lines, trades = measured.lines * options.copies, measured.trades * options.copies
    print(f"copies={options.copies} shift_minutes={shift_minutes} lines={lines} trades={trades}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
