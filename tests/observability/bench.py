"""Where a drill takes place: a directory with a pipeline of finpipe, the vendor's stand-in, Kafka and Cassandra with their
JMX agents, and Prometheus and Alertmanager that watch them all. All of it ends with the drill."""

import contextlib
import json
import os
import pathlib
import re
import subprocess
import tempfile
import time
import urllib.request

from monitoring import ROOT, Monitoring, environment_without_settings, targets_text
from services.addresses import reserve_port
from services.cassandra import Cassandra
from services.kafka import Kafka
from services.processes import Process, wait_until
from sinks import Sinks

PROGRAM = os.environ["FINPIPE"]
TAPE = ROOT / "data/binance.tape"
SYMBOLS = "BINANCE:BTCUSDT,BINANCE:ETHUSDT"
KEY = "a-key-of-this-drill"
PATIENCE_S = 120
KEYSPACE = "finpipe"


class Bench:
    def __init__(self, factor):
        self.factor = factor
        self.ends = contextlib.ExitStack()
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="finpipe-drill-"))
        self.ends.callback(subprocess.run, ["rm", "-rf", self.directory], check=False)
        self.sinks = Sinks()
        self.ends.callback(self.sinks.close)
        self.targets = {}  # role: address
        self.jmx = {}
        self.kafka = self.cassandra = None
        self.registry = ()  # its settings
        self.monitoring = None
        self.started = 0
        self.over_at = 0.0  # when a fault ends that nobody mends

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ends.close()

    # ---- Processes

    def start(self, name, *words, **environment):
        """A process of finpipe; the same one can be started again."""
        self.started += 1
        variables = {**environment_without_settings(), "FINNHUB_API_KEY": KEY, **environment}
        command = ["env", "-i", *[f"{key}={value}" for key, value in variables.items()], PROGRAM, name, *words]
        process = Process(command, self.directory, self.directory / f"{self.started}-{name}.log")
        self.ends.callback(process.kill)
        process.start()
        return process

    def said(self, process, pattern):
        """What the pattern finds in what the process has said since it was started."""
        found = []
        wait_until(lambda: found.extend(re.findall(pattern, process.log_text(since_start=True)))
                   or found or not process.is_running(), PATIENCE_S)
        if not found:
            raise AssertionError(f"never said {pattern}:\n{process.log_text()[-4000:]}")
        return found[0]

    def simulate(self, *words, port=0):
        """The vendor's stand-in; later with its `port`, where it can be started again."""
        vendor = self.start("simulate", "--tape", TAPE, "--rebase", "--loop", "--token", KEY,
                            "--listen", f"127.0.0.1:{port or reserve_port()}", *words)
        scheme, vendor.port = self.said(vendor, r"at (wss?)://127\.0\.0\.1:(\d+) with")
        vendor.url = f"{scheme}://127.0.0.1:{vendor.port}"
        return vendor

    def fault(self, vendor, **what):
        """One of the stand-in's faults; one that lasts `ms` is over by itself then."""
        self.over_at = time.time() + what.get("ms", 0) / 1000
        request = urllib.request.Request(f"http://127.0.0.1:{vendor.port}/control/fault", json.dumps(what).encode())
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.read()

    def side(self, role, *words, **environment):
        """finpipe run, ingest, process or serve, on a port that stays the same; Prometheus scrapes it."""
        port = reserve_port()
        process = self.start(role, *words, "--listen", f"127.0.0.1:{port}", **environment)
        process.address = f"127.0.0.1:{port}"
        self.targets[role] = process.address
        return process

    def run(self, vendor, *words, log=None, store=None):
        """Everything in one process, on Kafka and Cassandra unless a directory is named for one of them."""
        self.create()
        return self.side("run", "--feed", vendor.url, "--symbols", SYMBOLS, *words, *self.registry,
                         "--log", f"embedded:{log}" if log else self.log_url(),
                         "--store", f"embedded:{store}" if store else self.store_url())

    # ---- Servers

    def add_kafka(self, **options):
        self.kafka = self.ends.enter_context(Kafka(self.directory / "kafka", jmx=True, **options))
        self.jmx["kafka"] = targets_text(self.kafka.metrics_targets())
        return self.kafka

    def add_cassandra(self, **options):
        self.cassandra = self.ends.enter_context(Cassandra(self.directory / "cassandra", jmx=True, **options))
        self.jmx["cassandra"] = targets_text(self.cassandra.metrics_targets())
        return self.cassandra

    def log_url(self):
        return f"kafka://{self.kafka.contact_points()}"

    def store_url(self):
        return f"cassandra://{self.cassandra.contact_points()}/{KEYSPACE}"

    def create(self):
        """Topics and tables, on servers that are started unless they are there."""
        if not self.kafka:
            self.add_kafka()
        if not self.cassandra:
            self.add_cassandra()
        self.finish("check", "--create", "--log", self.log_url(), "--store", self.store_url(), "--partitions", "2",
                    "--feed", "sim:", *self.registry)

    def finish(self, *words):
        """A command of finpipe that ends by itself, and well."""
        done = self.start(*words)
        if done.child.wait(PATIENCE_S) != 0:
            raise AssertionError(done.log_text())

    # ---- Watching

    def watch(self):
        """Starts Prometheus and Alertmanager; returns when all targets are up and no alert is about to fire."""
        self.monitoring = self.ends.enter_context(
            Monitoring(self.directory / "watch", self.sinks, {"finpipe": self.finpipe_targets(), **self.jmx}, self.factor))
        settled = lambda: self.all_up() and not self.monitoring.alerts("pending") + self.monitoring.alerts()  # noqa: E731
        if not wait_until(settled, PATIENCE_S):
            raise AssertionError(f"not well before the fault: {self.monitoring.targets_up()}\n{self.monitoring.alerts()}"
                                 f"\n{self.monitoring.alerts('pending')}")

    def finpipe_targets(self):
        return json.dumps([{"targets": [address], "labels": {"role": role}} for role, address in self.targets.items()])

    def all_up(self):
        up = self.monitoring.targets_up()
        servers = sum(len(json.loads(text)[0]["targets"]) for text in self.jmx.values())
        return len(up) == len(self.targets) + servers + 2 and all(up.values())

    # ---- Disks

    def small_disk(self, name, mib, kind="tmpfs"):
        """A file system of its own: in memory, or an ext4 that can be frozen."""
        place = self.directory / name
        place.mkdir()
        if kind == "tmpfs":
            mount("-t", "tmpfs", "-o", f"size={mib}m", "tmpfs", place)
        else:
            image = self.directory / f"{name}.img"
            with image.open("wb") as file:
                file.truncate(mib << 20)
            subprocess.run(["mkfs.ext4", "-q", image], check=True)
            mount("-o", "loop", image, place)
        self.ends.callback(subprocess.run, ["umount", "-l", place], check=False)
        return place

    def freeze(self, place):
        """Whoever writes there waits, as for a disk that hangs."""
        subprocess.run(["fsfreeze", "--freeze", place], check=True)
        self.ends.callback(self.thaw, place)

    def thaw(self, place):
        subprocess.run(["fsfreeze", "--unfreeze", place], check=False, stderr=subprocess.DEVNULL)


def mount(*words):
    subprocess.run(["mount", *words], check=True)


def fill(place, share):
    """So much of a file system is in use afterwards; the file that does it."""
    filler = place / "filler"
    space = os.statvfs(place)
    wanted = int(space.f_blocks * share) - (space.f_blocks - space.f_bavail)
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, wanted * space.f_bsize)
    return filler
