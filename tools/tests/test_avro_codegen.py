"""The code generator refuses what it cannot turn into code, and says where; what it accepts has the right shape."""

import contextlib
import io
import json
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
import avro_codegen  # noqa: E402
import avro_schema  # noqa: E402

DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 19, "scale": 9}


def field(kind, name="value", **more):
    return {"name": name, "type": kind, "doc": "A field."} | more


def record(*fields, name="Thing", **more):
    return {"type": "record", "name": name, "namespace": "test", "doc": "A record.", "fields": list(fields)} | more


def inner(*fields, name="Inner"):
    return {"type": "record", "name": name, "doc": "A record inside.", "fields": list(fields)}


def enum(*symbols, name="Mood"):
    return {"type": "enum", "name": name, "doc": "An enum.", "symbols": list(symbols)}


def generate(**schemas):
    """The headers made from schemas given as name=JSON value or text."""
    with tempfile.TemporaryDirectory() as directory:
        paths = []
        for name, schema in schemas.items():
            path = Path(directory) / f"{name}.avsc"
            path.write_text(schema if isinstance(schema, str) else json.dumps(schema), encoding="utf-8")
            paths.append(path)
        return avro_codegen.generate(paths)


class Refusals(unittest.TestCase):
    def assert_refused(self, message, **schemas):
        with self.assertRaises(avro_schema.SchemaError) as caught:
            generate(**schemas)
        self.assertIn(message, str(caught.exception))

    def assert_field_refused(self, message, kind, **more):
        self.assert_refused(f"thing.avsc: Thing.value: {message}", thing=record(field(kind, **more)))

    def test_text_that_is_no_json(self):
        self.assert_refused("thing.avsc: cannot be read: Expecting", thing="{")

    def test_outermost_type_that_is_no_record(self):
        for schema in ("long", ["null"], enum("A")):
            self.assert_refused("thing.avsc: the outermost type must be a record", thing=json.dumps(schema))

    def test_unsupported_types(self):
        for kind in ("float", "double", "null", "strnig", "Later"):
            self.assert_field_refused(f'"{kind}" is neither a supported type nor defined', kind)
        self.assert_field_refused("attribute \"values\" is not supported", {"type": "map", "values": "long"})
        self.assert_field_refused("7 is no schema", 7)

    def test_recursion(self):
        self.assert_field_refused("test.Thing contains itself", ["null", "Thing"])
        self.assert_refused("test.Thing contains itself", thing=record(field({"type": "array", "items": "test.Thing"})))

    def test_unions_without_a_form_in_code(self):
        for union in ([], ["null"], ["long"], ["long", "string"], ["null", "long", "string"]):
            self.assert_field_refused("a union must be of null and one other type, or of records only", union)
        self.assert_field_refused("a union has a record twice", [inner(), "Inner"])

    def test_arrays_whose_count_could_not_be_checked(self):
        self.assert_field_refused("items that take no bytes", {"type": "array", "items": inner()})

    def test_arrays_of_boolean(self):
        self.assert_field_refused("arrays of boolean", {"type": "array", "items": "boolean"})

    def test_decimals_out_of_range(self):
        self.assert_field_refused("decimal(39, 0)", DECIMAL | {"precision": 39, "scale": 0})
        self.assert_field_refused("decimal(5, 6)", DECIMAL | {"precision": 5, "scale": 6})
        self.assert_field_refused('attribute "scale" is missing', {k: v for k, v in DECIMAL.items() if k != "scale"})

    def test_logical_types_without_a_form_in_code(self):
        self.assert_field_refused('logical type "uuid" on "string"', {"type": "string", "logicalType": "uuid"})
        self.assert_field_refused('logical type "decimal" on "long"', DECIMAL | {"type": "long"})

    def test_missing_docs(self):
        self.assert_refused('Thing.value: attribute "doc" is missing', thing=record({"name": "value", "type": "int"}))
        self.assert_refused('Thing: attribute "doc" is empty', thing=record(doc=" "))
        self.assert_field_refused('attribute "doc" is missing', {"type": "fixed", "name": "Id", "size": 16})

    def test_attributes_that_would_be_ignored(self):
        self.assert_field_refused('attribute "defualt" is not supported here', "int", defualt=0)
        self.assert_field_refused('attribute "aliases" is not supported here', enum("A") | {"aliases": ["B"]})

    def test_names(self):
        self.assert_refused('"two words" is no Avro name', thing=record(field("int", name="two words")))
        self.assert_refused("new is a reserved word of C++", thing=record(field("int", name="new")))
        self.assert_refused("the record has this field twice", thing=record(field("int"), field("long")))
        twice = record(field(enum("A")), field(enum("B"), name="other"))
        self.assert_refused("test.Mood is defined twice", thing=twice)
        self.assert_refused('"" is no namespace', thing=record(namespace=""))

    def test_enums(self):
        self.assert_field_refused('symbol "Sunny" is not in UPPER_CASE', enum("Sunny"))
        self.assert_field_refused("an enum must have symbols, all different", enum("A_B", "A__B"))
        self.assert_field_refused("an enum must have symbols", enum())

    def test_defaults_that_do_not_fit(self):
        for kind, default in (
            ("int", 2**31), ("int", True), ("int", "1"), ("long", 1.5), ("boolean", 1), ("string", None),
            ("string", 3), (enum("A"), "B"), ({"type": "array", "items": "int"}, [1]), (DECIMAL, "\u0001"),
        ):  # fmt: skip
            self.assert_field_refused(f"default {json.dumps(default)} does not fit", kind, default=default)
        self.assert_field_refused("the default of a union must be of its first type", ["null", "int"], default=1)

    def test_errors_inside_nested_records_name_the_path(self):
        self.assert_refused(
            "thing.avsc: Thing.value/Inner.deep: ", thing=record(field(inner(field("float", name="deep"))))
        )

    def test_schema_ids(self):
        for bad in (0, -1, "1", True, 2**31):
            self.assert_refused("finpipe.id must be a positive int", thing=record(**{"finpipe.id": bad}))
        self.assert_refused("on the outermost record", thing=record(field(inner() | {"finpipe.id": 4})))
        self.assert_refused(
            "b.avsc: finpipe.id 4 is taken by a.avsc",
            a=record(name="A", **{"finpipe.id": 4}),
            b=record(name="B", **{"finpipe.id": 4}),
        )

    def test_schemas_that_contradict_each_other(self):
        self.assert_refused(
            "b.avsc: test.Mood differs from its definition in a.avsc",
            a=record(field(enum("A")), name="A"),
            b=record(field(enum("A", "B")), name="B"),
        )
        self.assert_refused(
            "b.avsc: other.Mood and test.Mood would be one type in C++",
            a=record(field(enum("A")), name="A"),
            b=record(field(enum("A")), name="B", namespace="other"),
        )
        self.assert_refused("b.avsc: test.Thing is the outermost record of", a=record(), b=record())


