"""Whom a run trusts: a vendor whose certificate is right is connected to, one with any other is refused, with an error
of its own for each way to be wrong. Certificates are made with openssl, the server's too.
"""

import json
import time
import unittest

from live_run import SYMBOLS, LiveTest
from program import frame, trade
from services.certificates import Authority, self_signed
from vendor import Vendor, server_context

HERE = "IP:127.0.0.1,DNS:localhost"


class FeedTls(LiveTest):
    def setUp(self):
        super().setUp()
        self.authority = Authority(self.dir, "authority")

    def simulate_with(self, certificate_and_key):
        certificate, key = certificate_and_key
        self.record = self.dir / "record.jsonl"
        return self.simulate("--certificate", certificate, "--key", key, "--record", self.record)

    def assert_refused(self, certificate_and_key, code, name, remedy, *flags):
        """Refused with that error in log and status: nobody was connected to, nothing stored."""
        port = self.simulate_with(certificate_and_key)
        flags = flags or ("--ca-file", self.authority.certificate)
        run = self.live_run(f"wss://127.0.0.1:{port}", "--feed-time-scale", "0.01", *flags)
        waits = run.wait_for_detail(rf"{name}: 127\.0\.0\.1: .*: waiting (\S+) s; (.*)")
        self.assertGreaterEqual(float(waits[1]), 60 * 0.01)
        self.assertIn(remedy, waits[2])
        run.wait_for_log("feed cannot connect")
        line = next(line for line in run.log.splitlines() if "feed cannot connect" in line)
        self.assertIn(f"{code} {name}", line)
        self.assertIn(remedy, line)
        # It tries again, and is refused again.
        run.wait_for_detail(rf"connecting, attempt [2-9]|{name}.*")
        self.wait_until(lambda: run.log.count(f"{code} {name}") >= 3, lambda: run.log)
        status = run.status()
        self.assertEqual(status["feed"]["state"], "disconnected")
        self.assertEqual(status["trades"]["received"], 0)
        self.assertEqual(run.stop(), 0)
        self.assertNotIn("feed connected", run.log)
        self.assertEqual(self.rows("trades"), [])
        events = [json.loads(text)["event"] for text in self.record.read_text().splitlines()]
        self.assertNotIn("open", events)

    def test_the_right_certificate_is_connected_to(self):
        port = self.simulate_with(self.authority.sign("server", HERE))
        run = self.live_run(f"wss://127.0.0.1:{port}", "--ca-file", self.authority.certificate)
        run.wait_for_trades()
        self.wait_until(lambda: run.status()["feed"]["state"] == "connected")
        self.assertEqual(run.stop(), 0)

    def test_a_name_is_checked_as_a_name(self):
        port = self.simulate_with(self.authority.sign("server", "DNS:localhost"))
        run = self.live_run(f"wss://localhost:{port}", "--ca-file", self.authority.certificate)
        run.wait_for_trades()
        self.assertEqual(run.stop(), 0)

    def test_a_certificate_for_another_host_is_refused(self):
        self.assert_refused(
            self.authority.sign("server", "DNS:ws.finnhub.io,IP:127.0.0.2"),
            "E713", "tls_wrong_host", "Use the name that the certificate is for",
        )

    def test_a_certificate_of_another_authority_is_refused(self):
        self.assert_refused(
            Authority(self.dir, "other").sign("server", HERE),
            "E710", "tls_unknown_ca", "Give the authority's certificate: of the feed with --ca-file",
        )

    def test_without_a_ca_file_only_the_systems_authorities_are_trusted(self):
        self.assert_refused(
            self.authority.sign("server", HERE),
            "E710", "tls_unknown_ca", "Give the authority's certificate: of the feed with --ca-file",
            "--symbols", ",".join(SYMBOLS),
        )

    def test_an_expired_certificate_is_refused(self):
        self.assert_refused(
            self.authority.sign("server", HERE, days=-1), "E712", "tls_expired", "Check this machine's clock"
        )

    def test_a_self_signed_certificate_is_refused(self):
        self.assert_refused(
            self_signed(self.dir, "server", HERE), "E711", "tls_self_signed", "If it is yours give it: of the feed with --ca-file"
        )

    def test_a_self_signed_certificate_that_is_given_is_trusted(self):
        certificate, key = self_signed(self.dir, "server", HERE)
        port = self.simulate_with((certificate, key))
        run = self.live_run(f"wss://127.0.0.1:{port}", "--ca-file", certificate)
        run.wait_for_trades()
        self.assertEqual(run.stop(), 0)

    def test_tls_where_there_is_none_is_an_error_of_its_own(self):
        port = self.simulate()
        run = self.live_run(f"wss://127.0.0.1:{port}", "--feed-time-scale", "0.01")
        run.wait_for_log("E714 tls_failed")
        self.assertIn("Check that the port speaks TLS", run.log)
        self.assertEqual(run.stop(), 0)

    def vendor_that_wants_certificates(self):
        def serve(socket):
            symbols = socket.symbols(len(SYMBOLS))
            socket.send(frame(*(trade("1.5", int(time.time() * 1_000), symbol) for symbol in symbols)))
            socket.wait_for_end()

        server = self.authority.sign("server", HERE)
        vendor = Vendor(lambda request: serve, server_context(*server, client_ca=self.authority.certificate))
        self.addCleanup(vendor.close)
        return vendor

    def test_a_client_certificate_is_shown_to_who_wants_one(self):
        vendor = self.vendor_that_wants_certificates()
        certificate, key = self.authority.sign("client", "DNS:client.example")
        run = self.live_run(
            vendor.url, "--ca-file", self.authority.certificate, "--client-certificate", certificate, "--client-key", key
        )
        run.wait_for_trades(len(SYMBOLS))
        self.assertEqual(vendor.handshake_errors, [])
        self.assertEqual(run.stop(), 0)

    def test_without_a_client_certificate_who_wants_one_refuses(self):
        self.assert_not_let_in()

    def test_with_a_client_certificate_of_another_authority_who_wants_one_refuses(self):
        certificate, key = Authority(self.dir, "other").sign("client", "DNS:client.example")
        self.assert_not_let_in("--client-certificate", certificate, "--client-key", key)

    def assert_not_let_in(self, *flags):
        vendor = self.vendor_that_wants_certificates()
        run = self.live_run(vendor.url, "--feed-time-scale", "0.01", "--ca-file", self.authority.certificate, *flags)
        run.wait_for_log("E714 tls_failed")
        self.wait_until(lambda: vendor.handshake_errors)
        self.assertEqual(vendor.requests, [])
        self.assertEqual(run.status()["feed"]["state"], "disconnected")
        self.assertEqual(run.stop(), 0)
        self.assertNotIn("feed connected", run.log)
        self.assertEqual(self.rows("trades"), [])

    def test_a_client_certificate_without_its_key_is_refused_at_the_start(self):
        certificate, _ = self.authority.sign("client", "DNS:client.example")
        _, other_key = self.authority.sign("other-client", "DNS:client.example")
        done = self.finpipe(
            "run", "--feed", "wss://127.0.0.1:1", "--client-certificate", certificate, "--client-key", other_key, expect=1
        )
        self.assertIn("E715 bad_certificate", done.err)


if __name__ == "__main__":
    unittest.main()
