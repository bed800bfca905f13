"""What a run does when the vendor does not upgrade its connection: it says what happened and what it waits for, waits
as long as docs promise (src/feeds/README.md), and goes on once the vendor is well. All timers are scaled.
"""

import threading
import time
import unittest

from live_run import SYMBOLS, LiveTest
from program import frame, trade
from vendor import Vendor, http

SCALE = 0.05
REFUSED_FLOOR_S = 30 * SCALE
TOO_MANY_FLOOR_S = 75 * SCALE
CONNECT_TIMEOUT_S = 30 * SCALE
# The client's time for an attempt begins before the server has read its request.
SLACK_S = 0.25

PAGE_524 = "<!DOCTYPE html><html><head><title>finnhub.io | 524: A timeout occurred</title></head><body>…</body></html>"


class FeedUpgrades(LiveTest):
    def vendor_that_heals(self, refusal):
        """Gives every request that answer until `self.healthy` is set; from then on it is a good vendor."""
        self.healthy = threading.Event()

        def serve(socket):
            symbols = socket.symbols(len(SYMBOLS))
            socket.send(frame(*(trade("1.5", int(time.time() * 1_000), symbol) for symbol in symbols)))
            socket.wait_for_end()

        vendor = Vendor(lambda request: serve if self.healthy.is_set() else refusal)
        self.addCleanup(vendor.close)
        return vendor

    def assert_waits_and_heals(self, refusal, detail, log, floor_s, asking_s=0):
        """`detail` matches the status while it waits, its first group the seconds; `log` are parts of one line. An
        attempt itself takes at least asking_s.
        """
        vendor = self.vendor_that_heals(refusal)
        run = self.live_run(vendor.url, "--feed-time-scale", SCALE)
        waits = run.wait_for_detail(detail)
        self.assertGreaterEqual(float(waits[1]), floor_s)
        status = run.status()
        self.assertEqual(status["feed"]["state"], "disconnected")
        self.assertEqual(status["trades"]["received"], 0)
        self.wait_until(lambda: len(vendor.requests) >= 3)
        self.healthy.set()
        run.wait_for_trades(len(SYMBOLS))
        self.assertEqual(run.status()["feed"]["detail"], "connected, 2 symbols subscribed")
        at = [request.at for request in vendor.requests]
        for earlier, later in zip(at, at[1:]):
            self.assertGreaterEqual(later - earlier, asking_s + floor_s - SLACK_S)
        lines = [line for line in run.log.splitlines() if "feed cannot connect" in line]
        self.assertGreaterEqual(len(lines), 2, run.log)
        for part in log:
            self.assertIn(part, lines[0])
        self.assertIn("feed connected", run.log)
        self.assertEqual(run.stop(), 0, run.log)

    def test_401_ends_the_run_and_names_the_key_as_remedy(self):
        port = self.simulate("--token", "the-right-key")
        run = self.live_run(f"ws://127.0.0.1:{port}", key="the-wrong-key-0123456789")
        self.assertEqual(run.wait_for_end(), 1)
        last = run.log.splitlines()[-1]
        self.assertIn("E720 unauthorized", last)
        self.assertIn("FINNHUB_API_KEY", last)
        self.assertIn("Invalid API key.", last)
        self.assertEqual(self.control(port, "status").count('"refused":1,'), 1)

    def test_401_after_good_times_ends_the_run_with_all_that_was_received_stored(self):
        port = self.simulate()
        run = self.live_run(f"ws://127.0.0.1:{port}", "--feed-time-scale", SCALE)
        run.wait_for_trades()
        self.control(port, "fault", {"kind": "refuse", "status": 401, "drop": True})
        self.assertEqual(run.wait_for_end(), 1)
        self.assertIn("E720 unauthorized", run.log.splitlines()[-1])
        self.finpipe("verify")
        self.assertGreater(len(self.rows("trades")), 0)

    def test_429_without_retry_after_waits_for_the_old_connection_to_be_forgotten(self):
        self.assert_waits_and_heals(
            http(429, "Too Many Requests", '{"error":"API limit reached."}'),
            r"429: waiting (\S+) s; the vendor allows one connection a key",
            ("E721 too_many_requests", "API limit reached.", "One connection a key", "429: waiting"),
            TOO_MANY_FLOOR_S,
        )

    def test_429_with_retry_after_waits_as_long_as_it_asks(self):
        self.assert_waits_and_heals(
            http(429, "Too Many Requests", "", "Retry-After: 40"),
            r"429: waiting (\S+) s; the vendor asked for a pause",
            ("E721 too_many_requests", "429: waiting 2 s"),
            40 * SCALE,
        )

    def test_a_retry_after_that_cannot_be_meant_is_bounded(self):
        vendor = self.vendor_that_heals(http(429, "Too Many Requests", "", "Retry-After: 99999999999999"))
        run = self.live_run(vendor.url, "--feed-time-scale", SCALE)
        waits = run.wait_for_detail(r"429: waiting (\S+) s; the vendor asked for a pause")
        self.assertEqual(float(waits[1]), 900 * SCALE)
        self.assertEqual(run.stop(), 0)

    def test_200_without_upgrade_is_told_and_tried_again_slowly(self):
        self.assert_waits_and_heals(
            http(200, "OK", "<html>Welcome to the hotel's WLAN</html>", "Content-Type: text/html"),
            r"HTTP 200 instead of a WebSocket: waiting (\S+) s; trouble at the vendor, or a proxy in between",
            ("E722 upgrade_refused", "status 200: <html>Welcome to the hotel's WLAN", "Check the address and proxies"),
            REFUSED_FLOOR_S,
        )

    def test_524_is_told_and_tried_again_slowly(self):
        self.assert_waits_and_heals(
            http(524, "", PAGE_524, "Content-Type: text/html", "Server: cloudflare"),
            r"HTTP 524 instead of a WebSocket: waiting (\S+) s; trouble at the vendor, or a proxy in between",
            ("E722 upgrade_refused", "status 524", "5xx is trouble at the vendor"),
            REFUSED_FLOOR_S,
        )

    def test_500_is_told_and_tried_again_slowly(self):
        self.assert_waits_and_heals(
            http(500, "Internal Server Error"),
            r"HTTP 500 instead of a WebSocket: waiting (\S+) s; trouble at the vendor, or a proxy in between",
            ("E722 upgrade_refused", "(status 500)"),
            REFUSED_FLOOR_S,
        )

    def test_no_answer_is_given_up_and_tried_again_slowly(self):
        self.assert_waits_and_heals(
            None,
            r"no answer: waiting (\S+) s",
            ("E702 timed_out", "upgrade not done within 1500 ms"),
            REFUSED_FLOOR_S,
            asking_s=CONNECT_TIMEOUT_S,
        )


if __name__ == "__main__":
    unittest.main()
