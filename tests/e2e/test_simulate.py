"""The simulator as a client sees it that is not ours: python3-websocket speaks the WebSocket protocol in its own way."""

import json
import re
import signal
import ssl
import unittest
import urllib.error
import urllib.request

import websocket

from program import DEADLINE_S, ROOT, CliTest

SYMBOLS = ("BINANCE:BTCUSDT", "BINANCE:ETHUSDT")


class Simulate(CliTest):
    def simulate(self, *args):
        """Starts it on a free port; its address."""
        self.process = self.start("simulate", "--tape", ROOT / "data/binance.tape", *args)
        line = self.process.stdout.readline()
        found = re.search(r"at (wss?)://127\.0\.0\.1:(\d+) with 34419 trades of BINANCE:", line)
        self.assertTrue(found, line)
        self.port = found[2]
        return f"{found[1]}://127.0.0.1:{found[2]}"

    def connect(self, address, **options):
        client = websocket.create_connection(address, timeout=DEADLINE_S, **options)
        self.addCleanup(client.shutdown)
        return client

    @staticmethod
    def say(client, kind, symbol):
        client.send(json.dumps({"type": kind, "symbol": symbol}))

    def hear(self, client, kind):
        while True:
            frame = json.loads(client.recv())
            if frame["type"] == kind:
                return frame

    def control(self, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/control/{path}", data, DEADLINE_S) as answer:
            return answer.read().decode()

    def test_trades_come_for_what_is_subscribed_until_it_is_unsubscribed(self):
        client = self.connect(self.simulate("--speed", "100", "--loop"))
        self.say(client, "subscribe", SYMBOLS[0])
        for _ in range(50):
            trades = self.hear(client, "trade")["data"]
            self.assertLessEqual(len(trades), 10)
            self.assertEqual({trade["s"] for trade in trades}, {SYMBOLS[0]})
        self.say(client, "subscribe", SYMBOLS[1])
        self.say(client, "unsubscribe", SYMBOLS[0])
        while {trade["s"] for trade in self.hear(client, "trade")["data"]} != {SYMBOLS[1]}:
            pass
        for _ in range(50):
            self.assertEqual({trade["s"] for trade in self.hear(client, "trade")["data"]}, {SYMBOLS[1]})

    def test_the_whole_tape_comes_once_and_as_recorded(self):
        record = self.dir / "record"
        client = self.connect(self.simulate("--speed", "full", "--record", record))
        for symbol in SYMBOLS:
            self.say(client, "subscribe", symbol)
        frames = []
        trades = []
        while len(trades) < 34419:
            frames.append(self.hear(client, "trade"))
            trades += frames[-1]["data"]
        with open(ROOT / "data/binance.tape", encoding="ascii") as tape:
            recorded = [json.loads(line.split(" ", 1)[1]) for line in tape]
        self.assertEqual(trades, [trade for frame in recorded for trade in frame.get("data", [])])
        lines = [json.loads(line) for line in record.read_text().splitlines()]
        self.assertEqual([json.loads(line["frame"]) for line in lines if line["event"] == "trades"], frames)
        self.assertEqual([line["n"] for line in lines], list(range(1, len(lines) + 1)))
        kinds = [line["event"] for line in lines if line["event"] != "trades"]
        self.assertEqual(kinds[:3], ["open", "subscribe", "subscribe"])

    def test_too_many_symbols_are_an_error_and_the_others_go_on(self):
        client = self.connect(self.simulate("--speed", "100", "--loop", "--symbol-limit", "2"))
        for symbol in ("NASDAQ:NONE", SYMBOLS[0], SYMBOLS[1]):
            self.say(client, "subscribe", symbol)
        self.assertEqual(self.hear(client, "error"), {"msg": "Subscribing to too many symbols", "type": "error"})
        self.assertEqual(self.hear(client, "trade")["data"][0]["s"], SYMBOLS[0])
        self.say(client, "unsubscribe", SYMBOLS[0])
        self.say(client, "subscribe", SYMBOLS[1])
        while self.hear(client, "trade")["data"][0]["s"] != SYMBOLS[1]:
            pass

    def test_symbols_that_the_tape_does_not_have_can_be_refused(self):
        client = self.connect(self.simulate("--known-symbols"))
        self.say(client, "subscribe", "OANDA:EUR_USD")
        self.assertEqual(self.hear(client, "error")["msg"], "Invalid symbol OANDA:EUR_USD")

    def test_a_wrong_key_is_refused_with_401(self):
        address = self.simulate("--token", "right-key")
        for query in ("", "?token=wrong-key"):
            with self.assertRaises(websocket.WebSocketBadStatusException) as refused:
                websocket.create_connection(address + "/" + query, timeout=DEADLINE_S)
            self.assertEqual(refused.exception.status_code, 401)
        self.connect(address + "?token=right-key")
        self.connect(address, header=["X-Finnhub-Token: right-key"])

    def test_pings_come_as_text(self):
        client = self.connect(self.simulate("--ping-interval", "0.05"))
        self.assertEqual(json.loads(client.recv()), {"type": "ping"})

    def test_tls_is_verified_with_the_authority_that_was_written(self):
        ca = self.dir / "ca.pem"
        address = self.simulate("--tls", "--write-ca", ca, "--speed", "100", "--loop")
        self.assertTrue(address.startswith("wss://"))
        client = self.connect(address, sslopt={"ca_certs": str(ca)})
        self.say(client, "subscribe", SYMBOLS[0])
        self.hear(client, "trade")
        with self.assertRaises(ssl.SSLError):
            websocket.create_connection(address, timeout=DEADLINE_S)

    def test_faults_are_committed_on_request(self):
        client = self.connect(self.simulate())
        answer = json.loads(self.control("fault", {"kind": "disconnect", "code": 1011}))
        self.assertEqual(answer, {"kind": "disconnect", "met": 1})
        opcode, data = client.recv_data()
        self.assertEqual((opcode, data[:2]), (websocket.ABNF.OPCODE_CLOSE, (1011).to_bytes(2, "big")))
        self.control("fault", {"kind": "refuse", "status": 429, "retry_after": 3})
        with self.assertRaises(websocket.WebSocketBadStatusException) as refused:
            websocket.create_connection(f"ws://127.0.0.1:{self.port}", timeout=DEADLINE_S)
        self.assertEqual(refused.exception.status_code, 429)
        self.assertEqual(refused.exception.resp_headers["retry-after"], "3")
        self.assertEqual(json.loads(self.control("status"))["faults"], 2)
        with self.assertRaises(urllib.error.HTTPError) as unknown:
            self.control("fault", {"kind": "flood"})
        self.assertEqual(unknown.exception.code, 400)

    def test_a_signal_ends_it_with_a_close_frame(self):
        client = self.connect(self.simulate())
        self.process.send_signal(signal.SIGTERM)
        opcode, data = client.recv_data()
        self.assertEqual((opcode, data[:2]), (websocket.ABNF.OPCODE_CLOSE, (1001).to_bytes(2, "big")))
        self.assertEqual(self.process.wait(DEADLINE_S), 0)

    def test_what_cannot_be_meant_is_refused(self):
        for args, words in (
            (["--speed", "fast"], "recorded, full"),
            (["--listen", "127.0.0.1"], "ADDRESS:PORT"),
            (["--listen", "127.0.0.1:70000"], "ADDRESS:PORT"),
            (["--faults", "drop,flood"], "half_open"),
            (["--certificate", "a.pem"], "--key"),
            (["--write-ca", "a.pem"], "--tls"),
            (["--ping-interval", "-1"], "--ping-interval"),
        ):
            done = self.finpipe("simulate", "--tape", ROOT / "data/binance.tape", *args, expect=2)
            self.assertIn(words, done.err)
        self.assertIn("E200", self.finpipe("simulate", "--tape", "none.tape", expect=1).err)
        self.assertIn("Examples:\n  finpipe simulate", self.finpipe("simulate", "--help").out)


if __name__ == "__main__":
    unittest.main()
