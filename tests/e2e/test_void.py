"""`finpipe void` and `unvoid`: bars without a bad print, revisions, the partitioned log, and what is refused."""

import unittest

from program import ROOT, CliTest, frame, trade

START = 1_700_000_000_000


class Void(CliTest):
    def make(self, *args):
        prints = ((0, 50), (10, 9000), (20, 51), (90_000, 52))
        lines = [f"{(START + ms) * 1_000_000} {frame(trade(price, START + ms))}" for ms, price in prints]
        self.run_tape(self.tape(*lines), *args)

    def spike(self):
        row = next(row for row in self.rows("trades") if row["price"] == "9000")
        return ["--symbol", row["symbol"], "--event-time", row["event_time"], "--seq", row["seq"]]

    def highs(self):
        return {row["interval"]: row["high"] for row in self.rows("bars") if row["start"] <= "2023-11-14T22:13:20.000Z"}

    def test_a_bad_print_leaves_every_bar_and_comes_back(self):
        self.make()
        before = self.rows("bars")
        said = self.finpipe("void", *self.spike(), "--reason", "fat finger").out
        self.assertIn("price 9000, volume 1", said)
        self.assertIn("high 9000 -> 51", said)
        self.assertEqual(self.highs(), {"1s": "51", "1m": "51", "5m": "52", "15m": "52", "1h": "52", "1d": "52"})
        self.finpipe("verify")
        self.assertIn("voided already", self.finpipe("void", *self.spike(), "--reason", "again").out)
        self.finpipe("unvoid", *self.spike(), "--reason", "it was real")
        after = self.rows("bars")
        values = [key for key in before[0] if key not in ("state", "revision")]
        for was, now in zip(before, after, strict=True):
            self.assertEqual([now[key] for key in values], [was[key] for key in values])
        self.assertIn("not voided", self.finpipe("unvoid", *self.spike(), "--reason", "again").out)
        self.finpipe("verify")

    def test_the_trade_may_lie_in_any_partition(self):
        self.make("--partitions", "4")
        self.finpipe("void", *self.spike(), "--reason", "fat finger")
        self.assertEqual(self.highs()["1d"], "52")
        self.finpipe("verify")

    def test_what_cannot_be_voided(self):
        anything = ["--symbol", "X", "--event-time", "1", "--seq", "1", "--reason", "r"]
        self.assertIn("E200 not_found", self.finpipe("void", *anything, expect=1).err)
        self.assertFalse((self.dir / "finpipe-data").exists())
        self.make()
        unknown = ["--symbol", "BINANCE:X", "--event-time", START, "--seq", "7", "--reason", "r"]
        self.assertIn("E405 no_such_trade", self.finpipe("void", *unknown, expect=1).err)
        self.assertIn("--reason", self.finpipe("void", *self.spike(), "--reason", "", expect=2).err)
        anything[3] = "noon"
        self.assertIn("--event-time", self.finpipe("void", *anything, expect=2).err)

    def test_not_beside_a_running_run(self):
        run = self.start_run("--feed", f"tape:{ROOT / 'data' / 'binance.tape'}")
        self.wait_for(lambda: self.finpipe("export", "trades", expect=None).out.count("\n") > 1)
        print_ = ["--symbol", "BINANCE:BTCUSDT", "--event-time", "1", "--seq", "1", "--reason", "r"]
        self.assertIn("E202 directory_in_use", self.finpipe("void", *print_, expect=1).err)
        run.terminate()


if __name__ == "__main__":
    unittest.main()
