"""The store in Cassandra, on one real node: the contract of all stores, and a whole run whose exports equal the embedded
store's. Needs FINPIPE (the program) and FINPIPE_CASSANDRA_TESTS (cassandra_store_test)."""

import csv
import io
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "e2e"), str(ROOT / "tools")]

from program import CliTest  # noqa: E402
from services.cache import python_tools  # noqa: E402
from services.cassandra import Cassandra  # noqa: E402

EXPORTS = ("trades", "bars", "revisions", "gaps", "voids", "dead-letters")
# As another program reads an hour's bars.
OTHERS = ("SELECT start, close FROM bars WHERE symbol = 'BINANCE:BTCUSDT' AND interval = '1m' AND bucket = '2024-08' "
          "AND start >= '2024-08-08T23:50:00Z' AND start < '2024-08-09T01:00:00Z'")
READ_BY_PYTHON = """
import sys, json
from cassandra.cluster import Cluster
host, port, keyspace, statement = sys.argv[1:]
session = Cluster([host], port=int(port)).connect(keyspace)
print(json.dumps([[str(cell) for cell in row] for row in session.execute(statement)]))
"""


def setUpModule():
    global server, work
    work = tempfile.TemporaryDirectory(prefix="finpipe-cassandra-")
    unittest.addModuleCleanup(work.cleanup)
    server = Cassandra(pathlib.Path(work.name) / "server").start()
    unittest.addModuleCleanup(server.stop)


class Contract(unittest.TestCase):
    def test_every_promise_of_a_store_holds(self):
        environment = os.environ | {"FINPIPE_CASSANDRA": server.contact_points()}
        done = subprocess.run([os.environ["FINPIPE_CASSANDRA_TESTS"], "--gtest_brief=1"], env=environment,
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout[-8_000:] + done.stderr[-2_000:])


class Run(CliTest):
    def setUp(self):
        super().setUp()
        self.keyspace = f"run_{self._testMethodName[:30]}"
        self.url = f"cassandra://{server.contact_points()}/{self.keyspace}"
        self.finpipe("check", "--create", "--store", self.url)

    def run_both(self, *args):
        """The bundled tape into both stores."""
        feed = f"tape:{ROOT}/data/binance.tape"
        self.run_tape(feed, "--log", "embedded:a/log", "--store", "embedded:a/store", *args)
        return self.run_tape(feed, "--log", "embedded:b/log", "--store", self.url, *args)

    def assert_same_exports(self):
        for what in EXPORTS:
            embedded = self.exported(what, "--log", "embedded:a/log", "--store", "embedded:a/store")
            with self.subTest(export=what):
                self.assertEqual(self.exported(what, "--log", "embedded:b/log", "--store", self.url), embedded)

    def test_exports_equal_those_of_the_embedded_store_and_verify_agrees(self):
        done = self.run_both("--partitions", "2")
        self.assertIn("stored  34,419 trades", done.out)
        self.assert_same_exports()
        self.finpipe("verify", "--log", "embedded:b/log", "--store", self.url)
        # Once more, into a store that has it all: nothing changes.
        self.run_tape(f"tape:{ROOT}/data/binance.tape", "--log", "embedded:b/log", "--store", self.url)
        self.assert_same_exports()
        self.assertEqual([line for line in server.warnings() if self.keyspace in line], [])

    def test_voids_checkpoints_and_resets_work(self):
        self.run_both()
        parts = {"a": ["--log", "embedded:a/log", "--store", "embedded:a/store"],
                 "b": ["--log", "embedded:b/log", "--store", self.url]}
        trade = list(csv.DictReader(io.StringIO(self.exported("trades", *parts["a"]))))[1_000]
        for which in parts.values():
            self.finpipe("void", "--symbol", trade["symbol"], "--event-time", trade["event_time"], "--seq", trade["seq"],
                         "--reason", "a bad print", *which)
        bars = {name: self.exported("bars", *which) for name, which in parts.items()}
        self.assertEqual(bars["a"], bars["b"])
        self.finpipe("verify", *parts["b"])
        for which in parts.values():
            self.finpipe("checkpoint", "reset", *which)
            self.run_tape(f"tape:{ROOT}/data/binance.tape", *which)
        shown = {name: self.finpipe("checkpoint", "show", *which).out for name, which in parts.items()}
        self.assertIn("generation", shown["b"])
        bars = {name: self.exported("bars", *which) for name, which in parts.items()}
        self.assertEqual(bars["a"], bars["b"])
        self.finpipe("verify", *parts["b"])

    def test_others_read_what_the_api_returns(self):
        self.run_both()
        process = self.start("run", "--feed", f"tape:{ROOT}/data/binance.tape", "--log", "embedded:b/log", "--store", self.url,
                             "--listen", "127.0.0.1:0")
        address = next(line for line in process.stdout if "Page and API" in line).split()[-1]
        query = "api/v1/bars?symbol=BINANCE:BTCUSDT&interval=1m&from=2024-08-08T23:50Z&to=2024-08-09T01:00Z"
        deadline = time.monotonic() + 30
        while True:
            with urllib.request.urlopen(address + query, timeout=10) as answer:
                told = [bar["close"] for bar in json.load(answer)["bars"]]
            if len(told) >= 10 or time.monotonic() > deadline:
                break
        process.terminate()
        self.assertEqual(process.wait(30), 0)
        self.assertGreaterEqual(len(told), 10)
        python, (host, port) = python_tools(), server.contact_points().split(":")
        read = subprocess.run([python, "-c", READ_BY_PYTHON, host, port, self.keyspace, OTHERS], capture_output=True, text=True)
        self.assertEqual(read.returncode, 0, read.stderr)
        self.assertEqual([row[1] for row in json.loads(read.stdout)], told)
        printed = server.cqlsh(f"USE {self.keyspace}", OTHERS)
        closes = [line.split("|")[1].strip() for line in printed.splitlines() if line.strip().startswith("2024-")]
        self.assertEqual(closes, told)
        # No key of a table is needed to know what there is.
        listed = server.cqlsh(f"USE {self.keyspace}", "SELECT symbol FROM symbols WHERE pipeline = 'finpipe'",
                              "SELECT kind, bucket FROM series WHERE symbol = 'BINANCE:BTCUSDT'",
                              "SELECT writer, session, in_log, stored FROM ledger WHERE partition = 0")
        for word in ("BINANCE:ETHUSDT", "1s | 2024-08-08", "1d |       2024", "34419"):
            self.assertIn(word.replace(" ", ""), listed.replace(" ", ""))


