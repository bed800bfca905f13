"""The way of a trade through finpipe: feed, log, processor, store, endpoint; and the processes that do it."""

from . import parts
from .parts import (
    BAD,
    BY_PROCESS,
    COUNTED,
    GOOD,
    PROCESS,
    PROCESSES,
    WARN,
    Board,
    bars,
    count,
    current,
    lines,
    most,
    number,
    of,
    quantile,
    query,
    rate,
    rows,
    steps,
    total,
    words,
)

YES_NO = words(_0=("no", BAD), _1=("yes", GOOD))
TROUBLE = words(_0=("none", GOOD), _1=("away", BAD))
RECEIVES = 'role=~"ingest|run"'
FAILED = 'status=~"4xx|5xx"'
PARTITION = PROCESSES + ',partition=~"$partition"'


def percentiles(histogram):
    """Half of them, and all but one in a hundred, take at most this."""
    return [query(quantile(share, histogram), name) for share, name in ((0.5, "p50"), (0.99, "p99"))]


def now_row(made):
    made.row(
        "Now",
        number(
            "Feed connected",
            "Whether the process that receives is connected to the vendor. Without a value it does not run.",
            "none",
            current("max", "finpipe_feed_connected", labels=RECEIVES, now=True),
            mappings=YES_NO,
            thresholds=steps(BAD, (1, GOOD)),
            graph=False,
            link="FeedDown",
        ),
        number(
            "Since the last frame",
            "Frame or ping of the feed. A quiet market sends pings only.",
            "s",
            current("max", "finpipe_feed_last_frame_age_seconds"),
            thresholds=steps(GOOD, (30, WARN), (70, BAD)),
            decimals=1,
            link="FeedStalled",
        ),
        number(
            "Feed lag",
            "From a trade to its receipt, 99th percentile of five minutes, in the slowest market. One to two "
            "seconds are usual.",
            "s",
            current("max", "finpipe_feed_lag_seconds"),
            thresholds=steps(GOOD, (5, WARN), (30, BAD)),
            decimals=2,
            link="LagHigh",
        ),
        number(
            "Since the last heartbeat",
            "Of a record that ingest writes each second, also when the market is quiet.",
            "s",
            current("max", "finpipe_heartbeat_age_seconds"),
            thresholds=steps(GOOD, (5, WARN), (15, BAD)),
            decimals=1,
            link="NoHeartbeat",
        ),
        number(
            "Backlog",
            "Records in the log that are not processed yet, over all partitions.",
            "short",
            current("sum", "finpipe_processor_backlog_records", labels=PROCESSES),
            thresholds=steps(GOOD, (10_000, WARN), (1_000_000, BAD)),
            link="BacklogGrows",
        ),
        number(
            "Log",
            "Whether a process waits for the servers of the log.",
            "none",
            current("max", "finpipe_log_trouble", now=True),
            mappings=TROUBLE,
            thresholds=steps(GOOD, (1, BAD)),
            graph=False,
            link="LogDown",
        ),
        number(
            "Store",
            "Whether a process waits for the servers of the store.",
            "none",
            current("max", "finpipe_store_trouble", now=True),
            mappings=TROUBLE,
            thresholds=steps(GOOD, (1, BAD)),
            graph=False,
            link="StoreDown",
        ),
        number(
            "Ledger balanced",
            "Whether each trade received is stored, skipped as already known, or a dead letter, in every "
            "session and partition.",
            "none",
            current("min", "finpipe_ledger_balanced", now=True),
            mappings=YES_NO,
            thresholds=steps(BAD, (1, GOOD)),
            graph=False,
            link="LedgerMismatch",
        ),
        number(
            "Processes",
            "That were scraped just now, of all that are known.",
            "none",
            query(f"sum(up{{{parts.OURS}}})", now=True),
            thresholds=steps(BAD, (1, GOOD)),
            graph=False,
            link="TargetDown",
        ),
        height=4,
    )


