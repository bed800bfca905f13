"""The program's commands for the schema registry."""

from ..commands import add, add_server_options, run
from . import Registry, install


def add_commands(commands):
    """To a parser's subcommands; each sets `run`, which gets what was parsed."""
    add(commands, "install", lambda _: install.program(), "download what the others need", directory=False)
    start = add(commands, "start", run_server, "run a server until SIGINT or SIGTERM")
    add_server_options(start, 384)
    start.add_argument("--kafka", metavar="HOST:PORT,...", help="keep the schemas there; default in DIR")
    start.add_argument("--tls", action="store_true", help="the authority is DIR/tls/authority.pem")
    start.add_argument("--compatibility", help="of subjects that have none of their own; default NONE")


def run_server(parsed):
    chosen = {name: getattr(parsed, name) for name in ("block", "heap_mb", "tls", "compatibility")}
    kafka = {"bootstrap.servers": parsed.kafka} if parsed.kafka else None
    server = Registry(parsed.dir, kafka=kafka, **chosen)
    run(server, server.url)
