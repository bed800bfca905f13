#!/usr/bin/env python3
"""Trades into Kafka and out of it: finpipe, librdkafka used bare, and Python's client with fastavro, in turns on one
node that this script starts. All have the settings of `--kafka-profile throughput`. finpipe encodes what it writes, and
makes bars of what it reads, in the store in memory or in one that keeps nothing; librdkafka is given and gives bytes,
each record by rd_kafka_consumer_poll or, its cheapest way, by rd_kafka_consume_batch_queue; Python encodes and decodes.
Medians. Then the memory of reading a backlog and keeping nothing, and live_latency_bench with its log on the node. Fails
beyond the bounds below.

  make bench-kafka     or: benchmarks/kafka/compare.py [RECORDS [BACKLOG]], after a build with benchmarks

FINPIPE_BENCH_SMALL asks for a short run.
"""

import json
import operator
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("FINPIPE_BUILD", ROOT / "build"))
sys.path.insert(0, str(ROOT / "tools"))

from services.cache import python_tools  # noqa: E402
from services.kafka import Kafka  # noqa: E402

SMALL = "FINPIPE_BENCH_SMALL" in os.environ
TIMES = 1 if SMALL else 5
PARTITIONS = 6
BACKLOG_PARTITIONS = 64
PYTHON_SHARE = 10  # Python gets so many times fewer records: it takes as long for each
LEAST_RATES = {"librdkafka": 0.8, "Python": 3.5}  # to produce, of finpipe against it
MOST_COSTS = {"librdkafka": 2, "Python": 0.25}  # to consume
MOST_MB = 300
MOST_MS = {"p50": 3, "p99": 15}  # of the best run


class Sides:
    """What the three do on one server; each returns its figures."""

    def __init__(self, brokers):
        self.brokers = brokers
        self.topics = 0

    def bench(self, *words):
        done = subprocess.run([str(word) for word in (BUILD / "kafka_bench", *words)],
                              env=os.environ | {"FINPIPE_KAFKA": self.brokers}, capture_output=True, text=True)
        return figures(done)

    def python(self, what, kind, prefix, *count):
        client = ROOT / "benchmarks/kafka/python_client.py"
        settings = json.dumps(self.bench("settings", kind, PARTITIONS))
        command = [python_tools(), "-B", client, what, self.brokers, f"{prefix}.ticks", settings, *count]
        return figures(subprocess.run([str(word) for word in command], capture_output=True, text=True))

    def new_log(self, partitions=PARTITIONS):
        self.topics += 1
        prefix = f"bench{self.topics}"
        self.bench("create", prefix, partitions)
        return prefix


def figures(done):
    """"<name> <value>" a line."""
    if done.returncode != 0:
        raise SystemExit(f"{done.args}: {done.stdout}{done.stderr}")
    return dict(line.split(" ", 1) for line in done.stdout.splitlines())


def median(runs, name):
    return statistics.median(float(run[name]) for run in runs)


def table(title, runs):
    """finpipe first. Returns its records/s and its cost a record, as multiples of each rival's."""
    print(f"{title:28}{'records/s':>12}{'CPU us a record':>18}{'finpipe: records/s':>20}{'CPU':>8}")
    rates, costs = {}, {}
    for name, of_name in runs.items():
        rate, cost = (median(of_name, what) for what in ("records_per_s", "processor_us_per_record"))
        rates[name] = median(runs["finpipe"], "records_per_s") / rate
        costs[name] = median(runs["finpipe"], "processor_us_per_record") / cost
        print(f"  {name:26}{rate:>12,.0f}{cost:>18.2f}{rates[name]:>19.2f}x{costs[name]:>7.2f}x", flush=True)
    return rates, costs


def produce(sides, count):
    runs = {"finpipe": [], "librdkafka": [], "Python": []}
    for turn in range(TIMES):
        for name in ("finpipe", "librdkafka") if turn % 2 == 0 else ("librdkafka", "finpipe"):
            runs[name].append(sides.bench("produce", name, sides.new_log(), count))
        runs["Python"].append(sides.python("produce", "writer", sides.new_log(), count // PYTHON_SHARE))
    fewer = sides.bench("produce", "finpipe", sides.new_log(), count // PYTHON_SHARE)
    assert runs["librdkafka"][0]["bytes"] == runs["finpipe"][0]["bytes"] and runs["Python"][0]["bytes"] == fewer["bytes"]
    return runs


def consume(sides, count):
    whole, part = sides.new_log(), sides.new_log()
    sides.bench("produce", "finpipe", whole, count)
    sides.bench("produce", "finpipe", part, count // PYTHON_SHARE)
    native = ("finpipe", "finpipe-no-store", "librdkafka", "librdkafka-batches")
    runs = {name: [] for name in (*native, "Python")}
    for turn in range(TIMES):
        for name in native if turn % 2 == 0 else reversed(native):
            runs[name].append(sides.bench("consume", name, whole))
        runs["Python"].append(sides.python("consume", "reader", part))
    assert {int(run["trades"]) for run in runs["finpipe"]} == {count}
    assert {int(run["trades"]) for run in runs["Python"]} == {count // PYTHON_SHARE}
    return runs


def backlog(sides, count):
    log = sides.new_log(BACKLOG_PARTITIONS)
    sides.bench("produce", "finpipe", log, count)
    return sides.bench("consume", "finpipe-no-store", log)


def latency(brokers):
    """{quantile: ms} of the best run."""
    done = subprocess.run([BUILD / "live_latency_bench", "--benchmark_filter=live_latency", f"--log=kafka://{brokers}"],
                          stdout=subprocess.PIPE, text=True)
    print(done.stdout, flush=True)
    if done.returncode != 0:
        raise SystemExit("the latency could not be measured")
    best = next(line for line in done.stdout.splitlines() if line.startswith("  best run"))
    return {name: float(ms) for name, ms in re.findall(r"(p\d+) +([\d.]+)", best)}


def beyond(what, found, bounds, holds):
    return [f"{what}, {name}: {found[name]:.2f}, bound {bound}" for name, bound in bounds.items()
            if not holds(found[name], bound)]


def main():
    counts = [int(word) for word in sys.argv[1:]]
    counts += [20_000, 20_000][len(counts):] if SMALL else [2_000_000, 10_000_000][len(counts):]
    count, backlog_count = counts
    with tempfile.TemporaryDirectory(prefix="finpipe-bench-") as work:
        with Kafka(pathlib.Path(work) / "server", fast=True, heap_mb=1024) as server:
            sides = Sides(server.contact_points())
            sides.bench("produce", "finpipe", sides.new_log(), 2 * count)  # Java compiles what is used often
            rates, _ = table(f"produce, {PARTITIONS} partitions", produce(sides, count))
            _, costs = table("consume", consume(sides, count))
            read = backlog(sides, backlog_count)
            print(f"backlog of {backlog_count:,} trades, {BACKLOG_PARTITIONS} partitions: at most {read['peak_mb']} MB "
                  f"resident, {float(read['records_per_s']):,.0f} records/s", flush=True)
            quantiles = latency(server.contact_points())
    missed = (beyond("produce, times the records/s", rates, LEAST_RATES, operator.ge)
              + beyond("consume, times the CPU", costs, MOST_COSTS, operator.le)
              + beyond("backlog, MB", {"resident": float(read["peak_mb"])}, {"resident": MOST_MB}, operator.le)
              + beyond("latency, ms", quantiles, MOST_MS, operator.le))
    if missed and not SMALL:  # which runs beside other tests, and is over before anything is warm
        sys.exit("beyond bounds: " + "; ".join(missed))


main()
