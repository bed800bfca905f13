"""`finpipe deadletters`: what could not be used is looked at, mended and brought back, each once; the proof still holds."""

import unittest

from program import ROOT, CliTest, frame, trade

START = 1_700_000_000_000
BAD_TRADE = trade(-51, START + 20)
BAD_FRAME = '{"data":[' + trade(52, START + 30) + "," + trade(53, START + 40, symbol="BINANCE:Y") + '],"type":"trad'


class DeadLetters(CliTest):
    def make(self, *args):
        frames = (frame(trade(50, START), BAD_TRADE), BAD_FRAME, frame(trade(54, START + 50)))
        later = frame(trade(60, START + 90_000))
        lines = [f"{(START + 100 * i) * 1_000_000} {one}" for i, one in enumerate(frames)]
        self.run_tape(self.tape(*lines, f"{(START + 90_000) * 1_000_000} {later}"), *args)

    def ids(self):
        """Of the letters, by reason."""
        lines = self.finpipe("deadletters", "list").out.split("\n\n")[0].splitlines()[1:]
        return {line.split()[1]: line.split()[-1] for line in lines}

    def write(self, name, text):
        (self.dir / name).write_text(text, encoding="ascii")
        return name

    def mend_frame(self):
        mended = self.write("frame.json", BAD_FRAME + 'e"}\n')
        return self.finpipe("deadletters", "replay", self.ids()["bad_json"], "--mended", mended).out

    def everything(self):
        return [self.exported(what) for what in ("bars", "revisions", "trades", "dead-letters")]

    def test_they_are_listed_and_shown(self):
        self.make()
        listed = self.finpipe("deadletters", "list").out
        self.assertIn(f"2023-11-14T22:13:20.000Z  bad_price            ingest         {len(BAD_TRADE)}  no ", listed)
        self.assertRegex(listed, r"bad_price +1, replayed: 0\n")
        self.assertRegex(listed, r"all +2, replayed: 0\n")
        chosen = self.finpipe("deadletters", "list", "--reason", "bad_json", "--limit", "0").out
        self.assertNotIn("2023-", chosen)
        self.assertRegex(chosen, r"bad_json +1, replayed: 0\nall +1,")
        self.assertIn("--reason 'odd'", self.finpipe("deadletters", "list", "--reason", "odd", expect=2).err)
        self.assertRegex(self.finpipe("deadletters", "list", "--from", "2023-11-15").out, r"all +0,")
        self.assertRegex(self.finpipe("deadletters", "list", "--stage", "process").out, r"all +0,")

        bad_price = self.ids()["bad_price"]
        shown = self.finpipe("deadletters", "show", bad_price).out
        for text in ("E305 bad_price: A price is negative", "p is below zero", "remedy       Check the feed", BAD_TRADE):
            self.assertIn(text, shown)
        raw = self.finpipe("deadletters", "show", bad_price, "--raw").stdout
        self.assertEqual(raw, BAD_TRADE.encode())
        self.assertIn("E509 no_such_letter", self.finpipe("deadletters", "show", "x", expect=1).err)

    def test_a_mended_trade_revises_its_bars_once(self):
        self.make("--partitions", "4")
        bad_price = self.ids()["bad_price"]
        self.assertIn("E305", self.finpipe("deadletters", "replay", bad_price, expect=1).out)
        self.write("letter.json", BAD_TRADE.replace("-51", "51"))
        command = ("deadletters", "replay", bad_price, "--mended", "letter.json")
        before = self.everything()
        self.assertIn("Can be replayed: 1, with 1 trades", self.finpipe(*command, "--dry-run").out)
        self.assertEqual(self.everything(), before)

        said = self.finpipe(*command).out
        self.assertIn("BINANCE:X 2023-11-14T22:13:20.020Z seq ", said)
        self.assertIn("Replayed: 1, with 1 trades; already replayed: 0; refused: 0", said)
        stored = [row for row in self.rows("trades") if row["price"] == "51"]
        self.assertEqual([(row["writer"], row["received_at"][:23]) for row in stored],
                         [("replay", "2023-11-14T22:13:20.000")])
        second = next(row for row in self.rows("bars") if row["interval"] == "1s")
        self.assertEqual((second["open"], second["high"], second["close"], second["trades"]), ("50", "54", "54", "3"))
        self.finpipe("verify")

        after = self.everything()
        self.assertIn("already replayed: 1", self.finpipe("deadletters", "replay", bad_price).out)
        self.assertIn("already replayed: 1", self.finpipe(*command).out)
        self.assertEqual(self.everything(), after)
        self.assertRegex(self.finpipe("deadletters", "list").out, r"bad_price +1, replayed: 1\n")
        self.finpipe("verify")

    def test_all_of_a_reason_and_all_trades_of_a_letter(self):
        self.make("--partitions", "3")
        self.assertIn("Replayed: 1, with 2 trades", self.mend_frame())
        prices = {row["price"] for row in self.rows("trades") if row["writer"] == "replay"}
        self.assertEqual(prices, {"52", "53"})
        both = self.finpipe("deadletters", "replay", "--reason", "bad_json").out
        self.assertIn("Replayed: 0, with 0 trades; already replayed: 1; refused: 0", both)
        refused = self.finpipe("deadletters", "replay", "--reason", "bad_price", expect=1).out
        self.assertIn("refused: 1", refused)
        self.assertRegex(self.finpipe("deadletters", "list").out, r"all +2, replayed: 1\n")
        self.finpipe("verify")

    def test_the_log_alone_makes_the_same_again(self):
        self.make()
        self.mend_frame()
        self.run_tape("tape:a.tape")  # recognised, and nothing is appended
        before = self.everything()
        self.finpipe("checkpoint", "reset")
        self.run_tape("tape:a.tape")
        self.assertEqual(self.everything(), before)
        self.finpipe("verify")

    def test_what_cannot_be_replayed(self):
        self.make()
        anything = ("deadletters", "replay")
        self.assertIn("or --reason", self.finpipe(*anything, expect=2).err)
        self.assertIn("or --reason", self.finpipe(*anything, "x", "--reason", "bad_json", expect=2).err)
        self.assertIn("--from", self.finpipe(*anything, "x", "--from", "2023-11-14", expect=2).err)
        self.assertIn("one id", self.finpipe(*anything, "x", "y", "--mended", "z", expect=2).err)
        self.assertIn("E200", self.finpipe(*anything, "x", "--mended", "missing", expect=1).err)
        self.assertIn("E509 no_such_letter", self.finpipe(*anything, "x", expect=1).err)
        nothing = self.write("nothing", '{"type":"ping"}')
        bad_price = self.ids()["bad_price"]
        self.assertIn("E510", self.finpipe(*anything, bad_price, "--mended", nothing, expect=1).out)

    def test_not_beside_a_running_run_but_to_look(self):
        run = self.start_run("--feed", f"tape:{ROOT / 'data' / 'binance.tape'}")
        self.wait_for(lambda: self.finpipe("export", "trades", expect=None).out.count("\n") > 1)
        self.assertIn("E202", self.finpipe("deadletters", "replay", "--reason", "bad_json", expect=1).err)
        self.finpipe("deadletters", "replay", "--reason", "bad_json", "--dry-run")
        self.finpipe("deadletters", "list")
        run.terminate()


if __name__ == "__main__":
    unittest.main()
