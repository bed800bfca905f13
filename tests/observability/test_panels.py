"""The dashboards on a real run: every panel that embedded parts can fill has data."""

import pathlib
import subprocess
import sys
import unittest

DASHBOARDS = pathlib.Path(__file__).with_name("dashboards.py")


class Panels(unittest.TestCase):
    def test_each_that_embedded_parts_can_fill_has_data(self):
        done = subprocess.run([sys.executable, "-B", DASHBOARDS, "--embedded"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertNotIn("\n0 queries", done.stdout)


if __name__ == "__main__":
    unittest.main()
