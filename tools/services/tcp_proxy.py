"""A way to a server that can be blocked and slowed down, on loopback and without being root."""

import contextlib
import ctypes
import queue
import socket
import struct
import threading
import time

CHUNK_BYTES = 65536
LIBC = ctypes.CDLL(None)
# So much is on the way at most, in each direction of a connection.
CHUNKS = 64


class TcpProxy:
    """Carries what comes to `listen` to `target` and back; both are (address, port), and port 0 is any free one."""

    def __init__(self, target, listen=("127.0.0.1", 0)):
        self.target = target
        self.delay_s = 0
        self.way = threading.Event()
        self.way.set()
        self.lock = threading.Lock()
        self.sockets = set()
        self.closed = False
        self.listener = socket.create_server(listen)
        self.address, self.port = self.listener.getsockname()
        start(self.accept)

    def block(self):
        """As a firewall that drops everything: connections stay open, and nothing comes through, nor do new ones."""
        self.way.clear()

    def unblock(self):
        """What was held up arrives."""
        self.way.set()

    def delay(self, seconds):
        """What comes from now on arrives that much later, in each direction."""
        self.delay_s = seconds

    def reset(self):
        """Every connection ends with a reset, as when a machine has lost its memory of them."""
        with self.lock:
            for end in self.sockets:
                # To connect to no address is to end a connection by a reset, also while somebody reads from it.
                LIBC.connect(end.fileno(), struct.pack("H14x", socket.AF_UNSPEC), 16)
            self.end_all()

    def close(self):
        """Nobody listens there any more."""
        with self.lock:
            self.closed = True
            shut(self.listener)
            self.end_all()
        self.way.set()

    def end_all(self):
        for end in self.sockets:
            shut(end)
        self.sockets.clear()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                start(self.carry, self.listener.accept()[0])

    def add(self, end):
        with self.lock:
            if not self.closed:
                self.sockets.add(end)
                return True
        shut(end)
        return False

    def drop(self, *ends):
        with self.lock:
            for end in ends:
                self.sockets.discard(end)
                shut(end)

    def carry(self, client):
        if not self.add(client):
            return
        self.way.wait()
        try:
            server = socket.create_connection(self.target)
        except OSError:
            return self.drop(client)
        if not self.add(server):
            return
        for source, sink in ((client, server), (server, client)):
            chunks = queue.Queue(CHUNKS)
            start(self.take, source, chunks)
            start(self.give, chunks, sink, (client, server))

    def take(self, source, chunks):
        chunk = True
        while chunk:
            try:
                chunk = source.recv(CHUNK_BYTES)
            except OSError:
                chunk = None
            chunks.put((time.monotonic() + self.delay_s, chunk))

    def give(self, chunks, sink, both):
        while True:
            due, chunk = chunks.get()
            time.sleep(max(0, due - time.monotonic()))
            self.way.wait()
            try:
                if chunk:
                    sink.sendall(chunk)
                elif chunk == b"":
                    return sink.shutdown(socket.SHUT_WR)
                else:
                    return self.drop(*both)
            except OSError:
                self.drop(*both)
            if not chunk:
                return


def start(work, *arguments):
    threading.Thread(target=work, args=arguments, daemon=True).start()


def shut(end):
    # Closing alone does not wake a thread that waits for it.
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
