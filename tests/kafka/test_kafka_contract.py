"""Programs that we did not write and the log on Kafka: confluent-kafka with fastavro, kcat and Java's client read what
finpipe writes, and finpipe reads what they write, however wrong. Runs in the environment of the Python tools."""

import base64
import collections
import csv
import decimal
import hashlib
import io
import os
import pathlib
import tempfile
import unittest

import pipeline
from pipeline import PROGRAM, ROOT, TAPE, Kafka, output_of

pipeline.use_python_tools()

import confluent_kafka  # noqa: E402
import fastavro  # noqa: E402

csv.field_size_limit(10_000_000)
KEPT = 4 << 20  # bytes of a record in a dead letter
BITCOIN = "BINANCE:BTCUSDT"
SYMBOLS = 10_000
SCHEMAS = {name: fastavro.schema.load_schema(ROOT / f"schemas/{name}.avsc", _write_hint=False)
           for name in ("stock_tick", "feed_status", "stock_quote", "dead_letter")}
BY_ID = {schema["finpipe.id"]: schema for schema in SCHEMAS.values()}


def setUpModule():
    global work, kafka
    directory = tempfile.TemporaryDirectory(prefix="finpipe-kafka-")
    unittest.addModuleCleanup(directory.cleanup)
    work = pathlib.Path(directory.name)
    kafka = Kafka(work / "kafka").start()
    unittest.addModuleCleanup(kafka.stop)


# ---- The others ------------------------------------------------------------------------------------------------------


def read_topic(topic):
    """Every message that is there now, partition after partition."""
    consumer = confluent_kafka.Consumer({"bootstrap.servers": kafka.contact_points(), "group.id": "contract",
                                         "enable.auto.commit": False, "enable.partition.eof": True})
    partitions = consumer.list_topics(topic, 30).topics[topic].partitions
    consumer.assign([confluent_kafka.TopicPartition(topic, number, 0) for number in partitions])
    messages, open_partitions = [], set(partitions)
    while open_partitions:
        for message in consumer.consume(10_000, 1):
            if message.error() is None:
                messages.append(message)
            elif message.error().code() == confluent_kafka.KafkaError._PARTITION_EOF:
                open_partitions.discard(message.partition())
            else:
                raise AssertionError(message.error())
    consumer.close()
    return sorted(messages, key=lambda message: (message.partition(), message.offset()))


def decode(value):
    """(name of the record, record) of bytes in Confluent's format, with the ids of schemas/README.md."""
    assert value[0] == 0
    schema = BY_ID[int.from_bytes(value[1:5], "big")]
    rest = io.BytesIO(value[5:])
    record = fastavro.schemaless_reader(rest, schema, return_record_name=True)
    assert not rest.read(1)
    return schema["name"], record


def encode(name, record):
    out = io.BytesIO()
    fastavro.schemaless_writer(out, SCHEMAS[name], record, strict=True)
    return b"\0" + SCHEMAS[name]["finpipe.id"].to_bytes(4, "big") + out.getvalue()


class Writer:
    """confluent-kafka's producer."""

    def __init__(self, topic):
        self.topic = topic
        self.refusals = []
        self.producer = confluent_kafka.Producer({"bootstrap.servers": kafka.contact_points(),
                                                  "message.max.bytes": 20_000_000, "log_level": 0})

    def write(self, partition, key, value):
        self.producer.produce(self.topic, value, key, partition, on_delivery=self.delivered)
        assert self.producer.flush(30) == 0

    def delivered(self, error, _):
        if error is not None:
            self.refusals.append(error.code())


# ---- Tests -----------------------------------------------------------------------------------------------------------


def new_log(name, partitions):
    parts = ["--log", f"kafka://{kafka.contact_points()}/{name}", "--store", f"embedded:{work}/{name}"]
    output_of(PROGRAM, "check", "--create", *parts, "--partitions", partitions, "--feed", f"tape:{TAPE}")
    return parts


def play(parts, tape=TAPE):
    return output_of(PROGRAM, "run", "--feed", f"tape:{tape}", "--exit-at-end", "--listen", "none", *parts).decode()


def export(what, parts):
    return list(csv.DictReader(io.StringIO(output_of(PROGRAM, "export", what, *parts).decode())))


def digest(raw):
    return f"{len(raw)} bytes, {hashlib.sha256(raw).hexdigest()}"


