"""The program's commands for Cassandra."""

from .. import cache
from ..commands import add, add_cluster_options, execute, run
from . import Cassandra, cqlsh_command, install, nodetool_command


def add_commands(commands):
    """To a parser's subcommands; each sets `run`, which gets what was parsed."""
    add(commands, "install", lambda _: install_all(), "download what the others need", directory=False)
    start = add(commands, "start", run_cluster, "run a cluster until SIGINT or SIGTERM")
    add_cluster_options(start)
    start.add_argument("--auth", action="store_true", help="passwords; the first role is cassandra/cassandra")
    start.add_argument("--tls", action="store_true", help="the authority is DIR/tls/authority.pem")
    add(commands, "cqlsh", run_cqlsh, "a shell for CQL in a running cluster", rest="arguments of cqlsh")
    nodetool = add(commands, "nodetool", run_nodetool, "Cassandra's tool for a running node",
                   rest="arguments of nodetool")
    nodetool.add_argument("--node", type=int, default=1)


def install_all():
    install.jars()
    cache.python_tools()


def run_cluster(parsed):
    chosen = {name: getattr(parsed, name) for name in ("nodes", "block", "auth", "tls", "fast", "jmx", "heap_mb")}
    cluster = Cassandra(parsed.dir, **chosen)
    run(cluster, cluster.contact_points)


def run_cqlsh(parsed):
    execute([*cqlsh_command(parsed.dir.resolve()), *parsed.arguments])


def run_nodetool(parsed):
    execute([*nodetool_command(parsed.dir.resolve(), parsed.node), *parsed.arguments])
