"""The log in Kafka: what finpipe's client sees, and what the brokers say of themselves."""

from . import parts
from .parts import (
    BAD,
    BY_PROCESS,
    CALM,
    COUNTED,
    GOOD,
    PROCESS,
    THEIRS,
    WARN,
    Board,
    bars,
    count,
    current,
    lines,
    number,
    of,
    query,
    steps,
    theirs,
    total,
)

TOPIC = 'topic=~"$topic"'
P99 = 'percentile="99"'


def client_row(made):
    made.row(
        "Client: finpipe",
        number(
            "Brokers up",
            "That a process is connected to, of the cluster's; the process that sees the fewest.",
            "none",
            query(f"min({of('finpipe_kafka_brokers_up')} and {of('finpipe_kafka_brokers')} > 0)", now=True),
            thresholds=steps(BAD, (1, GOOD)),
            graph=False,
            link="KafkaBrokerDown",
        ),
        number(
            "Acknowledged",
            "Records a second.",
            "cps",
            total("finpipe_kafka_records_written_total"),
            thresholds=steps(CALM),
        ),
        number("Read", "Records a second.", "cps", total("finpipe_kafka_records_read_total"), thresholds=steps(CALM)),
        number(
            "Time to acknowledge, p99",
            "From appending a record to Kafka's acknowledgement, of the slowest process.",
            "s",
            current("max", "finpipe_kafka_append_latency_seconds", labels=P99),
            thresholds=steps(GOOD, (0.5, WARN), (5, BAD)),
            decimals=3,
            link="LogDown",
        ),
        number(
            "Waiting",
            "Appended and not acknowledged yet.",
            "bytes",
            current("sum", "finpipe_log_pending_bytes"),
            thresholds=steps(CALM),
            link="LogDown",
        ),
        height=4,
    )
    made.line(
        lines(
            "Records",
            "A second, of all processes: acknowledged and read.",
            "cps",
            total("finpipe_kafka_records_written_total", PROCESS + " written", by=BY_PROCESS),
            total("finpipe_kafka_records_read_total", PROCESS + " read", by=BY_PROCESS),
        ),
        lines(
            "Time to acknowledge",
            "From appending a record to Kafka's acknowledgement, by percentile.",
            "s",
            query(of("finpipe_kafka_append_latency_seconds"), PROCESS + " p{{percentile}}"),
            link="LogDown",
        ),
        lines(
            "Sent again",
            "Requests to Kafka, a second.",
            "reqps",
            total("finpipe_kafka_retries_total", PROCESS, by=BY_PROCESS),
        ),
    )
    made.line(
        lines(
            "Buffers",
            "Bytes that wait to be acknowledged, and that were fetched and not processed yet.",
            "bytes",
            current("sum", "finpipe_log_pending_bytes", PROCESS + " to send", by=BY_PROCESS),
            current("sum", "finpipe_kafka_prefetched_bytes", PROCESS + " fetched", by=BY_PROCESS),
        ),
        bars(
            "Rebalances",
            "Times that the group of processors shared the partitions anew, in each span of the axis.",
            "short",
            count("finpipe_kafka_rebalances_total", PROCESS, by=BY_PROCESS),
        ).interval(COUNTED),
    )


