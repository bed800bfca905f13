"""Faults of Kafka, a schema registry and Cassandra that are made for real, one at a time, and what `finpipe check` says
to somebody who runs nothing else: the cause with its remedy, and no other fault."""

import contextlib
import functools
import pathlib
import subprocess
import tempfile
import unittest

import pipeline
from pipeline import PROGRAM, TAPE, Cassandra, Kafka, Side, environment, output_of
from services.certificates import Authority
from services.processes import wait_until
from services.registry import Registry

pipeline.use_python_tools()

from check_lines import Checked  # noqa: E402
from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition, admin  # noqa: E402

PARTITIONS = 2
PATIENCE_S = 120
SUPERUSER = ("kafka", "kafka")
READER = ("reader", "secret-of-reader")
WORKER = ("worker", "secret-of-worker")


def setUpModule():
    global work
    directory = tempfile.TemporaryDirectory(prefix="finpipe-check-")
    unittest.addModuleCleanup(directory.cleanup)
    work = pathlib.Path(directory.name)


@functools.cache
def start_servers():
    """Those of all classes but one."""
    global kafka, registry, cassandra, superuser
    kafka = Kafka(work / "kafka", security="sasl_ssl", users=dict([READER, WORKER])).start()
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

    def acl(self, user, kind, name, operation):
        """As a binding or a filter has it; a name that ends in `*` is prefixed."""
        pattern = admin.ResourcePatternType.PREFIXED if name.endswith("*") else admin.ResourcePatternType.LITERAL
        return dict(restype=admin.ResourceType[kind], name=name.rstrip("*"), principal=f"User:{user[0]}", host="*",
                    resource_pattern_type=pattern, operation=admin.AclOperation[operation],
                    permission_type=admin.AclPermissionType.ALLOW)

    def allow(self, *acls):
        for done in superuser.create_acls([admin.AclBinding(**self.acl(*acl)) for acl in acls]).values():
            done.result(PATIENCE_S)

    def revoke(self, *acl):
        for done in superuser.delete_acls([admin.AclBindingFilter(**self.acl(*acl))]).values():
            self.assertEqual(len(done.result(PATIENCE_S)), 1)


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
        acl = (READER, "TOPIC", f"{self.name}.*", "READ")
        self.allow(acl)
        self.wait_until(lambda: not self.check(**reader).faults(), "the ACL to be in force")
        self.revoke(*acl)
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


class Rights(CheckTest):
    """Of a process' user, beyond to read: what it lacks is named by `check`, which does nothing that needs it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.worker = {"kafka_user": WORKER[0], "kafka_password": WORKER[1]}
        cls.ticks, cls.bars, cls.letters = (f"{cls.name}.{topic}" for topic in ("ticks", "bars", "dead-letters"))
        cls.group = f"{cls.name}.process"

    def setUp(self):
        self.allow((WORKER, "TOPIC", f"{self.name}.*", "READ"), *[
            (WORKER, "TOPIC", topic, "WRITE") for topic in (self.ticks, self.bars, self.letters)],
            (WORKER, "GROUP", self.group, "READ"))
        for role in ("run", "process"):
            self.wait_until(lambda: not self.check("--role", role, **self.worker).faults(), "the ACLs to be in force")

    @contextlib.contextmanager
    def without(self, *acl):
        self.revoke(WORKER, *acl)
        try:
            yield
        finally:
            self.allow((WORKER, *acl))

    def check_as(self, role):
        return self.check("--role", role, **self.worker)

    def kept(self):
        """Ends of the topics, groups, and the places that the processors' group keeps."""
        ends = superuser.list_offsets({
            TopicPartition(topic, partition): admin.OffsetSpec.latest()
            for topic in (self.ticks, self.bars) for partition in range(PARTITIONS)
        } | {TopicPartition(self.letters, 0): admin.OffsetSpec.latest()})
        groups = superuser.list_consumer_groups().result(PATIENCE_S).valid
        places = superuser.list_consumer_group_offsets([ConsumerGroupTopicPartitions(self.group)])[self.group]
        return ([end.result(PATIENCE_S).offset for end in ends.values()],
                [group.group_id for group in groups if group.group_id == self.group],
                [(place.topic, place.partition) for place in places.result(PATIENCE_S).topic_partitions])

    def test_to_write_a_topic(self):
        for roles, others, topic in ((("ingest", "run"), ("process",), self.ticks),
                                     (("process", "run"), ("ingest",), self.bars),
                                     (("ingest", "process", "run"), (), self.letters)):
            with self.subTest(topic), self.without("TOPIC", topic, "WRITE"):
                for role in roles:
                    self.wait_until(lambda: self.check_as(role).faults(), "the ACL to be gone")  # noqa: B023
                    self.check_as(role).assert_fault("log.log_write_permission", rf"{topic}: .*\(E930\)")
                for role in others:
                    self.check_as(role).assert_no_fault()
                self.check(**self.worker).assert_no_fault()

    def test_to_be_one_of_the_group(self):
        self.allow((WORKER, "GROUP", self.group, "DESCRIBE"))  # else it may not even ask where the group is
        with self.without("GROUP", self.group, "READ"):
            for also in ((), ("GROUP", self.group, "DESCRIBE")):
                if also:
                    self.revoke(WORKER, *also)
                self.wait_until(lambda: self.check_as("process").faults(), "the ACL to be gone")
                self.check_as("process").assert_fault("log.group_permission", rf"group {self.group}: .*\(E931\)")
                for role in ("ingest", "run"):
                    self.check_as(role).assert_no_fault()

    def test_what_the_service_here_needs(self):
        process = Side(self, "process", listen="127.0.0.1:0", env=environment(**self.settings | self.worker)).started()
        check = lambda: self.check("--service", process.address().rstrip("/"), **self.worker)  # noqa: E731
        self.wait_until(lambda: not check().faults(), "it to be ready")
        with self.without("TOPIC", self.letters, "WRITE"):
            self.wait_until(lambda: check().faults(), "the ACL to be gone")
            check().assert_fault("log.log_write_permission", rf"{self.letters}: .*\(E930\)")
        with self.without("TOPIC", self.ticks, "WRITE"):
            check().assert_no_fault()
        process.stop()

    def test_nothing_is_written_and_no_place_kept(self):
        before = self.kept()
        self.assertEqual(before[1:], ([], []))
        for role in ("run", "process"):
            said = self.check_as(role).assert_no_fault().said
            self.assertRegex(said, rf"(?m)^ok +access +all that {role} needs$")
        self.assertEqual(self.kept(), before)


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
