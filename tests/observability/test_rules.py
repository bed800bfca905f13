"""Prometheus' configuration and rules, by promtool: every alert has unit tests in which it fires, does not and is resolved,
says what a reader needs, and asks for metrics that exist."""

import collections
import json
import pathlib
import re
import subprocess
import sys
import unittest

import reference
import yaml
from monitoring import OBSERVABILITY, ROOT, checked

PROMETHEUS = OBSERVABILITY / "prometheus"
RESOLVER = pathlib.Path(__file__).with_name("resolver.py")
RULE_FILES = sorted(PROMETHEUS.glob("rules/*.yaml"))
TEST_FILES = sorted(PROMETHEUS.glob("tests/*.yaml"))
RULES = [rule for path in RULE_FILES for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}
NOT_SEEN_TO_FIRE = {"SparkStreamSlow"}
# Of Prometheus and Alertmanager themselves.
OWN = {"up", "prometheus_rule_evaluation_failures_total", "prometheus_config_last_reload_successful",
       "alertmanager_notifications_failed_total"}


def names_in(expression):
    """Names of metrics in an expression of PromQL: what is no word of the language, no label and no text."""
    bare = re.sub(r'"[^"]*"', "", expression)
    bare = re.sub(r"\b(by|on|ignoring)\s*\([^)]*\)", "", bare)
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]", "", bare)
    words = {"and", "or", "unless", "offset", "sum", "max", "min_over_time", "max_over_time", "increase", "rate", "time", "absent",
             "histogram_quantile", "label_replace", "clamp_min"}
    return {name for name in re.findall(r"(?<![\w:.])[a-z_:][\w:]*", bare) if name not in words}


class Rules(unittest.TestCase):
    def test_the_configuration_and_the_rules_are_valid(self):
        checked("promtool", "check", "config", PROMETHEUS / "prometheus.yaml")
        checked("promtool", "check", "rules", *RULE_FILES)

    def test_each_container_of_a_service_is_a_target_with_its_role(self):
        tried = subprocess.run(["unshare", "--mount", "--net", "mount", "--bind", "/etc/resolv.conf", "/etc/resolv.conf"],
                               capture_output=True, text=True)
        if tried.returncode != 0:
            self.skipTest(f"needs a network and mounts of its own: {tried.stderr.strip()}")
        told = checked("unshare", "--mount", "--net", sys.executable, "-B", RESOLVER, "ingest=10.0.0.1",
                       "process=10.0.0.2,10.0.0.3", "serve=10.0.0.4", "--", "promtool", "check", "service-discovery",
                       "--timeout=5s", PROMETHEUS / "prometheus.yaml", "finpipe")
        found = {(target["labels"]["__address__"], target["labels"]["role"]) for target in json.loads(told)}
        self.assertEqual(found, {("10.0.0.1:8080", "ingest"), ("10.0.0.2:8080", "process"), ("10.0.0.3:8080", "process"),
                                 ("10.0.0.4:8080", "serve")})

    def test_the_unit_tests_pass(self):
        checked("promtool", "test", "rules", *TEST_FILES)

    def test_each_alert_fires_does_not_fire_and_is_resolved_in_a_unit_test(self):
        seen = set()
        for path in TEST_FILES:
            for case in yaml.safe_load(path.read_text())["tests"]:
                states = collections.defaultdict(str)
                for check in case["alert_rule_test"]:
                    states[check["alertname"]] += "f" if check.get("exp_alerts") else "-"
                seen |= {name for name, order in states.items() if re.search("-f+-", order)}
        self.assertEqual(set(ALERTS) - seen, set())

    def test_each_alert_says_how_urgent_it_is_what_was_seen_and_where_the_remedy_stands(self):
        headings = {line.lstrip("# ").strip().lower() for line in (ROOT / "docs/operations.md").read_text().splitlines()
                    if line.startswith("#")}
        for name, alert in ALERTS.items():
            with self.subTest(name):
                self.assertIn(alert["labels"]["severity"], ("page", "ticket"))
                self.assertTrue(alert["annotations"]["summary"])
                seen = set(re.findall(r"\(([a-z_]+_[a-z_0-9]+)", alert["annotations"]["description"]))
                self.assert_exist(seen)
                self.assertEqual(alert["annotations"]["runbook_url"], f"docs/operations.md#{name.lower()}")
                self.assertIn(name.lower(), headings)

    def test_each_alert_that_there_is_was_seen_to_fire(self):
        rows = re.findall(r"^\| (\w+) \| .* \|$", (ROOT / "docs/alerts.md").read_text(), re.MULTILINE)
        self.assertEqual(rows[0], "alert")
        self.assertEqual(sorted(rows[1:]), sorted(ALERTS.keys() - NOT_SEEN_TO_FIRE))

    def assert_exist(self, names, *also):
        """`also`: sets of others that do."""
        of_finpipe, of_servers = reference.series().keys() | reference.own().keys(), reference.jmx_names()
        for name in names - of_finpipe - OWN - set().union(*also):
            self.assertTrue(any(made.fullmatch(name) for made in of_servers), f"there is no {name}")

    def test_only_metrics_that_exist_are_asked_for(self):
        recorded = {rule["record"] for rule in RULES if "record" in rule}
        for rule in RULES:
            with self.subTest(rule.get("alert") or rule["record"]):
                asked = names_in(rule["expr"])
                self.assertTrue(asked, rule["expr"])
                self.assert_exist(asked, recorded)

    def test_names_are_found_in_an_expression(self):
        expression = 'sum by (job) (rate(a_total{b="c_d"}[5m])) > 3 * 1e3 unless on (x) y:z:w offset 1m'
        self.assertEqual(names_in(expression), {"a_total", "y:z:w"})

    def test_a_counter_of_the_agent_has_the_name_that_it_is_given(self):
        """The agent makes every counter's name end in _total."""
        for path in OBSERVABILITY.glob("jmx/*.yaml"):
            for rule in yaml.safe_load(path.read_text())["rules"]:
                if rule.get("type") == "COUNTER":
                    self.assertTrue(rule["name"].endswith("_total"), rule["name"])

    def test_a_rule_of_the_agent_does_not_swallow_the_value(self):
        """BEAN<...><>Attribute: 17 is what it meets: `.+` at the end would take ': 17' into the name."""
        for path in OBSERVABILITY.glob("jmx/*.yaml"):
            for rule in yaml.safe_load(path.read_text())["rules"]:
                with self.subTest(rule["pattern"]):
                    self.assertNotRegex(rule["pattern"].rpartition(">")[2], r"\.[+*]")


if __name__ == "__main__":
    unittest.main()
