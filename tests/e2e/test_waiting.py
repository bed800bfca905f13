"""A log whose servers are away at the start: the process says so to who probes it, and ends when it is told to."""

import json
import signal
import unittest
import urllib.error
import urllib.request

from program import CliTest, frame, trade
from services.addresses import reserve_port


class Waiting(CliTest):
    def ask(self, path):
        try:
            with urllib.request.urlopen(f"http://{self.address}{path}", timeout=20) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except urllib.error.URLError:
            return None, ""

    def test_each_role_lives_and_is_not_ready(self):
        (self.dir / "tape").write_text(frame(trade("1", 1_723_161_255_000)) + "\n")
        for role, *flags in (["run", "--feed", "tape:tape"], ["ingest", "--feed", "tape:tape"], ["serve", "--store", "cassandra://127.0.0.1:9/x"]):
            with self.subTest(role):
                self.address = f"127.0.0.1:{reserve_port()}"
                log = f"kafka://127.0.0.1:{reserve_port()}"
                process = self.start(role, *flags, "--log", log, "--listen", self.address)
                self.wait_for(lambda: self.ask("/healthz")[0] == 200)
                code, told = self.ask("/readyz")
                self.assertEqual(code, 503)
                self.assertIn("waiting for the log's servers", json.loads(told)["reasons"][0])
                self.assertIn("finpipe_build_info", self.ask("/metrics")[1])
                self.assertEqual(self.finpipe("health", "--listen", self.address).out, '{"alive":true}\n')
                self.assertIn("log", self.finpipe("health", "--ready", "--listen", self.address, expect=1).out)
                process.send_signal(signal.SIGTERM)
                out, err = process.communicate(timeout=30)
                self.assertEqual(process.returncode, 0, out + err)
                self.assertIn("E7", self.finpipe("health", "--listen", self.address, expect=1).err)

    def test_a_schema_registry_that_is_away_is_what_is_waited_for(self):
        (self.dir / "tape").write_text(frame(trade("1", 1_723_161_255_000)) + "\n")
        self.address = f"127.0.0.1:{reserve_port()}"
        registry = f"127.0.0.1:{reserve_port()}"
        self.start("ingest", "--feed", "tape:tape", "--log", f"kafka://127.0.0.1:{reserve_port()}", "--listen",
                   self.address, "--registry", f"http://{registry}")
        self.wait_for(lambda: registry in self.ask("/readyz")[1])
        self.assertIn("waiting for the schema registry: ", self.ask("/readyz")[1])
        page = self.ask("/metrics")[1]
        self.assertIn("\nfinpipe_registry_trouble 1\n", page)
        self.assertIn("\nfinpipe_log_trouble 0\n", page)

    def test_a_listener_of_all_addresses_is_asked_on_this_machine(self):
        self.environment |= {"FINPIPE_LISTEN": f"0.0.0.0:{reserve_port()}", "FINPIPE_INSECURE_LISTEN": "true"}
        self.start("run", "--feed", self.tape(frame(trade("1", 1_723_161_255_000))))
        self.wait_for(lambda: self.finpipe("health", "--ready", expect=None).returncode == 0)
        self.assertIn("E1", self.finpipe("health", "--listen", "none", expect=2).err)


if __name__ == "__main__":
    unittest.main()
