"""Apache Kafka 3.9 on this machine, without ZooKeeper: one node, or three that all hold every record."""

import base64
import concurrent.futures
import json
import pathlib
import subprocess
import tempfile
import uuid

from .. import addresses, java
from ..processes import Process
from ..service import Service, output_of, write_properties
from . import install

HERE = pathlib.Path(__file__).resolve().parent
SUPERUSER = ("kafka", "kafka")
MECHANISMS = ("SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN")
LOGIN = "org.apache.kafka.common.security"
# What clients speak to the listener for them.
PROTOCOLS = {None: "PLAINTEXT", "tls": "SSL", "mtls": "SSL", "sasl_ssl": "SASL_SSL"}
TOOLS = {
    "acls": "kafka.admin.AclCommand",
    "configs": "kafka.admin.ConfigCommand",
    "groups": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
    "offsets": "org.apache.kafka.tools.GetOffsetShell",
    "topics": "org.apache.kafka.tools.TopicCommand",
}


class Kafka(Service):
    """A cluster in `directory`, which may have one of an earlier start; nodes are numbered from 1.

    `block`          the addresses: '127.x.y.', whose 1, 2 and 3 the nodes get; one that is free otherwise
    `security`       what clients need: 'tls'; 'mtls', a certificate that `authority` signed; 'sasl_ssl', a login by any
                     of MECHANISMS, as SUPERUSER or one of `users`, who may do what an ACL allows
    `users`          {name: password}; create_user() adds more
    `tls`            what is wrong with the server's certificate: 'expired', 'wrong-host', 'self-signed' or
                     'other-authority'; the right authority is `authority`
    `plaintext_too`  plain_contact_points() need no security; they are never proxied
    `proxied`        clients reach each node through `proxies[node]`, which can block the way; the nodes talk directly
    `fast`           for benchmarks: Java's best compiler and collector; give it heap_mb=1024 or so
    `jmx`            metrics_targets() serve Prometheus by observability/jmx/kafka.yaml
    `settings`       more of server.properties, or other values
    """

    NAME = "Kafka"

    def __init__(
        self, directory, nodes=1, *, block=None, security=None, users=None, tls=True, plaintext_too=False,
        proxied=False, heap_mb=256, fast=False, jmx=False, settings=None, java_options=(), archive=True,
    ):
        ports = {"port": 9092, "internal_port": 9093, "controller_port": 9094, "plain_port": 9095, "jmx_port": 9404}
        super().__init__(directory, nodes, block, ports, proxied)
        self.security = security
        self.users = dict([SUPERUSER]) | (users or {}) if security == "sasl_ssl" else {}
        self.plaintext_too = plaintext_too
        self.jmx = jmx
        self.settings = settings or {}
        if security:
            self.make_certificates(tls)
        options = [*java.server_options(heap_mb, fast), *java_options]
        self.tool_options = list(java.SHORT)
        if archive:
            options.append(java.class_archive(install.NAME, archive_classes))
            self.tool_options.append(options[-1])
        self.cluster_id = self.known().get("cluster_id") or base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()[:22]
        self.remember(cluster_id=self.cluster_id)
        self.nodes = {number: self.make_node(number, options) for number in self.numbers}
        write_properties(self.directory / "tools.properties", self.tool_settings())

    def make_node(self, number, options):
        directory = self.directory / f"node{number}"
        temporary = directory / "tmp"
        temporary.mkdir(parents=True, exist_ok=True)
        configuration = directory / "server.properties"
        write_properties(configuration, self.configuration(number), (HERE / "server.properties").read_text())
        if self.jmx:
            options = [*options, java.jmx_agent("kafka.yaml", self.address(number), self.ports["jmx_port"])]
        command = [*install.java_command(), *options, f"-Djava.io.tmpdir={temporary}", "kafka.Kafka", configuration]
        return Process(command, directory, directory / "kafka.log")

    def configuration(self, number):
        replicas = len(self.numbers)
        in_sync = min(2, replicas)
        between = "SASL_PLAINTEXT" if self.security == "sasl_ssl" else "PLAINTEXT"
        # Of each listener: what it speaks, where it is, and where clients are told it is.
        listeners = {
            "CLIENTS": (PROTOCOLS[self.security], self.port, self.client_address(number)),
            "INTERNAL": (between, self.ports["internal_port"], self.address(number)),
            "CONTROLLER": (between, self.ports["controller_port"], None),
        }
        if self.plaintext_too:
            listeners["PLAIN"] = ("PLAINTEXT", self.ports["plain_port"], self.address(number))
        values = {
            "node.id": number,
            "controller.quorum.voters": ",".join(
                f"{other}@{self.address(other)}:{self.ports['controller_port']}" for other in self.numbers
            ),
            "listeners": ",".join(
                f"{name}://{self.address(number)}:{port}" for name, (_, port, _) in listeners.items()
            ),
            "advertised.listeners": ",".join(
                f"{name}://{told}:{port}" for name, (_, port, told) in listeners.items() if told
            ),
            "listener.security.protocol.map": ",".join(
                f"{name}:{protocol}" for name, (protocol, _, _) in listeners.items()
            ),
            "log.dirs": self.directory / f"node{number}" / "data",
            "default.replication.factor": replicas,
            "min.insync.replicas": in_sync,
            "offsets.topic.replication.factor": replicas,
            "transaction.state.log.replication.factor": replicas,
            "transaction.state.log.min.isr": in_sync,
        }
        if self.security:
            values |= {
                "ssl.keystore.type": "PEM",
                "ssl.keystore.location": self.server,
                "ssl.truststore.type": "PEM",
                "ssl.truststore.location": self.authority.certificate,
                "listener.name.clients.ssl.client.auth": "required" if self.security == "mtls" else "none",
            }
        if self.security == "sasl_ssl":
            values |= self.logins()
        return values | self.settings

    def logins(self):
        user, password = SUPERUSER
        super_login = f'{plain_login(*SUPERUSER)[:-1]} user_{user}="{password}";'
        everyone = " ".join(f'user_{name}="{word}"' for name, word in self.users.items())
        return {
            "sasl.mechanism.inter.broker.protocol": "PLAIN",
            "sasl.mechanism.controller.protocol": "PLAIN",
            "listener.name.internal.sasl.enabled.mechanisms": "PLAIN",
            "listener.name.internal.plain.sasl.jaas.config": super_login,
            "listener.name.controller.sasl.enabled.mechanisms": "PLAIN",
            "listener.name.controller.plain.sasl.jaas.config": super_login,
            "listener.name.clients.sasl.enabled.mechanisms": ",".join(MECHANISMS),
            "listener.name.clients.scram-sha-512.sasl.jaas.config": f"{LOGIN}.scram.ScramLoginModule required;",
            "listener.name.clients.scram-sha-256.sasl.jaas.config": f"{LOGIN}.scram.ScramLoginModule required;",
            "listener.name.clients.plain.sasl.jaas.config": f"{LOGIN}.plain.PlainLoginModule required {everyone};",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": f"User:{user}",
        }

    def start_nodes(self):
        with concurrent.futures.ThreadPoolExecutor() as pool:
            list(pool.map(self.format, self.numbers))
        super().start_nodes()

    def format(self, number):
        """Makes a node's data directory, where there is none yet."""
        directory = self.directory / f"node{number}"
        if (directory / "data" / "meta.properties").exists():
            return
        words = ["format", f"--cluster-id={self.cluster_id}", "-c", directory / "server.properties"]
        for mechanism in MECHANISMS[:2]:
            for name, password in self.users.items():
                words += ["--add-scram", f"{mechanism}=[name={name},password={password}]"]
        output_of([*install.java_command("WARN"), *self.tool_options, "kafka.tools.StorageTool", *words], "format")

    def is_ready(self, number):
        """It serves: the quorum has a leader, which has let it in; and those that run tell clients of each other."""
        running = [other for other in self.numbers if self.is_running(other)]
        if number not in running or not all(self.has_started(one) for one in running):
            return False
        return len(self.numbers) == 1 or all(self.tells_of(one, running) for one in running)

    def has_started(self, number):
        started = "Kafka Server started" in self.nodes[number].log_text(since_start=True)
        return started and addresses.answers(self.address(number), self.port)

    def tells_of(self, number, others):
        """Clients that ask this node hear of those."""
        settings = {"bootstrap.servers": f"{self.address(number)}:{self.ports['internal_port']}", "log_level": 0}
        if self.security == "sasl_ssl":
            user, password = SUPERUSER
            login = {"mechanism": "PLAIN", "username": user, "password": password}
            settings |= {"security.protocol": "SASL_PLAINTEXT"} | {f"sasl.{key}": value for key, value in login.items()}
        words = [word for key, value in settings.items() for word in ("-X", f"{key}={value}")]
        told = subprocess.run(["kcat", "-L", "-J", "-m", "5", *words], capture_output=True)
        if told.returncode != 0:
            return False
        return {broker["id"] for broker in json.loads(told.stdout)["brokers"]}.issuperset(others)

    def plain_contact_points(self):
        return ",".join(f"{self.address(number)}:{self.ports['plain_port']}" for number in self.numbers)

    def client_properties(self, user=SUPERUSER, mechanism=MECHANISMS[0]):
        """Settings of librdkafka for a client; `user` is (name, password)."""
        settings = {"bootstrap.servers": self.contact_points(), "security.protocol": PROTOCOLS[self.security]}
        if self.security:
            settings["ssl.ca.location"] = str(self.authority.certificate)
        if self.security == "mtls":
            certificate, key = self.client
            settings |= {"ssl.certificate.location": str(certificate), "ssl.key.location": str(key)}
        if self.security == "sasl_ssl":
            settings |= {"sasl.mechanism": mechanism, "sasl.username": user[0], "sasl.password": user[1]}
        return settings

    def tool_settings(self):
        """Settings of a Java client that may do everything and does not go through a proxy."""
        where = ",".join(f"{self.address(number)}:{self.ports['internal_port']}" for number in self.numbers)
        settings = {"bootstrap.servers": where}
        if self.security == "sasl_ssl":
            settings |= {
                "security.protocol": "SASL_PLAINTEXT",
                "sasl.mechanism": "PLAIN",
                "sasl.jaas.config": plain_login(*SUPERUSER),
            }
        return settings

    def tool(self, name, *arguments):
        """What one of Kafka's own TOOLS prints; one that fails is a ServiceError."""
        return output_of([*tool_command(self.directory, name, self.tool_options), *arguments], name)

    def create_topic(self, name, partitions=1, **settings):
        """Settings such as cleanup_policy='compact'."""
        more = [word for key, value in settings.items() for word in ("--config", f"{key.replace('_', '.')}={value}")]
        self.tool("topics", "--create", "--topic", name, "--partitions", partitions, *more)

    def produce(self, topic, records):
        """Writes (key, value) of texts by Java's client, whose partitioner says where."""
        command = [*install.java_command("WARN"), *self.tool_options, "kafka.tools.ConsoleProducer", "--topic", topic]
        for key, value in {"parse.key": "true", "key.separator": "\t"}.items():
            command += ["--property", f"{key}={value}"]
        where = self.tool_settings()["bootstrap.servers"]
        settings = ["--bootstrap-server", where, "--producer.config", self.directory / "tools.properties"]
        output_of([*command, *settings], "producer", "".join(f"{key}\t{value}\n" for key, value in records))

    def create_user(self, name, password, mechanism=MECHANISMS[0]):
        """One that logs in by SCRAM; one that is there gets a new password."""
        secret = f"{mechanism}=[password={password}]"
        self.tool("configs", "--alter", "--entity-type", "users", "--entity-name", name, "--add-config", secret)

    def allow(self, user, *operations, **resource):
        """Adds an ACL: allow('app', 'Read', 'Describe', topic='trades'); also group= and transactional_id=."""
        self.acl("--add", user, operations, resource)

    def revoke(self, user, *operations, **resource):
        """Takes away what allow() with the same arguments gave."""
        self.acl("--remove", user, operations, resource)

    def acl(self, action, user, operations, resource):
        what = [word for kind, name in resource.items() for word in (f"--{kind.replace('_', '-')}", name)]
        allowed = [word for operation in operations for word in ("--operation", operation)]
        force = ["--force"] if action == "--remove" else []
        self.tool("acls", action, "--allow-principal", f"User:{user}", *allowed, *what, *force)


def plain_login(user, password):
    return f'{LOGIN}.plain.PlainLoginModule required username="{user}" password="{password}";'


def tool_command(directory, name, options=java.SHORT):
    """One of TOOLS for a cluster that runs in `directory`; what it shall do follows."""
    settings = directory / "tools.properties"
    where = settings.read_text().partition("bootstrap.servers=")[2].splitlines()[0]
    command = [*install.java_command("WARN"), *options, TOOLS[name]]
    return [*command, "--bootstrap-server", where, "--command-config", settings]


def archive_classes(option):
    with tempfile.TemporaryDirectory(prefix="finpipe-kafka-") as directory:
        return Kafka(directory, archive=False, security="sasl_ssl", java_options=[option]).start().stop()