def broker_row(made):
    made.row(
        "Brokers",
        number(
            "Brokers",
            "Whose JMX agent was scraped just now.",
            "none",
            query(f"sum(up{{{THEIRS}}})", now=True),
            thresholds=steps(BAD, (1, GOOD)),
            graph=False,
            link="JmxTargetDown",
        ),
        number(
            "Active controllers",
            "Exactly one is right.",
            "none",
            current("sum", "kafka_controller_kafkacontroller_activecontrollercount", scope=THEIRS, now=True),
            thresholds=steps(BAD, (1, GOOD), (2, BAD)),
            graph=False,
            link="KafkaBrokerDown",
        ),
        number(
            "Partitions offline",
            "Without a leader: nothing can be written to them or read from them.",
            "none",
            current("max", "kafka_controller_kafkacontroller_offlinepartitionscount", scope=THEIRS, now=True),
            thresholds=steps(GOOD, (1, BAD)),
            graph=False,
            link="KafkaBrokerDown",
        ),
        number(
            "Under-replicated",
            "Partitions with fewer replicas in sync than they have.",
            "none",
            current("sum", "kafka_server_replicamanager_underreplicatedpartitions", scope=THEIRS, now=True),
            thresholds=steps(GOOD, (1, WARN)),
            graph=False,
            link="KafkaUnderReplicated",
        ),
        number(
            "Below min.insync",
            "Partitions that take no writes with acks=all.",
            "none",
            current("sum", "kafka_server_replicamanager_underminisrpartitioncount", scope=THEIRS, now=True),
            thresholds=steps(GOOD, (1, BAD)),
            graph=False,
            link="KafkaUnderReplicated",
        ),
        number(
            "Offline log directories",
            "Of all brokers.",
            "none",
            current("sum", "kafka_log_logmanager_offlinelogdirectorycount", scope=THEIRS, now=True),
            thresholds=steps(GOOD, (1, BAD)),
            graph=False,
            link="KafkaLogDirectoryOffline",
        ),
        height=4,
    )
    made.line(
        lines(
            "Messages in",
            "A second, by topic.",
            "cps",
            total(
                "kafka_server_brokertopicmetrics_topic_messagesinpersec_total",
                "{{topic}}",
                by="topic",
                labels=TOPIC,
                scope=THEIRS,
            ),
        ),
        lines(
            "Bytes in",
            "A second, by topic.",
            "Bps",
            total(
                "kafka_server_brokertopicmetrics_topic_bytesinpersec_total",
                "{{topic}}",
                by="topic",
                labels=TOPIC,
                scope=THEIRS,
            ),
        ),
        lines(
            "Bytes out",
            "A second, by topic, to consumers.",
            "Bps",
            total(
                "kafka_server_brokertopicmetrics_topic_bytesoutpersec_total",
                "{{topic}}",
                by="topic",
                labels=TOPIC,
                scope=THEIRS,
            ),
        ),
    )
    made.line(
        lines(
            "Time of a request, p99",
            "At the slowest broker, by kind. A fetch waits for new records, half a second if none come.",
            "ms",
            current(
                "max",
                "kafka_network_requestmetrics_totaltimems_99thpercentile",
                "{{request}}",
                by="request",
                scope=THEIRS,
            ),
        ),
        lines(
            "Refused requests",
            "Of producers and consumers, a second, all topics.",
            "reqps",
            total("kafka_server_brokertopicmetrics_failedproducerequestspersec_total", "produce", scope=THEIRS),
            total("kafka_server_brokertopicmetrics_failedfetchrequestspersec_total", "fetch", scope=THEIRS),
        ),
        lines(
            "Size of the log",
            "On disk, by topic, all replicas.",
            "bytes",
            current("sum", "kafka_log_log_size", "{{topic}}", by="topic", labels=TOPIC, scope=THEIRS),
            link="DiskLow",
        ),
    )
    made.line(
        lines(
            "Partitions",
            "On each broker, and those that it leads.",
            "short",
            query(theirs("kafka_server_replicamanager_partitioncount"), "{{instance}} has"),
            query(theirs("kafka_server_replicamanager_leadercount"), "{{instance}} leads"),
        ),
        lines(
            "Replicas in sync",
            "A second: how often a replica fell out of sync, on each broker.",
            "cps",
            total("kafka_server_replicamanager_isrshrinkspersec_total", "{{instance}}", by="instance", scope=THEIRS),
            link="KafkaUnderReplicated",
        ),
        lines(
            "Request handlers idle",
            "Share of the time, on each broker. A busy broker is below 30 %.",
            "percentunit",
            query(theirs("kafka_server_requesthandlers_idle_ratio"), "{{instance}}"),
            thresholds=steps(BAD, (0.1, WARN), (0.3, GOOD)),
            high=1,
        ),
    )
    made.line(*parts.java_panels())


def board():
    made = Board(
        "finpipe-kafka",
        "finpipe: Kafka",
        "The log in Kafka, from both sides: finpipe's client, and the brokers by their JMX agents.",
        [
            *parts.our_variables(),
            *parts.their_variables("kafka_server_replicamanager_partitioncount"),
            parts.label_values("topic", "Topic", 'kafka_log_log_size{job=~"$server_job"}', "topic"),
        ],
        annotations=[parts.alerts_annotation()],
    )
    client_row(made)
    broker_row(made)
    return made
