"""The faults of Kafka and Cassandra, and of finpipe's sides on them."""

import contextlib
import functools
import subprocess
import time

from bench import KEYSPACE, SYMBOLS, fill
from drills import drill
from monitoring import ROOT, checked
from services.cache import python_tools
from services.processes import ServiceError
from services.registry import Registry

ALL = []
HERE = ROOT / "tests/observability"
server_drill = functools.partial(drill, into=ALL)


class Sides:
    """ingest, process and serve on Kafka and Cassandra, each with its JMX agent; all that Prometheus can see of a pipeline."""

    def __init__(self, bench, **kafka):
        self.kafka = bench.add_kafka(**kafka)
        self.cassandra = bench.add_cassandra()
        bench.create()
        log = "--log", bench.log_url()
        self.parts = *log, "--store", bench.store_url()
        self.ingest = bench.side("ingest", *log, "--feed", bench.simulate().url, "--symbols", SYMBOLS)
        self.process = bench.side("process", *self.parts)
        self.serve = bench.side("serve", *self.parts)


@server_drill("LogDown", fault="the only Kafka broker is killed")
def log_killed(bench):
    sides = Sides(bench)
    yield
    sides.kafka.kill()
    yield
    sides.kafka.start_node()


@server_drill("RegistryDown", fault="the schema registry is killed, and the process is started again")
def registry_killed(bench):
    registry = bench.ends.enter_context(Registry(bench.directory / "registry", kafka=bench.add_kafka()))
    bench.registry = "--registry", registry.url(), "--registry-cache", bench.directory / "schemas"
    run = bench.run(bench.simulate())
    yield
    registry.kill()
    run.terminate()
    run.reap(60)
    run.start()
    yield
    registry.start_node()


@server_drill("KafkaBrokerDown", "KafkaUnderReplicated", "KafkaPartitionsOffline", "JmxTargetDown",
       fault="one of three Kafka brokers is killed; a topic has its only replica there")
def broker_killed(bench):
    sides = Sides(bench, nodes=3)
    sides.kafka.tool("topics", "--create", "--topic", "elsewhere", "--replica-assignment", "2")
    yield
    sides.kafka.kill(2)
    yield
    sides.kafka.start_node(2)


@server_drill("StoreDown", "CassandraNodeDown", fault="the only Cassandra node is killed")
def store_killed(bench):
    sides = Sides(bench)
    yield
    sides.cassandra.kill()
    yield
    sides.cassandra.start_node()


@server_drill("CloseDelayHigh", fault="`process` stands still for 29 s and works for 3, five times")
def processor_starved(bench):
    sides = Sides(bench)
    yield
    for _ in range(5):
        sides.process.pause()
        time.sleep(29)
        sides.process.resume()
        time.sleep(3)
    yield


@server_drill("LedgerMismatch", fault="five trades are taken off the account in the store, while `process` is restarted")
def ledger_damaged(bench):
    sides = Sides(bench)
    yield
    sides.process.terminate()
    sides.process.reap(60)
    address, port = sides.cassandra.client_address(), sides.cassandra.port
    checked(python_tools(), HERE / "damage_ledger.py", address, port, KEYSPACE, ROOT / "schemas/store/checkpoint.avsc")
    sides.process.start()
    yield
    for side in (sides.process, sides.serve):
        side.terminate()
        side.reap(60)
    bench.finish("checkpoint", "reset", *sides.parts)
    for side in (sides.process, sides.serve):
        side.start()


@server_drill("KafkaLogDirectoryOffline", fault="one of two disks of a Kafka broker, of 64 MiB, fills up")
def broker_disk_full(bench):
    disk = bench.small_disk("disk", 64)
    kafka = bench.add_kafka(settings={"log.dirs": f"{bench.directory}/kafka/node1/data,{disk}/data"})
    kafka.create_topic("many", partitions=4)
    bench.run(bench.simulate())
    yield
    filler = fill(disk, 1)
    with contextlib.suppress(ServiceError):
        kafka.produce("many", [(key, "x" * 1000) for key in range(500)])
    yield
    filler.unlink()
    kafka.restart()


@server_drill("CassandraDropsMessages", fault="a Cassandra node stands still for 5 s now and then, while much is written")
def node_pauses(bench):
    # Most of what is under way waits in the node then, not in the client.
    cassandra = bench.add_cassandra(settings={"concurrent_writes": 2})
    cassandra.cqlsh("CREATE KEYSPACE busy WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
                    "CREATE TABLE busy.rows (key int PRIMARY KEY, value blob)")
    bench.run(bench.simulate())
    yield
    writer = subprocess.Popen([str(word) for word in (
        python_tools(), HERE / "insert_blobs.py", cassandra.client_address(), cassandra.port, "busy.rows", 2000)])
    for _ in range(4):
        time.sleep(3)
        cassandra.pause()
        time.sleep(5)
        cassandra.resume()
    writer.kill()
    writer.wait()
    yield


@server_drill("CassandraCompactionsBehind", fault="300 MiB in hundreds of files are to be merged, two at a time and at 1 MiB/s")
def compactions_throttled(bench):
    cassandra = bench.add_cassandra(settings={
        "memtable_heap_space": "2MiB", "memtable_offheap_space": "2MiB", "concurrent_compactors": 1})
    cassandra.cqlsh("CREATE KEYSPACE busy WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
                    "CREATE TABLE busy.rows (key int PRIMARY KEY, value blob) WITH compaction = "
                    "{'class': 'SizeTieredCompactionStrategy', 'min_threshold': 2, 'max_threshold': 2}")
    cassandra.nodetool("disableautocompaction", "busy")
    cassandra.nodetool("setcompactionthroughput", "1")
    checked(python_tools(), HERE / "insert_blobs.py", cassandra.client_address(), cassandra.port, "busy.rows", 300)
    bench.run(bench.simulate())
    yield
    cassandra.nodetool("enableautocompaction", "busy")
    yield
    cassandra.nodetool("setcompactionthroughput", "0")
