"""Who may do what on a Kafka that demands TLS, a login and ACLs: each command works with what docs/operations.md grants
it, and what is wrong has a code and a remedy of its own."""

import contextlib
import csv
import io
import pathlib
import re
import ssl
import subprocess
import tempfile
import unittest

import pipeline
from pipeline import PATIENCE_S, PROGRAM, ROOT, TAPE, Kafka, Side, environment
from program import scrape
from services.cassandra import Cassandra
from services.certificates import Authority, first_end, pem_with_key
from services.processes import wait_until

pipeline.use_python_tools()

from confluent_kafka import admin  # noqa: E402

PARTITIONS = 2
TICKS, GROUP = ("topic", "finnhub.ticks"), ("group", "finnhub.process")
# Users, and the command that each may run.
USERS = {"admin": "check --create", "ingest": "ingest", "process": "process", "reader": "verify", "whole": "run",
         "keeper": "checkpoint", "operator": "void"}
# The same but for one operation, without which they may still see what it is about.
LOSERS = {"no-write": ("ingest", TICKS, "Write"), "no-read": ("verify", TICKS, "Read"),
          "no-group": ("process", GROUP, "Read")}
INGEST = ("ingest", "--feed", f"tape:{TAPE}", "--listen", "none")


def password_of(user):
    return f"secret-of-{user}"


def documented_access():
    """{command: {(kind, name): operations}} as the table of docs/operations.md has it."""
    table = re.findall(r"^\| (`.+?`) \| (topic|group) `(.+?)` \| (.+?) \|$",
                       (ROOT / "docs/operations.md").read_text(), re.MULTILINE)
    access = {}
    for commands, kind, name, operations in table:
        for command in re.findall("`(.+?)`", commands):
            access.setdefault(command, {})[kind, name] = operations.split(", ")
    return access


def remedy_of(code):
    return re.search(rf"^\| {code} \|.* \| (.+?) \|$", (ROOT / "docs/reference/errors.md").read_text(), re.MULTILINE)[1]


def setUpModule():
    global work, kafka, superuser, store
    directory = tempfile.TemporaryDirectory(prefix="finpipe-kafka-")
    unittest.addModuleCleanup(directory.cleanup)
    work = pathlib.Path(directory.name)
    store = ["--store", f"embedded:{work}/store"]
    # Another certificate can be shown without a restart.
    changes = {"ssl.allow.dn.changes": "true", "ssl.allow.san.changes": "true"}
    users = {user: password_of(user) for user in [*USERS, *LOSERS]}
    kafka = Kafka(work / "kafka", security="sasl_ssl", users=users, plaintext_too=True, settings=changes).start()
    unittest.addModuleCleanup(kafka.stop)
    superuser = admin.AdminClient(kafka.client_properties(mechanism="PLAIN") | {"log_level": 0})
    grant_everyone()
    assert_works(run_as("admin", "check", "--create", "--partitions", PARTITIONS, *store))
    assert_works(run_as("whole", "run", "--feed", f"tape:{TAPE}", "--exit-at-end", "--listen", "none", *store))


def grant_everyone():
    access = documented_access()
    for user, command in USERS.items():
        for resource, operations in access[command].items():
            allow(user, resource, *operations)
    for user, (command, lost_from, lost) in LOSERS.items():
        for resource, operations in access[command].items():
            allow(user, resource, *["Describe" if (resource, one) == (lost_from, lost) else one for one in operations])


def bindings(kind, user, resource, operations):
    """Kafka's own tool says the same in two seconds each."""
    of, name = resource
    pattern = "PREFIXED" if name.endswith("*") else "LITERAL"
    return [kind(admin.ResourceType[of.upper()], name.rstrip("*"), admin.ResourcePatternType[pattern], f"User:{user}",
                 "*", admin.AclOperation[re.sub("(?<=[a-z])(?=[A-Z])", "_", operation).upper()],
                 admin.AclPermissionType.ALLOW) for operation in operations]


