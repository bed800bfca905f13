"""A vendor that a test scripts: what it answers to each request to upgrade, byte for byte, and what it says afterwards.

`finpipe simulate` plays the vendor as it should be; this one also does what a server never should.
"""

import base64
import contextlib
import hashlib
import json
import socket
import ssl
import threading
import time

PATIENCE_S = 60
WEBSOCKET_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def http(status, reason, body="", *headers):
    """A whole answer in HTTP that ends the connection."""
    text = body.encode()
    lines = [f"HTTP/1.1 {status} {reason}", f"Content-Length: {len(text)}", "Connection: close", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + text


class Request:
    """A request to upgrade, as it came, and when."""

    def __init__(self, head):
        self.at = time.monotonic()
        self.head = head.decode("latin-1")
        self.target = self.head.split(" ", 2)[1]

    def header(self, name):
        for line in self.head.split("\r\n")[1:]:
            key, _, value = line.partition(":")
            if key.lower() == name.lower():
                return value.strip()
        return ""


class Socket:
    """The server's end of a WebSocket; no frame of ours is split."""

    def __init__(self, connection):
        self.connection = connection

    def send(self, text, opcode=1):
        payload = text if isinstance(text, bytes) else text.encode()
        size = len(payload)
        if size < 126:
            head = bytes([0x80 | opcode, size])
        elif size < 1 << 16:
            head = bytes([0x80 | opcode, 126]) + size.to_bytes(2, "big")
        else:
            head = bytes([0x80 | opcode, 127]) + size.to_bytes(8, "big")
        self.connection.sendall(head + payload)

    def read_exactly(self, count):
        data = b""
        while len(data) < count:
            piece = self.connection.recv(count - len(data))
            if not piece:
                raise ConnectionError("the client has gone")
            data += piece
        return data

    def receive(self):
        """(opcode, payload) of one frame of the client; a ping is answered on the way."""
        while True:
            first, second = self.read_exactly(2)
            size = second & 0x7F
            if size >= 126:
                size = int.from_bytes(self.read_exactly(2 if size == 126 else 8), "big")
            mask = self.read_exactly(4)
            payload = bytes(byte ^ mask[i % 4] for i, byte in enumerate(self.read_exactly(size)))
            if first & 0x0F != 9:
                return first & 0x0F, payload
            self.send(payload, opcode=10)

    def symbols(self, count):
        """The next so many symbols that are subscribed to."""
        return [json.loads(self.receive()[1])["symbol"] for _ in range(count)]

    def close(self, code, reason=b""):
        self.send(code.to_bytes(2, "big") + reason, opcode=8)
        with contextlib.suppress(OSError):
            while self.receive()[0] != 8:
                pass

    def wait_for_end(self):
        with contextlib.suppress(OSError):
            while self.receive()[0] != 8:
                pass


class Vendor:
    """Listens on a free port of 127.0.0.1. `answer(request)` gives bytes that are sent before the connection ends; None
    to leave the request without answer until the client goes away; or a function that is given the Socket once the
    upgrade is done. It is called by a thread a connection.
    """

    def __init__(self, answer, context=None):
        self.answer = answer
        self.context = context
        self.requests = []
        self.handshake_errors = []
        self.ends = []  # of connections, as the server saw them: monotonic times
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    @property
    def url(self):
        return f"{'wss' if self.context else 'ws'}://127.0.0.1:{self.port}"

    def close(self):
        self.listener.close()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                connection.settimeout(PATIENCE_S)
                threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with contextlib.suppress(OSError):
            try:
                if self.context:
                    connection = self.context.wrap_socket(connection, server_side=True)
            except OSError as error:
                self.handshake_errors.append(str(error))
                raise
            with connection:
                self.talk(connection)
        self.ends.append(time.monotonic())

    def talk(self, connection):
        head = b""
        while b"\r\n\r\n" not in head:
            piece = connection.recv(4096)
            if not piece:
                return
            head += piece
        request = Request(head)
        self.requests.append(request)
        answer = self.answer(request)
        if answer is None:
            while connection.recv(4096):
                pass
        elif isinstance(answer, bytes):
            connection.sendall(answer)
        else:
            accept = base64.b64encode(hashlib.sha1(request.header("Sec-WebSocket-Key").encode() + WEBSOCKET_GUID).digest())
            connection.sendall(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
            )
            answer(Socket(connection))


def server_context(certificate, key, client_ca=None):
    """TLS as a server; with `client_ca` clients must show a certificate that it has signed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    if client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(client_ca)
    return context
