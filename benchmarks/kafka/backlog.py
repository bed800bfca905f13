#!/usr/bin/env python3
"""The memory of a `finpipe process` that has a backlog on Kafka, over 64 partitions, and stores it in Cassandra, which is
much slower than reading: the most that it had resident, each ten seconds. This script starts both servers. Fails beyond
300 MB.

  benchmarks/kafka/backlog.py [RECORDS [SECONDS]]   default 10000000 100; after a build with benchmarks and Cassandra

FINPIPE_BUILD names the directory of the build.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("FINPIPE_BUILD", ROOT / "build"))
sys.path.insert(0, str(ROOT / "tools"))

from services.cassandra import Cassandra  # noqa: E402
from services.kafka import Kafka  # noqa: E402

PARTITIONS = 64
EACH_S = 10
MOST_MB = 300


def most_resident_mb(process):
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024 / 1e6


def run(*words, **environment):
    subprocess.run([str(word) for word in words], check=True, env=os.environ | environment, stdout=subprocess.DEVNULL)


def main():
    records, seconds = [int(word) for word in sys.argv[1:]] + [10_000_000, 100][len(sys.argv) - 1:]
    with tempfile.TemporaryDirectory(prefix="finpipe-bench-") as directory:
        work = pathlib.Path(directory)
        with (Kafka(work / "kafka", fast=True, heap_mb=1024) as kafka,
              Cassandra(work / "cassandra", fast=True, heap_mb=1536) as cassandra):
            brokers = kafka.contact_points()
            run(BUILD / "kafka_bench", "create", "backlog", PARTITIONS, FINPIPE_KAFKA=brokers)
            run(BUILD / "kafka_bench", "produce", "finpipe", "backlog", records, FINPIPE_KAFKA=brokers)
            parts = ["--log", f"kafka://{brokers}/backlog", "--store", f"cassandra://{cassandra.contact_points()}/backlog"]
            run(BUILD / "finpipe", "check", "--create", *parts)
            process = subprocess.Popen([BUILD / "finpipe", "process", *parts, "--listen", "none"], cwd=work)
            for second in range(EACH_S, seconds + 1, EACH_S):
                time.sleep(EACH_S)
                most_mb = most_resident_mb(process)
                print(f"{second:4} s: at most {most_mb:.0f} MB resident", flush=True)
            process.terminate()
            process.wait(60)
    if most_mb > MOST_MB:
        sys.exit(f"more than {MOST_MB} MB")


main()