def allow(user, resource, *operations):
    for done in superuser.create_acls(bindings(admin.AclBinding, user, resource, operations)).values():
        done.result(30)


def revoke(user, resource, *operations):
    for done in superuser.delete_acls(bindings(admin.AclBindingFilter, user, resource, operations)).values():
        assert len(done.result(30)) == 1


def settings_of(user, **others):
    """finpipe's settings for a user of this Kafka; None leaves one away."""
    settings = {"log": f"kafka://{kafka.contact_points()}", "kafka_user": user, "kafka_password": password_of(user),
                "kafka_tls": "true", "kafka_ca_file": kafka.authority.certificate} | others
    return {name: value for name, value in settings.items() if value is not None}


def run(*words, **settings):
    """(exit code, what finpipe said)."""
    done = subprocess.run([PROGRAM, *[str(word) for word in words]], env=environment(**settings), text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE_S)
    assert "secret-of" not in done.stdout, f"it tells a password: {done.stdout}"
    return done.returncode, done.stdout


def run_as(user, *words, **others):
    return run(*words, **settings_of(user, **others))


def assert_works(outcome):
    code, said = outcome
    assert code == 0, said
    return said


def assert_refused(code, outcome, exit_code=1):
    """It ends with this error only, and says what to do."""
    ended, said = outcome
    assert ended == exit_code, f"exit code {ended}\n{said}"
    assert set(re.findall(r"\bE\d{3}\b", said)) == {code}, said
    assert remedy_of(code) in said, said
    return said


