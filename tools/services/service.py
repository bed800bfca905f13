"""What all services have in common: numbered nodes in one directory, which start, fail and end."""

import json
import pathlib
import subprocess

from . import addresses, cache
from .certificates import server_certificate
from .processes import ServiceError, wait_until
from .tcp_proxy import TcpProxy

START_PATIENCE_S = 120
STOP_PATIENCE_S = 30


class Service:
    """Nodes, numbered from 1, on addresses of their own; `directory` may have the data of an earlier start.

    A subclass has a NAME for messages, makes `nodes`, a Process for each of `numbers`, and says when one `is_ready`.
    """

    def __init__(self, directory, nodes, block, ports, proxied):
        """`ports` are names and the usual ports; they become `ports`, free at each node's address."""
        self.directory = pathlib.Path(directory).resolve()
        self.directory.mkdir(parents=True, exist_ok=True)
        self.numbers = range(1, nodes + 1)
        self.proxied = proxied
        self.proxies = {}
        # The data name the addresses of the last start.
        known = self.known()
        self.block = addresses.reserve_block(known.get("block", block))
        hosts = [self.address(number) for number in self.numbers]
        self.ports = {name: addresses.common_port(hosts, known.get(name, port)) for name, port in ports.items()}
        self.port = self.ports["port"]
        self.remember(block=self.block, **self.ports)

    def known(self):
        """What the directory's starts remember."""
        saved = self.directory / "cluster.json"
        return json.loads(saved.read_text()) if saved.exists() else {}

    def remember(self, **values):
        (self.directory / "cluster.json").write_text(json.dumps(self.known() | values))

    def address(self, node=1):
        return f"{self.block}{node}"

    def client_address(self, node=1):
        """The one that clients are told, also by the nodes."""
        return f"{self.block}{100 + node}" if self.proxied else self.address(node)

    def contact_points(self):
        """'127.x.y.1:PORT,127.x.y.2:PORT,...'"""
        return ",".join(f"{self.client_address(number)}:{self.port}" for number in self.numbers)

    def metrics_targets(self):
        """Where Prometheus finds the figures of each node, when they were started with jmx=True."""
        return [f"{self.address(number)}:{self.ports['jmx_port']}" for number in self.numbers]

    def make_certificates(self, tls):
        """`authority`, `client`, which is a certificate and a key, and `server`, one file with both."""
        hosts = {address(number) for number in self.numbers for address in (self.address, self.client_address)}
        directory = self.directory / "tls"
        directory.mkdir(exist_ok=True)
        self.authority, self.server = server_certificate(directory, tls, sorted(hosts))
        self.client = self.authority.sign("client", "DNS:client")

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def start(self):
        """Starts all nodes and waits until they serve and know each other; a start that fails is tried once more."""
        try:
            self.start_nodes()
        except ServiceError as error:
            cache.say(f"{error}\nTrying once more")
            self.stop()
            self.start_nodes()
        return self

    def start_nodes(self):
        for number in self.numbers if self.proxied else ():
            if number not in self.proxies:
                ends = (self.address(number), self.port), (self.client_address(number), self.port)
                self.proxies[number] = TcpProxy(*ends)
        for group in self.start_groups():
            for number in group:
                self.nodes[number].start()
            self.wait_until_ready(*group)

    def start_groups(self):
        """The nodes of each group start together, when those of the groups before are ready."""
        return [self.numbers]

    def wait_until_ready(self, *numbers):
        for number in numbers:
            node = self.nodes[number]
            wait_until(lambda n=number: not self.nodes[n].is_running() or self.is_ready(n), START_PATIENCE_S)
            if not self.is_ready(number):
                why = "not ready in time" if node.is_running() else f"ended with {node.child.returncode}"
                told = "\n".join(node.log_text(since_start=True).splitlines()[-15:])
                raise ServiceError(f"{self.NAME} node {number}: {why}; the end of {node.log}:\n{told}")

    def is_running(self, number=1):
        return self.nodes[number].is_running() and not self.nodes[number].is_paused

    def stop(self):
        """Asks every node to end, and makes those that do not; whether all did."""
        for node in self.nodes.values():
            node.terminate()
        ended = {number: node.reap(STOP_PATIENCE_S) for number, node in self.nodes.items()}
        for number in self.numbers:
            if not ended[number]:
                cache.say(f"{self.NAME} node {number} had to be killed")
        for proxy in self.proxies.values():
            proxy.close()
        self.proxies.clear()
        return all(ended.values())

    def kill(self, node=1):
        """As a crash ends it: SIGKILL."""
        self.nodes[node].kill()

    def start_node(self, node=1):
        """Starts a node again that was killed."""
        self.nodes[node].start()
        self.wait_until_ready(node)

    def restart(self, node=1):
        """The same for one that may still run, which is stopped first."""
        self.nodes[node].terminate()
        self.nodes[node].reap(STOP_PATIENCE_S)
        self.start_node(node)

    def pause(self, node=1):
        """It does nothing any more, while its connections stay open."""
        self.nodes[node].pause()

    def resume(self, node=1):
        self.nodes[node].resume()

    def resident_bytes(self, node=1):
        return self.nodes[node].resident_bytes()

    def log_text(self, node=1):
        return self.nodes[node].log_text()

    def warnings(self):
        """The lines of all logs that warn or report an error."""
        lines = [line for number in self.numbers for line in self.log_text(number).splitlines()]
        return [line for line in lines if line.startswith(("WARN ", "ERROR "))]


def output_of(command, name, said=""):
    """What a tool prints, to which that is said; one that fails is a ServiceError."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, input=said)
    if done.returncode != 0:
        raise ServiceError(f"{name}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def write_properties(path, values, before=""):
    """A Java properties file; a value wins over one of the same name in the text before."""
    path.touch(mode=0o600)
    path.write_text(before + "".join(f"{key}={value}\n" for key, value in values.items()))
