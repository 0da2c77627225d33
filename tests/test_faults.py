"""Nodes die under load. Nothing that was promised is lost, nothing happens twice, and the others carry on."""

import asyncio
import random
import time

import pytest

from harness.cluster import Cluster
from harness.fleet import Fleet, Pace, Workers


@pytest.fixture
def seed(request) -> int:
    seed = request.config.getoption("--seed")
    return random.randrange(1 << 32) if seed is None else seed


def say(capfd, *words) -> None:
    with capfd.disabled():
        print(*words, flush=True)


async def test_orders_through_all_addresses(cluster, directory, seed, capfd):
    """The fault test's drill, without a fault."""
    fleet = Fleet(cluster.addresses, 30, seed)
    async with Workers(cluster.addresses, fleet.queue, directory):
        await fleet.run(Pace(start=20, step=20))
        await fleet.ask_all(10)
    await fleet.check()
    assert not fleet.calls.failures
    await fleet.close()


ORDERS = 200


@pytest.mark.tenure
@pytest.mark.own_cluster
@pytest.mark.timeout(400)
async def test_orders_survive_the_loss_of_leaders_and_of_everything(tmp_path, seed, capfd, request):
    say(capfd, f"\n  seed {seed}: {ORDERS} orders through three addresses")
    with Cluster(tmp_path / "cluster") as cluster:
        request.node.servers = cluster
        fleet = Fleet(cluster.addresses, ORDERS, seed)
        pace = Pace(start=40, step=8)
        async with Workers(cluster.addresses, fleet.queue, tmp_path) as workers:
            orders = asyncio.create_task(fleet.run(pace))
            try:
                gaps = await Havoc(cluster, fleet, orders, lambda *w: say(capfd, *w)).play()
                pace.hurry()
                await asyncio.wait_for(orders, 120)
                await fleet.ask_all(40)
            except BaseException:
                orders.cancel()
                say(capfd, workers.logs())
                say(capfd, f"  {fleet.started} started, {fleet.finished} finished, failures {fleet.calls.failures[:10]}")
                raise
        await fleet.check()
        took, what = fleet.calls.longest
        for name, since, until in gaps:
            gap, began = fleet.longest_gap(since, until)
            say(capfd, f"  {name}: longest gap without progress {gap:.2f} s, {began - since:.2f} s after the kill")
        say(capfd, f"  {fleet.calls.made} calls, {len(fleet.calls.failures)} failed on surviving nodes; "
                   f"the slowest took {took:.2f} s ({what})")
        assert not fleet.calls.failures
        assert "panicked" not in cluster.logs(100_000)
        await fleet.close()


class Havoc:
    """Kills the busiest leader three times, then everything at once; each time brings back what it killed."""

    def __init__(self, cluster: Cluster, fleet: Fleet, orders: asyncio.Task, say):
        self.cluster, self.fleet, self.orders, self.say = cluster, fleet, orders, say
        self.windows: list[tuple[str, float, float]] = []

    async def play(self) -> list[tuple[str, float, float]]:
        await self.until(lambda: self.fleet.started == ORDERS, "all orders are in flight")
        for round in (1, 2, 3):
            node = await asyncio.to_thread(self.cluster.busiest)
            led = list((await asyncio.to_thread(self.cluster.leaders)).values()).count(node.number)
            began = time.time()
            await self.kill(node)
            steps = self.fleet.steps_done
            await self.until(lambda: self.fleet.steps_done >= steps + 15, "orders go on without the node")
            await asyncio.sleep(2)
            self.windows.append((f"kill {round}, node {node.number}, leader of {led}", began, time.time()))
            await self.bring_back([node])
            steps = self.fleet.steps_done
            await self.until(lambda: self.fleet.steps_done >= steps + 15, "orders go on with the node")
        began = time.time()
        for node in self.cluster.nodes:
            await self.kill(node)
        await asyncio.sleep(0.5)
        await self.bring_back(self.cluster.nodes)
        steps = self.fleet.steps_done
        await self.until(lambda: self.fleet.steps_done >= steps + 15, "orders go on after the outage")
        self.windows.append(("all three killed", began, time.time()))
        assert not self.orders.done() or self.orders.result() is None
        return self.windows

    async def until(self, condition, what: str, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            if self.orders.done():
                self.orders.result()
                return
            assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
            await asyncio.sleep(0.02)

    async def kill(self, node) -> None:
        door = self.fleet.doors[node.number - 1]
        door.died()
        node.kill()

    async def bring_back(self, nodes) -> None:
        began = time.monotonic()
        for node in nodes:
            node.start()
        for node in nodes:
            await asyncio.to_thread(node.wait_ready)
            self.fleet.doors[node.number - 1].came_back()
        self.say(f"  node {', '.join(str(n.number) for n in nodes)} ready again after {time.monotonic() - began:.2f} s")
