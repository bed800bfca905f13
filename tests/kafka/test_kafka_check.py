"""Faults of Kafka, a schema registry and Cassandra that are made for real, one at a time, and what `finpipe check` says
to somebody who runs nothing else: the cause with its remedy, and no other fault."""

import functools
import pathlib
import subprocess
import tempfile
import unittest

import pipeline
from pipeline import PROGRAM, TAPE, Cassandra, Kafka, environment, output_of
from services.certificates import Authority
from services.processes import wait_until
from services.registry import Registry

pipeline.use_python_tools()

from check_lines import Checked  # noqa: E402
from confluent_kafka import TopicPartition, admin  # noqa: E402

PARTITIONS = 2
PATIENCE_S = 120
SUPERUSER = ("kafka", "kafka")
READER = ("reader", "secret-of-reader")


def setUpModule():
    global work
    directory = tempfile.TemporaryDirectory(prefix="finpipe-check-")
    unittest.addModuleCleanup(directory.cleanup)
    work = pathlib.Path(directory.name)


@functools.cache
def start_servers():
    """Those of all classes but one."""
    global kafka, registry, cassandra, superuser
    kafka = Kafka(work / "kafka", security="sasl_ssl", users=dict([READER])).start()
    unittest.addModuleCleanup(kafka.stop)
    registry = Registry(work / "registry").start()
    unittest.addModuleCleanup(registry.stop)
    cassandra = Cassandra(work / "cassandra").start()
    unittest.addModuleCleanup(cassandra.stop)
    superuser = admin.AdminClient(kafka.client_properties() | {"log_level": 0})


class CheckTest(unittest.TestCase):
    """On topics and tables of its own, with all that a tape has."""

    @classmethod
    def setUpClass(cls):
        cls.name = cls.__name__.lower()
        cls.settings = {"feed": f"tape:{TAPE}", "listen": "none"} | cls.parts()
        cls.run_finpipe("check", "--create", "--partitions", PARTITIONS)
        cls.run_finpipe("run", "--exit-at-end")

    @classmethod
    def parts(cls):
        start_servers()
        return {
            "log": f"kafka://{kafka.contact_points()}/{cls.name}", "kafka_tls": "true", "kafka_user": SUPERUSER[0],
            "kafka_password": SUPERUSER[1], "kafka_ca_file": kafka.authority.certificate,
            "store": f"cassandra://{cassandra.contact_points()}/{cls.name}",
            "registry": registry.url(), "registry_cache": work / cls.name,
        }

    @classmethod
    def run_finpipe(cls, *words):
        return output_of(PROGRAM, *words, env=environment(**cls.settings)).decode()

    def check(self, *words, **others):
        settings = self.settings | others
        done = subprocess.run([PROGRAM, "check", *[str(word) for word in words]], env=environment(**settings),
                              capture_output=True, text=True, timeout=PATIENCE_S)
        self.assertNotIn("secret-of", done.stdout + done.stderr)
        return Checked(self, done.stdout, done.returncode)

    def wait_until(self, condition, what):
        self.assertTrue(wait_until(condition, PATIENCE_S), what)

    def wait_until_well(self):
        """What was stopped is there again, and has what it missed."""
        self.wait_until(lambda: not self.check().faults(), "it to be well again")


