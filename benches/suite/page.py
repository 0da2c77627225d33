"""Writes the document: conditions, goals, and a table for each scenario."""

from pathlib import Path
from statistics import median

from . import plots
from .goals import GOALS
from .results import FIGURES, Results, digits
from .scenarios import SCENARIOS
from .servers import ALL

INTRODUCTION = """# Benchmarks

Written by `./scripts/bench`; what is changed by hand is lost. The load generator and its worker (`benches/load`) make raw gRPC
calls, without an SDK. They run on the same cores as the servers, and all servers of a table were measured in turn in one run, so
that ratios say more than figures. `mock` is a server in the generator that answers from memory: what is near it is bounded by the
generator. The reference server is a development server of one node, which syncs nothing in memory; its own limits are lifted.
Figures are medians over the rounds; a dash is what a server does not offer, or what was not measured.

Costs are of one unit of work: `CPU ms` and `switches` (context switches) of all nodes together; `entries` that were proposed to
Raft, and `appends` of them to the logs of all nodes; `syncs`, `log KB` (what went to the log) and `written KB` (what the process
had written to the disk, compaction included) of one node. `peak MB` is the most that was resident, of the process with the most.
"""


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def write(results: Results, path: Path) -> None:
    """The document, and its pictures in a directory beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text(results, plots.draw(results, path.with_suffix("")), path.stem))


def text(results: Results, drawn: dict[str, str], directory: str) -> str:
    def pictures(of: str | None) -> list[str]:
        names = [name for scenario, name in drawn.items() if scenario == of or (of and scenario and scenario.startswith(of + ","))]
        return [f"![{name.removesuffix('.svg')}]({directory}/{name})\n" for name in names]

    parts = [INTRODUCTION, *pictures(None), "## Goals\n", table(["goal", "measured", ""], [list(goal.row(results)) for goal in GOALS])]
    for scenario in SCENARIOS:
        if results.loads(scenario.name):
            parts += [f"## {scenario.name[0].upper()}{scenario.name[1:]}\n", scenario.says + "\n", of_scenario(results, scenario.name),
                      *pictures(scenario.name)]
    return "\n".join([*parts, "## Conditions\n", conditions(results)])


def of_scenario(results: Results, scenario: str) -> str:
    pairs = results.loads(scenario)
    columns = [figure for figure in FIGURES if any(results.each(figure, scenario, load, server) for load, server in pairs)]
    ratio = "per_second" in columns and len({server for _, server in pairs}) > 1
    head = ["load", "server", *[FIGURES[column] for column in columns]]
    if ratio:
        head.append("/s to file")
    rows = []
    for load, server in pairs:
        row = [load, ALL[server].title, *[digits(results.one(column, scenario, load, server)) for column in columns]]
        if ratio:
            row.append(times(results, scenario, load, server))
        rows.append(row)
    return table(head, rows)


def times(results: Results, scenario: str, load: str, server: str) -> str:
    """How many times the rate of the reference server on a file."""
    own, file = (results.one("per_second", scenario, load, key) for key in (server, "file"))
    return f"{digits(own / file)}×" if own and file else "–"


def conditions(results: Results) -> str:
    told = results.conditions
    before, after = told["before"], told.get("after", {})

    def most(figure: str) -> str:
        values = [row["figures"][figure] for row in results.rows if figure in row["figures"]]
        return f"median {median(values):.2f}, at most {max(values):.2f}" if values else "–"

    def averages(load) -> str:
        return ", ".join(f"{value:.2f}" for value in load)

    lines = {
        "when": told["time"],
        "command": f"`{told['command']}`",
        "build": f"`{told['binary']}` at `{told['commit']}`; {told['rust']}; generator: {told['generator']} build",
        "reference": f"{told['reference']}: `temporal server start-dev` with and without `--db-filename`",
        "machine": f"{told['cores']} cores of {told['processor']}, {told['memory']}, {told['system']}",
        "cluster": f"{told['nodes']} nodes on this machine, {told['shards']} shards and the system shard, a memory budget of "
                   f"{told['budget_mib']} MiB each; the log is synced before every reply",
        "load": f"{told['seconds']:g} s each after a warm-up, {told['rounds']} rounds, servers in turn and fresh for each scenario; a "
                f"payload of {told['payload']} bytes in each input and result; {told['pollers']} pollers of each kind",
        "scale": f"{told['scale']:g} of the counts and times of a whole run",
        "raw write and fdatasync of 4 KiB": f"{before['sync_ms']:.2f} ms before, {after.get('sync_ms', 0):.2f} ms after (medians)",
        "load average": f"{averages(before['load_average'])} before, {averages(after.get('load_average', ()))} after",
        "what else ran before": f"{before['busy_cores']:.2f} cores: {', '.join(before['processes']) or 'nothing above 2 %'}",
        "what else ran meanwhile": f"{most('other_cores')} cores, the kernel's own and this program among them; taken by the host: {most('stolen_cores')}",
        "generator": f"{most('generator_cores')} cores",
    }
    return "\n".join(f"- **{name}**: {value}" for name, value in lines.items()) + "\n"
