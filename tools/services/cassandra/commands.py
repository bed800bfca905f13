"""The program's commands for Cassandra."""

import os
import pathlib
import signal

from .. import cache
from . import Cassandra, cqlsh_command, install, nodetool_command


def add_commands(commands):
    """To a parser's subcommands; each sets `run`, which gets what was parsed."""

    def command(name, run, text, directory=True, rest=None):
        parser = commands.add_parser(name, help=text, description=text)
        parser.set_defaults(run=run)
        if directory:
            text = "directory of data and logs, kept at the end"
            parser.add_argument("--dir", type=pathlib.Path, required=True, help=text)
        if rest:
            parser.add_argument("arguments", nargs="...", help=rest)
        return parser

    command("install", lambda _: install_all(), "download what the others need", directory=False)
    start = command("start", run_cluster, "run a cluster until SIGINT or SIGTERM")
    start.add_argument("--nodes", type=int, choices=(1, 3), default=1)
    start.add_argument("--block", help="its addresses: 127.0.0. for 127.0.0.1, ...; default one that is free")
    start.add_argument("--auth", action="store_true", help="passwords; the first role is cassandra/cassandra")
    start.add_argument("--tls", action="store_true", help="the authority is DIR/tls/authority.pem")
    start.add_argument("--fast", action="store_true", help="for benchmarks")
    start.add_argument("--heap-mb", type=int, default=256)
    command("cqlsh", run_cqlsh, "a shell for CQL in a running cluster", rest="arguments of cqlsh")
    nodetool = command("nodetool", run_nodetool, "Cassandra's tool for a running node", rest="arguments of nodetool")
    nodetool.add_argument("--node", type=int, default=1)


def install_all():
    install.jars()
    cache.python_tools()


def run_cluster(parsed):
    signals = {signal.SIGINT, signal.SIGTERM}
    chosen = {name: getattr(parsed, name) for name in ("nodes", "block", "auth", "tls", "fast", "heap_mb")}
    cluster = Cassandra(parsed.dir, **chosen)
    # Taken by sigwait; a start that is interrupted ends with this program.
    with cluster:
        print(f"Cassandra is ready at {cluster.contact_points()}", flush=True)
        signal.pthread_sigmask(signal.SIG_BLOCK, signals)
        signal.sigwait(signals)


def run_cqlsh(parsed):
    execute([*cqlsh_command(parsed.dir.resolve()), *parsed.arguments])


def run_nodetool(parsed):
    execute([*nodetool_command(parsed.dir.resolve(), parsed.node), *parsed.arguments])


def execute(command):
    words = [str(word) for word in command]
    os.execvp(words[0], words)
