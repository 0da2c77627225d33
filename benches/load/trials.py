"""Three local nodes under load: more than they can do, and for long. Prints figures, and fails when they are not kept.

    benches/load/run overload [--times 5] [--seconds 60]
    benches/load/run sustain [--closed 1000000] [--minutes 30] [--budget-mib 256]

`overload` offers several times what the cluster can do, whatever becomes of it, and looks at what is done in time, at
the nodes' memory, and at how long calls take afterwards. The load generator has a core of its own all the time, so that
what it takes is not the servers' trouble. `sustain` closes many runs first, then has one node lead all
shards, and keeps up full load; each line tells of the rate and of the nodes' memory.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "tests"))

from harness.cluster import BINARY, TARGET, Cluster, wait_until  # noqa: E402

LOAD = Path(os.environ.get("TENURE_LOAD") or TARGET / "release" / "tenure-load")
MIB = 1 << 20

# How long the usual load is looked at, in slices. A slice with a compaction has a p99 several times that of its
# neighbours, before as after; so what is usual is the median of the slices.
PERIOD, SLICE = 40, 5

# What a node's budget is divided among.
COUNTED = {
    "blocks": "tenure_storage_block_cache_bytes",
    "memtables": "tenure_storage_memtable_bytes",
    "states": "tenure_shard_state_cache_bytes",
    "tails": "tenure_raft_tail_bytes",
    "requests": "tenure_request_bytes_in_progress",
}


# What this process may run on, as it was started.
CORES = sorted(os.sched_getaffinity(0))


def apart() -> None:
    """Moves the calling process to the core that is no server's, where there is one."""
    free = set(CORES) - os.sched_getaffinity(0)
    os.sched_setaffinity(0, free or CORES)


def load(addresses: list[str], work: str, seconds: float, told=None, **options) -> dict:
    """Puts load on the addresses; what became of it. `told` sees each line on the way."""
    arguments = [LOAD, "--addresses", ",".join(addresses), "--work", work, "--seconds", str(seconds)]
    for name, value in options.items():
        arguments += [f"--{name.replace('_', '-')}", str(value)]
    last = {}
    with subprocess.Popen([str(a) for a in arguments], stdout=subprocess.PIPE, text=True, preexec_fn=apart) as child:
        try:
            for line in child.stdout:
                last = json.loads(line)
                if told:
                    told(last)
        except BaseException:
            child.kill()
            raise
    assert child.returncode == 0, f"the load generator failed: {child.returncode}"
    return last


class Memory:
    """The most that each node took, looked at every second."""

    def __init__(self, cluster: Cluster):
        self.cluster = cluster
        self.now = [{} for _ in cluster.nodes]
        self.most = [{} for _ in cluster.nodes]
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)

    def __enter__(self) -> "Memory":
        self.thread.start()
        return self

    def __exit__(self, *_) -> None:
        self.ended.set()
        self.thread.join()

    def watch(self) -> None:
        while not self.ended.wait(1):
            for number, node in enumerate(self.cluster.nodes):
                values = node.metrics()
                if not values:
                    continue
                seen = {part: values.get(metric, 0) / MIB for part, metric in COUNTED.items()}
                seen["counted"] = sum(seen.values())
                seen["resident"] = values.get("process_resident_memory_bytes", 0) / MIB
                self.now[number] = seen
                for part, mib in seen.items():
                    self.most[number][part] = max(mib, self.most[number].get(part, 0))

    def most_counted(self) -> float:
        return max(node.get("counted", 0) for node in self.most)

    def print(self, title: str) -> None:
        print(f"  {title}, MiB, the most at any second (the parts' peaks fall at different times):")
        for number, node in enumerate(self.most, start=1):
            parts = ", ".join(f"{part} {node.get(part, 0):.0f}" for part in (*COUNTED, "counted", "resident"))
            print(f"    node {number}: {parts}")


def line(name: str, figures: dict) -> None:
    times = f"p50 {figures['p50_ms']:.1f}, p99 {figures['p99_ms']:.1f}, max {figures['max_ms']:.0f} ms"
    failed = ", ".join(f"{count} {code}" for code, count in figures["failed"].items()) or "none failed"
    print(f"  {name}: {figures['per_second']:.0f}/s of {figures['offered'] / figures['seconds']:.0f}/s offered; {times}; {failed}",
          flush=True)


def usual_load(addresses: list[str], work: str, rate: float, name: str) -> dict:
    """The figures of a load that is kept up for a while, with the median of the slices' p99."""
    slices = []
    figures = load(addresses, work, PERIOD, slices.append, rate=rate, every=SLICE)
    line(name, figures)
    # The last line is of the whole.
    slowest = sorted(part["p99_ms"] for part in slices[:-1])
    figures["usual_p99_ms"] = statistics.median(slowest)
    print(f"    p99 of each {SLICE} seconds, median {figures['usual_p99_ms']:.1f}:",
          ", ".join(f"{p99:.0f}" for p99 in slowest), "ms", flush=True)
    return figures


