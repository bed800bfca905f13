#!/usr/bin/env python3
"""How long the bars of a partition stand still when a processor joins a group, or leaves it, while trades go on: the
longest time between two bars that a partition publishes, of real Kafka and Cassandra that this script starts. Trades come
20 times as fast as they were recorded, of 12 symbols, so that every partition has several a second. Fails when a join
or a departure stops a partition for longer than 3 s.

  make bench-kafka     or: benchmarks/kafka/join.py [CHANGES], after a build with Cassandra; FINPIPE names the program
"""

import contextlib
import os
import pathlib
import re
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
os.environ.setdefault("FINPIPE", str(ROOT / "build/finpipe"))
sys.path[:0] = [str(ROOT / "tests/kafka")]

import pipeline  # noqa: E402

PARTITIONS = 6
SPEED = 20
SETTLED_S = 10  # from a change to the next
LIMIT_S = 3


class Cleanups(contextlib.ExitStack):
    """What the parts of a test ask of it."""

    def addCleanup(self, call, *args, **kwargs):  # noqa: N802
        self.callback(call, *args, **kwargs)

    addClassCleanup = addCleanup  # noqa: N815


def published(contact_points, topic):
    """When each partition published its bars, in seconds since 1970."""
    import confluent_kafka

    consumer = confluent_kafka.Consumer({"bootstrap.servers": contact_points, "group.id": "join", "log_level": 0})
    times = {}
    for partition in range(PARTITIONS):
        low, high = consumer.get_watermark_offsets(confluent_kafka.TopicPartition(topic, partition))
        consumer.assign([confluent_kafka.TopicPartition(topic, partition, low)])
        times[partition] = []
        while len(times[partition]) < high - low:
            times[partition] += [message.timestamp()[1] / 1000 for message in consumer.consume(10_000, 10)]
    consumer.close()
    return times


def longest_pause_s(times, begin_s, end_s):
    """Of any partition, of the pauses that reach into the time between."""
    return max(after - before for of_one in times.values() for before, after in zip(of_one, of_one[1:])
               if after >= begin_s and before <= end_s)


def main():
    pipeline.use_python_tools()
    changes = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    with Cleanups() as test:
        servers = pipeline.Servers(test)
        tape = pipeline.long_tape(servers.work / "tape", 2)
        servers.create("join", PARTITIONS)
        parts = servers.parts("join")
        vendor = pipeline.Side(test, "simulate", "--tape", tape, "--rebase", "--loop", "--speed", SPEED, listen="127.0.0.1:0")
        pipeline.wait_until(lambda: "ws://" in vendor.text(), 30)
        feed = re.search(r"ws://[\d.:]+", vendor.text())[0]
        symbols = [f"BINANCE:{first}{number}USDT" for first in "BE" for number in range(6)]
        processors = [pipeline.Side(test, "process", *parts).started() for _ in range(2)]
        pipeline.Side(test, "ingest", "--feed", feed, "--symbols", ",".join(symbols), *parts[:2]).started()
        start = time.time()
        time.sleep(SETTLED_S)
        spans = [("nothing", time.time())]
        time.sleep(SETTLED_S)
        for number in range(changes):
            spans.append(("join" if number % 2 == 0 else "leave", time.time()))
            if number % 2 == 0:
                processors.append(pipeline.Side(test, "process", *parts).started())
            else:
                processors.pop(0).stop()
            time.sleep(SETTLED_S)
        end = time.time()
        times = {partition: [start, *of_one, end]  # one that has stopped for good stands still until the end
                 for partition, of_one in published(servers.kafka.contact_points(), "join.bars").items()}
    longest = {}
    for kind in ("nothing", "join", "leave"):
        pauses = [longest_pause_s(times, begin, begin + SETTLED_S) for what, begin in spans if what == kind]
        longest[kind] = max(pauses, default=0)
        print(f"{kind:8} longest pause of a partition, s: " + " ".join(f"{pause:.2f}" for pause in pauses), flush=True)
    for kind in ("join", "leave"):
        if longest[kind] > LIMIT_S:
            sys.exit(f"a {kind} stopped a partition for {longest[kind]:.2f} s, longer than {LIMIT_S} s")


if __name__ == "__main__":
    main()
