"""What docker-compose.yaml, .env.example and the settings say of each other."""

import pathlib
import re
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


if __name__ == "__main__":
    unittest.main()
