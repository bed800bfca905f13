"""The log on Kafka, on one real node: the contract of all logs, groups, faults, and a server that is killed while records
are appended. Needs FINPIPE_KAFKA_TESTS (kafka_log_test)."""

import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from services.kafka import Kafka  # noqa: E402

OUTAGE = "KafkaFaults.WhatIsAppendedWhileTheServerDiesIsThereOnceAndInOrder"


def setUpModule():
    global server
    work = tempfile.TemporaryDirectory(prefix="finpipe-kafka-")
    unittest.addModuleCleanup(work.cleanup)
    server = Kafka(pathlib.Path(work.name) / "server").start()
    unittest.addModuleCleanup(server.stop)


def start_tests(tests, **environment):
    environment = os.environ | {"FINPIPE_KAFKA": server.contact_points()} | environment
    command = [os.environ["FINPIPE_KAFKA_TESTS"], "--gtest_brief=1", f"--gtest_filter={tests}"]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


class Log(unittest.TestCase):
    def assert_passed(self, child):
        told = child.communicate()[0]
        self.assertEqual(child.returncode, 0, told[-10_000:])

    def test_every_promise_of_a_log_holds(self):
        self.assert_passed(start_tests("*"))

    def test_nothing_is_lost_or_doubled_when_the_server_is_killed(self):
        child = start_tests(OUTAGE, FINPIPE_KAFKA_OUTAGES="2")
        self.addCleanup(child.kill)
        for _ in range(2):
            self.await_line(child, "all is well")
            server.kill()
            self.await_line(child, "trouble")
            server.start_node()
        self.assert_passed(child)

    def await_line(self, child, expected):
        told = []
        for line in child.stdout:
            told.append(line)
            if line.rstrip() == expected:
                return
        self.fail("".join(told))


if __name__ == "__main__":
    unittest.main()
