"""Lists and counts over many runs on three local nodes, beside the reference server: times of each kind of query.

    scripts/bench lists [--runs 200000 [1000000]] [--reference-runs 20000] [--times 400]
    scripts/bench lists --starts 3

Fills each server with a catalogue (20 types, 5,000 customers, a tenth of the runs open), and then asks one thing after the
other. Of the cluster it also prints the rate of starts and the bytes on disk of a run.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from harness.cluster import Cluster, Oracle

from .generator import offer
from .plays import add_attribute
from .process import cpu_seconds

# Cores that all nodes together keep busy when nothing is asked of them, at most; and seconds until they do, at most.
QUIET, SETTLED = 0.3, 300

QUERIES = {
    "first page of all": dict(),
    "type and status": dict(query="WorkflowType = 'load{t}' AND ExecutionStatus = 'Terminated'"),
    "open of a type": dict(query="WorkflowType = 'load{t}' AND ExecutionStatus = 'Running'"),
    "a keyword attribute": dict(query="Customer = 'c{c}'"),
    "eight of a keyword": dict(query="Customer = 'c{c}'", page_size=8),
    "a workflow id": dict(query="WorkflowId = 'run-{n}'"),
    "a prefix of ids": dict(query="WorkflowId STARTS_WITH 'run-{n}'"),
    "started lately": dict(query="StartTime > '2020-01-01T00:00:00Z'"),
    "ten pages of 100": dict(pages=10, page_size=100),
    "count of all by status": dict(work="count", query="GROUP BY ExecutionStatus"),
    "count of a type": dict(work="count", query="WorkflowType = 'load{t}'"),
    "count of a type by status": dict(work="count", query="WorkflowType = 'load{t}' GROUP BY ExecutionStatus"),
}


def say(line: str) -> None:
    print(line, flush=True)


def fill(name: str, addresses: list[str], runs: int, there: int = 0) -> None:
    """Brings a server that has some of the runs to so many."""
    if not there:
        add_attribute(addresses[0])
    began = time.monotonic()
    prefix = f"later-{there}" if there else "run"
    done = offer(addresses, "catalogue", name=prefix, count=runs - there, seconds=7200, in_flight=64)
    say(f"{name}: {done['done']} runs in {time.monotonic() - began:.0f} s, {done['per_second']:.0f}/s, failed {done['failed']}")


def settle(cluster: Cluster) -> None:
    """Waits until the nodes have put in order on disk what a fill has written."""
    def spent() -> float:
        return sum(cpu_seconds(node.pid) for node in cluster.nodes)

    began = time.monotonic()
    while time.monotonic() - began < SETTLED:
        before = spent()
        time.sleep(2)
        if spent() - before < 2 * QUIET:
            return say(f"tenure: quiet after {time.monotonic() - began:.0f} s")
    say(f"tenure: not quiet after {SETTLED} s")


def ask(name: str, addresses: list[str], times: int) -> dict[str, dict]:
    answers = {}
    for what, options in QUERIES.items():
        work = options.get("work", "list")
        rest = {key: value for key, value in options.items() if key != "work"}
        offer(addresses, work, count=20, seconds=60, in_flight=1, **rest)
        answers[what] = offer(addresses, work, count=times, seconds=60, in_flight=1, **rest)
        told = answers[what]
        say(f"{name:10} {what:28} p50 {told['p50_ms']:8.2f} ms  p99 {told['p99_ms']:8.2f} ms  max {told['max_ms']:8.2f} ms"
            f"  {told['done']} answers, failed {told['failed']}")
    return answers


def starts(directory: Path, rounds: int, seconds: int) -> None:
    """Starts each second by nodes that put runs into lists, and by nodes that know nothing of these, in turns."""
    rates: dict[str, list[float]] = {"without lists": [], "with lists": []}
    for number in range(rounds):
        for name, told in (("without lists", rates["without lists"]), ("with lists", rates["with lists"])):
            cluster = Cluster(directory / f"{name}-{number}")
            for node in cluster.nodes:
                if name == "without lists":
                    node.environment["TENURE_KNOWN_LEVEL"] = "3"
            with cluster:
                offer(cluster.addresses, "start", seconds=2, in_flight=64)
                told.append(offer(cluster.addresses, "start", seconds=seconds, in_flight=64)["per_second"])
            say(f"{name}: {told[-1]:.0f} starts/s")
    ratio = statistics.median(rates["with lists"]) / statistics.median(rates["without lists"])
    say(f"starts with lists: {ratio:.0%} of those without, by the medians")


def size(directory: Path) -> int:
    return sum(file.stat().st_size for file in directory.rglob("*") if file.is_file())


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench lists", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, nargs="+", default=[200_000], help="how many there are, one number after the other")
    parser.add_argument("--reference-runs", type=int, default=20_000, help="0: without the reference server")
    parser.add_argument("--times", type=int, default=400, help="answers to each query")
    parser.add_argument("--starts", type=int, default=0, metavar="ROUNDS",
                        help="instead: the rate of starts with and without lists (a build with the feature fault-injection)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tenure-lists-") as name:
        directory = Path(name)
        if arguments.starts:
            return starts(directory, arguments.starts, 10)
        with Cluster(directory / "cluster") as cluster:
            there = 0
            for runs in arguments.runs:
                fill("tenure", cluster.addresses, runs, there)
                there = runs
                state = sum(size(path) for path in (directory / "cluster").rglob("state"))
                say(f"tenure: {state / runs / len(cluster.nodes):.0f} bytes of rows on a node's disk for each run")
                settle(cluster)
                ask("tenure", cluster.addresses, arguments.times)
        if arguments.reference_runs:
            with Oracle(directory / "reference", file=True, configuration={"frontend.namespaceRPS.visibility": 100_000}) as reference:
                fill("reference", reference.addresses, arguments.reference_runs)
                ask("reference", reference.addresses, arguments.times)


if __name__ == "__main__":
    main()