class Fingerprints(unittest.TestCase):
    def test_are_those_of_the_avro_specification(self):
        # From share/test/data/schema-tests.txt of Apache Avro.
        self.assertEqual(avro_schema.rabin_fingerprint('"null"'), 7195948357588979594)
        self.assertEqual(avro_schema.rabin_fingerprint('"int"'), 8247732601305521295)

    def test_depend_on_the_wire_format_only(self):
        def fingerprint(schema):
            kind = avro_schema.Parser().parse(schema, "thing.avsc")
            return avro_schema.rabin_fingerprint(avro_schema.canonical_text(kind))

        plain = record(field("long"))
        self.assertEqual(fingerprint(plain), fingerprint(record(field("long", doc="Said otherwise.", default=4))))
        self.assertEqual(fingerprint(plain), fingerprint(record(field({"type": "long"}))))
        self.assertNotEqual(fingerprint(plain), fingerprint(record(field("int"))))
        self.assertNotEqual(fingerprint(plain), fingerprint(record(field("long", name="other"))))


class CanonicalForm(unittest.TestCase):
    def test_spells_a_type_out_once(self):
        kind = avro_schema.Parser().parse(
            record(field(enum("A")), field(["null", "Mood"], name="other"), field(DECIMAL, name="price")), "thing.avsc"
        )
        self.assertEqual(
            avro_schema.canonical_text(kind),
            '{"name":"test.Thing","type":"record","fields":['
            '{"name":"value","type":{"name":"test.Mood","type":"enum","symbols":["A"]}},'
            '{"name":"other","type":["null","test.Mood"]},'
            '{"name":"price","type":"bytes"}]}',
        )


