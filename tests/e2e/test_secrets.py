"""The API key is in the request to the vendor and nowhere else. A vendor repeats it in everything that it says, in every
spelling, through all that can happen to a connection; then all that the program has put out or stored is searched.
"""

import base64
import contextlib
import itertools
import os
import pathlib
import re
import signal
import threading
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request

from live_run import SYMBOLS, LiveTest
from program import DEADLINE_S, frame, trade
from services.certificates import Authority, self_signed
from vendor import Vendor, http, server_context

# Most of it is escaped in URLs, JSON and HTML. No part of it that is long enough to tell something occurs elsewhere.
KEY = "kZ9/Wv+4q=J&7x%Y2#hunterXq8\"Lm"
SPELLINGS = {
    "raw": KEY,
    "percent": urllib.parse.quote(KEY, safe=""),
    "lower": re.sub("%..", lambda escape: escape[0].lower(), urllib.parse.quote(KEY, safe="")),
    "partly": urllib.parse.quote(KEY, safe="/+=&"),
    "json": KEY.replace('"', '\\"').replace("/", "\\/"),
    "html": KEY.replace("&", "&amp;").replace('"', "&quot;"),
}
TELLING_BYTES = 8
ECHO = " ".join(f"{name}: {spelling};" for name, spelling in SPELLINGS.items())
JSON_ECHO = ECHO.replace("\\", "\\\\").replace('"', '\\"')

# What a vendor says to request after request; each tells the key again.
REFUSALS = [
    http(429, "Too Many Requests", f"one connection a key: {ECHO}"),
    http(500, f"trouble with {KEY}", f"<pre>GET /?token={SPELLINGS['percent']} for {ECHO}</pre>", f"X-Key: {KEY}"),
    http(524, "", " " * 170 + ECHO),
    http(200, "OK", f"<a href='/?token={SPELLINGS['lower']}'>{SPELLINGS['html']}</a>"),
    http(302, "Found", "", f"Location: /?token={SPELLINGS['percent']}"),
    f"HTTP/1.1 {KEY}\r\n\r\n".encode(),
    KEY.encode(),
]


def parts_of_the_key():
    """Every run of so many bytes of every spelling."""
    for spelling in SPELLINGS.values():
        text = spelling.encode()
        for begin in range(len(text) - TELLING_BYTES + 1):
            yield text[begin : begin + TELLING_BYTES]


KEY_PARTS = re.compile(b"|".join(sorted({re.escape(part) for part in parts_of_the_key()})))


