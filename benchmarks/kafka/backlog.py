#!/usr/bin/env python3
"""The memory of a `finpipe process` that has a backlog on Kafka, over 64 partitions, and stores it in Cassandra, which is
much slower than reading: the most that it had resident, each ten seconds, until it has read and stored everything. This
script starts both servers. Fails beyond 300 MB.

  make bench-kafka     or: benchmarks/kafka/backlog.py [RECORDS], after a build with benchmarks and Cassandra

The default of 10,000,000 takes some four minutes.

FINPIPE_BUILD names the directory of the build.
"""

import itertools
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("FINPIPE_BUILD", ROOT / "build"))
sys.path.insert(0, str(ROOT / "tools"))

from services.cassandra import Cassandra  # noqa: E402
from services.kafka import Kafka  # noqa: E402
from services.processes import wait_until  # noqa: E402

PARTITIONS = 64
EACH_S = 10
MOST_MB = 300


def most_resident_mb(process):
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024 / 1e6


def stored_trades(address):
    page = urllib.request.urlopen(f"{address}metrics", timeout=10).read().decode()
    return int(float(re.search(r'^finpipe_ledger_trades{term="stored"} (\S+)', page, re.M)[1]))


def run(*words, **environment):
    subprocess.run([str(word) for word in words], check=True, env=os.environ | environment, stdout=subprocess.DEVNULL)


def main():
    records = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
    with tempfile.TemporaryDirectory(prefix="finpipe-bench-") as directory:
        work = pathlib.Path(directory)
        with (Kafka(work / "kafka", fast=True, heap_mb=1024) as kafka,
              Cassandra(work / "cassandra", fast=True, heap_mb=1536) as cassandra):
            brokers = kafka.contact_points()
            run(BUILD / "kafka_bench", "create", "backlog", PARTITIONS, FINPIPE_KAFKA=brokers)
            run(BUILD / "kafka_bench", "produce", "finpipe", "backlog", records, FINPIPE_KAFKA=brokers)
            parts = ["--log", f"kafka://{brokers}/backlog", "--store", f"cassandra://{cassandra.contact_points()}/backlog"]
            run(BUILD / "finpipe", "check", "--create", *parts)
            reports = work / "process.txt"
            with reports.open("w") as file:
                process = subprocess.Popen([BUILD / "finpipe", "process", *parts, "--listen", "127.0.0.1:0"], cwd=work,
                                           stdout=file, stderr=subprocess.STDOUT)
            try:
                wait_until(lambda: " started " in reports.read_text(), 60)
                address = re.search(r"http://\S+", reports.read_text())[0]
                stored = 0
                for second in itertools.count(EACH_S, EACH_S):
                    time.sleep(EACH_S)
                    before, stored = stored, stored_trades(address)
                    print(f"{second:4} s: {stored:9,} trades stored, at most {most_resident_mb(process):.0f} MB resident",
                          flush=True)
                    if stored == records:
                        break
                    if stored == before:
                        sys.exit("nothing more was stored\n" + reports.read_text())
                most_mb = most_resident_mb(process)
                process.terminate()
                if process.wait(60) != 0:
                    sys.exit(reports.read_text())
            finally:
                process.kill()
    if most_mb > MOST_MB:
        sys.exit(f"more than {MOST_MB} MB")


main()
