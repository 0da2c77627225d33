"""How scenarios are played: each function yields the label of a row and its figures."""

import math
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from statistics import median

from harness.cluster import TEMPORAL, wait_until

from . import process
from .generator import offer
from .measure import Run

Rows = Iterator[tuple[str, dict]]

# Seconds after which a thing that ends by its count is given up.
FOREVER = 4 * 3600


class Load:
    """Part of a scenario: `in_flight` units all the time, or a rate, as a `share` of the most that those before it did."""

    def __init__(self, label: str, *, in_flight: int | None = None, share: float | None = None, longer: float = 1):
        self.label, self.in_flight, self.share, self.longer = label, in_flight, share, longer


def loads(server, scenario, run: Run) -> Rows:
    most = 0.0
    for load in scenario.loads:
        rate = max(most * load.share, 1) if load.share else None
        figures = run.measured(server, in_flight=load.in_flight, rate=rate, seconds=run.seconds * load.longer,
                               apart=scenario.apart, **scenario.options)
        most = max(most, figures["per_second"]) if load.in_flight else most
        yield load.label, figures


def timers(server, scenario, run: Run) -> Rows:
    options = scenario.options
    ours = server.key == "tenure"
    rate = options["rate"] if ours else options["rate"] / 20
    figures = run.measured(server, "timer", rate=rate, timer=1)
    # What was offered says nothing of the server.
    del figures["per_second"]
    yield "at a rate", figures
    count, creations = run.count(options["count"], server), options["creations"] if ours else options["creations"] / 16
    due = time.time() + count / creations + 2 + count / 10_000
    run.say(f"{count:,} timers are made for {due - time.time():.0f} s from now")
    figures = run.measured(server, "timer", rate=creations, count=count, due=due, seconds=FOREVER, warm_up=0, deadline=900)
    figures["per_second"] = (count - figures["failed"]) / max(time.time() - due, 0.001)
    yield "at once", figures | {"count": count}


def backlog(server, scenario, run: Run) -> Rows:
    count = run.count(scenario.options["count"], server)
    until_done = {"name": "backlog", "count": count, "seconds": FOREVER, "warm_up": 0}
    yield "started", run.measured(server, "start", in_flight=64, **until_done) | {"count": count}
    yield "drained", run.measured(server, "drain", times=False, in_flight=64, deadline=900, **until_done) | {"count": count}


QUERIES = {
    "first page of all": {"work": "list"},
    "a page by type and status": {"work": "list", "query": "WorkflowType = 'load{t}' AND ExecutionStatus = 'Terminated'"},
    "a page by an attribute": {"work": "list", "query": "Customer = 'c{c}'"},
    "count by status": {"work": "count", "query": "GROUP BY ExecutionStatus"},
}


def add_attribute(address: str) -> None:
    """The one that workflows of a catalogue have."""
    command = ["operator", "search-attribute", "create", "--name", "Customer", "--type", "Keyword"]
    subprocess.run([TEMPORAL, *command, "--address", address], check=True, capture_output=True)


def lists(server, scenario, run: Run) -> Rows:
    count = run.count(scenario.options["count"], server)
    add_attribute(server.addresses[0])
    filled = run.offer(server, "catalogue", name="run", in_flight=64, count=count, seconds=FOREVER, payload=0)
    run.say(f"{filled['done']:,} runs in {filled['seconds']:.0f} s")
    run.settle(server)
    for label, query in QUERIES.items():
        with ThreadPoolExecutor() as beside:
            load = beside.submit(run.offer, server, "workflow", in_flight=4, seconds=run.seconds + run.warm_up)
            yield label, run.measured(server, in_flight=1, costs=False, **query) | {"count": count}
            load.result()


def at_rest(server, run: Run) -> dict:
    run.settle(server)
    before = server.sample()["cpu"]
    seconds = run.seconds * 3
    time.sleep(seconds)
    return {
        "idle_percent": (server.sample()["cpu"] - before) / seconds * 100,
        "resident_mb": max(map(process.resident_mb, server.pids)),
        "disk_mb": server.disk_bytes() / len(server.pids) / process.MB,
    }


def idle(server, scenario, run: Run) -> Rows:
    count = run.count(scenario.options["count"], server)
    empty = at_rest(server, run)
    yield "empty", empty
    run.offer(server, "open", in_flight=64, count=count, seconds=FOREVER)
    full = at_rest(server, run)
    added = {f"{what}_each_kb": (full[f"{what}_mb"] - empty[f"{what}_mb"]) / count * 1000 for what in ("resident", "disk")}
    yield "with open ones", full | added | {"count": count}