class Secrets(LiveTest):
    def assert_clean(self, where, text):
        data = text.encode() if isinstance(text, str) else text
        found = KEY_PARTS.search(data)
        if found:
            around = data[max(0, found.start() - 60) : found.end() + 60]
            self.fail(f"the key is in {where}: {around!r}")

    def vendor(self):
        """Refuses in every way, then misbehaves on connection after connection; `self.played` once that is over."""
        self.played = threading.Event()
        self.turns = itertools.count()

        def bad_frames(socket):
            symbols = socket.symbols(len(SYMBOLS))
            now_ms = int(time.time() * 1_000)
            socket.send(frame(*(trade("1.5", now_ms, symbol) for symbol in symbols)))
            for spelling in SPELLINGS.values():
                escaped = spelling.replace("\\", "\\\\").replace('"', '\\"')
                socket.send('{"msg":"Invalid API key %s","type":"error"}' % escaped)
                socket.send('{"msg":"Invalid symbol %s","type":"error"}' % escaped)
                socket.send('{"msg":"Subscribing to too many symbols %s","type":"error"}' % escaped)
                socket.send('{"type":"%s"}' % escaped)
                socket.send('{"type":"error","msg":"%s"' % escaped)
                socket.send(frame(trade("-1", now_ms, escaped)))
                socket.send(frame(trade(f'"{escaped}"', now_ms, symbols[0])))
                socket.send(frame(trade("2", now_ms, symbols[0], conditions=f'"c":["{escaped}"],')))
                socket.send("not JSON: " + spelling)
                socket.send((" " * (1 << 20)) + spelling)
                socket.send(spelling + " " * (1 << 20))
            socket.close(1008, KEY.encode())

        def bad_utf8(socket):
            socket.symbols(len(SYMBOLS))
            socket.send(b"\xff\xfe" + KEY.encode())
            socket.wait_for_end()

        def lost(socket):
            socket.symbols(len(SYMBOLS))
            socket.send(KEY.encode(), opcode=3)
            socket.wait_for_end()

        def good(socket):
            symbols = socket.symbols(len(SYMBOLS))
            socket.send(frame(*(trade("2.5", int(time.time() * 1_000), symbol) for symbol in symbols)))
            self.played.set()
            socket.wait_for_end()

        script = [*REFUSALS, bad_frames, bad_utf8, lost]

        def answer(request):
            turn = next(self.turns)
            return script[turn] if turn < len(script) else good

        vendor = Vendor(answer)
        self.addCleanup(vendor.close)
        return vendor, len(script) + 1

    def run_through_it_all(self, *args, key=KEY):
        """A run, what it has said and served meanwhile, all searched; then its directories and exports."""
        vendor, turns = self.vendor()
        run = self.live_run(vendor.url, "--feed-time-scale", "0.01", *args, key=key)
        wait_end = time.monotonic() + 2 * DEADLINE_S
        while not self.played.is_set():
            self.assertLess(time.monotonic(), wait_end, f"{len(vendor.requests)}\n{run.log}")
            self.assert_clean("status", run.get("/api/v1/status"))
        run.wait_for_trades(2 * len(SYMBOLS))
        self.assertEqual(len(vendor.requests), turns)
        for request in vendor.requests:
            self.assertEqual(urllib.parse.parse_qs(request.target.partition("?")[2])["token"], [KEY])
        self.search_what_is_served(run)
        for command in ("export trades", "export bars", "export revisions", "export gaps", "verify", "checkpoint show"):
            done = self.finpipe(*command.split(), expect=None)
            self.assert_clean(command, done.out + done.err)
        letters = self.dead_letters()
        self.assertGreater(len(letters), 4 * len(SPELLINGS))
        for reason, raw in letters:
            self.assert_clean(f"a dead letter, {reason}", raw)
        self.assertTrue(any("***" in raw for _, raw in letters))
        self.assert_clean("the command line", pathlib.Path(f"/proc/{run.process.pid}/cmdline").read_bytes())
        self.assertEqual(run.stop(), 0, run.log)
        self.search_what_is_left(run)
        for said in ("E721", "E722", "E704", "E703"):
            self.assertIn(said, run.log)
        return run

    def search_what_is_served(self, run):
        for path in (
            "/", "/metrics", "/healthz", "/readyz", "/api/v1/status", "/api/v1/ledger", "/api/v1/symbols", "/api/v1/gaps",
            "/api/v1/trades?symbol=" + SYMBOLS[0], "/api/v1/bars?interval=1s&symbol=" + SYMBOLS[0], "/api/v1/none",
            "/.env", "/finpipe.toml", "/proc/self/environ",
        ):
            with contextlib.suppress(urllib.error.HTTPError):
                try:
                    self.assert_clean(path, run.get(path))
                except urllib.error.HTTPError as error:
                    self.assert_clean(path, error.read() + str(error.headers).encode())
        for script in re.findall(r'(?:src|href)="(/[^"]+)"', run.get("/")):
            self.assert_clean(script, run.get(script))

    def search_what_is_left(self, run):
        self.assert_clean("stdout", run.output)
        self.assert_clean("stderr", run.log)
        files = 0
        for directory, _, names in os.walk(self.dir / "finpipe-data"):
            for name in names:
                path = pathlib.Path(directory, name)
                self.assert_clean("a name", str(path))
                self.assert_clean(path, path.read_bytes())
                files += 1
        self.assertGreater(files, 4)

    def test_a_key_of_the_environment_is_in_no_log_answer_or_file(self):
        self.run_through_it_all()

    def test_a_key_of_the_environment_is_in_no_log_as_json(self):
        run = self.run_through_it_all("--log-format", "json")
        self.assertIn('"level":"warning"', run.log)

    def test_a_key_of_a_dotenv_file_is_in_no_log_answer_or_file(self):
        (self.dir / ".env").write_text(f"FINNHUB_API_KEY='{KEY}'\n")
        self.run_through_it_all(key="")

    def test_401_that_repeats_the_key_ends_the_run_without_it(self):
        for body in (ECHO, '{"error":"Invalid API key %s"}' % JSON_ECHO, " " * 150 + ECHO):
            with self.subTest(body):
                vendor = Vendor(lambda request, body=body: http(401, KEY, body, f"WWW-Authenticate: {KEY}"))
                self.addCleanup(vendor.close)
                run = self.live_run(vendor.url, key=KEY)
                self.assertEqual(run.wait_for_end(), 1)
                self.assertIn("E720 unauthorized", run.log)
                self.search_what_is_left(run)

    def test_tls_errors_do_not_tell_the_key(self):
        authority = Authority(self.dir, "authority")
        for code, certificate in (
            ("E711", self_signed(self.dir, "self", "IP:127.0.0.1")),
            ("E713", authority.sign("wrong-host", "DNS:ws.finnhub.io")),
            ("E712", authority.sign("expired", "IP:127.0.0.1", days=-1)),
        ):
            vendor = Vendor(lambda request: http(500, "not reached"), server_context(*certificate))
            self.addCleanup(vendor.close)
            run = self.live_run(
                vendor.url, "--feed-time-scale", "0.01", "--ca-file", authority.certificate, key=KEY
            )
            run.wait_for_log(code)
            self.search_what_is_served(run)
            self.assertEqual(run.stop(), 0)
            self.search_what_is_left(run)
            self.assertEqual(vendor.requests, [])

    def test_config_and_check_do_not_show_it(self):
        feed = f"ws://127.0.0.1:1/?token={SPELLINGS['percent']}"
        for environment, dotenv in (({"FINNHUB_API_KEY": KEY}, ""), ({}, f"FINNHUB_API_KEY='{KEY}'\n")):
            self.environment.pop("FINNHUB_API_KEY", None)
            self.environment.update(environment)
            (self.dir / ".env").write_text(dotenv)
            for command in (
                ["config"], ["check", "--feed", "sim:"], ["check", "--feed", feed],
                ["run", "--feed", "ws://example.com"], ["run", "--feed", "bad:"], ["run", "--help"], ["--help"], ["version"],
            ):
                done = self.finpipe(*command, expect=None)
                self.assert_clean(command, done.out + done.err)
        self.assertIn('api-key = "***"', self.finpipe("config").out)
        self.environment["FINPIPE_FEED"] = feed
        self.assertIn("ws://127.0.0.1:1/?***", self.finpipe("config").out)
        self.assert_clean("config", self.finpipe("config").out)

    def test_settings_that_cannot_be_read_do_not_show_it(self):
        for name, text in (
            (".env", f"FINNHUB_API_KEY=\"{KEY}\n"),
            (".env", KEY.replace("=", "") + "\n"),
            ("finpipe.toml", f"api-key = '{KEY}\n"),
            ("finpipe.toml", f"api-key = ['{KEY}']\n"),
            ("finpipe.toml", f"api-key = {KEY}\n"),
        ):
            with self.subTest(text):
                (self.dir / name).write_text(text)
                done = self.finpipe("config", expect=2)
                self.assert_clean(name, done.out + done.err)
                (self.dir / name).unlink()

    def test_the_simulator_tells_nobody_the_keys_that_it_is_given(self):
        record = self.dir / "record.jsonl"
        port = self.simulate("--token", KEY, "--record", record, "--one-connection")
        run = self.live_run(f"ws://127.0.0.1:{port}", key=KEY)
        run.wait_for_trades()
        for token in (SPELLINGS["percent"], SPELLINGS["percent"] + "x"):  # a second connection, and a wrong key
            with self.assertRaises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(self.upgrade_request(port, token), timeout=DEADLINE_S)
            self.assert_clean("an answer", refused.exception.read())
        for path in ("record", "status"):
            self.assert_clean(path, self.control(port, path))
        self.assertEqual(run.stop(), 0)
        self.search_what_is_left(run)
        self.simulator.terminate()
        out, err = self.simulator.communicate(timeout=DEADLINE_S)
        self.assert_clean("the simulator's output", out + err)
        self.assert_clean("the simulator's record", record.read_bytes())

    @staticmethod
    def upgrade_request(port, token):
        return urllib.request.Request(
            f"http://127.0.0.1:{port}/?token={token}",
            headers={
                "Connection": "Upgrade",
                "Upgrade": "websocket",
                "Sec-WebSocket-Version": "13",
                "Sec-WebSocket-Key": base64.b64encode(bytes(16)).decode(),
            },
        )

    def test_no_core_can_be_dumped_and_no_debugger_of_the_same_user_attached(self):
        vendor, _ = self.vendor()
        run = self.live_run(vendor.url, key=KEY)
        self.assertTrue(run.port)
        limits = pathlib.Path(f"/proc/{run.process.pid}/limits").read_text()
        self.assertEqual(re.search(r"Max core file size +(\S+) +(\S+)", limits).groups(), ("0", "0"))
        # What is not dumpable belongs to root in /proc, so that other programs of the user cannot read its memory.
        self.assertEqual(os.stat(f"/proc/{run.process.pid}/mem").st_uid, 0)
        if os.geteuid() != 0:
            with self.assertRaises(PermissionError):
                pathlib.Path(f"/proc/{run.process.pid}/environ").read_bytes()

    def test_a_crash_leaves_no_core(self):
        vendor, _ = self.vendor()
        run = self.live_run(vendor.url, key=KEY)
        self.assertTrue(run.port)
        before = set(os.listdir(self.dir))
        run.process.send_signal(signal.SIGABRT)
        self.assertEqual(run.wait_for_end(), -signal.SIGABRT)
        self.assertEqual(set(os.listdir(self.dir)), before)
        self.search_what_is_left(run)


if __name__ == "__main__":
    unittest.main()
