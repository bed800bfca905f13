"""A schema registry with Confluent's REST API on this machine: Apicurio 3.0."""

import base64
import json
import pathlib
import ssl
import tempfile
import urllib.error
import urllib.request

from .. import java
from ..processes import Process, ServiceError
from ..service import Service, write_properties
from . import install

HERE = pathlib.Path(__file__).resolve().parent
API = "/apis/ccompat/v7"
ANSWER_PATIENCE_S = 20


class Registry(Service):
    """One server in `directory`, which may have the schemas of an earlier start.

    `kafka`          a Kafka that runs, whose topics hold the schemas, or settings of a client for one; otherwise
                     `directory` does
    `user`           (name, password) that clients need; anybody is let in otherwise
    `tls`            True, or what is wrong with the server's certificate: 'expired', 'wrong-host', 'self-signed' or
                     'other-authority'; the right authority is `authority`
    `proxied`        clients reach it through `proxies[1]`, which can block the way
    `compatibility`  that of subjects that have none of their own, such as 'BACKWARD_TRANSITIVE'; Apicurio's is NONE
    `settings`       more of application.properties, or other values
    """

    NAME = "Registry"

    def __init__(
        self, directory, *, kafka=None, block=None, user=None, tls=False, proxied=False, compatibility=None,
        heap_mb=384, settings=None, java_options=(), archive=True,
    ):
        super().__init__(directory, 1, block, {"port": 8081}, proxied)
        self.kafka = kafka.tool_settings() if hasattr(kafka, "tool_settings") else kafka
        self.user = user
        self.tls = tls
        self.compatibility = compatibility
        if tls:
            self.make_certificates(tls)
        options = [*java.server_options(heap_mb, fast=False), *java_options]
        if archive:
            options.append(java.class_archive(install.NAME, archive_classes))
        home = self.directory / "node1"
        temporary = home / "tmp"
        temporary.mkdir(parents=True, exist_ok=True)
        # Where it looks for settings: below its working directory.
        (home / "config").mkdir(exist_ok=True)
        values = self.configuration(home) | (settings or {})
        write_properties(home / "config/application.properties", values, (HERE / "application.properties").read_text())
        command = [*install.java_command(), *options, f"-Djava.io.tmpdir={temporary}", "-jar", install.program()]
        self.nodes = {1: Process(command, home, home / "registry.log")}

    def configuration(self, home):
        values = {"quarkus.http.host": self.address(), f"quarkus.http.{'ssl-' if self.tls else ''}port": self.port}
        if self.kafka:
            others = {key: value for key, value in self.kafka.items() if key != "bootstrap.servers"}
            values |= {f"apicurio.kafka.common.{key}": value for key, value in others.items()}
            values |= {
                "apicurio.storage.kind": "kafkasql",
                "apicurio.kafkasql.bootstrap.servers": self.kafka["bootstrap.servers"],
            }
        else:
            # What was acknowledged is in the file: a kill loses nothing.
            values["apicurio.datasource.url"] = f"jdbc:h2:file:{home / 'schemas'};WRITE_DELAY=0"
        if self.tls:
            values |= {
                "quarkus.http.insecure-requests": "disabled",
                "quarkus.tls.key-store.pem.0.cert": self.server,
                "quarkus.tls.key-store.pem.0.key": self.server,
            }
        if self.user:
            name, password = self.user
            values |= {
                "quarkus.http.auth.basic": "true",
                "quarkus.security.users.embedded.plain-text": "true",
                f"quarkus.security.users.embedded.users.{name}": password,
                f"quarkus.security.users.embedded.roles.{name}": "client",
                "quarkus.http.auth.permission.api.paths": "/apis/*",
                "quarkus.http.auth.permission.api.policy": "authenticated",
            }
        return values

    def start_nodes(self):
        super().start_nodes()
        if self.compatibility:
            self.call("PUT", "/config", {"compatibility": self.compatibility})

    def is_ready(self, number=1):
        # It is ready, says its health, a moment before it listens for TLS.
        told = self.nodes[number].log_text(since_start=True)
        try:
            return self.nodes[number].is_running() and "Listening on: " in told and self.request("GET", "/health/ready")
        except OSError:
            return False

    def url(self):
        return self.base() + API

    def base(self):
        return f"http{'s' if self.tls else ''}://{self.client_address()}:{self.port}"

    def call(self, method, path, body=None):
        """What its API answers, as JSON; an error is a ServiceError."""
        try:
            return json.loads(self.request(method, API + path, body))
        except urllib.error.HTTPError as error:
            raise ServiceError(f"Registry: {method} {path}: {error.code}: {error.read().decode()}") from None

    def request(self, method, path, body=None):
        request = urllib.request.Request(self.base() + path, method=method)
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/vnd.schemaregistry.v1+json")
        if self.user:
            request.add_header("Authorization", "Basic " + base64.b64encode(":".join(self.user).encode()).decode())
        # This is no test of certificates.
        context = ssl._create_unverified_context() if self.tls else None
        # Nor is it for the proxy of this machine.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
        with opener.open(request, timeout=ANSWER_PATIENCE_S) as response:
            return response.read()


def archive_classes(option):
    with tempfile.TemporaryDirectory(prefix="finpipe-registry-") as directory:
        registry = Registry(directory, archive=False, java_options=[option]).start()
        registry.call("POST", "/subjects/a/versions", {"schema": '"string"'})
        return registry.stop()
