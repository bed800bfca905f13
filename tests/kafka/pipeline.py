"""The sides of a pipeline on real servers, as the tests here start them."""

import csv
import importlib.util
import io
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time
import typing

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "e2e"), str(ROOT / "tools")]

from program import frame, trade  # noqa: E402
from services.cache import python_tools  # noqa: E402
from services.cassandra import Cassandra  # noqa: E402
from services.kafka import Kafka  # noqa: E402
from services.processes import wait_until  # noqa: E402

PROGRAM = os.environ["FINPIPE"]
TAPE = ROOT / "data/binance.tape"
EXPORTS = ("trades", "bars", "revisions", "gaps", "dead-letters")
BAR_COLUMNS = ("symbol", "interval", "start", "open", "high", "low", "close", "volume", "trades", "state", "revision")
PATIENCE_S = 180
LINES_PER_TROUBLE = 250
BAD_TAPE_MS = 1_730_000_000_000  # later than the recorded tape


def use_python_tools():
    """Starts this script again where confluent-kafka and fastavro are, unless they are here."""
    if importlib.util.find_spec("confluent_kafka") is None:
        os.execv(python_tools(), [str(python_tools()), "-B", *sys.argv])


def output_of(*command, env=None):
    done = subprocess.run([str(word) for word in command], capture_output=True, env=env)
    if done.returncode != 0:
        raise AssertionError(f"{command}\n{done.stdout.decode()}\n{done.stderr.decode()}")
    return done.stdout


def environment(**settings):
    """That of these tests, of finpipe's settings with these only: environment(kafka_user="ingest")."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("FINPIPE_")}
    return ours | {f"FINPIPE_{name.upper()}": str(value) for name, value in settings.items()}


def long_tape(path, copies, symbols=12):
    """The recorded tape several times, its two symbols spread over so many: every partition has some. Now and then a trade
    that is refused comes with one that is five minutes late."""
    output_of(sys.executable, "-B", ROOT / "tools/tapes/repeat_tape.py", TAPE, path, "--copies", copies, "--shift-minutes", 12)
    names = {symbol: [f"BINANCE:{symbol[8]}{number}USDT" for number in range(symbols // 2)]
             for symbol in ("BINANCE:BTCUSDT", "BINANCE:ETHUSDT")}
    lines = path.read_text().splitlines(keepends=True)
    for number, line in enumerate(lines):
        for symbol, others in names.items():
            line = line.replace(symbol, others[number % len(others)])
        if number % LINES_PER_TROUBLE == 0:
            received, _, text = line.partition(" ")
            for of_frame in json.loads(text).get("data", [])[:1]:
                late = trade(of_frame["p"], of_frame["t"] - 300_000, of_frame["s"])
                line += f"{received} {frame(trade(-1, of_frame['t'], of_frame['s']), late)}\n"
        lines[number] = line
    path.write_text("".join(lines))
    return path


def bad_tape(path):
    """Three trades; the price of the second is below zero."""
    frames = [(BAD_TAPE_MS + number, frame(trade(price, BAD_TAPE_MS + number))) for number, price in enumerate((50, -51, 54))]
    path.write_text("".join(f"{time_ms}000000 {text}\n" for time_ms, text in frames))
    return path


def replay_of_bad_tape(log, mended):
    """Replays the letter of that trade, mended; what is said of it."""
    listed = output_of(PROGRAM, "deadletters", "list", "--reason", "bad_price", *log).decode()
    mended.write_text(trade(51, BAD_TAPE_MS + 1))
    letter = listed.splitlines()[1].split()[-1]
    return output_of(PROGRAM, "deadletters", "replay", letter, "--mended", mended, *log).decode()


class Servers:
    """One Kafka and one Cassandra node, and a directory. For a class of tests: they end with it."""

    def __init__(self, test_class, **kafka):
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="finpipe-kafka-"))
        test_class.addClassCleanup(subprocess.run, ["rm", "-rf", self.work], check=False)
        self.kafka = Kafka(self.work / "kafka", **kafka).start()
        test_class.addClassCleanup(self.kafka.stop)
        self.cassandra = Cassandra(self.work / "cassandra", fast=True).start()
        test_class.addClassCleanup(self.cassandra.stop)

    def parts(self, name):
        """Never behind a proxy of Kafka; `log_by_proxy` is."""
        kafka = self.kafka.plain_contact_points() if self.kafka.plaintext_too else self.kafka.contact_points()
        return ["--log", f"kafka://{kafka}/{name}", "--store", f"cassandra://{self.cassandra.contact_points()}/{name}"]

    def log_by_proxy(self, name):
        return ["--log", f"kafka://{self.kafka.contact_points()}/{name}"]

    def create(self, name, partitions):
        output_of(PROGRAM, "check", "--create", *self.parts(name), "--partitions", partitions, "--feed", f"tape:{TAPE}")

    def drop(self, name):
        """Dozens of them would fill a node's memory."""
        self.cassandra.cqlsh(f"DROP KEYSPACE {name}")
        self.kafka.tool("topics", "--delete", "--topic", rf"{name}\..*")

    def published_bars(self, name):
        """What a reader of the topic of bars ends up with."""
        shown = output_of(python_tools(), ROOT / "examples/bars_consumer.py", "--to-end", self.kafka.contact_points(), f"{name}.bars")
        return rows_of(shown, BAR_COLUMNS)

    def ledger(self, name):
        """The rows of its table: an account for each session and partition."""
        told = self.cassandra.cqlsh(f"SELECT JSON * FROM {name}.ledger")
        return [json.loads(line) for line in told.splitlines() if line.strip().startswith("{")]

    def embedded(self, tape, partitions):
        """Where an undisturbed run with embedded parts left its results."""
        parts = ["--log", f"embedded:{self.work}/e{partitions}/log", "--store", f"embedded:{self.work}/e{partitions}/store"]
        output_of(PROGRAM, "run", "--feed", f"tape:{tape}", "--exit-at-end", "--partitions", partitions, *parts)
        return parts


