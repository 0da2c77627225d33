"""The document's pictures, as SVG."""

from pathlib import Path

import pygal
from pygal.style import Style

from .results import Results
from .servers import ALL

STYLE = Style(background="white", plot_background="white", foreground="#333", foreground_strong="#111", foreground_subtle="#888",
              guide_stroke_color="#ddd", major_guide_stroke_color="#bbb", opacity=".85", colors=("#1f6feb", "#d1495b", "#edae49", "#66a182", "#8d6a9f"), font_family="sans-serif",
              label_font_size=13, major_label_font_size=13, title_font_size=17, legend_font_size=13, value_font_size=11)
# Of a logarithmic axis.
POWERS = [10**power for power in range(6)]
# Pictures in a document run no scripts.
COMMON = {"style": STYLE, "js": [], "width": 900, "height": 420, "legend_at_bottom": True, "disable_xml_declaration": False,
          "show_minor_x_labels": True, "dynamic_print_values": False, "explicit_size": True, "no_prefix": True}


def draw(results: Results, directory: Path) -> dict[str, str]:
    """Writes a picture for each thing that was measured; gives the files' names by the scenario that they stand below."""
    drawn = {}
    for scenario, (name, picture) in PICTURES.items():
        chart = picture(results)
        if chart is not None:
            directory.mkdir(parents=True, exist_ok=True)
            (directory / f"{name}.svg").write_bytes(chart.render())
            drawn[scenario] = f"{name}.svg"
    return drawn


def in_flight(results: Results):
    chart = pygal.XY(title="One activity: workflows a second by how many are in flight", logarithmic=True, xrange=(1, 256),
                     x_title="in flight", y_title="/s", x_labels=[1, 16, 64, 256], y_labels=POWERS, **COMMON)
    for key, server in ALL.items():
        points = [(number, results.one("per_second", "one activity", f"{number} in", key)) for number in (1, 16, 64, 256)]
        if all(rate for _, rate in points):
            chart.add(server.title, points)
    return chart if chart.raw_series else None


def at_64(results: Results):
    """What servers do in a second, one scenario beside the other."""
    loads = ("64 in flight", "256 in flight")
    names = dict.fromkeys((row["scenario"], row["load"]) for row in results.rows if row["load"] in loads and row["scenario"] != "overload")
    # From the bottom up.
    names = list(names)[::-1]
    chart = pygal.HorizontalBar(title="Units a second", logarithmic=True, y_labels=POWERS, range=(1, POWERS[-1]), zero=1,
                                x_labels=[f"{scenario}, {load.split()[0]}" for scenario, load in names],
                                **COMMON | {"height": 120 + 45 * len(names)})
    for key in ("tenure", "file", "memory"):
        chart.add(ALL[key].title, [results.one("per_second", *name, key) for name in names])
    return chart if names else None


def over_time(title: str, scenario: str, *series: tuple[str, str]):
    def picture(results: Results):
        curve = results.curve(scenario)
        chart = pygal.XY(title=title, x_title="minutes", show_dots=False, range=None, include_x_axis=True, **COMMON)
        for label, figure in series:
            chart.add(label, [(point["minutes"], point[figure]) for point in curve])
        return chart if len(curve) > 1 else None

    return picture


def growth(results: Results):
    points = [(row["figures"]["count"], row["figures"]["cpu_ms"]) for row in results.rows if row["scenario"] == "growth"]
    # Only the horizontal axis is logarithmic, which the library does for both or for none.
    chart = pygal.Line(title="Server CPU ms of a workflow, by how many executions are open", include_x_axis=True, show_legend=False,
                       x_labels=[f"{count:,}" for count, _ in points], **COMMON)
    chart.add("CPU ms", [cost for _, cost in points])
    return chart if len(points) > 1 else None


# By the scenario below which they stand; `None`: at the top.
PICTURES = {
    None: ("overview", at_64),
    "one activity": ("one-activity", in_flight),
    "sustained": ("sustained-rate", over_time("Sustained: workflows a second", "sustained", ("/s", "per_second"))),
    "sustained, bytes": ("sustained-bytes", over_time("Sustained: KB written a node and workflow, and CPU ms", "sustained",
                                                      ("written KB", "written_kb"), ("CPU ms", "cpu_ms"))),
    "sustained, memory": ("sustained-memory", over_time("Sustained: MB of a node", "sustained", ("resident", "resident_mb"),
                                                        ("counted against the budget", "budgeted_mb"), ("on disk", "disk_mb"))),
    "growth": ("growth", growth),
}
