#!/usr/bin/env python3
"""Turns Avro schemas into C++ structs with their codecs.

For each NAME.avsc it writes NAME_avro.h; named types that several schemas define (identically) go to shared_avro.h.
The building blocks that the generated code is made of are in src/codec/avro_runtime.h, what a schema may hold is in
avro_schema.py.
"""

import argparse
import json
import re
import sys
import textwrap
from pathlib import Path

import avro_schema
from avro_schema import Enum, Fixed, SchemaError, enumerator, named_types


def snake(name):
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def comment(text, indent=""):
    return textwrap.wrap(text, 120, initial_indent=f"{indent}// ", subsequent_indent=f"{indent}// ")


def emit_enum(kind):
    yield from comment(kind.doc)
    yield f"enum class {kind.name} : std::uint8_t {{"
    yield from (f"  {enumerator(symbol)} = {index}," for index, symbol in enumerate(kind.symbols))
    yield "};"
    yield ""
    yield "// The symbol's name in the schema."
    yield f"[[nodiscard]] constexpr std::string_view to_string({kind.name} value) {{"
    yield "  switch (value) {"
    yield from (f'    case {kind.name}::{enumerator(symbol)}: return "{symbol}";' for symbol in kind.symbols)
    yield "  }"
    yield "  return {};"
    yield "}"
    yield ""
    yield f"using {kind.codec} = EnumCodec<{kind.name}, {len(kind.symbols)}>;"
    yield ""


def emit_fixed(kind):
    yield from comment(kind.doc)
    yield f"using {kind.name} = std::array<std::byte, {kind.size}>;"
    yield f"using {kind.codec} = FixedCodec<{kind.size}>;"
    yield ""


def emit_record(kind, source):
    """`source` is the schema's JSON for an outermost record, None for the others."""
    yield from comment(kind.doc)
    yield f"struct {kind.name} {{"
    if kind.schema_id is not None:
        yield f"  static constexpr std::uint32_t kSchemaId = {kind.schema_id};"
    if source is not None:
        canonical = avro_schema.canonical_text(kind)
        yield f"  static constexpr std::uint64_t kFingerprint = {avro_schema.rabin_fingerprint(canonical):#018x};"
        yield f'  static constexpr std::string_view kCanonical = R"avro({canonical})avro";'
        compact = json.dumps(source, separators=(",", ":"), ensure_ascii=False)
        yield f'  static constexpr std::string_view kSchema = R"avro({compact})avro";'
        yield ""
    for field in kind.fields:
        yield from comment(field.doc, "  ")
        yield f"  {field.type.cpp} {field.name}{{{field.initializer}}};"
    if kind.fields:
        yield ""
    yield f"  friend bool operator==(const {kind.name}&, const {kind.name}&) = default;"
    yield "};"
    yield ""
    yield from emit_codec(kind)
    if source is not None:
        yield from emit_functions(kind)


def emit_codec(kind):
    def joined(terms, operator, otherwise):
        return f" {operator}\n           ".join(terms) or otherwise

    fields = kind.fields
    value = "value" if fields else "/*value*/"
    least = " + ".join(f"{field.type.codec}::kMinBytes" for field in fields) or "0"
    bound = joined([f"{field.type.codec}::bound(value.{field.name})" for field in fields], "+", "0")
    get = joined([f"{field.type.codec}::get(in, value.{field.name})" for field in fields], "&&", "true")
    yield f"struct {kind.codec} {{"
    yield f"  using Value = {kind.name};"
    yield f"  static constexpr std::size_t kMinBytes = {least};"
    yield ""
    yield f"  static std::size_t bound(const Value& {value}) {{"
    yield f"    return {bound};"
    yield "  }"
    yield f"  static char* put(char* out, const Value& {value}) {{"
    yield from (f"    out = {field.type.codec}::put(out, value.{field.name});" for field in fields)
    yield "    return out;"
    yield "  }"
    yield f"  [[nodiscard]] static bool get(Reader& {'in' if fields else '/*in*/'}, Value& {value}) {{"
    yield f"    return {get};"
    yield "  }"
    yield "};"
    yield ""


def emit_functions(kind):
    name, function = kind.name, snake(kind.name)
    yield "// Appends the encoded value to `out`."
    yield f"inline void encode(const {name}& value, std::string& out) {{ append<{kind.codec}>(value, out); }}"
    yield ""
    yield "// Reads one value and leaves the reader behind it. `value` may be reused: its vectors keep their memory."
    yield f"[[nodiscard]] inline bool decode(Reader& in, {name}& value) {{ return {kind.codec}::get(in, value); }}"
    yield ""
    yield "// Reads a value that must take up all of `bytes`. Error: kAvroMalformed."
    yield f"[[nodiscard]] inline Result<void> decode(std::span<const std::byte> bytes, {name}& value) {{"
    yield f'  return decode_all<{kind.codec}>(bytes, "{name}", value);'
    yield "}"
    yield ""
    yield f"[[nodiscard]] inline Result<{name}> decode_{function}(std::span<const std::byte> bytes) {{"
    yield f"  {name} value;"
    yield "  if (auto read = decode(bytes, value); !read) return fail(std::move(read).error());"
    yield "  return value;"
    yield "}"
    yield ""


def header(sources, body, shared):
    yield f"// Generated by tools/avro_codegen.py from {', '.join(sources)}."
    yield "#pragma once"
    yield ""
    yield '#include "codec/avro_runtime.h"'
    if shared:
        yield '#include "codec/shared_avro.h"'
    yield ""
    yield "namespace finpipe::avro {"
    yield ""
    yield from body
    yield "}  // namespace finpipe::avro"


def generate(paths):
    """The text of every header, by file name."""
    schemas = {path.name: avro_schema.load(path) for path in paths}
    if len(schemas) != len(paths):
        avro_schema.refuse("schemas", "two files have one name")
    shared = avro_schema.check_together(schemas)

    def emit(kind, source=None):
        if isinstance(kind, Enum):
            return emit_enum(kind)
        return emit_fixed(kind) if isinstance(kind, Fixed) else emit_record(kind, source)

    headers, common = {}, {}
    for file_name, (record, source) in schemas.items():
        types = named_types(record)
        common.update({full_name: kind for full_name, kind in types.items() if full_name in shared})
        body = [
            line
            for full_name, kind in types.items()
            if full_name not in shared
            for line in emit(kind, source if kind is record else None)
        ]
        uses_shared = any(full_name in shared for full_name in types)
        headers[f"{Path(file_name).stem}_avro.h"] = header([file_name], body, uses_shared)
    body = [line for kind in common.values() for line in emit(kind)]
    if "shared_avro.h" in headers:
        avro_schema.refuse("shared.avsc", "shared_avro.h is the name of the header for what several schemas define")
    headers["shared_avro.h"] = header(list(schemas), body, False)
    return {name: "\n".join(lines) + "\n" for name, lines in headers.items()}


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="directory for the headers")
    parser.add_argument("schemas", type=Path, nargs="+", help="the .avsc files")
    options = parser.parse_args(arguments)
    try:
        headers = generate(options.schemas)
    except SchemaError as error:
        print(f"avro_codegen: {error}", file=sys.stderr)
        return 1
    options.output.mkdir(parents=True, exist_ok=True)
    for name, text in headers.items():
        (options.output / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
