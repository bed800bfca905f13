#!/usr/bin/env python3
"""Bars from Kafka, exact after any crash of whatever made them: of the records with one (symbol, interval, start) the one
with the highest (generation, version) holds, in whatever order and however often they come.

  pip install confluent-kafka fastavro
  examples/bars_consumer.py BROKERS [TOPIC]           prints bars as they change, until it is interrupted
  examples/bars_consumer.py --to-end BROKERS [TOPIC]  reads what there is, prints the bars that hold, and ends

A value is Avro of schemas/stock_bar.avsc behind five bytes: a zero, and the schema's id. (With a schema registry the id
is the registry's; ask it for the schema that the record was written with.)
"""

import argparse
import decimal
import io
import pathlib

import confluent_kafka
import fastavro

SCHEMAS = pathlib.Path(__file__).resolve().parents[1] / "schemas"
COLUMNS = ("symbol", "interval", "start", "open", "high", "low", "close", "volume", "trades", "state", "revision")


def load_schema():
    return fastavro.schema.load_schema(SCHEMAS / "stock_bar.avsc")


class Bars:
    """The bars that hold, by (symbol, interval, start)."""

    def __init__(self):
        self.newest = {}

    def take(self, bar):
        """Whether it is news."""
        key = (bar["symbol"], bar["interval"], bar["start"])
        known = self.newest.get(key)
        if known and (known["generation"], known["version"]) >= (bar["generation"], bar["version"]):
            return False
        self.newest[key] = bar
        return True


def text(bar):
    def shown(value):
        if value is None:
            return ""
        return f"{value.normalize():f}" if isinstance(value, decimal.Decimal) else str(value)

    columns = bar | {"start": f"{bar['start']:%Y-%m-%dT%H:%M:%S.000Z}", "state": bar["state"].lower()}
    return ",".join(shown(columns[name]) for name in COLUMNS)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--to-end", action="store_true")
    parser.add_argument("brokers")
    parser.add_argument("topic", nargs="?", default="finnhub.bars")
    arguments = parser.parse_args()

    consumer = confluent_kafka.Consumer({
        "bootstrap.servers": arguments.brokers, "group.id": "bars-consumer", "enable.auto.commit": False,
        "enable.partition.eof": True,
    })
    # From the beginning, each time: what holds is kept in memory only.
    topic = consumer.list_topics(arguments.topic, 10).topics[arguments.topic]
    if topic.error:
        raise SystemExit(f"{arguments.topic}: {topic.error.str()}")
    partitions = topic.partitions
    consumer.assign([confluent_kafka.TopicPartition(arguments.topic, number, confluent_kafka.OFFSET_BEGINNING)
                     for number in partitions])
    schema, bars, at_end = load_schema(), Bars(), set()
    try:
        while not arguments.to_end or len(at_end) < len(partitions):
            message = consumer.poll(1)
            if message is None:
                continue
            if message.error():
                if message.error().code() != confluent_kafka.KafkaError._PARTITION_EOF:
                    raise SystemExit(message.error().str())
                at_end.add(message.partition())
                continue
            bar = fastavro.schemaless_reader(io.BytesIO(message.value()[5:]), schema)
            if bars.take(bar) and not arguments.to_end:
                print(text(bar), flush=True)
    except KeyboardInterrupt:
        pass
    finally:
        consumer.close()
    if arguments.to_end:
        print(",".join(COLUMNS))
        for key in sorted(bars.newest):
            print(text(bars.newest[key]))


main()
