#!/usr/bin/env python3
"""Trades into Cassandra: finpipe, the Python driver's execute_concurrent, and finpipe's own driver used bare, side by side
on one node that this script starts; then the latency of queries while trades are written. Best of three each.

  make bench-cassandra     or: benchmarks/cassandra/compare.py [ROWS], after a build with benchmarks and Cassandra
"""

import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("FINPIPE_BUILD", ROOT / "build"))
sys.path.insert(0, str(ROOT / "tools"))

from services.cache import python_tools  # noqa: E402
from services.cassandra import Cassandra  # noqa: E402

TIMES = 3
QUERY_S = 20


def figures(*command, **environment):
    done = subprocess.run([str(word) for word in command], env=os.environ | environment, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{command}: {done.stdout}{done.stderr}")
    return {name: float(value) for name, value in (line.split() for line in done.stdout.splitlines())}


def best(runs, name, largest=True):
    return (max if largest else min)(run[name] for run in runs)


def main():
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 300_000
    driver = ROOT / "src/stores/cassandra/driver"
    subprocess.run(["cargo", "build", "--quiet", "--locked", "--release", "--example", "bare"], cwd=driver, check=True,
                   env=os.environ | {"CARGO_TARGET_DIR": str(BUILD / "cassandra")})
    bare = BUILD / "cassandra/release/examples/bare"
    with tempfile.TemporaryDirectory(prefix="finpipe-bench-") as work:
        with Cassandra(pathlib.Path(work) / "server", fast=True, heap_mb=2048) as server:
            address = server.contact_points()
            host, port = address.split(":")
            subprocess.run([BUILD / "finpipe", "check", "--create", "--store", f"cassandra://{address}/bench"],
                           stdout=subprocess.DEVNULL)

            def ours(count):
                return figures(BUILD / "cassandra_bench", "write", "bench", count, FINPIPE_CASSANDRA=address)

            def python(count):
                return figures(python_tools(), ROOT / "benchmarks/cassandra/execute_concurrent.py", host, port, "bench", count)

            def driver_alone():
                return figures(bare, address, "bench", rows)

            ours(200_000), python(20_000)  # Java compiles what is used often
            runs = [(ours(rows), driver_alone(), python(rows // 10)) for _ in range(TIMES)]
            query = [figures(BUILD / "cassandra_bench", "query", "bench", QUERY_S, FINPIPE_CASSANDRA=address)
                     for _ in range(TIMES)]
    finpipe, alone, rival = zip(*runs)
    print(f"{'':24}{'rows/s':>10}{'CPU us a row':>14}{'finpipe is':>12}")
    ours_best = best(finpipe, "rows_per_s")
    for name, all_runs in (("finpipe", finpipe), ("driver alone", alone), ("Python driver", rival)):
        rate = best(all_runs, "rows_per_s")
        print(f"{name:24}{rate:>10,.0f}{best(all_runs, 'processor_us_per_row', False):>14.2f}{ours_best / rate:>11.2f}x")
    print(f"500 bars while {best(query, 'written_per_s'):,.0f} trades a second are written: "
          f"p50 {best(query, 'query_p50_ms', False):.1f} ms, p99 {best(query, 'query_p99_ms', False):.1f} ms")


main()