def rows_of(text, columns):
    return sorted(tuple(row[name] for name in columns) for row in csv.DictReader(io.StringIO(text.decode())))


def bars_of(export):
    return rows_of(export, BAR_COLUMNS)


def exports(parts):
    return {what: output_of(PROGRAM, "export", what, *parts) for what in EXPORTS}


class Side:
    """`finpipe SIDE` in a process of its own, without an endpoint unless `listen` says otherwise."""

    def __init__(self, test, side, *words, listen="none", env=None):
        log = tempfile.NamedTemporaryFile(prefix=f"finpipe-{side}-", suffix=".txt", delete=False)  # noqa: SIM115
        self.log = pathlib.Path(log.name)
        with log:
            self.process = subprocess.Popen([PROGRAM, side, *[str(word) for word in words], "--listen", listen],
                                            stdout=log, stderr=subprocess.STDOUT, env=env)
        test.addCleanup(self.log.unlink, missing_ok=True)
        test.addCleanup(self.process.wait)
        test.addCleanup(self.process.kill)

    def text(self):
        return self.log.read_text()

    def started(self):
        """Waits until it works."""
        wait_until(lambda: " started " in self.text() or self.process.poll() is not None, 60)
        if " started " not in self.text():
            raise AssertionError(f"exit code {self.process.poll()}\n{self.text()}")
        return self

    def address(self):
        return re.search(r"http://\S+", self.text())[0]

    def ended(self, codes=(0,)):
        code = self.process.wait(PATIENCE_S)
        if code not in codes:
            raise AssertionError(f"exit code {code}\n{self.text()}")

    def ask_to_stop(self):
        if self.process.poll() is not None:
            raise AssertionError(f"it had ended, exit code {self.process.returncode}\n{self.text()}")
        self.process.send_signal(signal.SIGTERM)

    def stop(self):
        self.ask_to_stop()
        self.ended()

    def kill(self):
        """It must be alive, for what has ended cannot be killed."""
        self.process.kill()
        if self.process.wait() != -signal.SIGKILL:
            raise AssertionError(f"it had ended, exit code {self.process.returncode}\n{self.text()}")

    def freeze(self):
        """It stands still when this returns."""
        self.process.send_signal(signal.SIGSTOP)
        stat = pathlib.Path(f"/proc/{self.process.pid}/stat")
        if not wait_until(lambda: stat.read_text().rpartition(")")[2].split()[0] in "TZ", 10) or self.process.poll() is not None:
            raise AssertionError(f"it does not stand still, exit code {self.process.poll()}\n{self.text()}")

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)


class Place(typing.NamedTuple):
    """Of a partition: up to which record all is stored, and where its log ends."""

    stored: int
    end: int


def places(parts, partitions):
    """Those of all partitions; nothing is stored of one without a checkpoint."""
    shown = output_of(PROGRAM, "checkpoint", "show", *parts).decode()
    told = re.findall(r"^partition (\d+)$.*?offset +(\d+) of (\d+),", shown, re.MULTILINE | re.DOTALL)
    return {partition: Place(0, 0) for partition in range(partitions)} | {
        int(partition): Place(int(stored), int(end)) for partition, stored, end in told}


def accounts(parts):
    """{partition: (received, stored)} of a log that one session wrote, as `verify` counts them."""
    told = output_of(PROGRAM, "verify", *parts).decode().replace(",", "")
    rows = re.findall(r"^ +(\d+) live +1 +(\d+) +\d+ +\d+ +\d+ +(\d+) ", told, re.MULTILINE)
    return {int(partition): (int(received), int(stored)) for partition, received, stored in rows}


def to_go(parts, env=None):
    """Records of each partition that are not stored yet; of one without a checkpoint None."""
    shown = output_of(PROGRAM, "checkpoint", "show", *parts, env=env).decode()
    return [int(count) for count in re.findall(r"offset .*, (\d+) to go", shown)]


def wait_until_stored(parts, partitions, env=None):
    deadline = time.monotonic() + PATIENCE_S
    while (left := to_go(parts, env)) != [0] * partitions:
        if time.monotonic() > deadline:
            raise AssertionError(f"records that are not stored: {left}")
        time.sleep(0.5)