class Access(unittest.TestCase):
    def test_each_command_works_with_what_it_is_granted(self):
        assert_works(run_as("admin", "check", "--create", *store))  # the second time
        self.assertIn("34,419 already in the log", assert_works(run_as("ingest", *INGEST)))
        for words in (["check"], ["checkpoint", "show"], ["export", "trades"], ["export", "dead-letters"]):
            assert_works(run_as("reader", *words, *store))
        assert_works(run_as("whole", "run", "--feed", f"tape:{TAPE}", "--exit-at-end", "--listen", "none", *store))
        assert_works(run_as("reader", "verify", *store))
        assert_refused("E931", run_as("reader", "checkpoint", "reset", *store))
        assert_works(run_as("keeper", "checkpoint", "reset", *store))
        assert_works(run_as("whole", "run", "--feed", f"tape:{TAPE}", "--exit-at-end", "--listen", "none", *store))
        trade = next(csv.DictReader(io.StringIO(assert_works(run_as("reader", "export", "trades", *store)))))
        for action in "void", "unvoid":
            assert_works(run_as("operator", action, "--symbol", trade["symbol"], "--event-time", trade["event_time"],
                                "--seq", trade["seq"], "--reason", "test", *store))

    def test_login_by_each_mechanism(self):
        for mechanism in ("SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"):
            with self.subTest(mechanism):
                assert_works(run_as("reader", "check", *store, kafka_mechanism=mechanism))
                assert_refused("E921", run_as("reader", "check", *store, kafka_mechanism=mechanism,
                                              kafka_password="secret-of-nobody"))

    def test_bad_password_and_unknown_user(self):
        for words in (INGEST, ["check", *store]):
            assert_refused("E921", run_as("ingest", *words, kafka_password=password_of("reader")))
            assert_refused("E934", run_as("nobody", *words, kafka_password=password_of("ingest")))

    def test_unknown_user_by_each_mechanism(self):
        # By PLAIN, Kafka does not tell them apart.
        for mechanism, code in (("SCRAM-SHA-512", "E934"), ("SCRAM-SHA-256", "E934"), ("PLAIN", "E921")):
            with self.subTest(mechanism):
                assert_refused(code, run_as("nobody", "check", *store, kafka_mechanism=mechanism))

    def test_certificate_of_an_authority_that_is_not_trusted(self):
        other = Authority(work, "other")
        assert_refused("E710", run_as("ingest", *INGEST, kafka_ca_file=other.certificate))
        assert_refused("E710", run_as("reader", "check", *store, kafka_ca_file=None))  # the system's authorities

    def test_certificate_that_has_expired_or_is_for_another_host(self):
        address = f"IP:{kafka.address()}"
        for code, name, alternative, days in (("E712", "expired", address, -1),
                                              ("E713", "elsewhere", "DNS:elsewhere", 2)):
            made = pem_with_key(work / f"{name}.pem", *kafka.authority.sign(name, alternative, days))
            with self.subTest(name), shown_certificate(made):
                assert_refused(code, run_as("ingest", *INGEST))
                assert_refused(code, run_as("reader", "check", *store))
        assert_works(run_as("reader", "check", *store))

    def test_certificate_that_is_refused_ends_what_runs(self):
        log = f"{settings_of('ingest')['log']}/refused"  # of the demo, which never ends by itself
        assert_works(run_as("kafka", "check", "--create", "--store", f"embedded:{work}/none", log=log,
                            kafka_password="kafka"))
        allow("ingest", ("topic", "refused.ticks"), "Read", "Write")
        allow("ingest", ("topic", "refused.dead-letters"), "Write")
        ended_one = pem_with_key(work / "ended.pem", *kafka.authority.sign("ended", f"IP:{kafka.address()}", -1))
        ingest = Side(self, "ingest", env=environment(**settings_of("ingest", log=log))).started()
        with shown_certificate(ended_one):
            kafka.nodes[1].terminate()  # else connections stay as they are
            kafka.nodes[1].reap()
            kafka.nodes[1].start()
            assert_refused("E712", ended(ingest))
        kafka.wait_until_ready(1)
        assert_works(run_as("reader", "check", *store))

    def test_port_that_speaks_another_protocol(self):
        plain = f"kafka://{kafka.plain_contact_points()}"
        no_tls = {"kafka_tls": None, "kafka_ca_file": None}
        nobody = {"kafka_user": None, "kafka_password": None}
        for what, words, wrong in (("no TLS", INGEST, no_tls), ("nothing", INGEST, no_tls | nobody),
                                   ("TLS and login", ["check", *store], {"log": plain}),
                                   ("TLS", ["check", *store], nobody | {"log": plain}),
                                   ("login", ["check", *store], no_tls | {"log": plain})):
            with self.subTest(what):
                assert_refused("E932", run_as("ingest", *words, **wrong))

    def test_no_right_to_write(self):
        assert_refused("E930", run_as("no-write", *INGEST))
        assert_refused("E930", run_as("reader", *INGEST))  # nothing at all

    def test_no_right_to_read(self):
        assert_refused("E923", run_as("no-read", "check", *store))
        assert_refused("E923", run_as("no-read", "verify", *store))
        assert_refused("E923", run_as("no-read", *INGEST))

    def test_no_right_to_create(self):
        other = f"kafka://{kafka.contact_points()}/other"
        assert_refused("E923", run_as("reader", "check", "--create", *store, log=other))

    def test_password_is_nowhere(self):
        self.assertIn("kafka-password", assert_works(run_as("reader", "config")))

    def test_right_to_write_that_is_revoked_ends_an_ingest(self):
        log = f"{settings_of('ingest')['log']}/revoked"  # of the demo, which never ends by itself
        none = ["--store", f"embedded:{work}/none"]
        assert_works(run_as("kafka", "check", "--create", *none, log=log, kafka_password="kafka"))
        ticks = ("topic", "revoked.ticks")
        allow("ingest", ticks, "Read", "Write")
        allow("ingest", ("topic", "revoked.dead-letters"), "Write")
        ingest = Side(self, "ingest", env=environment(**settings_of("ingest", log=log))).started()
        revoke("ingest", ticks, "Write")
        assert_refused("E930", ended(ingest))


