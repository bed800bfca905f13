"""Running the real program: what goes in comes out of `export`, in its forms, whatever ends the run."""

import csv
import io
import pathlib
import shutil
import signal
import subprocess
import sys
import time
import unittest

from program import DEADLINE_S, ROOT, CliTest, frame, trade

BAR_COLUMNS = "symbol,interval,start,open,high,low,close,volume,vwap,trades,state,flags,missing_ms,revision"
TRADE_COLUMNS = "symbol,event_time,seq,price,volume,conditions,received_at,writer,suspect"


class RunAndExport(CliTest):
    def test_real_frames_become_trades_and_bars(self):
        done = self.run_tape(f"tape:{ROOT}/data/finnhub.tape")
        self.assertIn("start (UTC)", done.out)
        received = int(done.out.split(" received")[0].split()[-1].replace(",", ""))
        dead = len(self.dead_letters())
        trades = self.exported("trades")
        self.assertEqual(trades.splitlines()[0], TRADE_COLUMNS)
        self.assertEqual(len(trades.splitlines()) - 1 + dead, received)
        rows = csv.DictReader(io.StringIO(trades))
        first = next(r for r in rows if r["symbol"] == "AAPL" and r["event_time"] == "2023-03-31T18:15:37.580Z")
        self.assertEqual(
            [first[k] for k in ("price", "volume", "conditions", "writer", "suspect")],
            ["164.0601", "5", "1 12", "live", ""],
        )
        bars = self.exported("bars")
        self.assertEqual(bars.splitlines()[0], BAR_COLUMNS)
        order = [(r["symbol"], ["1s", "1m", "5m", "15m", "1h", "1d"].index(r["interval"]), r["start"])
                 for r in csv.DictReader(io.StringIO(bars))]
        self.assertEqual(order, sorted(order))
        self.assertEqual(self.exported("revisions").splitlines()[0], BAR_COLUMNS + ",reason,closed_at")
        self.assertEqual(self.exported("gaps"), "symbol,from,to,reason,filled\n")
        self.assertEqual(self.finpipe("verify").returncode, 0)

    def test_a_second_run_of_the_same_tape_adds_nothing(self):
        feed = self.tape(*self.binance_lines(300))
        self.run_tape(feed)
        kinds = ("bars", "revisions", "trades")
        before = [self.exported(kind) for kind in kinds]
        self.assertGreater(len(before[2].splitlines()), 300)
        done = self.run_tape(feed)
        self.assertIn("0 appended", done.out)
        self.assertEqual([self.exported(kind) for kind in kinds], before)
        self.finpipe("verify")

    def test_partitions_do_not_change_what_is_exported(self):
        feed = self.tape(*self.binance_lines(300))
        self.run_tape(feed)
        one = [self.exported(kind) for kind in ("bars", "trades")]
        parts = ["--log", "embedded:l4", "--store", "embedded:s4"]
        self.run_tape(feed, *parts, "--partitions", 4)
        four = [self.exported(kind, "--store", "embedded:s4") for kind in ("bars", "trades")]
        self.assertEqual(one, four)
        self.finpipe("verify", *parts)
        self.assertIn("E507", self.run_tape(feed, *parts, "--partitions", 2, expect=1).err)

    def test_selection_by_symbol_interval_and_time(self):
        self.run_tape(self.tape(*self.binance_lines(300)))
        everything = self.rows("bars")
        some = self.rows("bars", "--symbols", "BINANCE:ETHUSDT", "--interval", "1m,1s")
        self.assertEqual(some, [r for r in everything
                                if r["symbol"] == "BINANCE:ETHUSDT" and r["interval"] in ("1m", "1s")])
        starts = sorted({r["start"] for r in everything if r["interval"] == "1s"})
        low, high = starts[1], starts[-1]
        some = self.rows("bars", "--interval", "1s", "--from", low, "--to", high)
        self.assertEqual(some, [r for r in everything if r["interval"] == "1s" and low <= r["start"] < high])
        trades = self.rows("trades")
        some = self.rows("trades", "--from", low, "--to", high)
        self.assertEqual(some, [r for r in trades if low <= r["event_time"] < high])
        self.assertTrue(0 < len(some) < len(trades))

    def test_symbols_that_were_not_asked_for_are_left_out(self):
        self.run_tape(self.tape(*self.binance_lines(300)), "--symbols", "BINANCE:ETHUSDT")
        self.assertEqual({r["symbol"] for r in self.rows("trades")}, {"BINANCE:ETHUSDT"})

    def test_conditions_and_odd_symbols_survive_export(self):
        t = 1700000000000
        self.run_tape(self.tape(frame(
            trade("1", t, conditions=""), trade("1.5", t), trade("2e-9", t, conditions='"c":[],'),
            trade("3", t, conditions='"c":["1","12"],'), trade("4", t, symbol='A,\\"B'))))
        rows = self.rows("trades")
        self.assertEqual([(r["symbol"], r["price"], r["conditions"]) for r in rows],
                         [('A,"B', "4", ""), ("BINANCE:X", "1", "-"), ("BINANCE:X", "1.5", ""),
                          ("BINANCE:X", "0.000000002", "[]"), ("BINANCE:X", "3", "1 12")])

    def test_output_goes_to_a_file(self):
        self.run_tape(self.tape(*self.binance_lines(50)))
        done = self.finpipe("export", "trades", "--output", "t.csv")
        self.assertEqual(done.out, "")
        self.assertIn("rows=", done.err)
        self.assertEqual((self.dir / "t.csv").read_text(), self.exported("trades"))
        self.finpipe("export", "trades", "--output", "none/t.csv", expect=1)

    def test_reset_makes_the_same_bars_in_a_new_generation(self):
        feed = self.tape(*self.binance_lines(300))
        self.run_tape(feed)
        before = [self.exported(kind) for kind in ("bars", "revisions", "trades")]
        self.assertIn("generation   0", self.finpipe("checkpoint", "show").out)
        self.assertIn("partition 0: generation 1 begins at offset 0", self.finpipe("checkpoint", "reset").out)
        self.assertEqual(self.exported("bars"), BAR_COLUMNS + "\n")
        self.run_tape(feed)
        self.assertEqual([self.exported(kind) for kind in ("bars", "revisions", "trades")], before)
        self.finpipe("verify")
        shown = self.finpipe("checkpoint", "show").out
        self.assertIn("generation   1", shown)
        self.assertIn(", 0 to go", shown)

    def test_reset_mends_a_store_of_another_log(self):
        feed = self.tape(*self.binance_lines(100))
        self.run_tape(feed)
        before = self.exported("bars")
        shutil.rmtree(self.dir / "finpipe-data/log")
        self.assertIn("E502", self.run_tape(feed, expect=1).err)
        self.finpipe("checkpoint", "reset")
        self.run_tape(feed)
        self.assertEqual(self.exported("bars"), before)


