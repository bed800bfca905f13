"""`finpipe load` on real Kafka and Cassandra: into the log, on into the store, and as a pipeline's vendor."""

import json
import subprocess
import unittest

import pipeline
from pipeline import PROGRAM, Side, output_of
from services.addresses import reserve_port

PARTITIONS = 3
SHORT = ("--rate", 2000, "--seconds", 2, "--warm-up", 1, "--symbols", 20)
AWAITED, WARM_UP = 6000, 2000


class Load(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.servers = pipeline.Servers(cls)

    def parts(self, name):
        self.servers.create(name, PARTITIONS)
        return self.servers.parts(name)

    def assert_whole(self, report):
        run = report["run"]
        self.assertEqual((run["sent"], run["arrived"], run["missing"]), (AWAITED, AWAITED, 0))
        # Those due after the warm-up: a frame of at most ten trades may begin before.
        self.assertAlmostEqual(run["latency"]["count"], AWAITED - WARM_UP, delta=10)
        self.assertGreater(run["latency"]["p50_ms"], 0)

    def load(self, target, *args):
        return json.loads(output_of(PROGRAM, "load", target, *SHORT, "--json", *args))

    def test_into_the_log(self):
        parts = self.parts("log")
        report = self.load("log", *parts[:2])
        self.assert_whole(report)
        self.assertEqual(report["accounts"]["appended"], AWAITED)
        self.assert_whole(self.load("log", *parts[:2]))  # and again

    def test_until_the_store_has_the_bars(self):
        parts = self.parts("bars")
        self.assert_whole(self.load("bars", *parts))
        self.assertEqual(output_of(PROGRAM, "export", "trades", *parts).count(b"\n"), 1 + AWAITED)
        self.assertTrue(self.servers.published_bars("bars"))
        output_of(PROGRAM, "verify", *parts)

    def test_into_a_store_alone(self):
        parts = self.parts("store")
        # The rate is that of the whole tape, which begins slowly.
        run = self.load("store", *parts[2:], "--flow", "tape")["run"]
        self.assertEqual((run["arrived"], run["missing"]), (run["sent"], 0))
        self.assertGreater(run["sent"], AWAITED / 2)
        self.assertEqual(output_of(PROGRAM, "export", "trades", *parts[2:]).count(b"\n"), 1 + run["sent"])

    def test_data_that_no_load_made_is_not_touched(self):
        parts = self.parts("real")
        output_of(PROGRAM, "run", "--feed", f"tape:{pipeline.TAPE}", "--exit-at-end", *parts)
        before = pipeline.exports(parts)
        for target, where in (("log", parts[:2]), ("bars", parts), ("store", parts[2:])):
            done = subprocess.run([PROGRAM, "load", target, *where], capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stdout), (1, ""), done.stderr)
            self.assertIn("E500 origin_mismatch", done.stderr)
        self.assertEqual(pipeline.exports(parts), before)

    def test_sides_of_their_own_under_load(self):
        """The vendor is the load's; ingest, two processes and a server are others."""
        parts = self.parts("sides")
        api, vendor = (f"127.0.0.1:{reserve_port()}" for _ in range(2))
        load = Side(self, "load", "websocket", *SHORT, "--json", "--stream", f"ws://{api}", listen=vendor)
        self.assertTrue(pipeline.wait_until(lambda: "--symbols" in load.text(), 60), load.text())
        feed = next(line for line in load.text().splitlines() if "--symbols" in line).split()
        for _ in range(2):
            Side(self, "process", *parts).started()
        Side(self, "serve", *parts, listen=api).started()
        Side(self, "ingest", *feed, *parts[:2]).started()
        load.ended()
        report = json.loads(load.text().splitlines()[-1])
        self.assert_whole(report)
        self.assertEqual(report["run"]["connections_lost"], 0)


if __name__ == "__main__":
    unittest.main()
