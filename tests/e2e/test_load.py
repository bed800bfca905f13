"""`finpipe load` on a pipeline of its own and on embedded parts: what it sends, what it counts, what it refuses."""

import json
import re
import signal
import time
import unittest
import urllib.request

from program import DEADLINE_S, CliTest
from services.addresses import reserve_port

EMBEDDED_LOG = ("--log", "embedded:load/log")
EMBEDDED_STORE = ("--store", "embedded:load/store")
STEADY = ("--rate", 2000, "--warm-up", 0.5, "--symbols", 20)
SHORT = (*STEADY, "--seconds", 1)
MEASURED = 2000  # of a short load, but for the frame of at most ten trades at the end of the warm-up
AWAITED = 3000  # of a short load, trades of the warm-up included


class Load(CliTest):
    def load(self, target, *args, expect=0, **options):
        """A load whose report is JSON."""
        done = self.finpipe("load", target, *args, "--json", expect=expect, **options)
        self.live = done.err
        return json.loads(done.out)

    def assert_sums(self, run):
        self.assertEqual(run["due"], run["sent"])
        self.assertEqual(run["awaited"], run["arrived"] + run["missing"])
        latency = run["latency"]
        told = [latency[name] for name in ("p50_ms", "p90_ms", "p99_ms", "p99.9_ms", "p99.99_ms", "max_ms")]
        self.assertEqual(told, sorted(told))
        self.assertGreater(told[0], 0)

    def assert_refused(self, args, code, text, exit_code=2):
        done = self.finpipe("load", *args, expect=exit_code)
        self.assertIn(code, done.err)
        self.assertIn(text, done.err)
        self.assertEqual(done.out, "")


