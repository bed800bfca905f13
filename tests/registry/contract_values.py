"""Runs in an environment with fastavro: lines for `registry_peer values`, and what must come back.

  contract_values.py make SEED OUT     writes OUT/*.avsc (writers' schemas) and OUT/cases.json
  contract_values.py check OUT         compares OUT/answers.json with what fastavro makes of the same bytes

The writers of each record are: the schema of today; its archived versions, whose golden bytes are read and written
again too; an older one, without any field that has a
default; a newer one, with fields, symbols and branches more; one with its fields in another order.
"""

import copy
import datetime
import decimal
import io
import json
import pathlib
import random
import sys

import fastavro

SCHEMAS = pathlib.Path(__file__).resolve().parents[2] / "schemas"
RECORDS = ("stock_tick", "feed_status", "dead_letter", "stock_quote", "stock_bar")
VALUES = 200
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
decimal.getcontext().prec = 60


def load(path):
    return json.loads(path.read_text(encoding="utf-8"))


def older(schema):
    """Without what could have been added since."""
    made = copy.deepcopy(schema)
    made["fields"] = [field for field in made["fields"] if "default" not in field]
    return made


def newer(schema):
    """With a field of its own at the end and in the middle, and one more symbol and branch where there are such."""
    made = copy.deepcopy(schema)
    more = {"name": "More", "type": "record", "fields": [{"name": "list", "type": {"type": "map", "values": "double"}}]}
    made["fields"].append({"name": "added_at_end", "type": ["null", more], "default": None})
    made["fields"].insert(1, {"name": "added_between", "type": {"type": "array", "items": "float"}, "default": []})
    for field in made["fields"]:
        kind = field["type"]
        if isinstance(kind, dict) and kind.get("type") == "enum":
            kind["symbols"].append("ADDED")
        if isinstance(kind, list) and len(kind) > 2:
            kind.append({"type": "record", "name": "AddedBranch", "fields": []})
            for branch in kind[:-1]:
                branch["fields"].append({"name": "added", "type": "string", "default": ""})
    return made


def reordered(schema):
    made = copy.deepcopy(schema)
    # A type is defined where it is first met; only what defines none may move.
    plain = [field for field in made["fields"] if field["type"] in ("string", "long", "int", "boolean")]
    rest = [field for field in made["fields"] if field not in plain]
    made["fields"] = plain[::-1] + rest
    return made


def writers(record):
    today = load(SCHEMAS / f"{record}.avsc")
    found = {"today": today, "older": older(today), "newer": newer(today), "reordered": reordered(today)}
    archive = sorted((SCHEMAS / "released").glob(f"{record}-*.avsc"))
    return found | {path.stem: load(path) for path in archive}


class Values:
    """Random values of a parsed schema; nothing that only a newer writer has a word for, unless `foreign`."""

    def __init__(self, seed, schema, foreign):
        self.random = random.Random(seed)
        self.foreign = foreign
        self.named = {}
        self.learn(schema)

    def learn(self, node):
        if isinstance(node, dict) and "name" in node and node.get("type") in ("record", "enum", "fixed"):
            self.named[node["name"]] = node
        for inner in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
            self.learn(inner)

    def make(self, schema):
        if isinstance(schema, str) and schema in self.named:
            return self.make(self.named[schema])
        if isinstance(schema, list):
            return self.branch(schema)
        kind = schema["type"] if isinstance(schema, dict) else schema
        if isinstance(schema, dict) and schema.get("logicalType") == "decimal":
            return self.number(schema["precision"], schema["scale"])
        if isinstance(schema, dict) and schema.get("logicalType") == "timestamp-millis":
            return EPOCH + datetime.timedelta(milliseconds=self.random.randrange(-(10**12), 10**13))
        return getattr(self, kind)(schema)

    def number(self, precision, scale):
        limit = 2**63 if precision <= 19 else 10**precision
        digits = self.random.choice([self.random.randrange(-limit, limit), self.random.randrange(-1000, 1000), 0])
        # fastavro writes the lowest number of each length with a byte too many.
        digits += digits < 0 and (-digits & (-digits - 1)) == 0
        return decimal.Decimal(digits).scaleb(-scale)

    def branch(self, branches):
        chosen = self.random.randrange(len(branches))
        branch = branches[chosen]
        if not self.foreign and isinstance(branch, dict) and branch.get("name", "").endswith("AddedBranch"):
            branch = branches[0]
        value = self.make(branch)
        return (branch["name"], value) if isinstance(branch, dict) and branch["type"] == "record" else value

    def record(self, schema):
        return {field["name"]: self.make(field["type"]) for field in schema["fields"]}

    def enum(self, schema):
        return self.random.choice([symbol for symbol in schema["symbols"] if self.foreign or symbol != "ADDED"])

    def fixed(self, schema):
        return self.random.randbytes(schema["size"])

    def array(self, schema):
        return [self.make(schema["items"]) for _ in range(self.random.choice([0, 1, 2, 40]))]

    def map(self, schema):
        return {self.string(None): self.make(schema["values"]) for _ in range(self.random.randrange(3))}

    def null(self, _):
        return None

    def boolean(self, _):
        return self.random.random() < 0.5

    def int(self, _):
        return self.random.randrange(-(2**31), 2**31)

    def long(self, _):
        return self.random.randrange(-(2**63), 2**63) >> self.random.randrange(64)

    def float(self, _):
        return 0.5

    def double(self, _):
        return self.random.random()

    def bytes(self, _):
        return self.random.randbytes(self.random.randrange(40))

    def string(self, _):
        return "".join(self.random.choice("aB:€😀 ") for _ in range(self.random.randrange(20)))


