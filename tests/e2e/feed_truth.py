"""Judges what a live run stored by what it cannot know: the simulator's record of what it sent on each connection, and
the tape that was played, which says what there was to be sent.

A judgement is a list of sentences, one for each promise that was not kept: empty is good. Nothing here is shared with
the program; the aggregation is that of reference_bars.py.
"""

import bisect
import collections
import csv
import dataclasses
import datetime as dt
import functools
import io
import itertools
import json
import statistics
from decimal import Decimal

from reference_bars import INTERVALS_MS, SCALE, Bar, iso

MS = 1_000_000  # ns
SHOWN = 5

# By what a gap may be longer than the outage that it states (pipeline/ingest_live.cpp): the allowance for late trades
# before it, and the time until a subscription counts behind it; besides the lag, which is measured. The rest is ours,
# for a busy machine.
GAP_ALLOWANCE_MS = 1_000 + 1_000 + 1_000
AFTER_END_MS = 60_000
SETTLED_MS = 1_000 + 1_500  # after which the gap before a subscription has been stated, on a busy machine too

REASON_OF = {
    "broken_json": "bad_json",
    "nan": "bad_json",
    "wrong_type": "wrong_type",
    "negative_price": "bad_price",
    "unknown_type": "unknown_frame",
    "huge": "frame_too_large",
}

Trade = collections.namedtuple("Trade", "symbol time price size")  # ms; units of 1e-8
Sent = collections.namedtuple("Sent", "trade at_ms frame again")


@dataclasses.dataclass
class Stored:
    trade: Trade
    seq: int
    received_ms: float
    suspect: bool


class Connection:
    """What the simulator did on one connection."""

    def __init__(self, number):
        self.number = number
        self.subscribed_ms = None  # first subscription
        self.sent = []
        self.malformed = []  # (variant, trades sent before it)
        self.taken = 0  # how many of `sent` were stored, once aligned


def units(number):
    return int(Decimal(number).scaleb(SCALE))


def frame_trades(text):
    data = json.loads(text, parse_float=Decimal).get("data", [])
    return [Trade(t["s"], t["t"], units(t["p"]), units(t["v"])) for t in data]


def parse_ms(text):
    """Milliseconds of an exported time; digits beyond them become the fraction."""
    seconds, _, fraction = text.rstrip("Z").partition(".")
    moment = dt.datetime.fromisoformat(seconds).replace(tzinfo=dt.timezone.utc)
    whole = int(moment.timestamp()) * 1_000
    return whole + int(fraction) if len(fraction) <= 3 else whole + int(fraction) / 10 ** (len(fraction) - 3)


def rows(text):
    return list(csv.DictReader(io.StringIO(text)))


# ---- Sources of truth ------------------------------------------------------------------------------------------------


def read_record(path):
    """(connections in the order in which they were opened, faults by kind)."""
    connections, faults = {}, collections.Counter()
    repeated = set()  # connections whose next frame may be the last one again
    for line in path.read_text().splitlines():
        line = json.loads(line)
        event, number = line["event"], line.get("connection")
        if event == "open":
            connections[number] = Connection(number)
        elif event == "fault":
            faults[line["kind"]] += 1
            if line["kind"] == "duplicate":
                repeated = set(connections)
        elif event == "subscribe" and connections[number].subscribed_ms is None:
            connections[number].subscribed_ms = line["at"] / MS
        elif event == "malformed":
            faults[f"malformed {line['variant']}"] += 1
            connections[number].malformed.append((line["variant"], len(connections[number].sent)))
        elif event == "trades":
            sent = connections[number].sent
            trades = frame_trades(line["frame"])
            before = sent[-len(trades) :] if sent and len(sent) >= len(trades) else []
            again = number in repeated and [s.trade for s in before] == trades
            repeated.discard(number)
            sent += [Sent(trade, line["at"] / MS, line["n"], again) for trade in trades]
    return [connections[number] for number in sorted(connections)], faults


@functools.cache
def tape_trades(tape):
    return [trade for line in tape.read_text().splitlines() for trade in frame_trades(line.split(" ", 1)[1])]


