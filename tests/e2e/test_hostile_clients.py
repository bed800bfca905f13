"""Slow and hostile clients change nothing for a good one. While each kind is at work (bad_clients.py), a client that
behaves (good_client.py) gets its updates and its answers, and the program's memory does not grow. The bounds are those
of a busy machine; what was measured is printed at the end, and docs/limits.md has it from a quiet one.
"""

import json
import os
import pathlib
import re
import resource
import signal
import subprocess
import sys
import threading
import time
import unittest

from live_run import SYMBOLS, LiveTest
from program import DEADLINE_S

HERE = pathlib.Path(__file__).resolve().parent
QUIET_S = 5
ATTACK_S = 8
MOST_PAUSE_S = 5
MOST_GROWTH_BYTES = 64 << 20
IDLE_CONNECTIONS = 10_000
# Few, so that connections would take those of log and store if they could. Half of them is for connections.
DESCRIPTORS = 800
MOST_CONNECTIONS = 400

measured = []


def helper(script, *args, **options):
    command = [sys.executable, "-B", HERE / script, *map(str, args)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options)


class HostileClients(LiveTest):
    def setUp(self):
        super().setUp()
        port = self.simulate("--speed", "20")
        self.run_ = self.live_run(f"ws://127.0.0.1:{port}")
        self.run_.wait_for_trades(100)
        self.good = helper("good_client.py", self.run_.port, *SYMBOLS, stdin=subprocess.PIPE)
        self.addCleanup(self.end, self.good)
        self.seen_by_good()  # it is there

    def command(self, *args):
        return ["sh", "-c", f'ulimit -n {DESCRIPTORS}; exec "$0" "$@"', *super().command(*args)]

    @classmethod
    def tearDownClass(cls):
        columns = ("", "updates", "longest pause", "requests", "status p50", "p99", "slowest", "memory")
        print("\n" + " | ".join(columns))
        for name, seen, growth in measured:
            print(
                f"{name} | {seen['updates']} in {seen['seconds']:.0f} s | {seen['longest_pause_s']:.2f} s | "
                f"{seen['requests']} | {seen['p50_ms']:.1f} ms | {seen['p99_ms']:.1f} ms | {seen['max_ms']:.0f} ms | "
                f"{growth / 2**20:+.1f} MiB"
            )

    @staticmethod
    def end(process):
        if process.poll() is None:
            process.kill()
        process.communicate()

    def seen_by_good(self):
        """What the good client has seen since it was asked before."""
        self.good.stdin.write("\n")
        self.good.stdin.flush()
        return json.loads(self.good.stdout.readline())

    def resident_bytes(self):
        status = pathlib.Path(f"/proc/{self.run_.process.pid}/status").read_text()
        return 1024 * int(re.search(r"VmRSS:\s+(\d+) kB", status)[1])

    def metric(self, name):
        return float(re.search(rf"^{name} (\S+)$", self.run_.get("/metrics"), re.MULTILINE)[1])

    def assert_unharmed(self, name, attack):
        """Measures the good client alone, and then while `attack` runs; what that gives."""
        self.seen_by_good()
        time.sleep(QUIET_S)
        self.judge(name + ": before", self.seen_by_good(), 0)
        before = most = self.resident_bytes()
        done = threading.Event()
        result = []

        def run():
            try:
                result.append(attack())
            finally:
                done.set()

        thread = threading.Thread(target=run)
        thread.start()
        while not done.wait(0.1):
            most = max(most, self.resident_bytes())
        thread.join()
        self.judge(name, self.seen_by_good(), most - before)
        self.assertTrue(result, "the attack itself failed")
        self.assertIsNone(self.run_.process.poll(), self.run_.log)
        self.assertEqual(self.run_.get("/healthz"), '{"alive":true}')
        return result[0]

    def judge(self, name, seen, growth):
        measured.append((name, seen, growth))
        self.assertEqual(seen["failure"], "")
        self.assertLess(seen["longest_pause_s"], MOST_PAUSE_S, seen)
        self.assertGreater(seen["updates"], 0)
        self.assertEqual(seen["statuses"], {"200": seen["requests"]}, seen)
        self.assertGreater(seen["requests"], seen["seconds"], seen)
        self.assertLess(growth, MOST_GROWTH_BYTES)

    def bad(self, kind, *args):
        """Runs it to its end; what it has got."""
        process = helper("bad_clients.py", kind, self.run_.port, ATTACK_S, *args)
        self.addCleanup(self.end, process)
        out, _ = process.communicate(timeout=2 * DEADLINE_S)
        self.assertEqual(process.returncode, 0)
        return json.loads(out)

    def test_ten_thousand_idle_connections(self):
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        each = min(2_500, hard - 100)
        processes = -(-IDLE_CONNECTIONS // each)
        shed_before = self.metric("finpipe_endpoint_connections_shed_total")

        def attack():
            bad = [helper("bad_clients.py", "idle", self.run_.port, ATTACK_S, each) for _ in range(processes)]
            for process in bad:
                self.addCleanup(self.end, process)
            self.wait_until(lambda: self.metric("finpipe_endpoint_connections") == MOST_CONNECTIONS)
            self.assertLess(self.metric("finpipe_process_open_fds"), DESCRIPTORS - 200)
            return [json.loads(process.communicate(timeout=2 * DEADLINE_S)[0]) for process in bad]

        got = self.assert_unharmed(f"{IDLE_CONNECTIONS:,} idle connections", attack)
        opened = sum(each["opened"] for each in got)
        self.assertGreaterEqual(opened, IDLE_CONNECTIONS)
        # All but as many as there may be at once have been shown out.
        shed = self.metric("finpipe_endpoint_connections_shed_total") - shed_before
        self.assertGreaterEqual(shed, opened - MOST_CONNECTIONS)
        self.assertGreaterEqual(sum(each["closed_by_server"] for each in got), opened - MOST_CONNECTIONS)

    def test_oversized_requests_and_messages(self):
        got = self.assert_unharmed("oversized requests and messages", lambda: self.bad("oversized"))
        for name, answers in got.items():
            with self.subTest(name):
                self.assertNotIn("200", answers)
                if "body" in name or "chunk" in name:
                    self.assertLessEqual(set(answers), {"413", "400", "none"})
                elif "message" in name or "ping" in name:
                    self.assertIn("101", answers)
                else:
                    self.assertLessEqual(set(answers), {"431", "400", "414", "none"})
        self.assertIn("413", got["body said to have 2^62 bytes"])
        self.assertIn("431", got["header of 1 MiB"])
        self.assertIn("1009", got["message said to have 2^62 bytes"])

    def test_five_hundred_connections_that_send_a_byte_a_second(self):
        processes = []

        def attack():
            process = helper("bad_clients.py", "loris", self.run_.port, ATTACK_S + 6, 500)
            processes.append(process)
            return json.loads(process.communicate(timeout=2 * DEADLINE_S)[0])

        got = self.assert_unharmed("500 connections, a byte a second", attack)
        self.assertEqual(got["left"], 0, got)
        # Those above the limit of connections have been shown out, the others asked to hurry.
        self.assertGreater(got["answers"]["408"], MOST_CONNECTIONS // 2, got)

    def test_paths_out_of_the_page_in_every_spelling(self):
        got = self.assert_unharmed("path traversal", lambda: self.bad("traversal"))
        self.assertEqual(got["leaks"], [])
        self.assertGreaterEqual(sum(got["statuses"].values()), got["targets"])
        # 505: what follows a space in the target would be the version.
        self.assertLessEqual(set(got["statuses"]), {"400", "404", "505"}, got)

    def test_garbage_instead_of_requests(self):
        got = self.assert_unharmed("garbage", lambda: self.bad("garbage", 7))
        self.assertGreater(sum(got.values()), 100)
        self.assertGreater(self.metric("finpipe_endpoint_bad_requests_total"), 50)

    def test_a_subscriber_that_is_stopped_is_disconnected(self):
        clients = self.metric("finpipe_stream_clients")
        bad = helper("bad_clients.py", "greedy", self.run_.port, 10 * DEADLINE_S, *SYMBOLS)
        self.addCleanup(self.end, bad)

        def attack():
            # Once bars are held back for it, more waits for it than the system takes.
            self.wait_until(lambda: self.metric("finpipe_stream_conflated_bars_total") > 0)
            bad.send_signal(signal.SIGSTOP)
            # Twenty seconds without taking a byte; noticed within twice that.
            self.wait_until(lambda: self.metric("finpipe_stream_clients") == clients)
            return True

        self.assert_unharmed("a stopped subscriber, until it is disconnected", attack)
        self.assertGreaterEqual(self.metric("finpipe_endpoint_timeouts_total"), 1)
        self.assertEqual(os.waitpid(bad.pid, os.WNOHANG), (0, 0))


if __name__ == "__main__":
    unittest.main()
