"""No child outlives the program that started it, and one that does not end when asked is made to."""

import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import unittest

TOOLS = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOOLS))
from services.processes import Process, wait_until  # noqa: E402

PATIENCE_S = 60
PARENT = f"""
import pathlib, sys
sys.path.insert(0, {str(TOOLS)!r})
from services.processes import Process
child = Process(["sleep", "1000"], ".", pathlib.Path("child.log"))
child.start()
print(child.pid, flush=True)
sys.stdin.read()
"""


def is_alive(pid):
    """Not so when it only waits for its parent to look at its end."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Processes(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.dir = pathlib.Path(directory.name)

    def process(self, script):
        process = Process(["sh", "-c", script], self.dir, self.dir / "log")
        process.start()
        self.addCleanup(process.kill)
        return process

    def test_a_child_ends_with_its_parent_however_that_ends(self):
        for end in (signal.SIGTERM, signal.SIGKILL, None):
            with self.subTest(end):
                parent = subprocess.Popen(
                    [sys.executable, "-B", "-c", PARENT], cwd=self.dir, stdin=subprocess.PIPE, stdout=subprocess.PIPE
                )
                child = int(parent.stdout.readline())
                self.assertTrue(is_alive(child))
                if end:
                    os.kill(parent.pid, end)
                parent.communicate(timeout=PATIENCE_S)
                self.assertTrue(wait_until(lambda child=child: not is_alive(child), PATIENCE_S))

    def test_one_that_ignores_the_request_to_end_is_killed(self):
        process = self.process("trap '' TERM; echo ready; while :; do sleep 0.1; done")
        self.assertTrue(wait_until(lambda: "ready" in process.log_text(), PATIENCE_S))
        process.terminate()
        self.assertFalse(process.reap(0.3))
        self.assertFalse(process.is_running())

    def test_one_that_is_paused_can_be_asked_to_end(self):
        process = self.process("exec sleep 1000")
        process.pause()
        process.terminate()
        self.assertTrue(process.reap(PATIENCE_S))

    def test_one_that_was_killed_while_paused_starts_again_unpaused(self):
        process = self.process("exec sleep 1000")
        process.pause()
        process.kill()
        process.start()
        self.assertFalse(process.is_paused)

    def test_the_log_tells_of_all_starts_or_of_the_last(self):
        process = self.process("echo said")
        process.reap()
        process.start()
        process.reap()
        self.assertEqual(process.log_text(), "said\nsaid\n")
        self.assertEqual(process.log_text(since_start=True), "said\n")


if __name__ == "__main__":
    unittest.main()
