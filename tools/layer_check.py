#!/usr/bin/env python3
"""Checks the rules of the house that a compiler does not know; CI runs it.

  tools/layer_check.py [ROOT]     prints each violation as path:line: [rule] what; exits 1 when there is one

Rules, each by the name that violations carry:
  floor         a module includes only from floors below its own, so modules of one floor do not know each other
  forbidden     pairs that the floors alone would allow (market, codec and bars never include telemetry)
  independence  what proves another part does not share code with it (verify reaches bars/ neither directly nor not), nor
                does a log know how it gets its schemas (logs/kafka and logs/registry)
  vendor        a vendor's header stays inside the .cpp of the adapter that wraps it
  private       a header named *_impl.h is for its own module
  seam          clocks, randomness and sleeping come in through src/base; tests are seeded and wait for conditions
  homonym       a name of an anonymous namespace is its directory's only one: sources are compiled several at a time
  purity        bars and market have no I/O, no threads and no clock; codec has no clock and no randomness
"""

import re
import sys
from collections import deque
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

# From the ground up.
FLOORS = [
    {"base"},
    {"telemetry", "market"},
    {"net", "codec", "bars"},
    {"pipeline"},
    {"feeds", "logs", "stores", "endpoint"},
    {"simulator"},
    {"load"},
    {"app"},
]
FLOOR_OF = {module: floor for floor, modules in enumerate(FLOORS) for module in modules}

FORBIDDEN = {("market", "telemetry"), ("codec", "telemetry"), ("bars", "telemetry")}

# Files that must not reach a module, or a part of one, not even through other headers.
INDEPENDENT = [("src/pipeline/verify*", "bars"), ("src/logs/kafka/*", "logs/registry")]

# A vendor's headers and the files that may include them. Tests and benchmarks may include any: they look from outside.
VENDORS = [
    (r"fmt/", ["src/*"]),
    (r"finpipe_cql\.h$", ["src/stores/cassandra/*"]),  # not of this build: a library with a C interface
    (r"rocksdb/", ["src/logs/embedded*.cpp", "src/stores/embedded*.cpp"]),
    (r"librdkafka/", ["src/logs/kafka/*.cpp"]),
    (r"simdjson\.h$", ["src/codec/*.cpp", "src/logs/kafka/client_statistics.cpp"]),
    (r"toml\+\+/", ["src/codec/*.cpp", "src/app/*.cpp"]),
    (r"date/", ["src/codec/*.cpp"]),
    (r"CLI/", ["src/app/*.cpp"]),
    (r"spdlog/", ["src/telemetry/*.cpp"]),
    (r"prometheus/", ["src/telemetry/metrics.cpp"]),
    (r"boost/(asio|beast|system)/", ["src/net/*.cpp", "src/net/*_impl.h"]),
    (r"malloc\.h$", ["src/app/main.cpp"]),  # glibc's
    (r"openssl/", ["src/net/*.cpp", "src/net/*_impl.h"]),
]
STANDARD_HEADER = re.compile(r"^[a-z][a-z0-9_]*$")
POSIX_HEADER = re.compile(
    r"^(sys/\w+|linux/\w+|dirent|errno|fcntl|poll|pthread|signal|stddef|stdint|stdio|stdlib|string|termios|time"
    r"|unistd)\.h$"
)

SEAMS = {
    "clock": (
        re.compile(
            r"\b(?:system|steady|high_resolution|utc|tai|gps|file)_clock::now\b"
            r"|\b(?:clock_gettime|gettimeofday|timespec_get|ftime)\s*\("
            r"|(?<!\w)(?:std)?::(?:time|clock)\s*\("
            r"|(?<![\w.>:])time\s*\(\s*(?:nullptr|NULL|&)"
        ),
        ["src/base/clock.cpp", "src/*/bench/*", "benchmarks/*"],
    ),
    "randomness": (
        re.compile(
            r"\brandom_device\b|\bgetrandom\s*\(|\bgetentropy\s*\(|\barc4random"
            r"|(?<![\w.>])s?rand(?:_r)?\s*\(|\b[dlm]rand48\s*\("
            r"|\b(?:mt19937(?:_64)?|default_random_engine|minstd_rand0?)(?:\s+\w+)?\s*(?:;|\{\s*\}|\(\s*\))"
        ),
        ["src/base/random.cpp"],
    ),
    "sleeping": (
        re.compile(r"\bsleep_(?:for|until)\b|\b(?:u|nano|clock_nano)sleep\s*\(|(?<![\w.>])sleep\s*\("),
        [],
    ),
}

