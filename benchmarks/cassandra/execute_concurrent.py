"""The rival: the Python driver's execute_concurrent_with_args, writing the same trades into the same table.

execute_concurrent.py HOST PORT KEYSPACE ROWS    prints rows a second and processor time a row
"""

import decimal
import os
import sys
import time

from cassandra import ConsistencyLevel
from cassandra.cluster import Cluster
from cassandra.concurrent import execute_concurrent_with_args

START_MS = 1_764_167_400_000
BUCKET_MS = 300_000
INSERT = ("INSERT INTO ticks (symbol, bucket, event_time, seq, price, volume, conditions, received_at, session, writer, "
          "suspect, log_offset, log_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?")


def rows(count):
    for i in range(count):
        time_ms = START_MS + i // 5
        received_ns = time_ms * 1_000_000
        yield (f"BENCH:{i % 50}", time_ms // BUCKET_MS * BUCKET_MS, time_ms, received_ns + i,
               decimal.Decimal(6_123_456 + i % 1_000).scaleb(-2), decimal.Decimal(1 + i % 100_000_000).scaleb(-8), "-",
               received_ns, 1, 0, 0, i, bytes([7]) + bytes(15), received_ns // 1_000)


def main():
    host, port, keyspace, count = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    session = Cluster([host], port=port).connect(keyspace)
    statement = session.prepare(INSERT)
    statement.consistency_level = ConsistencyLevel.LOCAL_QUORUM
    begin, processor = time.monotonic(), time.process_time()
    execute_concurrent_with_args(session, statement, rows(count), concurrency=100)
    print(f"rows_per_s {count / (time.monotonic() - begin):.0f}")
    print(f"processor_us_per_row {(time.process_time() - processor) * 1e6 / count:.2f}", flush=True)
    os._exit(0)


main()