def overload(cluster: Cluster, arguments) -> list[str]:
    """What was not kept."""
    addresses, work = cluster.addresses, arguments.work
    load(addresses, work, 5, in_flight=16)
    capacity = load(addresses, work, 20, in_flight=arguments.in_flight)
    line(f"capacity, {arguments.in_flight} in flight", capacity)
    usual = capacity["per_second"] / 5
    before = usual_load(addresses, work, usual, "before, a fifth of it")
    offered = capacity["per_second"] * arguments.times
    with Memory(cluster) as memory:
        during = load(addresses, work, arguments.seconds, rate=offered, every=10,
                      told=lambda figures: line("  then", figures))
    # The time in which the last ones were waited for counts, too.
    goodput = during["per_second"] / capacity["per_second"]
    line(f"during, {arguments.times:g} times it", during)
    print(f"  goodput: {goodput * 100:.0f} % of the capacity")
    memory.print("memory")
    time.sleep(5)
    after = usual_load(addresses, work, usual, "five seconds after, a fifth")
    missed = []
    if goodput < 0.7:
        missed.append(f"goodput is {goodput * 100:.0f} %, less than 70 %")
    if memory.most_counted() > arguments.budget_mib:
        missed.append(f"a node counted {memory.most_counted():.0f} MiB, more than its budget")
    if after["p50_ms"] > 2 * before["p50_ms"] or after["usual_p99_ms"] > 2 * before["usual_p99_ms"] or after["failed"]:
        missed.append("calls take longer afterwards than before")
    return missed


def gather_leaders(cluster: Cluster, to) -> None:
    """Has one node lead all shards."""

    def all_there() -> bool:
        others = [shard for shard, leader in cluster.leaders().items() if leader != to.number]
        for shard in others:
            cluster.transfer_leader(shard, to)
        return not others

    wait_until(all_there, 120, f"node {to.number} leads all shards", every=1)


def sustain(cluster: Cluster, arguments) -> list[str]:
    missed = []
    with Memory(cluster) as memory:
        closed = load(cluster.addresses, "replace", 24 * 3600, count=arguments.closed, in_flight=256)
        line(f"{arguments.closed} runs closed", closed)
        memory.print("memory meanwhile")
        gather_leaders(cluster, cluster.node(1))
        print(f"  node 1 leads all {len(cluster.leaders())} shards", flush=True)
    rates = []

    with Memory(cluster) as memory:

        def told(figures: dict) -> None:
            rates.append(figures["per_second"])
            now = memory.now[0]
            disk = sum(f.stat().st_size for f in cluster.nodes[0].home.rglob("*") if f.is_file()) / MIB
            print(f"  {time.strftime('%H:%M:%S')} {figures['per_second']:6.0f}/s, p50 {figures['p50_ms']:6.1f} ms, "
                  f"p99 {figures['p99_ms']:6.1f} ms, failed {sum(figures['failed'].values())}; node 1: counted "
                  f"{now.get('counted', 0):4.0f} MiB, resident {now.get('resident', 0):4.0f} MiB, on disk {disk:.0f} MiB",
                  flush=True)

        full = load(cluster.addresses, "workflow", arguments.minutes * 60, told, in_flight=arguments.in_flight, every=60)
        leaders = set(cluster.leaders().values())
    line("full load", full)
    if leaders != {1}:
        missed.append(f"nodes {sorted(leaders)} led shards at the end, not node 1 alone")
    memory.print("memory at full load")
    if memory.most_counted() > arguments.budget_mib:
        missed.append(f"a node counted {memory.most_counted():.0f} MiB, more than its budget")
    if sum(full["failed"].values()):
        missed.append("some workflows failed")
    return missed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--budget-mib", type=int, default=256, help="memory.budget_bytes of each node, in MiB")
    parser.add_argument("--shards", type=int, default=8)
    trials = parser.add_subparsers(required=True)
    trial = trials.add_parser("overload", help="several times what the cluster can do")
    trial.add_argument("--times", type=float, default=5, help="how many times the capacity is offered")
    trial.add_argument("--seconds", type=float, default=60)
    trial.add_argument("--in-flight", type=int, default=256, help="units in progress when the capacity is measured")
    trial.add_argument("--work", default="start", choices=["start", "signal", "workflow"])
    trial.set_defaults(run=overload)
    trial = trials.add_parser("sustain", help="full load for long")
    trial.add_argument("--closed", type=int, default=1_000_000, help="runs that are closed before")
    trial.add_argument("--minutes", type=float, default=30)
    trial.add_argument("--in-flight", type=int, default=64)
    trial.set_defaults(run=sustain)
    arguments = parser.parse_args()
    # So that the servers are stopped with us.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if arguments.run is overload:
        os.sched_setaffinity(0, CORES[:-1] or CORES)
    settings = (f"[cluster]\nshards = {arguments.shards}\n[memory]\nbudget_bytes = {arguments.budget_mib * MIB}\n"
                # Leaders stay where a trial puts them.
                '[raft]\nbalance_after = "1day"\n')
    with tempfile.TemporaryDirectory(prefix="tenure-load-") as name:
        print(f"{arguments.run.__name__}: 3 nodes ({BINARY.parent.name}), {arguments.shards} shards and the system shard, "
              f"{arguments.budget_mib} MiB each, on {len(os.sched_getaffinity(0))} of {len(CORES)} cores", flush=True)
        with Cluster(Path(name), settings=settings) as cluster:
            missed = arguments.run(cluster, arguments)
    for what in missed:
        print(f"NOT KEPT: {what}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