class TapeTruth:
    """All trades that there were while a rebased tape was played for the first time, up to a minute after the end, in
    the order of the tape. Their times moved by one whole number of ms, which the record tells: no other one makes its
    trades those of the tape."""

    def __init__(self, tape, connections, ended_ms):
        sent = [s.trade for connection in connections for s in connection.sent]
        known = set(tape_trades(tape))
        shifts = {sent[0].time - t.time for t in known if t._replace(time=0) == sent[0]._replace(time=0)}
        shifts = [s for s in shifts if all(trade._replace(time=trade.time - s) in known for trade in sent)]
        if len(shifts) != 1:
            raise ValueError(f"{len(shifts)} ways to find the record on the tape, within its first loop")
        moved = (trade._replace(time=trade.time + shifts[0]) for trade in tape_trades(tape))
        self.trades = [trade for trade in moved if trade.time < ended_ms + AFTER_END_MS]

    def out_of_order(self, connections):
        """The record itself is no more than the tape: each connection's trades come in its order, once each."""
        for connection in connections:
            tape = iter(self.trades)
            if not all(s.again or s.trade in tape for s in connection.sent):
                yield f"the record of connection {connection.number} is not in the order of the tape"


# ---- Stored trades are prefixes --------------------------------------------------------------------------------------


def read_stored(text):
    stored = [
        Stored(
            Trade(row["symbol"], parse_ms(row["event_time"]), units(row["price"]), units(row["volume"])),
            int(row["seq"]),
            parse_ms(row["received_at"]),
            row["suspect"] != "",
        )
        for row in rows(text)
    ]
    return sorted(stored, key=lambda trade: trade.seq)


def align(stored, connections):
    """Finds how to read the stored trades as a beginning of the first connection's trades, then one of the second's,
    and so on, and sets `taken`; False when there is no way. There can be several: a trade that one connection lost may
    be the first of the next."""
    trades = [s.trade for s in stored]
    reached = [{0: None}]  # after each connection: where -> whence
    for connection in connections:
        after = {}
        for begin in reached[-1]:
            after.setdefault(begin, begin)
            for end, sent in enumerate(connection.sent, start=begin + 1):
                if end > len(trades) or trades[end - 1] != sent.trade:
                    break
                after.setdefault(end, begin)
        reached.append(after)
    if len(trades) not in reached[-1]:
        return False
    end = len(trades)
    for connection, after in zip(reversed(connections), reversed(reached)):
        connection.taken = end - after[end]
        end = after[end]
    return True


def where_it_parts(stored, connections):
    """For people: the longest reading, and what stands behind it."""
    trades = [s.trade for s in stored]
    ends = {0}
    for connection in connections:
        for begin in list(ends):
            for end, sent in enumerate(connection.sent, start=begin + 1):
                if end > len(trades) or trades[end - 1] != sent.trade:
                    break
                ends.add(end)
    return f"the first {max(ends)} of {len(trades)} agree; then comes {trades[max(ends)]}"


# ---- Gaps and bars ---------------------------------------------------------------------------------------------------


class Spans:
    """Merged [from, to) spans of one symbol."""

    def __init__(self, spans):
        self.merged = []
        for begin, end in sorted(spans):
            if self.merged and begin <= self.merged[-1][1]:
                self.merged[-1][1] = max(end, self.merged[-1][1])
            else:
                self.merged.append([begin, end])
        self.begins = [begin for begin, _ in self.merged]

    def covers(self, begin, end):
        at = bisect.bisect_right(self.begins, begin) - 1
        return at >= 0 and end <= self.merged[at][1]

    def total(self):
        return sum(end - begin for begin, end in self.merged)


def read_gaps(text):
    spans = collections.defaultdict(list)
    for row in rows(text):
        spans[row["symbol"]].append((parse_ms(row["from"]), parse_ms(row["to"])))
    return spans


def windows_of(trades):
    """{(symbol, interval, start): fields of the bar} of (trade, order) in any order."""
    bars = {}
    for trade, order in trades:
        for interval, length_ms in INTERVALS_MS.items():
            window = (trade.symbol, interval, trade.time - trade.time % length_ms)
            bars.setdefault(window, Bar()).add((trade.time, order), trade.price, trade.size)
    return {window: bar.fields() for window, bar in bars.items()}


def window_set(trades):
    return {(t.symbol, name, t.time - t.time % length) for t in trades for name, length in INTERVALS_MS.items()}


BAR_FIELDS = ("open", "high", "low", "close", "volume", "vwap", "trades")


def read_bars(text):
    return {(row["symbol"], row["interval"], parse_ms(row["start"])): row for row in rows(text)}


def bar_name(window):
    return f"the {window[1]} bar of {window[0]} at {iso(window[2])}"


# ---- Dead letters ----------------------------------------------------------------------------------------------------


