"""CPU time of a worker for workflows of ten steps, with our SDK and with the official one, on the same server.

    benches/sdk/run [--workflows N] [--in-flight N] [--rounds N] [--address HOST:PORT | --reference] [--gzip]

Each round runs one worker after the other, in changing order, each in a process of its own with 100 slots for workflow
tasks and 100 for activities, both in release builds. Its CPU time is read from /proc before and after, without warm-up;
starting workflows and waiting for them is this program's and not counted.
"""

import argparse
import asyncio
import contextlib
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "tests"))

from harness.cluster import Cluster, Oracle  # noqa: E402
from temporalio.client import Client  # noqa: E402

HERE = Path(__file__).resolve().parent
TICKS = os.sysconf("SC_CLK_TCK")
INPUT = "x" * 100

# What is run: the workflow type, and how many executions the worker may keep.
VARIANTS = {
    "activities, sticky": ("activities", 1000),
    "activities, from scratch": ("activities", 0),
    "timers, sticky": ("timers", 1000),
    "timers, from scratch": ("timers", 0),
    "local activities, sticky": ("local_activities", 1000),
}


@dataclass
class Measured:
    """Of all rounds of one SDK and one variant."""

    cpu: list[float] = field(default_factory=list)
    tasks: list[int] = field(default_factory=list)
    peak_mib: list[float] = field(default_factory=list)

    def tasks_per_cpu_second(self) -> float:
        return statistics.median(tasks / cpu for tasks, cpu in zip(self.tasks, self.cpu))

    def spread(self) -> float:
        rates = [tasks / cpu for tasks, cpu in zip(self.tasks, self.cpu)]
        return (max(rates) - min(rates)) / statistics.median(rates)


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def peak_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0.0


def packages(name: str) -> int:
    """That a worker with this SDK compiles."""
    command = ["cargo", "tree", "--package", name, "--edges", "normal,build", "--prefix", "none", "--offline"]
    lines = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=True).stdout.splitlines()
    return len({" ".join(line.split()[:2]) for line in lines if line})


async def drive(client: Client, workflow: str, queue: str, count: int, in_flight: int) -> int:
    """Runs workflows and gives how many workflow tasks they took."""
    gate = asyncio.Semaphore(in_flight)
    tasks = 0

    async def one(number: int) -> None:
        nonlocal tasks
        async with gate:
            handle = await client.start_workflow(workflow, INPUT, id=f"{queue}-{count}-{number}", task_queue=queue)
            await asyncio.wait_for(handle.result(), 120)
        # All are alike; the histories of some are read.
        if number % 20 == 0:
            events = [event async for event in handle.fetch_history_events()]
            tasks += sum(event.HasField("workflow_task_completed_event_attributes") for event in events)

    await asyncio.gather(*[one(number) for number in range(count)])
    return round(tasks * count / len(range(0, count, 20)))


async def measure(options, address: str, command: list, variant: str, into: Measured, round_: int) -> None:
    workflow, cached = VARIANTS[variant]
    queue = f"{Path(command[0]).name}-{workflow}-{cached}-{round_}-{os.getpid()}"
    worker = subprocess.Popen([*command, "--address", address, "--task-queue", queue, "--cached", str(cached)])
    try:
        client = await Client.connect(address)
        await drive(client, workflow, queue, max(options.workflows // 10, options.in_flight), options.in_flight)
        before = cpu_seconds(worker.pid)
        tasks = await drive(client, workflow, queue, options.workflows, options.in_flight)
        into.cpu.append(cpu_seconds(worker.pid) - before)
        into.tasks.append(tasks)
        into.peak_mib.append(peak_mib(worker.pid))
        print(f"{variant}, {Path(command[0]).name}: {tasks} tasks, {into.cpu[-1]:.2f} s", file=sys.stderr)
    finally:
        worker.kill()
        worker.wait()


async def compare(options, address: str) -> None:
    official = [options.binaries / "steps-official"] + (["--gzip"] if options.gzip else [])
    workers = {"tenure-sdk": [options.binaries / "steps-tenure"], "temporalio-sdk": official}
    variants = [name for name in VARIANTS if options.only in name]
    found = {(name, variant): Measured() for name in workers for variant in variants}
    for round_ in range(options.rounds):
        for variant in variants:
            for name in list(workers)[:: 1 if round_ % 2 == 0 else -1]:
                await measure(options, address, workers[name], variant, found[name, variant], round_)
    print(f"{options.workflows} workflows of ten steps, {options.in_flight} at a time, {options.rounds} rounds (medians)")
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores; input of {len(INPUT)} bytes")
    print(f"\n{'':26} {'':16} {'tasks':>7} {'CPU s':>7} {'tasks/CPU s':>12} {'spread':>7} {'peak MiB':>9} {'ratio':>6}")
    for variant in variants:
        base = found["temporalio-sdk", variant].tasks_per_cpu_second()
        for name in workers:
            it = found[name, variant]
            rate = it.tasks_per_cpu_second()
            cells = f"{statistics.median(it.tasks):7.0f} {statistics.median(it.cpu):7.2f} {rate:12.0f}"
            print(f"{variant:26} {name:16} {cells} {it.spread():7.0%} {max(it.peak_mib):9.1f} {rate / base:6.2f}")
    print()
    for name, binary in ("tenure-sdk", "steps-tenure"), ("temporalio-sdk", "steps-official"):
        size = (options.binaries / binary).stat().st_size / (1 << 20)
        print(f"{name}: {packages(binary)} packages, a worker of {size:.0f} MiB with line tables")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workflows", type=int, default=400)
    parser.add_argument("--in-flight", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="variants whose name contains this")
    parser.add_argument("--address", help="a server that runs, instead of a node of our own")
    parser.add_argument("--reference", action="store_true", help="the reference dev server, instead of a node of our own")
    parser.add_argument("--gzip", action="store_true", help="leave the official SDK's compression on")
    parser.add_argument("--binaries", type=Path, required=True, help="where steps-tenure and steps-official are")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        address = options.address
        if not address:
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tenure-bench-")))
            server = Oracle(directory) if options.reference else Cluster(directory, count=1)
            address = stack.enter_context(server).addresses[0]
        asyncio.run(compare(options, address))


if __name__ == "__main__":
    main()