class Embedded(Load):
    def test_every_trade_is_acknowledged_by_the_log(self):
        report = self.load("log", *EMBEDDED_LOG, *SHORT)
        self.assert_sums(report["run"])
        self.assertEqual(report["run"]["sent"], AWAITED)
        self.assertEqual(report["run"]["missing"], 0)
        self.assertAlmostEqual(report["run"]["latency"]["count"], MEASURED, delta=10)
        accounts = {"received": AWAITED, "appended": AWAITED, "dead_lettered": 0, "suspects": 0}
        self.assertEqual(report["accounts"], accounts)
        self.assertRegex(self.live, r" 1 s .*/s  p50 .* p99 .* max .* ms  backlog \d+\n")

    def test_every_trade_is_stored_with_its_bars(self):
        parts = (*EMBEDDED_LOG, *EMBEDDED_STORE)
        report = self.load("bars", *parts, *SHORT, "--partitions", 3)
        self.assert_sums(report["run"])
        self.assertEqual(report["run"]["missing"], 0)
        self.assertEqual(len(self.rows("trades", *parts)), AWAITED)
        self.assertEqual(sum(int(bar["trades"]) for bar in self.rows("bars", "--interval", "1s", *parts)), AWAITED)
        self.finpipe("verify", *parts)
        # A log of loads takes another one, and its store too.
        self.assertEqual(self.load("bars", *parts, *SHORT)["run"]["missing"], 0)
        self.assertEqual(len(self.rows("trades", *parts)), 2 * AWAITED)
        self.finpipe("verify", *parts)

    def test_a_store_takes_trades_and_bars_without_a_log(self):
        report = self.load("store", *EMBEDDED_STORE, *SHORT, "--flow", "tape")
        self.assert_sums(report["run"])
        self.assertEqual(report["run"]["missing"], 0)
        # The rate is that of the whole tape, which begins slowly.
        sent = report["run"]["sent"]
        self.assertGreater(sent, AWAITED / 2)
        self.assertLess(sent, AWAITED)
        self.assertEqual(len(self.rows("trades", *EMBEDDED_STORE)), sent)

    def test_the_report_for_people_has_the_percentile_table(self):
        shown = self.finpipe("load", "log", *EMBEDDED_LOG, *SHORT, "--burst", "4:500:100").out
        self.assertIn("bursts of 4 times the rate for 100 of 500 ms, seed 1\n", shown)
        n = AWAITED
        self.assertIn(f"trades   {n} due = {n} sent + 0 not sent; {n} awaited = {n} arrived + 0 missing\n", shown)
        table = re.search(r"Value +Percentile TotalCount 1/\(1-Percentile\)\n\n(.*)#\[Mean", shown, re.DOTALL)[1]
        rows = [line.split() for line in table.splitlines()]
        self.assertAlmostEqual(int(rows[-1][2]), MEASURED, delta=10)
        self.assertGreater(len(rows), 20)
        self.assertRegex(shown, r"\nheld     yes\n")

    def test_bad_frames_become_dead_letters(self):
        report = self.load("log", *EMBEDDED_LOG, *SHORT, "--bad", 20, "--frame", 1)
        bad = report["run"]["bad_frames"]
        self.assertGreater(bad, 400)
        self.assertEqual(report["accounts"]["dead_lettered"], bad)
        self.assertGreater(self.finpipe("deadletters", "list", "--limit", "10000", *EMBEDDED_LOG).out.count("\n"), bad)
        self.assertEqual(report["accounts"]["appended"], AWAITED)

    def test_a_search_ends_at_the_highest_rate_that_may_be_tried(self):
        report = self.load("log", *EMBEDDED_LOG, "--search", "--rate", 100, "--highest", 350, "--try", 0.5,
                           "--warm-up", 0, "--seconds", 1, "--limit", 20000)
        self.assertEqual(report["sustained"], 350)
        self.assertEqual([one["trades_per_second"] for one in report["tries"]], [100, 200, 350, 350])
        self.assertEqual(report["run"]["sent"], 350)

    def test_a_limit_that_does_not_hold_is_an_exit_code(self):
        parts = (*EMBEDDED_LOG, *EMBEDDED_STORE, "--commit-interval", 1000)
        report = self.load("bars", *parts, *SHORT, "--limit", 1, expect=3)
        self.assertFalse(report["run"]["held"])
        self.assertIn("above 1.0 ms", report["run"]["not_held"])

    def test_a_search_that_finds_nothing_is_an_exit_code(self):
        report = self.load("bars", *EMBEDDED_LOG, *EMBEDDED_STORE, "--search", "--rate", 2, "--try", 0.5,
                           "--warm-up", 0, "--limit", 1, expect=3)
        self.assertIsNone(report["sustained"])

    def test_a_signal_ends_it_with_the_report_so_far(self):
        process = self.start("load", "log", *EMBEDDED_LOG, "--rate", 500, "--seconds", 3600, "--warm-up", 0, "--json")
        self.wait_for_line(process, " 2 s ")
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=DEADLINE_S)
        self.assertEqual(process.returncode, 0)
        report = json.loads(out)
        self.assertTrue(report["interrupted"])
        self.assert_sums(report["run"])
        self.assertEqual(report["run"]["missing"], 0)
        self.assertGreaterEqual(report["run"]["sent"], 1000)
        self.assertLess(report["run"]["measured_ms"], 60_000)
        self.assertEqual(report["accounts"]["appended"], report["run"]["sent"])

    def test_data_that_no_load_made_is_not_touched(self):
        self.run_tape(self.tape(*self.binance_lines(20)))
        before = self.exported("trades")
        real = ("--log", "embedded:finpipe-data/log"), ("--store", "embedded:finpipe-data/store")
        log = ("log", *real[0], *SHORT)
        self.assert_refused(log, "E500 origin_mismatch", "the log holds tape, the feed is load", exit_code=1)
        self.assert_refused(("store", *real[1], *SHORT), "E500 origin_mismatch", "is not empty", exit_code=1)
        bars = ("bars", *EMBEDDED_LOG, *real[1], *SHORT)
        self.assert_refused(bars, "E502 checkpoint_mismatch", "another one", exit_code=1)
        self.assertEqual(self.exported("trades"), before)
        # Nor is real data put beside that of loads.
        self.load("log", *EMBEDDED_LOG, *SHORT)
        self.assertIn("E500 origin_mismatch", self.run_tape("tape:a.tape", *EMBEDDED_LOG, expect=1).err)

    def test_nothing_is_loaded_that_nobody_named(self):
        for args in (("log",), ("bars", *EMBEDDED_STORE), ("bars", *EMBEDDED_LOG), ("store",)):
            self.assert_refused(args, "E100 usage", "must say where")
        self.assertEqual(list(self.dir.iterdir()), [])

    def test_flags_have_limits(self):
        for flag, below, lowest, highest, above in (
            ("--rate", 0, 1, 1_000_000, 1_000_001), ("--seconds", 0.09, 0.1, 86400, 86401),
            ("--symbols", 0, 1, 10000, 10001), ("--zipf", -0.1, 0, 4, 4.1), ("--frame", 0, 1, 1000, 1001),
            ("--bad", -1, 0, 50, 50.1), ("--limit", 0, 1, 60000, 60001), ("--warm-up", -1, 0, 3600, 3601),
            ("--try", 0.4, 0.5, 3600, 3601), ("--highest", 0, 1000, 1_000_000, 1_000_001),
            ("--precision", 0, 0.1, 50, 51),
        ):
            for value in (below, above):
                self.assert_refused(("log", *EMBEDDED_LOG, flag, value), "E100 usage", flag)
            for value in (lowest, highest):  # only the log is missing then
                self.assert_refused(("log", flag, value), "E100 usage", "must say where")
        for burst in ("1:1000:100", "101:1000:1", "5:1000:201", "5:1000:1000", "5:1000", "5:1000:x", "2:3600001:1",
                      "5:1000:0", "5:1000:", "::", "5x:1000:100", "x:5:1000:100"):
            self.assert_refused(("log", *EMBEDDED_LOG, "--burst", burst), "E100 usage", "--burst")
        self.assert_refused(("log", *EMBEDDED_LOG, "--tape", "a.tape"), "E100 usage", "--flow tape")
        self.assert_refused(("websocket", "--stream", "ws://127.0.0.1:1", "--fault-every", 1, "--faults", ""), "E100 usage", "--faults")
        self.assert_refused(("log", *EMBEDDED_LOG, "--search", "--rate", 10, "--highest", 9), "E100 usage", "--highest")
        tape = ("log", *EMBEDDED_LOG, "--flow", "tape", "--tape", "none.tape")
        self.assert_refused(tape, "E200 not_found", "none.tape", exit_code=1)
        stream = ("websocket", "--stream", "ws://127.0.0.1:1")
        self.assert_refused((*stream, "--symbols", 201), "E100 usage", "at most 200")
        self.assert_refused((*stream, "--listen", "nowhere"), "E100 usage", "--listen")
        self.assert_refused(("websocket", "--stream", "http://127.0.0.1:1"), "E100 usage", "--stream")
        self.assert_refused(("websocket",), "E100 usage", "--stream")
        self.assert_refused((*stream, "--fault-every", 1, "--faults", "delay,duplicate"), "E100 usage", "--faults")
        self.assert_refused((*stream, "--fault-every", 86401), "E100 usage", "--fault-every")

    def test_the_highest_rate_is_sent(self):
        report = self.load("log", *EMBEDDED_LOG, "--rate", 1_000_000, "--seconds", 0.1, "--warm-up", 0, "--frame", 1000)
        self.assert_sums(report["run"])
        self.assertEqual((report["run"]["sent"], report["run"]["missing"]), (100_000, 0))


