"""What the services' commands have in common."""

import os
import pathlib
import signal

SIGNALS = {signal.SIGINT, signal.SIGTERM}


def add(commands, name, run, text, directory=True, rest=None):
    """A subcommand; `run` gets what was parsed."""
    parser = commands.add_parser(name, help=text, description=text)
    parser.set_defaults(run=run)
    if directory:
        text = "directory of data and logs, kept at the end"
        parser.add_argument("--dir", type=pathlib.Path, required=True, help=text)
    if rest:
        parser.add_argument("arguments", nargs="...", help=rest)
    return parser


def add_cluster_options(parser):
    parser.add_argument("--nodes", type=int, choices=(1, 3), default=1)
    parser.add_argument("--fast", action="store_true", help="for benchmarks")
    parser.add_argument("--jmx", action="store_true", help="serve metrics to Prometheus, at port 9404 of each node where that is free")
    add_server_options(parser, 256)


def add_server_options(parser, heap_mb):
    parser.add_argument("--block", help="its addresses: 127.0.0. for 127.0.0.1, ...; default one that is free")
    parser.add_argument("--heap-mb", type=int, default=heap_mb)


def run(service, at):
    """Until SIGINT or SIGTERM; `at()` is what clients need."""
    # Taken by sigwait; a start that is interrupted ends with this program.
    with service:
        print(f"{service.NAME} is ready at {at()}", flush=True)
        wait_for_signal()


def wait_for_signal():
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    signal.sigwait(SIGNALS)


def execute(command):
    words = [str(word) for word in command]
    os.execvp(words[0], words)