class Signals(CliTest):
    def test_sigterm_ends_within_two_seconds_with_everything_stored(self):
        # Long enough that the signal comes in the middle.
        repeat = [sys.executable, "-B", ROOT / "tools/tapes/repeat_tape.py", "--copies", "8"]
        subprocess.run([*repeat, ROOT / "data/binance.tape", "a.tape"], cwd=self.dir, check=True, capture_output=True)
        feed = "tape:a.tape"
        process = self.start_run("--feed", feed)
        self.wait_for(lambda: "offset" in self.finpipe("checkpoint", "show", expect=None).out)
        begin = time.monotonic()
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=DEADLINE_S)
        self.assertLess(time.monotonic() - begin, 2)
        self.assertEqual(process.returncode, 0, err)
        self.finpipe("verify")
        appended = int(out.split(" appended")[0].split()[-1].replace(",", ""))
        self.assertEqual(len(self.exported("trades").splitlines()) - 1, appended)
        self.assertIn(", 0 to go", self.finpipe("checkpoint", "show").out)
        # A second start goes on where it ended.
        self.run_tape(feed)
        kinds = ("trades", "bars", "revisions")
        here = [self.exported(kind) for kind in kinds]
        self.run_tape(feed, "--log", "embedded:l2", "--store", "embedded:s2")
        self.assertEqual(here, [self.exported(kind, "--store", "embedded:s2") for kind in kinds])

    def test_without_exit_at_end_it_stays_until_a_signal(self):
        process = self.start_run("--feed", self.tape(*self.binance_lines(50)))
        self.wait_for_line(process, "the tape has ended")
        self.assertIsNone(process.poll())
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=DEADLINE_S)
        self.assertEqual(process.returncode, 0)
        self.assertIn("start (UTC)", out)

    def test_no_core_dump_is_allowed(self):
        process = self.start_run("--feed", self.tape(*self.binance_lines(5)))
        self.wait_for_line(process, "the tape has ended")
        limits = pathlib.Path(f"/proc/{process.pid}/limits").read_text()
        core = next(line for line in limits.splitlines() if line.startswith("Max core file size"))
        self.assertEqual(core.split()[4:6], ["0", "0"])


if __name__ == "__main__":
    unittest.main()