def feed_row(made):
    made.row(
        "Feed and ingest",
        lines(
            "Trades",
            "A second. Received are those of subscribed symbols, good or bad; appended are in the log.",
            "cps",
            total("finpipe_ingest_trades_received_total", "received"),
            total("finpipe_ingest_trades_appended_total", "appended"),
            total("finpipe_ingest_frames_total", "frames"),
        ),
        lines(
            "Lag by market",
            "From a trade to its receipt: the 99th percentile of the last five minutes. Bars of a market are "
            "closed so much later.",
            "s",
            current("max", "finpipe_feed_lag_seconds", "{{market}}", by="market"),
            thresholds=steps(GOOD, (5, WARN), (30, BAD)),
            link="LagHigh",
        ),
        lines(
            "Silence",
            "Since the last frame or ping; and how long the present interruption of the feed has lasted.",
            "s",
            current("max", "finpipe_feed_last_frame_age_seconds", "since the last frame"),
            current("max", "finpipe_feed_silence_seconds", "interrupted"),
            link="FeedStalled",
        ),
    )
    made.line(
        bars(
            "Interruptions",
            "Of the feed, by what began them, in each span of the axis.",
            "short",
            count("finpipe_feed_reconnects_total", "{{reason}}", by="reason"),
            stacked=True,
            link="FeedDown",
        ).interval(COUNTED),
        lines(
            "Dead letters before the log",
            "Trades that were set aside at their receipt, a second, by the error; the eight most frequent.",
            "cps",
            most(8, "finpipe_ingest_trades_dead_lettered_total", "{{reason}}", "reason"),
            link="DeadLetters",
        ),
        lines(
            "What looks odd",
            "A second: trades that repeat earlier ones and are left out of bars, with conditions that no "
            "policy knows, with rounded numbers, of symbols not asked for; and error frames of the vendor.",
            "cps",
            total("finpipe_ingest_suspects_total", "repeated"),
            total("finpipe_ingest_unknown_conditions_total", "unknown condition"),
            total("finpipe_ingest_numbers_rounded_total", "rounded"),
            total("finpipe_ingest_trades_unsubscribed_total", "not asked for"),
            total("finpipe_ingest_vendor_errors_total", "vendor's errors"),
        ),
    )


def log_row(made):
    made.row(
        "Log",
        lines(
            "Records appended",
            "A second, trades and control records.",
            "cps",
            total("finpipe_log_records_appended_total", PROCESS, by=BY_PROCESS),
        ),
        lines(
            "Waiting to be durable",
            "Appended and not acknowledged or synced yet. At the limit the feed waits.",
            "bytes",
            current("sum", "finpipe_log_pending_bytes", PROCESS, by=BY_PROCESS),
            link="LogDown",
        ),
        lines(
            "Time to be durable, embedded",
            "To sync what was appended, where the log is embedded. For Kafka see the dashboard of Kafka.",
            "s",
            *percentiles("finpipe_log_flush_seconds"),
        ),
    )


def processor_row(made):
    made.row(
        "Processor",
        lines(
            "Records applied",
            "A second, by process.",
            "cps",
            total("finpipe_processor_records_total", PROCESS, by=BY_PROCESS),
        ),
        lines(
            "Backlog by partition",
            "Records in the log that are not processed yet.",
            "short",
            current("max", "finpipe_processor_backlog_records", "{{partition}}", by="partition", labels=PARTITION),
            link="BacklogGrows",
        ),
        lines(
            "Time of a commit",
            "From handing it to the store until it is durable.",
            "s",
            *percentiles("finpipe_processor_commit_seconds"),
            link="CommitStalled",
        ),
    )
    made.line(
        lines(
            "Close delay",
            "From the end of a bar's time until its final state is stored: lag, allowed delay and commit together, of "
            "bars of up to 1h.",
            "s",
            *percentiles("finpipe_processor_close_delay_seconds"),
            link="CloseDelayHigh",
        ),
        lines(
            "Waiting for a commit",
            "For how long the oldest record that is not committed has waited.",
            "s",
            current("max", "finpipe_processor_commit_age_seconds", PROCESS, by=BY_PROCESS),
            link="CommitStalled",
        ),
        lines(
            "Clock behind now",
            "The engine's clock is the receipt of the last record that was applied.",
            "s",
            query(
                f"time() - max by (partition) ({of('finpipe_processor_clock_seconds', PARTITION)} > 0)", "{{partition}}"
            ),
            low=None,
            link="BacklogGrows",
        ),
    )
    made.line(
        lines(
            "Bars in memory",
            "Windows that the engine holds. Older ones are in the store.",
            "short",
            current("sum", "finpipe_processor_windows", PROCESS, by=BY_PROCESS),
        ),
        lines(
            "Look-ups",
            "Reads of bars from the store that are not in memory, a second. Late trades and restarts cause them.",
            "cps",
            total("finpipe_processor_look_ups_total", PROCESS, by=BY_PROCESS),
        ),
        bars(
            "Revisions",
            "Of bars that were final, by reason, in each span of the axis.",
            "short",
            count("finpipe_processor_revisions_total", "{{reason}}", by="reason"),
            stacked=True,
        ).interval(COUNTED),
        lines(
            "Dead letters after the log",
            "Records that the processor set aside, a second, by the error; the eight most frequent.",
            "cps",
            most(8, "finpipe_processor_dead_lettered_total", "{{reason}}", "reason"),
            link="DeadLetters",
        ),
    )


