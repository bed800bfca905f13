import csv
import gzip
import json
import unittest
from decimal import Decimal

from common import BINANCE_CSV, ROOT, SOURCES, ScriptTest, load_script

make_tapes = load_script("tools/tapes/make_tapes.py")


def read_tape(path):
    """[(receive time or None, frame)], numbers as written."""
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        head, _, frame = line.partition(" ") if line[0].isdigit() else (None, None, line)
        lines.append((head and int(head), json.loads(frame, parse_float=str, parse_int=str)))
    return lines


class BundledTapes(ScriptTest):
    def test_the_script_writes_the_committed_tapes_again(self):
        code, out, _ = self.run_script(make_tapes, SOURCES, self.directory)
        self.assertEqual(code, 0)
        for name in ("binance.tape", "finnhub.tape"):
            self.assertEqual((self.directory / name).read_bytes(), (ROOT / "data" / name).read_bytes(), name)
        self.assertIn("trades: 34419\n", out)
        self.assertIn("trades that equal an earlier one (symbol, ms, price, size): 5876\n", out)

    def test_the_binance_tape_holds_every_spot_trade_in_receive_order(self):
        with gzip.open(BINANCE_CSV, "rt", newline="") as file:
            rows = [row for row in csv.DictReader(file) if row["market"] == "spot"]
        rows.sort(key=lambda row: int(row["recv_ns"]))
        expected = [
            ("BINANCE:" + r["symbol"], r["trade_ms"], Decimal(r["price"]), Decimal(r["qty"])) for r in rows
        ]
        lines = read_tape(ROOT / "data" / "binance.tape")
        trades = [trade for _, frame in lines for trade in frame.get("data", [])]
        self.assertEqual([(t["s"], t["t"], Decimal(t["p"]), Decimal(t["v"])) for t in trades], expected)
        self.assertEqual(len(trades), 34419)

        position = 0
        for received_ns, frame in lines:
            position += len(frame.get("data", []))
            if frame["type"] == "trade":
                self.assertEqual(received_ns, int(rows[position - 1]["recv_ns"]))

    def test_the_binance_tape_looks_like_the_vendors_frames(self):
        lines = read_tape(ROOT / "data" / "binance.tape")
        stamps = [stamp for stamp, _ in lines]
        self.assertTrue(all(before < after for before, after in zip(stamps, stamps[1:])))
        for _, frame in lines:
            if frame["type"] == "ping":
                self.assertEqual(list(frame), ["type"])
                continue
            self.assertEqual(list(frame), ["data", "type"])
            self.assertTrue(1 <= len(frame["data"]) <= 10)
            for trade in frame["data"]:
                self.assertEqual(list(trade), ["c", "p", "s", "t", "v"])
                self.assertIsNone(trade["c"])
                for number in (trade["p"], trade["v"]):
                    self.assertRegex(number, r"^(0|[1-9][0-9]*)(\.[0-9]*[1-9])?$")

    def test_pings_come_each_minute(self):
        pings = [stamp for stamp, frame in read_tape(ROOT / "data" / "binance.tape") if frame["type"] == "ping"]
        self.assertEqual(len(pings), 10)
        self.assertEqual({after - before for before, after in zip(pings, pings[1:])}, {60_000_000_000})

    def test_the_finnhub_tape_is_the_recording_byte_for_byte(self):
        with gzip.open(SOURCES / "finnhub_ws_frames.ndjson.gz") as file:
            self.assertEqual((ROOT / "data" / "finnhub.tape").read_bytes(), file.read())
        lines = read_tape(ROOT / "data" / "finnhub.tape")
        self.assertEqual(len(lines), 23)
        self.assertTrue(all(stamp is None for stamp, _ in lines))
        self.assertEqual(sum(len(frame.get("data", [])) for _, frame in lines), 125)


class Frames(unittest.TestCase):
    def trade(self, received_ns, symbol="A", price="1", volume="1"):
        return make_tapes.Trade(received_ns, symbol, 5, price, volume)

    def test_a_frame_ends_after_ten_trades_or_fifty_milliseconds(self):
        burst = [self.trade(i) for i in range(12)]
        later = [self.trade(10 + 49_999_999, "B"), self.trade(10 + 50_000_000)]
        frames = make_tapes.group_into_frames(burst + later)
        self.assertEqual([len(frame) for frame in frames], [10, 3, 1])

    def test_numbers_keep_their_value_and_lose_trailing_zeros(self):
        cases = {"61837.63000000": "61837.63", "1.00000000": "1", "0.00001000": "0.00001", "100": "100", "0.0": "0"}
        for text, expected in cases.items():
            self.assertEqual(make_tapes.plain(text), expected)

    def test_a_ping_waits_for_its_minute_and_never_shares_a_stamp(self):
        minute = make_tapes.PING_INTERVAL_NS
        frames = [[self.trade(stamp)] for stamp in (0, minute - 1, minute, 3 * minute + 5)]
        lines = list(make_tapes.with_pings(frames))
        self.assertEqual(
            [(stamp, text == make_tapes.PING) for stamp, text in lines],
            [
                (0, False),
                (minute - 1, False),
                (minute, False),
                (minute + 1, True),
                (2 * minute + 1, True),
                (3 * minute + 1, True),
                (3 * minute + 5, False),
            ],
        )


class BadInput(ScriptTest):
    def test_a_missing_source_is_named(self):
        code, _, err = self.run_script(make_tapes, self.directory, self.directory)
        self.assertEqual(code, 1)
        self.assertIn("binance_trades_20240808_09.csv.gz", err)


if __name__ == "__main__":
    unittest.main()
