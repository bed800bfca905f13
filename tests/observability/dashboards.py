#!/usr/bin/env python3
"""Asks the dashboards' panels for their data on a real run, prints what came, and fails where nothing did.

    dashboards.py             ingest, process and serve on Kafka and Cassandra with their JMX agents, and a run with
                              embedded parts, all on the simulator: every panel
    dashboards.py --embedded  the run with embedded parts alone: what it can answer

Needs FINPIPE (the program), Debian's prometheus, and what tools/services needs.
"""

import argparse
import contextlib
import csv
import importlib.util
import io
import json
import math
import os
import pathlib
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tests/observability")]

from monitoring import without_names  # noqa: E402
from panels import CASSANDRA, PROMETHEUS, boards, filled, queries, variables  # noqa: E402
from services import addresses  # noqa: E402
from services.cache import python_tools, say  # noqa: E402
from services.cassandra import Cassandra  # noqa: E402
from services.kafka import Kafka  # noqa: E402
from services.processes import Process, wait_until  # noqa: E402

PROGRAM = os.environ["FINPIPE"]
SYMBOLS = "BINANCE:BTCUSDT,BINANCE:ETHUSDT"
KEY = "a-key-of-this-run"
PATIENCE_S = 90
# Minutes end, and rates over four scrapes of JMX agents have what they need.
RUN_S = 150
EMBEDDED_PATIENCE_S = 120
EMBEDDED_TROUBLE_AFTER_S = 10
# What a run with embedded parts has nothing to say to.
OF_SERVERS = re.compile(r"\b(finpipe_)?(kafka|cassandra)_|\$server\b")
INTERVALS = ("1m", "1s")
# What Cassandra's data source makes of a column's type: it knows no decimal, and needs a simple first column.
READABLE = {"varchar", "int", "bigint", "double", "boolean", "timestamp", "varint", "blob", "tinyint"}
READABLE_FIRST = {"varchar", "int", "bigint"}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--embedded", action="store_true", help="only what a run with embedded parts can answer")
    embedded = parser.parse_args().embedded
    if not embedded and importlib.util.find_spec("cassandra") is None:
        os.execv(python_tools(), [str(python_tools()), "-B", *sys.argv])
    with tempfile.TemporaryDirectory(prefix="finpipe-dashboards-") as directory:
        world = World(pathlib.Path(directory))
        try:
            failed = world.answer_embedded() if embedded else world.answer_all()
        finally:
            world.end()
    sys.exit(f"{failed} of them failed or returned nothing" if failed else 0)


