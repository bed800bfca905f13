"""Avro schemas as a model: reads .avsc files, checks them, and knows their canonical text and fingerprint.

Supported are the Avro types that the project uses; everything else, and every attribute that would be ignored, is
refused with the place where it stands. Each record, field, enum and fixed must have a doc.
"""

import json
import re
from dataclasses import dataclass

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
RESERVED = frozenset(
    "alignas alignof and and_eq asm auto bitand bitor bool break case catch char char16_t char32_t char8_t class "
    "co_await co_return co_yield compl concept const const_cast consteval constexpr constinit continue decltype "
    "default delete do double dynamic_cast else enum explicit export extern false float for friend goto if inline int "
    "long mutable namespace new noexcept not not_eq nullptr operator or or_eq private protected public register "
    "reinterpret_cast requires return short signed sizeof static static_assert static_cast struct switch template "
    "this thread_local throw true try typedef typeid typename union unsigned using virtual void volatile wchar_t "
    "while xor xor_eq".split()
)
# Avro type: (C++ type, codec)
PRIMITIVES = {
    "boolean": ("bool", "BooleanCodec"),
    "int": ("std::int32_t", "IntCodec"),
    "long": ("std::int64_t", "LongCodec"),
    "bytes": ("std::string_view", "TextCodec"),
    "string": ("std::string_view", "TextCodec"),
}
RANGES = {"int": 31, "long": 63}


class SchemaError(Exception):
    """A schema that cannot be turned into code; the text says where and why."""


def refuse(where, why):
    raise SchemaError(f"{where}: {why}")


# Every type has: cpp (its C++ type), codec, canonical (Parsing Canonical Form as a JSON value), empty (whether a value
# may take no byte at all) and parts (the types that it is made of).


@dataclass(frozen=True)
class Primitive:
    canonical: str
    parts = ()
    empty = False

    @property
    def cpp(self):
        return PRIMITIVES[self.canonical][0]

    @property
    def codec(self):
        return PRIMITIVES[self.canonical][1]


@dataclass(frozen=True)
class Decimal:
    precision: int
    scale: int
    canonical = "bytes"
    parts = ()
    empty = False

    @property
    def cpp(self):
        return "std::int64_t" if self.precision <= 19 else "int128"

    @property
    def codec(self):
        return f"DecimalCodec<{self.cpp}>"


@dataclass(frozen=True)
class Array:
    item: object
    empty = False

    @property
    def parts(self):
        return (self.item,)

    @property
    def canonical(self):
        return {"type": "array", "items": self.item.canonical}

    @property
    def cpp(self):
        return f"std::vector<{self.item.cpp}>"

    @property
    def codec(self):
        return f"ArrayCodec<{self.item.codec}>"


@dataclass(frozen=True)
class Nullable:
    item: object
    null_index: int
    empty = False

    @property
    def parts(self):
        return (self.item,)

    @property
    def canonical(self):
        branches = [self.item.canonical]
        branches.insert(self.null_index, "null")
        return branches

    @property
    def cpp(self):
        return f"std::optional<{self.item.cpp}>"

    @property
    def codec(self):
        return f"NullableCodec<{self.item.codec}, {self.null_index}>"


@dataclass(frozen=True)
class Choice:
    parts: tuple
    empty = False

    @property
    def canonical(self):
        return [record.canonical for record in self.parts]

    @property
    def cpp(self):
        return f"std::variant<{', '.join(record.cpp for record in self.parts)}>"

    @property
    def codec(self):
        return f"UnionCodec<{', '.join(record.codec for record in self.parts)}>"


@dataclass(frozen=True)
class Named:
    namespace: str
    name: str
    doc: str
    parts = ()
    empty = False

    @property
    def full_name(self):
        return f"{self.namespace}.{self.name}"

    @property
    def cpp(self):
        return self.name

    @property
    def codec(self):
        return f"{self.name}Codec"


@dataclass(frozen=True)
class Enum(Named):
    symbols: tuple

    @property
    def canonical(self):
        return {"name": self.full_name, "type": "enum", "symbols": list(self.symbols)}


@dataclass(frozen=True)
class Fixed(Named):
    size: int

    @property
    def canonical(self):
        return {"name": self.full_name, "type": "fixed", "size": self.size}


@dataclass(frozen=True)
class Field:
    name: str
    type: object
    doc: str
    initializer: str


@dataclass(frozen=True)
class Record(Named):
    fields: tuple
    schema_id: int | None

    @property
    def parts(self):
        return tuple(field.type for field in self.fields)

    @property
    def empty(self):
        return all(field.type.empty for field in self.fields)

    @property
    def canonical(self):
        fields = [{"name": field.name, "type": field.type.canonical} for field in self.fields]
        return {"name": self.full_name, "type": "record", "fields": fields}


