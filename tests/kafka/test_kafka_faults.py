"""What happens to the sides of a pipeline on Kafka and Cassandra while a tape passes, round by round: three processors share
six partitions, and in the end trades, bars, revisions and the account of trades are those of an undisturbed run. A fault
strikes what is alive and has work left, at a random part of the tape, and shows. FINPIPE_ROUNDS asks for more than six;
FINPIPE_SEED replays. And of three brokers one at a time is killed while trades go on."""

import contextlib
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

pipeline.use_python_tools()

from confluent_kafka import ConsumerGroupState, KafkaException, TopicPartition  # noqa: E402
from confluent_kafka.admin import AdminClient, OffsetSpec  # noqa: E402
from pipeline import PROGRAM, Side, output_of, wait_until  # noqa: E402
from program import scrape  # noqa: E402
from services.kafka import Kafka  # noqa: E402

SEED = int(os.environ.get("FINPIPE_SEED", "20240808"))
ROUNDS = int(os.environ.get("FINPIPE_ROUNDS", "6"))
PARTITIONS = 6
COPIES = 2
SESSION_TIMEOUT_S = 6  # a broker allows no shorter one
PATIENCE_S = 60
# What each request of the ingest and each answer takes. A tape is some dozens of them, one after the other. Only what
# is under way goes on when it is slow: other questions are given up after half a second, and asked again.
QUICK_S, SLOW_S = 0.01, 1
# So many MiB of the log an ingest reads ahead of what Kafka has, some eighth of the tape.
AHEAD = 1
# Joins and leaves, and the time from one to the next.
CHANGES, CHANGE_S = 6, 2


class Round:
    """Three processors and an ingest on topics and tables of their own. The ingest's way to Kafka sets the pace: slow from
    the first fault to the last one's effect, so that there is work left, however slow the machine."""

    def __init__(self, test, name, moments):
        self.test, self.name, self.moments = test, name, moments
        self.way = test.servers.kafka.proxies[1]
        self.parts = test.servers.parts(name)
        test.servers.create(name, PARTITIONS)
        self.admin = AdminClient({"bootstrap.servers": test.servers.kafka.plain_contact_points()})
        self.frozen = None
        self.processors = [self.processor() for _ in range(3)]
        for processor in self.processors:
            processor.started()
        self.ingest = self.new_ingest()

    def processor(self):
        return Side(self.test, "process", *self.parts, "--kafka-session-timeout", SESSION_TIMEOUT_S,
                    "--kafka-max-poll", SESSION_TIMEOUT_S, listen="127.0.0.1:0")

    def replace(self, processor):
        self.processors[self.processors.index(processor)] = new = self.processor()
        return new

    def new_ingest(self):
        self.way.delay(QUICK_S)
        return Side(self.test, "ingest", "--feed", f"tape:{self.test.tape}", "--kafka-buffer", AHEAD,
                    *self.test.servers.log_by_proxy(self.name), listen="127.0.0.1:0").started()

    # ---- When: by what part of the tape is in the log.

    def fractions(self, count, most=0.7):
        """Random ones in order, some way apart, from a tenth to so much of the tape."""
        return [0.1 + (most - 0.1) * (number + self.moments.random() * 0.7) / count for number in range(count)]

    def in_log(self):
        """Records; none while the broker begins again."""
        ends = {TopicPartition(f"{self.name}.ticks", partition): OffsetSpec.latest() for partition in range(PARTITIONS)}
        with contextlib.suppress(KafkaException):
            return sum(end.result().offset for end in self.admin.list_offsets(ends, request_timeout=10).values())
        return 0

    def reach(self, fraction):
        """Until the log has so much of the tape; the rest comes slowly."""
        self.wait_for_records(fraction * self.test.records)

    def wait_for_records(self, count):
        self.way.delay(QUICK_S)
        self.until(lambda: self.in_log() >= count, "the tape does not go on")
        self.way.delay(SLOW_S)
        self.assert_work_left()

    def assert_work_left(self):
        """The ingest is not through with the tape, so there is more to come for everybody."""
        self.test.assertIsNone(self.ingest.process.poll(), f"the ingest had ended\n{self.ingest.text()}")
        records = self.in_log()
        self.test.assertGreater(records, 0)
        self.test.assertLess(records, self.test.records, "the log had all of the tape")

    def until(self, condition, otherwise):
        self.test.assertTrue(wait_until(condition, PATIENCE_S), otherwise)

    # ---- Whom.

    def share(self, processor):
        """The partitions that it has; only those have a clock, once they have trades."""
        if processor is self.frozen or " started " not in processor.text():
            return set()
        page = scrape(processor.address())
        return {partition for partition in range(PARTITIONS)
                if page.get(f'finpipe_processor_clock_seconds{{partition="{partition}"}}', 0) > 0}

    def one_with_a_share(self):
        candidates = []
        self.until(lambda: candidates.extend(one for one in self.processors if self.share(one)) or candidates,
                   "no processor has a partition")
        return self.moments.choice(candidates)

    def freeze_amid_work(self):
        """A processor that stands still, and {partition: up to where all is stored} of those where it had more to store."""
        found = []

        def caught():
            processor = self.one_with_a_share()
            share = self.share(processor)
            processor.freeze()
            places = pipeline.places(self.parts, PARTITIONS)
            left = {partition: places[partition].stored for partition in share
                    if places[partition].stored < places[partition].end}
            if not left:
                processor.thaw()
                return False
            found.append((processor, left))
            return True

        self.until(caught, "no processor has anything left to store")
        self.frozen = found[0][0]
        return found[0]

    def wait_for_takeover(self, left):
        """Others have the partitions, and have stored what was left there."""

        def taken():
            taken_by_others = set().union(*map(self.share, self.processors))
            places = pipeline.places(self.parts, PARTITIONS)
            return left.keys() <= taken_by_others and all(places[one].stored > stored for one, stored in left.items())

        self.until(taken, f"nobody went on with {left}")

    def wait_for_balance(self):
        """Each processor has partitions, no two the same, together all."""

        def balanced():
            shares = [self.share(processor) for processor in self.processors]
            return all(shares) and sum(map(len, shares)) == len(set().union(*shares)) == PARTITIONS

        self.until(balanced, "the partitions are not shared")

    def group_is_stable(self):
        group = f"{self.name}.process"
        return self.admin.describe_consumer_groups([group])[group].result().state == ConsumerGroupState.STABLE

    def finish(self):
        self.way.delay(0)
        self.ingest.ended()
        pipeline.wait_until_stored(self.parts, PARTITIONS)
        for processor in self.processors:
            processor.started().stop()


