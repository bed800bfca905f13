"""Java, Cassandra's jars, and an archive of its classes that makes a start faster: found, or made once in the cache."""

import glob
import pathlib
import re
import subprocess

from .. import cache
from ..processes import ServiceError

VERSION = "5.0.7"
HERE = pathlib.Path(__file__).resolve().parent


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
    raise ServiceError("Cassandra needs Java 17. Run: tools/packages.sh install services")


def java_command():
    """Java with Cassandra's classes and what every program of them needs; its main class follows."""
    options = HERE / "jvm.options", HERE / "logback.xml"
    return [java()[0], f"@{options[0]}", f"-Dlogback.configurationFile={options[1]}", "-cp", f"{jars()}/*"]


def jars():
    """The directory of the jars that pom.xml names, and of what they need."""

    def make(directory):
        cache.say(f"Getting Apache Cassandra {VERSION} (once, 67 MB, about a minute)")
        cache.run(
            [
                "mvn", "-q", "-B", "-f", HERE / "pom.xml", "dependency:copy-dependencies", "-DincludeScope=runtime",
                f"-DoutputDirectory={directory}",
            ],
            "get Cassandra's jars",
        )

    return cache.cached(f"cassandra-{VERSION}", make)


def class_archive(run_once):
    """The archive for this Java; `run_once(path)` makes it, by a run of Cassandra that writes it at its end."""
    build = java()[1]

    def make(directory):
        cache.say("Archiving Cassandra's classes (once, some seconds)")
        run_once(directory / "classes.jsa")

    return cache.cached(f"cassandra-{VERSION}-java-{build}", make) / "classes.jsa"
