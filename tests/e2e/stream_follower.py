"""A client of /api/v1/stream that does what docs/api.md says: it keeps the newest version of each bar, and when its
connection is gone it connects again and subscribes from the oldest bar that it has and that is not final."""

import json
import threading

import websocket

RETRY_S = 0.1
FINAL = ("final", "revised")


class StreamFollower(threading.Thread):
    def __init__(self, series):
        super().__init__(daemon=True)
        self.bars = {one: {} for one in series}  # (symbol, interval): {start: BAR}
        self.connections = 0
        self.errors = []
        self._page = None
        self._ended = threading.Event()
        self._lock = threading.Lock()

    def follow(self, page):
        """HOST:PORT from now on; None: nowhere."""
        self._page = page

    def end(self):
        self._ended.set()
        self.join()

    def finals(self):
        """{(symbol, interval, start): BAR} of those that are final or revised."""
        with self._lock:
            return {
                (*one, start): bar
                for one, bars in self.bars.items()
                for start, bar in bars.items()
                if bar["state"] in FINAL
            }

    def run(self):
        while not self._ended.wait(RETRY_S):
            try:
                if self._page is not None:
                    self._listen(self._page)
            except (OSError, websocket.WebSocketException):
                pass  # gone, or not there yet

    def _listen(self, page):
        socket = websocket.create_connection(f"ws://{page}/api/v1/stream", timeout=1)
        try:
            self.connections += 1
            for one, bars in self.bars.items():
                self._subscribe(socket, one, bars)
            while not self._ended.is_set():
                try:
                    text = socket.recv()
                except websocket.WebSocketTimeoutException:
                    continue
                if not text:
                    return
                self._hear(json.loads(text))
        finally:
            socket.shutdown()

    def _subscribe(self, socket, one, bars):
        request = {"type": "subscribe", "channel": "bars", "symbol": one[0], "interval": one[1]}
        open_bars = [start for start, bar in bars.items() if bar["state"] not in FINAL]
        if open_bars:
            request["from"] = min(open_bars)
        elif bars:
            request["from"] = max(bars)
        socket.send(json.dumps(request))

    def _hear(self, message):
        if message["type"] == "error":
            self.errors.append(message["message"])
            return
        with self._lock:
            bars = self.bars[message["symbol"], message["interval"]]
            for bar in message["bars"]:
                known = bars.get(bar["start"])
                if known is None or bar["version"] >= known["version"]:
                    bars[bar["start"]] = bar
