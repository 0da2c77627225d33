"""What is to be reached, beside what was measured: one table, as data."""

from collections.abc import Callable
from dataclasses import dataclass

from .results import Results, digits

ONE = "one activity"


@dataclass(frozen=True)
class Goal:
    says: str
    measured: Callable[[Results], float | None]
    reached: Callable[[float], bool]
    unit: str = ""

    def row(self, results: Results) -> tuple[str, str, str]:
        value = self.measured(results)
        if value is None:
            return self.says, "–", "not measured"
        return self.says, f"{digits(value)} {self.unit}".strip(), "met" if self.reached(value) else "**not met**"


def of(figure: str, scenario: str, load: str) -> Callable[[Results], float | None]:
    return lambda results: results.one(figure, scenario, load)


def below(limit: float) -> Callable[[float], bool]:
    return lambda value: value < limit


def at_most(limit: float) -> Callable[[float], bool]:
    return lambda value: value <= limit


def at_least(limit: float) -> Callable[[float], bool]:
    return lambda value: value >= limit


def times_the_file(results: Results) -> float | None:
    ours, file = (results.one("per_second", ONE, "256", server) for server in ("tenure", "file"))
    return ours / file if ours and file else None


def most_budgeted(results: Results) -> float | None:
    return max((row["figures"].get("budgeted_mb") or 0 for row in results.rows), default=0) or None


def budget(results: Results) -> float | None:
    """The part of a node's budget that was used at most."""
    used, budget_mib = most_budgeted(results), results.conditions.get("budget_mib")
    return used / (budget_mib * 1.048576) if used and budget_mib else None


def growth(results: Results) -> float | None:
    costs = [row["figures"]["cpu_ms"] for row in results.rows if row["scenario"] == "growth" and "cpu_ms" in row["figures"]]
    return costs[-1] / costs[0] if len(costs) > 1 else None


GOALS = (
    Goal("One activity, one in flight: p50 from start to completion under 5 ms", of("p50_ms", ONE, "1 in"), below(5), "ms"),
    Goal("256 in flight: at least 1,600 workflows/s", of("per_second", ONE, "256"), at_least(1600), "/s"),
    Goal("256 in flight: at least 50 times the reference's file database", times_the_file, at_least(50), "times"),
    Goal("256 in flight: at least 2 times Restate's three nodes", lambda _: None, at_least(2)),
    Goal("256 in flight: at most 1.0 ms of server CPU a workflow, all three nodes", of("cpu_ms", ONE, "256"), at_most(1), "ms"),
    Goal("At most 4.1 entries a workflow under load (64 in flight)", of("entries", ONE, "64"), at_most(4.1)),
    Goal("Under 0.5 syncs a node and workflow under load (64 in flight)", of("syncs", ONE, "64"), below(0.5)),
    Goal("At most 12 KB written a node and workflow, sustained", of("written_kb", "sustained", ""), at_most(12), "KB"),
    Goal("No slower at the end of half an hour than at its beginning (last tenth to first, within 2 %)",
         of("end_to_beginning", "sustained", ""), at_least(0.98)),
    Goal("Under 150 MB a node at rest", of("resident_mb", "idle", "empty"), below(150), "MB"),
    Goal("Within the configured budget, while sustained and with ever more open (part of it used at most)", budget, at_most(1)),
    Goal("Idle under 2 % of a core, three nodes with 8 shards together", of("idle_percent", "idle", "empty"), below(2), "%"),
    Goal("p99 at 50 % load under 20 ms", of("p99_ms", ONE, "open, 50"), below(20), "ms"),
    Goal("Through a leader kill no failed call", of("failed", "leader kill", ""), at_most(0), "failed"),
    Goal("Through a leader kill a gap under 2 s", of("gap_max_ms", "leader kill", ""), below(2000), "ms"),
    Goal("Through a leader kill p50 of the gap under 1 s", of("gap_p50_ms", "leader kill", ""), below(1000), "ms"),
    Goal("Signals to 1,000 workflows: 10,000/s", of("per_second", "signals to 1,000", "256"), at_least(10_000), "/s"),
    Goal("Starts: 5,000/s", of("per_second", "starts", "256"), at_least(5_000), "/s"),
    Goal("Queries bounded by CPU, not by syncs (syncs a node and query)", of("syncs", "queries", "64"), below(0.01)),
    Goal("Cost of a workflow beside the most open executions within 1.3 of that beside the fewest", growth, at_most(1.3), "times"),
)
