"""What was measured: a row for each scenario, load, server and round; kept as JSON, read as medians over rounds."""

import json
from pathlib import Path
from statistics import median

# Every figure by its name, and the head of its column.
FIGURES = {
    "count": "count",
    "per_second": "/s",
    "p50_ms": "p50 ms",
    "p90_ms": "p90 ms",
    "p99_ms": "p99 ms",
    "max_ms": "max ms",
    "failed": "failed",
    "gap_p50_ms": "gap p50 ms",
    "gap_max_ms": "gap max ms",
    "ready_s": "ready after s",
    "idle_percent": "% of a core",
    "cpu_ms": "CPU ms",
    "entries": "entries",
    "appends": "appends",
    "syncs": "syncs",
    "log_kb": "log KB",
    "written_kb": "written KB",
    "switches": "switches",
    "peak_mb": "peak MB",
    "resident_mb": "MB",
    "disk_mb": "disk MB",
    "resident_each_kb": "KB each",
    "disk_each_kb": "disk KB each",
    "budgeted_mb": "budgeted MB",
    "end_to_beginning": "end : beginning",
}


class Results:
    def __init__(self, rows: list[dict] | None = None, conditions: dict | None = None):
        self.rows = rows or []
        self.conditions = conditions or {}

    def add(self, scenario: str, load: str, server: str, round_: int, figures: dict) -> None:
        self.rows.append({"scenario": scenario, "load": load, "server": server, "round": round_, "figures": figures})

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"conditions": self.conditions, "rows": self.rows}, indent=1) + "\n")

    @staticmethod
    def read(path: Path) -> "Results":
        read = json.loads(path.read_text())
        return Results(read["rows"], read["conditions"])

    def loads(self, scenario: str) -> list[tuple[str, str]]:
        """Load and server of its rows, in the order in which they came first; the loads of all servers side by side."""
        seen = dict.fromkeys((row["load"], row["server"]) for row in self.rows if row["scenario"] == scenario)
        order = list(dict.fromkeys(load for load, _ in seen))
        return sorted(seen, key=lambda pair: order.index(pair[0]))

    def each(self, figure: str, scenario: str, load: str, server: str) -> list[float]:
        """The figure in each round; `load` may be the beginning of the label."""
        found = [row["figures"].get(figure) for row in self.rows if row["scenario"] == scenario and row["server"] == server
                 and row["load"].startswith(load)]
        return [value for value in found if value is not None]

    def one(self, figure: str, scenario: str, load: str, server: str = "tenure") -> float | None:
        """Its median; `None` if it was not measured."""
        values = self.each(figure, scenario, load, server)
        return median(values) if values else None

    def curve(self, scenario: str, server: str = "tenure") -> list[dict]:
        return next((row["figures"]["curve"] for row in self.rows if row["scenario"] == scenario and row["server"] == server
                     and row["figures"].get("curve")), [])


def digits(value: float | None) -> str:
    """Three of them that say something, or a dash."""
    if value is None:
        return "–"
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
