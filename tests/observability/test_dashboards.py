"""The dashboards: made by their code, complete, and about what there is. Needs promtool."""

import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

import reference
from panels import CASSANDRA, DASHBOARDS, PROMETHEUS, ROOT, annotations, boards, filled, panels, queries, variables

GRAFANA = ROOT / "observability/grafana"
# Names that Prometheus makes, and those that a JMX agent adds for its Java.
OF_PROMETHEUS = {"up", "ALERTS"}
OF_JAVA = {
    "jvm_memory_used_bytes", "jvm_memory_max_bytes", "jvm_gc_collection_seconds_sum", "process_cpu_seconds_total",
}
LABELS_OF_SCRAPES = {"job", "instance", "role", "le"}
# What Cassandra's data source takes as the first column.
FIRST_COLUMN = {"text", "int", "bigint"}
CQL_WORDS = set("SELECT FROM WHERE AND IN AS CAST double ORDER BY DESC LIMIT toUnixTimestamp".split())
PUT_IN = {
    "job": ".*", "instance": ".*", "server_job": ".*", "server": ".*", "topic": ".*", "partition": "0",
    "symbol": "X", "interval": "1m", "bucket": ["2026-11"], "__rate_interval": "1m",
    "__interval": "1m", "__range": "1h", "__timeFrom": "0", "__timeTo": "1", "__to": "2026-11-27T00:00:00.000Z",
}
ONCE_FOR_EACH_PARTITION = {"finpipe_ledger_trades", "finpipe_processor_gaps_open", "finpipe_processor_backlog_records",
                           "finpipe_processor_clock_seconds"}
METRIC = r"\b([a-zA-Z_:][\w:]*)\{([^}]*)\}"


def asked_of(source):
    """All that panels, annotations and variables ask; of label_values() the metric."""
    of_variables = [query for board in boards() for query in variables(board).values()]
    return [query for query in [*queries(), *annotations(), *of_variables] if query.source == source]


def tables():
    """{table: {column: type}} of cassandra/init.cql."""
    text = re.sub(r"--.*", "", (ROOT / "cassandra/init.cql").read_text())
    made = {}
    for name, columns in re.findall(r"CREATE TABLE IF NOT EXISTS (\w+) \((.*?)PRIMARY KEY", text, re.S):
        made[name] = dict(re.findall(r"(\w+) (\w+),", columns))
    return made


class Generated(unittest.TestCase):
    def test_dashboards_and_their_page_are_what_the_code_makes(self):
        with tempfile.TemporaryDirectory() as directory:
            command = [sys.executable, "-B", GRAFANA / "code/build.py", "--into", directory]
            printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            made = {path: (pathlib.Path(directory) / path).read_bytes() for path in printed.splitlines()}
        self.assertGreater(len(made), 5)
        for path, content in made.items():
            with self.subTest(file=path):
                self.assertEqual((ROOT / path).read_bytes(), content, "run: make dashboards-build")
        there = {str(path.relative_to(ROOT)) for path in DASHBOARDS.iterdir()}
        self.assertEqual(there, {path for path in made if path.startswith("observability/")})


class Panels(unittest.TestCase):
    def test_each_says_what_it_shows_of_what_in_which_unit(self):
        for name, board in boards().items():
            self.assertTrue(board["description"], name)
            self.assertEqual(len({panel["id"] for panel in board["panels"]}), len(board["panels"]), name)
            for panel in panels(board):
                with self.subTest(board=name, panel=panel["title"]):
                    self.assertGreater(len(panel["description"]), 5)
                    self.assertTrue(panel["fieldConfig"]["defaults"]["unit"])
                    self.assertIn(panel["datasource"]["type"], (PROMETHEUS, CASSANDRA))
                    self.assertTrue(panel["targets"])
                    for target in panel["targets"]:
                        self.assertEqual(target["datasource"], panel["datasource"])

    def test_they_fill_the_page_and_do_not_overlap(self):
        for name, board in boards().items():
            taken = set()
            for panel in board["panels"]:
                at = panel["gridPos"]
                cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
                self.assertFalse(taken & cells, f"{name}: {panel['title']}")
                taken |= cells
            self.assertEqual({x for x, _ in taken}, set(range(24)), name)

    def test_links_lead_to_the_runbook_and_to_the_other_dashboards(self):
        runbook = boards()["runbook"]
        sections = {f"/d/finpipe-runbook?viewPanel=panel-{panel['id']}": panel for panel in runbook["panels"]}
        texts = "".join(panel["options"]["content"] for panel in runbook["panels"])
        self.assertLessEqual(set(re.findall(r"\]\(([^)]*)\)", texts)), set(sections))
        for name, board in boards().items():
            to_boards, to_runbook = board["links"]
            self.assertEqual((to_boards["type"], to_boards["tags"]), ("dashboards", ["finpipe"]))
            self.assertEqual(board["tags"], ["finpipe"])
            self.assertEqual(to_runbook["url"], "/d/finpipe-runbook")
            for panel in panels(board):
                for link in panel.get("links", ()):
                    with self.subTest(board=name, panel=panel["title"]):
                        self.assertEqual(link["title"], f"Runbook: {sections[link['url']]['title']}")

    def test_data_sources_are_provisioned(self):
        text = (GRAFANA / "provisioning/datasources/finpipe.yaml").read_text()
        self.assertEqual(re.findall(r"^ +type: (\S+)$", text, re.M), [PROMETHEUS, CASSANDRA])
        for name, board in boards().items():
            chosen = {variable["name"]: variable["query"] for variable in board["templating"]["list"]
                      if variable["type"] == "datasource"}
            used = {(query["datasource"]["type"], query["datasource"]["uid"]) for panel in panels(board)
                    for query in panel["targets"]}
            self.assertEqual(used, {(plugin, f"${{{variable}}}") for variable, plugin in chosen.items()}, name)


