"""A cluster that cannot be reached: trades go on into the log, `/readyz` says why, and all of it is stored afterwards."""

import json
import pathlib
import shutil
import tempfile
import time
import unittest

from live_store import LiveStoreTest  # noqa: I001  (it finds the two below)
from live import resident_bytes
from services.cassandra import Cassandra

RESIDENT_MIB = 400


class Outage(LiveStoreTest):
    @classmethod
    def setUpClass(cls):
        cls.work = pathlib.Path(tempfile.mkdtemp(prefix="finpipe-outage-"))
        cls.addClassCleanup(shutil.rmtree, cls.work, ignore_errors=True)
        cls.server = Cassandra(cls.work / "server", proxied=True).start()
        cls.addClassCleanup(cls.server.stop)

    def setUp(self):
        super().setUp()
        self.addCleanup(self.server.proxies[1].unblock)

    def block(self):
        self.server.proxies[1].block()
        self.wait_until(lambda: self.ask("/readyz")[0] == 503, "it to say that it is not ready")
        self.assertIn("Cassandra", self.ask("/readyz")[1])
        self.wait_until(lambda: self.metric("finpipe_store_trouble") == 1, "the metric to say so")

    def test_what_came_meanwhile_is_stored_afterwards(self):
        self.use(self.server, "meanwhile")
        run = self.start_live()
        self.block()
        received = self.metric("finpipe_ingest_trades_received_total")
        begin = time.monotonic()
        code, told = self.ask("/api/v1/bars?symbol=BINANCE:BTCUSDT&interval=1m")
        self.assertEqual(code, 503, told)
        self.assertLess(time.monotonic() - begin, 5)
        self.wait_until(lambda: self.metric("finpipe_ingest_trades_received_total") > received + 500, "trades", [run])
        self.assertEqual(self.ask("/healthz")[0], 200)
        self.assertLess(resident_bytes(run), RESIDENT_MIB << 20)
        self.server.proxies[1].unblock()
        self.wait_until(lambda: self.ask("/readyz")[0] == 200, "it to be ready again", [run])
        self.wait_until(lambda: self.metric("finpipe_store_trouble") == 0, "the metric to say so", [run])
        self.assertTrue(json.loads(self.ask("/api/v1/bars?symbol=BINANCE:BTCUSDT&interval=1m")[1])["bars"])
        self.end(run)
        self.assert_verified()

    def test_a_run_that_begins_meanwhile_takes_trades_and_stores_them_afterwards(self):
        self.use(self.server, "begins")
        self.simulate("--speed", "5")
        self.server.proxies[1].block()
        run = self.run_live(*self.parts, "--listen", "127.0.0.1:0")
        self.page = self.page_of(run)
        self.wait_until(lambda: self.metric("finpipe_ingest_trades_received_total") > 500, "trades", [run])
        code, told = self.ask("/readyz")
        self.assertEqual(code, 503, told)
        self.assertIn("the store is in trouble", told)
        self.assertEqual(self.ask("/api/v1/bars?symbol=BINANCE:BTCUSDT&interval=1m")[0], 503)
        self.server.proxies[1].unblock()
        self.wait_until(lambda: self.ask("/readyz")[0] == 200, "it to be ready", [run])
        self.wait_until(lambda: self.rows_written() > 500, "rows in the store", [run])
        self.end(run)
        self.assert_verified()

    def test_a_stop_meanwhile_does_not_wait_and_the_next_start_stores_the_rest(self):
        self.use(self.server, "stopped")
        run = self.start_live()
        self.block()
        begin = time.monotonic()
        self.end(run)
        self.assertLess(time.monotonic() - begin, 15)
        self.assertIn("next start", run.output.read_text())
        self.server.proxies[1].unblock()
        self.end(self.start_live())
        self.assert_verified()


if __name__ == "__main__":
    unittest.main()
