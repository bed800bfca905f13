"""Three nodes that all hold every row: one dies while a run writes, and nobody notices. Then what the others do not know."""

import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "e2e"), str(ROOT / "tools")]

from program import CliTest  # noqa: E402
from services.cassandra import Cassandra  # noqa: E402

LONGEST_PAUSE_S = 2


def setUpModule():
    global server, work
    work = tempfile.TemporaryDirectory(prefix="finpipe-cluster-")
    unittest.addModuleCleanup(work.cleanup)
    server = Cassandra(pathlib.Path(work.name) / "server", nodes=3).start()
    unittest.addModuleCleanup(server.stop)


class Cluster(CliTest):
    def metric(self, address, name):
        text = self.get(address, "metrics")
        return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(name))

    def get(self, address, path):
        import urllib.error
        import urllib.request

        try:
            with urllib.request.urlopen(address + path, timeout=10) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.read().decode()

    def test_a_node_that_dies_causes_no_pause_and_no_error(self):
        store = f"cassandra://{server.contact_points()}/cluster"
        self.finpipe("check", "--create", "--store", store, "--cassandra-replication", "3")
        process = self.start("run", "--feed", f"sim:{ROOT}/data/binance.tape", "--log", "embedded:log", "--store", store,
                             "--listen", "127.0.0.1:0")
        address = next(line for line in process.stdout if "Page and API" in line).split()[-1]
        # The demo's past is stored as fast as it can be; then trades come at their own pace.
        self.wait_for(lambda: self.metric(address, "finpipe_cassandra_rows_written_total") > 1_000
                      and self.metric(address, "finpipe_processor_backlog_records") < 100)
        moments, rows, troubles = [], [], []
        killed_at = None
        begin = time.monotonic()
        while time.monotonic() - begin < 20:
            if killed_at is None and time.monotonic() - begin > 5:
                server.kill(2)
                killed_at = time.monotonic()
            moments.append(time.monotonic())
            rows.append(self.metric(address, "finpipe_cassandra_rows_written_total"))
            troubles.append(self.metric(address, "finpipe_store_trouble"))
            time.sleep(0.1)
        pause = longest_pause(moments, rows)
        print(f"longest pause {pause:.2f} s, rows {rows[0]:.0f} to {rows[-1]:.0f}", file=sys.stderr, flush=True)
        self.assertLess(pause, LONGEST_PAUSE_S)
        self.assertEqual(max(troubles), 0)
        self.assertIn('"close"', self.get(address, "api/v1/bars?symbol=BINANCE:BTCUSDT&interval=1h"))
        process.terminate()
        _, told = process.communicate(timeout=30)
        self.assertEqual(process.returncode, 0, told)
        self.assertEqual([line for line in told.splitlines() if re.search(r"\b(error|E9\d\d)\b", line)], [])
        self.finpipe("verify", "--log", "embedded:log", "--store", store)
        server.restart(2)


def longest_pause(moments, rows):
    """Between two moments at which rows had been added."""
    changes = [moment for moment, before, now in zip(moments[1:], rows, rows[1:]) if now > before]
    return max(after - before for before, after in zip([moments[0], *changes], [*changes, moments[-1]]))


if __name__ == "__main__":
    unittest.main()
