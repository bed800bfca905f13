"""Addresses and ports that are given out are free, and nobody else gets them."""

import pathlib
import socket
import subprocess
import sys
import unittest

TOOLS = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOOLS))
from services import addresses  # noqa: E402
from services.processes import ServiceError  # noqa: E402


def in_another_program(code):
    text = f"import sys; sys.path.insert(0, {str(TOOLS)!r}); from services import addresses; {code}"
    return subprocess.run([sys.executable, "-B", "-c", text], capture_output=True, text=True, check=False)


class Addresses(unittest.TestCase):
    def test_a_block_is_one_programs_until_that_ends(self):
        block = addresses.reserve_block()
        self.assertRegex(block, r"^127\.\d+\.\d+\.$")
        self.assertNotEqual(addresses.reserve_block(), block)
        other = in_another_program(f"addresses.reserve_block({block!r})")
        self.assertIn(f"another program of this tool uses {block}*", other.stderr)
        theirs = in_another_program("print(addresses.reserve_block())").stdout.strip()
        self.assertEqual(addresses.reserve_block(theirs), theirs)

    def test_the_usual_port_is_taken_where_it_is_free(self):
        block = addresses.reserve_block()
        hosts = [f"{block}{number}" for number in (1, 2, 3)]
        with socket.create_server((hosts[2], 0)) as server:
            taken = server.getsockname()[1]
            self.assertFalse(addresses.is_free(hosts[2], taken))
            self.assertEqual(addresses.common_port(hosts[:2], taken), taken)
            other = addresses.common_port(hosts, taken)
            self.assertIn(other, addresses.PORTS)
        self.assertEqual(addresses.common_port(hosts, taken), taken)

    def test_a_port_is_given_once(self):
        ports = {addresses.reserve_port() for _ in range(50)}
        self.assertEqual(len(ports), 50)

    def test_no_free_port_is_an_error(self):
        with self.assertRaisesRegex(ServiceError, "no port is free on 192.0.2.1"):
            addresses.common_port(["192.0.2.1"], 9042)

    def test_answers_says_whether_somebody_listens(self):
        with socket.create_server((f"{addresses.reserve_block()}1", 0)) as server:
            where = server.getsockname()
            self.assertTrue(addresses.answers(*where))
        self.assertFalse(addresses.answers(*where))


if __name__ == "__main__":
    unittest.main()