class PromQl(unittest.TestCase):
    def test_every_query_is_understood_by_prometheus(self):
        rules = "groups:\n- name: panels\n  rules:\n"
        for query in [*queries(), *annotations()]:
            if query.source == PROMETHEUS:
                number = rules.count("record")
                rules += f"  - record: panel_{number}\n    expr: >-\n      {filled(query.text, PUT_IN)}\n"
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(rules)
            file.flush()
            command = ["promtool", "check", "rules", "--lint=none", file.name]
            done = subprocess.run(command, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(f"{rules.count('record:')} rules found", done.stdout)

    def test_metrics_and_their_labels_exist(self):
        own, jmx = reference.series(), reference.jmx_names()
        for query in asked_of(PROMETHEUS):
            text = query.text if "{" in query.text else re.sub(r"label_values\((\w+)", r"label_values(\1{}", query.text)
            used = re.findall(METRIC, text)
            with self.subTest(board=query.board, panel=query.panel, query=query.text):
                self.assertTrue(used)
                for name, matchers in used:
                    if name.startswith("finpipe_"):
                        self.assertTrue(name in own, f"{name} is not in docs/reference/metrics.md")
                        self.assertLessEqual(set(re.findall(r"(\w+)=", matchers)) - LABELS_OF_SCRAPES, own[name])
                    elif name not in OF_PROMETHEUS | OF_JAVA:
                        self.assertTrue(any(made.fullmatch(name) for made in jmx), f"no rule makes {name}")
                if all(name in own for name, _ in used):
                    grouped = set(re.findall(r"\w+", ",".join(re.findall(r"by \(([^)]*)\)", text))))
                    self.assertLessEqual(grouped - LABELS_OF_SCRAPES, set().union(*(own[name] for name, _ in used)))

    def test_a_rate_of_what_agents_tell_spans_some_of_their_scrapes(self):
        configuration = (ROOT / "observability/prometheus/prometheus.yaml").read_text()
        scrape = re.search(r"job_name: kafka\n +scrape_interval: (\d+)s", configuration)
        rates = [query for query in queries() if "$server_job" in query.text and "$__rate_interval" in query.text]
        self.assertGreater(len(rates), 10)
        for query in rates:
            with self.subTest(board=query.board, panel=query.panel):
                self.assertGreaterEqual(int(query.values["__rate_interval"].rstrip("s")), 4 * int(scrape[1]))

    def test_what_processors_say_is_of_those_that_store(self):
        """`serve` applies the whole log once more."""
        found = 0
        for query in asked_of(PROMETHEUS):
            for name, matchers in re.findall(METRIC, query.text):
                if name in ONCE_FOR_EACH_PARTITION and not query.panel.startswith("variable"):
                    found += 1
                    self.assertIn('role=~"process|run"', matchers, f"{query.panel}: {query.text}")
        self.assertGreater(found, 10)

    def test_none_asks_for_symbols(self):
        for query in asked_of(PROMETHEUS):
            self.assertNotIn("symbol", query.text)


class Cql(unittest.TestCase):
    def test_tables_and_columns_exist_and_the_plugin_can_read_them(self):
        there = tables()
        self.assertGreater(len(asked_of(CASSANDRA)), 20)
        for query in asked_of(CASSANDRA):
            with self.subTest(board=query.board, panel=query.panel, query=query.text):
                text = re.sub(r"'[^']*'", "", filled(query.text, PUT_IN))
                table = re.search(r" FROM (\w+)", text)[1]
                columns = there[table]
                renamed = re.sub(r'\bAS "?(?!double\b)\w+"?', "", text)
                words = set(re.findall(r"[A-Za-z_]\w*", renamed)) - CQL_WORDS - {table}
                self.assertLessEqual(words, set(columns))
                selected = re.match(r"SELECT (.*?) FROM", renamed)[1]
                plain = set(re.findall(r"\w+", re.sub(r"CAST\(\w+ AS double\)", "", selected))) & set(columns)
                self.assertFalse([name for name in plain if columns[name] in ("decimal", "varint", "blob")])
                self.assertIn(columns[re.match(r"\w+", selected)[0]], FIRST_COLUMN)


if __name__ == "__main__":
    unittest.main()
