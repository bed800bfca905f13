"""A client that behaves, in a process of its own so that nothing else delays it. It takes updates of 1s bars from the
stream and asks for the status twenty times a second. For each line on its input it says what it has seen since the one
before, as a JSON object:

    good_client.py PORT SYMBOL…
"""

import contextlib
import http.client
import json
import sys
import threading
import time

import websocket

PERIOD_S = 0.05
TIMEOUT_S = 30
STATUS = "/api/v1/status"


class GoodClient:
    def __init__(self, port, symbols):
        self.port = port
        self.lock = threading.Lock()
        self.failure = ""
        self.stream = websocket.create_connection(f"ws://127.0.0.1:{port}/api/v1/stream", timeout=TIMEOUT_S)
        for symbol in symbols:
            self.stream.send(json.dumps({"type": "subscribe", "channel": "bars", "symbol": symbol, "interval": "1s"}))
        self.begin()
        for work in (self.listen, self.ask):
            threading.Thread(target=self.watched, args=(work,), daemon=True).start()

    def begin(self):
        self.begin_at = self.last_update = time.monotonic()
        self.updates, self.longest_pause_s = 0, 0.0
        self.answers_s, self.statuses, self.reconnects = [], {}, 0

    def watched(self, work):
        try:
            work()
        except Exception as error:  # whatever it is, the test must hear of it
            self.failure = f"{work.__name__}: {error!r}"

    def listen(self):
        while True:
            message = json.loads(self.stream.recv())
            if message["type"] == "update":
                now = time.monotonic()
                with self.lock:
                    self.updates += 1
                    self.longest_pause_s = max(self.longest_pause_s, now - self.last_update)
                    self.last_update = now

    def ask(self):
        connection = self.connection()
        while True:
            begin = time.monotonic()
            reconnects = 0
            try:
                status = self.get(connection)
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
                # It had been idle and was closed: what every browser does then.
                connection.close()
                connection, reconnects = self.connection(), 1
                status = self.get(connection)
            took_s = time.monotonic() - begin
            with self.lock:
                self.answers_s.append(took_s)
                self.statuses[status] = self.statuses.get(status, 0) + 1
                self.reconnects += reconnects
            time.sleep(max(0, PERIOD_S - took_s))

    def connection(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_S)

    @staticmethod
    def get(connection):
        connection.request("GET", STATUS)
        answer = connection.getresponse()
        answer.read()
        return answer.status

    def report(self):
        with self.lock:
            now = time.monotonic()
            answers = sorted(self.answers_s) or [now - self.begin_at]
            report = {
                "seconds": round(now - self.begin_at, 3),
                "updates": self.updates,
                "longest_pause_s": round(max(self.longest_pause_s, now - self.last_update), 3),
                "requests": len(self.answers_s),
                "statuses": self.statuses,
                "reconnects": self.reconnects,
                "p50_ms": round(1_000 * answers[len(answers) // 2], 2),
                "p99_ms": round(1_000 * answers[min(len(answers) - 1, len(answers) * 99 // 100)], 2),
                "max_ms": round(1_000 * answers[-1], 2),
                "failure": self.failure,
            }
            self.begin()
        return report


def main():
    client = GoodClient(int(sys.argv[1]), sys.argv[2:])
    with contextlib.suppress(BrokenPipeError):
        for _ in sys.stdin:
            print(json.dumps(client.report()), flush=True)


if __name__ == "__main__":
    main()
