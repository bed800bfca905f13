#!/usr/bin/env python3
"""The busiest day of one symbol in a Cassandra node that this script starts: how large a partition becomes, how many bytes a
trade needs on disk, and whether the server warned of what it was given. Exits with 1 when a partition exceeds 100 MB or
the server warned. It is given the whole day at full speed, so the pauses of its garbage collector are only counted.

  benchmarks/cassandra/busiest_day.py [ROWS]     20,000,000 trades by default: some minutes
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("FINPIPE_BUILD", ROOT / "build"))
sys.path.insert(0, str(ROOT / "tools"))

from services.cassandra import Cassandra  # noqa: E402

LARGEST_BYTES = 100_000_000


def main():
    rows = sys.argv[1] if len(sys.argv) > 1 else "20000000"
    with tempfile.TemporaryDirectory(prefix="finpipe-day-") as work:
        with Cassandra(pathlib.Path(work) / "server", fast=True, heap_mb=2048) as server:
            address = server.contact_points()
            before = len(server.warnings())
            subprocess.run([BUILD / "finpipe", "check", "--create", "--store", f"cassandra://{address}/day"],
                           stdout=subprocess.DEVNULL)
            subprocess.run([BUILD / "cassandra_bench", "day", "day", rows], check=True,
                           env=os.environ | {"FINPIPE_CASSANDRA": address})
            server.nodetool("flush", "day")
            server.nodetool("compact", "day", "ticks")
            told = server.nodetool("tablestats", "day.ticks")
            warned = server.warnings()[before:]
    figure = {name: int(re.search(rf"{name}: (\d+)", told)[1])
              for name in ("Space used \\(live\\)", "Compacted partition maximum bytes", "Number of partitions \\(estimate\\)")}
    used, largest, partitions = figure.values()
    print(f"{used / int(rows):.1f} bytes a trade on disk, {partitions} partitions, the largest {largest / 1e6:.1f} MB uncompressed")
    pauses = [line for line in warned if "GCInspector" in line]
    others = [line for line in warned if line not in pauses and "Trigger directory" not in line]
    print(f"{len(others)} warnings, and {len(pauses)} of long collections of garbage")
    for line in others:
        print(line)
    return 1 if largest > LARGEST_BYTES or others else 0


sys.exit(main())
