"""Runs in an environment with the Cassandra driver: inserts rows that do not compress.

  insert_blobs.py ADDRESS PORT TABLE MIB
"""

import os
import sys

import cassandra.cluster
import cassandra.concurrent

BYTES = 16_384


def main(address, port, table, mib):
    session = cassandra.cluster.Cluster([address], port=int(port), protocol_version=4).connect()
    insert = session.prepare(f"INSERT INTO {table} (key, value) VALUES (?, ?)")
    rows = ((key, os.urandom(BYTES)) for key in range(int(mib) * (1 << 20) // BYTES))
    cassandra.concurrent.execute_concurrent_with_args(session, insert, rows, concurrency=64, raise_on_first_error=False)


main(*sys.argv[1:])
