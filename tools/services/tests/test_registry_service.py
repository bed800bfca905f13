"""A real schema registry: it refuses what readers could not read, and keeps schemas when it is killed."""

import json
import pathlib
import shutil
import sys
import tempfile
import unittest

TOOLS = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOOLS))
from services.kafka import Kafka  # noqa: E402
from services.processes import ServiceError  # noqa: E402
from services.registry import Registry  # noqa: E402


def schema(**fields):
    fields = [{"name": name, "type": of_type} for name, of_type in fields.items()]
    return {"schema": json.dumps({"type": "record", "name": "Trade", "fields": fields})}


class RealRegistry(unittest.TestCase):
    def started(self, service, **options):
        directory = tempfile.mkdtemp(prefix="finpipe-registry-")
        self.addCleanup(shutil.rmtree, directory)
        made = service(directory, **options)
        self.addCleanup(made.stop)
        return made.start()

    def register(self, registry, body):
        return registry.call("POST", "/subjects/trades-value/versions", body)["id"]

    def test_schemas_survive_kill_9_and_only_users_see_them(self):
        login = {"user": ("app", "secret"), "tls": True, "proxied": True}
        registry = self.started(Registry, compatibility="BACKWARD_TRANSITIVE", **login)
        self.assertTrue(registry.url().startswith(f"https://{registry.client_address()}:"))
        number = self.register(registry, schema(price="long"))
        self.assertEqual(self.register(registry, schema(price="long")), number)
        registry.kill()
        registry.start_node()
        self.assertEqual(json.loads(registry.call("GET", f"/schemas/ids/{number}")["schema"])["name"], "Trade")
        with self.assertRaisesRegex(ServiceError, "409"):
            self.register(registry, schema(price="long", volume="long"))
        with self.assertRaisesRegex(ServiceError, "40403"):
            registry.call("GET", "/schemas/ids/999999")
        for stranger in (("app", "wrong"), None):
            registry.user = stranger
            with self.assertRaisesRegex(ServiceError, "401"):
                registry.call("GET", "/subjects")
        registry.stop()
        self.assertFalse(registry.is_running())

    def test_schemas_in_kafka_are_there_for_the_next_registry(self):
        kafka = self.started(Kafka, security="sasl_ssl")
        first = self.started(Registry, kafka=kafka)
        number = self.register(first, schema(price="long"))
        first.kill()
        second = self.started(Registry, kafka=kafka)
        self.assertEqual(self.register(second, schema(price="long")), number)
        self.assertEqual(second.call("GET", "/subjects"), ["trades-value"])


if __name__ == "__main__":
    unittest.main()
