#!/usr/bin/env python3
"""Brings docker-compose.yaml up through podman's socket, as far as there are images without an image registry: the
finpipe services, on Kafka, a schema registry and Cassandra that run as processes. Then `make smoke`, and down again.

  tools/image/stack.py COMPOSE IMAGE      COMPOSE: the program; called by tools/image.sh, which sets podman up
"""

import contextlib
import os
import pathlib
import subprocess
import sys
import tempfile
import threading

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
from services.addresses import reserve_port  # noqa: E402
from services.cassandra import Cassandra  # noqa: E402
from services.kafka import Kafka  # noqa: E402
from services.processes import wait_until  # noqa: E402
from services.registry import Registry  # noqa: E402

SERVICES = ("ingest", "process", "serve")
PROJECT = "finpipe-stack"


@contextlib.contextmanager
def podman_service(directory):
    """The address of podman's API."""
    path = directory / "podman.sock"
    service = subprocess.Popen(["podman", "system", "service", "--time", "0", f"unix://{path}"])
    try:
        if not wait_until(path.exists, 30):
            sys.exit("stack.py: podman does not serve its API")
        yield f"unix://{path}"
    finally:
        service.terminate()
        service.wait()


@contextlib.contextmanager
def health_checks():
    """Runs them: podman leaves that to systemd, which is not everywhere."""
    ended = threading.Event()

    def run():
        while not ended.wait(2):
            listed = subprocess.run(
                ["podman", "ps", "--quiet", "--filter", f"label=com.docker.compose.project={PROJECT}"],
                capture_output=True, text=True,
            )
            for container in listed.stdout.split():
                subprocess.run(["podman", "healthcheck", "run", container], capture_output=True)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def main(compose, image):
    files = ["--project-name", PROJECT, "--file", "docker-compose.yaml", "--file", "tools/image/host.yaml"]
    with contextlib.ExitStack() as stack:
        directory = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="finpipe-stack-")))
        kafka = stack.enter_context(Kafka(directory / "kafka"))
        cassandra = stack.enter_context(Cassandra(directory / "cassandra"))
        registry = stack.enter_context(Registry(directory / "registry", kafka=kafka))
        ports = {name: reserve_port() for name in SERVICES}
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(directory),
            "DOCKER_HOST": stack.enter_context(podman_service(directory)),
            "APP_IMAGE": image,
            "STACK_KAFKA": kafka.contact_points(),
            "STACK_CASSANDRA": cassandra.contact_points(),
            "STACK_REGISTRY": registry.url(),
            **{f"{name.upper()}_PORT": str(port) for name, port in ports.items()},
        }
        # No .env of who develops here.
        command = [compose, "--env-file", "/dev/null", *files]

        def run(*words):
            return subprocess.run([*command, *words], cwd=ROOT, env=environment, timeout=600).returncode

        stack.callback(run, "down", "--volumes", "--timeout", "30")
        stack.enter_context(health_checks())
        if run("up", "--detach", "--no-build", "--wait", "--wait-timeout", "300", *SERVICES) != 0:
            run("logs", "--tail", "50")
            return 1
        run("ps", "--all")
        if subprocess.run(["make", "smoke"], cwd=ROOT, env=environment).returncode != 0:
            run("logs", "--tail", "50")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
