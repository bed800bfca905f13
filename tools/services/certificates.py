"""Certificates for tests, made with the openssl program: a small authority and what it signs."""

import ssl
import subprocess


class Authority:
    """A private CA in a directory of the test."""

    def __init__(self, directory, name, days=2):
        self.directory = directory
        self.name = name
        self.certificate = directory / f"{name}.pem"
        self.key = directory / f"{name}.key"
        openssl(
            "req", "-x509", *new_key(self.key), "-out", self.certificate, "-days", days, "-subj", f"/CN={name}",
            "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign",
        )

    def sign(self, name, alternative, days=2):
        """(certificate, key) for what `alternative` says, such as IP:127.0.0.1; expired when `days` is negative."""
        certificate, key, request, extensions = (self.directory / f"{name}.{end}" for end in ("pem", "key", "csr", "ext"))
        extensions.write_text(f"subjectAltName={alternative}\n")
        openssl("req", *new_key(key), "-out", request, "-subj", f"/CN={name}")
        openssl(
            "x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key, "-CAcreateserial",
            "-out", certificate, "-days", days, "-extfile", extensions,
        )
        return certificate, key


def self_signed(directory, name, alternative):
    certificate, key = directory / f"{name}.pem", directory / f"{name}.key"
    openssl(
        "req", "-x509", *new_key(key), "-out", certificate, "-days", "2", "-subj", f"/CN={name}",
        "-addext", f"subjectAltName={alternative}",
    )
    return certificate, key


def server_certificate(directory, tls, hosts):
    """(authority, one file with certificate and key) for a server at these IP addresses.

    `tls` is True, or what is wrong: 'expired', 'wrong-host', 'self-signed' or 'other-authority'.
    """
    authority = Authority(directory, "authority")
    names = ",".join(f"IP:{host}" for host in hosts)
    signed = {
        True: lambda: authority.sign("server", names),
        "expired": lambda: authority.sign("server", names, days=-1),
        "wrong-host": lambda: authority.sign("server", "DNS:elsewhere.example,IP:127.255.255.254"),
        "self-signed": lambda: self_signed(directory, "server", names),
        "other-authority": lambda: Authority(directory, "other").sign("server", names),
    }
    return authority, pem_with_key(directory / "server-with-key.pem", *signed[tls]())


def pem_with_key(path, certificate, key):
    """One file with both, as Java's servers read them."""
    path.touch(mode=0o600)
    path.write_text(key.read_text() + certificate.read_text())
    return path


def first_end(*certificates):
    """When the first of these ends, in seconds since 1970."""
    dates = [openssl("x509", "-in", path, "-noout", "-enddate") for path in certificates]
    return min(ssl.cert_time_to_seconds(date.strip().removeprefix("notAfter=")) for date in dates)


def new_key(path):
    return "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", path


def openssl(*args):
    done = subprocess.run(["openssl", *map(str, args)], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"openssl {args[0]}: {done.stderr}")
    return done.stdout
