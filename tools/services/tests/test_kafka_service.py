"""A real Kafka: it lets in whom it should, keeps what it acknowledged when killed, and goes on without one node."""

import contextlib
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
from services.certificates import Authority  # noqa: E402
from services.kafka import MECHANISMS, Kafka  # noqa: E402
from services.processes import ServiceError, wait_until  # noqa: E402

PATIENCE_S = 60
RECORDS = 5000
# All records are acknowledged; the server is killed at once after the last.
WRITER = f"""
import os, signal, sys
from confluent_kafka import Producer
acknowledged = []
producer = Producer({{"bootstrap.servers": sys.argv[1], "acks": "all"}})
for number in range({RECORDS}):
    producer.produce("numbers", str(number), on_delivery=lambda error, _: acknowledged.append(error))
assert producer.flush({PATIENCE_S}) == 0 and acknowledged == [None] * {RECORDS}
os.kill(int(sys.argv[2]), signal.SIGKILL)
os._exit(0)
"""


class RealKafka(unittest.TestCase):
    def cluster(self, *args, **options):
        directory = tempfile.mkdtemp(prefix="finpipe-kafka-")
        self.addCleanup(shutil.rmtree, directory)
        kafka = Kafka(directory, *args, **options)
        self.addCleanup(kafka.stop)
        return kafka.start()

    def kcat(self, mode, settings, *arguments, said=""):
        """What it prints; ServiceError with what it complains of."""
        words = [word for key, value in settings.items() for word in ("-X", f"{key}={value}")]
        done = subprocess.run(["kcat", mode, *words, *arguments], input=said, capture_output=True, text=True)
        if done.returncode != 0:
            raise ServiceError(done.stderr)
        return done.stdout

    def produce(self, settings, topic, patience_s=PATIENCE_S, said="hello\n"):
        limits = {"acks": "all", "message.timeout.ms": patience_s * 1000}
        self.kcat("-P", settings | limits, "-t", topic, said=said)

    def is_let_in(self, settings):
        with contextlib.suppress(ServiceError):
            return bool(self.kcat("-L", settings | {"socket.timeout.ms": 5000}))

    def consume(self, settings, topic):
        return self.kcat("-C", settings, "-t", topic, "-e", "-q").splitlines()

    def test_prometheus_gets_what_the_rules_of_alerts_ask_for(self):
        kafka = self.cluster(jmx=True)
        with urllib.request.urlopen(f"http://{kafka.metrics_targets()[0]}/metrics", timeout=60) as answer:
            given = set(re.findall(r"^(kafka_\w+)", answer.read().decode(), re.M))
        asked = set(re.findall(r"\bkafka_\w+", (RULES / "kafka.yaml").read_text()))
        self.assertGreater(len(asked), 2)
        self.assertEqual(asked - given, set())

    def test_what_was_acknowledged_survives_kill_9(self):
        kafka = self.cluster()
        kafka.create_topic("numbers", retention_ms=-1)
        to = [kafka.contact_points(), str(kafka.nodes[1].pid)]
        subprocess.run([python_tools(), "-I", "-c", WRITER, *to], check=True)
        kafka.kill()
        self.assertFalse(kafka.is_running())
        kafka.start_node()
        client = kafka.client_properties()
        self.assertEqual(self.consume(client, "numbers"), [str(number) for number in range(RECORDS)])
        self.assertIn("retention.ms=-1", kafka.tool("topics", "--describe"))
        with self.assertRaisesRegex(ServiceError, "Unknown topic"):
            self.produce(client | {"topic.metadata.propagation.max.ms": 500}, "nobody-made-it")

        kafka.pause()
        self.assertFalse(kafka.is_running())
        with self.assertRaisesRegex(ServiceError, "Message timed out"):
            self.produce(client, "numbers", 1)
        kafka.resume()
        self.produce(client, "numbers")
        self.assertEqual([line for line in kafka.warnings() if line.startswith("ERROR")], [])
        kafka.stop()
        self.assertFalse(kafka.is_running())

    def test_only_users_with_a_password_and_an_acl_are_let_in(self):
        kafka = self.cluster(security="sasl_ssl", users={"app": "secret"}, proxied=True)
        kafka.create_topic("open")
        kafka.allow("app", "Write", topic="open")
        for mechanism in MECHANISMS:
            with self.subTest(mechanism):
                self.produce(kafka.client_properties(("app", "secret"), mechanism), "open")
                with self.assertRaisesRegex(ServiceError, "(?i)authentication failed"):
                    self.produce(kafka.client_properties(("app", "wrong"), mechanism), "open")
        app = kafka.client_properties(("app", "secret"))
        with self.assertRaisesRegex(ServiceError, "Topic authorization failed"):
            self.produce(app, "closed")
        with self.assertRaisesRegex(ServiceError, "certificate verify failed"):
            self.produce(app | {"ssl.ca.location": Authority(kafka.directory, "other").certificate}, "open")
        kafka.create_user("late", "secret")
        late = kafka.client_properties(("late", "secret"))
        self.assertTrue(wait_until(lambda: self.is_let_in(late), PATIENCE_S))
        kafka.revoke("app", "Write", topic="open")
        for user in ("late", "app"):
            with self.assertRaisesRegex(ServiceError, "Topic authorization failed"):
                self.produce(kafka.client_properties((user, "secret")), "open")
        self.assertEqual(self.consume(kafka.client_properties(), "open"), ["hello"] * len(MECHANISMS))
        kafka.proxies[1].block()
        with self.assertRaises(ServiceError):
            self.produce(kafka.client_properties(), "open", 1)

    def test_only_clients_with_a_certificate_are_let_in(self):
        kafka = self.cluster(security="mtls", plaintext_too=True)
        kafka.create_topic("open")
        client = kafka.client_properties()
        self.produce(client, "open")
        for missing in ("ssl.certificate.location", "ssl.key.location"):
            del client[missing]
        with self.assertRaises(ServiceError):
            self.produce(client, "open")
        self.assertEqual(self.consume({"bootstrap.servers": kafka.plain_contact_points()}, "open"), ["hello"])

    def test_two_of_three_nodes_take_acknowledged_writes(self):
        kafka = self.cluster(3)
        kafka.create_topic("spread", 3)
        client = kafka.client_properties()
        self.produce(client, "spread")
        kafka.kill(2)
        self.produce(client, "spread", said="1\n2\n3\n4\n5\n6\n")
        kafka.start_node(2)
        self.addCleanup(lambda: [kafka.kill(node) for node in kafka.numbers])  # stop() would take 6 s
        in_sync = lambda: not kafka.tool("topics", "--describe", "--under-replicated-partitions")  # noqa: E731
        self.assertTrue(wait_until(in_sync, PATIENCE_S))
        self.assertEqual(len(self.consume(client, "spread")), 7)


if __name__ == "__main__":
    unittest.main()
