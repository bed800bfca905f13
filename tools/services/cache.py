"""What is downloaded once and kept outside the source tree: ${XDG_CACHE_HOME:-~/.cache}/finpipe/services.

An entry is whole or absent: it is made in a directory beside it that is then renamed. Two programs that want the same
one at once wait for each other.
"""

import contextlib
import fcntl
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import tempfile

from .processes import ServiceError

PYTHON_TOOLS = ("cassandra-driver==3.30.1", "cqlsh==6.2.2", "confluent-kafka==2.16.1", "fastavro==1.13.1")


def cache_directory():
    directory = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "finpipe/services"
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def cached(name, make):
    """The entry of that name; where there is none, `make(path)` fills a directory that becomes it."""
    entry = cache_directory() / name
    with lock(name):
        if not entry.exists():
            with tempfile.TemporaryDirectory(prefix=f"{name}.", dir=entry.parent) as directory:
                made = pathlib.Path(directory, "entry")
                made.mkdir()
                make(made)
                made.rename(entry)
    return entry


@contextlib.contextmanager
def lock(name):
    """Held by one program at a time."""
    with open(cache_directory() / f"{name}.lock", "w", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def python_tools():
    """The interpreter of an environment that has the Cassandra driver, cqlsh, a Kafka client and Avro."""
    return python_with(*PYTHON_TOOLS)


def python_with(*packages):
    """The interpreter of an environment that has these, such as "fastavro==1.13.1"."""

    def make(directory):
        say(f"Installing {', '.join(packages)} (once)")
        run([sys.executable, "-m", "venv", directory], "make a Python environment")
        pip = [directory / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        run([*pip, *packages], "install from the Python package index")

    # Its scripts name the directory that it was made in: call them through this interpreter.
    name = "-".join(["python", platform.python_version(), *packages]).replace("==", "-").replace("!", "-")
    return cached(name, make) / "bin/python"


def run(command, what):
    """Runs a client that downloads; its output is shown when it fails only."""
    command = [str(word) for word in command]
    if shutil.which(command[0]) is None:
        raise ServiceError(f"cannot {what}: {command[0]} is missing. Run: tools/packages.sh install services")
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    done = subprocess.run(command, text=True, **pipes)
    if done.returncode != 0:
        raise ServiceError(f"cannot {what}: {command[0]} ended with {done.returncode}:\n{done.stdout.strip()[-2000:]}")


def say(text):
    print(text, file=sys.stderr, flush=True)
