"""What tests of a live run share: a run on a feed in the test, its log as it comes, its status, its end."""

import contextlib
import json
import re
import signal
import threading
import time
import urllib.request

from program import DEADLINE_S, ROOT, CliTest

SYMBOLS = ("BINANCE:BTCUSDT", "BINANCE:ETHUSDT")


class LiveRun:
    """A `finpipe run` that serves on a free port."""

    def __init__(self, test, feed, *args, key="test-key-0123456789"):
        self.test = test
        test.environment["FINNHUB_API_KEY"] = key
        symbols = () if "--symbols" in args else ("--symbols", ",".join(SYMBOLS))
        self.process = test.start("run", "--feed", feed, "--listen", "127.0.0.1:0", *symbols, *args)
        self.lines = {"stdout": [], "stderr": []}
        self.readers = [
            threading.Thread(target=self.read, args=(getattr(self.process, name), lines), daemon=True)
            for name, lines in self.lines.items()
        ]
        for reader in self.readers:
            reader.start()

    @staticmethod
    def read(pipe, lines):
        with contextlib.suppress(ValueError):  # closed at the end of the test
            lines.extend(iter(pipe.readline, ""))

    @property
    def log(self):
        return "".join(self.lines["stderr"])

    @property
    def output(self):
        return "".join(self.lines["stdout"])

    @property
    def address(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def port(self):
        deadline = time.monotonic() + DEADLINE_S
        while not (found := re.search(r"Page and API: http://127\.0\.0\.1:(\d+)/", self.output)):
            self.test.assertIsNone(self.process.poll(), self.output + self.log)
            self.test.assertLess(time.monotonic(), deadline, self.output + self.log)
            time.sleep(0.02)
        return int(found[1])

    def get(self, path):
        with urllib.request.urlopen(self.address + path, timeout=DEADLINE_S) as answer:
            return answer.read().decode()

    def status(self):
        return json.loads(self.get("/api/v1/status"))

    def wait_for_detail(self, pattern):
        """Until the status says that of the feed; the match."""
        deadline = time.monotonic() + DEADLINE_S
        while True:
            detail = self.status()["feed"]["detail"]
            found = re.fullmatch(pattern, detail)
            if found:
                return found
            self.test.assertLess(time.monotonic(), deadline, f"'{detail}' is not '{pattern}'\n{self.log}")
            time.sleep(0.02)

    def wait_for_log(self, text):
        self.test.wait_until(lambda: text in self.log, lambda: f"no '{text}' in\n{self.log}")

    def wait_for_trades(self, at_least=1):
        self.test.wait_until(lambda: self.status()["trades"]["stored"] >= at_least, lambda: self.log)

    def wait_for_end(self):
        """The exit code, once all output has been read."""
        code = self.process.wait(DEADLINE_S)
        for reader in self.readers:
            reader.join(DEADLINE_S)
        return code

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.wait_for_end()


class LiveTest(CliTest):
    def wait_until(self, condition, say=lambda: ""):
        """For what takes a while: looks now and then, and leaves the processor to others meanwhile."""
        deadline = time.monotonic() + DEADLINE_S
        while not condition():
            self.assertLess(time.monotonic(), deadline, say())
            time.sleep(0.02)

    def live_run(self, feed, *args, **options):
        return LiveRun(self, feed, *args, **options)

    def simulate(self, *args):
        """Starts the simulator on a free port; its port."""
        self.simulator = self.start("simulate", "--tape", ROOT / "data/binance.tape", "--rebase", "--loop", *args)
        line = self.simulator.stdout.readline()
        found = re.search(r"at wss?://127\.0\.0\.1:(\d+) with", line)
        self.assertTrue(found, line)
        return int(found[1])

    def control(self, port, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/control/{path}", data, DEADLINE_S) as answer:
            return answer.read().decode()