class Faults(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.servers = pipeline.Servers(cls, proxied=True, plaintext_too=True)
        cls.tape = pipeline.long_tape(cls.servers.work / "long.tape", COPIES)
        undisturbed = cls.servers.embedded(cls.tape, PARTITIONS)
        cls.expected = pipeline.exports(undisturbed)
        cls.accounts = pipeline.accounts(undisturbed)
        cls.records = sum(place.end for place in pipeline.places(undisturbed, PARTITIONS).values())

    # ---- What goes wrong; each returns how many sessions of ingest there were.

    def processors_killed(self, at):
        """Each amid its work. The others, or who comes instead, go on with that."""
        left = {}
        for fraction in at.fractions(3):
            at.reach(fraction)
            victim, of_victim = at.freeze_amid_work()
            victim.kill()
            at.replace(victim)
            left |= of_victim
        at.wait_for_takeover(left)
        return 1

    def ingest_killed(self, at):
        for fraction in at.fractions(2):
            at.reach(fraction)
            at.ingest.kill()
            at.way.reset()  # nothing comes later of what it had sent
            self.assertLess(at.in_log(), self.records, "the log had all of the tape")
            at.ingest = at.new_ingest()
        return 3

    def broker_killed(self, at):
        at.reach(*at.fractions(1))
        before = at.in_log()
        self.servers.kafka.kill()
        try:
            for side in at.ingest, *at.processors:
                at.until(lambda side=side: scrape(side.address())["finpipe_kafka_brokers_up"] == 0, "it did not notice")
        finally:
            self.servers.kafka.start_node()  # for the next round too
        at.wait_for_records(before + self.records / 20)
        return 1

    def processor_is_a_zombie(self, at):
        """It is away for longer than max.poll.interval, so that others get its partitions, and then goes on with what it was
        about to do."""
        at.reach(*at.fractions(1))
        zombie, left = at.freeze_amid_work()
        awake_s = time.monotonic() + SESSION_TIMEOUT_S
        at.wait_for_takeover(left)
        at.until(lambda: time.monotonic() > awake_s, "time stands still")
        at.assert_work_left()
        zombie.thaw()
        at.frozen = None
        at.wait_for_balance()  # it has joined again
        return 1

    def ingest_is_a_zombie(self, at):
        """Another one goes on with the tape meanwhile. The zombie notices only by what it wrote in vain."""
        at.reach(*at.fractions(1, most=0.5))  # it has not read the rest either
        zombie = at.ingest
        zombie.freeze()
        before = at.in_log()
        at.ingest = at.new_ingest()
        at.wait_for_records(before + self.records / 20)
        zombie.thaw()
        at.way.delay(0)
        zombie.ended((1,))
        self.assertIn("newer_ingest", zombie.text())
        return 2

    def processors_come_and_go(self, at):
        """One comes and another one goes every two seconds, asked to and killed in turns. A dead one is missed only after a
        session's timeout, so changes meet a group that is not through with those before."""
        at.reach(*at.fractions(1, most=0.2))
        at.wait_for_balance()
        asked, of_share, amid = [], 0, 0
        for number in range(CHANGES):
            next_change = time.monotonic() + CHANGE_S
            amid += not at.group_is_stable()
            sharers = [processor for processor in at.processors if at.share(processor)]
            of_share += bool(sharers)
            leaver = at.moments.choice(sharers or at.processors)
            at.replace(leaver)
            if number % 2 == 0:
                leaver.ask_to_stop()
                asked.append(leaver)
            else:
                leaver.kill()
            at.assert_work_left()
            time.sleep(max(0, next_change - time.monotonic()))
        for leaver in asked:
            leaver.ended()
        self.assertGreaterEqual(of_share, 2, "too few of those that left had a partition")
        self.assertGreaterEqual(amid, 2, "the changes did not meet each other")
        at.wait_for_balance()
        at.assert_work_left()
        return 1

    # ---- What comes of it.

    def assert_ledger(self, rows, sessions):
        """Sessions differ from the undisturbed run, where there is one. The same are, in each partition: what is stored, in
        all sessions together; and what the newest session received, for a tape is read from its start each time. That one
        found in the log what the others had stored there, no more and no less. And every session's account balances. `check
        --create` counts as a session of an operator, without trades."""
        self.assertEqual([row for row in rows if row["writer"] != "live" and (row["received"] or row["in_log"])], [])
        rows = [row for row in rows if row["writer"] == "live"]
        self.assertEqual({row["session"] for row in rows}, set(range(1, sessions + 1)))
        for row in rows:
            self.assertEqual(row["received"], row["already_in_log"] + row["appended"] + row["dead_lettered_before"], row)
            self.assertEqual(row["in_log"], row["stored"] + row["skipped"] + row["dead_lettered_after"], row)
            self.assertLessEqual(row["appended"], row["in_log"], row)
        for partition, (received, stored) in self.accounts.items():
            mine = sorted((row for row in rows if row["partition"] == partition), key=lambda row: row["session"])
            self.assertEqual(sum(row["stored"] for row in mine), stored, rows)
            *older, newest = mine
            self.assertEqual(newest["session"], sessions, rows)
            self.assertEqual(newest["received"], received, rows)
            self.assertEqual(newest["already_in_log"], sum(row["stored"] for row in older), rows)
        for session in range(1, sessions + 1):  # each had a part of the work
            self.assertGreater(sum(row["stored"] for row in rows if row["session"] == session), 0, rows)

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
        name = f"round{number}"
        at = Round(self, name, random.Random(f"{SEED}-{number}"))
        sessions = fault(at)
        at.finish()
        found = pipeline.exports(at.parts)
        # Of a session that was replaced while it went on, trades are refused, and told so.
        letters, expected = (sorted(export.splitlines()) for export in (found.pop("dead-letters"), self.expected["dead-letters"]))
        refused = fault == self.ingest_is_a_zombie and len(letters) > len(expected) and set(letters) > set(expected)
        self.assertEqual(refused, fault == self.ingest_is_a_zombie, "nothing was refused")
        self.assertTrue(refused or letters == expected, "dead letters")
        for what, content in found.items():
            self.assertTrue(content == self.expected[what], f"{what} differ")
        self.assertTrue(self.servers.published_bars(name) == pipeline.bars_of(found["bars"]), "published bars")
        ledger = self.servers.ledger(name)
        self.assert_ledger(ledger, sessions)
        self.assertEqual(sum(row["dead_lettered_after"] for row in ledger) > 0, refused, ledger)
        pipeline.output_of(pipeline.PROGRAM, "verify", *at.parts)
        self.servers.drop(name)


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