class WebSocket(Load):
    def start_load(self, *args):
        """A load that waits for its pipeline, and what that pipeline is to be told."""
        self.api = f"127.0.0.1:{reserve_port()}"
        self.loading = self.start("load", "websocket", "--stream", f"ws://{self.api}", "--json", *args)
        self.wait_for_line(self.loading, "begins when a pipeline has subscribed")
        return self.loading.stderr.readline().split()

    def start_pipeline(self, feed, *args):
        self.pipeline = self.start("run", *feed, "--listen", self.api, *args)

    def report(self, exit_code=0):
        out, err = self.loading.communicate(timeout=DEADLINE_S)
        self.assertEqual(self.loading.returncode, exit_code, err)
        return json.loads(out)

    def served(self, path):
        with urllib.request.urlopen(f"http://{self.api}{path}", timeout=DEADLINE_S) as answer:
            return json.loads(answer.read())

    def test_every_trade_that_counts_is_in_a_bar_of_the_stream(self):
        self.environment["FINNHUB_API_KEY"] = "secret"
        feed = self.start_load(*SHORT, "--market", "us", "--write-ca", "ca.pem", "--token", "secret")
        self.assertTrue(feed[1].startswith("wss://"), feed)
        self.start_pipeline(feed, "--ca-file", "ca.pem")
        run = self.report()["run"]
        self.assert_sums(run)
        self.assertEqual((run["sent"], run["missing"], run["connections_lost"]), (AWAITED, 0, 0))
        # Official prints count in no bar.
        self.assertTrue(AWAITED * 0.95 < run["awaited"] < AWAITED, run["awaited"])
        self.wait_for(lambda: sum(row["received"] for row in self.served("/api/v1/ledger")["sessions"]) == AWAITED)

    def test_a_pipeline_with_other_data_is_not_loaded_unless_it_is_said(self):
        tape = self.tape(*self.binance_lines(20))
        feed = self.start_load(*SHORT)
        self.start_pipeline(("--feed", tape))
        _, err = self.loading.communicate(timeout=DEADLINE_S)
        self.assertEqual(self.loading.returncode, 1, err)
        self.assertIn("E500 origin_mismatch", err)
        self.assertIn("has BINANCE:", err)
        self.assertEqual(len(feed), 4)

    def test_a_vendor_that_sends_late_shows_in_every_latency(self):
        """A delay of 125 ms for half of a second, about each half of a second."""
        self.start_pipeline(self.start_load(*STEADY, "--seconds", 3, "--fault-every", 0.5))
        report = self.report()
        self.assert_sums(report["run"])
        self.assertEqual(report["run"]["missing"], 0)
        self.assertGreaterEqual(report["accounts"]["faults"], 3)
        self.assertGreater(report["run"]["latency"]["p90_ms"], 125)
        self.assertGreater(report["run"]["sent_late"]["p90_ms"], 124)

    def test_what_a_dropped_connection_did_not_get_is_missing(self):
        self.start_pipeline(self.start_load(*STEADY, "--seconds", 4, "--fault-every", 2.5, "--faults", "drop"))
        run = self.report(exit_code=3)["run"]
        self.assert_sums(run)
        self.assertGreater(run["missing"], 0)
        self.assertGreater(run["connections_lost"], 0)
        self.assertFalse(run["held"])

    def test_a_signal_ends_the_waiting_for_a_pipeline(self):
        self.start_load(*SHORT)
        self.loading.send_signal(signal.SIGINT)
        report = self.report()
        self.assertTrue(report["interrupted"])
        self.assertIsNone(report["run"])

    def test_a_pipeline_that_stands_still_for_a_second_is_not_omitted(self):
        self.start_pipeline(self.start_load("--rate", 1000, "--seconds", 4, "--warm-up", 0.5, "--symbols", 10))
        self.wait_for_line(self.loading, " 1 s ")
        self.pipeline.send_signal(signal.SIGSTOP)
        time.sleep(1)
        self.pipeline.send_signal(signal.SIGCONT)
        run = self.report()["run"]
        self.assert_sums(run)
        self.assertEqual(run["missing"], 0)
        # A closed loop would have sent nothing meanwhile, and measured one long latency among thousands of short ones.
        self.assertGreater(run["latency"]["p90_ms"], 400)
        self.assertGreater(run["latency"]["max_ms"], 900)
        self.assertGreater(run["backlog_max"], 800)


if __name__ == "__main__":
    unittest.main()
