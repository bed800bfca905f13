"""What `services up` starts is there for every program until `services down`."""

import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

TOOLS = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOOLS))
from services import addresses  # noqa: E402

PROGRAM = TOOLS / "services/services"


class Stack(unittest.TestCase):
    def services(self, command, *arguments):
        words = [sys.executable, PROGRAM, command, "--dir", self.dir, *arguments]
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    def test_up_and_down(self):
        self.dir = tempfile.mkdtemp(prefix="finpipe-stack-")
        self.addCleanup(shutil.rmtree, self.dir)
        self.addCleanup(self.services, "down")
        self.assertEqual(self.services("status"), (1, "nothing runs\n"))
        self.assertEqual(self.services("down"), (0, "nothing runs\n"))

        block = f"127.{random.randint(1, 254)}.{random.randint(1, 254)}."
        code, urls = self.services("up", "--block", block)
        self.assertEqual(code, 0, urls)
        self.assertEqual(self.services("up", "--block", block), (0, urls))
        self.assertEqual(self.services("status"), (0, urls))
        for pattern in (rf"kafka +kafka://{block}1:\d+\n", rf"cassandra +cassandra://{block}1:\d+/finpipe\n",
                        rf"registry +http://{block}1:\d+/apis/ccompat/v7\n"):
            self.assertRegex(urls, pattern)
        ports = [int(port) for port in re.findall(r":(\d+)", urls)]
        for port in ports:
            self.assertTrue(addresses.answers(f"{block}1", port))

        self.assertEqual(self.services("down"), (0, "stopped\n"))
        self.assertEqual(self.services("status"), (1, "nothing runs\n"))
        for port in ports:
            self.assertFalse(addresses.answers(f"{block}1", port))


if __name__ == "__main__":
    unittest.main()
