"""Debian's Prometheus and Alertmanager with the configuration of observability/, on targets and sinks of a test."""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tests" / "e2e")]

from services.addresses import reserve_port  # noqa: E402
from services.processes import Process, wait_until  # noqa: E402

OBSERVABILITY = ROOT / "observability"
START_PATIENCE_S = 60
MS = {"s": 1000, "m": 60_000, "h": 3_600_000}
# Of rules, scrapes and messages; not how often a message is repeated.
DURATION = re.compile(r"(for: |(?<!repeat_)interval: |timeout: |group_wait: |\[|offset )(\d+)([smh])\b")


def faster(text, factor):
    """A configuration with every duration shorter by that factor; repeat_interval stays."""
    def shorten(found):
        before, count, unit = found.groups()
        return f"{before}{int(int(count) * MS[unit] / factor)}ms"

    return DURATION.sub(shorten, text)


def without_names(text):
    """Prometheus' configuration that asks nobody for names of docker-compose.yaml."""
    return re.sub(r"^ +dns_sd_configs: .*\n", "", text, flags=re.M)


def checked(*command, **options):
    """What a tool prints; one that fails is an AssertionError."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise AssertionError(f"{command}\n{done.stdout}\n{done.stderr}")
    return done.stdout


class Monitoring:
    """`targets` is a text for each file of observability/prometheus/targets that is not to be empty."""

    def __init__(self, directory, sinks, targets, factor=1):
        self.directory = directory
        self.factor = factor
        for part in ("prometheus", "alertmanager"):
            shutil.copytree(OBSERVABILITY / part, directory / part)
        configuration = directory / "prometheus/prometheus.yaml"
        configuration.write_text(without_names(configuration.read_text()))
        for path in [*directory.glob("prometheus/rules/*"), configuration, directory / "alertmanager/alertmanager.yaml.in"]:
            if factor != 1:
                path.write_text(faster(path.read_text(), factor))
        self.prometheus_port, self.alertmanager_port = reserve_port(), reserve_port()
        for name in ("finpipe", "kafka", "cassandra", "spark"):
            self.aim(name, "[]")
        self.aim("prometheus", targets_text([f"127.0.0.1:{self.prometheus_port}"]))
        self.aim("alertmanager", targets_text([f"127.0.0.1:{self.alertmanager_port}"]))
        for name, text in targets.items():
            self.aim(name, text)
        self.prometheus = Process(
            ["prometheus", f"--config.file={directory}/prometheus/prometheus.yaml",
             f"--storage.tsdb.path={directory}/prometheus/data",
             f"--web.listen-address=127.0.0.1:{self.prometheus_port}"],
            directory, directory / "prometheus.log")
        environment = {"ALERT_DIRECTORY": directory / "alertmanager/run", **sinks.environment()}
        self.alertmanager = Process(
            ["env", *[f"{name}={value}" for name, value in environment.items()], directory / "alertmanager/start.sh",
             f"--storage.path={directory}/alertmanager/data",
             f"--web.listen-address=127.0.0.1:{self.alertmanager_port}", "--cluster.listen-address="],
            directory, directory / "alertmanager.log")

    def aim(self, name, text):
        """Another list of targets, which Prometheus takes up by itself."""
        path = self.directory / f"prometheus/targets/{name}.yaml"
        new = path.with_suffix(".new")
        new.write_text(text)
        new.rename(path)

    def __enter__(self):
        for process, port in ((self.alertmanager, self.alertmanager_port), (self.prometheus, self.prometheus_port)):
            process.start()
            if not wait_until(lambda port=port: is_ready(port), START_PATIENCE_S):
                raise AssertionError(process.log_text()[-3000:])
        return self

    def __exit__(self, *_):
        for process in (self.prometheus, self.alertmanager):
            process.terminate()
            process.reap(20)

    def reload(self):
        self.prometheus.signal(signal.SIGHUP)

    def get(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.prometheus_port}{path}", timeout=30) as answer:
            return json.load(answer)["data"]

    def query(self, expression):
        """[(labels, value)] now."""
        result = self.get(f"/api/v1/query?query={urllib.request.quote(expression)}")["result"]
        return [(sample["metric"], float(sample["value"][1])) for sample in result]

    def rules(self):
        return [rule for group in self.get("/api/v1/rules")["groups"] for rule in group["rules"]]

    def alerts(self, state="firing"):
        """The labels of those that are in that state."""
        return [alert["labels"] for alert in self.get("/api/v1/alerts")["alerts"] if alert["state"] == state]

    def targets_up(self):
        """{instance: whether its last scrape succeeded}"""
        return {labels["instance"]: value == 1 for labels, value in self.query("up")}


def is_ready(port):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


def targets_text(addresses, **labels):
    """A file of targets."""
    return json.dumps([{"targets": list(addresses), "labels": labels}])


def environment_without_settings():
    return {name: value for name, value in os.environ.items() if not name.startswith(("FINPIPE", "ALERT_"))}
