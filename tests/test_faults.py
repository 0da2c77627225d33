"""Nodes die under load. Nothing that was promised is lost, nothing happens twice, and the others carry on."""

import asyncio
import random
import signal
import time

import grpc
import pytest

from harness.cluster import Cluster
from harness.fleet import Fleet, Pace, Workers, under_way
from harness.hand import Hand, complete_workflow
from harness.rpc import Api, names


@pytest.fixture
def seed(request) -> int:
    seed = request.config.getoption("--seed")
    return random.randrange(1 << 32) if seed is None else seed


async def test_orders_through_all_addresses(cluster, directory, seed):
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
async def test_orders_survive_the_loss_of_leaders_and_of_everything(tmp_path, seed, say, request):
    say(f"seed {seed}: {ORDERS} orders through three addresses")
    with Cluster(tmp_path / "cluster") as cluster:
        request.node.servers = cluster
        fleet = Fleet(cluster.addresses, ORDERS, seed)
        pace = Pace(start=40, step=8)
        async with under_way(fleet, cluster.addresses, tmp_path, pace) as orders:
            gaps = await Havoc(cluster, fleet, orders, say).play()
            pace.hurry()
            await asyncio.wait_for(orders, 120)
            await fleet.ask_all(40)
        await fleet.check()
        took, what = fleet.calls.longest
        for name, since, until in gaps:
            gap, began = fleet.longest_gap(since, until)
            say(f"{name}: longest gap without progress {gap:.2f} s, {began - since:.2f} s after the kill")
        say(f"{fleet.calls.made} calls, {len(fleet.calls.failures)} failed on surviving nodes; "
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
        self.say(f"node {', '.join(str(n.number) for n in nodes)} ready again after {time.monotonic() - began:.2f} s")


@pytest.fixture
def own(tmp_path, request):
    """Three nodes to be hurt."""
    with Cluster(tmp_path / "cluster") as cluster:
        request.node.servers = cluster
        yield cluster


async def in_danger(cluster: Cluster):
    """A running workflow, the node that leads its shard, and hands at that node and at the others."""
    hand = Hand([Api(address) for address in cluster.addresses])
    await hand.start()
    await hand.step()
    leader = cluster.node(cluster.locate(hand.id)["leader"])
    there, elsewhere = Hand([Api(leader.address)]), Hand([Api(n.address) for n in cluster.nodes if n is not leader])
    for one in (there, elsewhere):
        one.id, one.queue, one.run = hand.id, hand.queue, hand.run
    return leader, there, elsewhere


def signals(events) -> int:
    return names(events).count("WorkflowExecutionSignaled")


@pytest.mark.tenure
@pytest.mark.own_cluster
async def test_leader_that_is_cut_off_answers_nothing_stale(own):
    leader, there, elsewhere = await in_danger(own)
    own.cut_off(leader)
    await elsewhere.signal("s")
    assert signals(await elsewhere.events()) == 1
    with pytest.raises(grpc.RpcError) as caught:
        await asyncio.wait_for(there.describe(), 12)
    assert caught.value.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
    own.heal(leader)
    await until(lambda: answers(there))
    assert signals(await there.events()) == 1
    await there.step(complete_workflow())
    assert (await elsewhere.event_names())[-1] == "WorkflowExecutionCompleted"


@pytest.mark.tenure
@pytest.mark.own_cluster
async def test_leader_that_was_paused_answers_nothing_stale(own):
    leader, there, elsewhere = await in_danger(own)
    for round in (1, 2, 3):
        leader = own.node(own.locate(elsewhere.id)["leader"])
        there = Hand([Api(leader.address)])
        there.id, there.run = elsewhere.id, elsewhere.run
        assert signals(await there.events()) == round - 1
        others = Hand([Api(n.address) for n in own.nodes if n is not leader])
        others.id = elsewhere.id
        leader.send(signal.SIGSTOP)
        read = asyncio.create_task(there.events())
        await asyncio.sleep(0.2)
        await others.signal("s")
        leader.send(signal.SIGCONT)
        assert signals(await there.events()) == round, "asked after the signal was acknowledged"
        await read


@pytest.mark.tenure
@pytest.mark.own_cluster
async def test_rolling_restart_is_latency_not_errors(own, say):
    """Every node is stopped gracefully and started again while signals go to the two others."""
    hands = [Hand([Api(address) for address in own.addresses]) for _ in range(10)]
    for hand in hands:
        await hand.start()
    sent, slowest = 0, 0.0
    for node in own.nodes:
        others = [Api(n.address) for n in own.nodes if n is not node]
        restart = asyncio.create_task(asyncio.to_thread(again, node))
        while not restart.done():
            for hand in hands:
                hand.apis = iter([others[sent % 2]])
                began = time.monotonic()
                await hand.signal("s")
                slowest = max(slowest, time.monotonic() - began)
                sent += 1
        await restart
    apis = [Api(address) for address in own.addresses]
    for i, hand in enumerate(hands):
        hand.apis = iter([apis[i % 3]])
        assert signals(await hand.events()) == sent // len(hands)
    say(f"{sent} signals during a rolling restart, the slowest took {slowest:.2f} s")


def again(node) -> None:
    assert node.stop() == 0, "stopped gracefully"
    node.start()
    node.wait_ready()


async def answers(hand) -> bool:
    try:
        await hand.describe()
        return True
    except grpc.RpcError:
        return False


async def until(probe, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not await probe():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        await asyncio.sleep(0.1)
