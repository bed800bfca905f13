#!/usr/bin/env python3
"""The highest rate that `finpipe run` sustains on this machine, and how long a trade takes at it: from when it was due
at the vendor to the update of its bar at a client of the stream. `finpipe load websocket --search` is the vendor and
the client; log and store are embedded, Kafka and embedded, or Kafka and Cassandra, on one node each that this script
starts. Each search has parts of its own. Prints the table of docs/performance.md.

  make bench-load     or: benchmarks/load/rates.py [TIMES], after a build; FINPIPE names the program

FINPIPE_BENCH_SMALL asks for a short run.
"""

import contextlib
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = pathlib.Path(os.environ.get("FINPIPE", ROOT / "build/finpipe")).resolve()
sys.path.insert(0, str(ROOT / "tools"))

from services.addresses import reserve_port  # noqa: E402
from services.cassandra import Cassandra  # noqa: E402
from services.kafka import Kafka  # noqa: E402

SMALL = "FINPIPE_BENCH_SMALL" in os.environ
SYMBOLS = 50
LIMIT_MS = 100
PARTITIONS = 4
SEARCH = ("--search", "--limit", LIMIT_MS, "--symbols", SYMBOLS, "--precision", 10,
          *(("--rate", 5000, "--highest", 6000, "--try", 1, "--seconds", 2) if SMALL else
            ("--rate", 20_000, "--try", 2, "--seconds", 5)))
PATIENCE_S = 600
COLUMNS = ("p50_ms", "p90_ms", "p99_ms", "p99.9_ms", "max_ms")


class Failed(Exception):
    pass


class Parts:
    """Where each search has its log and its store; names are never used twice."""

    def __init__(self, work, name, kafka=None, cassandra=None):
        self.work = work
        self.name = name
        self.kafka = kafka
        self.cassandra = cassandra
        self.count = 0

    def new(self):
        self.count += 1
        directory = self.work / f"{self.name}{self.count}"
        directory.mkdir()
        log = f"kafka://{self.kafka}/{directory.name}" if self.kafka else f"embedded:{directory}/log"
        store = f"cassandra://{self.cassandra}/{directory.name}" if self.cassandra else f"embedded:{directory}/store"
        return directory, ["--log", log, "--store", store]


def plain_environment():
    return {name: value for name, value in os.environ.items() if not name.startswith(("FINPIPE", "FINNHUB"))}


@contextlib.contextmanager
def program(directory, name, *words, **options):
    """Ends with the block."""
    with open(directory / f"{name}.txt", "ab") as log:
        process = subprocess.Popen([str(word) for word in (PROGRAM, *words)], cwd=directory, env=plain_environment(),
                                   **({"stdout": log, "stderr": log} | options))
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def search(parts):
    """One search on new parts; its report. A failure says what the programs said."""
    directory, where = parts.new()
    if parts.kafka:
        create = (PROGRAM, "check", "--create", *where, "--partitions", str(PARTITIONS))
        subprocess.run(create, cwd=directory, env=plain_environment(), check=True, stdout=subprocess.DEVNULL)
    api, vendor = (f"127.0.0.1:{reserve_port()}" for _ in range(2))
    words = ("load", "websocket", "--stream", f"ws://{api}", "--listen", vendor, "--json", *SEARCH)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with program(directory, "load", *words, **pipes) as load:
        while not (feed := load.stderr.readline()).startswith("  --feed"):
            if not feed:
                raise Failed(f"no vendor: {load.wait()}")
        with program(directory, "run", "run", *feed.split(), "--listen", api, *where,
                     *(() if parts.kafka else ("--partitions", PARTITIONS))):
            try:
                out, err = load.communicate(timeout=PATIENCE_S)
            except subprocess.TimeoutExpired:
                load.kill()
                out, err = load.communicate()
                raise Failed(f"no report in {PATIENCE_S} s:\n{err}\n{(directory / 'run.txt').read_text()}") from None
    print(err, file=sys.stderr, flush=True)
    if load.returncode != 0:
        raise Failed(f"exit code {load.returncode}:\n{(directory / 'run.txt').read_text()}")
    shutil.rmtree(directory)
    return json.loads(out)


def spread(values, form):
    """"median (lowest to highest)"."""
    return f"{form.format(statistics.median(values))} ({form.format(min(values))} to {form.format(max(values))})"


def row(title, parts, times):
    """Prints a row; how many searches failed. One that does takes nothing from the others."""
    reports = []
    for _ in range(times):
        try:
            reports.append(search(parts))
        except Failed as failed:
            print(f"{title}: {failed}", file=sys.stderr, flush=True)
    if not reports:
        print(f"| {title} | failed |" + " |" * len(COLUMNS), flush=True)
        return times
    rates = spread([report["sustained"] for report in reports], "{:,.0f}")
    latencies = (spread([report["run"]["latency"][column] for report in reports], "{:.1f}") for column in COLUMNS)
    print(f"| {title} | {rates} | {' | '.join(latencies)} |", flush=True)
    return times - len(reports)


def main():
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 1 if SMALL else 3
    # A disk as the program's own; /tmp may be memory.
    with tempfile.TemporaryDirectory(prefix="finpipe-load-", dir=os.environ.get("FINPIPE_BENCH_DIR")) as directory:
        work = pathlib.Path(directory)
        latencies = " | ".join(column.replace("_ms", ", ms") for column in COLUMNS)
        print(f"| log and store | sustained, trades/s | {latencies} |")
        print("|---|" + "---|" * (1 + len(COLUMNS)), flush=True)
        failed = row("embedded", Parts(work, "embedded"), times)
        with Kafka(work / "kafka", fast=True, heap_mb=1024) as kafka:
            failed += row("Kafka, embedded store", Parts(work, "kafka", kafka.contact_points()), times)
            with Cassandra(work / "cassandra", fast=True, heap_mb=1536) as cassandra:
                both = Parts(work, "both", kafka.contact_points(), cassandra.contact_points())
                failed += row("Kafka, Cassandra", both, times)
    sys.exit(1 if failed else 0)


main()
