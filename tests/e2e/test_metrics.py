"""What a live run tells monitoring: every metric of docs/reference/metrics.md and no other, and of each that it says what
is so."""

import os
import re
import sys
import time
import unittest

from live_run import LiveTest
from program import ROOT
from services.certificates import Authority, first_end

sys.path.insert(0, str(ROOT / "tests/observability"))

import reference  # noqa: E402

# Without a series until there is something to tell: what its label may say is not known before.
LATER = {"finpipe_feed_lag_seconds", "finpipe_processor_backlog_records", "finpipe_processor_clock_seconds"}


class Page:
    """A page of /metrics."""

    def __init__(self, text):
        self.types = dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.M))
        self.help = dict(re.findall(r"^# HELP (\w+) (.*)$", text, re.M))
        self.series = {name: float(value) for name, value in re.findall(r"^(finpipe_\S+) (\S+)$", text, re.M)}

    def __getitem__(self, series):
        return self.series[series]

    def above(self, histogram, bound):
        """Values of it above one of its bounds."""
        return self[f"{histogram}_count"] - self[f'{histogram}_bucket{{le="{bound}"}}']


class Metrics(LiveTest):
    def page(self, run):
        return Page(run.get("/metrics"))

    def wait_for_page(self, run, condition):
        found = []

        def holds():
            found[:] = [self.page(run)]
            return condition(found[0])

        self.wait_until(holds, lambda: f"{found and found[0].series}\n{run.log}")
        return found[0]

    def test_the_page_and_the_reference_are_the_same(self):
        run = self.live_run(f"ws://127.0.0.1:{self.simulate()}")
        page = self.wait_for_page(run, lambda page: LATER <= page.types.keys())
        expected = reference.own()
        self.assertEqual(page.types, {name: kind for name, (kind, _, _) in expected.items()})
        self.assertEqual(page.help, {name: text for name, (_, _, text) in expected.items()})
        names = {re.sub(r"\{.*", "", series) for series in page.series}
        self.assertEqual(names, set(reference.series()))
        self.assertNotIn("symbol=", "".join(page.series))
        errors = re.findall(r"^\| E[34]\d\d \| `(\w+)`", (ROOT / "docs/reference/errors.md").read_text(), re.M)
        for name, (kind, labels, _) in expected.items():
            for label, values in labels.items():
                reasons = values.startswith("the names of the errors")
                for value in errors if reasons else values.split():
                    suffix = "_count" if kind == "histogram" else ""
                    self.assertRegex("\n".join(page.series), rf'(?m)^{name}{suffix}\{{.*\b{label}="{value}"')

    def test_a_healthy_run(self):
        started = time.time()
        run = self.live_run(f"ws://127.0.0.1:{self.simulate()}")
        page = self.wait_for_page(run, lambda page: page["finpipe_processor_close_delay_seconds_count"] > 0
                                  and page["finpipe_processor_gaps_open"] == 0)
        self.assertEqual(page["finpipe_feed_connected"], 1)
        self.assertEqual(page["finpipe_feed_silence_seconds"], 0)
        self.assertLess(page["finpipe_heartbeat_age_seconds"], 3)
        self.assertLess(page["finpipe_processor_commit_age_seconds"], 3)
        self.assertAlmostEqual(page['finpipe_processor_clock_seconds{partition="0"}'], time.time(), delta=5)
        self.assertEqual(page["finpipe_ledger_balanced"], 1)
        # A bar closes no sooner than its delay after its end.
        self.assertEqual(page['finpipe_processor_close_delay_seconds_bucket{le="1"}'], 0)
        self.assertEqual(page.above("finpipe_processor_close_delay_seconds", "3600"), 0)
        self.assertGreater(page["finpipe_store_commit_rows_sum"], page["finpipe_ledger_trades{term=\"stored\"}"])
        self.assertLessEqual(page["finpipe_store_commits_in_flight"], 2)
        self.assertGreaterEqual(page["finpipe_process_start_time_seconds"], started - 2)
        for use in "log", "store":
            disk = os.statvfs(self.dir / "finpipe-data" / use)
            self.assertEqual(page[f'finpipe_disk_size_bytes{{use="{use}"}}'], disk.f_blocks * disk.f_frsize)
            free = page[f'finpipe_disk_free_bytes{{use="{use}"}}']
            self.assertAlmostEqual(free, disk.f_bavail * disk.f_frsize, delta=4e9)
        self.assertEqual(page['finpipe_certificate_not_after_seconds{certificate="feed"}'], 0)
        self.assertEqual(run.stop(), 0)

    def test_a_feed_that_goes_away_leaves_a_gap_open(self):
        run = self.live_run(f"ws://127.0.0.1:{self.simulate()}", "--feed-time-scale", "0.05")
        self.wait_for_page(run, lambda page: page["finpipe_feed_connected"] == 1
                           and page["finpipe_processor_gaps_open"] == 0)
        self.simulator.kill()
        page = self.wait_for_page(run, lambda page: page["finpipe_processor_gaps_open"] == 1
                                  and page["finpipe_feed_silence_seconds"] > 1)
        self.assertEqual(page["finpipe_feed_connected"], 0)
        self.assertGreaterEqual(page["finpipe_feed_last_frame_age_seconds"], page["finpipe_feed_silence_seconds"])
        self.assertLess(page["finpipe_heartbeat_age_seconds"], 3)
        self.assertEqual(run.stop(), 0)

    def test_a_feed_that_is_back_leaves_no_gap_open_though_nothing_trades(self):
        trades = self.tape(*self.binance_lines(100)).removeprefix("tape:")
        simulator = self.start("simulate", "--tape", trades, "--rebase")
        port = int(re.search(r"at ws://127\.0\.0\.1:(\d+) with", simulator.stdout.readline())[1])
        run = self.live_run(f"ws://127.0.0.1:{port}", "--feed-time-scale", "0.2")
        run.wait_for_trades()
        self.wait_for_page(run, lambda page: page["finpipe_processor_gaps_open"] == 0
                           and page["finpipe_feed_last_frame_age_seconds"] > 3)
        self.control(port, "fault", {"kind": "drop"})
        page = self.wait_for_page(run, lambda page: page['finpipe_feed_reconnects_total{reason="disconnected"}'] > 0
                                  and page["finpipe_feed_connected"] == 1 and page["finpipe_processor_gaps_open"] == 0)
        self.assertEqual(page["finpipe_ready"], 1)
        self.assertEqual(run.stop(), 0)

    def test_a_tapes_figures_have_no_age(self):
        run = self.live_run(self.tape(*self.binance_lines(100)))
        run.wait_for_log("the tape has ended")
        page = self.wait_for_page(run, lambda page: page["finpipe_feed_connected"] == 1)
        for name in "feed_last_frame_age", "feed_silence", "heartbeat_age", "processor_commit_age":
            self.assertEqual(page[f"finpipe_{name}_seconds"], 0, name)
        self.assertEqual(page["finpipe_processor_close_delay_seconds_count"], 0)
        self.assertEqual(page["finpipe_ledger_trades{term=\"stored\"}"], page["finpipe_ingest_trades_appended_total"])
        self.assertEqual(run.stop(), 0)

    def test_the_certificate_of_the_feeds_server(self):
        authority = Authority(self.dir, "authority")
        certificate, key = authority.sign("server", "IP:127.0.0.1", days=1)
        port = self.simulate("--certificate", certificate, "--key", key)
        run = self.live_run(f"wss://127.0.0.1:{port}", "--ca-file", authority.certificate)
        run.wait_for_trades()
        end = first_end(certificate, authority.certificate)
        self.wait_for_page(run, lambda page: page['finpipe_certificate_not_after_seconds{certificate="feed"}'] == end)
        self.assertEqual(run.stop(), 0)


if __name__ == "__main__":
    unittest.main()
