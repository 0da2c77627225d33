"""What a request costs does not follow how much of its run is pending, and a node that nobody asks for anything costs little."""

import re
import statistics
import time
from pathlib import Path

import pytest

from harness.cluster import Cluster, wait_until
from harness.hand import Hand, activity

pytestmark = pytest.mark.tenure

PENDING = 2000
TIMES = 30


async def completion(hand: Hand) -> float:
    """Seconds that it takes to complete one activity."""
    task = await hand.poll_activity()
    assert task.task_token
    began = time.perf_counter()
    await hand.complete_activity(task)
    return time.perf_counter() - began


@pytest.mark.alone
async def test_an_activity_ends_as_fast_however_many_are_pending(apis):
    alone, among_many = [], []
    many = Hand(apis[:1])
    await many.start()
    await many.step(*[activity(f"a{i}", many.queue, start_to_close=600) for i in range(PENDING)])
    # In turn, so that whatever else the machine does slows both down.
    for _ in range(TIMES):
        one = Hand(apis[:1])
        await one.start()
        await one.step(activity("a", one.queue, start_to_close=600))
        alone.append(await completion(one))
        among_many.append(await completion(many))
    one, many = (statistics.median(times) * 1000 for times in (alone, among_many))
    print(f"completing one activity: alone {one:.2f} ms, among {PENDING} pending {many:.2f} ms, {many / one:.2f} times")
    assert many < 2 * one


WATCHED = 2


@pytest.mark.own_cluster
def test_a_node_without_work_hardly_wakes(tmp_path):
    """F46, F88: time is looked at once for all groups of a node."""
    def switches(node) -> int:
        threads = Path(f"/proc/{node.pid}/task").iterdir()
        told = [re.search(r"^voluntary_ctxt_switches:\s+(\d+)", (thread / "status").read_text(), re.M) for thread in threads]
        return sum(int(match[1]) for match in told)

    def hardly_wakes() -> bool:
        before, began = [switches(node) for node in cluster.nodes], time.monotonic()
        time.sleep(WATCHED)
        after, took = [switches(node) for node in cluster.nodes], time.monotonic() - began
        rates.append(max(b - a for a, b in zip(before, after)) / took)
        return rates[-1] < 250

    rates = []
    with Cluster(tmp_path / "cluster") as cluster:
        # Founding a cluster leaves some work.
        wait_until(hardly_wakes, 30, "a node wakes 250 times a second at most")
    print(rates)
