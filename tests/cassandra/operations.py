#!/usr/bin/env python3
"""What docs/operations.md tells operators of Cassandra to do, done on real nodes: a backup by snapshots is restored into an
empty cluster, and a node joins while a run writes. Each time the exports are those of the embedded store, and `verify`
agrees. Minutes: part of `make test-long`."""

import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "e2e"), str(ROOT / "tools")]

import program  # noqa: E402
from services.cassandra import Cassandra  # noqa: E402

PATIENCE_S = program.DEADLINE_S = 300
EMBEDDED = ["--log", "embedded:a/log", "--store", "embedded:a/store"]
EXPORTS = ("trades", "bars", "revisions", "gaps", "dead-letters")


class Operations(program.CliTest):
    def setUp(self):
        super().setUp()
        self.tape = self.dir / "long.tape"
        subprocess.run([sys.executable, "-B", ROOT / "tools/tapes/repeat_tape.py", ROOT / "data/binance.tape", self.tape,
                        "--copies", "40", "--shift-minutes", "12"], check=True, stdout=subprocess.DEVNULL)
        self.run_tape(f"tape:{self.tape}", *EMBEDDED)

    def cluster(self, name, **options):
        directory = pathlib.Path(tempfile.mkdtemp(prefix=f"finpipe-{name}-"))
        self.addCleanup(shutil.rmtree, directory, ignore_errors=True)
        cluster = Cassandra(directory, **options)
        self.addCleanup(cluster.stop)
        return cluster

    def parts(self, cluster):
        return ["--log", "embedded:b/log", "--store", f"cassandra://{cluster.client_address()}:{cluster.port}/finpipe"]

    def run_long(self, cluster):
        command = self.command("run", "--feed", f"tape:{self.tape}", "--exit-at-end", *self.parts(cluster))
        run = subprocess.Popen(command, cwd=self.dir, env=self.environment, stdout=subprocess.DEVNULL)
        self.addCleanup(run.wait)
        self.addCleanup(run.kill)
        return run

    def assert_whole(self, cluster):
        for what in EXPORTS:
            with self.subTest(export=what):
                self.assertTrue(self.exported(what, *self.parts(cluster)) == self.exported(what, *EMBEDDED))
        self.finpipe("verify", *self.parts(cluster))

    def test_a_backup_by_snapshots_can_be_restored(self):
        old = self.cluster("old").start()
        self.finpipe("check", "--create", *self.parts(old))
        run = self.run_long(old)
        old.nodetool("snapshot", "-t", "nightly-1", "-kt", "finpipe.checkpoints")
        old.nodetool("flush", "finpipe")
        old.nodetool("snapshot", "-t", "nightly-2", "-kt", "finpipe.bars,finpipe.bars_1s")
        old.nodetool("flush", "finpipe")
        old.nodetool("snapshot", "-t", "nightly-3", "finpipe")
        self.assertIsNone(run.poll(), "the run was over before the backup")
        backup = self.dir / "backup"
        for name in ("nightly-1", "nightly-2", "nightly-3"):
            for snapshot in old.directory.glob(f"node1/data/finpipe/*/snapshots/{name}"):
                table = backup / "finpipe" / snapshot.parents[1].name.partition("-")[0]
                if not table.exists():  # a table's first snapshot counts
                    shutil.copytree(snapshot, table)
        self.assertGreater(len(list(backup.glob("*/*/*-Data.db"))), 10)
        self.assertEqual(run.wait(PATIENCE_S), 0)
        old.stop()

        new = self.cluster("new").start()
        self.finpipe("check", "--create", *self.parts(new))
        for table in (backup / "finpipe").iterdir():
            new.nodetool("import", "finpipe", table.name, str(table))
        # What the checkpoint does not cover.
        self.run_long(new).wait(PATIENCE_S)
        self.assert_whole(new)

    def test_a_node_that_joins_while_a_run_writes_takes_its_part(self):
        cluster = self.cluster("growing", nodes=3, settings={"auto_bootstrap": True},
                               java_options=["-Dcassandra.ring_delay_ms=4000"])
        cluster.start_node(1)
        self.finpipe("check", "--create", *self.parts(cluster))
        run = self.run_long(cluster)
        cluster.start_node(2)
        self.assertIsNone(run.poll(), "the run was over before the node had joined")
        self.assertEqual(run.wait(PATIENCE_S), 0)
        cluster.start_node(3)
        self.assertEqual(cluster.nodetool("status", "finpipe").count("\nUN "), 3)
        for node in (1, 2):
            cluster.nodetool("cleanup", "finpipe", node=node)
        self.assert_whole(cluster)
        # What left the first node is at the others.
        cluster.nodetool("flush", "finpipe", node=2)
        held = cluster.nodetool("tablestats", "finpipe.ticks", node=2)
        self.assertNotIn("Space used (live): 0\n", held)


if __name__ == "__main__":
    unittest.main()
