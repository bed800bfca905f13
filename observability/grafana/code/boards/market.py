"""Candles and what else bars say, from their tables in Cassandra."""

from grafana_foundation_sdk.builders import candlestick, dashboard
from grafana_foundation_sdk.models import candlestick as candle_models
from grafana_foundation_sdk.models import dashboard as models

from . import parts
from .parts import (
    BAD,
    CALM,
    GOOD,
    WARN,
    Board,
    Cql,
    bars,
    candles,
    lines,
    number,
    property_of,
    rows,
    states,
    steps,
    words,
)

INTERVALS = ("1s", "1m", "5m", "15m", "1h", "1d")
# Of these at most so many buckets (a day of 1s; a month of 1m, 5m and 15m; a year of 1h and 1d) are looked into.
BUCKETS = 60
WHERE = """WHERE symbol = ${symbol:sqlstring} AND interval = ${interval:sqlstring} AND bucket IN (${bucket:sqlstring})
           AND start >= $__timeFrom AND start < $__timeTo"""
PRICES = ", ".join(f"CAST({name} AS double) AS {name}" for name in ("open", "high", "low", "close"))
VOLUME = "CAST(volume AS double) AS volume"


def from_tables(columns, *tables):
    """From each table: one of them has the interval, the other returns nothing."""
    return [Cql(f"SELECT symbol, start, {columns} FROM {table} {WHERE}") for table in tables]


def from_bars(columns):
    return from_tables(columns, "bars", "bars_1s")


def in_order(panel, *, priced=False):
    """By time, whatever the order of buckets; without the bars that have no price, which read 0, where that matters."""
    panel.with_transformation(parts.transformation("sortBy", fields={}, sort=[{"field": "start", "desc": False}]))
    if priced:
        zero = {"fieldName": "close", "config": {"id": "equal", "options": {"value": 0}}}
        panel.with_transformation(parts.transformation("filterByValue", filters=[zero], type="exclude", match="any"))
    return panel


def without_symbol(panel):
    return panel.with_transformation(parts.transformation("organize", excludeByName={"symbol": True}))


def newest_first(panel):
    panel.with_transformation(parts.transformation("sortBy", fields={}, sort=[{"field": "start", "desc": True}]))
    return without_symbol(panel)


def candle_panel():
    panel = candles(
        "Candles",
        "Open, high, low and close of each bar, and its volume. A bar without a trade that sets a price is left out.",
        "short",
        *from_bars(f"{PRICES}, {VOLUME}"),
    )
    panel.mode(candle_models.VizDisplayMode.CANDLES_VOLUME).candle_style(candle_models.CandleStyle.CANDLES)
    panel.fields(candlestick.CandlestickFieldMap().open("open").high("high").low("low").close("close").volume("volume"))
    return in_order(panel, priced=True)


