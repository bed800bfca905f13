"""What happens to the sides of a pipeline on Kafka and Cassandra while a tape passes, round by round: three processors share
six partitions, and in the end trades, bars and revisions are those of an undisturbed run. FINPIPE_ROUNDS asks for more
than six; FINPIPE_SEED replays. And of three brokers one at a time is killed while trades go on."""

import csv
import io
import json
import os
import pathlib
import random
import re
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.request

import pipeline
from pipeline import PROGRAM, Side, output_of, wait_until
from services.kafka import Kafka

SEED = int(os.environ.get("FINPIPE_SEED", "20240808"))
ROUNDS = int(os.environ.get("FINPIPE_ROUNDS", "6"))
PARTITIONS = 6
COPIES = 2
SESSION_TIMEOUT_S = 6  # a broker allows no shorter one


class Round:
    """Three processors and an ingest on topics and tables of their own."""

    def __init__(self, test, name, moments):
        self.test, self.moments = test, moments
        self.parts = test.servers.parts(name)
        test.servers.create(name, PARTITIONS)
        self.processors = [self.processor() for _ in range(3)]
        for processor in self.processors:
            processor.started()
        self.ingest = self.new_ingest().started()

    def processor(self):
        return Side(self.test, "process", *self.parts, "--kafka-session-timeout", SESSION_TIMEOUT_S,
                    "--kafka-max-poll", SESSION_TIMEOUT_S)

    def new_ingest(self):
        return Side(self.test, "ingest", "--feed", f"tape:{self.test.tape}", *self.parts[:2])

    def pause(self, least_s, most_s):
        time.sleep(self.moments.uniform(least_s, most_s))

    def finish(self):
        self.ingest.ended()
        pipeline.wait_until_stored(self.parts, PARTITIONS)
        for processor in self.processors:
            processor.stop()


class Faults(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.servers = pipeline.Servers(cls)
        cls.tape = pipeline.long_tape(cls.servers.work / "long.tape", COPIES)
        cls.expected = pipeline.exports(cls.servers.embedded(cls.tape, PARTITIONS))

    # ---- What goes wrong.

    def processors_killed(self, at):
        for _ in range(3):
            at.pause(0.5, 3)
            victim = at.moments.randrange(3)
            at.processors[victim].kill()
            at.processors[victim] = at.processor()

    def ingest_killed(self, at):
        for _ in range(2):
            at.pause(0.1, 1)
            at.ingest.kill()
            at.ingest = at.new_ingest()

    def broker_killed(self, at):
        at.pause(0.2, 2)
        self.servers.kafka.kill()
        at.pause(1, 4)
        self.servers.kafka.start_node()

    def processor_is_a_zombie(self, at):
        """It is away for so long that others get its partitions, and then goes on with what it was about to do."""
        at.pause(0.5, 2)
        zombie = at.moments.choice(at.processors)
        zombie.freeze()
        time.sleep(SESSION_TIMEOUT_S + at.moments.uniform(2, 4))
        zombie.thaw()

    def ingest_is_a_zombie(self, at):
        at.pause(0.1, 0.6)
        zombie = at.ingest
        zombie.freeze()
        at.ingest = at.new_ingest().started()
        at.pause(0.1, 2)
        zombie.thaw()
        zombie.ended((0, 1))  # it may notice

    def processors_come_and_go(self, at):
        for _ in range(4):
            time.sleep(2)
            leaver = at.moments.randrange(3)
            at.processors[leaver].stop()
            at.processors[leaver] = at.processor().started()

    def test_rounds(self):
        faults = [self.processors_killed, self.ingest_killed, self.broker_killed, self.processor_is_a_zombie,
                  self.ingest_is_a_zombie, self.processors_come_and_go]
        for number in range(ROUNDS):
            fault = faults[number % len(faults)]
            with self.subTest(round=number, fault=fault.__name__, seed=SEED):
                begin = time.monotonic()
                try:
                    self.play(number, fault)
                finally:
                    self.doCleanups()  # what a failed round leaves would slow the others down
                print(f"round {number}: {fault.__name__}, {time.monotonic() - begin:.0f} s", file=sys.stderr, flush=True)

    def play(self, number, fault):
        at = Round(self, f"round{number}", random.Random(f"{SEED}-{number}"))
        fault(at)
        at.finish()
        found = pipeline.exports(at.parts)
        # Of a session that was replaced while it went on, trades are refused, and told so.
        refused = found.pop("dead-letters") != self.expected["dead-letters"]
        self.assertTrue(not refused or fault == self.ingest_is_a_zombie, "dead letters")
        for what, content in found.items():
            self.assertTrue(content == self.expected[what], f"{what} differ")
        self.assertTrue(self.servers.published_bars(f"round{number}") == pipeline.bars_of(found["bars"]), "published bars")
        pipeline.output_of(pipeline.PROGRAM, "verify", *at.parts)
        self.servers.drop(f"round{number}")


class OneOfThreeBrokersKilled(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="finpipe-kafka-")
        self.addCleanup(directory.cleanup)
        work = pathlib.Path(directory.name)
        self.kafka = Kafka(work / "kafka", nodes=3).start()
        self.addCleanup(self.kafka.stop)
        self.parts = ["--log", f"kafka://{self.kafka.contact_points()}/three", "--store", f"embedded:{work}/store"]

    def start(self, replicas):
        vendor = Side(self, "simulate", "--rebase", "--loop", "--speed", 5, listen="127.0.0.1:0")
        self.assertTrue(wait_until(lambda: "ws://" in vendor.text(), 30))
        feed = ["--feed", re.search(r"ws://[\d.:]+", vendor.text())[0]]
        output_of(PROGRAM, "check", "--create", *self.parts, *feed, "--partitions", PARTITIONS, "--kafka-replication", replicas)
        self.run_ = Side(self, "run", *feed, "--symbols", "BINANCE:BTCUSDT,BINANCE:ETHUSDT", *self.parts,
                         listen="127.0.0.1:0").started()

    def stored(self):
        try:
            with urllib.request.urlopen(self.run_.address() + "api/v1/status") as answer:
                return json.load(answer)["trades"]["stored"]
        except urllib.error.URLError as error:
            raise AssertionError(f"exit code {self.run_.process.poll()}\n{self.run_.text()}") from error

    def troubles(self):
        return self.run_.text().count("the log is in trouble")

    def wait_for_more(self):
        before = self.stored()
        self.assertTrue(wait_until(lambda: self.stored() > before + 100, 60), self.run_.text())

    def judge(self):
        self.run_.stop()
        gaps = csv.DictReader(io.StringIO(output_of(PROGRAM, "export", "gaps", *self.parts).decode()))
        self.assertEqual([gap["reason"] for gap in gaps], ["start", "start"])
        output_of(PROGRAM, "verify", *self.parts)

    def test_nothing_waits_for_it(self):
        self.start(replicas=3)
        for node in self.kafka.numbers:
            self.kafka.kill(node)
            self.wait_for_more()
            self.kafka.start_node(node)
        self.judge()

    def test_partitions_that_only_it_has_are_waited_for(self):
        self.start(replicas=1)
        for node in self.kafka.numbers:
            troubles = self.troubles()
            self.kafka.kill(node)
            self.assertTrue(wait_until(lambda before=troubles: self.troubles() > before, 60), self.run_.text())
            self.kafka.start_node(node)
            self.wait_for_more()
        self.judge()


if __name__ == "__main__":
    unittest.main()
