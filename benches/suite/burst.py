"""Very many schedules that are due in the same second, on three local nodes, beside the reference server.

    scripts/bench burst [--schedules 60000] [--reference-schedules 200]

Creates the schedules, each of which starts a workflow that no worker takes up, and waits for their second. From ten seconds
before it, workflows with a timer of a second are started, 20 a second: how late the tasks of these timers reach a worker is what
the burst does to timers that have nothing to do with it.
"""

import argparse
import asyncio
import contextlib
import json
import math
import subprocess
import tempfile
import time
from pathlib import Path

from harness.cluster import Cluster, Oracle
from harness.rpc import Api
from temporalio.api.workflowservice.v1 import request_response_pb2 as w

from .generator import command, offer
from .process import peak_mb

# Schedules that each server creates in a second, at the least.
CREATED = {"tenure": 1000, "reference": 40}
# Seconds from the last creation to the burst, and before it for which timers are watched.
MARGIN, BEFORE = 20, 10
# Seconds after which a burst is given up, for each thousand of its schedules; and at the least.
GIVEN_UP, AT_LEAST = 20, 60
TIMERS_A_SECOND = 20


def say(line: str) -> None:
    print(line, flush=True)


def memory(pids: list[int]) -> float:
    """The most that processes together have held so far, in MB."""
    return sum(map(peak_mb, pids))


async def burst(name: str, addresses: list[str], pids: list[int], schedules: int) -> None:
    api = Api(addresses[0])
    due = math.ceil(time.time() + schedules / CREATED[name] + MARGIN)
    created = offer(addresses, "schedule", name="burst", at=due, count=schedules, seconds=due - MARGIN - time.time(), in_flight=64)
    say(f"{name}: {created['done']} schedules in {created['seconds']:.0f} s, {created['per_second']:.0f}/s, failed {created['failed']}")
    before = memory(pids)

    async def count() -> int:
        with contextlib.suppress(Exception):
            query = w.CountWorkflowExecutionsRequest(namespace="default", query="WorkflowType = 'burst'")
            return (await api.call("CountWorkflowExecutions", query, 5)).count
        return 0

    await asyncio.sleep(due - BEFORE - time.time())
    seconds = max(AT_LEAST, schedules * GIVEN_UP / 1000)
    timers = await asyncio.create_subprocess_exec(
        *command(addresses, "timer", timer=1, rate=TIMERS_A_SECOND, seconds=BEFORE + seconds, every=1 / TIMERS_A_SECOND), stdout=subprocess.PIPE)
    told: list[dict] = []

    async def watch() -> None:
        async for line in timers.stdout:
            said = json.loads(line)
            if not (said.get("begins") or said["whole"]):
                told.append(said | {"at": time.time() - due})

    watching = asyncio.create_task(watch())
    while (started := await count()) < created["done"] and time.time() < due + seconds:
        await asyncio.sleep(0.25)
    seen = time.time() - due
    await asyncio.sleep(3)
    # It may have come to its end.
    with contextlib.suppress(ProcessLookupError):
        timers.terminate()
    await timers.wait()
    await watching
    latest = w.ListWorkflowExecutionsRequest(namespace="default", query="WorkflowType = 'burst'", page_size=1)
    last = (await api.call("ListWorkflowExecutions", latest, 30)).executions[0].start_time.ToNanoseconds() / 1e9 - due
    await api.close()
    # A line tells of about one timer; where it tells of more, each counts as the latest.
    late = {part: sorted(line["max_ms"] for line in told if when(line["at"]) for _ in range(line["done"]))
            for part, when in {"before": lambda at: at < 0, "burst": lambda at: 0 <= at <= seen + 1}.items()}
    say(f"{name}: {started} started, the last one {last:.1f} s after their second ({started / max(last, 1):.0f}/s)")
    for part, times in late.items():
        p50, p99, worst = (times[min(int(len(times) * share), len(times) - 1)] if times else 0 for share in (0.5, 0.99, 1))
        say(f"{name}: {len(times)} timers of other workflows, {part}: late by p50 {p50:.0f} ms, p99 {p99:.0f} ms, at most {worst:.0f} ms")
    say(f"{name}: {before:.0f} MB in all before, at most {memory(pids):.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench burst", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--schedules", type=int, default=60_000)
    parser.add_argument("--reference-schedules", type=int, default=200, help="0: without the reference server")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tenure-burst-") as name:
        directory = Path(name)
        with Cluster(directory / "cluster") as cluster:
            asyncio.run(burst("tenure", cluster.addresses, [node.pid for node in cluster.nodes], arguments.schedules))
        if arguments.reference_schedules:
            with Oracle(directory / "reference", file=True) as reference:
                asyncio.run(burst("reference", reference.addresses, [reference.pid], arguments.reference_schedules))


if __name__ == "__main__":
    main()
