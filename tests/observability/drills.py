"""The faults. Each drill is a generator: it starts what there is, and yields; then it commits the fault, and yields; then it
mends it. What it starts ends with the bench."""

import dataclasses
from collections.abc import Callable

from bench import fill
from services.certificates import Authority

ALL = []


@dataclasses.dataclass(frozen=True)
class Drill:
    names: tuple[str, ...]
    fault: str
    play: Callable
    broken_channels: tuple[str, ...] = ()  # those by which nothing can be told until the fault is mended


def drill(*names, fault, broken_channels=(), into=ALL):
    def add(play):
        into.append(Drill(names, fault, play, broken_channels))
        return play

    return add


# ---- The feed


@drill("FeedDown", "GapOpen", fault="the vendor is killed")
def vendor_killed(bench):
    vendor = bench.simulate()
    bench.run(vendor)
    yield
    vendor.kill()
    yield
    vendor.start()


@drill("FeedStalled", fault="the vendor sends nothing for 100 s, not even a ping, and keeps the connection")
def vendor_stalled(bench):
    vendor = bench.simulate()
    bench.run(vendor)
    yield
    bench.fault(vendor, kind="stall", ms=100_000)
    yield


@drill("LagHigh", fault="the vendor's trades come 30 s late for eight minutes")
def vendor_late(bench):
    vendor = bench.simulate()
    bench.run(vendor)
    yield
    bench.fault(vendor, kind="delay", delay_ms=30_000, ms=480_000)
    yield


@drill("DeadLetters", fault="the vendor sends a negative price")
def bad_price(bench):
    vendor = bench.simulate()
    bench.run(vendor)
    yield
    bench.fault(vendor, kind="malformed", variant="negative_price")
    yield


# ---- Disks


@drill("NoHeartbeat", fault="the disk of the log hangs")
def log_hangs(bench):
    disk = bench.small_disk("disk", 2048, "ext4")
    vendor = bench.simulate()
    bench.run(vendor, log=disk / "log")
    yield
    bench.freeze(disk)
    yield
    bench.thaw(disk)


@drill("CommitStalled", "BacklogGrows", "NotReady", fault="the disk of the store hangs")
def store_hangs(bench):
    disk = bench.small_disk("disk", 2048, "ext4")
    vendor = bench.simulate("--speed", "40")
    bench.run(vendor, store=disk / "store")
    yield
    bench.freeze(disk)
    yield
    bench.thaw(disk)


@drill("DiskLow", fault="a file system of 2 GiB fills up to 90 %")
def disk_low(bench):
    disk = bench.small_disk("disk", 2048, "ext4")
    bench.run(bench.simulate(), log=disk / "log")
    yield
    filler = fill(disk, 0.90)
    yield
    filler.unlink()


@drill("DiskFull", fault="a file system of 2 GiB fills up to 99 %")
def disk_full(bench):
    disk = bench.small_disk("disk", 2048, "ext4")
    bench.run(bench.simulate(), log=disk / "log")
    yield
    filler = fill(disk, 0.99)
    yield
    filler.unlink()


# ---- Certificates


def tls_vendor(bench, authority, days, port=0):
    certificate, key = authority.sign(f"vendor-{days}", "IP:127.0.0.1", days=days)
    return bench.simulate("--certificate", certificate, "--key", key, port=port)


@drill("CertificateExpires", fault="the vendor shows a certificate of ten days")
def certificate_expires(bench):
    authority = Authority(bench.directory, "authority", days=100)
    vendor = tls_vendor(bench, authority, 90)
    bench.run(vendor, "--ca-file", authority.certificate)
    yield
    vendor.kill()
    vendor = tls_vendor(bench, authority, 10, vendor.port)
    yield
    vendor.kill()
    tls_vendor(bench, authority, 90, vendor.port)


@drill("CertificateExpired", fault="the vendor shows a certificate that ended yesterday")
def certificate_expired(bench):
    authority = Authority(bench.directory, "authority", days=100)
    vendor = tls_vendor(bench, authority, 90)
    bench.run(vendor, "--ca-file", authority.certificate)
    yield
    vendor.kill()
    vendor = tls_vendor(bench, authority, -1, vendor.port)
    yield
    vendor.kill()
    tls_vendor(bench, authority, 90, vendor.port)


# ---- Who watches


@drill("TargetDown", fault="the process is killed")
def process_killed(bench):
    run = bench.run(bench.simulate())
    yield
    run.kill()
    yield
    run.start()


@drill("TargetMissing", fault="the process is taken off the list of targets")
def target_missing(bench):
    bench.run(bench.simulate())
    yield
    bench.monitoring.aim("finpipe", "[]")
    yield
    bench.monitoring.aim("finpipe", bench.finpipe_targets())


@drill("RulesFail", fault="a file of rules is broken, and Prometheus is told to load it")
def rules_broken(bench):
    bench.run(bench.simulate())
    yield
    rules = bench.monitoring.directory / "prometheus/rules/spark.yaml"
    good = rules.read_text()
    rules.write_text(good.replace("expr: ", "expr: )"))
    bench.monitoring.reload()
    yield
    rules.write_text(good)
    bench.monitoring.reload()


@drill("DeliveryFails", fault="the mail server refuses everybody while an alert is to be told", broken_channels=("email",))
def mail_refused(bench):
    bench.run(bench.simulate())
    yield
    bench.sinks.refuse_mail = True
    bench.monitoring.aim("finpipe", "[]")
    yield
    bench.sinks.refuse_mail = False
    bench.monitoring.aim("finpipe", bench.finpipe_targets())
