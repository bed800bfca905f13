"""Kafka's jars and classes."""

import pathlib

from .. import java

NAME = "kafka-3.9.1"
HERE = pathlib.Path(__file__).resolve().parent


def jars():
    return java.jars(NAME, HERE / "pom.xml", "56 MB")


def java_command(log_level="INFO"):
    """Java with Kafka's classes; a main class follows."""
    log = [f"-Dlog4j.configuration={(HERE / 'log4j.properties').as_uri()}", f"-Dlog.level={log_level}"]
    return [java.java()[0], *log, "-XX:-UsePerfData", "-cp", f"{jars()}/*"]
