"""A live run that is killed and started again, and a vendor that is stopped: what is stored, what the bars say, and
what a client of the stream ends with. FINPIPE_SEED replays a failure."""

import os
import random
import signal
import time
import unittest

from feed_truth import Judgement, read_bars, read_gaps, rows
from live import SYMBOLS, TAPE, TIME_SCALE, LiveTest
from reference_bars import INTERVALS_MS
from stream_follower import FINAL, StreamFollower

SEED = int(os.environ.get("FINPIPE_SEED", "20240809"))
PATIENT = 0.2  # of the vendor's timers: a busy machine is no stall
SERIES = [(symbol, interval) for symbol in SYMBOLS for interval in ("1s", "1m")]


def as_exported(bar):
    """A bar of the stream in the words of the export."""
    fields = {name: bar[name] or "" for name in ("open", "high", "low", "close", "volume", "vwap")}
    numbers = {name: str(bar[name]) for name in ("trades", "missing_ms", "revision")}
    return {**fields, **numbers, "state": bar["state"], "flags": "+".join(bar["flags"])}


class LiveRestart(LiveTest):
    def serve(self, time_scale):
        """A run that serves, once its feed is connected; and its page."""
        run = self.run_live("--listen", "127.0.0.1:0", time_scale=time_scale)
        page = self.page_of(run)
        self.wait_until(lambda: self.feed_state(page) == "connected", "the feed", [run, self.simulator])
        return run, page

    def final_seconds(self, follower, after_ms):
        return sum(interval == "1s" and start >= after_ms for _, interval, start in follower.finals())

    def exported_finals(self):
        names = ("open", "high", "low", "close", "volume", "vwap", "trades", "missing_ms", "revision", "state", "flags")
        return {
            window: {name: row[name] for name in names}
            for window, row in read_bars(self.exported("bars")).items()
            if row["state"] in FINAL and window[:2] in SERIES
        }

    def has_finals(self, after_ms):
        return any(start >= after_ms for *_, start in self.exported_finals())

    def judge(self, ended_ms):
        self.assert_verified()
        judgement = Judgement(TAPE, self.record, self.exports(), ended_ms)
        self.assertFalse(judgement.problems, f"FINPIPE_SEED={SEED}\n" + "\n".join(judgement.problems))
        return judgement

    def test_killed_and_restarted_it_goes_on_and_the_outage_is_a_gap(self):
        moments = random.Random(SEED)
        self.simulate()
        run, page = self.serve(PATIENT)
        follower = StreamFollower(SERIES)
        self.addCleanup(follower.end)
        follower.follow(page)
        follower.start()
        killed_ms = 0
        for stays_away in (False, True):
            finals = moments.randint(2, 6)
            self.wait_until(
                lambda: self.final_seconds(follower, killed_ms) >= finals, "final bars", [run, self.simulator]
            )
            time.sleep(moments.uniform(0, 1))
            run.send_signal(signal.SIGKILL)
            run.wait()
            follower.follow(None)
            killed_ms = time.time() * 1_000
            run, page = self.serve(PATIENT)
            if stays_away:
                self.wait_until(lambda: self.has_finals(killed_ms), "bars that the client misses", [run])
            follower.follow(page)
        self.wait_until(lambda: self.final_seconds(follower, killed_ms) >= 4, "bars after it", [run, self.simulator])

        # Without a vendor nothing more is traded, and bars become final: client and store have to agree then.
        ended_ms = time.time() * 1_000
        self.end(self.simulator)
        last_ms = max(start for symbol, interval, start in read_bars(self.exported("bars")) if interval == "1s")

        def told_and_stored():
            told = {window: as_exported(bar) for window, bar in follower.finals().items()}
            return told if told == self.exported_finals() and max(start for *_, start in told) >= last_ms else None

        told = self.wait_until(told_and_stored, "the client to have what the store has", [run])
        follower.end()
        self.end(run)
        self.assertGreater(len(told), 10)
        self.assertEqual(follower.errors, [])
        self.assertGreaterEqual(follower.connections, 3)

        judgement = self.judge(ended_ms)
        heard = [connection for connection in judgement.connections if connection.taken > 0]
        self.assertEqual(len(heard), 3)
        for symbol in SYMBOLS:
            reasons = [row["reason"] for row in rows(self.exported("gaps")) if row["symbol"] == symbol]
            self.assertEqual(reasons.count("restart"), 2, reasons)
        self.assertGreater(judgement.unflagged["1s"], 0)

    def test_a_stopped_vendor_is_seen_and_its_bars_say_so(self):
        self.simulate()
        run, page = self.serve(TIME_SCALE)
        both = (run, self.simulator)
        self.wait_until(lambda: self.exported_finals(), "final bars", both)
        stopped_ms = time.time() * 1_000
        self.simulator.send_signal(signal.SIGSTOP)
        self.wait_until(lambda: self.feed_state(page) in ("disconnected", "stalled"), "the loss", [run])
        self.simulator.send_signal(signal.SIGCONT)
        continued_ms = time.time() * 1_000
        self.wait_until(lambda: self.feed_state(page) == "connected", "the vendor again", both)
        settled_ms = time.time() * 1_000
        self.wait_until(lambda: self.has_finals(settled_ms), "bars after it", both)
        ended_ms = time.time() * 1_000
        self.end(run)
        self.end(self.simulator)

        self.judge(ended_ms)
        met = 0
        for (_, interval, start), row in read_bars(self.exported("bars")).items():
            if start < continued_ms and start + INTERVALS_MS[interval] > stopped_ms:
                met += 1
                self.assertIn("gap", row["flags"].split("+"), row)
        self.assertGreaterEqual(met, len(SYMBOLS) * 5)  # the long intervals at least
        for spans in read_gaps(self.exported("gaps")).values():
            self.assertTrue(any(begin <= stopped_ms and continued_ms <= end for begin, end in spans), spans)

    def test_what_was_missed_around_an_orderly_end_in_an_outage_is_stated_by_the_next_run(self):
        self.simulate()
        run, page = self.serve(TIME_SCALE)
        self.wait_until(lambda: self.exported_finals(), "final bars", [run, self.simulator])
        stopped_ms = time.time() * 1_000
        self.simulator.send_signal(signal.SIGSTOP)
        self.wait_until(lambda: self.feed_state(page) in ("disconnected", "stalled"), "the loss", [run])
        self.end(run)
        self.simulator.send_signal(signal.SIGCONT)
        started_ms = time.time() * 1_000
        run, page = self.serve(TIME_SCALE)
        self.wait_until(lambda: self.has_finals(started_ms), "bars after it", [run, self.simulator])
        ended_ms = time.time() * 1_000
        self.end(run)
        self.end(self.simulator)

        self.judge(ended_ms)
        for spans in read_gaps(self.exported("gaps")).values():
            self.assertTrue(any(begin <= stopped_ms and started_ms <= end for begin, end in spans), spans)


if __name__ == "__main__":
    unittest.main()