class Servers(CheckTest):
    def test_all_is_well(self):
        said = self.check().assert_no_fault().said
        self.assertRegex(said, r"(?m)^ok +brokers +1 at \S+: all replicas are in sync$")
        self.assertRegex(said, r"(?m)^ok +nodes +1 of 1 are up$")
        self.assertRegex(said, r"(?m)^ok +registry +http")
        self.assertRegex(said, r"(?m)^ok +checkpoint +partition 1: generation 0")

    def test_the_broker_is_killed(self):
        kafka.kill()
        try:
            self.check().assert_fault("log.broker_unreachable", "Connection refused")
        finally:
            kafka.start_node()
        self.wait_until_well()

    def test_wrong_password_or_user(self):
        self.check(kafka_password="another").assert_fault("log.log_login", "E921")
        self.check(kafka_user="another").assert_fault("log.log_user_unknown", "E934")

    def test_an_acl_is_revoked(self):
        reader = {"kafka_user": READER[0], "kafka_password": READER[1]}
        acl = dict(restype=admin.ResourceType.TOPIC, name=f"{self.name}.", principal=f"User:{READER[0]}", host="*",
                   resource_pattern_type=admin.ResourcePatternType.PREFIXED,
                   operation=admin.AclOperation.READ, permission_type=admin.AclPermissionType.ALLOW)
        for done in superuser.create_acls([admin.AclBinding(**acl)]).values():
            done.result(PATIENCE_S)
        self.wait_until(lambda: not self.check(**reader).faults(), "the ACL to be in force")
        for done in superuser.delete_acls([admin.AclBindingFilter(**acl)]).values():
            self.assertEqual(len(done.result(PATIENCE_S)), 1)
        self.wait_until(lambda: self.check(**reader).faults(), "the ACL to be gone")
        self.check(**reader).assert_fault("log.log_permission", rf"{self.name}\.ticks")

    def test_an_authority_that_is_not_trusted(self):
        other = Authority(work, "other")
        self.check(kafka_ca_file=other.certificate).assert_fault("log.tls_unknown_ca", "E710")

    def test_the_registry_is_down(self):
        registry.kill()
        try:
            # What it has said before is enough.
            self.check().assert_no_fault()
            self.check(registry_cache=work / "cold").assert_fault("registry.registry_unreachable", "E940")
        finally:
            registry.start_node()

    def test_cassandra_is_killed(self):
        cassandra.kill()
        try:
            self.check().assert_fault("store.store_unreachable", "E900")
        finally:
            cassandra.start_node()
        self.wait_until_well()

    def test_cassandra_hangs(self):
        cassandra.pause()
        try:
            self.check().assert_fault("store.store_unreachable", "E900")
        finally:
            cassandra.resume()
        self.wait_until_well()

    def test_no_table(self):
        cassandra.cqlsh(f"DROP TABLE {self.name}.ticks")
        try:
            self.check().assert_fault("store.schema_missing", "ticks")
        finally:
            self.run_finpipe("check", "--create")


class Expired(CheckTest):
    def test_records_were_deleted_before_they_were_stored(self):
        """What two ingests say of themselves follows in the log; the first of it expires."""
        self.run_finpipe("ingest")
        ends = superuser.list_offsets({TopicPartition(f"{self.name}.ticks", partition): admin.OffsetSpec.latest()
                                       for partition in range(PARTITIONS)})
        self.run_finpipe("ingest")
        begins = [TopicPartition(place.topic, place.partition, end.result(PATIENCE_S).offset)
                  for place, end in ends.items()]
        for done in superuser.delete_records(begins).values():
            done.result(PATIENCE_S)
        checked = self.check()
        names = [line.name for line in checked.faults()]
        self.assertEqual(names, PARTITIONS * ["checkpoint.offset_out_of_range"], checked.said)
        self.assertRegex(checked.said, r"partition 1: the log begins at \d+, the checkpoint is at \d+")


class Brokers(CheckTest):
    """Three, with a replica each."""

    @classmethod
    def parts(cls):
        cls.kafka = Kafka(work / "three", 3).start()
        cls.addClassCleanup(cls.kafka.stop)
        return {"log": f"kafka://{cls.kafka.contact_points()}/{cls.name}", "store": f"embedded:{work}/{cls.name}"}

    def test_one_of_three_is_killed(self):
        self.kafka.kill(3)
        self.wait_until(lambda: "log.under_replicated" in self.check().said, "it to miss it")
        self.check().assert_fault("log.under_replicated",
                                  r"brokers that answer: 1 at \S+, 2 at \S+; that are missing: 3$")
        self.kafka.start_node(3)
        self.wait_until_well()

    def test_that_of_the_only_replica_is_killed(self):
        once = {"log": self.settings["log"] + "-once", "store": f"embedded:{work}/once"}
        self.check("--create", "--partitions", 1, "--kafka-replication", 1, **once).assert_no_fault()
        topic = f"{self.name}-once.ticks"
        asked = admin.AdminClient({"bootstrap.servers": self.kafka.contact_points(), "log_level": 0})
        leader = asked.list_topics(topic, PATIENCE_S).topics[topic].partitions[0].leader
        self.kafka.kill(leader)
        self.wait_until(lambda: "log.no_leader" in self.check(**once).said, "it to miss it")
        self.check(**once).assert_fault("log.no_leader", rf"{topic} 0.*that are missing: {leader}$")
        self.kafka.start_node(leader)
        self.wait_until(lambda: not self.check(**once).faults(), "it to be well again")


class Deleted(CheckTest):
    def test_the_topic_was_deleted(self):
        kafka.tool("topics", "--delete", "--topic", f"{self.name}.ticks")
        self.check().assert_fault("log.topic_missing", rf"{self.name}\.ticks")


if __name__ == "__main__":
    unittest.main()
