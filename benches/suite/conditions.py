"""Under what conditions something was measured."""

import os
import platform
import shlex
import statistics
import subprocess
import sys
import time
from pathlib import Path

from harness.cluster import BINARY

from . import ROOT, process
from .generator import LOAD
from .measure import machine
from .servers import reference_version


def raw_sync_ms(directory: Path, count: int = 200) -> float:
    """Median time of writing 4 KiB and syncing it."""
    times = []
    probe = directory / "sync-probe"
    with probe.open("wb", buffering=0) as file:
        for _ in range(count):
            began = time.perf_counter()
            file.write(b"x" * 4096)
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - began)
    probe.unlink()
    return statistics.median(times) * 1000


def line_of(command: list) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, cwd=ROOT)
    return done.stdout.strip().splitlines()[0] if done.stdout.strip() else "–"


def spent() -> dict[tuple[int, str], float]:
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                found[int(entry.name), (entry / "comm").read_text().strip()] = process.cpu_seconds(int(entry.name))
            except OSError:
                pass  # It has just ended.
    return found


def what_else_runs(seconds: float = 3) -> dict:
    """Cores that are busy before anything was started, and the processes that take more than 2 % of one."""
    before, busy = spent(), machine()["busy"]
    time.sleep(seconds)
    after = {key: (value - before.get(key, 0)) / seconds for key, value in spent().items() if key[0] != os.getpid()}
    busiest = sorted(((share, name) for (_, name), share in after.items() if share > 0.02), reverse=True)
    return {"busy_cores": (machine()["busy"] - busy) / seconds, "processes": [f"{name} {share:.0%}" for share, name in busiest[:8]]}


def gather(options, directory: Path) -> dict:
    facts = (("model name", "cpuinfo"), ("MemTotal", "meminfo"))
    model, memory = (next((line.split(":")[1].strip() for line in Path("/proc", file).read_text().splitlines() if line.startswith(name)), "–")
                     for name, file in facts)
    return {
        "time": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "command": shlex.join(["./scripts/bench", *sys.argv[1:]]),
        "commit": line_of(["git", "describe", "--always", "--dirty", "--abbrev=12"]),
        "cores": len(os.sched_getaffinity(0)),
        "processor": model,
        "memory": memory,
        "system": f"{platform.system()} {platform.release()}",
        "binary": f"{BINARY.parent.name}, {line_of([BINARY, '--version'])}",
        "generator": LOAD.parent.name,
        "reference": reference_version(),
        "rust": line_of(["rustc", "--version"]),
        "nodes": options.nodes,
        "shards": options.shards,
        "budget_mib": options.budget_mib,
        "payload": options.payload,
        "pollers": options.pollers,
        "seconds": options.seconds,
        "rounds": options.rounds,
        "scale": options.scale,
        "before": {"sync_ms": raw_sync_ms(directory), "load_average": os.getloadavg(), **what_else_runs()},
    }


def afterwards(directory: Path) -> dict:
    return {"sync_ms": raw_sync_ms(directory), "load_average": os.getloadavg()}
