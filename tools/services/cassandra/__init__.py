"""Apache Cassandra 5.0 on this machine: one node, or three that all hold every row."""

import json
import pathlib
import subprocess
import tempfile

from .. import addresses, cache
from ..certificates import Authority, pem_with_key, self_signed
from ..processes import Process, ServiceError, wait_until
from ..tcp_proxy import TcpProxy
from . import install

HERE = pathlib.Path(__file__).resolve().parent
START_PATIENCE_S = 120
STOP_PATIENCE_S = 30
# The ring in equal parts.
TOKENS = {1: [-(2**63)], 3: [-(2**63), -3074457345618258603, 3074457345618258602]}
SUPERUSER = ("cassandra", "cassandra")


class Cassandra:
    """A cluster in `directory`, which may have one of an earlier start; nodes are numbered from 1.

    `block`           the addresses: '127.x.y.', whose 1, 2 and 3 the nodes get; one that is free otherwise
    `auth`            roles and passwords, with SUPERUSER
    `tls`             True, or what is wrong with the server's certificate: 'expired', 'wrong-host', 'self-signed' or
                      'other-authority'; the right authority is `authority`
    `client_certificates`  only clients that `authority` signed are let in
    `proxied`         clients reach each node through `proxies[node]`, which can block the way
    `data_directory`  where the tables are, node by node in node1, ...: a small file system that a test has mounted
    `fast`            for benchmarks: Java's best compiler and collector; give it heap_mb=1024 or so
    `settings`        more of cassandra.yaml, or other values
    """

    def __init__(
        self, directory, nodes=1, *, block=None, auth=False, tls=False, client_certificates=False, proxied=False,
        heap_mb=256, fast=False, data_directory=None, settings=None, java_options=(), archive=True,
    ):
        self.directory = pathlib.Path(directory).resolve()
        self.directory.mkdir(parents=True, exist_ok=True)
        self.data_directory = pathlib.Path(data_directory or self.directory).resolve()
        self.numbers = range(1, nodes + 1)
        self.tokens = TOKENS[nodes]
        self.auth = auth
        self.tls = tls
        self.client_certificates = client_certificates
        self.proxied = proxied
        self.settings = settings or {}
        self.proxies = {}
        self.find_addresses(block)
        if tls:
            self.make_certificates()
        options = [f"-Xmx{heap_mb}m", f"-XX:MaxDirectMemorySize={heap_mb}m", *java_options]
        options += ["-XX:+UseG1GC", f"-Xms{heap_mb}m"] if fast else ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        if archive:
            options.append(f"-XX:SharedArchiveFile={install.class_archive(archive_classes)}")
        self.nodes = {number: self.make_node(number, options) for number in self.numbers}
        self.write_cqlshrc()

    def find_addresses(self, block):
        """Those of the directory's last start, which the data names, or new ones."""
        saved = self.directory / "cluster.json"
        known = json.loads(saved.read_text()) if saved.exists() else {}
        self.block = addresses.reserve_block(known.get("block", block))
        hosts = [self.address(number) for number in self.numbers]
        self.port = addresses.common_port(hosts, known.get("port", 9042))
        self.storage_port = addresses.common_port(hosts, known.get("storage_port", 7000))
        self.jmx_ports = {number: addresses.reserve_port() for number in self.numbers}
        known = {"block": self.block, "port": self.port, "storage_port": self.storage_port}
        known["jmx"] = list(self.jmx_ports.values())
        saved.write_text(json.dumps(known))

    def address(self, node=1):
        return f"{self.block}{node}"

    def client_address(self, node=1):
        """The one that clients are told, also by the nodes."""
        return f"{self.block}{100 + node}" if self.proxied else self.address(node)

    def contact_points(self):
        """'127.x.y.1:9042,127.x.y.2:9042,...'"""
        return ",".join(f"{self.client_address(number)}:{self.port}" for number in self.numbers)

    def make_certificates(self):
        directory = self.directory / "tls"
        directory.mkdir(exist_ok=True)
        self.authority = Authority(directory, "authority")
        names = ",".join(f"IP:{address(number)}" for number in self.numbers for address in
                         ([self.address, self.client_address] if self.proxied else [self.address]))
        signed = {
            True: lambda: self.authority.sign("server", names),
            "expired": lambda: self.authority.sign("server", names, days=-1),
            "wrong-host": lambda: self.authority.sign("server", "DNS:elsewhere.example,IP:127.255.255.254"),
            "self-signed": lambda: self_signed(directory, "server", names),
            "other-authority": lambda: Authority(directory, "other").sign("server", names),
        }
        pem_with_key(directory / "server-with-key.pem", *signed[self.tls]())
        self.client = self.authority.sign("client", "DNS:client")

    def make_node(self, number, options):
        directory = self.directory / f"node{number}"
        temporary = directory / "tmp"
        temporary.mkdir(parents=True, exist_ok=True)
        configuration = directory / "cassandra.yaml"
        configuration.write_text(merged((HERE / "cassandra.yaml").read_text(), self.configuration(number)))
        replicas = len(self.numbers)
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
            directory = self.directory / "tls"
            files = {"keystore": str(directory / "server-with-key.pem"), "truststore": str(self.authority.certificate)}
            context = "org.apache.cassandra.security.PEMBasedSslContextFactory"
            values["client_encryption_options"] = files | {
                "enabled": True, "optional": False, "require_client_auth": self.client_certificates,
                "ssl_context_factory": {"class_name": context},
            }
        return values | self.settings

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def start(self):
        """Starts all nodes and waits until they serve and know each other; a start that fails is tried once more."""
        try:
            self.start_nodes()
        except ServiceError as error:
            cache.say(f"{error}\nTrying once more")
            self.stop()
            self.start_nodes()
        return self

    def start_nodes(self):
        for number in self.numbers if self.proxied else ():
            if number not in self.proxies:
                ends = (self.address(number), self.port), (self.client_address(number), self.port)
                self.proxies[number] = TcpProxy(*ends)
        # The first alone: nodes that find nobody to gossip with give up.
        for group in self.numbers[:1], self.numbers[1:]:
            for number in group:
                self.nodes[number].start()
            self.wait_until_ready(*group)

    def wait_until_ready(self, *numbers):
        for number in numbers:
            node = self.nodes[number]
            wait_until(lambda n=number: not self.nodes[n].is_running() or self.is_ready(n), START_PATIENCE_S)
            if not self.is_ready(number):
                why = "not ready in time" if node.is_running() else f"ended with {node.child.returncode}"
                told = "\n".join(node.log_text(since_start=True).splitlines()[-15:])
                raise ServiceError(f"Cassandra node {number}: {why}; the end of {node.log}:\n{told}")

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

    def is_running(self, number=1):
        return self.nodes[number].is_running() and not self.nodes[number].is_paused

    def stop(self):
        """Asks every node to end, and makes those that do not."""
        for node in self.nodes.values():
            node.terminate()
        for number, node in self.nodes.items():
            if not node.reap(STOP_PATIENCE_S):
                cache.say(f"Cassandra node {number} had to be killed")
        for proxy in self.proxies.values():
            proxy.close()
        self.proxies.clear()

    def kill(self, node=1):
        """As a crash ends it: SIGKILL."""
        self.nodes[node].kill()

    def restart(self, node=1):
        """Starts a node again that was killed, or stops and starts it."""
        self.nodes[node].terminate()
        self.nodes[node].reap(STOP_PATIENCE_S)
        self.nodes[node].start()
        self.wait_until_ready(node)

    def pause(self, node=1):
        """It does nothing any more, while its connections stay open."""
        self.nodes[node].pause()

    def resume(self, node=1):
        self.nodes[node].resume()

    def log_text(self, node=1):
        return self.nodes[node].log_text()

    def warnings(self):
        """The lines of all logs that warn or report an error."""
        lines = [line for number in self.numbers for line in self.log_text(number).splitlines()]
        return [line for line in lines if line.startswith(("WARN ", "ERROR "))]

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
        lines = [f"[connection]\nhostname = {self.client_address()}\nport = {self.port}\ntimeout = 30\n"]
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
    options = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", f"-Duser.home={directory}", "-Dlog.level=WARN"]
    return [*install.java_command(), *options, "org.apache.cassandra.tools.NodeTool", "-h", "127.0.0.1", "-p", port]


def cqlsh_command(directory):
    python = cache.python_tools()
    return [python, python.parent / "cqlsh", "--cqlshrc", directory / "cqlshrc"]


def output_of(command, name):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise ServiceError(f"{name}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def archive_classes(path):
    with tempfile.TemporaryDirectory(prefix="finpipe-cassandra-") as directory:
        Cassandra(directory, archive=False, java_options=[f"-XX:ArchiveClassesAtExit={path}"]).start().stop()
