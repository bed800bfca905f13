import json
import unittest
from decimal import Decimal

from common import BINANCE_CSV, ROOT, ScriptTest, load_script, write_source

reference_bars = load_script("tests/e2e/reference_bars.py")

TAIL = ",state,flags,missing_ms,revision\n"


class ReferenceBars(ScriptTest):
    def setUp(self):
        super().setUp()
        self.source = self.directory / "source.csv.gz"
        # Two trades in one millisecond, listed out of receive order; one futures trade that must not count.
        write_source(
            self.source,
            [
                ("X", 20, 60_500, "3.00000000", "1.00000000"),
                ("X", 10, 60_500, "2.50000000", "2.00000000"),
                ("X", 30, 59_999, "1.00000000", "0.10000000"),
                ("X", 40, 60_499, "4.00000000", "3.00000000"),
                ("X", 50, 60_500, "9.00000000", "9.00000000", "usdm"),
                ("Y", 15, 60_000, "0.00000003", "0.00000002"),
            ],
        )

    def bars(self, *arguments):
        code, out, _ = self.run_script(reference_bars, self.source, *arguments)
        self.assertEqual(code, 0)
        return out.splitlines()

    def test_bars_are_exact_and_ordered_by_trade_time_then_receipt(self):
        self.assertEqual(
            self.bars("--interval", "1m"),
            [
                "symbol,interval,start,open,high,low,close,volume,vwap,trades",
                "BINANCE:X,1m,1970-01-01T00:00:00.000Z,1,1,1,1,0.1,1,1",
                "BINANCE:X,1m,1970-01-01T00:01:00.000Z,4,4,2.5,3,6,3.333333333,3",
                "BINANCE:Y,1m,1970-01-01T00:01:00.000Z,"
                "0.00000003,0.00000003,0.00000003,0.00000003,0.00000002,0.00000003,1",
            ],
        )

    def test_copies_lie_whole_shifts_later_and_share_long_windows(self):
        lines = self.bars("--interval", "1h", "--copies", 2, "--shift-minutes", 30)
        self.assertEqual(lines[1], "BINANCE:X,1h,1970-01-01T00:00:00.000Z,1,4,1,3,12.2,3.295081967,8")
        lines = self.bars("--interval", "1d", "--copies", 2, "--shift-minutes", 1440)
        self.assertEqual(lines[2], "BINANCE:X,1d,1970-01-02T00:00:00.000Z,1,4,1,3,6.1,3.295081967,4")

    def test_halves_round_to_even(self):
        self.assertEqual([reference_bars.divide_half_even(n, 2) for n in (1, 3, 5, 4)], [0, 2, 2, 2])
        self.assertEqual(reference_bars.divide_half_even(7, 4), 2)
        self.assertEqual(reference_bars.divide_half_even(5, 4), 1)

    def write_export(self, *lines):
        export = self.directory / "export.csv"
        export.write_text("".join(lines))
        return export

    def compare(self, export, interval="1m"):
        return self.run_script(reference_bars, self.source, "--interval", interval, "--compare", export)

    def exported(self):
        head, *rows = self.bars("--interval", "1m")
        return [head + TAIL, *(f"{row},final,,0,0\n" for row in rows)]

    def test_an_equal_export_agrees_in_any_order_and_beside_other_intervals(self):
        head, *rows = self.exported()
        code, out, _ = self.compare(self.write_export(head, *reversed(rows), rows[0].replace(",1m,", ",5m,")))
        self.assertEqual(code, 0)
        counts = "interval=1m expected=3 exported=3 compared=3 differences=0 other_intervals_ignored=1\n"
        self.assertEqual(out, counts)

    def test_each_kind_of_difference_is_found_and_named(self):
        head, first, second, third = self.exported()
        code, out, _ = self.compare(self.write_export(head, first, third))
        self.assertEqual(code, 3)
        self.assertIn("BINANCE:X 1970-01-01T00:01:00.000Z: missing in the export\n", out)
        extra = third.replace("BINANCE:Y", "BINANCE:Z")
        code, out, _ = self.compare(self.write_export(head, first, second, third, extra))
        self.assertEqual(code, 3)
        self.assertIn("BINANCE:Z 1970-01-01T00:01:00.000Z: in the export", out)
        code, out, _ = self.compare(self.write_export(head, first, second.replace("4,4,2.5,3,", "4,4,2.5,2.5,"), third))
        self.assertEqual(code, 3)
        self.assertIn("BINANCE:X 1970-01-01T00:01:00.000Z: close is 2.5, expected 3\n", out)
        self.assertIn("compared=3 differences=1", out)

    def test_an_unreadable_export_is_no_agreement(self):
        head, *rows = self.exported()
        for lines in ([], [head.replace("vwap", "mean"), *rows], [head, *rows, rows[0]], [head, "a,b\n"]):
            code, _, err = self.compare(self.write_export(*lines))
            self.assertEqual(code, 1)
            self.assertIn("export.csv", err)
        self.assertEqual(self.compare(self.directory / "missing.csv")[0], 1)

    def test_wrong_use_is_refused(self):
        self.assertEqual(self.run_script(reference_bars, self.source, "--interval", "2m")[0], 2)
        self.assertEqual(self.run_script(reference_bars, self.source, "--interval", "1m", "--copies", 2)[0], 2)


class SourceAndTape(unittest.TestCase):
    def test_the_bundled_tape_gives_the_trades_of_the_source_in_the_same_order(self):
        tape = []
        for line in (ROOT / "data" / "binance.tape").read_text().splitlines():
            frame = json.loads(line.partition(" ")[2], parse_float=Decimal, parse_int=Decimal)
            for trade in frame.get("data", []):
                tape.append((trade["s"], int(trade["t"]), int(trade["p"] * 10**8), int(trade["v"] * 10**8)))
        self.assertEqual(tape, reference_bars.read_trades(BINANCE_CSV))


if __name__ == "__main__":
    unittest.main()
