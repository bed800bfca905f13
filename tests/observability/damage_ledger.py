"""Runs in an environment with the Cassandra driver and fastavro: takes trades off the account in the checkpoints of a store,
as damage or a fault in finpipe would.

  damage_ledger.py ADDRESS PORT KEYSPACE SCHEMA     of the newest session, in each partition
"""

import io
import json
import pathlib
import sys

import cassandra.cluster
import fastavro

TAKEN = 5


def main(address, port, keyspace, schema_file):
    schema = fastavro.parse_schema(json.loads(pathlib.Path(schema_file).read_text()))
    session = cassandra.cluster.Cluster([address], port=int(port), protocol_version=4).connect(keyspace)
    update = session.prepare("UPDATE checkpoints USING TIMESTAMP ? SET body = ? WHERE pipeline = ? AND partition = ?")
    for row in session.execute("SELECT pipeline, partition, body, WRITETIME(body) AS written FROM checkpoints"):
        checkpoint = fastavro.schemaless_reader(io.BytesIO(row.body), schema)
        newest = max(checkpoint["ledger"], key=lambda account: account["session"])
        newest["stored"] -= TAKEN
        body = io.BytesIO()
        fastavro.schemaless_writer(body, schema, checkpoint)
        session.execute(update, (row.written + 1, body.getvalue(), row.pipeline, row.partition))
        print(f"partition {row.partition}: {newest}")


main(*sys.argv[1:])
