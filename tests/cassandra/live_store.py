"""What tests of a live run into Cassandra share: the simulator as the vendor, and what the run says of itself."""

import pathlib
import sys
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "e2e"), str(ROOT / "tools")]

from live import LiveTest  # noqa: E402


class LiveStoreTest(LiveTest):
    def use(self, server, keyspace, *args):
        """A keyspace of its own on that server."""
        self.parts = ["--log", "embedded:log", "--store", f"cassandra://{server.contact_points()}/{keyspace}"]
        self.finpipe("check", "--create", *self.parts, *args)

    def start_live(self):
        """A run that has stored some trades and is ready."""
        if not hasattr(self, "vendor"):
            self.simulate("--speed", "5")
        process = self.run_live(*self.parts, "--listen", "127.0.0.1:0")
        self.page = self.page_of(process)
        self.wait_until(lambda: self.ask("/readyz")[0] == 200, "it to be ready", [process])
        self.wait_until(lambda: self.rows_written() > 100, "rows in the store", [process])
        return process

    def ask(self, path):
        try:
            with urllib.request.urlopen(f"http://{self.page}{path}", timeout=20) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def metric(self, name):
        lines = self.ask("/metrics")[1].splitlines()
        return next(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(f"{name} "))

    def rows_written(self):
        return self.metric("finpipe_cassandra_rows_written_total")

    def assert_verified(self):
        self.finpipe("verify", *self.parts)
