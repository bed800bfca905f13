"""A log on Kafka whose schemas are in a registry: what is made of it is what embedded parts make, other programs read its
topics, and a start needs the registry only once."""

import base64
import csv
import io
import pathlib
import subprocess
import tempfile
import unittest

import pipeline
from pipeline import PROGRAM, ROOT, TAPE, output_of
from services.cache import python_tools
from services.kafka import Kafka
from services.registry import Registry

PARTITIONS = 3
TRADES = 34_419
STRANGER = r"""
import sys
import confluent_kafka
producer = confluent_kafka.Producer({"bootstrap.servers": sys.argv[1]})
for number in sys.argv[2:]:
    producer.produce("r.ticks", key="A", value=b"\0" + int(number).to_bytes(4, "big") + b"x", partition=0)
assert producer.flush(20) == 0
"""


class WithARegistry(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="finpipe-registry-")
        self.addCleanup(directory.cleanup)
        self.work = pathlib.Path(directory.name)
        self.kafka = Kafka(self.work / "kafka").start()
        self.addCleanup(self.kafka.stop)
        self.registry = Registry(self.work / "registry").start()
        self.addCleanup(self.registry.stop)
        # So that its ids are not ours by chance.
        for kind in ("string", "long", "double"):
            self.registry.call("POST", "/subjects/of-others/versions", {"schema": f'"{kind}"'})

    def parts(self, cache="cache", store="store"):
        return ["--log", f"kafka://{self.kafka.contact_points()}/r", "--store", f"embedded:{self.work}/{store}",
                "--registry", self.registry.url(), "--registry-cache", self.work / cache]

    def run_tape(self, parts, tape=TAPE):
        return output_of(PROGRAM, "run", "--feed", f"tape:{tape}", "--exit-at-end", *parts).decode()

    def refused(self, *words):
        done = subprocess.run([PROGRAM, *[str(word) for word in words]], capture_output=True, text=True)
        self.assertNotEqual(done.returncode, 0, done.stdout)
        return done.stdout + done.stderr

    def test_a_log_with_a_registry(self):
        parts = self.parts()
        create = ["--partitions", PARTITIONS, "--feed", f"tape:{TAPE}"]
        # Only who writes registers, and who was told not to does not.
        self.assertIn("E943", self.refused("check", *parts, *create))
        self.assertIn("E943", self.refused("check", "--create", *parts, *create, "--registry-register", "false"))
        created = output_of(PROGRAM, "check", "--create", *parts, *create).decode()
        self.assertRegex(created, "(?m)^ok +registry ")
        self.assertEqual(len(self.registry.call("GET", "/subjects")), 6)

        self.run_tape(parts)
        embedded = ["--log", f"embedded:{self.work}/e/log", "--store", f"embedded:{self.work}/e/store"]
        self.run_tape([*embedded, "--partitions", PARTITIONS])
        for what, content in pipeline.exports(embedded).items():
            self.assertTrue(content == output_of(PROGRAM, "export", what, *parts), f"{what} differ")
        output_of(PROGRAM, "verify", *parts)
        self.check_topics()

        without = parts[:4]
        said = self.refused("verify", *without)
        self.assertIn("E401", said)
        self.assertIn("`registry`", said)

        self.registry.stop()
        self.assertIn("0 appended", self.run_tape(parts))
        output_of(PROGRAM, "verify", *parts)
        cold = self.parts(cache="cold")
        self.assertIn("E940", self.refused("run", "--feed", f"tape:{TAPE}", "--exit-at-end", *cold))

        self.registry.start()
        # Of a schema that nobody knows, and of one that ours cannot be read from: dead letters, and what follows is read.
        schema = (ROOT / "schemas/stock_tick.avsc").read_text().replace('"scale": 9', '"scale": 6')
        other = self.registry.call("POST", "/subjects/scale-of-others/versions", {"schema": schema})["id"]
        output_of(python_tools(), "-c", STRANGER, self.kafka.contact_points(), 99_999, other)
        self.assertIn("0 appended", self.run_tape(parts))
        letters = csv.DictReader(io.StringIO(output_of(PROGRAM, "export", "dead-letters", *parts).decode()))
        self.assertEqual(sorted((letter["reason"], base64.b64decode(letter["raw_base64"])) for letter in letters),
                         [("incompatible_schema", b"\0" + other.to_bytes(4, "big") + b"x"),
                          ("unknown_schema_id", b"\0" + (99_999).to_bytes(4, "big") + b"x")])
        output_of(PROGRAM, "verify", *parts)

        self.run_tape(parts, pipeline.bad_tape(self.work / "bad.tape"))
        said = pipeline.replay_of_bad_tape(parts[:2] + parts[4:], self.work / "mended.json")
        self.assertIn("Replayed: 1, with 1 trades; already replayed: 0; refused: 0", said)
        output_of(PROGRAM, "verify", *parts)

    def check_topics(self):
        """As programs of others see them."""
        ids = {}
        for subject in self.registry.call("GET", "/subjects"):
            if subject != "of-others":
                ids[subject] = self.registry.call("GET", f"/subjects/{subject}/versions/latest")["id"]
        self.assertNotEqual(ids["r.ticks-io.finpipe.StockTick"], 1)
        counts = {}
        for topic, names in (("r.ticks", {"StockTick", "FeedStatus"}), ("r.bars", {"StockBar"})):
            shown = output_of(python_tools(), "-B", ROOT / "tests/kafka/registry_values.py", self.kafka.contact_points(),
                              topic, self.registry.url()).decode()
            found = {name: (int(number), int(count)) for number, name, count in map(str.split, shown.splitlines())}
            self.assertEqual(set(found), {f"io.finpipe.{name}" for name in names})
            for name, (number, count) in found.items():
                self.assertEqual(number, ids[f"{topic}-{name}"])
                counts[name] = count
        self.assertEqual(counts["io.finpipe.StockTick"], TRADES)


if __name__ == "__main__":
    unittest.main()