# Headers a module has no use for when it computes values from values.
PURE = {
    "market": ["base/clock.h", "base/random.h"],
    "bars": ["base/clock.h", "base/random.h"],
    "codec": ["base/clock.h", "base/random.h"],
}
IMPURE_STANDARD = {
    "atomic", "barrier", "chrono", "condition_variable", "cstdio", "ctime", "filesystem", "fstream", "future",
    "iostream", "latch", "mutex", "random", "semaphore", "shared_mutex", "stop_token", "thread",
}  # fmt: skip
NO_IO_NO_THREADS = {"market", "bars"}

SOURCE_SUFFIXES = {".h", ".cpp"}
SOURCE_ROOTS = ["src", "tests", "benchmarks"]

COMMENT_OR_LITERAL = re.compile(
    r"""(?P<comment>//[^\n]*|/\*.*?\*/)
      |(?P<raw>R"(?P<delimiter>[^\s()\\]{0,16})\(.*?\)(?P=delimiter)")
      |(?P<string>"(?:\\.|[^"\\\n])*")
      |(?P<character>(?<![0-9A-Za-z_])'(?:\\.|[^'\\\n])+')""",
    re.VERBOSE | re.DOTALL,
)
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?P<kind>[<"])(?P<path>[^>"\n]+)[>"]', re.MULTILINE)

# Sources that are compiled one at a time.
SEPARATELY_COMPILED = ["tests/kafka/*", "tests/fuzz/*"]
ANONYMOUS = re.compile(r"^namespace \{\n(?P<body>.*?)^\} +$", re.MULTILINE | re.DOTALL)  # a comment ended it
DEFINITION = re.compile(
    r"""^(?:\[\[\w+\]\]\ )?(?:inline\ |static\ )*
      (?:(?P<kind>class|struct|union|enum\ class|enum|using)\ (?P<type>\w+)
      |(?P<constant>constexpr\ |const\ )?[A-Za-z][\w:<>,&*\ ]*?[\ &*](?P<name>\w+)
       (?:\[[^\]\n]*\])?(?:\((?P<types>[^()]*)|\ =|\{|;))""",
    re.MULTILINE | re.VERBOSE,
)


@dataclass(frozen=True, order=True)
class Violation:
    path: str
    line: int
    rule: str
    message: str

    def __str__(self):
        return f"{self.path}:{self.line}: [{self.rule}] {self.message}"


@dataclass(frozen=True)
class Include:
    line: int
    path: str
    quoted: bool


@dataclass(frozen=True)
class Source:
    path: str  # from the root, with forward slashes
    module: str | None  # None for tests/ and benchmarks/
    looks_from_outside: bool  # a test or a benchmark
    includes: tuple[Include, ...]
    code: str  # without comments and literals, lines kept


def blank(text):
    """Spaces in place of everything but line ends, so that line numbers stay true."""
    return re.sub(r"[^\n]", " ", text)


def without_comments(text):
    return COMMENT_OR_LITERAL.sub(lambda m: blank(m[0]) if m["comment"] else m[0], text)


def without_literals(text):
    return COMMENT_OR_LITERAL.sub(lambda m: blank(m[0]), text)


def line_of(text, position):
    return text.count("\n", 0, position) + 1


def read_source(root, file):
    path = file.relative_to(root).as_posix()
    parts = path.split("/")
    text = file.read_text(encoding="utf-8")
    uncommented = without_comments(text)
    includes = tuple(
        Include(line_of(uncommented, m.start("path")), m["path"], m["kind"] == '"') for m in INCLUDE.finditer(uncommented)
    )
    in_module = parts[0] == "src" and len(parts) > 2
    outside = not in_module or not {"tests", "bench", "driver"}.isdisjoint(parts[2:-1])
    return Source(path, parts[1] if in_module else None, outside, includes, without_literals(text))


def read_tree(root):
    files = (f for top in SOURCE_ROOTS for f in sorted((root / top).rglob("*")) if f.suffix in SOURCE_SUFFIXES)
    return {source.path: source for source in (read_source(root, f) for f in files)}


def matches(path, patterns):
    return any(fnmatchcase(path, pattern) for pattern in patterns)


def check_floors(source):
    if source.module is None:
        return
    if source.module not in FLOOR_OF:
        yield Violation(source.path, 1, "floor", f"module '{source.module}' stands on no floor")
        return
    for include in source.includes:
        if not include.quoted:
            continue
        target, slash, _ = include.path.partition("/")
        if not slash or target not in FLOOR_OF:
            message = f'"{include.path}" names no module: write "module/file.h"'
        elif target != source.module and (source.module, target) in FORBIDDEN:
            yield Violation(source.path, include.line, "forbidden", f"{source.module} never includes {target}")
            continue
        elif target == source.module or FLOOR_OF[target] < FLOOR_OF[source.module]:
            continue
        elif FLOOR_OF[target] == FLOOR_OF[source.module]:
            message = f"{source.module} and {target} stand on the same floor"
        else:
            message = f"{target} stands above {source.module}"
        yield Violation(source.path, include.line, "floor", message)


def check_private(source):
    for include in source.includes:
        if include.quoted and include.path.endswith("_impl.h") and not include.path.startswith(f"{source.module}/"):
            yield Violation(source.path, include.line, "private", f'"{include.path}" is for its own module')


def check_vendors(source):
    if source.looks_from_outside:
        return
    for include in source.includes:
        if include.quoted or STANDARD_HEADER.match(include.path) or POSIX_HEADER.match(include.path):
            continue
        homes = next((homes for prefix, homes in VENDORS if re.match(prefix, include.path)), None)
        if homes is None:
            yield Violation(source.path, include.line, "vendor", f"<{include.path}> is of no known vendor")
        elif not matches(source.path, homes):
            yield Violation(source.path, include.line, "vendor", f"<{include.path}> belongs into {' or '.join(homes)}")


def check_seams(source):
    for name, (pattern, homes) in SEAMS.items():
        if matches(source.path, homes) or (name == "clock" and source.looks_from_outside):
            continue
        for match in pattern.finditer(source.code):
            text = " ".join(match[0].split())
            yield Violation(source.path, line_of(source.code, match.start()), "seam", f"direct {name}: {text}")


def check_purity(source):
    if source.looks_from_outside or source.module not in PURE:
        return
    for include in source.includes:
        if include.quoted and include.path in PURE[source.module]:
            yield Violation(source.path, include.line, "purity", f'{source.module} never includes "{include.path}"')
        if include.quoted or source.module not in NO_IO_NO_THREADS:
            continue
        if include.path in IMPURE_STANDARD or POSIX_HEADER.match(include.path):
            yield Violation(source.path, include.line, "purity", f"{source.module} never includes <{include.path}>")


def check_independence(tree):
    for source in tree.values():
        for pattern, module in INDEPENDENT:
            if matches(source.path, [pattern]):
                yield from reaching(tree, source, module)


def reaching(tree, start, module):
    """One violation for each include of `start` through which `module` is reached, with the way there."""
    for first in start.includes:
        queue = deque([(first, [start.path])])
        seen = set()
        while queue:
            include, way = queue.popleft()
            if not include.quoted:
                continue
            if include.path.startswith(module + "/"):
                chain = " -> ".join([*way[1:], include.path])
                yield Violation(start.path, first.line, "independence", f"reaches {module}/: {chain}")
                break
            header = tree.get("src/" + include.path)
            if header is not None and header.path not in seen:
                seen.add(header.path)
                queue.extend((next_include, [*way, include.path]) for next_include in header.includes)


def names_for_itself(source):
    """What the anonymous namespaces of a source define, with the lines; of a function with the types it takes."""
    for space in ANONYMOUS.finditer(source.code):
        for definition in DEFINITION.finditer(source.code, space.start("body"), space.end("body")):
            kind, name = definition["kind"], definition["type"] or definition["name"]
            if kind == "using" or (kind is None and definition["types"] is None and definition["constant"] is None):
                continue
            types = re.sub(r"\s*\w+\s*(?=[,)]|$)", "", definition["types"]) if definition["types"] is not None else None
            yield line_of(source.code, definition.start()), name if types is None else f"{name}({types})"


def check_homonyms(tree):
    first = {}
    for source in tree.values():
        directory = source.path.rpartition("/")[0]
        if not source.path.endswith(".cpp") or matches(directory + "/", SEPARATELY_COMPILED):
            continue
        for line, name in names_for_itself(source):
            other = first.setdefault((directory, name), source.path)
            if other != source.path:
                yield Violation(source.path, line, "homonym", f"{name} is defined in {other} too")


def check(root):
    tree = read_tree(root)
    found = [*check_independence(tree), *check_homonyms(tree)]
    for source in tree.values():
        for rule in (check_floors, check_private, check_vendors, check_seams, check_purity):
            found.extend(rule(source))
    return sorted(found), len(tree)


def main(arguments):
    root = Path(arguments[0] if arguments else Path(__file__).parent.parent).resolve()
    violations, files = check(root)
    for violation in violations:
        print(violation)
    print(f"layer check: {files} files, {len(violations)} violations")
    return 1 if violations or not files else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