class Headers(unittest.TestCase):
    def member(self, kind, **more):
        lines = generate(thing=record(field(kind, **more)))["thing_avro.h"].splitlines()
        return next(line.strip() for line in lines if " value{" in line)

    def test_members_have_the_documented_types_and_defaults(self):
        self.assertEqual(self.member("string"), "std::string_view value{};")
        self.assertEqual(self.member("int", default=-3), "std::int32_t value{-3};")
        self.assertEqual(self.member("boolean", default=True), "bool value{true};")
        self.assertEqual(self.member({"type": "long", "logicalType": "timestamp-millis"}), "std::int64_t value{};")
        self.assertEqual(self.member(DECIMAL), "std::int64_t value{};")
        self.assertEqual(self.member(DECIMAL | {"precision": 20}), "int128 value{};")
        self.assertEqual(self.member({"type": "array", "items": "long"}), "std::vector<std::int64_t> value{};")
        self.assertEqual(self.member(["null", "long"], default=None), "std::optional<std::int64_t> value{};")
        self.assertEqual(self.member(enum("A_WORD", "B")), "Mood value{Mood::kAWord};")
        self.assertEqual(self.member(enum("A_WORD", "B"), default="B"), "Mood value{Mood::kB};")
        self.assertEqual(self.member([inner(), inner(name="Other")]), "std::variant<Inner, Other> value{};")

    def test_types_of_several_schemas_go_to_the_shared_header(self):
        headers = generate(a=record(field(enum("A")), name="A"), b=record(field(enum("A")), name="B"))
        self.assertEqual(sorted(headers), ["a_avro.h", "b_avro.h", "shared_avro.h"])
        self.assertIn("enum class Mood", headers["shared_avro.h"])
        for name in ("a_avro.h", "b_avro.h"):
            self.assertNotIn("enum class Mood", headers[name])
            self.assertIn('#include "codec/shared_avro.h"', headers[name])

    def test_the_registered_schema_is_the_file(self):
        schema = record(field("long", default=1), **{"finpipe.id": 9})
        text = generate(thing=schema)["thing_avro.h"]
        embedded = text.split('kSchema = R"avro(')[1].split(')avro"')[0]
        self.assertEqual(json.loads(embedded), schema)
        self.assertIn("kSchemaId = 9;", text)


class CommandLine(unittest.TestCase):
    def test_writes_headers_or_names_the_error(self):
        with tempfile.TemporaryDirectory() as directory:
            schema, output = Path(directory) / "thing.avsc", Path(directory) / "deep" / "out"
            schema.write_text(json.dumps(record(field("long"))), encoding="utf-8")
            self.assertEqual(avro_codegen.main(["--output", str(output), str(schema)]), 0)
            self.assertIn("struct Thing {", (output / "thing_avro.h").read_text(encoding="utf-8"))

            schema.write_text(json.dumps(record(field("float"))), encoding="utf-8")
            errors = io.StringIO()
            with contextlib.redirect_stderr(errors):
                self.assertEqual(avro_codegen.main(["--output", str(output), str(schema)]), 1)
            self.assertTrue(errors.getvalue().startswith("avro_codegen: thing.avsc: Thing.value: "))


if __name__ == "__main__":
    unittest.main()
