"""A real run that is well, scraped by a real Prometheus with all rules: every rule can be evaluated, every metric that
the rules ask finpipe for is there, and no alert fires."""

import pathlib
import re
import tempfile
import unittest

from monitoring import Monitoring, targets_text
from services.processes import wait_until
from sinks import Sinks

from live import LiveTest

# What must last a minute before an alert fires has to last 20 s.
FACTOR = 3
WATCHED_S = 40


class Healthy(LiveTest):
    def test_a_healthy_run_raises_no_alert(self):
        self.simulate()
        run = self.run_live("--listen", "127.0.0.1:0", time_scale=1)
        page = self.page_of(run)
        sinks = Sinks()
        self.addCleanup(sinks.close)
        directory = pathlib.Path(tempfile.mkdtemp(prefix="alerts-", dir=self.dir))
        targets = {"finpipe": targets_text([page], role="run")}
        monitoring = self.enterContext(Monitoring(directory, sinks, targets, FACTOR))
        self.wait_until(lambda: monitoring.targets_up().get(page), "a scrape", [run])
        fired = []
        wait_until(lambda: fired.extend(monitoring.alerts()) or fired, WATCHED_S)
        self.assertEqual(fired, [], run.output.read_text())
        rules = monitoring.rules()
        self.assertEqual({rule["name"]: rule["lastError"] for rule in rules if rule["health"] != "ok"}, {})
        self.assertGreater(len(rules), 30)
        self.assertEqual([target for target, up in monitoring.targets_up().items() if not up], [])
        for name in sorted(set(re.findall(r"\bfinpipe_\w+", " ".join(rule["query"] for rule in rules)))):
            if name not in ("finpipe_feed_lag_seconds", "finpipe_processor_close_delay_seconds_bucket"):
                self.assertTrue(monitoring.query(name), name)
        self.assertEqual(sinks.messages, [])


if __name__ == "__main__":
    unittest.main()