def golden(writer, parsed):
    """The golden bytes of an archived schema, which fastavro must write as they are."""
    path = SCHEMAS / "released" / f"{writer}.golden"
    for text in path.read_text(encoding="ascii").split() if path.exists() else ():
        again = io.BytesIO()
        fastavro.schemaless_writer(again, parsed, read(text, parsed, parsed), strict=True)
        assert again.getvalue().hex() == text, f"{path.name}: {text}"
        yield text


def make(seed, out):
    cases = []
    for record in RECORDS:
        for writer, schema in writers(record).items():
            path = out / f"{record}-{writer}.avsc"
            path.write_text(json.dumps(schema), encoding="utf-8")
            parsed = fastavro.parse_schema(schema)
            case = {"record": record, "writer": writer, "foreign": False, "schema": str(path)}
            cases.extend(case | {"hex": text} for text in golden(writer, parsed))
            for foreign in (False, True) if writer == "newer" else (False,):
                values = Values(f"{seed} {record} {writer} {foreign}", parsed, foreign)
                for _ in range(VALUES):
                    bytes_ = io.BytesIO()
                    fastavro.schemaless_writer(bytes_, parsed, values.make(parsed), strict=True)
                    case = {"record": record, "writer": writer, "foreign": foreign, "schema": str(path)}
                    cases.append(case | {"hex": bytes_.getvalue().hex()})
    (out / "cases.json").write_text(json.dumps(cases), encoding="utf-8")


def check(out):
    cases, answers = load(out / "cases.json"), load(out / "answers.json")
    assert len(cases) == len(answers)
    refused = 0
    for case, answer in zip(cases, answers):
        where = f"{case['record']} {case['writer']} {case['hex']}: {answer}"
        writer = fastavro.parse_schema(load(pathlib.Path(case["schema"])))
        reader = fastavro.parse_schema(load(SCHEMAS / f"{case['record']}.avsc"))
        if answer.startswith("error"):
            assert case["foreign"] and answer.startswith("error incompatible_schema"), where
            refused += 1
            continue
        if case["writer"] == "today":
            assert case["hex"] == answer, where
        theirs = read(case["hex"], writer, reader)
        assert theirs == read(answer, reader, reader), f"{where}\n{theirs}"
    assert 0 < refused < VALUES * len(RECORDS), refused
    print(f"{len(cases)} values, of which {refused} have no place in our schemas")


def read(text, writer, reader):
    bytes_ = io.BytesIO(bytes.fromhex(text))
    value = fastavro.schemaless_reader(bytes_, writer, reader, return_record_name=True)
    assert not bytes_.read(1)
    return value


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(sys.argv[2], pathlib.Path(sys.argv[3]))
    else:
        check(pathlib.Path(sys.argv[2]))
