"""TLS, passwords and permissions on a real node: what is right works, and everything that is wrong has its own code."""

import pathlib
import shutil
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "e2e"), str(ROOT / "tools")]

from program import CliTest  # noqa: E402
from services.cassandra import SUPERUSER, Cassandra  # noqa: E402

PASSWORD = "a secret that no message shows"


class Access(CliTest):
    @classmethod
    def setUpClass(cls):
        cls.work = pathlib.Path(tempfile.mkdtemp(prefix="finpipe-access-"))
        cls.addClassCleanup(shutil.rmtree, cls.work, ignore_errors=True)
        cls.server = Cassandra(cls.work / "server", auth=True, tls=True, client_certificates=True).start()
        cls.addClassCleanup(cls.server.stop)

    def setUp(self):
        super().setUp()
        self.store = f"cassandra://{self.server.contact_points()}/finpipe"
        certificate, key = self.server.client
        self.environment |= {
            "FINPIPE_CASSANDRA_USER": SUPERUSER[0], "FINPIPE_CASSANDRA_PASSWORD": SUPERUSER[1], "FINPIPE_CASSANDRA_TLS": "true",
            "FINPIPE_CASSANDRA_CA_FILE": str(self.server.authority.certificate),
            "FINPIPE_CASSANDRA_CERTIFICATE": str(certificate), "FINPIPE_CASSANDRA_KEY": str(key),
        }

    def refused(self, code, *args, store=None):
        """The export ends with this code and its remedy, and shows no secret."""
        done = self.finpipe("export", "bars", "--log", "embedded:log", "--store", store or self.store, *args, expect=1)
        self.assertIn(code, done.err)
        self.assertNotIn(PASSWORD, done.err + done.out)
        self.assertNotIn(SUPERUSER[1] + "'", done.err + done.out)
        return done.err

    def test_1_the_right_ones_create_run_and_export(self):
        self.finpipe("check", "--create", "--store", self.store)
        parts = ["--log", f"embedded:{self.work}/log", "--store", self.store]
        self.run_tape(f"tape:{ROOT}/data/binance.tape", *parts)
        self.assertEqual(len(self.rows("trades", *parts)), 34_419)
        self.finpipe("verify", *parts)

    def test_2_a_wrong_password_and_none_at_all(self):
        self.environment["FINPIPE_CASSANDRA_PASSWORD"] = PASSWORD
        self.assertIn("FINPIPE_CASSANDRA_PASSWORD", self.refused("E901 bad_credentials"))
        del self.environment["FINPIPE_CASSANDRA_USER"], self.environment["FINPIPE_CASSANDRA_PASSWORD"]
        self.refused("E901 bad_credentials")

    def test_3_a_keyspace_that_is_missing(self):
        self.refused("E903 no_keyspace", store=self.store.replace("/finpipe", "/nowhere"))

    def test_4_permissions(self):
        self.server.create_role("reader", PASSWORD, "SELECT ON KEYSPACE finpipe")
        self.environment |= {"FINPIPE_CASSANDRA_USER": "reader", "FINPIPE_CASSANDRA_PASSWORD": PASSWORD}
        parts = ["--log", f"embedded:{self.work}/log", "--store", self.store]
        done = self.finpipe("run", "--feed", f"tape:{ROOT}/data/binance.tape", "--exit-at-end", *parts, expect=1)
        self.assertIn("E902 no_permission", done.err)
        self.assertNotIn(PASSWORD, done.err + done.out)
        done = self.finpipe("check", "--create", "--store", self.store.replace("/finpipe", "/other"), expect=1)
        self.assertRegex(done.out, r"FAULT +store\.no_permission .*\(E902\)")

    def test_5_certificates_of_ours(self):
        other = self.work / "other"
        other.mkdir(exist_ok=True)
        del self.environment["FINPIPE_CASSANDRA_CERTIFICATE"], self.environment["FINPIPE_CASSANDRA_KEY"]
        self.refused("E714 tls_failed")
        self.environment["FINPIPE_CASSANDRA_CA_FILE"] = str(other / "missing.pem")
        self.refused("E715 bad_certificate")

    def test_6_no_tls_where_the_server_wants_it(self):
        for name in [name for name in self.environment if name.startswith("FINPIPE_CASSANDRA")]:
            del self.environment[name]
        self.assertRegex(self.refused("E"), "E(714|900|704)")


class ServerCertificate(CliTest):
    """What is wrong with the certificate that a node shows."""

    def refused(self, wrong, code):
        with Cassandra(self.dir / "server", tls=wrong) as server:
            store = f"cassandra://{server.contact_points()}/finpipe"
            self.environment |= {"FINPIPE_CASSANDRA_TLS": "true",
                                 "FINPIPE_CASSANDRA_CA_FILE": str(server.authority.certificate)}
            done = self.finpipe("export", "bars", "--log", "embedded:log", "--store", store, expect=1)
            self.assertIn(code, done.err)

    def test_of_another_authority(self):
        self.refused("other-authority", "E710 tls_unknown_ca")

    def test_for_another_host(self):
        self.refused("wrong-host", "E713 tls_wrong_host")

    def test_expired(self):
        self.refused("expired", "E712 tls_expired")


if __name__ == "__main__":
    unittest.main()
