"""The store in Cassandra: what finpipe's client sees, and what the nodes say of themselves."""

from . import parts
from .parts import (
    BAD,
    BY_PROCESS,
    CALM,
    GOOD,
    PROCESS,
    THEIRS,
    WARN,
    Board,
    current,
    lines,
    number,
    of,
    query,
    steps,
    theirs,
    total,
)

P99 = 'percentile="99"'


def client_row(made):
    made.row(
        "Client: finpipe",
        number(
            "Nodes up",
            "That a process is connected to, of the cluster's; the process that sees the fewest.",
            "none",
            query(f"min({of('finpipe_cassandra_nodes_up')} and {of('finpipe_cassandra_nodes')} > 0)", now=True),
            thresholds=steps(BAD, (1, GOOD)),
            graph=False,
            link="CassandraNodeDown",
        ),
        number(
            "Rows written",
            "Acknowledged, a second.",
            "cps",
            total("finpipe_cassandra_rows_written_total"),
            thresholds=steps(CALM),
        ),
        number(
            "Time of a request, p99",
            "To its answer, of the slowest process.",
            "s",
            current("max", "finpipe_cassandra_latency_seconds", labels=P99),
            thresholds=steps(GOOD, (0.5, WARN), (5, BAD)),
            decimals=3,
            link="StoreDown",
        ),
        number(
            "Not answered in time",
            "Attempts, a second. They are made again.",
            "reqps",
            total("finpipe_cassandra_timeouts_total"),
            thresholds=steps(GOOD, (0.01, WARN), (1, BAD)),
            link="StoreDown",
        ),
        height=4,
    )
    made.line(
        lines(
            "Rows and requests",
            "A second: rows acknowledged, and requests sent, every attempt.",
            "cps",
            total("finpipe_cassandra_rows_written_total", PROCESS + " rows", by=BY_PROCESS),
            total("finpipe_cassandra_requests_total", PROCESS + " requests", by=BY_PROCESS),
        ),
        lines(
            "Time of a request",
            "To its answer, by percentile.",
            "s",
            query(of("finpipe_cassandra_latency_seconds"), PROCESS + " p{{percentile}}"),
            link="StoreDown",
        ),
        lines(
            "Under way",
            "Requests, and as many as may be: the window follows what the cluster can take.",
            "short",
            query(of("finpipe_cassandra_requests_in_flight"), PROCESS),
            query(of("finpipe_cassandra_request_window"), PROCESS + " window"),
        ),
        lines(
            "What went wrong",
            "A second: attempts after the first, not answered in time, refused for load.",
            "reqps",
            total("finpipe_cassandra_retries_total", "retries"),
            total("finpipe_cassandra_timeouts_total", "timeouts"),
            total("finpipe_cassandra_overloads_total", "overloads"),
            link="StoreDown",
        ),
    )


def node_row(made):
    made.row(
        "Nodes",
        number(
            "Nodes",
            "Whose JMX agent was scraped just now.",
            "none",
            query(f"sum(up{{{THEIRS}}})", now=True),
            thresholds=steps(BAD, (1, GOOD)),
            graph=False,
            link="JmxTargetDown",
        ),
        number(
            "Seen down",
            "Nodes that another one thinks are down.",
            "none",
            current("max", "cassandra_failuredetector_downendpointcount", scope=THEIRS, now=True),
            thresholds=steps(GOOD, (1, BAD)),
            graph=False,
            link="CassandraNodeDown",
        ),
        number(
            "Messages dropped",
            "In the time shown, over all kinds: work that a node had no time for.",
            "short",
            query(f"sum(increase({theirs('cassandra_droppedmessage_dropped_total')}[$__range]))", now=True),
            thresholds=steps(GOOD, (1, BAD)),
            graph=False,
            link="CassandraDropsMessages",
        ),
        number(
            "Compactions pending",
            "Of all nodes.",
            "short",
            current("sum", "cassandra_compaction_pendingtasks_value", scope=THEIRS),
            thresholds=steps(GOOD, (20, WARN), (100, BAD)),
            link="CassandraCompactionsBehind",
        ),
        number(
            "Load",
            "Data on the disks of all nodes.",
            "bytes",
            current("sum", "cassandra_storage_load_count", scope=THEIRS),
            thresholds=steps(CALM),
            link="DiskLow",
        ),
        number(
            "Clients",
            "Connections that speak CQL.",
            "none",
            current("sum", "cassandra_client_connectednativeclients_value", scope=THEIRS, now=True),
            thresholds=steps(CALM),
            graph=False,
        ),
        height=4,
    )
    made.line(
        lines(
            "Requests",
            "Of clients, a second, by kind.",
            "reqps",
            total("cassandra_clientrequest_latency_count", "{{scope}}", by="scope", scope=THEIRS),
        ),
        lines(
            "Time of a request, p99",
            "At the node that a client asked, of the slowest node.",
            "µs",
            current(
                "max",
                "cassandra_clientrequest_latency_99thpercentile",
                "{{scope}}",
                by="scope",
                scope=THEIRS,
            ),
        ),
        lines(
            "Failed requests",
            "A second, by kind: no answer of replicas in time, too few replicas up, failures.",
            "reqps",
            total(
                "cassandra_clientrequest_timeouts_total",
                "{{scope}} timeouts",
                by="scope",
                scope=THEIRS,
            ),
            total(
                "cassandra_clientrequest_unavailables_total",
                "{{scope}} unavailable",
                by="scope",
                scope=THEIRS,
            ),
            total(
                "cassandra_clientrequest_failures_total",
                "{{scope}} failures",
                by="scope",
                scope=THEIRS,
            ),
            link="CassandraNodeDown",
        ),
    )
    made.line(
        lines(
            "Thread pools",
            "Tasks that wait, by pool; the eight fullest.",
            "short",
            query(f"topk(8, sum by (scope) ({theirs('cassandra_threadpools_pendingtasks_value')}))", "{{scope}}"),
        ),
        lines(
            "Messages dropped",
            "A second, by kind.",
            "cps",
            total("cassandra_droppedmessage_dropped_total", "{{scope}}", by="scope", scope=THEIRS),
            link="CassandraDropsMessages",
        ),
        lines(
            "Data",
            "On disk, by keyspace, all nodes.",
            "bytes",
            current("sum", "cassandra_keyspace_livediskspaceused_value", "{{keyspace}}", by="keyspace", scope=THEIRS),
            link="DiskLow",
        ),
    )
    made.line(*parts.java_panels())


def board():
    made = Board(
        "finpipe-cassandra",
        "finpipe: Cassandra",
        "The store in Cassandra, from both sides: finpipe's client, and the nodes by their JMX agents.",
        [*parts.our_variables(), *parts.their_variables("cassandra_client_connectednativeclients_value")],
        annotations=[parts.alerts_annotation()],
    )
    client_row(made)
    node_row(made)
    return made
