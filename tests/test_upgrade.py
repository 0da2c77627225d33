"""Nodes of two builds run side by side, and an operator lets the cluster use what the new one brings, all under load.

`--before BINARY` names the binary of an earlier build; without it, today's build plays the earlier one: it is told to know
no more than the first feature level.
"""

import asyncio
import random
import subprocess

import pytest

from harness.cluster import BINARY, Cluster, Node
from harness.fleet import Fleet, Pace, under_way

pytestmark = [pytest.mark.tenure, pytest.mark.own_cluster, pytest.mark.timeout(400)]

# Enough for load from the first to the last roll, also where other tests keep the machine busy.
CUSTOMERS = 60
# The highest level that today's build knows.
LEVEL = 11


@pytest.fixture
def before(request):
    """Makes a node one of the earlier build, from its next start on."""
    binary = request.config.getoption("--before")

    def become(node: Node) -> None:
        if binary:
            node.arguments[0] = binary
        else:
            node.environment["TENURE_KNOWN_LEVEL"] = "1"

    return become


def now(node: Node) -> None:
    node.arguments[0] = str(BINARY)
    node.environment.pop("TENURE_KNOWN_LEVEL", None)


def upgrade(node: Node) -> subprocess.CompletedProcess:
    return subprocess.run([BINARY, "cluster", "upgrade", "--address", node.peer], capture_output=True, text=True, timeout=60)


class Roll:
    """Stops a node gracefully and starts it as another build, while orders go on at the others."""

    def __init__(self, cluster: Cluster, fleet: Fleet, orders: asyncio.Task):
        self.cluster, self.fleet, self.orders = cluster, fleet, orders

    async def __call__(self, number: int, become) -> None:
        node, door = self.cluster.node(number), self.fleet.doors[number - 1]
        door.died()
        assert await asyncio.to_thread(node.stop) == 0, "stopped gracefully"
        become(node)
        node.start()
        await asyncio.to_thread(node.wait_ready)
        door.came_back()
        await self.goes_on()

    async def goes_on(self) -> None:
        steps, deadline = self.fleet.steps_done, asyncio.get_running_loop().time() + 60
        while self.fleet.steps_done < steps + 10:
            if self.orders.done():
                return self.orders.result()
            assert asyncio.get_running_loop().time() < deadline, "orders go on"
            await asyncio.sleep(0.05)


async def test_a_cluster_is_upgraded_under_load(tmp_path, request, say, before):
    seed = request.config.getoption("--seed")
    seed = random.randrange(1 << 32) if seed is None else seed
    say(f"seed {seed}")
    cluster = Cluster(tmp_path / "cluster")
    for node in cluster.nodes:
        before(node)
    with cluster:
        request.node.servers = cluster
        fleet = Fleet(cluster.addresses, CUSTOMERS, seed)
        pace = Pace(start=40, step=6)
        enough = asyncio.Event()
        async with under_way(fleet, cluster.addresses, tmp_path, pace, enough) as orders:
            roll = Roll(cluster, fleet, orders)
            await roll.goes_on()
            # Forward, back as far as it goes, and forward again.
            for number in (1, 2):
                await roll(number, now)
            early = await asyncio.to_thread(upgrade, cluster.node(1))
            assert early.returncode == 0 and "at feature level 1: nothing to do" in early.stdout, early
            for number, become in ((1, before), (2, before), (1, now), (2, now), (3, now)):
                await roll(number, become)
            assert cluster.cli("status")["feature_level"] == 1
            done = await asyncio.to_thread(upgrade, cluster.node(3))
            assert done.returncode == 0, done.stderr
            say(done.stdout.strip().splitlines()[-1])
            assert f"went from feature level 1 to {LEVEL}" in done.stdout
            for node in cluster.nodes:
                status = cluster.cli("status", node=node)
                assert status["feature_level"] == LEVEL, "known wherever one asks as soon as it is acknowledged"
            await roll.goes_on()
            # Rows of both forms are there; every node reads both.
            await roll(2, now)
            enough.set()
            pace.hurry()
            await asyncio.wait_for(orders, 120)
            await fleet.ask_all(20)
        await fleet.check()
        took, what = fleet.calls.longest
        say(f"{fleet.calls.made} calls, {len(fleet.calls.failures)} failed; the slowest took {took:.2f} s ({what})")
        assert not fleet.calls.failures
        await fleet.close()

        # There is no way back: a node of the earlier build says so, and the others go on.
        node = cluster.node(1)
        assert await asyncio.to_thread(node.stop) == 0
        before(node)
        node.start()
        assert await asyncio.to_thread(node.child.wait, 30) == 1
        assert f"the cluster is at feature level {LEVEL}, this build knows 1: start a newer one" in node.tail(5)
        now(node)
        node.start()
        await asyncio.to_thread(node.wait_ready)


async def test_an_upgrade_waits_for_all_nodes(tmp_path, request, before):
    cluster = Cluster(tmp_path / "cluster")
    for node in cluster.nodes:
        before(node)
    with cluster:
        request.node.servers = cluster
        for node in cluster.nodes[:2]:
            assert await asyncio.to_thread(node.stop) == 0
            now(node)
            node.start()
            await asyncio.to_thread(node.wait_ready)
        cluster.node(3).kill()
        refused = await asyncio.to_thread(upgrade, cluster.node(1))
        assert refused.returncode == 1
        assert "node 3 cannot be asked which build it runs" in refused.stderr
        now(cluster.node(3))
        cluster.node(3).start()
        cluster.node(3).wait_ready()
        assert f"went from feature level 1 to {LEVEL}" in (await asyncio.to_thread(upgrade, cluster.node(2))).stdout
        again = await asyncio.to_thread(upgrade, cluster.node(2))
        assert again.returncode == 0 and f"at feature level {LEVEL}: nothing to do" in again.stdout