class Check(CliTest):
    def test_keyspaces_and_tables_that_are_missing_have_their_own_codes(self):
        url = f"cassandra://{server.contact_points()}/not_there"
        self.assertRegex(self.finpipe("check", "--store", url, expect=1).out, r"FAULT +store\.no_keyspace .*\(E903\)")
        self.assertIn("E903 no_keyspace", self.finpipe("export", "bars", "--store", url, expect=1).err)
        server.cqlsh("CREATE KEYSPACE empty_one WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}")
        done = self.finpipe("export", "bars", "--store", f"cassandra://{server.contact_points()}/empty_one", expect=1)
        self.assertIn("E904 schema_missing", done.err)
        self.assertIn("check --create", done.err)

    def test_a_keyspace_of_a_newer_program_is_refused(self):
        url = f"cassandra://{server.contact_points()}/newer"
        self.finpipe("check", "--create", "--store", url)
        server.cqlsh("INSERT INTO newer.schema_versions (pipeline, version) VALUES ('finpipe', 99)")
        self.assertIn("E905 schema_version", self.finpipe("export", "bars", "--store", url, expect=1).err)
        said = self.finpipe("check", "--create", "--store", url, expect=1).out
        self.assertRegex(said, r"FAULT +store\.schema_version .*\(E905\)")

    def test_levels_that_do_not_overlap_are_refused(self):
        url = f"cassandra://{server.contact_points()}/weak"
        self.finpipe("check", "--create", "--store", url)
        server.cqlsh("ALTER KEYSPACE weak WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 2}")
        done = self.finpipe("export", "bars", "--store", url, "--cassandra-read-consistency", "ONE",
                            "--cassandra-write-consistency", "ONE", expect=1)
        self.assertIn("E906 weak_consistency", done.err)

    def test_retention_is_set_and_changed(self):
        url = f"cassandra://{server.contact_points()}/kept"
        self.finpipe("check", "--create", "--store", url)
        self.finpipe("check", "--create", "--store", url, "--cassandra-keep-ticks", "30", "--cassandra-keep-bars-1s", "7")
        described = {table: server.cqlsh(f"DESCRIBE TABLE kept.{table}") for table in ("ticks", "bars_1s", "bars")}
        self.assertIn("default_time_to_live = 2592000", described["ticks"])
        self.assertIn("'compaction_window_size': '24'", described["ticks"])
        self.assertIn("default_time_to_live = 604800", described["bars_1s"])
        self.assertIn("default_time_to_live = 0", described["bars"])


if __name__ == "__main__":
    unittest.main()
