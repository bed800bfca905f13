"""The main promise, end to end: the same tape gives the same bytes, whatever was killed in between, and the bars equal
an independent computation over the exchange's own file. FINPIPE names the program; FINPIPE_SEED replays a failure."""

import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ["FINPIPE"]
SEED = int(os.environ.get("FINPIPE_SEED", "20240808"))
SOURCE = ROOT / "data" / "source" / "binance_trades_20240808_09.csv.gz"
COPIES, SHIFT_MINUTES, KILLS = 20, 12, 10
EXPORTS = ("trades", "bars", "revisions", "gaps", "dead-letters")


def parts(directory):
    return ["--log", f"embedded:{directory}/log", "--store", f"embedded:{directory}/store"]


def run_command(tape, directory, *more):
    return [PROGRAM, "run", "--feed", f"tape:{tape}", *parts(directory), "--exit-at-end", *more]


def export(directory, what):
    done = subprocess.run([PROGRAM, "export", what, *parts(directory)], capture_output=True, check=True)
    return done.stdout


class Crash(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.work = pathlib.Path(tempfile.mkdtemp(prefix="finpipe-crash-"))
        cls.addClassCleanup(shutil.rmtree, cls.work)
        cls.tape = cls.work / "long.tape"
        subprocess.run([sys.executable, "-B", ROOT / "tools" / "tapes" / "repeat_tape.py", ROOT / "data" / "binance.tape",
                        cls.tape, "--copies", str(COPIES), "--shift-minutes", str(SHIFT_MINUTES)],
                       check=True, stdout=subprocess.DEVNULL)
        begin = time.monotonic()
        subprocess.run(run_command(cls.tape, cls.work / "whole"), check=True, capture_output=True)
        cls.seconds = time.monotonic() - begin
        cls.expected = {what: export(cls.work / "whole", what) for what in EXPORTS}

    def assert_same_exports(self, directory):
        for what in EXPORTS:
            with self.subTest(export=what):
                self.assertTrue(export(directory, what) == self.expected[what], f"{what} differ from the undisturbed run's")

    def assert_verified(self, directory):
        done = subprocess.run([PROGRAM, "verify", *parts(directory)], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def killed_and_restarted(self, directory, *more):
        """Runs the tape with KILLS SIGKILLs at random moments; returns how many of them met a running program."""
        moments = random.Random(SEED)
        met = 0
        for _ in range(KILLS):
            process = subprocess.Popen(run_command(self.tape, directory, *more), stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL)
            try:
                process.wait(timeout=moments.uniform(0.02, self.seconds / 3))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
                met += 1
        done = subprocess.run(run_command(self.tape, directory, *more), capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return met

    def test_all_trades_are_stored_and_none_is_suspect(self):
        lines = self.expected["trades"].decode().splitlines()
        self.assertEqual(lines[0], "symbol,event_time,seq,price,volume,conditions,received_at,writer,suspect")
        self.assertEqual(len(lines) - 1, 34_419 * COPIES)
        self.assertTrue(all(line.endswith(",live,") for line in lines[1:]))
        self.assertEqual(self.expected["dead-letters"].decode().splitlines()[1:], [])
        self.assert_verified(self.work / "whole")

    def test_a_second_run_gives_the_same_bytes(self):
        subprocess.run(run_command(self.tape, self.work / "second"), check=True, capture_output=True)
        self.assert_same_exports(self.work / "second")

    def test_a_run_into_the_same_directories_changes_nothing(self):
        directory = self.work / "again"
        shutil.copytree(self.work / "whole", directory)
        subprocess.run(run_command(self.tape, directory), check=True, capture_output=True)
        self.assert_same_exports(directory)
        self.assert_verified(directory)

    def test_ten_kills_give_the_same_bytes(self):
        directory = self.work / "killed"
        self.assertGreaterEqual(self.killed_and_restarted(directory), KILLS // 2, f"seed {SEED}")
        self.assert_same_exports(directory)
        self.assert_verified(directory)

    def test_ten_kills_on_four_partitions_give_the_same_trades_and_bars(self):
        directory = self.work / "partitions"
        self.killed_and_restarted(directory, "--partitions", "4")
        undisturbed = self.work / "partitions-whole"
        subprocess.run(run_command(self.tape, undisturbed, "--partitions", "4"), check=True, capture_output=True)
        for what in EXPORTS:
            self.assertTrue(export(directory, what) == export(undisturbed, what), f"{what}, seed {SEED}")
        self.assertTrue(export(directory, "trades") == self.expected["trades"])
        self.assert_verified(directory)

    def test_bars_equal_an_independent_computation(self):
        bars = self.work / "bars.csv"
        bars.write_bytes(self.expected["bars"])
        for interval in ("1s", "1m", "5m", "15m", "1h", "1d"):
            with self.subTest(interval=interval):
                done = subprocess.run([sys.executable, "-B", ROOT / "tests" / "e2e" / "reference_bars.py", SOURCE,
                                       "--copies", str(COPIES), "--shift-minutes", str(SHIFT_MINUTES),
                                       "--interval", interval, "--compare", bars], capture_output=True, text=True)
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