class Group(unittest.TestCase):
    """Processors, which need Cassandra."""

    @classmethod
    def setUpClass(cls):
        cassandra = Cassandra(work / "cassandra", fast=True).start()
        cls.addClassCleanup(cassandra.stop)
        cls.store = ["--store", f"cassandra://{cassandra.contact_points()}/access"]
        assert_works(run_as("admin", "check", "--create", *cls.store))

    def start(self, side, user, listen="none"):
        return Side(self, side, *self.store, listen=listen, env=environment(**settings_of(user)))

    def test_process_and_serve_work_with_what_they_are_granted(self):
        processor, server = self.start("process", "process").started(), self.start("serve", "reader").started()
        pipeline.wait_until_stored(self.store, PARTITIONS, environment(**settings_of("reader")))
        for side in (processor, server):
            side.stop()
            self.assertNotIn("secret-of", side.text())
        assert_works(run_as("reader", "verify", *self.store))

    def test_when_the_first_certificate_ends_is_told(self):
        processor = self.start("process", "process", listen="127.0.0.1:0").started()
        end = first_end(kafka.authority.certificate, kafka.server)
        series = 'finpipe_certificate_not_after_seconds{certificate="kafka"}'
        self.assertTrue(wait_until(lambda: scrape(processor.address())[series] == end, 30), processor.text())

    def test_no_right_to_use_the_group(self):
        assert_refused("E931", ended(self.start("process", "no-group")))
        assert_refused("E931", run_as("process", "process", *self.store, "--listen", "none", kafka_group="another"))

    def test_rights_that_are_revoked_end_a_processor(self):
        for code, resource in (("E931", GROUP), ("E923", TICKS)):
            with self.subTest(resource):
                processor = self.start("process", "process").started()
                revoke("process", resource, "Read")
                try:
                    assert_refused(code, ended(processor))
                finally:
                    allow("process", resource, "Read")


class Certificate(unittest.TestCase):
    """A Kafka that asks clients for a certificate instead."""

    @classmethod
    def setUpClass(cls):
        cls.server = Kafka(work / "mtls", security="mtls").start()
        cls.addClassCleanup(cls.server.stop)

    def check(self, certificate, key):
        files = {"kafka_certificate": certificate, "kafka_key": key, "kafka_ca_file": self.server.authority.certificate}
        settings = {name: path for name, path in files.items() if path}
        return run("check", "--create", "--store", f"embedded:{work}/none", kafka_tls="true",
                   log=f"kafka://{self.server.contact_points()}", **settings)

    def test_certificate_that_the_authority_signed(self):
        assert_works(self.check(*self.server.client))

    def test_no_certificate_or_one_of_another_authority(self):
        assert_refused("E715", self.check(None, None))
        assert_refused("E715", self.check(*Authority(work, "stranger").sign("stranger-client", "DNS:client")))
        key_of_another = self.server.authority.sign("another", "DNS:client")[1]
        assert_refused("E715", self.check(self.server.client[0], key_of_another))


def ended(side):
    """(exit code, what it said), after it ended by itself."""
    code = side.process.wait(PATIENCE_S)
    assert "secret-of" not in side.text(), f"it tells a password: {side.text()}"
    return code, side.text()


@contextlib.contextmanager
def shown_certificate(path):
    show_certificate(path)
    try:
        yield
    finally:
        show_certificate(kafka.server)


def show_certificate(path):
    change = f"listener.name.clients.ssl.keystore.location={path}"
    kafka.tool("configs", "--alter", "--entity-type", "brokers", "--entity-name", 1, "--add-config", change)
    wanted, at = path.read_text(), (kafka.address(), kafka.port)

    def shows():
        """Each of its threads that take connections, in turn, gets to know separately."""
        return all(ssl.get_server_certificate(at).strip() in wanted for _ in range(6))

    assert wait_until(shows, 30), f"it does not show {path}"


if __name__ == "__main__":
    unittest.main()
