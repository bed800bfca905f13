"""Faults that are made for real, one at a time, and what `finpipe check` says to somebody who runs nothing else: the cause
with its remedy, and no other fault. See docs/operations.md for the table of them."""

import ctypes
import json
import os
import re
import resource
import signal
import socket
import subprocess
import unittest
import urllib.error
import urllib.request

from check_lines import Checked, documented_remedies
from live import KEY, SYMBOLS, TIME_SCALE, LiveTest
from program import DEADLINE_S, ROOT
from services.addresses import reserve_port
from services.certificates import Authority
from vendor import Vendor, http

HERE = "IP:127.0.0.1,DNS:localhost"
FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"
FULL_DISK_BYTES = 64 << 20


class CheckTest(LiveTest):
    """The settings of all commands are those in the environment, as on a machine that runs one service."""

    def setUp(self):
        super().setUp()
        self.address = f"127.0.0.1:{reserve_port()}"
        self.environment |= {"FINPIPE_LISTEN": self.address, "FINPIPE_SYMBOLS": ",".join(SYMBOLS),
                             "FINPIPE_FEED_TIME_SCALE": str(TIME_SCALE)}

    def set_feed(self, feed):
        self.environment["FINPIPE_FEED"] = feed

    def start_service(self, *args):
        """On the simulator, until it has stored something."""
        if "FINPIPE_FEED" not in self.environment:
            self.simulate("--speed", "5")
            self.set_feed(self.vendor)
        self.service = self.start_quietly("run", *args)
        self.page_of(self.service)
        self.wait_until(lambda: self.get(self.address, "/api/v1/status")["trades"]["stored"] > 100, "trades", [self.service])
        return self.service

    def inject(self, **fault):
        body = json.dumps(fault).encode()
        address = self.vendor.removeprefix("ws://").removeprefix("wss://")
        urllib.request.urlopen(f"http://{address}/control/fault", body, DEADLINE_S).close()

    def readiness(self):
        try:
            return self.get(self.address, "/readyz")
        except urllib.error.HTTPError as error:
            return json.load(error)
        except urllib.error.URLError:  # it has ended
            return {"ready": False}

    def wait_for_feed_error(self, name):
        self.wait_until(lambda: self.readiness().get("feed_error") == name, name, [self.service])

    def check(self, *args, preload=None):
        environment = self.environment | (preload or {})
        done = subprocess.run(self.command("check", *args), cwd=self.dir, env=environment, capture_output=True,
                              text=True, timeout=DEADLINE_S)
        self.assertNotIn(KEY, done.stdout + done.stderr)
        return Checked(self, done.stdout, done.returncode)


