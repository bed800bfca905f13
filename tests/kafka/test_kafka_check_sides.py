"""What `finpipe check` says of a pipeline whose sides are processes of their own, on Kafka and Cassandra: it takes nobody's
connection, blames nobody for another's fault, and makes topics and tables also beside faults."""

import json
import re
import subprocess
import unittest
import urllib.request

import pipeline
from check_lines import Checked  # beside `pipeline`, which has put it on the path
from pipeline import PROGRAM, TAPE, Side

PARTITIONS = 2
KEY = "a-key-of-this-test"
PATIENCE_S = 120


class CheckSides(unittest.TestCase):
    def setUp(self):
        servers = pipeline.Servers(type(self))
        servers.create("sides", PARTITIONS)
        self.cassandra = servers.cassandra
        self.record = servers.work / "record"
        parts = servers.parts("sides")
        self.settings = {"feed": self.simulator(), "symbols": "BINANCE:BTCUSDT", "log": parts[1], "store": parts[3]}
        self.environment = pipeline.environment(**self.settings, listen="none") | {"FINNHUB_API_KEY": KEY}
        self.sides = {side: Side(self, side, listen="127.0.0.1:0", env=self.environment).started()
                      for side in ("ingest", "process", "serve")}

    def simulator(self):
        process = subprocess.Popen([PROGRAM, "simulate", "--tape", TAPE, "--rebase", "--loop", "--token", KEY, "--record",
                                    self.record], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return re.search(r"ws://127\.0\.0\.1:\d+", process.stdout.readline())[0]

    def inject(self, **fault):
        url = self.settings["feed"].replace("ws:", "http:") + "/control/fault"
        urllib.request.urlopen(url, json.dumps(fault).encode(), PATIENCE_S).close()

    def check(self, *words):
        done = subprocess.run([PROGRAM, "check", *words], env=self.environment, capture_output=True, text=True,
                              timeout=PATIENCE_S)
        return Checked(self, done.stdout, done.returncode)

    def check_serve(self):
        return self.check("--service", self.sides["serve"].address().rstrip("/"))

    def metric(self, side, name):
        with urllib.request.urlopen(self.sides[side].address() + "metrics", timeout=PATIENCE_S) as answer:
            return float(re.search(rf"^finpipe_{name} (\S+)$", answer.read().decode(), re.M)[1])

    def wait_until(self, condition, what):
        self.assertTrue(pipeline.wait_until(condition, PATIENCE_S), what)

    def test_what_it_says(self):
        self.wait_until(lambda: not self.check_serve().faults(), "all to be well")
        self.assertEqual(self.metric("ingest", "log_pending_limit_bytes"), 64 << 20)
        self.nobody_stores()
        self.a_fresh_dead_letter_and_create()

    def nobody_stores(self):
        """The ingest goes on; no heartbeat of it comes to the store."""
        self.sides["process"].kill()
        self.wait_until(lambda: self.metric("serve", "processor_commit_age_seconds") > 20, "commits to stay away")
        self.check_serve().assert_fault("processor.not_running", "has waited for")
        self.cassandra.pause()
        try:
            for words, said in (((), "it can be reached"), (("--try-feed",), "not connected to, since the log has new records")):
                checked = self.check(*words).assert_fault("store.store_unreachable", "E900")
                self.assertIn(said, checked.said)
        finally:
            self.cassandra.resume()
        self.assertEqual(self.record.read_bytes().count(b'"event":"open"'), 1, "the ingest lost its connection")
        self.sides["process"] = Side(self, "process", listen="127.0.0.1:0", env=self.environment).started()
        self.wait_until(lambda: not self.check_serve().faults(), "all to be well again")

    def a_fresh_dead_letter_and_create(self):
        self.inject(kind="malformed", variant="negative_price")
        self.wait_until(lambda: self.check().faults(), "a dead letter")
        self.check().assert_fault("dead_letters.bad_price", "1 in the last 15 minutes")
        self.check("--create").assert_no_fault().assert_warning("dead_letters.bad_price", "1 in the last 15 minutes")


if __name__ == "__main__":
    unittest.main()
