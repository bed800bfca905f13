"""What all dashboards are made of: data sources, queries, variables, panels in rows, links to each other.

Panels are from grafana-foundation-sdk; a query of Cassandra's data source is `Cql`, which the library does not have.
"""

from grafana_foundation_sdk.builders import (
    candlestick,
    common,
    dashboard,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.cog import builder as cogbuilder
from grafana_foundation_sdk.cog import variants
from grafana_foundation_sdk.models import common as options
from grafana_foundation_sdk.models import dashboard as models

from . import sections

TAG = "finpipe"
METRICS = models.DataSourceRef(type_val="prometheus", uid="${metrics}")
TABLES = models.DataSourceRef(type_val="hadesarchitect-cassandra-datasource", uid="${tables}")
# What every query of our own metrics, and of those of a JMX agent, is narrowed to.
OURS = 'job=~"$job",instance=~"$instance"'
THEIRS = 'job=~"$server_job",instance=~"$server"'

# Who processes for good: `serve` applies the whole log a second time.
PROCESSES = 'role=~"process|run"'
# A process in legends, and in sums.
PROCESS, BY_PROCESS = "{{role}} {{instance}}", "role, instance"
# JMX agents are scraped so often; the spans of rates go by what their queries say.
SCRAPES_OF_AGENTS = "15s"
# The shortest span that is counted: some scrapes.
COUNTED = "1m"
GOOD, WARN, BAD, CALM = "green", "orange", "red", "blue"
WIDTH = 24


def of(metric, labels="", scope=OURS):
    """A selector: of("finpipe_x"), of("finpipe_x", 'market="us"')."""
    return f"{metric}{{{scope}{',' if labels else ''}{labels}}}"


def theirs(metric, labels=""):
    return of(metric, labels, THEIRS)


def rate(metric, labels="", scope=OURS):
    return f"rate({of(metric, labels, scope)}[$__rate_interval])"


def increase(metric, labels="", scope=OURS):
    """Over the time that the dashboard shows."""
    return f"increase({of(metric, labels, scope)}[$__range])"


def quantile(share, histogram, by=""):
    return f"histogram_quantile({share}, sum by (le{by}) ({rate(histogram + '_bucket')}))"


def query(expression, legend="__auto", now=False):
    """PromQL, as a line of the time shown, or only its value `now`."""
    made = prometheus.Dataquery().expr(expression).legend_format(legend).datasource(METRICS)
    return made.instant() if now else made.range()


def total(metric, legend="__auto", by="", labels="", scope=OURS):
    """A counter's rate, summed over the rest."""
    return query(f"sum{grouped(by)}({rate(metric, labels, scope)})", legend)


def count(metric, legend, by):
    """How often a counter rose in each span of the axis."""
    return query(f"sum{grouped(by)}(increase({of(metric)}[$__interval]))", legend)


def current(how, metric, legend="__auto", by="", labels="", scope=OURS, now=False):
    """A gauge: its sum, max or min over the rest."""
    return query(f"{how}{grouped(by)}({of(metric, labels, scope)})", legend, now)


def most(limit, metric, legend, by):
    """Those of a counter that rise the quickest."""
    return query(f"topk({limit}, sum{grouped(by)}({rate(metric)}))", legend)


def grouped(by):
    return f" by ({by}) " if by else ""


class Cql(variants.Dataquery, cogbuilder.Builder[variants.Dataquery]):
    """A statement for Cassandra's data source, whose first column tells series apart and must be a text or a number.

    It knows no decimal: cast those to double. A null becomes 0.
    """

    def __init__(self, statement):
        self.statement = " ".join(statement.split())
        self.ref = "A"

    def ref_id(self, ref):
        self.ref = ref
        return self

    def build(self):
        return self

    def to_json(self):
        source = TABLES.to_json()
        return {
            "datasource": source,
            "queryType": "query",
            "rawQuery": True,
            "refId": self.ref,
            "target": self.statement,
        }


def steps(*pairs):
    """Thresholds: a colour, then (from this value on, colour)."""
    first, *more = pairs
    found = [
        models.Threshold(value=None, color=first),
        *(models.Threshold(value=value, color=color) for value, color in more),
    ]
    return dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(found)


def words(**texts):
    """Values that have a name and a colour: words(_0=("no", BAD)); a name's first _ is left out."""
    results = {
        value.removeprefix("_"): models.ValueMappingResult(text=text, color=color, index=index)
        for index, (value, (text, color)) in enumerate(texts.items())
    }
    return [models.ValueMap(options=results)]


def property_of(name, value):
    return models.DynamicConfigValue(id_val=name, value=value)


def transformation(name, **values):
    return models.DataTransformerConfig(id_val=name, options=values)


def made(panel, title, text, unit, queries, thresholds=None, decimals=None, link=None, **_):
    """What panels of every kind have."""
    cassandra = isinstance(queries[0], Cql)
    panel.title(title).description(text).unit(unit).datasource(TABLES if cassandra else METRICS)
    for number, target in enumerate(queries):
        if not cassandra and THEIRS in target.build().expr:
            target.interval(SCRAPES_OF_AGENTS)
        panel.with_target(target.ref_id(chr(ord("A") + number)))
    if thresholds:
        panel.thresholds(thresholds)
    if decimals is not None:
        panel.decimals(decimals)
    if link:
        panel.links([dashboard.DashboardLink(f"Runbook: {link}").url(sections.link(link))])
    return panel


def lines(title, text, unit, *queries, style=None, stacked=False, low=0, high=None, **more):
    """Series over time. Without `low` the axis follows the values."""
    panel = made(timeseries.Panel(), title, text, unit, queries, **more)
    panel.legend(legend()).tooltip(tooltip()).line_width(1).fill_opacity(10).show_points(options.VisibilityMode.NEVER)
    if low is not None:
        panel.min(low)
    if high is not None:
        panel.max(high)
    if style:
        panel.draw_style(style)
    if stacked:
        panel.stacking(common.StackingConfig().mode(options.StackingMode.NORMAL).group("A"))
    if more.get("thresholds"):
        panel.thresholds_style(common.GraphThresholdsStyleConfig().mode(options.GraphThresholdsStyleMode.DASHED))
    return panel


def bars(*arguments, **more):
    return lines(*arguments, style=options.GraphDrawStyle.BARS, **more).fill_opacity(60)


def number(title, text, unit, *queries, calc="lastNotNull", field="", mappings=None, graph=True, **more):
    """One value, in the colour of its threshold. `field`: which of the columns of a query."""
    panel = made(stat.Panel(), title, text, unit, queries, **more)
    reduce = common.ReduceDataOptions().calcs([calc]).values(False)
    panel.reduce_options(reduce.fields(f"/^{field}$/") if field else reduce)
    panel.graph_mode(options.BigValueGraphMode.AREA if graph else options.BigValueGraphMode.NONE)
    panel.color_mode(options.BigValueColorMode.VALUE)
    if mappings:
        panel.mappings(mappings)
    return panel


def rows(title, text, unit, *queries, **more):
    return made(table.Panel(), title, text, unit, queries, **more)


def states(title, text, unit, *queries, mappings, **more):
    panel = made(statetimeline.Panel(), title, text, unit, queries, **more)
    panel.mappings(mappings).legend(legend()).show_value(options.VisibilityMode.NEVER)
    return panel.merge_values(True).fill_opacity(80).row_height(0.8)


def candles(title, text, unit, *queries, **more):
    return made(candlestick.Panel(), title, text, unit, queries, **more).legend(legend())


def legend():
    return (
        common.VizLegendOptions()
        .display_mode(options.LegendDisplayMode.LIST)
        .placement(options.LegendPlacement.BOTTOM)
        .show_legend(True)
    )


def tooltip():
    return common.VizTooltipOptions().mode(options.TooltipDisplayMode.MULTI).sort(options.SortOrder.DESCENDING)


def source(name, plugin, label):
    return dashboard.DatasourceVariable(name).type(plugin).label(label)


def label_values(name, label, metric, value):
    """A variable with the values of a metric's label, several or all."""
    found = dashboard.QueryVariable(name).label(label).datasource(METRICS).query(f"label_values({metric}, {value})")
    found.refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(models.VariableSort.NATURAL_ASC)
    return (
        found.multi(True).include_all(True).all_value(".*").current(models.VariableOption(text="All", value="$__all"))
    )


def selected(name, label, statement, several=False, hidden=False):
    """A variable with what a CQL statement returns."""
    found = dashboard.QueryVariable(name).label(label).datasource(TABLES).query({"query": " ".join(statement.split())})
    found.refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(models.VariableSort.NATURAL_ASC)
    if several:
        found.multi(True).include_all(True).current(models.VariableOption(text="All", value="$__all"))
    return found.hide(models.VariableHide.HIDE_VARIABLE) if hidden else found


def our_variables():
    return [
        source("metrics", "prometheus", "Metrics"),
        label_values("job", "Job", "finpipe_build_info", "job"),
        label_values("instance", "Instance", 'finpipe_build_info{job=~"$job"}', "instance"),
    ]


def their_variables(metric):
    """Which servers: those whose JMX agent tells that metric."""
    return [
        label_values("server_job", "Server job", metric, "job"),
        label_values("server", "Server", f'{metric}{{job=~"$server_job"}}', "instance"),
    ]


def alerts_annotation():
    """Alerts of ours that fire, as regions."""
    return (
        dashboard.AnnotationQuery()
        .name("Alerts")
        .datasource(METRICS)
        .enable(True)
        .icon_color(BAD)
        .expr('ALERTS{alertstate="firing",severity=~".+"}')
    )


class Board:
    """A dashboard in the making: lines of panels, each as wide as the page."""

    def __init__(self, uid, title, text, variables, period="now-1h", refresh="10s", annotations=()):
        self.uid = uid
        self.panels = 0
        self.y = 0
        self.made = dashboard.Dashboard(title).uid(uid).description(text).tags([TAG]).editable().timezone("utc")
        self.made.time(period, "now").refresh(refresh).tooltip(models.DashboardCursorSync.CROSSHAIR)
        self.made.variables(variables).annotations(list(annotations))
        self.made.links(
            [
                dashboard.DashboardLink("finpipe")
                .type(models.DashboardLinkType.DASHBOARDS)
                .tags([TAG])
                .as_dropdown(True)
                .include_vars(True)
                .keep_time(True)
                .icon("external link"),
                dashboard.DashboardLink("Runbook")
                .type(models.DashboardLinkType.LINK)
                .url(f"/d/{sections.UID}")
                .icon("doc")
                .target_blank(True),
            ]
        )

    def row(self, title, *panels, height=8):
        """A line below a heading."""
        self.panels += 1
        self.made.with_row(dashboard.Row(title).id(self.panels).grid_pos(models.GridPos(h=1, w=WIDTH, x=0, y=self.y)))
        self.y += 1
        return self.line(*panels, height=height)

    def line(self, *panels, height=8):
        for number, panel in enumerate(panels):
            self.panels += 1
            left, right = (WIDTH * place // len(panels) for place in (number, number + 1))
            self.made.with_panel(
                panel.id(self.panels).grid_pos(models.GridPos(h=height, w=right - left, x=left, y=self.y))
            )
        self.y += height
        return self

    def build(self):
        return self.made.build()


def java_panels():
    """Of servers with a JMX agent, which adds these by itself."""
    return (
        lines(
            "Heap",
            "Used, and at most, of each server.",
            "bytes",
            query(of("jvm_memory_used_bytes", 'area="heap"', THEIRS), "{{instance}}"),
            query(of("jvm_memory_max_bytes", 'area="heap"', THEIRS), "{{instance}} at most"),
        ),
        lines(
            "Garbage collection",
            "Share of the time in which a server collects.",
            "percentunit",
            query(f"sum by (instance) ({rate('jvm_gc_collection_seconds_sum', scope=THEIRS)})", "{{instance}}"),
        ),
        lines(
            "Processor time",
            "Of each server: 100 % is one whole processor.",
            "percentunit",
            query(rate("process_cpu_seconds_total", scope=THEIRS), "{{instance}}"),
        ),
    )