class Service(CheckTest):
    def test_of_a_healthy_one_it_finds_no_fault(self):
        self.start_service()
        checked = self.check().assert_no_fault()
        named = {line.name: line.evidence for line in checked.of("ok")}
        self.assertIn(f"http://{self.address} is ready", named["service"])
        self.assertIn("connected, 2 symbols subscribed", named["feed"])
        self.assertIn(f"process {self.service.pid} ", checked.said)
        self.assertEqual(checked.of("warn"), [])
        # Nobody was asked for a second connection.
        self.assertEqual(self.records("open"), 1)
        lines = [json.loads(line) for line in self.finpipe("check", "--json").out.splitlines()]
        self.assertEqual([(line["level"], line["name"]) for line in lines], [(line.level, line.name) for line in checked.lines])
        self.end(self.service)
        self.check().assert_no_fault()

    def test_killed(self):
        self.start_service().kill()
        self.service.wait()
        self.check("--service", f"http://{self.address}").assert_fault("service.not_running", "Connection refused")
        # That it ought to run is only known when somebody says so.
        self.check().assert_no_fault().assert_warning("service.not_running", "Connection refused")

    def test_stopped_by_a_signal(self):
        self.start_service().send_signal(signal.SIGSTOP)
        self.check().assert_fault("service.hangs", "answer not done within 5000 ms")

    def stream_client(self):
        """One that is connected; None: there is no room for it."""
        host, port = self.address.split(":")
        client = socket.create_connection((host, int(port)), DEADLINE_S)
        self.addCleanup(client.close)
        client.sendall(f"GET /api/v1/stream HTTP/1.1\r\nHost: {self.address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                       "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n".encode())
        try:
            return client if client.recv(100).startswith(b"HTTP/1.1 101") else None
        except ConnectionResetError:
            return None

    def test_out_of_descriptors(self):
        """Clients of the stream hold all that there are."""
        limit = 64
        self.command = lambda *args: ["sh", "-c", f'ulimit -n {limit}; exec "$0" "$@"', *super(CheckTest, self).command(*args)]
        self.start_service()
        del self.command
        clients = []
        while client := self.stream_client():
            clients.append(client)
            self.assertLess(len(clients), limit)
        self.check().assert_fault("service.sheds_connections", self.address)
        for client in clients:
            client.close()
        self.wait_until(lambda: self.stream_client() is not None, "room")
        self.check().assert_no_fault().assert_warning("service.sheds_connections", "since its start, none just now")

    def test_another_program_at_its_address(self):
        with_page = Vendor(lambda request: http("200", "OK", "<html>"))
        self.addCleanup(with_page.close)
        checked = self.check("--listen", f"127.0.0.1:{with_page.port}", "--feed", f"tape:{ROOT}/data/binance.tape")
        checked.assert_no_fault().assert_warning("service.not_finpipe", "something else than finpipe answers")
        self.check("--service", with_page.url.replace("ws:", "http:"), "--feed", f"tape:{ROOT}/data/binance.tape") \
            .assert_fault("service.not_finpipe", "something else than finpipe answers")

    def test_another_program_there_that_does_not_answer(self):
        silent = Vendor(lambda request: None)
        self.addCleanup(silent.close)
        checked = self.check("--listen", f"127.0.0.1:{silent.port}", "--feed", f"tape:{ROOT}/data/binance.tape")
        checked.assert_no_fault().assert_warning("service.hangs", "not done within 5000 ms")


class Feed(CheckTest):
    def test_vendor_killed(self):
        self.start_service()
        self.simulator.kill()
        self.wait_for_feed_error("connect_failed")
        self.wait_until(lambda: self.feed_state(self.address) == "disconnected", "the log to say so", [self.service])
        self.check().assert_fault("feed.connect_failed", "Connection refused, since 20")

    def test_vendor_stalls_with_the_connection_open(self):
        """It is given up after a while, and to further ones there is no answer."""
        self.start_service()
        self.inject(kind="refuse", never=True, count=10_000)
        self.inject(kind="stall", ms=600_000)
        self.wait_for_feed_error("timed_out")
        self.wait_until(lambda: self.feed_state(self.address) == "stalled", "the log to say so", [self.service])
        self.check().assert_fault("feed.stalled", "since 20")

    def test_refused_with_429(self):
        self.start_service()
        self.inject(kind="refuse", status=429, count=10_000, drop=True)
        self.wait_for_feed_error("too_many_requests")
        self.check().assert_fault("feed.too_many_requests", r"\(E721\)")

    def test_key_revoked(self):
        self.start_service()
        self.inject(kind="refuse", status=401, count=10_000, drop=True)
        self.service.wait(DEADLINE_S)
        self.check("--try-feed").assert_fault("feed.unauthorized", r"\(401\)").assert_warning("service.not_running", "Connection refused")

    def test_answers_to_the_upgrade(self):
        for status, name, evidence in ((200, "feed.upgrade_refused", "200"), (524, "feed.upgrade_refused", "524"),
                                       (401, "feed.unauthorized", "E720"), (429, "feed.too_many_requests", "E721")):
            with self.subTest(status=status):
                vendor = Vendor(lambda request, status=status: http(str(status), "Whatever", "no"))
                self.addCleanup(vendor.close)
                # The key's connection is somebody's: it is not asked for unless that is wanted.
                checked = self.check("--feed", vendor.url).assert_no_fault()
                self.assertIn("it can be reached", {line.name: line.evidence for line in checked.of("ok")}["feed"])
                (request,) = vendor.requests
                self.assertEqual((request.target, request.header("Upgrade")), ("/", ""))
                self.check("--feed", vendor.url, "--try-feed").assert_fault(name, evidence)
                self.assertEqual(len(vendor.requests), 2)

    def test_no_answer_to_the_upgrade(self):
        vendor = Vendor(lambda request: None)
        self.addCleanup(vendor.close)
        for words in ((), ("--try-feed",)):
            self.check("--feed", vendor.url, *words).assert_fault("feed.timed_out", "127.0.0.1")

    def certified(self, certificate, key):
        self.simulate("--tls", "--certificate", certificate, "--key", key)
        self.set_feed(self.vendor)

    def test_certificates_of_the_vendor(self):
        authority = Authority(self.dir, "authority")
        self.environment["FINPIPE_CA_FILE"] = str(authority.certificate)
        cases = (("feed.tls_expired", authority.sign("expired", HERE, days=-1)),
                 ("feed.tls_wrong_host", authority.sign("other-host", "DNS:ws.finnhub.io")),
                 ("feed.tls_unknown_ca", Authority(self.dir, "other").sign("foreign", HERE)))
        for name, signed in cases:
            with self.subTest(name=name):
                self.certified(*signed)
                self.check().assert_fault(name, "127.0.0.1")
                # A service that runs tells the same.
                self.service = self.start_quietly("run")
                self.page_of(self.service)
                self.wait_for_feed_error(name.removeprefix("feed."))
                self.check().assert_fault(name, "127.0.0.1")
                self.end(self.service)
                self.end(self.simulator)

    def test_the_certificate_of_the_vendor_ends_soon(self):
        authority = Authority(self.dir, "authority")
        self.environment["FINPIPE_CA_FILE"] = str(authority.certificate)
        self.certified(*authority.sign("server", HERE))
        self.start_service()
        self.wait_until(lambda: "certificate.expires" in self.check().said, "it to be known")
        self.check().assert_no_fault().assert_warning("certificate.expires", 'certificate="feed".*, 1 days')

    def test_our_own_certificate_has_ended(self):
        certificate, key = Authority(self.dir, "authority").sign("client", "DNS:client", days=-1)
        self.simulate()
        self.set_feed(self.vendor)
        checked = self.check("--client-certificate", certificate, "--client-key", key)
        checked.assert_fault("certificate.expired", str(certificate))

    def test_dead_letters_name_their_reason_and_an_example(self):
        self.start_service()
        self.inject(kind="malformed", variant="negative_price")
        self.wait_until(lambda: self.dead_letters(), "a dead letter", [self.service])
        checked = self.check().assert_fault("dead_letters.bad_price", "1 in the last 15 minutes, the newest vendor:")
        letter = re.search(r"vendor:\S+", checked.faults()[0].evidence)[0]
        self.assertIn("bad_price", self.finpipe("deadletters", "show", letter).out)

    def test_repeated_frames_are_suspects(self):
        self.start_service()
        for _ in range(200):
            self.inject(kind="duplicate")
            checked = self.check().assert_no_fault()
            if "feed.suspects" in checked.said:
                break
        checked.assert_warning("feed.suspects", "since its start")

    def test_no_key(self):
        del self.environment["FINNHUB_API_KEY"]
        self.check("--feed", "finnhub:").assert_fault("feed.missing_key", "E732")


class Clock(CheckTest):
    def setUp(self):
        super().setUp()
        if not os.path.exists(FAKETIME):
            self.skipTest(f"needs {FAKETIME}")

    def at(self, offset):
        return {"LD_PRELOAD": FAKETIME, "FAKETIME": offset, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}

    def test_it_was_set_back_an_hour(self):
        self.start_service()
        self.check(preload=self.at("-1h")).assert_fault("clock.behind", "the log's newest record is of 20")

    def test_service_and_check_are_thirty_days_ahead(self):
        self.simulate("--speed", "5")
        self.set_feed(self.vendor)
        self.environment |= self.at("+30d")
        self.start_service()
        lag = 'finpipe_feed_lag_seconds{market="crypto"} 3600'
        self.wait_until(lambda: lag in urllib.request.urlopen(f"http://{self.address}/metrics").read().decode(), "a lag")
        self.check().assert_fault("clock.ahead", "crypto 3600000 ms")


class Disk(CheckTest):
    def parts(self):
        return {"FINPIPE_LOG": f"embedded:{self.data}/log", "FINPIPE_STORE": f"embedded:{self.data}/store"}

    def mount(self):
        """A small file system for log and store."""
        self.data = self.dir / "data"
        self.data.mkdir()
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.mount(b"none", bytes(self.data), b"tmpfs", 0, f"size={FULL_DISK_BYTES}".encode()) != 0:
            self.skipTest(f"needs root, to mount: {os.strerror(ctypes.get_errno())}")
        self.addCleanup(libc.umount2, bytes(self.data), 2)
        self.environment |= self.parts()
        return libc

    def assert_both_say(self, name, evidence):
        """Of the store and of the log."""
        faults = self.check().faults()
        self.assertEqual([line.name for line in faults], [name, name])
        for line, part in zip(faults, ("store", "log")):
            self.assertRegex(line.evidence, f"{evidence}.*/{part}$")
            self.assertEqual(line.remedy, documented_remedies()[name])

    def test_full(self):
        self.mount()
        self.start_service()
        self.assertEqual([line.name for line in self.check().assert_no_fault().of("warn")], 2 * ["disk.low"])
        with (self.data / "filler").open("wb", buffering=0) as filler:
            while True:
                try:
                    filler.write(bytes(1 << 20))
                except OSError:
                    break
        self.wait_until(lambda: not self.readiness()["ready"], "it to suffer")
        self.assert_both_say("disk.full", "MiB free for")

    def test_read_only(self):
        libc = self.mount()
        self.end(self.start_service())
        remount, read_only = 32, 1
        self.assertEqual(libc.mount(b"none", bytes(self.data), b"tmpfs", remount | read_only, None), 0)
        self.assert_both_say("disk.read_only", str(self.data))

    def test_limits_of_the_shell(self):
        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))

        done = self.finpipe("check", "--feed", f"tape:{ROOT}/data/binance.tape", preexec_fn=limit)
        self.assertRegex(done.out, r"warn +limit.file_size +at most 1048576 bytes\n +-> Lift it")