class Parser:
    """Reads one schema; names that it has defined may be referred to further on."""

    def __init__(self):
        self.named = {}
        self.open = []

    def parse(self, schema, where, namespace=""):
        if isinstance(schema, str):
            return self.parse_name(schema, where, namespace)
        if isinstance(schema, list):
            return self.parse_union(schema, where, namespace)
        if not isinstance(schema, dict):
            refuse(where, f"{json.dumps(schema)} is no schema")
        kind = schema.get("type")
        if kind in ("record", "enum", "fixed"):
            return self.parse_named(kind, schema, where, namespace)
        if kind == "array":
            only(schema, {"type", "items"}, where)
            item = self.parse(required(schema, "items", object, where), f"{where}[]", namespace)
            if item.empty:
                refuse(where, "items that take no bytes are not supported: their count could not be checked")
            if item == Primitive("boolean"):
                refuse(where, "arrays of boolean are not supported: std::vector<bool> has no elements to read into")
            return Array(item)
        if "logicalType" in schema:
            return self.parse_logical(schema, where)
        only(schema, {"type"}, where)
        return self.parse(required(schema, "type", object, where), where, namespace)

    def parse_name(self, name, where, namespace):
        if name in PRIMITIVES:
            return Primitive(name)
        full_name = name if "." in name else f"{namespace}.{name}"
        if full_name in self.open:
            refuse(where, f"{full_name} contains itself; recursive types are not supported")
        if full_name not in self.named:
            refuse(where, f"{json.dumps(name)} is neither a supported type nor defined before it is used")
        return self.named[full_name]

    def parse_union(self, branches, where, namespace):
        nulls = [index for index, branch in enumerate(branches) if branch == "null"]
        types = [self.parse(branch, where, namespace) for branch in branches if branch != "null"]
        if len(nulls) == 1 and len(types) == 1 and not isinstance(types[0], (Choice, Nullable)):
            return Nullable(types[0], nulls[0])
        if nulls or not types or not all(isinstance(kind, Record) for kind in types):
            refuse(where, "a union must be of null and one other type, or of records only")
        if len({kind.full_name for kind in types}) != len(types):
            refuse(where, "a union has a record twice")
        return Choice(tuple(types))

    def parse_logical(self, schema, where):
        logical, base = schema["logicalType"], schema.get("type")
        if logical == "timestamp-millis" and base == "long":
            only(schema, {"type", "logicalType"}, where)
            return Primitive("long")
        if logical == "decimal" and base == "bytes":
            only(schema, {"type", "logicalType", "precision", "scale"}, where)
            precision = required(schema, "precision", int, where)
            scale = required(schema, "scale", int, where)
            if not 1 <= precision <= 38 or not 0 <= scale <= precision:
                refuse(where, f"decimal({precision}, {scale}): precision must be 1 to 38 and scale 0 to precision")
            return Decimal(precision, scale)
        refuse(where, f"logical type {json.dumps(logical)} on {json.dumps(base)} is not supported")

    def parse_named(self, kind, schema, where, namespace):
        name = identifier(required(schema, "name", str, where), where)
        if kind == "record":
            where = f"{where}/{name}" if self.open else f"{where}: {name}"
        namespace = schema.get("namespace", namespace)
        if not isinstance(namespace, str) or not all(NAME.match(part) for part in namespace.split(".")):
            refuse(where, f"{json.dumps(namespace)} is no namespace")
        doc = required(schema, "doc", str, where)
        full_name = f"{namespace}.{name}"
        if full_name in self.named or full_name in self.open:
            refuse(where, f"{full_name} is defined twice")
        common = {"type", "name", "namespace", "doc"}
        if kind == "enum":
            only(schema, common | {"symbols"}, where)
            symbols = required(schema, "symbols", list, where)
            for symbol in symbols:
                if not isinstance(symbol, str) or not re.match(r"[A-Z][A-Z0-9_]*\Z", symbol):
                    refuse(where, f"symbol {json.dumps(symbol)} is not in UPPER_CASE")
            if not symbols or len({enumerator(symbol) for symbol in symbols}) != len(symbols):
                refuse(where, "an enum must have symbols, all different")
            result = Enum(namespace, name, doc, tuple(symbols))
        elif kind == "fixed":
            only(schema, common | {"size"}, where)
            size = required(schema, "size", int, where)
            if size < 1:
                refuse(where, "size must be positive")
            result = Fixed(namespace, name, doc, size)
        else:
            result = self.parse_record(schema, where, namespace, common)
        self.named[full_name] = result
        return result

    def parse_record(self, schema, where, namespace, common):
        only(schema, common | {"fields", "finpipe.id"}, where)
        schema_id = schema.get("finpipe.id")
        if schema_id is not None and (self.open or type(schema_id) is not int or not 1 <= schema_id < 2**31):
            refuse(where, "finpipe.id must be a positive int, on the outermost record")
        full_name = f"{namespace}.{schema['name']}"
        self.open.append(full_name)
        fields = []
        for entry in required(schema, "fields", list, where):
            if not isinstance(entry, dict):
                refuse(where, f"{json.dumps(entry)} is no field")
            name = identifier(required(entry, "name", str, where), where)
            place = f"{where}.{name}"
            only(entry, {"name", "type", "doc", "default"}, place)
            if any(field.name == name for field in fields):
                refuse(place, "the record has this field twice")
            doc = required(entry, "doc", str, place)
            kind = self.parse(required(entry, "type", object, place), place, namespace)
            initial = initializer(kind, entry["default"], place) if "default" in entry else zero(kind)
            fields.append(Field(name, kind, doc, initial))
        self.open.pop()
        return Record(namespace, schema["name"], schema["doc"], tuple(fields), schema_id)


