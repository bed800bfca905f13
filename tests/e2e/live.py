"""What tests of a live run share: `finpipe simulate` as the vendor, `finpipe run` connected to it, and waiting for what
they do. Their output goes into files, so that a full pipe never holds them up."""

import json
import pathlib
import re
import signal
import subprocess
import time
import urllib.request

from program import DEADLINE_S, ROOT, CliTest

TAPE = ROOT / "data/binance.tape"
SYMBOLS = ("BINANCE:BTCUSDT", "BINANCE:ETHUSDT")
KEY = "a-key-of-this-test"
# The vendor's timers in a hurry: 2 s of silence are a stall, an attempt gets 0.4 s, and waits are 13 ms to 1 s. The
# tape itself is silent for up to 1.6 s.
TIME_SCALE = 0.013


class LiveTest(CliTest):
    def setUp(self):
        super().setUp()
        self.environment["FINNHUB_API_KEY"] = KEY
        self.record = self.dir / "record"
        self.started = 0

    def start_quietly(self, *args):
        """Its output is in the file `output` of the process."""
        self.started += 1
        path = self.dir / f"{self.started}-{args[0]}.output"
        with path.open("wb") as output:
            process = subprocess.Popen(
                self.command(*args), cwd=self.dir, env=self.environment, stdout=output, stderr=subprocess.STDOUT
            )
        process.output = path
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def wait_until(self, condition, what, processes=()):
        """What `condition` gives, once that is something."""
        deadline = time.monotonic() + DEADLINE_S
        while True:
            value = condition()
            if value:
                return value
            for process in processes:
                if process.poll() is not None:
                    self.fail(f"ended with {process.returncode} before {what}:\n{process.output.read_text()}")
            if time.monotonic() > deadline:
                told = "\n".join(process.output.read_text() for process in processes)
                self.fail(f"waited {DEADLINE_S} s for {what}\n{told}")
            time.sleep(0.02)

    def address_in_output(self, process, pattern):
        return self.wait_until(
            lambda: re.search(pattern, process.output.read_text()), "its address", processes=[process]
        )[1]

    def simulate(self, *args):
        """Starts the vendor, whose tape begins to play; `simulator`, and its address in `vendor`."""
        self.simulator = self.start_quietly(
            "simulate", "--tape", TAPE, "--rebase", "--loop", "--token", KEY, "--record", self.record, *args
        )
        self.vendor = self.address_in_output(self.simulator, r"at (wss?://127\.0\.0\.1:\d+) with")

    def run_live(self, *args, time_scale=TIME_SCALE):
        """Starts a run on it."""
        return self.start_quietly(
            "run", "--feed", self.vendor, "--symbols", ",".join(SYMBOLS), "--feed-time-scale", time_scale, *args
        )

    def page_of(self, run):
        return self.address_in_output(run, r"Page and API: http://(127\.0\.0\.1:\d+)/")

    def end(self, process):
        """As a user ends it: with a signal, and it has to be content."""
        process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.fail(f"did not end:\n{process.output.read_text()}")
        self.assertEqual(code, 0, process.output.read_text())

    def get(self, page, path):
        with urllib.request.urlopen(f"http://{page}{path}", timeout=DEADLINE_S) as answer:
            return json.load(answer)

    def feed_state(self, page):
        return self.get(page, "/api/v1/status")["feed"]["state"]

    def exports(self):
        texts = {what: self.exported(what) for what in ("trades", "bars", "gaps")}
        return {**texts, "dead-letters": self.dead_letters()}

    def assert_verified(self):
        self.finpipe("verify")

    def records(self, event):
        """How many lines of that event are on record by now."""
        return self.record.read_bytes().count(b'"event":"%s"' % event.encode())


def resident_bytes(process):
    for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise ProcessLookupError(process.pid)
