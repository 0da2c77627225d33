"""One offer of load, and what it cost the server."""

import time
from pathlib import Path

from . import process
from .generator import offer


def machine() -> dict[str, float]:
    """Seconds of all processors that were busy, and that the host took away."""
    fields = [int(ticks) / process.TICKS for ticks in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
    user, nice, system, _idle, _waiting, interrupts, soft, stolen = fields[:8]
    return {"busy": user + nice + system + interrupts + soft, "stolen": stolen}


class Run:
    """How long and how much, for everything that is measured in one run."""

    def __init__(self, options, say):
        self.seconds = options.seconds
        self.warm_up = min(2.0, options.seconds / 4)
        self.scale = options.scale
        self.payload = options.payload
        self.pollers = options.pollers
        self.say = say

    def count(self, whole: int, server) -> int:
        """Of so many in a whole run, how many now, and on this server."""
        return max(int(whole * self.scale * server.share), 20)

    def offer(self, server, work: str, **options) -> dict:
        return offer(server.addresses, work, **{"payload": self.payload, "pollers": self.pollers} | options)

    def measured(self, server, work: str, *, times: bool = True, costs: bool = True, **options) -> dict:
        """The figures of one offer, as `results.FIGURES` names them."""
        before = {}

        def begins() -> None:
            server.forget_peaks()
            before.update(server.sample() | machine())

        whole = self.offer(server, work, begins=begins, **{"seconds": self.seconds, "warm_up": self.warm_up} | options)
        after = server.sample() | machine()
        spent = {name: after[name] - before[name] for name in after}
        figures = outcome(whole, times) | others(whole, spent)
        if costs and whole["done"]:
            figures |= cost(spent, whole["done"], len(server.pids)) | {"peak_mb": server.peak_mb()}
        return figures

    def settle(self, server) -> None:
        """Waits until a server has put in order what it was given: less than 0.3 cores for a while. But not for ever."""
        until, pause = time.monotonic() + 12 * self.seconds, min(self.seconds, 2)
        while time.monotonic() < until:
            before = server.sample()["cpu"]
            time.sleep(pause)
            if server.sample()["cpu"] - before < 0.3 * pause:
                return


def outcome(whole: dict, times: bool) -> dict:
    figures = {"per_second": whole["per_second"], "failed": sum(whole["failed"].values())}
    if times and whole["done"]:
        figures |= {name: whole[name] for name in ("p50_ms", "p90_ms", "p99_ms", "max_ms")}
    return figures


def others(whole: dict, spent: dict) -> dict:
    """Cores that the generator kept busy, and everything that is neither it nor a server."""
    seconds = whole["seconds"]
    return {
        "generator_cores": whole["cpu_seconds"] / seconds,
        "other_cores": max(spent["busy"] - spent["cpu"] - whole["cpu_seconds"], 0) / seconds,
        "stolen_cores": spent["stolen"] / seconds,
    }


def cost(spent: dict, done: int, processes: int) -> dict:
    figures = {
        "cpu_ms": spent["cpu"] / done * 1000,
        "switches": spent["switches"] / done,
        "written_kb": spent["written"] / done / processes / 1000,
    }
    if "entries" in spent:
        figures |= {
            "entries": spent["entries"] / done,
            "appends": spent["appends"] / done,
            "syncs": spent["syncs"] / done / processes,
            "log_kb": spent["log_bytes"] / done / processes / 1000,
        }
    return figures
