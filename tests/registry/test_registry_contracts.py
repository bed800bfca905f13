"""The contracts of schemas/ both ways with fastavro, for writers of every version: what it writes our code reads, and
what our code makes of it fastavro reads as the same value that it makes of those bytes itself."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from services.cache import python_tools  # noqa: E402

PEER = os.environ.get("FINPIPE_REGISTRY_PEER", ROOT / "build/registry_peer")
VALUES = ROOT / "tests/registry/contract_values.py"


class Contracts(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="finpipe-contracts-")
        self.addCleanup(directory.cleanup)
        self.work = pathlib.Path(directory.name)

    def answers(self, lines):
        done = subprocess.run([PEER, "values"], input="\n".join(lines) + "\n", text=True, capture_output=True, check=True)
        return done.stdout.splitlines()

    def run_values(self, *args):
        done = subprocess.run([python_tools(), "-B", VALUES, *args], text=True, capture_output=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def test_values_of_every_writer(self):
        self.run_values("make", "1", self.work)
        cases = json.loads((self.work / "cases.json").read_text())
        answers = self.answers(f"{case['schema']} {case['hex']}" for case in cases)
        (self.work / "answers.json").write_text(json.dumps(answers))
        print(self.run_values("check", self.work))

    def test_a_schema_that_counts_in_other_units_is_refused(self):
        for name, old, new in (("stock_tick", '"scale": 9', '"scale": 6'), ("stock_bar", '"timestamp-millis"', '"timestamp-micros"')):
            text = (ROOT / "schemas" / f"{name}.avsc").read_text()
            self.assertIn(old, text)
            path = self.work / f"{name}.avsc"
            path.write_text(text.replace(old, new))
            self.assertTrue(self.answers([f"{path} 00"])[0].startswith("error incompatible_schema schema id 1000: "))


if __name__ == "__main__":
    unittest.main()
