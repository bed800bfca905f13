"""A cluster that cannot be reached: trades go on into the log, `/readyz` says why, and all of it is stored afterwards."""

import json
import pathlib
import shutil
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "e2e"), str(ROOT / "tools")]

from program import CliTest  # noqa: E402
from services.cassandra import Cassandra  # noqa: E402

RESIDENT_MIB = 400


class Outage(CliTest):
    @classmethod
    def setUpClass(cls):
        cls.work = pathlib.Path(tempfile.mkdtemp(prefix="finpipe-outage-"))
        cls.addClassCleanup(shutil.rmtree, cls.work, ignore_errors=True)
        cls.server = Cassandra(cls.work / "server", proxied=True).start()
        cls.addClassCleanup(cls.server.stop)

    def setUp(self):
        super().setUp()
        self.addCleanup(lambda: self.server.proxies[1].unblock())
        self.parts = ["--log", "embedded:log", "--store", f"cassandra://{self.server.contact_points()}/{self._testMethodName[:40]}"]
        self.finpipe("check", "--create", *self.parts)

    def start_live(self):
        process = self.start("run", "--feed", f"sim:{ROOT}/data/binance.tape", *self.parts, "--listen", "127.0.0.1:0")
        self.address = next(line for line in process.stdout if "Page and API" in line).split()[-1]
        self.wait_for(lambda: self.get("readyz")[0] == 200)
        self.wait_for(lambda: self.metric("finpipe_processor_backlog_records") < 100)
        return process

    def get(self, path):
        try:
            with urllib.request.urlopen(self.address + path, timeout=20) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def metric(self, name):
        lines = self.get("metrics")[1].splitlines()
        return next(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(f"{name} "))

    def block(self):
        self.server.proxies[1].block()
        self.wait_for(lambda: self.get("readyz")[0] == 503)
        self.assertIn("Cassandra", self.get("readyz")[1])
        self.assertEqual(self.metric("finpipe_store_trouble"), 1)

    def test_what_came_meanwhile_is_stored_afterwards(self):
        process = self.start_live()
        self.block()
        received = self.metric("finpipe_ingest_trades_received_total")
        begin = time.monotonic()
        code, told = self.get("api/v1/bars?symbol=BINANCE:BTCUSDT&interval=1m")
        self.assertEqual((code, "E900" in told or "store_unreachable" in told), (503, True), told)
        self.assertLess(time.monotonic() - begin, 5)
        self.wait_for(lambda: self.metric("finpipe_ingest_trades_received_total") > received + 100)
        self.assertEqual(self.get("healthz")[0], 200)
        self.assertLess(self.metric("finpipe_process_resident_bytes"), RESIDENT_MIB << 20)
        self.server.proxies[1].unblock()
        self.wait_for(lambda: self.get("readyz")[0] == 200)
        self.assertEqual(self.metric("finpipe_store_trouble"), 0)
        self.wait_for(lambda: self.metric("finpipe_processor_backlog_records") < 100)
        self.assertTrue(json.loads(self.get("api/v1/bars?symbol=BINANCE:BTCUSDT&interval=1m")[1])["bars"])
        process.terminate()
        _, told = process.communicate(timeout=30)
        self.assertEqual(process.returncode, 0, told)
        self.finpipe("verify", *self.parts)

    def test_a_stop_meanwhile_does_not_wait_and_the_next_start_stores_the_rest(self):
        process = self.start_live()
        self.block()
        begin = time.monotonic()
        process.terminate()
        _, told = process.communicate(timeout=30)
        self.assertEqual(process.returncode, 0, told)
        self.assertLess(time.monotonic() - begin, 15)
        self.assertIn("next start", told)
        self.server.proxies[1].unblock()
        process = self.start_live()
        process.terminate()
        process.communicate(timeout=30)
        self.finpipe("verify", *self.parts)


if __name__ == "__main__":
    unittest.main()