def board():
    variables = [
        parts.source("tables", parts.TABLES.type_val, "Bars"),
        parts.selected("symbol", "Symbol", "SELECT symbol FROM symbols WHERE pipeline = 'finpipe'"),
        dashboard.CustomVariable("interval")
        .label("Interval")
        .values(",".join(INTERVALS))
        .allow_custom_value(False)
        .current(models.VariableOption(text="1m", value="1m")),
        parts.selected(
            "bucket",
            "Buckets",
            f"""SELECT bucket FROM series WHERE symbol = ${{symbol:sqlstring}}
            AND kind = ${{interval:sqlstring}} AND bucket <= '${{__to:date:iso}}'
            ORDER BY kind DESC, bucket DESC LIMIT {BUCKETS}""",
            several=True,
            hidden=True,
        ),
    ]
    made = Board(
        "finpipe-market",
        "finpipe: market",
        "Bars of one symbol as they are stored in Cassandra, with what each says of its "
        "own trust: its state, what is missing in it, how often it was revised.",
        variables,
        period="now-3h",
        refresh="30s",
    )
    made.row(
        "In sum",
        in_order(
            number(
                "Last price",
                "Close of the newest bar that has a price.",
                "short",
                *from_bars(PRICES),
                field="close",
                thresholds=steps(CALM),
            ),
            priced=True,
        ),
        in_order(
            number(
                "Volume",
                "Sum over the bars shown.",
                "short",
                *from_bars(VOLUME),
                calc="sum",
                field="volume",
                thresholds=steps(CALM),
            )
        ),
        in_order(
            number(
                "Trades",
                "That count into volume, over the bars shown.",
                "short",
                *from_bars("trades"),
                calc="sum",
                field="trades",
                thresholds=steps(CALM),
            )
        ),
        in_order(
            number(
                "Missing",
                "Time of the bars shown in which trades are known to be missing; 0 means that no "
                "interruption is known.",
                "ms",
                *from_bars("missing_ms"),
                calc="sum",
                field="missing_ms",
                thresholds=steps(GOOD, (1, BAD)),
                link="GapOpen",
            )
        ),
        in_order(
            number(
                "Highest revision",
                "Of the bars shown: 0 is a bar that was closed once and has not changed since.",
                "none",
                *from_bars("revision"),
                calc="max",
                field="revision",
                thresholds=steps(GOOD, (1, WARN)),
            )
        ),
        height=4,
    ).line(candle_panel(), height=14)
    made.row(
        "What they are made of",
        in_order(
            lines(
                "Close and VWAP",
                "VWAP is the notional of a bar's trades through their volume.",
                "short",
                *from_bars("CAST(close AS double) AS close, CAST(vwap AS double) AS vwap"),
                low=None,
            ),
            priced=True,
        ),
        in_order(bars("Volume", "Of each bar: sum of the trades that count into it.", "short", *from_bars(VOLUME))),
        in_order(bars("Trades", "Of each bar: how many count into its volume.", "short", *from_bars("trades"))),
    )
    made.row(
        "How far to trust them",
        in_order(
            bars(
                "Missing time",
                "Of each bar: milliseconds of its session time in which trades are known to be missing, "
                "less what was filled in later.",
                "ms",
                *from_bars("missing_ms"),
                thresholds=steps(GOOD, (1, BAD)),
                link="GapOpen",
            )
        ),
        without_symbol(
            in_order(
                states(
                    "State and flags",
                    "state: provisional until its time has passed for sure, then final; revised when a "
                    "late trade, a backfill or a void changed it. partial: the subscription began or ended inside. "
                    "backfilled: trades were filled in later.",
                    "none",
                    *from_bars("state, partial, backfilled"),
                    mappings=words(
                        provisional=("provisional", CALM),
                        final=("final", GOOD),
                        revised=("revised", WARN),
                        true=("yes", WARN),
                        false=("no", GOOD),
                    ),
                )
            )
        ),
    )
    made.line(
        newest_first(
            rows(
                "Bars",
                "Every bar shown with all that it says, the newest first. A price of 0 stands for none.",
                "none",
                *from_bars(
                    f"{PRICES}, {VOLUME}, CAST(vwap AS double) AS vwap, trades, state, revision, "
                    "reason, missing_ms, partial, backfilled"
                ),
            )
        ).override_by_name("missing_ms", [property_of("unit", "ms")]),
        height=10,
    ).line(
        newest_first(
            rows(
                "Revisions",
                "What each closed bar said at which moment (by the pipeline's clock), and why it "
                "changed: late, backfill, gap or void.",
                "none",
                *from_tables(
                    f"revision, state, reason, closed_at / 1000000 AS closed, {PRICES}, {VOLUME}, trades, missing_ms",
                    "bar_revisions",
                    "bar_revisions_1s",
                ),
            )
        )
        .override_by_name("missing_ms", [property_of("unit", "ms")])
        .override_by_name("closed", [property_of("unit", "dateTimeAsIso")]),
        height=10,
    )
    return made
