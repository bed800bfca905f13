"""Cassandra's jars and classes."""

import pathlib

from .. import java

NAME = "cassandra-5.0.7"
HERE = pathlib.Path(__file__).resolve().parent


def jars():
    return java.jars(NAME, HERE / "pom.xml", "67 MB")


def java_command():
    """Java with Cassandra's classes and what every program of them needs; its main class follows."""
    options = HERE / "jvm.options", HERE / "logback.xml"
    return [java.java()[0], f"@{options[0]}", f"-Dlogback.configurationFile={options[1]}", "-cp", f"{jars()}/*"]
