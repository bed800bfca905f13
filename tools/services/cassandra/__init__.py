"""Apache Cassandra 5.0 on this machine: one node, or three that all hold every row."""

import json
import pathlib
import tempfile

from .. import addresses, cache, java
from ..processes import Process
from ..service import Service, output_of
from . import install

HERE = pathlib.Path(__file__).resolve().parent
# The ring in equal parts.
TOKENS = {1: [-(2**63)], 3: [-(2**63), -3074457345618258603, 3074457345618258602]}
SUPERUSER = ("cassandra", "cassandra")
# As Cassandra has it where nobody asks for a small and careful one.
FAST = {
    "commitlog_sync": "periodic", "commitlog_sync_period": "10000ms", "commitlog_segment_size": "32MiB",
    "commitlog_total_space": "2048MiB", "memtable_heap_space": "256MiB", "memtable_offheap_space": "256MiB",
    "memtable_allocation_type": "offheap_objects",
    "file_cache_size": "128MiB", "key_cache_size": "50MiB", "concurrent_reads": 32, "concurrent_writes": 32,
}


class Cassandra(Service):
    """A cluster in `directory`, which may have one of an earlier start; nodes are numbered from 1.

    `block`           the addresses: '127.x.y.', whose 1, 2 and 3 the nodes get; one that is free otherwise
    `auth`            roles and passwords, with SUPERUSER
    `tls`             True, or what is wrong with the server's certificate: 'expired', 'wrong-host', 'self-signed' or
                      'other-authority'; the right authority is `authority`
    `client_certificates`  only clients that `authority` signed are let in
    `proxied`         clients reach each node through `proxies[node]`, which can block the way
    `data_directory`  where the tables are, node by node in node1, ...: a small file system that a test has mounted
    `fast`            for benchmarks: Java's best compiler and collector, memory and commit log as in production; give
                      it heap_mb=2048 or so
    `jmx`             metrics_targets() serve Prometheus by observability/jmx/cassandra.yaml
    `settings`        more of cassandra.yaml, or other values
    """

    NAME = "Cassandra"

    def __init__(
        self, directory, nodes=1, *, block=None, auth=False, tls=False, client_certificates=False, proxied=False,
        heap_mb=256, fast=False, jmx=False, data_directory=None, settings=None, java_options=(), archive=True,
    ):
        super().__init__(directory, nodes, block, {"port": 9042, "storage_port": 7000, "jmx_port": 9404}, proxied)
        self.jmx = jmx
        self.data_directory = pathlib.Path(data_directory or self.directory).resolve()
        self.tokens = TOKENS[nodes]
        self.auth = auth
        self.tls = tls
        self.client_certificates = client_certificates
        self.settings = (FAST if fast else {}) | (settings or {})
        self.storage_port = self.ports["storage_port"]
        self.jmx_ports = {number: addresses.reserve_port() for number in self.numbers}
        self.remember(jmx=list(self.jmx_ports.values()))
        if tls:
            self.make_certificates(tls)
        options = [*java.server_options(heap_mb, fast), *java_options]
        if archive:
            options.append(java.class_archive(install.NAME, archive_classes))
        self.nodes = {number: self.make_node(number, options) for number in self.numbers}
        self.write_cqlshrc()

    def make_node(self, number, options):
        directory = self.directory / f"node{number}"
        temporary = directory / "tmp"
        temporary.mkdir(parents=True, exist_ok=True)
        configuration = directory / "cassandra.yaml"
        configuration.write_text(merged((HERE / "cassandra.yaml").read_text(), self.configuration(number)))
        replicas = len(self.numbers)
        if self.jmx:
            options = [*options, java.jmx_agent("cassandra.yaml", self.address(number), self.ports["jmx_port"])]
        command = [
            *install.java_command(), *options,
            f"-Dcassandra.config={configuration.as_uri()}", f"-Dcassandra.storagedir={directory}",
            f"-Djava.io.tmpdir={temporary}", f"-Djna.tmpdir={temporary}",
            f"-Dcassandra.jmx.local.port={self.jmx_ports[number]}", f"-Dcassandra.system_auth.default_rf={replicas}",
            f"-Dcassandra.system_distributed.default_rf={replicas}", "org.apache.cassandra.service.CassandraDaemon",
        ]
        return Process(command, directory, directory / "cassandra.log")

    def configuration(self, number):
        own = self.directory / f"node{number}"
        seeds = [{"seeds": f"{self.address()}:{self.storage_port}"}]
        values = {
            "initial_token": str(self.tokens[number - 1]),
            "data_file_directories": [str(self.data_directory / f"node{number}" / "data")],
            "commitlog_directory": str(own / "commitlog"),
            "hints_directory": str(own / "hints"),
            "saved_caches_directory": str(own / "saved_caches"),
            "cdc_raw_directory": str(own / "cdc"),
            "listen_address": self.address(number),
            "rpc_address": self.address(number),
            "broadcast_rpc_address": self.client_address(number),
            "storage_port": self.storage_port,
            "native_transport_port": self.port,
            "seed_provider": [{"class_name": "org.apache.cassandra.locator.SimpleSeedProvider", "parameters": seeds}],
        }
        if self.auth:
            values |= {
                "authenticator": "PasswordAuthenticator",
                "authorizer": "CassandraAuthorizer",
                "role_manager": "CassandraRoleManager",
            }
        if self.tls:
            files = {"keystore": str(self.server), "truststore": str(self.authority.certificate)}
            context = "org.apache.cassandra.security.PEMBasedSslContextFactory"
            values["client_encryption_options"] = files | {
                "enabled": True, "optional": False, "require_client_auth": self.client_certificates,
                "ssl_context_factory": {"class_name": context},
            }
        return values | self.settings

    def start_groups(self):
        # The first alone: nodes that find nobody to gossip with give up.
        return self.numbers[:1], self.numbers[1:]

    def is_ready(self, number):
        """It serves, and sees every other node that runs, and they see it."""
        others = [other for other in self.numbers if other != number and self.is_running(other)]
        return (
            self.nodes[number].is_running()
            and addresses.answers(self.address(number), self.port)
            and all(self.sees(number, other) and self.sees(other, number) for other in others)
        )

    def sees(self, number, other):
        told = self.nodes[number].log_text(since_start=True)
        name = f"{self.address(other)}:{self.storage_port} is now"
        return told.rfind(f"{name} UP") > told.rfind(f"{name} DOWN")

    def nodetool(self, *arguments, node=1):
        """What Cassandra's own tool says."""
        return output_of([*nodetool_command(self.directory, node), *arguments], "nodetool")

    def cqlsh(self, *statements, node=1, role=SUPERUSER):
        """What cqlsh prints for CQL statements; one that fails is a ServiceError."""
        login = ["-u", role[0], "-p", role[1]] if self.auth else []
        to = ["-e", "; ".join(statements), self.client_address(node), self.port]
        return output_of([*cqlsh_command(self.directory), *login, *to], "cqlsh")

    def create_role(self, name, password, *permissions):
        """A role that may log in; permissions such as 'SELECT ON KEYSPACE finpipe'."""
        grants = [f"GRANT {permission} TO {name}" for permission in permissions]
        self.cqlsh(f"CREATE ROLE {name} WITH PASSWORD = '{password}' AND LOGIN = true", *grants)

    def write_cqlshrc(self):
        lines = [f"[connection]\nhostname = {self.client_address()}\nport = {self.port}\ntimeout = 30\nrequest_timeout = 60\n"]
        if self.tls:
            certificate, key = self.client
            lines.append("ssl = true\n[ssl]\nvalidate = true\n")
            lines.append(f"certfile = {self.authority.certificate}\nusercert = {certificate}\nuserkey = {key}\n")
        (self.directory / "cqlshrc").write_text("".join(lines))


def merged(text, values):
    """cassandra.yaml with these values added, or put in place of others; JSON is YAML."""
    kept = [line for line in text.splitlines() if line.partition(":")[0] not in values]
    return "\n".join([*kept, *(f"{key}: {json.dumps(value)}" for key, value in values.items()), ""])


def nodetool_command(directory, node=1):
    """For a cluster that runs in `directory`; what nodetool shall do follows."""
    port = json.loads((directory / "cluster.json").read_text())["jmx"][node - 1]
    options = [*java.SHORT, f"-Duser.home={directory}", "-Dlog.level=WARN"]
    return [*install.java_command(), *options, "org.apache.cassandra.tools.NodeTool", "-h", "127.0.0.1", "-p", port]


def cqlsh_command(directory):
    python = cache.python_tools()
    return [python, python.parent / "cqlsh", "--cqlshrc", directory / "cqlshrc"]


def archive_classes(option):
    with tempfile.TemporaryDirectory(prefix="finpipe-cassandra-") as directory:
        return Cassandra(directory, archive=False, java_options=[option]).start().stop()
