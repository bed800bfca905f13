"""Java, and what its servers need: their jars, archives of their classes that make a start faster, and the agent that
gives their figures to Prometheus."""

import glob
import pathlib
import re
import subprocess

from . import cache
from .processes import ServiceError

HERE = pathlib.Path(__file__).resolve().parent
JMX_RULES = HERE.parents[1] / "observability/jmx"
# For programs that end soon: the quickest start.
SHORT = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData")


def java():
    """(program, build) of a Java 17, the newest that Cassandra 5.0 runs on."""
    for program in [*glob.glob("/usr/lib/jvm/java-17-openjdk-*/bin/java"), "java"]:
        try:
            told = subprocess.run([program, "-version"], capture_output=True, text=True).stderr
        except FileNotFoundError:
            continue
        build = re.search(r"Runtime Environment.*\(build (17\.[^)]*)\)", told)
        if build:
            return program, build[1]
    raise ServiceError("the servers need Java 17. Run: tools/packages.sh install services")


def server_options(heap_mb, fast):
    """`fast` is for benchmarks: the best compiler, and the collector with the shortest pauses; give it 2048 MB or so."""
    options = [f"-Xmx{heap_mb}m", f"-XX:MaxDirectMemorySize={heap_mb}m"]
    return options + (["-XX:+UseShenandoahGC", f"-Xms{heap_mb}m"] if fast else ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])


def jars(name, pom, size):
    """The directory of the jars that a pom.xml names, and of what they need."""

    def make(directory):
        cache.say(f"Getting {name} (once, {size}, about a minute)")
        cache.run(
            [
                "mvn", "-q", "-B", "-f", pom, "dependency:copy-dependencies", "-DincludeScope=runtime",
                f"-DoutputDirectory={directory}",
            ],
            f"get the jars of {name}",
        )

    return cache.cached(name, make)


def jmx_agent(rules, address, port):
    """The option that serves http://ADDRESS:PORT/metrics by a file of rules in observability/jmx."""
    agent = jars("jmx-agent-1.0.1", HERE / "jmx-agent.xml", "600 kB") / "jmx_prometheus_javaagent-1.0.1.jar"
    return f"-javaagent:{agent}={address}:{port}:{JMX_RULES / rules}"


def class_archive(name, run_once):
    """The option that uses the archive for this Java; `run_once(option)` runs the server, whose end writes it, and
    tells whether that was one of its own accord."""
    build = java()[1]

    def make(directory):
        cache.say(f"Archiving the classes of {name} (once, some seconds)")
        archive = directory / "classes.jsa"
        if not run_once(f"-XX:ArchiveClassesAtExit={archive}") or not archive.exists():
            raise ServiceError(f"{name} was killed before it had written the archive of its classes. Try again")

    return f"-XX:SharedArchiveFile={cache.cached(f'{name}-java-{build}', make) / 'classes.jsa'}"
