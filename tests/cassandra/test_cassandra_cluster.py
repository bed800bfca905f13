"""Three nodes that all hold every row: one hangs or dies while a run writes, and nobody notices."""

import pathlib
import re
import shutil
import sys
import tempfile
import time
import unittest

from live_store import LiveStoreTest  # noqa: I001  (it finds the one below)
from services.cassandra import Cassandra

BARS = "/api/v1/bars?symbol=BINANCE:BTCUSDT&interval=1m"
ASKED = 10
# Some 8 s of the vendor's pace. Cassandra looks each 5 s at how long a table's reads wait for a replica.
SETTLED_ROWS = 2_000
LONGEST_PAUSE_S = 2
WATCHED_S, KILLED_AFTER_S = 20, 5


class Cluster(LiveStoreTest):
    @classmethod
    def setUpClass(cls):
        cls.work = pathlib.Path(tempfile.mkdtemp(prefix="finpipe-cluster-"))
        cls.addClassCleanup(shutil.rmtree, cls.work, ignore_errors=True)
        cls.server = Cassandra(cls.work / "server", nodes=3).start()
        cls.addClassCleanup(cls.server.stop)

    def test_a_hung_node_holds_up_no_reader(self):
        self.use(self.server, "hung", "--cassandra-replication", "3")
        run = self.start_live()
        self.wait_until(lambda: self.rows_written() > SETTLED_ROWS, "more rows in the store", [run])
        for node in (2, 3):
            # For some 10 s nobody knows that it answers nothing, and some reads ask it and one other.
            self.server.pause(node)
            try:
                answers = [self.ask(BARS)[1] for _ in range(ASKED)]
            finally:
                self.server.resume(node)
            self.assertEqual([answer for answer in answers if '"close"' not in answer], [])
            self.server.wait_until_ready(1, 2, 3)
        self.end(run)

    def test_a_node_that_dies_causes_no_pause_and_no_error(self):
        self.use(self.server, "three", "--cassandra-replication", "3")
        run = self.start_live()
        moments, rows, troubles = [], [], []
        begin, killed = time.monotonic(), False
        while time.monotonic() - begin < WATCHED_S:
            if not killed and time.monotonic() - begin > KILLED_AFTER_S:
                self.server.kill(2)
                killed = True
            moments.append(time.monotonic())
            rows.append(self.rows_written())
            troubles.append(self.metric("finpipe_store_trouble"))
            time.sleep(0.1)
        pause = longest_pause(moments, rows)
        print(f"longest pause {pause:.2f} s, rows {rows[0]:.0f} to {rows[-1]:.0f}", file=sys.stderr, flush=True)
        self.assertLess(pause, LONGEST_PAUSE_S)
        self.assertEqual(max(troubles), 0)
        self.assertIn('"close"', self.ask(BARS)[1])
        self.end(run)
        told = run.output.read_text()
        self.assertEqual([line for line in told.splitlines() if re.search(r"\berror\b|\bE9\d\d\b", line)], [], told)
        self.assert_verified()


def longest_pause(moments, rows):
    """Between two moments at which rows had been added."""
    changes = [moment for moment, before, now in zip(moments[1:], rows, rows[1:]) if now > before]
    return max(after - before for before, after in zip([moments[0], *changes], [*changes, moments[-1]]))


if __name__ == "__main__":
    unittest.main()
