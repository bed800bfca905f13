"""A pipeline on Kafka: in one process, and as processes of its own on Kafka and Cassandra. What it makes of a tape is what
embedded parts make of it."""

import collections
import csv
import datetime
import io
import json
import subprocess
import unittest
import urllib.error
import urllib.request

import pipeline
from pipeline import PROGRAM, TAPE, Side, output_of
from program import scrape

PARTITIONS = 6


class Pipeline(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.servers = pipeline.Servers(cls)
        cls.tape = pipeline.long_tape(cls.servers.work / "long.tape", 1)
        cls.expected = pipeline.exports(cls.servers.embedded(cls.tape, PARTITIONS))
        for what in "bad_price", "late":
            assert any(what in content.decode() for content in cls.expected.values()), what

    def assert_as_expected(self, parts):
        for what, content in pipeline.exports(parts).items():
            self.assertTrue(content == self.expected[what], f"{what} differ")
        output_of(PROGRAM, "verify", *parts)

    def parts(self, name):
        self.servers.create(name, PARTITIONS)
        return self.servers.parts(name)

    def test_one_process_with_an_embedded_store(self):
        parts = [*self.parts("embedded")[:2], "--store", f"embedded:{self.servers.work}/store"]
        output_of(PROGRAM, "run", "--feed", f"tape:{self.tape}", "--exit-at-end", *parts)
        self.assert_as_expected(parts)
        # What is in the log already is recognised.
        again = output_of(PROGRAM, "run", "--feed", f"tape:{self.tape}", "--exit-at-end", *parts).decode()
        self.assertIn("0 appended", again)
        self.assert_as_expected(parts)

    def test_one_process_with_cassandra(self):
        parts = self.parts("whole")
        output_of(PROGRAM, "run", "--feed", f"tape:{self.tape}", "--exit-at-end", *parts)
        self.assert_as_expected(parts)

    def test_sides_of_their_own(self):
        parts = self.parts("sides")
        processors = [Side(self, "process", *parts).started() for _ in range(2)]
        Side(self, "ingest", "--feed", f"tape:{self.tape}", *parts[:2]).ended()
        pipeline.wait_until_stored(parts, PARTITIONS)
        for processor in processors:
            processor.stop()
        self.assert_as_expected(parts)

    def test_a_server_follows_what_others_process(self):
        parts = self.parts("served")
        server = Side(self, "serve", *parts, listen="127.0.0.1:0").started()
        processor = Side(self, "process", *parts, listen="127.0.0.1:0").started()
        Side(self, "ingest", "--feed", f"tape:{self.tape}", *parts[:2]).ended()
        pipeline.wait_until_stored(parts, PARTITIONS)
        base = server.address()
        self.assertTrue(pipeline.wait_until(lambda: json.load(urllib.request.urlopen(base + "readyz"))["ready"], 30))
        status = json.load(urllib.request.urlopen(base + "api/v1/status"))
        self.assertEqual(status["trades"]["stored"], len(self.expected["trades"].splitlines()) - 1)
        self.assertEqual([row["lag"] for row in status["partitions"]], [0] * PARTITIONS)
        self.assert_as_expected(parts)
        self.assert_served(base)
        with self.assertRaises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(processor.address() + "api/v1/bars?symbol=A&interval=1m")
        self.assertIn("finpipe serve", refused.exception.read().decode())
        metrics = urllib.request.urlopen(processor.address() + "metrics").read().decode()
        self.assertIn("finpipe_processor_records_total", metrics)
        for partition in range(PARTITIONS):
            self.assertIn(f'finpipe_processor_backlog_records{{partition="{partition}"}} 0', metrics)

    def assert_served(self, base):
        """The bars that the API gives are those of the export."""
        bars = collections.defaultdict(list)
        for row in csv.DictReader(io.StringIO(self.expected["bars"].decode())):
            bars[row["symbol"], row["interval"]].append(row)
        for (symbol, interval), rows in bars.items():
            page = json.load(urllib.request.urlopen(
                f"{base}api/v1/bars?symbol={symbol}&interval={interval}&from={rows[0]['start']}&limit=5000"))
            self.assertIsNone(page["next"])
            for given, row in zip(page["bars"], rows, strict=True):
                start = datetime.datetime.fromisoformat(row["start"])
                self.assertEqual(given["start"], round(start.timestamp() * 1000))
                for name in ("open", "high", "low", "close", "volume", "vwap", "state"):
                    self.assertEqual(given[name], row[name], (symbol, interval, row["start"], name))
                for name in ("trades", "revision", "missing_ms"):
                    self.assertEqual(given[name], int(row[name]), (symbol, interval, row["start"], name))
                self.assertEqual("+".join(given["flags"]), row["flags"])

    def test_an_operator_beside_processors(self):
        parts = self.parts("operated")
        Side(self, "ingest", "--feed", f"tape:{self.tape}", *parts[:2]).ended()
        trades = csv.DictReader(io.StringIO(self.expected["trades"].decode()))
        bad = max(trades, key=lambda row: float(row["price"]))
        trade = ["--symbol", bad["symbol"], "--event-time", bad["event_time"], "--seq", bad["seq"], "--reason", "test"]
        # Nobody else has made bars so far, and nobody makes these again.
        self.assertRegex(output_of(PROGRAM, "void", *trade, *parts).decode(), r"\n  1d .* trades (\d+) -> \d+")
        self.assert_published(parts)
        processor = Side(self, "process", *parts).started()
        self.assertTrue(pipeline.wait_until(lambda: self.shares("operated.process") == 1, 60))
        refused = subprocess.run([PROGRAM, "checkpoint", "reset", *parts], capture_output=True, text=True)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("E933 group_in_use", refused.stderr)
        for action in "unvoid", "void":
            output_of(PROGRAM, action, *trade, *parts)
            pipeline.wait_until_stored(parts, PARTITIONS)
            output_of(PROGRAM, "verify", *parts)
        processor.stop()
        self.assert_published(parts)
        output_of(PROGRAM, "checkpoint", "reset", *parts)

    def assert_published(self, parts):
        bars = pipeline.exports(parts)["bars"]
        self.assertGreater(len(bars.splitlines()), 1_000)
        self.assertEqual(self.servers.published_bars(parts[1].rpartition("/")[2]), pipeline.bars_of(bars))

    def test_a_replay_of_a_dead_letter_beside_processors(self):
        parts = self.parts("mended")
        processors = [Side(self, "process", *parts).started() for _ in range(2)]
        tape = pipeline.bad_tape(self.servers.work / "bad.tape")
        Side(self, "ingest", "--feed", f"tape:{tape}", *parts[:2]).ended()
        pipeline.wait_until_stored(parts, PARTITIONS)
        for replayed, before in ((1, 0), (0, 1)):
            said = pipeline.replay_of_bad_tape(parts[:2], self.servers.work / "mended.json")
            self.assertIn(f"Replayed: {replayed}, with {replayed} trades; already replayed: {before}; refused: 0", said)
            pipeline.wait_until_stored(parts, PARTITIONS)
            bars = pipeline.exports(parts)["bars"]
            second = next(row for row in csv.DictReader(io.StringIO(bars.decode())) if row["interval"] == "1s")
            self.assertEqual((second["high"], second["trades"]), ("54", "3"))
            self.assertEqual(self.servers.published_bars("mended"), pipeline.bars_of(bars))
            output_of(PROGRAM, "verify", *parts)
        for processor in processors:
            processor.stop()

    def test_one_two_and_four_processors_share_the_partitions(self):
        parts = self.parts("shared")
        processors = []
        for count in (1, 2, 4):
            processors += [Side(self, "process", *parts) for _ in range(count - len(processors))]
            for processor in processors:
                processor.started()
            self.assertTrue(pipeline.wait_until(lambda count=count: self.shares("shared.process") == count, 60))

    def test_who_comes_back_under_a_lasting_name_disturbs_nobody(self):
        parts = self.parts("lasting")

        def processor(name):
            return Side(self, "process", *parts, "--kafka-instance-id", name, listen="127.0.0.1:0").started()

        leaver, other = processor("a"), processor("b")
        self.assertTrue(pipeline.wait_until(lambda: self.shares("lasting.process") == 2, 60))
        before = scrape(other.address())["finpipe_kafka_rebalances_total"]
        leaver.stop()
        again = processor("a")
        Side(self, "ingest", "--feed", f"tape:{self.tape}", *parts[:2]).ended()
        pipeline.wait_until_stored(parts, PARTITIONS)
        self.assertEqual(scrape(other.address())["finpipe_kafka_rebalances_total"], before)
        for one in again, other:
            self.assertGreater(scrape(one.address())["finpipe_processor_records_total"], 1_000)
        self.assert_as_expected(parts)

    def shares(self, group):
        """How many members have partitions."""
        shown = self.servers.kafka.tool("groups", "--describe", "--group", group, "--members")
        return sum(int(line.split()[-1]) > 0 for line in shown.splitlines() if line.startswith(group))

    def test_sides_refuse_parts_that_belong_to_one_process(self):
        for side, parts in (("ingest", ["--log", "embedded:a"]), ("process", ["--log", "embedded:a"]),
                            ("serve", [*self.servers.parts("x")[:2], "--store", "embedded:b"])):
            done = subprocess.run([PROGRAM, side, *parts], capture_output=True, text=True)
            self.assertEqual(done.returncode, 2)
            self.assertIn("use `finpipe run`", done.stderr)


if __name__ == "__main__":
    unittest.main()
