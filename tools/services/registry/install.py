"""Apicurio's program, and an archive of its classes."""

import shutil

from .. import cache, java

VERSION = "3.0.9"
NAME = f"apicurio-registry-{VERSION}"
ARTIFACT = f"io.apicurio:apicurio-registry-app:{VERSION}:tar.gz:all"
# Newer ones ask for the artifact's parent, which is not published.
MAVEN_GET = "org.apache.maven.plugins:maven-dependency-plugin:2.8:get"


def program():
    """The jar to start; its libraries are beside it."""

    def make(directory):
        cache.say(f"Getting {NAME} (once, 109 MB, about a minute)")
        archive = directory / "registry.tar.gz"
        cache.run(
            ["mvn", "-q", "-B", MAVEN_GET, "-Dtransitive=false", f"-Dartifact={ARTIFACT}", f"-Ddest={archive}"],
            "get the schema registry",
        )
        shutil.unpack_archive(archive, directory)
        archive.unlink()

    return cache.cached(NAME, make) / f"apicurio-registry-app-{VERSION}-runner.jar"


def java_command():
    """The Java that runs it; options and `-jar` with the program follow."""
    return [java.java()[0], "-XX:-UsePerfData", "-Djava.util.logging.manager=org.jboss.logmanager.LogManager"]
