"""The benchmark plays each of its scenarios for a moment, and its figures are there."""

import argparse
import dataclasses
import os
import sys
import xml.etree.ElementTree
from pathlib import Path

import pytest

from harness.cluster import TARGET

ROOT = Path(__file__).parent.parent
sys.path.append(str(ROOT / "benches"))
os.environ.setdefault("TENURE_LOAD", str(TARGET / "debug" / "tenure-load"))

from suite import goals, page, plots  # noqa: E402
from suite.generator import LOAD  # noqa: E402
from suite.measure import Run  # noqa: E402
from suite.results import FIGURES, Results  # noqa: E402
from suite.scenarios import SCENARIOS  # noqa: E402
from suite.servers import Mock, Tenure  # noqa: E402

pytestmark = pytest.mark.tenure

MOMENT = argparse.Namespace(seconds=0.2, scale=0.0003, payload=10, pollers=8, shards=1, budget_mib=64, nodes=1)

TIMES = {"p50_ms", "p90_ms", "p99_ms", "max_ms"}
COSTS = {"cpu_ms", "switches", "written_kb", "peak_mb", "entries", "appends", "syncs", "log_kb"}

# What the rows of scenarios have that are more than loads.
SPECIAL = {
    "timers": TIMES | COSTS,
    "backlog": {"per_second", "count"} | COSTS,
    "lists": {"per_second"} | TIMES,
    "idle": {"idle_percent", "resident_mb", "disk_mb"},
    "restart": {"ready_s", "disk_mb"},
    "leader kill": {"per_second", "failed", "gap_p50_ms", "gap_max_ms"},
    "growth": {"cpu_ms", "count", "budgeted_mb"},
    "sustained": {"end_to_beginning", "budgeted_mb", "curve"} | COSTS,
}


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    assert LOAD.exists(), f"{LOAD} is missing: cargo build --manifest-path benches/load/Cargo.toml"
    return tmp_path_factory.mktemp("bench")


@pytest.fixture(scope="module")
def tenure(directory):
    with Tenure(directory / "tenure", MOMENT) as server:
        yield server


@pytest.fixture(scope="module")
def mock(directory):
    with Mock(directory / "mock", MOMENT) as server:
        yield server


@pytest.fixture(scope="module")
def results():
    return Results()


def named(name: str):
    return next(scenario for scenario in SCENARIOS if scenario.name == name)


def shortened(scenario):
    """With its first load, and its last one."""
    # As many as servers let one workflow have at once.
    few = {"targets": 20} if "work" in scenario.options else {}
    return dataclasses.replace(scenario, loads=tuple(dict.fromkeys([*scenario.loads[:1], *scenario.loads[-1:]])),
                               options=scenario.options | few)


def play(server, scenario, results: Results) -> dict[str, dict]:
    rows = dict(scenario.play(server, scenario, Run(MOMENT, print)))
    for load, figures in rows.items():
        results.add(scenario.name, load, server.key, 0, figures)
        assert set(figures) - set(FIGURES) <= {"generator_cores", "other_cores", "stolen_cores", "curve"}, "figures without a column"
    assert rows
    return rows


@pytest.mark.parametrize("name", [scenario.name for scenario in SCENARIOS if scenario.loads])
def test_loads_of_a_node(tenure, results, name):
    for load, figures in play(tenure, shortened(named(name)), results).items():
        assert figures["per_second"] > 0 and figures["failed"] == 0, load
        assert TIMES | COSTS <= set(figures), load
        assert 0 < figures["p50_ms"] <= figures["p99_ms"] <= figures["max_ms"], load


@pytest.mark.parametrize("name", [scenario.name for scenario in SCENARIOS if "mock" in scenario.servers])
def test_loads_of_the_mock(mock, results, name):
    for load, figures in play(mock, shortened(named(name)), results).items():
        assert figures["per_second"] > 0 and figures["failed"] == 0, load
        assert TIMES | {"cpu_ms", "generator_cores"} <= set(figures), load


# One node restarts well, but nobody takes over from it.
@pytest.mark.parametrize("name", sorted(SPECIAL.keys() - {"leader kill"}))
def test_other_scenarios(tenure, results, name):
    for load, figures in play(tenure, named(name), results).items():
        assert SPECIAL[name] - ({"p50_ms"} if load == "drained" else set()) <= set(figures), load
        assert not figures.get("failed"), load


@pytest.mark.own_cluster
def test_leader_kill(directory, results):
    with Tenure(directory / "three", argparse.Namespace(**vars(MOMENT) | {"nodes": 3})) as server:
        (figures,) = play(server, named("leader kill"), results).values()
    assert SPECIAL["leader kill"] <= set(figures)
    assert figures["failed"] == 0 and figures["gap_max_ms"] > 0


@pytest.mark.own_cluster
def test_a_workflow_takes_four_entries_where_polls_wait(directory):
    """On three nodes, whichever of them leads the run and whichever the home of its queues."""
    options = argparse.Namespace(**vars(MOMENT) | {"nodes": 3, "shards": 8, "pollers": 48, "seconds": 2})
    with Tenure(directory / "entries", options) as server:
        figures = Run(options, print).measured(server, "workflow", in_flight=1)
    print(figures)
    assert figures["failed"] == 0 and figures["entries"] < 4.2, figures


def test_document(tmp_path):
    """Of made-up results: a table and pictures of everything, each goal met or not."""
    results = Results(conditions={"budget_mib": 256})
    for scenario in SCENARIOS:
        for load in [load.label for load in scenario.loads] or ["beside 10", "beside 100"]:
            for server in scenario.servers:
                figures = dict.fromkeys(FIGURES, 3.0)
                figures["curve"] = [dict.fromkeys(("minutes", "per_second", "cpu_ms", "written_kb", "resident_mb", "budgeted_mb", "disk_mb"), at)
                                    for at in (1.0, 2.0)]
                results.add(scenario.name, load, server, 0, figures)
    drawn = plots.draw(results, tmp_path)
    assert set(drawn) == set(plots.PICTURES)
    for name in drawn.values():
        assert xml.etree.ElementTree.parse(tmp_path / name).getroot().tag.endswith("svg")
    told = [goal.row(results)[2] for goal in goals.GOALS]
    assert {"met", "**not met**", "not measured"} == set(told)
    for scenario in SCENARIOS:
        table = page.of_scenario(results, scenario.name).splitlines()
        assert len({line.count("|") for line in table}) == 1, "a table with holes"
        assert len(table) == 2 + len(results.loads(scenario.name))
