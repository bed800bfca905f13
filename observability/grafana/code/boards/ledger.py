"""Where each trade went, and when there was none: the account of trades, gaps, voids, dead letters."""

from . import parts
from .parts import (
    BAD,
    CALM,
    GOOD,
    PROCESSES,
    WARN,
    Board,
    Cql,
    current,
    increase,
    lines,
    number,
    of,
    query,
    rows,
    steps,
    total,
    words,
)

TERMS = (
    "received",
    "already_in_log",
    "appended",
    "dead_lettered_before",
    "in_log",
    "stored",
    "skipped",
    "dead_lettered_after",
)


def merged(panel, sort="", newest=False):
    """One table of what the data source tells apart by its first column."""
    panel.with_transformation(parts.transformation("merge"))
    if sort:
        panel.with_transformation(parts.transformation("sortBy", fields={}, sort=[{"field": sort, "desc": newest}]))
    return panel


def term(name):
    """Of all sessions; each processor tells it of its partitions."""
    selector = of("finpipe_ledger_trades", f'{PROCESSES},term="{name}"')
    return f"sum({selector})"


def balance_row(made):
    before_log = f"{term('received')} - {term('already_in_log')} - {term('appended')} - {term('dead_lettered_before')}"
    after_log = f"{term('in_log')} - {term('stored')} - {term('skipped')} - {term('dead_lettered_after')}"
    made.row(
        "Account of trades",
        number(
            "Balanced",
            "Whether the account of every session and partition balances.",
            "none",
            current("min", "finpipe_ledger_balanced", now=True),
            mappings=words(_0=("no", BAD), _1=("yes", GOOD)),
            thresholds=steps(BAD, (1, GOOD)),
            graph=False,
            link="LedgerMismatch",
        ),
        number(
            "Received",
            "Trades, good or bad, over all sessions.",
            "locale",
            query(term("received"), now=True),
            thresholds=steps(CALM),
            graph=False,
        ),
        number("Stored", "Trades.", "locale", query(term("stored"), now=True), thresholds=steps(CALM), graph=False),
        number(
            "Skipped",
            "Trades that the log has twice; the first is stored.",
            "locale",
            query(term("skipped"), now=True),
            thresholds=steps(CALM),
            graph=False,
        ),
        number(
            "Dead letters",
            "Trades that were set aside, before and after the log.",
            "locale",
            query(f"{term('dead_lettered_before')} + {term('dead_lettered_after')}", now=True),
            thresholds=steps(GOOD, (1, WARN)),
            graph=False,
            link="DeadLetters",
        ),
        number(
            "Gaps open",
            "Partitions whose feed is interrupted now.",
            "none",
            current("sum", "finpipe_processor_gaps_open", labels=PROCESSES, now=True),
            thresholds=steps(GOOD, (1, BAD)),
            graph=False,
            link="GapOpen",
        ),
        height=4,
    )
    made.line(
        lines(
            "On the way",
            "Trades that were received and have no other term yet: before the log, and between log and "
            "store. They come back to 0 when nothing comes in.",
            "short",
            query(before_log, "before the log"),
            query(after_log, "between log and store"),
            low=None,
        ),
        lines(
            "Terms",
            "Of the account, over all sessions and partitions: received = already in the log + appended + dead "
            "letters before; in the log = stored + skipped + dead letters after.",
            "short",
            current("sum", "finpipe_ledger_trades", "{{term}}", by="term", labels=PROCESSES),
        ),
        lines(
            "Dead letters",
            "A second, before the log (ingest) and after it (processor).",
            "cps",
            total("finpipe_ingest_trades_dead_lettered_total", "before the log"),
            total("finpipe_processor_dead_lettered_total", "after the log", labels=PROCESSES),
            link="DeadLetters",
        ),
    )
    made.line(
        rows(
            "Dead letters by error",
            "In the time shown, before and after the log. `finpipe deadletters list --reason` has them.",
            "short",
            query(
                f"sort_desc(sum by (reason) ({increase('finpipe_ingest_trades_dead_lettered_total')} + "
                f"{increase('finpipe_processor_dead_lettered_total')}))",
                now=True,
            ).format("table"),
            link="DeadLetters",
        ).with_transformation(
            parts.transformation("organize", excludeByName={"Time": True}, renameByName={"Value": "letters"})
        ),
        merged(
            rows(
                "Account by session",
                "As it is stored with the checkpoint: by partition of the log, writer (live, backfill, "
                "replay, operator) and session. A healthy one balances in every row, but for what is on the way.",
                "none",
                Cql(
                    f"SELECT partition, writer, session, {', '.join(TERMS)} FROM ledger WHERE partition IN ($partition)"
                ),
                link="LedgerMismatch",
            ),
            "session",
            newest=True,
        ),
    )


def gaps_row(made):
    made.row(
        "Gaps",
        merged(
            rows(
                "Gaps",
                "Spans of event time in which trades are missing (gap), were filled in later (filled), or were not "
                "asked for (unsubscribed). Without a symbol it is every symbol of the partition.",
                "none",
                # As numbers: a span may begin before, or end after, all times that others can read.
                Cql(
                    "SELECT partition, kind, symbol, toUnixTimestamp(from_time) AS since, "
                    "toUnixTimestamp(to_time) AS until, reason FROM gaps WHERE partition IN ($partition)"
                ),
                link="GapOpen",
            ),
            "since",
            newest=True,
        ).override_by_regexp("since|until", [parts.property_of("unit", "dateTimeAsIso")]),
        lines(
            "Interruptions",
            "How long the present one has lasted, and how many of either reason there have been since the "
            "processes began.",
            "short",
            current("max", "finpipe_feed_silence_seconds", "seconds of the present one"),
            current("sum", "finpipe_feed_reconnects_total", "{{reason}}", by="reason"),
            link="FeedDown",
        ),
        height=9,
    )


def checkpoint_row(made):
    made.row(
        "Checkpoints and voids",
        merged(
            rows(
                "Checkpoints",
                "How far each partition of the log is stored: everything below the offset.",
                "none",
                Cql("SELECT partition, generation, log_offset FROM checkpoints WHERE pipeline = 'finpipe'"),
            ),
            "partition",
        ),
        merged(
            rows(
                "Voids",
                "Single trades that an operator took out of bars, or put back.",
                "none",
                Cql(
                    "SELECT partition, action, symbol, event_time, seq, reason, at / 1000000 AS at_ms FROM voids "
                    "WHERE partition IN ($partition)"
                ),
            ),
            "at_ms",
            newest=True,
        ).override_by_name(
            "at_ms", [parts.property_of("unit", "dateTimeAsIso"), parts.property_of("displayName", "at")]
        ),
    )


def board():
    made = Board(
        "finpipe-ledger",
        "finpipe: ledger and gaps",
        "Nothing is lost in silence: each trade received is stored, skipped as "
        "already known, or a dead letter, and each time without trades is on record.",
        [
            *parts.our_variables(),
            parts.source("tables", parts.TABLES.type_val, "Bars"),
            parts.selected(
                "partition", "Partition", "SELECT partition FROM partitions WHERE pipeline = 'finpipe'", several=True
            ),
        ],
        period="now-6h",
        refresh="30s",
        annotations=[parts.alerts_annotation()],
    )
    for row in (balance_row, gaps_row, checkpoint_row):
        row(made)
    return made
