"""What the dashboards ask their data sources, and what is put in for their variables, as Grafana does it."""

import dataclasses
import json
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
DASHBOARDS = ROOT / "observability/grafana/dashboards"
PROMETHEUS, CASSANDRA = "prometheus", "hadesarchitect-cassandra-datasource"


@dataclasses.dataclass(frozen=True)
class Query:
    board: str
    panel: str  # or what else asks it
    source: str
    text: str
    instant: bool = False
    interval_s: int = 5  # the shortest step: the panel's, or that of the provisioned data source


def boards():
    return {path.stem: json.loads(path.read_text()) for path in sorted(DASHBOARDS.glob("*.json"))}


def panels(board):
    """Those that show data."""
    return [panel for panel in board["panels"] if panel["type"] not in ("row", "text")]


def queries():
    """Of every panel, in the order of the pages."""
    return [
        Query(name, panel["title"], panel["datasource"]["type"], target.get("expr") or target["target"],
              target.get("instant", False), seconds(panel.get("interval", "5s")))
        for name, board in boards().items() for panel in panels(board) for target in panel["targets"]
    ]


def seconds(text):
    return int(text[:-1]) * {"s": 1, "m": 60}[text[-1]]


def annotations():
    return [
        Query(name, f"annotation {note['name']}", note["datasource"]["type"],
              note.get("expr") or note["target"]["target"])
        for name, board in boards().items() for note in board["annotations"]["list"]
    ]


def variables(name):
    """{variable: query} of those of a dashboard that a data source fills, in their order."""
    made = {}
    for variable in boards()[name]["templating"]["list"]:
        if variable["type"] == "query":
            text = variable["query"]["query"] if isinstance(variable["query"], dict) else variable["query"]
            source = variable["datasource"]["type"]
            made[variable["name"]] = Query(name, f"variable {variable['name']}", source, text)
    return made


def filled(text, values):
    """With the values, each a text or a list of texts, in place of $name, ${name} and ${name:format}."""

    def value(match):
        name, form = (match[1] or match[2]), match[3]
        found = values[name]
        several = found if isinstance(found, list) else [found]
        if form == "sqlstring":
            return ",".join("'" + one.replace("'", "''") + "'" for one in several)
        if form not in (None, "date:iso"):
            raise ValueError(f"{match[0]}: no such format")
        return ",".join(several)

    return re.sub(r"\$(\w+)|\$\{(\w+)(?::([\w:]+))?\}", value, text)