def variant_of(raw):
    """Which of the simulator's broken frames a dead letter holds."""
    if raw == '{"type":"weather"}':
        return "unknown_type"
    if raw.startswith('{"data":"xxx'):
        return "huge"
    for price, variant in (("NaN", "nan"), ("-1", "negative_price"), ('"1"', "wrong_type")):
        if f'"p":{price},' in raw and raw.endswith(('"v":1}', '"type":"trade"}')):
            return variant
    if raw.startswith('{"data":[{"c":null,"p":1,"s":"') and not raw.endswith("}"):
        return "broken_json"
    return "something that the simulator never sent"


# ---- The judgement ---------------------------------------------------------------------------------------------------


class Judgement:
    """`exports`: the CSV texts of trades, bars, gaps by name, and (reason, raw) of the dead letters under
    "dead-letters". `ended_ms`: when the run was asked to end."""

    def __init__(self, tape, record, exports, ended_ms):
        self.problems = []
        self.connections, self.faults = read_record(record)
        self.truth = TapeTruth(tape, self.connections, ended_ms)
        self.stored = read_stored(exports["trades"])
        self.gaps = {symbol: Spans(spans) for symbol, spans in read_gaps(exports["gaps"]).items()}
        self.bars = read_bars(exports["bars"])
        self.letters = exports["dead-letters"]
        self.ended_ms = ended_ms
        self.unflagged = collections.Counter()  # exact bars without a flag, by interval
        self.say("the record", self.truth.out_of_order(self.connections))
        if not align(self.stored, self.connections):
            self.problems.append(
                "stored trades are no beginnings of what was sent: " + where_it_parts(self.stored, self.connections)
            )
            return
        # What was stored stands for what was sent, one for one.
        self.received = [s for connection in self.connections for s in connection.sent[: connection.taken]]
        self.say("seqs", self.sequence_problems())
        self.say("suspects", self.suspect_problems())
        self.heard = [connection for connection in self.connections if connection.taken > 0]
        self.find_missing()
        self.stated_until_ms = self.end_of_statements()
        self.say("gaps", self.gap_problems())
        self.say("outages", self.outage_problems())
        self.say("bars", self.bar_problems())
        self.say("dead letters", self.letter_problems())

    def say(self, what, problems):
        problems = list(problems)
        self.problems += problems[:SHOWN]
        if len(problems) > SHOWN:
            self.problems.append(f"… and {len(problems) - SHOWN} more about {what}")

    def sequence_problems(self):
        for before, after in itertools.pairwise(self.stored):
            if after.seq <= before.seq or after.received_ms < before.received_ms:
                yield f"seq or time of receipt does not rise from {before} to {after}"

    def suspect_problems(self):
        """A frame that came again and has three different trades is left out of bars; no other trade is."""
        frames = collections.defaultdict(list)
        for sent, stored in zip(self.received, self.stored):
            frames[sent.frame].append((sent, stored))
        for pairs in frames.values():
            again = pairs[0][0].again
            repeats_a_run = again and len({sent.trade for sent, _ in pairs}) >= 3
            for sent, stored in pairs:
                if stored.suspect and not again:
                    yield f"{sent.trade} is suspect, but came once"
                elif repeats_a_run and not stored.suspect:
                    # Of a frame whose end was not received there may be too little to see a run.
                    if len(pairs) == sum(s.frame == sent.frame for c in self.connections for s in c.sent):
                        yield f"{sent.trade} came again in a run, and is no suspect"

    def find_missing(self):
        """What there was, was not stored, and should have been told by a gap; and what came after the last stored one,
        of which nothing can be known."""
        once = collections.Counter(sent.trade for sent in self.received if not sent.again)
        self.missing, last = [], 0
        for index, trade in enumerate(self.truth.trades):
            if once[trade] > 0:
                once[trade] -= 1
                last = index
            else:
                self.missing.append((index, trade))
        if +once:
            self.problems.append(f"more stored than there was: {(+once).most_common(SHOWN)}")
        self.later = {trade for index, trade in self.missing if index > last}
        self.missing = [trade for index, trade in self.missing if index < last]

    def outages(self):
        """(when the last frame came, when the next subscription was made) of each, in ms."""
        for before, after in itertools.pairwise(self.heard):
            yield before.sent[before.taken - 1].at_ms, max(after.subscribed_ms, before.sent[before.taken - 1].at_ms)

    def end_of_statements(self):
        """A gap is stated when the subscription after it has lasted a second: those before the last ones may not have
        been when the run was asked to end. (The next run would state them; bars have their flag at once.)"""
        until_ms, end_ms = float("inf"), self.ended_ms
        for begin, end in reversed(list(self.outages())):
            if end_ms - end > SETTLED_MS:
                break
            until_ms, end_ms = begin - GAP_ALLOWANCE_MS, begin
        return until_ms

    def gap_problems(self):
        begin_ms = min(c.subscribed_ms for c in self.connections if c.subscribed_ms is not None)
        for trade in self.missing:
            gaps = self.gaps.get(trade.symbol, Spans([]))
            if begin_ms <= trade.time < self.stated_until_ms and not gaps.covers(trade.time, trade.time + 1):
                yield f"{trade} was not stored and lies in no gap"

    def outage_problems(self):
        outages = list(self.outages())
        for symbol in {trade.symbol for trade in self.truth.trades}:
            gaps = self.gaps.get(symbol, Spans([]))
            for begin, end in outages:
                if end < self.stated_until_ms and not gaps.covers(begin, end):
                    yield f"no gap of {symbol} covers the outage from {begin:.0f} to {end:.0f}"
            lag_ms = max(stored.received_ms - stored.trade.time for stored in self.stored)
            last_ms = max(stored.received_ms for stored in self.stored)
            out_ms = sum(end - begin for begin, end in outages) + max(self.ended_ms - last_ms, 0)
            allowed_ms = out_ms + (len(outages) + 2) * (GAP_ALLOWANCE_MS + lag_ms)
            if gaps.total() > allowed_ms:
                yield f"gaps of {symbol} last {gaps.total()} ms; outages {out_ms:.0f}, with allowances {allowed_ms:.0f}"

    def bar_problems(self):
        taken = list(zip(self.received, self.stored))
        expected = windows_of((stored.trade, stored.seq) for _, stored in taken if not stored.suspect)
        for window in sorted(expected.keys() ^ self.bars.keys()):
            yield f"{bar_name(window)} is {'missing' if window in expected else 'there without trades'}"
        # The truth: every trade that there was, and what came twice without being seen to. Those stand behind the
        # first ones of their frame, and before the next frame.
        order = {trade: index for index, trade in enumerate(self.truth.trades)}
        repeated = [(sent.trade, order[sent.trade] + 0.5) for sent, s in taken if sent.again and not s.suspect]
        truth = windows_of([*((trade, index) for index, trade in enumerate(self.truth.trades)), *repeated])
        lacking, open_end = window_set(self.missing), window_set(self.later)
        for window, row in self.bars.items():
            fields = [row[name] for name in BAR_FIELDS]
            if window in expected and fields != expected[window]:
                yield f"{bar_name(window)} is {fields}, its stored trades give {expected[window]}"
            flags = set(row["flags"].split("+")) if row["flags"] else set()
            if flags & {"gap", "partial"}:
                continue
            if window in lacking:
                yield f"{bar_name(window)} lacks a trade without a flag"
            elif window in open_end:
                if row["state"] != "provisional":
                    yield f"{bar_name(window)} is {row['state']}, but trades of it came after the end"
            elif fields != truth[window]:
                yield f"{bar_name(window)} has no flag and is {fields}, the truth is {truth[window]}"
            else:
                self.unflagged[window[1]] += 1

    def letter_problems(self):
        certain, possible = collections.Counter(), collections.Counter()
        for connection in self.connections:
            for variant, before in connection.malformed:
                possible[variant] += before <= connection.taken
                certain[variant] += before < connection.taken
        letters = collections.Counter()
        for reason, raw in self.letters:
            variant = variant_of(raw)
            letters[variant] += 1
            if REASON_OF.get(variant) != reason:
                yield f"a dead letter says {reason} of {variant}: {raw[:200]}"
        for variant in possible.keys() | letters.keys():
            if not certain[variant] <= letters[variant] <= possible[variant]:
                yield (
                    f"{letters[variant]} dead letters of {variant}, expected from {certain[variant]} to"
                    f" {possible[variant]}"
                )


def memory_problems(resident_bytes):
    """Flat: the last quarter of the samples needs about as much as the second one."""
    quarter = len(resident_bytes) // 4
    early = statistics.median(resident_bytes[quarter : 2 * quarter])
    late = statistics.median(resident_bytes[-quarter:])
    return [f"memory grew from {early >> 20} to {late >> 20} MiB"] if late > 1.3 * early else []
