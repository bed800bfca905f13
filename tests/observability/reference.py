"""Which metrics there are: finpipe's own by docs/reference/metrics.md, those of the servers by the rules of their JMX
agents."""

import pathlib
import re

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
ROW = re.compile(r"\| `(finpipe_\w+)` \| (\w+) \| (.*?) \| (.*?)(?: \((?:seconds|bytes)\))? \|")
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count")}


def own():
    """{name: (type, {label: values}, help)}"""
    lines = (ROOT / "docs/reference/metrics.md").read_text().splitlines()
    return {found[1]: (found[2], dict(re.findall(r"`(\w+)`(?:: ([^;]*))?", found[3])), found[4])
            for found in map(ROW.fullmatch, lines) if found}


def series():
    """{name: labels}: a histogram has several."""
    return {name + suffix: set(labels) for name, (kind, labels, _) in own().items() for suffix in SUFFIXES.get(kind, ("",))}


def jmx_names():
    """Expressions for what the agents make: each $N in a name stands for what the pattern's group lists or meets."""
    made = []
    for path in sorted((ROOT / "observability/jmx").glob("*.yaml")):
        for rule in yaml.safe_load(path.read_text())["rules"]:
            groups = re.findall(r"\((?!\?)((?:[^()\\]|\\.)*)\)", rule["pattern"])
            texts = ["", *(f"(?:{group.lower()})" if re.fullmatch(r"[\w|]+", group) else r"\w+" for group in groups)]
            name = re.sub(r"\$(\d)", lambda number, texts=texts: texts[int(number[1])], rule["name"].lower())
            made.append(re.compile(name))
    return made
