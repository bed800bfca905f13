"""What the sides of a pipeline on Kafka and Cassandra tell monitoring while all is well, while Cassandra stands still, and
once nothing is received any more. A scrape waits for nobody."""

import re
import subprocess
import time
import unittest

import pipeline

pipeline.use_python_tools()

import confluent_kafka  # noqa: E402
from pipeline import PROGRAM, TAPE, Side  # noqa: E402
from program import scrape  # noqa: E402

PARTITIONS = 3
SCRAPE_S = 2


class Metrics(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.servers = pipeline.Servers(cls)

    def simulator(self):
        """A feed of the test's own; its URL."""
        command = [PROGRAM, "simulate", "--tape", TAPE, "--rebase", "--loop"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return re.search(r"ws://127\.0\.0\.1:\d+", process.stdout.readline())[0]

    def sides(self, name):
        self.servers.create(name, PARTITIONS)
        parts = self.servers.parts(name)
        feed = ["--feed", self.simulator(), "--symbols", "BINANCE:BTCUSDT,BINANCE:ETHUSDT"]
        words = {"ingest": [*feed, *parts[:2]], "process": parts, "serve": parts}
        return {side: Side(self, side, *words[side], listen="127.0.0.1:0").started() for side in words}

    def scrape(self, side):
        begin = time.monotonic()
        page = scrape(self.running[side].address())
        self.assertLess(time.monotonic() - begin, SCRAPE_S, "a scrape waited")
        return {series.removeprefix("finpipe_"): value for series, value in page.items()}

    def wait_for(self, side, condition, patience_s=60):
        seen = {}

        def holds():
            seen.clear()
            seen.update(self.scrape(side))
            return condition(seen)

        if not pipeline.wait_until(holds, patience_s):
            self.fail(f"{side}: {seen}\n{self.running[side].text()}")
        return dict(seen)

    @staticmethod
    def backlog(page):
        return sum(value for name, value in page.items() if name.startswith("processor_backlog_records"))

    def test_what_each_side_tells(self):
        self.running = self.sides("told")
        self.all_is_well()
        self.a_record_is_none_of_ours()
        self.cassandra_stands_still()
        self.another_shares_the_partitions()
        self.nothing_is_received()

    def all_is_well(self):
        ingest = self.wait_for("ingest", lambda page: page["feed_connected"] == 1 and page["ingest_trades_appended_total"] > 0)
        self.assertEqual(ingest["feed_silence_seconds"], 0)
        self.assertLess(ingest["heartbeat_age_seconds"], 3)
        self.assertLess(ingest["feed_last_frame_age_seconds"], 5)
        self.assertIn('feed_lag_seconds{market="crypto"}', ingest)
        self.assertEqual(ingest["kafka_brokers_up"], 1)
        self.assertNotIn('processor_backlog_records{partition="0"}', ingest)
        clocks = [f'processor_clock_seconds{{partition="{partition}"}}' for partition in range(PARTITIONS)]
        for side in "process", "serve":
            page = self.wait_for(side, lambda page: page["feed_connected"] == 1 and page["processor_gaps_open"] == 0
                                 and page['ledger_trades{term="stored"}'] > 0 and all(clock in page for clock in clocks))
            self.assertLess(page["heartbeat_age_seconds"], 5)
            self.assertEqual(page["ledger_balanced"], 1)
            self.assertLess(self.backlog(page), 1_000)
            for clock in clocks:
                self.assertAlmostEqual(page[clock], time.time(), delta=10)
            self.assertEqual(page['disk_size_bytes{use="log"}'], 0)
        process = self.wait_for("process", lambda page: page["processor_close_delay_seconds_count"] > 0)
        self.assertGreater(process["store_commit_rows_count"], 0)
        self.assertLess(process["processor_commit_age_seconds"], 5)
        # Of bars; nothing else is written there.
        process = self.wait_for("process", lambda page: page['kafka_append_latency_seconds{percentile="99"}'] > 0)
        self.assertGreater(process["kafka_records_written_total"], 0)
        for side, interval_s in ("ingest", 0), ("process", 0.25), ("serve", 2):
            page = self.wait_for(side, lambda page: page["ready"] == 1)
            self.assertEqual(page["commit_interval_seconds"], interval_s)
            self.assertEqual(page["registry_trouble"], 0)

    def a_record_is_none_of_ours(self):
        """A process keeps it; `serve` passes over it."""
        letters = lambda page: sum(n for name, n in page.items() if name.startswith("processor_dead_lettered_total"))  # noqa: E731
        producer = confluent_kafka.Producer({"bootstrap.servers": self.servers.kafka.contact_points()})
        producer.produce("told.ticks", b"something else", b"BINANCE:BTCUSDT", 0)
        self.assertEqual(producer.flush(30), 0)
        self.wait_for("process", lambda page: letters(page) == 1)
        applied = self.scrape("serve")["processor_records_total"]
        serve = self.wait_for("serve", lambda page: page["processor_records_total"] > applied + 20 and self.backlog(page) < 20)
        self.assertEqual(letters(serve), 0)

    def cassandra_stands_still(self):
        self.servers.cassandra.pause()
        try:
            page = self.wait_for("process", lambda page: page["store_trouble"] == 1 and page["processor_commit_age_seconds"] > 10)
            self.assertGreater(page["store_commits_in_flight"], 0)
            self.assertEqual(page["ready"], 0)
            # What the log gets is known, though nothing of it is read.
            before = self.backlog(page)
            self.wait_for("process", lambda page: self.backlog(page) > before + 20)
            page = self.wait_for("serve", lambda page: page["processor_commit_age_seconds"] > 10)
            self.assertEqual(page["kafka_brokers_up"], 1, "it is Cassandra that is away")
            self.assertLess(self.scrape("ingest")["heartbeat_age_seconds"], 3)
        finally:
            self.servers.cassandra.resume()
        page = self.wait_for("process", lambda page: page["processor_commit_age_seconds"] < 3 and self.backlog(page) < 100)
        self.assertGreater(page["processor_commit_seconds_sum"], 10)

    def another_shares_the_partitions(self):
        rebalances = "kafka_rebalances_total"
        self.assertEqual({side: self.scrape(side)[rebalances] for side in self.running}, {"ingest": 0, "process": 1, "serve": 0})
        self.running["another"] = Side(self, "process", *self.servers.parts("told"), listen="127.0.0.1:0").started()
        joined = self.wait_for("process", lambda page: page[rebalances] > 1)[rebalances]
        self.wait_for("another", lambda page: page[rebalances] > 0)
        self.running.pop("another").stop()
        self.wait_for("process", lambda page: page[rebalances] > joined)

    def nothing_is_received(self):
        self.running["ingest"].stop()
        for side in "process", "serve":
            self.wait_for(side, lambda page: page["heartbeat_age_seconds"] > 5)


if __name__ == "__main__":
    unittest.main()
