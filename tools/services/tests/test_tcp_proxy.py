"""The proxy carries everything, holds it up, lets it through again, and ends as it is told."""

import contextlib
import pathlib
import socket
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from services.tcp_proxy import TcpProxy  # noqa: E402

PATIENCE_S = 60
SHORT_S = 0.3


class Proxy(unittest.TestCase):
    """A proxy before a server that sends back what it gets."""

    def setUp(self):
        self.server = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(self.server.close)
        threading.Thread(target=self.accept, daemon=True).start()
        self.proxy = TcpProxy(self.server.getsockname())
        self.addCleanup(lambda: self.proxy and self.proxy.close())

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self.echo, args=(self.server.accept()[0],), daemon=True).start()

    @staticmethod
    def echo(connection):
        with connection, contextlib.suppress(OSError):
            while data := connection.recv(4096):
                connection.sendall(data)

    def connect(self):
        connection = socket.create_connection((self.proxy.address, self.proxy.port), timeout=PATIENCE_S)
        self.addCleanup(connection.close)
        return connection

    def assert_silent(self, connection):
        connection.settimeout(SHORT_S)
        with self.assertRaises(TimeoutError):
            connection.recv(1)
        connection.settimeout(PATIENCE_S)

    def test_everything_is_carried_both_ways_and_so_is_the_end(self):
        connection = self.connect()
        sent = bytes(range(256)) * 20_000
        sender = threading.Thread(target=lambda: (connection.sendall(sent), connection.shutdown(socket.SHUT_WR)))
        sender.start()
        received = b""
        while data := connection.recv(65536):
            received += data
        sender.join()
        self.assertEqual(received, sent)

    def test_what_is_blocked_arrives_once_it_is_unblocked(self):
        before = self.connect()
        before.sendall(b"a")
        self.assertEqual(before.recv(9), b"a")
        self.proxy.block()
        before.sendall(b"b")
        after = self.connect()
        after.sendall(b"c")
        self.assert_silent(before)
        self.assert_silent(after)
        self.proxy.unblock()
        self.assertEqual(before.recv(9), b"b")
        self.assertEqual(after.recv(9), b"c")

    def test_a_delay_is_that_of_each_direction(self):
        connection = self.connect()
        self.proxy.delay(SHORT_S)
        begin = time.monotonic()
        connection.sendall(b"a")
        self.assertEqual(connection.recv(9), b"a")
        self.assertGreaterEqual(time.monotonic() - begin, 2 * SHORT_S)

    def test_a_reset_is_one(self):
        connection = self.connect()
        connection.sendall(b"a")
        self.assertEqual(connection.recv(9), b"a")
        self.proxy.reset()
        with self.assertRaises(ConnectionResetError):
            connection.recv(1)
        self.connect().sendall(b"a")

    def test_a_server_that_is_gone_ends_the_connection(self):
        self.server.close()
        self.proxy.close()
        self.proxy = TcpProxy(("127.0.0.1", 1))
        with contextlib.suppress(ConnectionResetError):
            self.assertEqual(self.connect().recv(1), b"")

    def test_nobody_listens_after_close_though_the_way_was_blocked(self):
        self.proxy.block()
        connection = self.connect()
        where = self.proxy.address, self.proxy.port
        self.proxy.close()
        self.proxy = None
        with contextlib.suppress(ConnectionResetError):
            self.assertEqual(connection.recv(1), b"")
        with self.assertRaises(ConnectionRefusedError):
            socket.create_connection(where, timeout=PATIENCE_S)


if __name__ == "__main__":
    unittest.main()