def restart(server, scenario, run: Run) -> Rows:
    kib = 16
    runs = run.count(scenario.options["megabytes"] * 1_000_000 // (kib << 10), server)
    run.offer(server, "start", in_flight=64, count=runs, seconds=FOREVER, payload=kib << 10)
    state = {"count": runs, "disk_mb": server.disk_bytes() / len(server.pids) / process.MB}
    for label, end in (("kill -9", server.kill), ("stopped", server.stop)):
        end()
        began = time.monotonic()
        server.start()
        yield label, state | {"ready_s": time.monotonic() - began}


def leader_kill(server, scenario, run: Run) -> Rows:
    kills = max(round(scenario.options["kills"] * min(run.scale * 5, 1)), 1)
    seconds = max(run.seconds, 4)
    told = []
    for number in range(kills):
        told.append(killed_once(server, scenario.options["rate"], seconds, run))
        run.say(f"kill {number + 1} of {kills}: the longest took {told[-1]['max_ms']:.0f} ms, failed {told[-1]['failed']}")
    yield "through the others", {
        "count": kills,
        "per_second": median(one["per_second"] for one in told),
        "p50_ms": median(one["p50_ms"] for one in told),
        "p99_ms": median(one["p99_ms"] for one in told),
        "failed": sum(sum(one["failed"].values()) for one in told),
        "gap_p50_ms": median(one["max_ms"] for one in told),
        "gap_max_ms": max(one["max_ms"] for one in told),
    }


def killed_once(server, rate: float, seconds: float, run: Run) -> dict:
    cluster = server.inner
    node = cluster.busiest()
    others = [other.address for other in cluster.nodes if other is not node]
    timer = threading.Timer(seconds / 2, node.kill)
    try:
        return offer(others, "workflow", rate=rate, seconds=seconds, warm_up=1, begins=timer.start, payload=run.payload, pollers=run.pollers)
    finally:
        timer.cancel()
        cluster.start()
        wait_until(lambda: all(cluster.leaders().values()), 60, "all shards are led")
        # Until the node leads again what falls to it.
        time.sleep(min(seconds, 10))


def growth(server, scenario, run: Run) -> Rows:
    there = 0
    for step in scenario.options["steps"]:
        count = run.count(step, server)
        if count <= there:
            continue
        filled = run.offer(server, "asleep", in_flight=64, count=count - there, seconds=FOREVER)
        run.say(f"{filled['done']:,} more in {filled['seconds']:.0f} s, {filled['per_second']:.0f}/s")
        there = count
        run.settle(server)
        figures = run.measured(server, "workflow", in_flight=64, seconds=run.seconds * 2)
        yield f"beside {there:,}", figures | {"count": there, "budgeted_mb": server.budgeted_mb()}


def sustained(server, scenario, run: Run) -> Rows:
    """Its figures have a `curve`: points along the way."""
    seconds = max(scenario.options["minutes"] * 60 * run.scale, run.seconds)
    every = max(seconds / 60, 0.1)
    curve: list[dict] = []
    last = {}

    def told(slice_: dict) -> None:
        now = server.sample()
        done = max(slice_["done"], 1)
        if last:
            curve.append({
                "minutes": (time.monotonic() - began) / 60,
                "per_second": slice_["per_second"],
                "p99_ms": slice_["p99_ms"],
                "cpu_ms": (now["cpu"] - last["cpu"]) / done * 1000,
                "written_kb": (now["written"] - last["written"]) / done / len(server.pids) / 1000,
                "resident_mb": max(map(process.resident_mb, server.pids)),
                "budgeted_mb": server.budgeted_mb(),
                "disk_mb": server.disk_bytes() / len(server.pids) / process.MB,
            })
            if len(curve) % 5 == 0:
                run.say(f"{curve[-1]['minutes']:.1f} min: " + ", ".join(f"{name} {value:.1f}" for name, value in list(curve[-1].items())[1:]))
        last.update(now)

    began = time.monotonic()
    figures = run.measured(server, "workflow", told=told, seconds=seconds, every=every, in_flight=scenario.options["in_flight"])
    tenth = max(len(curve) // 10, 1)
    rates = [point["per_second"] for point in curve]
    if rates:
        beginning, end = sum(rates[:tenth]), sum(rates[-tenth:])
        # In a moment's run nothing may end in the first slice.
        figures["end_to_beginning"] = end / beginning if beginning else math.inf
        figures["budgeted_mb"] = max(point["budgeted_mb"] for point in curve)
    yield f"{seconds / 60:.2g} minutes", figures | {"curve": curve}
