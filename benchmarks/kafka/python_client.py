"""The rival: confluent-kafka with fastavro, with the trades of trades.cpp and the settings that it is given.

  python_client.py produce BROKERS TOPIC SETTINGS RECORDS    encodes and writes trades
  python_client.py consume BROKERS TOPIC SETTINGS            reads and decodes the trades of the whole topic

SETTINGS: a JSON object. Prints what kafka_bench prints.
"""

import decimal
import io
import json
import pathlib
import struct
import sys
import time

import confluent_kafka
import fastavro

ROOT = pathlib.Path(__file__).resolve().parents[2]
CONTRACT = json.loads((ROOT / "schemas/stock_tick.avsc").read_text())
SCHEMA = fastavro.parse_schema(CONTRACT)
FRAME = struct.pack(">bI", 0, CONTRACT["finpipe.id"])
START_MS, LAG_MS, PER_MS, SPREAD = 1_764_167_400_000, 80, 5, 250
BATCH, MAX_PENDING = 1_000, 65_536


def trades(count):
    tape = []
    for line in (ROOT / "data/binance.tape").read_text().splitlines():
        frame = json.loads(line.partition(" ")[2], parse_float=decimal.Decimal)
        tape += [(trade["s"], *map(decimal.Decimal, (trade["p"], trade["v"]))) for trade in frame.get("data", ())]
    for number in range(count):
        symbol, price, volume = tape[number % len(tape)]
        event_time = START_MS + number // PER_MS
        received_at = (event_time + LAG_MS) * 1_000_000
        yield {"symbol": f"{symbol}{number % SPREAD}", "event_time": event_time, "seq": received_at + number % PER_MS,
               "price": price, "volume": volume, "conditions": None, "conditions_present": True,
               "received_at": received_at, "writer": "LIVE", "session": 1, "suspect": "NONE"}


def produce(settings, topic, count):
    records = list(trades(count))
    producer = confluent_kafka.Producer(settings | {"partitioner": "murmur2_random"})
    # finpipe's writer has begun a session by then, so every partition has taken a record.
    for partition in producer.list_topics(topic, 10).topics[topic].partitions:
        producer.produce(topic, b"", partition=partition)
    assert producer.flush(60) == 0
    size = 0
    begin, processor = time.monotonic(), time.process_time()
    for number, record in enumerate(records):
        value = io.BytesIO()
        value.write(FRAME)
        fastavro.schemaless_writer(value, SCHEMA, record)
        content = value.getvalue()
        producer.produce(topic, content, record["symbol"])
        size += len(content) + len(record["symbol"])
        if number % BATCH == 0:
            producer.poll(0)
            while len(producer) > MAX_PENDING:
                producer.poll(0.1)
    assert producer.flush(60) == 0
    told(count, begin, processor)
    print("bytes", size)


def consume(settings, topic):
    begin, processor = time.monotonic(), time.process_time()
    consumer = confluent_kafka.Consumer(settings | {"group.id": "unused"})
    partitions = consumer.list_topics(topic, 10).topics[topic].partitions
    consumer.assign([confluent_kafka.TopicPartition(topic, number, 0) for number in partitions])
    ended = records = count = 0
    while ended < len(partitions):
        for message in consumer.consume(BATCH, 1):
            if message.error():
                assert message.error().code() == confluent_kafka.KafkaError._PARTITION_EOF, message.error().str()
                ended += 1
                continue
            records += 1
            if message.key() is not None:
                fastavro.schemaless_reader(io.BytesIO(message.value()[len(FRAME):]), SCHEMA)
                count += 1
    told(records, begin, processor)
    print("trades", count)
    consumer.close()


def told(records, begin, processor):
    processor_s, elapsed_s = time.process_time() - processor, time.monotonic() - begin
    print(f"records {records}\nrecords_per_s {records / elapsed_s:.0f}")
    print(f"processor_us_per_record {processor_s * 1e6 / records:.4f}")


def main():
    what, brokers, topic, settings, *count = sys.argv[1:]
    settings = json.loads(settings) | {"bootstrap.servers": brokers}
    if what == "produce":
        produce(settings, topic, int(*count))
    else:
        consume(settings, topic)


main()
