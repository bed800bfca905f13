"""A real Cassandra: it starts, answers CQL, keeps what it acknowledged when it is killed, and leaves nothing behind."""

import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
import urllib.request

TOOLS = pathlib.Path(__file__).resolve().parents[2]
RULES = TOOLS.parent / "observability/prometheus/rules"
sys.path.insert(0, str(TOOLS))
from services.cache import python_tools  # noqa: E402
from services.cassandra import Cassandra, merged  # noqa: E402
from services.certificates import Authority  # noqa: E402
from services.processes import ServiceError  # noqa: E402

ROWS = 500
# Each row is acknowledged before the next is sent; the server is killed at once after the last.
WRITER = f"""
import os, signal, sys
from cassandra.cluster import Cluster
host, port, pid = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
session = Cluster([host], port=port, protocol_version=4).connect("test")
insert = session.prepare("INSERT INTO t (a, b) VALUES (1, ?)")
for b in range({ROWS}):
    session.execute(insert, (b,))
os.kill(pid, signal.SIGKILL)
os._exit(0)
"""


class Merged(unittest.TestCase):
    def test_values_replace_and_add_lines(self):
        self.assertEqual(merged("# text\na: 1\nb: 2\n", {"b": [3], "c": "d"}), '# text\na: 1\nb: [3]\nc: "d"\n')


class RealCassandra(unittest.TestCase):
    def cluster(self, *args, **options):
        directory = tempfile.mkdtemp(prefix="finpipe-cassandra-")
        self.addCleanup(shutil.rmtree, directory)
        cluster = Cassandra(directory, *args, **options)
        self.addCleanup(cluster.stop)
        return cluster.start()

    def test_prometheus_gets_what_the_rules_of_alerts_ask_for(self):
        cassandra = self.cluster(jmx=True)
        with urllib.request.urlopen(f"http://{cassandra.metrics_targets()[0]}/metrics", timeout=60) as answer:
            given = set(re.findall(r"^(cassandra_\w+)", answer.read().decode(), re.M))
        asked = set(re.findall(r"\bcassandra_\w+", (RULES / "cassandra.yaml").read_text()))
        self.assertGreater(len(asked), 2)
        self.assertEqual(asked - given, set())

    def test_what_was_acknowledged_survives_kill_9(self):
        cassandra = self.cluster()
        replication = "{'class': 'SimpleStrategy', 'replication_factor': 1}"
        cassandra.cqlsh(
            f"CREATE KEYSPACE test WITH replication = {replication}",
            "CREATE TABLE test.t (a int, b int, PRIMARY KEY (a, b))",
        )
        to = [cassandra.address(), str(cassandra.port), str(cassandra.nodes[1].pid)]
        subprocess.run([python_tools(), "-I", "-c", WRITER, *to], check=True)
        cassandra.kill()
        cassandra.restart()
        self.assertIn(f" {ROWS}\n", cassandra.cqlsh("SELECT count(*) FROM test.t"))
        self.assertIn("UN ", cassandra.nodetool("status"))
        self.assertEqual([line for line in cassandra.warnings() if line.startswith("ERROR")], [])
        cassandra.stop()
        self.assertFalse(cassandra.is_running())

    def test_only_clients_with_password_and_certificate_are_let_in(self):
        cassandra = self.cluster(auth=True, tls=True, client_certificates=True, proxied=True)
        cassandra.create_role("app", "secret", "SELECT ON ALL KEYSPACES")
        asked = "SELECT rpc_address FROM system.local"
        self.assertIn(cassandra.client_address(), cassandra.cqlsh(asked, role=("app", "secret")))
        with self.assertRaisesRegex(ServiceError, "Unauthorized"):
            cassandra.cqlsh("CREATE ROLE other", role=("app", "secret"))
        with self.assertRaisesRegex(ServiceError, "Bad credentials"):
            cassandra.cqlsh(asked, role=("app", "wrong"))
        cassandra.client = Authority(cassandra.directory, "other").sign("client", "DNS:client")
        cassandra.write_cqlshrc()
        with self.assertRaises(ServiceError):
            cassandra.cqlsh(asked)


if __name__ == "__main__":
    unittest.main()
