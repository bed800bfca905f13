"""Our schemas in a real registry: registered, found again, held to the evolution policy, behind a password and TLS, and
a start while it is away."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from services.registry import Registry  # noqa: E402

PEER = os.environ.get("FINPIPE_REGISTRY_PEER", ROOT / "build/registry_peer")
PASSWORD = "a secret that no message shows"
TICKS = "finnhub.ticks-io.finpipe.StockTick"
SUBJECTS = {
    "finnhub.ticks-io.finpipe.StockTick", "finnhub.ticks-io.finpipe.FeedStatus", "finnhub.quotes-io.finpipe.StockQuote",
    "finnhub.bars-io.finpipe.StockBar", "finnhub.dead-letters-io.finpipe.DeadLetter",
}


class RegistryTest(unittest.TestCase):
    OPTIONS = {}

    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory(prefix="finpipe-registry-")
        cls.addClassCleanup(directory.cleanup)
        cls.work = pathlib.Path(directory.name)
        cls.server = Registry(cls.work / "server", **cls.OPTIONS).start()
        cls.addClassCleanup(cls.server.stop)

    def setUp(self):
        self.environment = dict(os.environ)
        self.caches = self.work / self.id()

    def delete(self, subject):
        self.server.request("DELETE", f"/apis/ccompat/v7/subjects/{subject}")
        self.server.request("DELETE", f"/apis/ccompat/v7/subjects/{subject}?permanent=true")

    def peer(self, command, *args, expect=0, cache="cache"):
        words = [PEER, command, self.server.url(), self.caches / cache, *args]
        done = subprocess.run(words, env=self.environment, text=True, capture_output=True, timeout=60)
        self.assertEqual(done.returncode, expect, done.stdout + done.stderr)
        self.assertNotIn(PASSWORD, done.stdout + done.stderr)
        return done.stdout.strip()


class Plain(RegistryTest):
    def setUp(self):
        super().setUp()
        for subject in self.server.call("GET", "/subjects"):
            self.delete(subject)

    def test_what_is_not_registered_is_missed(self):
        said = self.peer("open", "--look-up", expect=1)
        self.assertIn("E943 schema_not_registered", said)
        self.assertIn(TICKS, said)

    def test_ours_are_registered_once(self):
        first = self.peer("open")
        self.assertTrue(first.endswith("confirmed"), first)
        self.assertEqual(set(self.server.call("GET", "/subjects")), SUBJECTS)
        for subject in SUBJECTS:
            self.assertEqual(self.server.call("GET", f"/config/{subject}"), {"compatibilityLevel": "BACKWARD_TRANSITIVE"})
        self.assertEqual(self.peer("open", cache="another"), first)
        self.assertEqual(self.peer("open", "--look-up"), first)
        for subject in SUBJECTS:
            self.assertEqual(self.server.call("GET", f"/subjects/{subject}/versions"), [1])

    def test_the_registry_holds_changes_to_the_policy(self):
        self.peer("open")
        ours = json.loads((ROOT / "schemas/stock_tick.avsc").read_text())

        def is_compatible(*fields):
            changed = ours | {"fields": [*ours["fields"], *fields]}
            body = {"schema": json.dumps(changed)}
            return self.server.call("POST", f"/compatibility/subjects/{TICKS}/versions/latest", body)["is_compatible"]

        self.assertTrue(is_compatible({"name": "venue", "type": "string", "default": "", "doc": "d"}))
        self.assertFalse(is_compatible({"name": "venue", "type": "string", "doc": "d"}))
        for record in ("stock_tick", "feed_status", "dead_letter", "stock_quote", "stock_bar"):
            current = json.loads((ROOT / f"schemas/{record}.avsc").read_text())
            for path in (ROOT / "schemas/released").glob(f"{record}-*.avsc"):
                subject = f"archive-{path.stem}"
                self.server.call("POST", f"/subjects/{subject}/versions", {"schema": path.read_text()})
                self.server.call("PUT", f"/config/{subject}", {"compatibility": "BACKWARD_TRANSITIVE"})
                body = {"schema": json.dumps(current)}
                said = self.server.call("POST", f"/compatibility/subjects/{subject}/versions/latest", body)
                self.assertTrue(said["is_compatible"], path.stem)

    def test_a_subject_of_something_incompatible_is_an_error(self):
        self.peer("open")
        ours = json.loads((ROOT / "schemas/stock_quote.avsc").read_text())
        subject = "finnhub.quotes-io.finpipe.StockQuote"
        self.delete(subject)
        other = ours | {"fields": [{"name": field["name"], "type": "boolean"} for field in ours["fields"]]}
        self.server.call("POST", f"/subjects/{subject}/versions", {"schema": json.dumps(other)})
        self.server.call("PUT", f"/config/{subject}", {"compatibility": "BACKWARD"})
        self.assertIn("E944 schema_rejected", self.peer("open", expect=1, cache="fresh"))
        # The ids of before say that something is gone.
        self.assertIn("E945 registry_changed", self.peer("open", expect=1))

    def test_foreign_ids(self):
        self.server.call("POST", "/subjects/zz/versions", {"schema": '{"type":"record","name":"Z","fields":[]}'})
        number = self.server.call("POST", "/subjects/zz", {"schema": '{"type":"record","name":"Z","fields":[]}'})["id"]
        self.assertIn('"name":"Z"', self.peer("fetch", str(number), cache="foreign"))
        self.assertIn("E401 unknown_schema_id", self.peer("fetch", "987654", expect=1, cache="foreign"))

    def test_a_start_while_the_registry_is_away(self):
        before = self.peer("open", cache="warm")
        self.server.stop()
        try:
            self.assertEqual(self.peer("open", cache="warm"), before.replace("confirmed", "unconfirmed"))
            self.assertIn("E940 registry_unreachable", self.peer("open", expect=1, cache="cold"))
        finally:
            self.server.start()


    def test_other_words_have_another_id(self):
        """So a new text with the id of an earlier one means another registry."""
        ours = json.loads((ROOT / "schemas/stock_tick.avsc").read_text())
        texts = [{"schema": json.dumps(ours | {"doc": doc})} for doc in ("These.", "Others.")]
        first, second = (self.server.call("POST", f"/subjects/{TICKS}/versions", text)["id"] for text in texts)
        self.assertNotEqual(first, second)


class Secured(RegistryTest):
    OPTIONS = {"user": ("finpipe", PASSWORD), "tls": True}

    def setUp(self):
        super().setUp()
        self.environment |= {
            "REGISTRY_USER": "finpipe", "REGISTRY_PASSWORD": PASSWORD,
            "REGISTRY_CA": str(self.server.authority.certificate),
        }

    def test_the_right_password_and_authority(self):
        self.assertTrue(self.peer("open").endswith("confirmed"))

    def test_a_wrong_password_and_none(self):
        self.environment["REGISTRY_PASSWORD"] = PASSWORD + "!"
        self.assertIn("E942 registry_credentials", self.peer("open", expect=1, cache="none"))
        del self.environment["REGISTRY_USER"]
        self.assertIn("E942 registry_credentials", self.peer("open", expect=1, cache="none"))

    def test_an_authority_that_is_not_trusted(self):
        del self.environment["REGISTRY_CA"]
        self.assertIn("E710 tls_unknown_ca", self.peer("open", expect=1, cache="none"))


del RegistryTest
if __name__ == "__main__":
    unittest.main()
