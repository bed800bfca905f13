"""Clients that mean no good, in a process of their own. Each kind works for so many seconds and then says what it has
got for it, as a JSON object:

    bad_clients.py KIND PORT SECONDS [ARGUMENT]
"""

import collections
import concurrent.futures
import contextlib
import json
import os
import random
import resource
import socket
import ssl
import struct
import sys
import time

ANSWER_TIMEOUT_S = 15
HOST = b"Host: 127.0.0.1\r\n"
UPGRADE = (
    b"GET /api/v1/stream HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + b"A" * 22 + b"==\r\n\r\n"
)


def connect(port, source="127.0.0.1"):
    return socket.create_connection(("127.0.0.1", port), ANSWER_TIMEOUT_S, (source, 0))


def exchange(port, *pieces):
    """What comes back for those bytes, until the server ends it or has answered once."""
    answer = b""
    with contextlib.suppress(OSError), connect(port) as connection:
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            for piece in pieces:
                connection.sendall(piece)
            connection.shutdown(socket.SHUT_WR)
        while piece := connection.recv(65_536):
            answer += piece
    return answer


def status_of(answer):
    return answer[9:12].decode("latin-1") if answer.startswith(b"HTTP/1.1 ") else "none"


def until(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield


def masked(opcode, payload, size=None):
    """A frame of a client; `size` is what its head says when that is not the truth."""
    size = len(payload) if size is None else size
    if size < 126:
        head = bytes([0x80 | opcode, 0x80 | size])
    elif size < 1 << 16:
        head = bytes([0x80 | opcode, 0x80 | 126]) + size.to_bytes(2, "big")
    else:
        head = bytes([0x80 | opcode, 0x80 | 127]) + size.to_bytes(8, "big")
    return head + bytes(4) + payload


def close_code(answer):
    """Of the close frame that ends what a server has sent."""
    frame = answer.partition(b"\r\n\r\n")[2]
    return str(int.from_bytes(frame[2:4], "big")) if frame[:1] == b"\x88" and len(frame) >= 4 else "no close frame"


# ---- Kinds ---------------------------------------------------------------------------------------------------------


def idle(port, seconds, count):
    """So many connections that say nothing, from an address of this process."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    source = f"127.0.{os.getpid() % 200 + 1}.{os.getpid() // 200 % 200 + 1}"
    begin = time.monotonic()
    held = []
    for _ in range(int(count)):
        held.append(connect(port, source))
    opened_s = time.monotonic() - begin
    time.sleep(max(0, seconds - opened_s))
    closed = 0
    for connection in held:
        connection.setblocking(False)
        try:
            closed += connection.recv(1) == b""
        except BlockingIOError:
            pass
        except OSError:
            closed += 1
    return {"opened": len(held), "opened_s": round(opened_s, 2), "closed_by_server": closed}


def oversized(port, seconds):
    """Every part of a request, and messages, far beyond their limits."""
    get = b"GET /api/v1/status HTTP/1.1\r\n" + HOST
    post = b"POST /api/v1/status HTTP/1.1\r\n" + HOST
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    requests = {
        "request line of 1 MiB": [b"GET /" + b"a" * (1 << 20) + b" HTTP/1.1\r\n" + HOST + b"\r\n"],
        "method of 1 MiB": [b"A" * (1 << 20)],
        "header of 1 MiB": [get + b"X: " + b"x" * (1 << 20) + b"\r\n\r\n"],
        "100,000 headers": [get + b"X: y\r\n" * 100_000 + b"\r\n"],
        "header without end": [get + b"X: "] + [b"x" * 65_536] * 64,
        "body of 8 MiB": [post + b"Content-Length: 8388608\r\n\r\n"] + [b"x" * 65_536] * 128,
        "body said to have 2^62 bytes": [post + b"Content-Length: 4611686018427387904\r\n\r\n"],
        "body in chunks, 8 MiB": [post + b"Transfer-Encoding: chunked\r\n\r\n"] + [chunk] * 128,
        "chunk said to have 2^63 bytes": [post + b"Transfer-Encoding: chunked\r\n\r\n7fffffffffffffff\r\n"],
        "10,000 parameters": [b"GET /api/v1/bars?" + b"a=1&" * 2_500 + b" HTTP/1.1\r\n" + HOST + b"\r\n"],
    }
    messages = {
        "message of 1 MiB": [UPGRADE, masked(1, b" " * (1 << 20))],
        "message said to have 2^62 bytes": [UPGRADE, masked(1, b"x", 1 << 62)],
        "ping of 1 MiB": [UPGRADE, masked(9, b"x" * (1 << 20))],
        "1,000 messages at once": [UPGRADE, masked(1, b"{}") * 1_000],
    }
    seen = collections.defaultdict(collections.Counter)
    for _ in until(seconds):
        for name, pieces in requests.items():
            seen[name][status_of(exchange(port, *pieces))] += 1
        for name, pieces in messages.items():
            answer = exchange(port, *pieces)
            seen[name][status_of(answer)] += 1
            # Before its close frame the server may have sent messages.
            seen[name]["1009" if b"\x88\x02\x03\xf1" in answer or b"\x03\xf1" in answer[-40:] else "other"] += 1
    return seen


def loris(port, seconds, count):
    """So many connections that each send a byte a second of a request that never ends."""
    head = b"GET /api/v1/status HTTP/1.1\r\n" + HOST + b"X-Slow: "
    connections = [connect(port) for _ in range(int(count))]
    answers = collections.Counter()
    sent = 0
    begin = time.monotonic()
    while time.monotonic() - begin < seconds:
        turn = time.monotonic()
        for connection in list(connections):
            connection.setblocking(False)
            try:
                connection.send(head[sent : sent + 1] or b"x")
                answer = connection.recv(4_096)
            except BlockingIOError:
                continue
            except OSError:
                answer = b""
            answers[status_of(answer)] += 1
            connections.remove(connection)
            connection.close()
        sent += 1
        time.sleep(max(0, turn + 1 - time.monotonic()))
    return {"answers": answers, "left": len(connections)}


def traversal(port, seconds):
    """Ways out of the directory of the page, in every spelling, each at least once; none leads anywhere."""
    up = ["..", "%2e%2e", "%2E.", ".%2e", "%252e%252e", "..%00", "..;", "....", "%c0%ae%c0%ae", "%u002e%u002e", "..%20"]
    slash = ["/", "%2f", "%2F", "\\", "%5c", "%255c", "%c0%af", "//", "/./"]
    files = ["etc/passwd", "finpipe-data/log/CURRENT"]
    targets = [b"/" + ((dots + cut) * 8 + file).encode() for dots in up for cut in slash for file in files]
    targets += [b"/assets/" + target[1:] for target in targets]
    targets += [
        b"file:///etc/passwd", b"//etc/passwd", b"/etc/passwd", b"http://127.0.0.1/../etc/passwd", b"*", b"/\x00", b"/%",
        b"/%zz", b"/index.html/../../etc/passwd", b"/api/v1/../../../etc/passwd", b"C:\\boot.ini", b"/%00", b"?", b"#",
        b"/.env", b"/finpipe.toml", b"/finpipe-data/log/CURRENT", b"/../.env", b"/. ./. ./etc/passwd", b"/proc/self/environ",
    ]
    random.Random(1).shuffle(targets)
    counts = collections.Counter()
    leaks = set()

    def ask(target):
        answer = exchange(port, b"GET " + target + b" HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
        counts[status_of(answer)] += 1
        if b"root:" in answer or b"MANIFEST" in answer or b"FINNHUB" in answer or status_of(answer) == "200":
            leaks.add(target.decode("latin-1"))

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        end = time.monotonic() + seconds
        while True:
            list(pool.map(ask, targets))
            if time.monotonic() > end:
                break
    return {"targets": len(targets), "statuses": counts, "leaks": sorted(leaks)}


def garbage(port, seconds, seed):
    """Bytes that are no requests: random ones, other protocols, requests and frames with something broken."""
    chance = random.Random(int(seed))
    good = b"GET /api/v1/status HTTP/1.1\r\n" + HOST + b"\r\n"
    hello = client_hello()
    fixed = [
        b"\x00" * 1_000, b"\r\n" * 1_000, b" " * 1_000, b"\xff" * 10_000, b"GET", b"GET /", b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\nHost: a\n\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"GET / HTTP/1.1\r\n: \r\n\r\n", b"SSH-2.0-x\r\n", hello,
        b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: -1\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n", good * 200,
        UPGRADE.replace(b"A==", b"!=="), UPGRADE.replace(b"13", b"99"), UPGRADE.replace(b"GET", b"POST"),
        UPGRADE + bytes([0x81, 5]) + b"hello", UPGRADE + masked(3, b"x"), UPGRADE + masked(1, b"\xff\xfe"),
        UPGRADE + masked(1, b"[" * 4_000), UPGRADE + masked(1, b'{"type":"subscribe"}'), UPGRADE + masked(8, b"\x00"),
        UPGRADE + bytes([0xF1, 0x80]) + bytes(4), UPGRADE + masked(0, b"x"), UPGRADE + masked(2, b"\x00\x01"),
    ]
    counts = collections.Counter()
    for _ in until(seconds):
        kind = chance.randrange(4)
        if kind == 0:
            data = chance.choice(fixed)
        elif kind == 1:
            data = chance.randbytes(chance.randrange(1, 5_000))
        elif kind == 2:
            data = UPGRADE + chance.randbytes(chance.randrange(1, 2_000))
        else:
            broken = bytearray(chance.choice([good, UPGRADE]))
            for _ in range(chance.randrange(1, 6)):
                broken[chance.randrange(len(broken))] = chance.randrange(256)
            data = bytes(broken[: chance.randrange(1, len(broken) + 1)])
        if chance.randrange(5) == 0:
            reset(port, data)
            counts["reset by us"] += 1
        else:
            counts[status_of(exchange(port, data))] += 1
    return counts


def reset(port, data):
    """Sends it and ends the connection by RST, whatever comes back."""
    with contextlib.suppress(OSError), connect(port) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.sendall(data)


def client_hello():
    """The beginning of TLS."""
    outgoing = ssl.MemoryBIO()
    context = ssl.create_default_context()
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost").do_handshake()
    return outgoing.read()


def greedy(port, seconds, *symbols):
    """A subscriber that asks for a lot, again and again, and reads nothing."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    connection.connect(("127.0.0.1", port))
    connection.sendall(UPGRADE)

    def ask(**what):
        connection.sendall(masked(1, json.dumps({"type": "subscribe", **what}).encode()))

    for symbol in symbols:
        ask(channel="bars", symbol=symbol, interval="1s")
    for _ in until(seconds):
        for symbol in symbols:
            ask(channel="trades", symbol=symbol, snapshot=5_000)
        time.sleep(0.3)
    return {}


if __name__ == "__main__":
    kinds = {work.__name__: work for work in (idle, oversized, loris, traversal, garbage, greedy)}
    print(json.dumps(kinds[sys.argv[1]](int(sys.argv[2]), float(sys.argv[3]), *sys.argv[4:])), flush=True)
