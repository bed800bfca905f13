"""tools/smoke.py, which `make smoke` runs on a stack: what it accepts, and how it says what is wrong."""

import re
import subprocess
import sys
import unittest

from program import DEADLINE_S, ROOT, CliTest, frame, trade


class Smoke(CliTest):
    def served(self, feed):
        """The address of a run, once it serves."""
        run = self.start("run", "--feed", feed, "--listen", "127.0.0.1:0")
        for line in run.stdout:
            if found := re.match(r"Page and API: (\S+)", line):
                return found[1]
        self.fail("it does not serve")

    def smoke(self, url, patience_s):
        command = [sys.executable, "-B", ROOT / "tools/smoke.py", url, "--patience", str(patience_s)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=5 * DEADLINE_S)
        return done.returncode, done.stdout

    def test_live_bars_pass(self):
        code, text = self.smoke(self.served("sim:"), DEADLINE_S)
        self.assertEqual(code, 0, text)
        self.assertIn("ok       3 new bars of BINANCE:", text)

    def test_old_bars_do_not_pass_and_it_says_so(self):
        code, text = self.smoke(self.served(self.tape(frame(trade("1", 1700000000000)))), 3)
        self.assertEqual(code, 1, text)
        self.assertRegex(text, r"FAILED   bars of now: not in 3.0 s; last seen: the newest bars: BINANCE:X \d+ s old")
        self.assertIn("docker compose logs ingest process", text)

    def test_nobody_there(self):
        code, text = self.smoke("http://127.0.0.1:9", 0)
        self.assertEqual(code, 1)
        self.assertIn("FAILED   the server answers", text)


if __name__ == "__main__":
    unittest.main()
