"""Kafka, the schema registry and Cassandra, one node each, in the background: for developers."""

import contextlib
import fcntl
import os
import pathlib
import signal
import subprocess
import sys

from . import cache
from .cassandra import Cassandra
from .commands import wait_for_signal
from .kafka import Kafka
from .processes import ServiceError, wait_until
from .registry import Registry

BLOCK = "127.0.0."
# A first start downloads and archives.
START_PATIENCE_S = 900
STOP_PATIENCE_S = 120
LOCK_PATIENCE_S = 1
PROGRAM = pathlib.Path(__file__).resolve().parent / "services"


def add_commands(commands):
    for name, run, text in (
        ("up", up, "start Kafka, the registry and Cassandra in the background, on 127.0.0.1"),
        ("down", down, "end what up started; its data stay"),
        ("status", status, "tell whether they run, and where"),
        ("stack", hold, "the same as up, in the foreground"),
    ):
        parser = commands.add_parser(name, help=text, description=text)
        parser.set_defaults(run=lambda parsed, run=run: run(Stack(parsed)))
        text = "directory of data and logs; default ${XDG_STATE_HOME:-~/.local/state}/finpipe/services"
        parser.add_argument("--dir", type=pathlib.Path, default=state_directory(), help=text)
        if run in (up, hold):
            parser.add_argument("--block", default=BLOCK, help=f"of their addresses; default {BLOCK}")


def state_directory():
    state = os.environ.get("XDG_STATE_HOME") or pathlib.Path.home() / ".local/state"
    return pathlib.Path(state) / "finpipe/services"


class Stack:
    """What is in a directory: who runs it, held as a lock that ends with its holder, and where the services are."""

    def __init__(self, parsed):
        self.directory = parsed.dir.resolve()
        self.block = getattr(parsed, "block", None)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.pid_file = self.directory / "pid"
        self.urls_file = self.directory / "urls"
        self.log = self.directory / "log"

    def is_held(self):
        with self.pid_file.open("a") as file:
            return not locks(file)

    def is_ready(self):
        return self.is_held() and self.urls_file.exists()

    def pid(self):
        return int(self.pid_file.read_text())


def locks(file):
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def up(stack):
    if not stack.is_held():
        with stack.log.open("ab") as log:
            command = [sys.executable, PROGRAM, "stack", "--dir", stack.directory, "--block", stack.block]
            to = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}
            child = subprocess.Popen([str(word) for word in command], start_new_session=True, **to)
        wait_until(lambda: stack.is_ready() or child.poll() is not None, START_PATIENCE_S)
    # Perhaps by another who did the same.
    if stack.is_held() and not wait_until(stack.is_ready, START_PATIENCE_S):
        raise ServiceError(f"not ready in time: see {stack.log}")
    if not stack.is_ready():
        raise ServiceError(f"not started; the end of {stack.log}:\n{stack.log.read_text()[-2000:].strip()}")
    print(stack.urls_file.read_text(), end="")


def down(stack):
    if not stack.is_held():
        print("nothing runs")
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(stack.pid(), signal.SIGTERM)
        if not wait_until(lambda: not stack.is_held(), STOP_PATIENCE_S):
            # Its children end with it.
            os.kill(stack.pid(), signal.SIGKILL)
            wait_until(lambda: not stack.is_held(), STOP_PATIENCE_S)
    print("stopped")


def status(stack):
    if not stack.is_ready():
        sys.exit("starting" if stack.is_held() else "nothing runs")
    print(stack.urls_file.read_text(), end="")


def hold(stack):
    """Runs the services until a signal."""
    with stack.pid_file.open("a") as file:
        # Others try it too, for an instant, to learn whether it is held.
        if not wait_until(lambda: locks(file), LOCK_PATIENCE_S):
            raise ServiceError(f"process {stack.pid()} runs the services of {stack.directory}")
        stack.pid_file.write_text(str(os.getpid()))
        stack.urls_file.unlink(missing_ok=True)
        cassandra = Cassandra(stack.directory / "cassandra", block=stack.block)
        kafka = Kafka(stack.directory / "kafka", block=stack.block)
        to_kafka = {"kafka": kafka, "compatibility": "BACKWARD_TRANSITIVE"}
        registry = Registry(stack.directory / "registry", block=stack.block, **to_kafka)
        with cassandra, kafka, registry:
            urls = (
                f"kafka      kafka://{kafka.contact_points()}\n"
                f"registry   {registry.url()}\n"
                f"cassandra  cassandra://{cassandra.contact_points()}/finpipe\n"
            )
            print(urls, end="", flush=True)
            written = stack.urls_file.with_suffix(".new")
            written.write_text(urls)
            written.rename(stack.urls_file)
            wait_for_signal()
        stack.urls_file.unlink()
        cache.say("stopped")
