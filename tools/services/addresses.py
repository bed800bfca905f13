"""Loopback addresses and ports that nobody else has, also when many tests start services at once.

What is reserved stays so until the program ends: a name in the kernel's abstract socket namespace, which one can take
and which is free again when its owner is gone.
"""

import random
import socket

from .processes import ServiceError

TRIES = 1000
# Below those that the kernel gives to outgoing connections.
PORTS = range(20000, 32000)

reserved = {}


def reserve(name):
    """Whether `name` was free among all programs of this machine, and is ours now."""
    lock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        lock.bind(f"\0finpipe-services {name}")
    except OSError:
        lock.close()
        return False
    reserved[name] = lock
    return True


def reserve_block(wanted=None):
    """'127.x.y.', for addresses 127.x.y.1 to 127.x.y.254."""
    if wanted:
        if wanted in reserved or reserve(wanted):
            return wanted
        raise ServiceError(f"another program of this tool uses {wanted}*")
    for _ in range(TRIES):
        block = f"127.{random.randint(1, 254)}.{random.randint(1, 254)}."
        if reserve(block):
            return block
    raise ServiceError("no block of loopback addresses is free")


def reserve_port():
    """A port of 127.0.0.1, for what cannot be told to listen elsewhere."""
    for port in random.sample(PORTS, TRIES):
        if is_free("127.0.0.1", port) and reserve(f"port {port}"):
            return port
    raise ServiceError("no port of 127.0.0.1 is free")


def common_port(addresses, wanted):
    """`wanted`, or another where that is taken on one of them (by a server that listens on all addresses, perhaps)."""
    for port in [wanted, *random.sample(PORTS, TRIES)]:
        if all(is_free(address, port) for address in addresses):
            return port
    raise ServiceError(f"no port is free on {', '.join(addresses)}")


def is_free(address, port):
    with socket.socket() as probe:
        # As servers do, whose last connections may still be in the kernel's memory.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True


def answers(address, port):
    """Whether somebody accepts connections there."""
    try:
        socket.create_connection((address, port), timeout=1).close()
    except OSError:
        return False
    return True
