"""What an order costs: Raft entries, log syncs, CPU time and bytes per completed workflow, on three local nodes.

    benches/run [--workflows N] [--in-flight N] [--reference]

Starts a cluster of its own on free ports, drives workflows through all three addresses with raw calls (so that the
SDK's own cost stays out), and reads the nodes' metrics and /proc before and after.
"""

import argparse
import asyncio
import os
import platform
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from harness.cluster import BINARY, Cluster, Oracle  # noqa: E402
from harness.hand import Hand, activity, complete_workflow  # noqa: E402
from harness.rpc import Api, unique  # noqa: E402

from temporalio.api.taskqueue.v1 import TaskQueue  # noqa: E402
from temporalio.api.workflowservice.v1 import request_response_pb2 as w  # noqa: E402

TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident_mib(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def written_bytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/io").read_text().splitlines():
        if line.startswith("write_bytes"):
            return int(line.split()[1])
    return 0


def raw_fdatasync_ms(directory: Path, count: int = 200) -> float:
    """Median time of writing 4 KiB and syncing it, with nothing else going on."""
    times = []
    with (directory / "sync-probe").open("wb", buffering=0) as file:
        for _ in range(count):
            began = time.perf_counter()
            file.write(b"x" * 4096)
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - began)
    (directory / "sync-probe").unlink()
    return statistics.median(times) * 1000


class Load:
    """One-activity workflows: start, task, activity, task, closed. A few hand-driven workers poll every address."""

    def __init__(self, addresses: list[str]):
        self.apis = [Api(address) for address in addresses]
        self.queue = unique("bench")
        self.done: dict[str, asyncio.Future] = {}
        self.times: list[float] = []

    async def work(self, pollers: int) -> list[asyncio.Task]:
        loops = [self.workflow_tasks, self.activities]
        return [asyncio.create_task(loop(api)) for api in self.apis for loop in loops for _ in range(pollers)]

    async def workflow_tasks(self, api: Api) -> None:
        hand = Hand([api])
        hand.queue = self.queue
        while True:
            task = await hand.poll(timeout=70)
            if not task.task_token:
                continue
            first = task.previous_started_event_id == 0
            command = activity("a", self.queue, start_to_close=60) if first else complete_workflow("done")
            await hand.complete(task, command)
            if not first:
                self.done[task.workflow_execution.workflow_id].set_result(time.perf_counter())

    async def activities(self, api: Api) -> None:
        hand = Hand([api])
        while True:
            task = await hand.poll_activity(timeout=70, queue=self.queue)
            if task.task_token:
                await hand.complete_activity(task, "ok")

    async def run(self, count: int, in_flight: int) -> float:
        """Seconds that `count` workflows took, `in_flight` at a time."""
        gate = asyncio.Semaphore(in_flight)

        async def one(number: int) -> None:
            async with gate:
                hand = Hand([self.apis[number % len(self.apis)]])
                hand.queue = self.queue
                self.done[hand.id] = asyncio.get_running_loop().create_future()
                began = time.perf_counter()
                await hand.start()
                ended = await asyncio.wait_for(self.done[hand.id], 60)
                self.times.append(ended - began)

        began = time.perf_counter()
        await asyncio.gather(*[one(i) for i in range(count)])
        return time.perf_counter() - began


def idle_share(pids: list[int], seconds: float = 5) -> float:
    """Of one core, all server processes together, with nobody calling."""
    before = sum(map(cpu_seconds, pids))
    time.sleep(seconds)
    return (sum(map(cpu_seconds, pids)) - before) / seconds


async def measure(name: str, addresses, pids, counters, count: int, in_flight: int) -> None:
    load = Load(addresses)
    workers = await load.work(pollers=max(2, in_flight // 6))
    try:
        await load.run(min(50, count), in_flight)
        load.times.clear()
        before, cpu, written = counters(), [cpu_seconds(p) for p in pids], sum(map(written_bytes, pids))
        took = await load.run(count, in_flight)
        await asyncio.sleep(0.2)
        after = counters()
        used = sum(cpu_seconds(p) for p in pids) - sum(cpu)
        written = sum(map(written_bytes, pids)) - written
    finally:
        for worker in workers:
            worker.cancel()
    times = sorted(load.times)
    print(f"\n{name}, {in_flight} in flight, {count} one-activity workflows")
    print(f"  {count / took:9.1f} workflows/s")
    print(f"  {times[len(times) // 2] * 1000:9.1f} ms each (median), {times[int(len(times) * 0.99)] * 1000:.1f} ms (99 %)")
    for label in after:
        print(f"  {(after[label] - before[label]) / count:9.2f} {label} per workflow")
    print(f"  {used / count * 1000:9.2f} ms CPU per workflow, all server processes together, what they use idle included")
    print(f"  {written / count / 1024:9.1f} KiB written to disk per workflow, all server processes together")
    print(f"  {sum(map(resident_mib, pids)) / len(pids):9.0f} MiB resident per server process")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workflows", type=int, default=300)
    parser.add_argument("--in-flight", type=int, nargs="+", default=[1, 32])
    parser.add_argument("--shards", type=int, default=8)
    parser.add_argument("--reference", action="store_true", help="the reference dev server (one node, SQLite file) beside it")
    args = parser.parse_args()
    # So that the servers are stopped with us.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="tenure-bench-") as name:
        directory = Path(name)
        model = next((l.split(": ")[1] for l in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in l), "?")
        print(f"machine: {os.cpu_count()} x {model}, {platform.system()} {platform.release()}; load and servers share it")
        print(f"disk: 4 KiB write + fdatasync {raw_fdatasync_ms(directory):.2f} ms (median)")
        print(f"build: {BINARY.parent.name}; 3 nodes, {args.shards} shards + system shard, log synced before every reply")
        with Cluster(directory / "cluster", settings=f"[cluster]\nshards = {args.shards}\n") as cluster:

            def counters() -> dict[str, float]:
                entries, syncs = "tenure_raft_proposals_total", "tenure_log_syncs_total"
                return {
                    "Raft entries proposed": sum(n.total(entries) for n in cluster.nodes),
                    "log syncs (all nodes)": sum(n.total(syncs) for n in cluster.nodes),
                }

            pids = [node.pid for node in cluster.nodes]
            print(f"idle: {idle_share(pids) * 100:.1f} % of a core, all three nodes together")
            for in_flight in args.in_flight:
                count = args.workflows if in_flight > 1 else max(20, args.workflows // 5)
                asyncio.run(measure("Tenure", cluster.addresses, pids, counters, count, in_flight))
        if args.reference:
            with Oracle(directory / "oracle", file=True) as oracle:
                for in_flight in args.in_flight:
                    count = args.workflows if in_flight > 1 else max(20, args.workflows // 5)
                    asyncio.run(measure("Reference dev server", oracle.addresses, [oracle.pid], dict, count, in_flight))


if __name__ == "__main__":
    main()