class World:
    """The processes of a run, in a directory."""

    def __init__(self, directory):
        self.directory = directory
        self.processes = []
        self.services = []
        self.targets = {"finpipe": [], "kafka": [], "cassandra": [], "prometheus": []}

    def end(self):
        for process in reversed(self.processes):
            process.terminate()
        for process in reversed(self.processes):
            process.reap(30)
        for service in reversed(self.services):
            service.stop()

    def start(self, name, *command, pattern):
        """Starts a process; what its output says, once it matches."""
        process = Process(command, self.directory, self.directory / f"{name}.log")
        process.start()
        self.processes.append(process)
        wait_until(lambda: re.search(pattern, process.log_text()) or not process.is_running(), PATIENCE_S)
        said = re.search(pattern, process.log_text())
        if not said or not process.is_running():
            raise RuntimeError(f"{name}:\n{process.log_text()[-3000:]}")
        return said[1]

    def simulate(self):
        """The vendor, with TLS: a certificate is one of the things to show."""
        self.authority = self.directory / "authority.pem"
        os.environ["FINNHUB_API_KEY"] = KEY
        self.feed = self.start("simulate", PROGRAM, "simulate", "--rebase", "--loop", "--token", KEY,
                               "--tls", "--write-ca", self.authority, pattern=r"at (wss://127\.0\.0\.1:\d+) with")

    def side(self, role, *words, feed=False):
        """`finpipe ROLE`, as a target of Prometheus."""
        more = ["--feed", self.feed, "--ca-file", self.authority, "--symbols", SYMBOLS] if feed else []
        address = self.start(role, PROGRAM, role, *more, *words, "--listen", "127.0.0.1:0",
                             pattern=r"http://(127\.0\.0\.1:\d+)")
        self.targets["finpipe"].append({"targets": [address], "labels": {"role": role}})
        return address

    def embedded(self):
        return self.side("run", "--log", "embedded:log", "--store", "embedded:store", "--partitions", 2, feed=True)

    def scrape(self):
        """Prometheus with our own configuration, but for where the targets are."""
        copy = self.directory / "prometheus"
        shutil.copytree(ROOT / "observability/prometheus", copy)
        address = f"127.0.0.1:{addresses.reserve_port()}"
        self.targets["prometheus"].append({"targets": [address]})
        for path in (copy / "targets").iterdir():
            path.write_text(json.dumps(self.targets.get(path.stem, [])))
        configuration = copy / "prometheus.yaml"
        configuration.write_text(without_names(configuration.read_text()))
        self.start("prometheus", "prometheus", f"--config.file={copy}/prometheus.yaml",
                   f"--web.listen-address={address}", f"--storage.tsdb.path={self.directory}/tsdb",
                   pattern="(ready to receive)")
        return Prometheus(address)

    def fault(self, **fault):
        """One that the simulator commits."""
        url = self.feed.replace("wss://", "https://") + "/control/fault"
        context = ssl.create_default_context(cafile=self.authority)
        urllib.request.urlopen(url, json.dumps(fault).encode(), 10, context=context).close()

    def trouble(self):
        """A dead letter, and a gap."""
        self.fault(kind="malformed", variant="negative_price")
        self.fault(kind="drop")

    def answer_embedded(self):
        self.simulate()
        page = self.embedded()
        prometheus = self.scrape()
        asked = [query for query in queries() if query.source == PROMETHEUS and not OF_SERVERS.search(query.text)]
        answers = {}

        def all_came():
            answers.update((query, prometheus.answer(query)) for query in asked if is_wrong(answers.get(query)))
            return not any(map(is_wrong, answers.values()))

        say(f"Running for {EMBEDDED_PATIENCE_S} s at most")
        self.live(EMBEDDED_PATIENCE_S, page, trouble_after_s=EMBEDDED_TROUBLE_AFTER_S, is_enough=all_came)
        return report(answers.items())

    def answer_all(self):
        cassandra = Cassandra(self.directory / "cassandra", jmx=True)
        kafka = Kafka(self.directory / "kafka", jmx=True)
        for service in (cassandra, kafka):
            self.services.append(service)
            service.start()
        for service in (cassandra, kafka):
            self.targets[service.NAME.lower()].append({"targets": service.metrics_targets()})
        self.simulate()
        log = ["--log", f"kafka://{kafka.contact_points()}/finpipe"]
        parts = [*log, "--store", f"cassandra://{cassandra.contact_points()}/finpipe"]
        run(PROGRAM, "check", "--create", *parts, "--partitions", 2, "--feed", self.feed)
        self.side("process", *parts)
        page = self.side("serve", *parts)
        self.side("ingest", *log, feed=True)
        self.embedded()
        prometheus = self.scrape()
        say(f"Running for {RUN_S} s")
        self.live(RUN_S, page, trouble_after_s=RUN_S / 2)
        trade = next(csv.DictReader(io.StringIO(run(PROGRAM, "export", "trades", *parts))))
        run(PROGRAM, "void", "--symbol", trade["symbol"], "--event-time", trade["event_time"], "--seq", trade["seq"],
            "--reason", "a bad print", *parts)
        tables = Tables(cassandra)
        wait_until(lambda: tables.rows("SELECT partition FROM voids WHERE partition IN (0, 1)"), PATIENCE_S)
        sources = {PROMETHEUS: prometheus, CASSANDRA: tables}
        of_variables = [variable for board in boards() for variable in variables(board).values()]
        asked = [*queries(), *of_variables]  # and not the annotation of alerts, which need not fire
        return report((query, sources[query.source].answer(query)) for query in asked)

    def live(self, seconds, page, trouble_after_s, is_enough=lambda: False):
        """Lets it run that long at most, with a client that asks, and with trouble after a while."""
        began, troubled = time.monotonic(), False
        while (passed_s := time.monotonic() - began) < seconds and not (troubled and is_enough()):
            for path in ("api/v1/status", "api/v1/symbols", "healthz", "no-such-page"):
                with contextlib.suppress(OSError):
                    urllib.request.urlopen(f"http://{page}/{path}", timeout=10).close()
            if not troubled and passed_s > trouble_after_s:
                self.trouble()
                troubled = True
            for process in self.processes:
                if not process.is_running():
                    raise RuntimeError(f"ended: {process.command}\n{process.log_text()[-3000:]}")
            time.sleep(1)


