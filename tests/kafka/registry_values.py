"""Runs in an environment with a Kafka client and fastavro: reads a topic as any program with a schema registry does.

  registry_values.py BROKERS TOPIC REGISTRY     prints "<schema id> <record's name> <number of values>" for each schema
"""

import collections
import io
import json
import struct
import sys
import urllib.request

import confluent_kafka
import fastavro


def schemas_of(registry):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    class Schemas(dict):
        def __missing__(self, number):
            with opener.open(f"{registry}/schemas/ids/{number}", timeout=20) as answer:
                self[number] = fastavro.parse_schema(json.loads(json.load(answer)["schema"]))
            return self[number]

    return Schemas()


def main(brokers, topic, registry):
    consumer = confluent_kafka.Consumer({
        "bootstrap.servers": brokers, "group.id": "registry-values", "enable.auto.commit": False,
        "enable.partition.eof": True,
    })
    partitions = consumer.list_topics(topic, 10).topics[topic].partitions
    consumer.assign([confluent_kafka.TopicPartition(topic, number, confluent_kafka.OFFSET_BEGINNING)
                     for number in partitions])
    schemas, counts, at_end = schemas_of(registry), collections.Counter(), set()
    while len(at_end) < len(partitions):
        message = consumer.poll(1)
        if message is None:
            continue
        if message.error():
            assert message.error().code() == confluent_kafka.KafkaError._PARTITION_EOF, message.error().str()
            at_end.add(message.partition())
            continue
        magic, number = struct.unpack(">bI", message.value()[:5])
        assert magic == 0
        payload = io.BytesIO(message.value()[5:])
        fastavro.schemaless_reader(payload, schemas[number])
        assert not payload.read(1)
        counts[number, schemas[number]["name"]] += 1
    consumer.close()
    for (number, name), count in sorted(counts.items()):
        print(number, name, count)


main(*sys.argv[1:])