def only(schema, allowed, where):
    for key in schema:
        if key not in allowed:
            refuse(where, f"attribute {json.dumps(key)} is not supported here")


def required(schema, key, kind, where):
    value = schema.get(key)
    if value is None or not isinstance(value, kind) or isinstance(value, bool):
        refuse(where, f"attribute {json.dumps(key)} is missing or of the wrong type")
    if kind is str and not value.strip():
        refuse(where, f"attribute {json.dumps(key)} is empty")
    return value


def identifier(name, where):
    if not NAME.match(name):
        refuse(where, f"{json.dumps(name)} is no Avro name")
    if name in RESERVED:
        refuse(where, f"{name} is a reserved word of C++; choose another name")
    return name


def enumerator(symbol):
    return "k" + "".join(word.capitalize() for word in symbol.split("_"))


def zero(kind):
    return f"{kind.name}::{enumerator(kind.symbols[0])}" if isinstance(kind, Enum) else ""


def initializer(kind, default, where):
    """The C++ initializer of a field with an Avro default; checks that the default fits the type."""
    wrong = f"default {json.dumps(default)} does not fit the type"
    if isinstance(kind, Nullable) and kind.null_index == 0:
        return "" if default is None else refuse(where, "the default of a union must be of its first type, null")
    if isinstance(kind, Enum) and default in kind.symbols:
        return f"{kind.name}::{enumerator(default)}"
    if isinstance(kind, Array) and default == []:
        return ""
    if isinstance(kind, Primitive):
        if kind.canonical == "boolean" and isinstance(default, bool):
            return "true" if default else "false"
        if kind.canonical in RANGES and type(default) is int:
            limit = 2 ** RANGES[kind.canonical]
            if -limit < default < limit:
                return str(default)
        if kind.canonical == "string" and isinstance(default, str):
            return json.dumps(default) if default.isascii() and default.isprintable() else refuse(where, wrong)
    refuse(where, wrong)


def canonical_text(kind):
    """Parsing Canonical Form: a named type is spelled out where it is first met, and named after that."""
    seen = set()

    def shorten(node):
        if isinstance(node, list):
            return [shorten(entry) for entry in node]
        if not isinstance(node, dict):
            return node
        if node.get("type") in ("record", "enum", "fixed"):
            if node["name"] in seen:
                return node["name"]
            seen.add(node["name"])
        return {key: shorten(value) if key in ("type", "items", "fields") else value for key, value in node.items()}

    return json.dumps(shorten(kind.canonical), separators=(",", ":"), ensure_ascii=False)


def rabin_fingerprint(text):
    """CRC-64-AVRO, as the Avro specification defines it."""
    empty = 0xC15D213AA4D7A795
    table = []
    for index in range(256):
        value = index
        for _ in range(8):
            value = (value >> 1) ^ (empty if value & 1 else 0)
        table.append(value)
    result = empty
    for byte in text.encode():
        result = (result >> 8) ^ table[(result ^ byte) & 0xFF]
    return result


def named_types(kind, found=None):
    """The named types that a type is made of, each after its own parts."""
    found = {} if found is None else found
    for part in kind.parts:
        named_types(part, found)
    if isinstance(kind, Named):
        found.setdefault(kind.full_name, kind)
    return found


def load(path):
    """The outermost record of a schema file, and its JSON."""
    try:
        source = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        refuse(path.name, f"cannot be read: {error}")
    if not isinstance(source, dict) or source.get("type") != "record":
        refuse(path.name, "the outermost type must be a record")
    return Parser().parse(source, path.name), source


def check_together(schemas):
    """Schemas must not contradict each other. Returns the names of the types that more than one of them defines."""
    origin, by_cpp, by_id, shared = {}, {}, {}, set()
    for file_name, (record, _) in schemas.items():
        for full_name, kind in named_types(record).items():
            known, first = origin.setdefault(full_name, (kind, file_name))
            if known != kind:
                refuse(file_name, f"{full_name} differs from its definition in {first}")
            if first != file_name:
                shared.add(full_name)
            if by_cpp.setdefault(kind.name, full_name) != full_name:
                refuse(file_name, f"{full_name} and {by_cpp[kind.name]} would be one type in C++")
        if record.full_name in shared:
            refuse(file_name, f"{record.full_name} is the outermost record of, or used in, another schema too")
        if record.schema_id is not None and by_id.setdefault(record.schema_id, file_name) != file_name:
            refuse(file_name, f"finpipe.id {record.schema_id} is taken by {by_id[record.schema_id]}")
    return shared
