"""What docker-compose.yaml, .env.example and the settings say of each other, and what starts the stack."""

import os
import pathlib
import re
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
COMPOSE = (ROOT / "docker-compose.yaml").read_text()
NAMES = set(re.findall(r"^#([A-Z_]+[A-Z0-9_]*)=", (ROOT / ".env.example").read_text(), re.MULTILINE))


class Compose(unittest.TestCase):
    def test_what_it_takes_from_env_is_explained_there(self):
        # ${NAME...}, and NAME: without a value.
        taken = set(re.findall(r"\$\{([A-Z_]+)", COMPOSE))
        taken |= set(re.findall(r"^ +([A-Z][A-Z0-9_]+):$", COMPOSE, re.MULTILINE))
        self.assertGreater(len(taken), 30)
        self.assertEqual(taken - NAMES, set())

    def test_what_is_explained_for_it_is_taken(self):
        own = {name for name in NAMES if not name.startswith(("FINPIPE_", "FINNHUB_"))}
        self.assertEqual({name for name in own if name not in COMPOSE}, set())

    def test_its_own_names_are_no_settings(self):
        # finpipe itself reads .env too, and refuses a FINPIPE_ name that is no setting.
        settings = set(re.findall(r"\| `(F[A-Z0-9_]+)` \|", (ROOT / "docs/reference/settings.md").read_text()))
        named = set(re.findall(r"\b(FINPIPE_[A-Z0-9_]+)\b", COMPOSE))
        self.assertEqual(named - settings, set())

    def test_every_image_is_pinned_to_a_version_and_can_be_replaced(self):
        images = re.findall(r"^ +image: (.*)$", COMPOSE, re.MULTILINE)
        self.assertGreater(len(images), 7)
        for image in images:
            self.assertRegex(image, r"^\$\{[A-Z_]+_IMAGE-[a-z/-]+:(v?\d+\.\d+\.\d+|local)\}$")

    def test_only_this_machine_is_let_in(self):
        for port in re.findall(r'^ +ports: \["(.*)"\]$', COMPOSE, re.MULTILINE):
            self.assertTrue(port.startswith("127.0.0.1:"), port)

    def test_what_watches_is_optional_and_keeps_nothing_else_from_starting(self):
        self.assertEqual(profiles(), {"prometheus": "watch", "alertmanager": "watch", "grafana": "watch",
                                      "simulator": "drill"})
        # Compose looks at these in services of any profile.
        self.assertNotRegex(COMPOSE, r"\$\{[A-Z_]+:?\?")

    def test_grafana_asks_the_same_cassandra_as_finpipe(self):
        grafana = service("grafana")
        for name in ("STACK_CASSANDRA", "STACK_KEYSPACE", "FINPIPE_CASSANDRA_USER", "FINPIPE_CASSANDRA_PASSWORD"):
            self.assertIn("${" + name, grafana)
        self.assertNotIn("cassandra: {condition", grafana)  # which would start the stack's own


class Grafana(unittest.TestCase):
    def start(self, **environment):
        return subprocess.run([ROOT / "observability/grafana/start.sh"], text=True, capture_output=True,
                              env={"PATH": os.environ["PATH"], "GRAFANA": "env", **environment})

    def test_it_gets_addresses_as_its_data_source_takes_them(self):
        for given, got in (("cassandra:9042", "cassandra:9042"), ("c1:9042,c2:9043,c3", "c1:9042;c2:9043;c3")):
            told = self.start(GF_SECURITY_ADMIN_PASSWORD="p", CASSANDRA_CONTACT_POINTS=given)
            self.assertIn(f"CASSANDRA_CONTACT_POINTS={got}", told.stdout.splitlines(), told.stderr)

    def test_it_does_not_start_without_a_password(self):
        for password in ({}, {"GF_SECURITY_ADMIN_PASSWORD": ""}):
            told = self.start(CASSANDRA_CONTACT_POINTS="c", **password)
            self.assertEqual((told.returncode, told.stdout), (2, ""))
            self.assertIn("GRAFANA_ADMIN_PASSWORD", told.stderr)


class Up(unittest.TestCase):
    """What `make up` leaves in .env, beside a docker that does nothing."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="finpipe-up-")
        self.addCleanup(directory.cleanup)
        self.top = pathlib.Path(directory.name)
        (self.top / "tools").mkdir()
        for name in ("tools/stack.sh", ".env.example"):
            (self.top / name).write_bytes((ROOT / name).read_bytes())
        (self.top / "docker").symlink_to("/bin/true")

    def up(self):
        subprocess.run(["sh", self.top / "tools/stack.sh", "up"], check=True, capture_output=True,
                       env={"PATH": f"{self.top}:{os.environ['PATH']}"})
        self.assertEqual((self.top / ".env").stat().st_mode & 0o777, 0o600)
        return (self.top / ".env").read_text()

    def test_it_has_a_password_and_what_watches(self):
        made = self.up()
        self.assertRegex(made, r"(?m)^GRAFANA_ADMIN_PASSWORD=[0-9a-f]{32}$")
        self.assertRegex(made, r"(?m)^COMPOSE_PROFILES=watch$")
        self.assertEqual(self.up(), made)

    def test_what_it_says_stays(self):
        (self.top / ".env").write_text("COMPOSE_PROFILES=\nGRAFANA_ADMIN_PASSWORD=mine")
        self.assertEqual(self.up(), "COMPOSE_PROFILES=\nGRAFANA_ADMIN_PASSWORD=mine")


def service(name):
    """Its text."""
    return re.search(rf"^  {name}:\n((?:    .*\n|\n)+)", COMPOSE, re.MULTILINE)[1]


def profiles():
    """{service: its profile}, where it has one."""
    services = COMPOSE.partition("\nservices:\n")[2].partition("\nnetworks:\n")[0]
    names = re.findall(r"^  ([a-z-]+):$", services, re.MULTILINE)
    found = {name: re.search(r"^    profiles: \[(.*)\]$", service(name), re.MULTILINE) for name in names}
    return {name: of[1] for name, of in found.items() if of}


if __name__ == "__main__":
    unittest.main()
