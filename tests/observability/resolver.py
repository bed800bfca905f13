"""Runs a command where only the given names have addresses: in a network of its own, with a DNS server there. Needs root.

  unshare --mount --net resolver.py NAME=ADDRESS[,ADDRESS...]... -- COMMAND...
"""

import fcntl
import pathlib
import socket
import struct
import subprocess
import sys
import tempfile
import threading

SIOCSIFFLAGS, IFF_UP = 0x8914, 1
NO_SUCH_NAME = 3


def answered(question, addresses):
    """RFC 1035: the answer to a question for A records."""
    name, at = [], 12
    while question[at]:
        name.append(question[at + 1:at + 1 + question[at]].decode())
        at += 1 + question[at]
    found = addresses.get(".".join(name), [])
    header = question[:2] + struct.pack("!HHHHH", 0x8580 | (0 if found else NO_SUCH_NAME), 1, len(found), 0, 0)
    records = b"".join(struct.pack("!HHHIH", 0xC00C, 1, 1, 1, 4) + socket.inet_aton(address) for address in found)
    return header + question[12:at + 5] + records


def serve(server, addresses):
    while True:
        question, asker = server.recvfrom(512)
        server.sendto(answered(question, addresses), asker)


def main():
    split = sys.argv.index("--")
    addresses = {name: several.split(",") for name, several in (word.split("=") for word in sys.argv[1:split])}
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    fcntl.ioctl(server, SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", IFF_UP))
    server.bind(("127.0.0.1", 53))
    threading.Thread(target=serve, args=(server, addresses), daemon=True).start()
    with tempfile.TemporaryDirectory() as directory:
        settings = pathlib.Path(directory, "resolv.conf")
        settings.write_text("nameserver 127.0.0.1\noptions ndots:0\n")
        subprocess.run(["mount", "--bind", settings, "/etc/resolv.conf"], check=True)
        status = subprocess.run(sys.argv[split + 1:]).returncode
        subprocess.run(["umount", "/etc/resolv.conf"], check=True)
    sys.exit(status)


if __name__ == "__main__":
    main()