class Data(CheckTest):
    def setUp(self):
        super().setUp()
        self.set_feed(self.tape(*self.binance_lines(2000)))
        self.run_tape(self.environment["FINPIPE_FEED"])

    def damage(self, directory):
        """Turns a byte in the middle of the list of its files, as a disk may."""
        (file,) = (self.dir / "finpipe-data" / directory).glob("MANIFEST-*")
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 0xFF
        file.write_bytes(content)

    def test_log_lost_its_tail(self):
        """What was synced is not there any more: it ends before what the store has read."""
        for file in (self.dir / "finpipe-data/log").glob("*.log"):
            os.truncate(file, file.stat().st_size // 2)
        self.check().assert_fault("checkpoint.checkpoint_mismatch", "the log ends at")

    def test_store_damaged(self):
        self.damage("store")
        self.check().assert_fault("store.corrupt", "finpipe-data/store")

    def test_log_damaged(self):
        self.damage("log")
        self.check().assert_fault("log.corrupt", "finpipe-data/log")

    def test_another_process_has_the_directory(self):
        run = self.start_quietly("run", "--listen", "none")
        self.wait_until(lambda: " started " in run.output.read_text(), "it to start", [run])
        self.check().assert_no_fault().assert_warning("log.held", rf"process {run.pid} \(\S+ run\) owns")


class Documentation(unittest.TestCase):
    def test_the_runbook_and_check_say_the_same_names(self):
        known = documented_remedies()
        findings = {name for name in known if "." in name}
        subjects = {name.split(".")[0] for name in findings} | {"checkpoint", "dead_letters", "registry"}
        text = (ROOT / "docs/operations.md").read_text()
        begin, end = text.index("## When an alert fires"), text.index("## Dead letters")
        names = set(re.findall(rf"`(?:warn )?((?:{'|'.join(subjects)})\.[a-z_]+)", text[begin:end]))
        self.assertGreater(len(names), 50)
        self.assertEqual({name for name in names if name not in known and name.split(".")[1] not in known}, set())
        self.assertEqual(findings - names, set())


if __name__ == "__main__":
    unittest.main()