class Prometheus:
    """Our metrics, over the last two minutes."""

    SHOWN_S = 120

    def __init__(self, address):
        self.address = address

    def answer(self, query):
        """(what came, error): how many series have a value that is a number."""
        labels = re.fullmatch(r"label_values\((.*), (\w+)\)", query.text)
        text = filled(labels[1] if labels else query.text, self.values(query))
        now = time.time()
        try:
            if labels:
                path, arguments = f"label/{labels[2]}/values", {"match[]": text}
                return f"{len(self.ask(path, arguments))} values", None
            if query.instant:
                series = self.ask("query", {"query": text, "time": now})["result"]
            else:
                span = {"start": now - self.SHOWN_S, "end": now, "step": query.step_s}
                series = self.ask("query_range", {"query": text, **span})["result"]
        except urllib.error.HTTPError as error:
            return "", json.load(error)["error"]
        points = [one.get("values") or [one["value"]] for one in series]
        told = [one for one in points if not all(math.isnan(float(value)) for _, value in one)]
        return f"{len(told)} series", None

    @staticmethod
    def values(query):
        shown = {**query.values, "__range": f"{Prometheus.SHOWN_S}s"}
        return dict.fromkeys(("job", "instance", "server_job", "server", "topic", "partition"), ".*") | shown

    def ask(self, path, arguments):
        data = urllib.parse.urlencode(arguments)
        url = f"http://{self.address}/api/v1/{path}?{data}"
        with urllib.request.urlopen(url, timeout=30) as answer:
            return json.load(answer)["data"]


class Tables:
    """Cassandra by the Python driver, with what the data source of Grafana would refuse."""

    def __init__(self, server):
        from cassandra.cluster import Cluster

        host, port = server.contact_points().split(":")
        self.session = Cluster([host], port=int(port)).connect("finpipe")
        self.choices = [self.choose(interval) for interval in INTERVALS]

    def rows(self, statement):
        result = self.session.execute(statement)
        types = [kind.typename for kind in result.column_types]
        if set(types) - READABLE or types[0] not in READABLE_FIRST:
            raise ValueError(f"the data source cannot read {types}")
        return list(result)

    def choose(self, interval):
        """The values of variables, of the last hour: all buckets and partitions, the first symbol."""
        now = time.time()
        values = {"interval": interval, "__timeFrom": str(int((now - 3600) * 1000)), "__timeTo": str(int(now * 1000)),
                  "__to": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(now))}
        for name, query in [*variables("market").items(), *variables("ledger").items()]:
            if query.source == CASSANDRA:
                found = [str(row[0]) for row in self.rows(filled(query.text, values))]
                values[name] = found if name in ("bucket", "partition") else found[0]
        return values

    def answer(self, query):
        """(what came, error): how many rows, of the interval that has some."""
        try:
            for values in self.choices:
                found = self.rows(filled(query.text, values))
                if found:
                    break
        except Exception as error:  # noqa: BLE001 of whatever kind: it is what the panel would show
            return "", str(error)
        return f"{len(found)} rows", None


def is_wrong(answer):
    """Of (what came, error), or None: none came yet."""
    return answer is None or answer[1] is not None or answer[0].startswith("0 ")


def report(answers):
    """Prints them; how many were wrong."""
    wrong = count = 0
    board = None
    for query, answer in answers:
        came, error = answer
        if query.board != board:
            board = query.board
            print(f"\n{board or 'variables'}")
        bad = is_wrong(answer)
        wrong += bad
        count += 1
        print(f"  {'FAILED' if bad else 'ok    '}  {query.panel:32}  {error or came}{'  ' + query.text if bad else ''}")
    print(f"\n{count} queries, {wrong} failed or returned nothing")
    return wrong


def run(*command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{command}\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    main()
