"""The program's commands for Kafka."""

from .. import cache
from ..commands import add, add_cluster_options, execute, run
from . import TOOLS, Kafka, install, tool_command


def add_commands(commands):
    """To a parser's subcommands; each sets `run`, which gets what was parsed."""
    add(commands, "install", lambda _: install_all(), "download what the others need", directory=False)
    start = add(commands, "start", run_cluster, "run a cluster until SIGINT or SIGTERM")
    add_cluster_options(start)
    start.add_argument("--security", choices=("tls", "mtls", "sasl_ssl"),
                       help="the authority is DIR/tls/authority.pem; the first user is kafka/kafka")
    tool = add(commands, "tool", run_tool, "one of Kafka's tools for a running cluster")
    tool.add_argument("name", choices=TOOLS)
    tool.add_argument("arguments", nargs="...", help="arguments of the tool")


def install_all():
    install.jars()
    cache.python_tools()


def run_cluster(parsed):
    chosen = {name: getattr(parsed, name) for name in ("nodes", "block", "security", "fast", "jmx", "heap_mb")}
    cluster = Kafka(parsed.dir, **chosen)
    run(cluster, cluster.contact_points)


def run_tool(parsed):
    execute([*tool_command(parsed.dir.resolve(), parsed.name), *parsed.arguments])