def store_row(made):
    made.row(
        "Store",
        lines(
            "Commits under way",
            "Handed to the store and not durable yet. Two a partition are the most.",
            "short",
            current("sum", "finpipe_store_commits_in_flight", PROCESS, by=BY_PROCESS),
            link="CommitStalled",
        ),
        lines("Rows of a commit", "How much a commit gathers.", "short", *percentiles("finpipe_store_commit_rows")),
        lines(
            "Disks of embedded parts",
            "How much is free.",
            "percentunit",
            query(f"{of('finpipe_disk_free_bytes')} / ({of('finpipe_disk_size_bytes')} > 0)", PROCESS + " {{use}}"),
            thresholds=steps(BAD, (0.1, WARN), (0.2, GOOD)),
            high=1,
            link="DiskLow",
        ),
    )


def endpoint_row(made):
    made.row(
        "Endpoint",
        lines(
            "Requests",
            "Answered, a second, by route.",
            "reqps",
            total("finpipe_endpoint_requests_total", "{{route}}", by="route"),
            stacked=True,
        ),
        lines(
            "Time of an answer, p99",
            "From a whole request to its answer, of the routes that were asked.",
            "s",
            query(quantile(0.99, "finpipe_endpoint_request_seconds", ", route"), "{{route}}"),
        ),
        lines(
            "Errors",
            "Answers 4xx (the client's) and 5xx (ours, or a store that is away), and what reached no route: "
            "malformed, slow, or one connection too many. A second.",
            "reqps",
            total("finpipe_endpoint_requests_total", "{{status}}", by="status", labels=FAILED),
            total("finpipe_endpoint_bad_requests_total", "malformed"),
            total("finpipe_endpoint_timeouts_total", "slow"),
            total("finpipe_endpoint_connections_shed_total", "no room"),
            link="NotReady",
        ),
    )
    made.line(
        lines(
            "Connections and clients",
            "Connections of HTTP and WebSocket, clients of the live stream, their subscriptions.",
            "short",
            current("sum", "finpipe_endpoint_connections", "connections"),
            current("sum", "finpipe_stream_clients", "stream clients"),
            current("sum", "finpipe_stream_subscriptions", "subscriptions"),
        ),
        lines(
            "Stream",
            "Messages a second by channel.",
            "cps",
            total("finpipe_stream_messages_total", "{{channel}}", by="channel"),
        ),
        lines(
            "Stream, bytes",
            "A second by channel.",
            "Bps",
            total("finpipe_stream_bytes_total", "{{channel}}", by="channel"),
        ),
        lines(
            "Slow clients",
            "A second: versions of bars and trades that they were not sent, and clients that were "
            "disconnected by a rule.",
            "cps",
            total("finpipe_stream_conflated_bars_total", "bars conflated"),
            total("finpipe_stream_dropped_trades_total", "trades dropped"),
            total("finpipe_stream_clients_closed_total", "closed: {{reason}}", by="reason"),
        ),
    )


def process_row(made):
    made.row(
        "Processes",
        lines(
            "Processor time",
            "Of each process: 100 % is one whole processor.",
            "percentunit",
            query(rate("finpipe_process_cpu_seconds_total"), PROCESS),
        ),
        lines("Resident memory", "Of each process.", "bytes", query(of("finpipe_process_resident_bytes"), PROCESS)),
        lines("Open file descriptors", "Of each process.", "short", query(of("finpipe_process_open_fds"), PROCESS)),
        rows(
            "Certificates",
            "When those end that a process shows or is shown.",
            "dateTimeAsIso",
            query(
                f"min by (job, role, instance, certificate) ({of('finpipe_certificate_not_after_seconds')} > 0) * 1000",
                now=True,
            ).format("table"),
            link="CertificateExpires",
        ).with_transformation(
            parts.transformation("organize", excludeByName={"Time": True}, renameByName={"Value": "ends"})
        ),
        rows(
            "Versions",
            "What runs, and since when.",
            "dateTimeAsIso",
            query(
                f"sum by (job, role, instance, version) ({of('finpipe_process_start_time_seconds')} * 1000 "
                f"* on (job, instance) group_left (version) {of('finpipe_build_info')})",
                now=True,
            ).format("table"),
        ).with_transformation(
            parts.transformation("organize", excludeByName={"Time": True}, renameByName={"Value": "started"})
        ),
    )


def board():
    made = Board(
        "finpipe-pipeline",
        "finpipe: pipeline",
        "Whether trades come in, go through, and get out: feed, log, processor, store, endpoint, processes.",
        [
            *parts.our_variables(),
            parts.label_values("partition", "Partition", 'finpipe_processor_backlog_records{job=~"$job"}', "partition"),
        ],
        annotations=[parts.alerts_annotation()],
    )
    for row in (now_row, feed_row, log_row, processor_row, store_row, endpoint_row, process_row):
        row(made)
    return made