class OthersRead(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.parts = new_log("theirs", 2)
        play(cls.parts)
        cls.messages = read_topic("theirs.ticks")

    def test_trades_are_those_of_the_export(self):
        found = []
        for message in self.messages:
            if message.key() is None:
                continue
            name, trade = decode(message.value())
            self.assertEqual(name, "io.finpipe.StockTick")
            self.assertEqual(message.key().decode(), trade["symbol"])
            self.assertIsNone(message.headers())  # the key says it
            found.append((trade["symbol"], f"{trade['event_time']:%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z", trade["seq"],
                          trade["price"], trade["volume"], trade["writer"].lower()))
        expected = [(row["symbol"], row["event_time"], int(row["seq"]), decimal.Decimal(row["price"]),
                     decimal.Decimal(row["volume"]), row["writer"]) for row in export("trades", self.parts)]
        self.assertEqual(len(found), 34_419)
        self.assertTrue(sorted(found) == sorted(expected), "other trades than the export has")

    def test_control_records_have_no_key_and_are_in_every_partition(self):
        kinds = collections.defaultdict(collections.Counter)
        for message in self.messages:
            if message.key() is not None:
                continue
            name, control = decode(message.value())
            self.assertEqual(name, "io.finpipe.FeedStatus")
            self.assertEqual(message.headers(), [("type", b"control")])
            kinds[message.partition()][control["body"][0]] += 1
        self.assertEqual(set(kinds), {0, 1})
        self.assertEqual(kinds[0], kinds[1])
        self.assertIn("io.finpipe.SessionStarted", kinds[0])

    def test_kcat_sees_keys_headers_and_partitions(self):
        command = ["kcat", "-C", "-q", "-e", "-o", "beginning", "-b", kafka.contact_points(), "-t", "theirs.ticks"]
        lines = output_of(*command, "-f", "%p %o %k %h\n").decode().splitlines()
        mine = [f"{one.partition()} {one.offset()} {one.key().decode()} " if one.key() else
                f"{one.partition()} {one.offset()}  type=control" for one in self.messages]
        self.assertTrue(sorted(lines) == sorted(mine), "other records than confluent-kafka sees")


class Partitions(unittest.TestCase):
    def test_javas_client_puts_10000_symbols_where_we_do(self):
        forms = ("BINANCE:{}USDT", "{}", "OANDA:{}_USD", "X{}.TO", "^{}", "COINBASE:{}-EUR")
        symbols = [forms[number % len(forms)].format(number) for number in range(SYMBOLS)]
        tape = work / "symbols.tape"
        with tape.open("w", encoding="utf-8") as out:
            for number, symbol in enumerate(symbols):
                at = 1_723_161_255_000 + number
                out.write(f'{at}000000 {{"data":[{{"c":null,"p":1,"s":"{symbol}","t":{at},"v":1}}],"type":"trade"}}\n')
        parts = new_log("hashed", 7)
        output_of(PROGRAM, "ingest", "--feed", f"tape:{tape}", "--listen", "none", *parts[:2])
        ours = {one.key(): one.partition() for one in read_topic("hashed.ticks") if one.key() is not None}
        self.assertEqual(len(ours), SYMBOLS)
        kafka.create_topic("java", 7)
        kafka.produce("java", [(symbol, "") for symbol in symbols])
        theirs = {one.key(): one.partition() for one in read_topic("java")}
        self.assertEqual(len(theirs), SYMBOLS)
        self.assertEqual(len(set(theirs.values())), 7)
        self.assertTrue(ours == theirs, "Java's client chooses other partitions")


class OthersWrite(unittest.TestCase):
    """Into the partition of Bitcoin: a session of their own, with trades among what is wrong."""

    @classmethod
    def setUpClass(cls):
        cls.parts = new_log("ours", 2)
        play(cls.parts)
        cls.messages = read_topic("ours.ticks")
        cls.home = next(one.partition() for one in cls.messages if one.key() == BITCOIN.encode())
        cls.writer = Writer("ours.ticks")

    maxDiff = None

    def setUp(self):
        self.bad = []  # (reason, bytes)
        self.bad_trades = 0  # of those; what has no key is taken for a control record
        self.good = []  # seq

    def put_session(self):
        """As an ingest begins one."""
        controls = [decode(one.value())[1] for one in self.messages if one.key() is None]
        trades = [decode(one.value())[1] for one in self.messages if one.key() is not None]
        sessions = [one for one in controls
                    if one["body"][0] == "io.finpipe.SessionStarted" and one["writer"] == "LIVE"]
        old = max(sessions, key=lambda one: one["session"])
        self.stamp = max(one["stamp"] for one in controls) + 1
        self.last = max(trades, key=lambda one: one["seq"])
        self.session = old["session"] + 1
        started = dict(old["body"][1], id=self.session, start=self.stamp)
        self.control = dict(old, stamp=self.stamp, session=self.session, body=("io.finpipe.SessionStarted", started))
        for partition in (0, 1):
            self.writer.write(partition, None, encode("feed_status", self.control))

    def trade(self, **other):
        self.stamp += 1_000_000
        return dict(self.last, symbol=BITCOIN, session=self.session, seq=self.stamp, received_at=self.stamp,
                    price=decimal.Decimal("61600.5"), **other)

    def put_good(self):
        trade = self.trade()
        self.writer.write(self.home, BITCOIN, encode("stock_tick", trade))
        self.good.append(str(trade["seq"]))

    def put_bad(self, reason, value, key=BITCOIN, partition=None):
        """Between good ones."""
        self.writer.write(self.home if partition is None else partition, key, value)
        self.bad.append((reason, digest((value or b"")[:KEPT])))
        self.bad_trades += key is not None
        self.put_good()

    def test_what_is_good_is_stored_and_the_rest_becomes_dead_letters(self):
        self.put_session()
        self.put_good()
        whole = encode("stock_tick", self.trade())
        self.put_bad("avro_malformed", b"\x01" + whole[1:])
        self.put_bad("avro_malformed", whole[:-3])
        self.put_bad("avro_malformed", whole + b"more")
        self.put_bad("avro_malformed", b"")
        self.put_bad("avro_malformed", None)
        self.put_bad("avro_malformed", None, key=None)
        self.put_bad("avro_malformed", b'{"somebody": "else"}', key=None)
        self.put_bad("avro_malformed", os.urandom(4_000_000))
        self.put_bad("unknown_schema_id", b"\0" + (999).to_bytes(4, "big") + whole[5:])
        self.put_bad("key_mismatch", encode("stock_tick", self.trade()), key="BINANCE:ETHUSDT")
        self.put_bad("key_mismatch", encode("stock_tick", self.trade()), key="")
        self.put_bad("wrong_partition", encode("stock_tick", self.trade()), partition=1 - self.home)
        self.put_bad("old_session", encode("stock_tick", dict(self.trade(), session=self.session - 1)))
        of_another = dict(self.control["body"][1], log_id=bytes(16))
        self.put_bad("log_ids_differ", encode("feed_status", dict(
            self.control, body=("io.finpipe.SessionStarted", of_another))), key=None)
        self.put_bad("unknown_schema_id", encode("stock_quote", {
            "bid": None, "bid_size": None, "ask": None, "ask_size": None,
            **{name: self.last[name] for name in ("symbol", "event_time", "seq", "received_at", "writer", "session")}}))
        self.writer.write(self.home, BITCOIN, os.urandom(5_000_000))
        self.assertEqual(self.writer.refusals, [confluent_kafka.KafkaError.MSG_SIZE_TOO_LARGE])
        kafka.tool("configs", "--alter", "--entity-type", "topics", "--entity-name", self.writer.topic, "--add-config",
                   "max.message.bytes=12000000")
        self.put_bad("avro_malformed", os.urandom(10_000_000))

        played = play(self.parts)
        self.assertIn("34,419 already in the log", played)
        self.assertIn(f"stored  {len(self.good)} trades, {self.bad_trades} dead-lettered after the log", played)
        stored = {row["seq"] for row in export("trades", self.parts)}
        self.assertEqual(len(stored), 34_419 + len(self.good))
        self.assertLessEqual(set(self.good), stored)
        letters = [(row["reason"], digest(base64.b64decode(row["raw_base64"])))
                   for row in export("dead-letters", self.parts)]
        self.assertEqual(sorted(letters), sorted(self.bad))
        self.assertEqual(sorted(self.letters_in_topic()), sorted(self.bad))
        output_of(PROGRAM, "verify", *self.parts)

    def letters_in_topic(self):
        """As others read them; each tells the place of the record that it is of."""
        records = {(one.partition(), one.offset()): one.value() or b"" for one in read_topic("ours.ticks")}
        for message in read_topic("ours.dead-letters"):
            name, letter = decode(message.value())
            self.assertEqual(name, "io.finpipe.DeadLetter")
            self.assertEqual(message.key().decode(), letter["id"])
            self.assertEqual(message.headers(), [("reason", letter["reason"].encode())])
            self.assertEqual(letter["stage"], "PROCESS")
            self.assertTrue(letter["raw"] == records[letter["partition"], letter["offset"]][:KEPT], "of another record")
            yield letter["reason"], digest(letter["raw"])


if __name__ == "__main__":
    unittest.main()
