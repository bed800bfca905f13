"""What tests that drive the real program share: a directory of their own, running it, reading what it exports.

Needs the environment variable FINPIPE (path of the program).
"""

import base64
import csv
import io
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

PROGRAM = os.environ["FINPIPE"]
ROOT = pathlib.Path(__file__).resolve().parents[2]
DEADLINE_S = 60
sys.path.insert(0, str(ROOT / "tools"))


def trade(price, time_ms, symbol="BINANCE:X", volume="1", conditions='"c":null,'):
    return '{%s"p":%s,"s":"%s","t":%d,"v":%s}' % (conditions, price, symbol, time_ms, volume)


def frame(*trades):
    return '{"data":[%s],"type":"trade"}' % ",".join(trades)


def scrape(address):
    """{series: value} of what the process that serves there tells monitoring."""
    with urllib.request.urlopen(address.rstrip("/") + "/metrics", timeout=DEADLINE_S) as answer:
        return {series: float(value) for series, value in re.findall(r"^(finpipe_\S+) (\S+)$", answer.read().decode(), re.M)}


class CliTest(unittest.TestCase):
    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="finpipe-cli-"))
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("FINPIPE")}

    def command(self, *args):
        return [PROGRAM, *map(str, args)]

    def finpipe(self, *args, expect=0, **options):
        done = subprocess.run(
            self.command(*args), cwd=self.dir, env=self.environment, capture_output=True, timeout=DEADLINE_S, **options
        )
        done.out, done.err = done.stdout.decode(), done.stderr.decode()
        if expect is not None:
            self.assertEqual(done.returncode, expect, f"{args}\n{done.out}\n{done.err}")
        return done

    def start_run(self, *args):
        """A run that goes on; nothing is served unless asked for."""
        return self.start("run", *(() if "--listen" in args else ("--listen", "none")), *args)

    def start(self, *args):
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        process = subprocess.Popen(self.command(*args), cwd=self.dir, env=self.environment, **pipes)

        def end():
            if process.poll() is None:
                process.kill()
            process.communicate()

        self.addCleanup(end)
        return process

    def wait_for_line(self, process, text):
        deadline = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline:
            line = process.stderr.readline()
            if text in line:
                return
            if not line:
                self.fail(f"ended without '{text}': {process.wait()}")
        self.fail(f"no '{text}' in time")

    def wait_for(self, condition):
        deadline = time.monotonic() + DEADLINE_S
        while not condition():
            self.assertLess(time.monotonic(), deadline)

    def tape(self, *lines, name="a.tape", end="\n"):
        (self.dir / name).write_bytes(("\n".join(lines) + end).encode())
        return f"tape:{name}"

    def binance_lines(self, count):
        with open(ROOT / "data/binance.tape", encoding="ascii") as tape:
            return [next(tape).rstrip("\n") for _ in range(count)]

    def run_tape(self, feed, *args, **options):
        return self.finpipe("run", "--feed", feed, "--exit-at-end", *args, **options)

    def exported(self, *args):
        return self.finpipe("export", *args).out

    def rows(self, *args):
        return list(csv.DictReader(io.StringIO(self.exported(*args))))

    def dead_letters(self):
        return [(row["reason"], base64.b64decode(row["raw_base64"]).decode()) for row in self.rows("dead-letters")]
