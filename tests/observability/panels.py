"""What the dashboards ask their data sources, and what is put in for their variables, as Grafana does it."""

import dataclasses
import json
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
DASHBOARDS = ROOT / "observability/grafana/dashboards"
DATA_SOURCES = ROOT / "observability/grafana/provisioning/datasources/finpipe.yaml"
PROMETHEUS, CASSANDRA = "prometheus", "hadesarchitect-cassandra-datasource"


@dataclasses.dataclass(frozen=True)
class Query:
    board: str
    panel: str  # or what else asks it
    source: str
    text: str
    instant: bool = False
    scrape_s: int = 0  # how often its series are scraped: what the query says, or else the data source
    step_s: int = 0  # of the axis at the least

    @property
    def values(self):
        """What Grafana puts in for its own variables on an axis with that step."""
        return {"__interval": f"{self.step_s}s",
                "__rate_interval": f"{max(self.step_s + self.scrape_s, 4 * self.scrape_s)}s"}


def boards():
    return {path.stem: json.loads(path.read_text()) for path in sorted(DASHBOARDS.glob("*.json"))}


def panels(board):
    """Those that show data."""
    return [panel for panel in board["panels"] if panel["type"] not in ("row", "text")]


def queries():
    """Of every panel, in the order of the pages."""
    made = []
    of_source = seconds(re.search(r"^ +timeInterval: (\w+)$", DATA_SOURCES.read_text(), re.M)[1])
    for name, board in boards().items():
        for panel in panels(board):
            for target in panel["targets"]:
                scrape_s = seconds(target["interval"]) if "interval" in target else of_source
                step_s = max(seconds(panel.get("interval", "0s")), scrape_s)
                made.append(Query(name, panel["title"], panel["datasource"]["type"],
                                  target.get("expr") or target["target"], target.get("instant", False), scrape_s, step_s))
    return made


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
