"""Nodes are drained, stopped and started again, one after the other, while orders are under way: no call fails, and none waits long."""

import asyncio
import random
import time
import uuid
from contextlib import asynccontextmanager

import pytest
from temporalio.api.workflowservice.v1 import request_response_pb2 as w

from harness.cluster import Cluster, wait_until
from harness.fleet import Calls, Fleet, Pace, under_way
from harness.rpc import execution, start_request, unique
from harness.tenure_cli import done, tenure

pytestmark = [pytest.mark.tenure, pytest.mark.own_cluster, pytest.mark.timeout(300)]

# What is aimed at, in seconds; on a machine that does other things, too, a pause is as long as the machine's, and told.
AIM = 0.2


@pytest.fixture
def seed(request) -> int:
    seed = request.config.getoption("--seed")
    return random.randrange(1 << 32) if seed is None else seed


def led(cluster, node) -> int:
    return list(cluster.leaders().values()).count(node.number)


@asynccontextmanager
async def knocking(fleet, count: int):
    """Signals workflows of all shards, one signal after the other each: the longest call is the longest pause of a shard."""
    calls = Calls(fleet.doors, random.Random(1))
    ids = [unique("knocked") for _ in range(count)]

    async def knock(workflow: str) -> None:
        await calls("StartWorkflowExecution", start_request(workflow, unique("nobody")))
        while True:
            await calls("SignalWorkflowExecution", w.SignalWorkflowExecutionRequest(
                namespace="default", workflow_execution=execution(workflow), signal_name="knock",
                request_id=uuid.uuid4().hex, identity="knocking"))
            await asyncio.sleep(0.01)

    tasks = [asyncio.create_task(knock(workflow)) for workflow in ids]
    try:
        yield calls
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def steps(fleet, orders, count: int, what: str) -> None:
    wanted, deadline = fleet.steps_done + count, time.monotonic() + 60
    while fleet.steps_done < wanted and not orders.done():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.02)


async def test_a_rolling_restart_under_load_fails_no_call(tmp_path, seed, say, request):
    """F64: each node in turn is asked to stop, and starts again; the first one is drained before."""
    say(f"seed {seed}")
    with Cluster(tmp_path / "cluster", settings='[raft]\nbalance_after = "3s"\n') as cluster:
        request.node.servers = cluster
        fleet = Fleet(cluster.addresses, 60, seed)
        pace = Pace(start=20, step=8)
        async with under_way(fleet, cluster.addresses, tmp_path, pace) as orders, knocking(fleet, 16) as knocks:
            await steps(fleet, orders, 10, "orders are in flight")
            say(f"before: the slowest of {knocks.made} signals took {1e3 * knocks.longest[0]:.0f} ms")
            for node in cluster.nodes:
                other = cluster.node(node.number % 3 + 1)
                door = fleet.doors[node.number - 1]
                knocks.longest = (0.0, "")
                if node.number == 1:
                    plan = await asyncio.to_thread(done, "drain", 1, "--dry-run", node=other)
                    assert "would be led by node" in plan and "no rows would be sent; nothing was done" in plan, plan
                    told = await asyncio.to_thread(done, "drain", 1, node=other)
                    assert "node 1 leads nothing after" in told, told
                    status = await asyncio.to_thread(cluster.cli, "status")
                    assert [n["standing"] for n in status["nodes"]] == ["drained", "member", "member"], status
                # As whoever sends clients to nodes does when one is not ready: it gets no new calls.
                door.up = False
                leads = await asyncio.to_thread(led, cluster, node)
                began = time.monotonic()
                code = await asyncio.to_thread(node.stop)
                stopped = time.monotonic() - began
                assert code == 0, node.tail(20)
                assert "left to an election" not in node.tail(1000), node.tail(1000)
                await steps(fleet, orders, 4, "orders go on")
                node.start()
                await asyncio.to_thread(node.wait_ready)
                door.came_back()
                await steps(fleet, orders, 4, "orders go on with the node")
                has_its_own = lambda: led(cluster, node) > 0
                await asyncio.to_thread(wait_until, has_its_own, 30, f"node {node.number} leads again")
                took, what = knocks.longest
                say(f"node {node.number}, which led {leads}, stopped in {stopped:.1f} s: the longest pause was {1e3 * took:.0f} ms "
                    f"({what}; the aim is {1e3 * AIM:.0f} ms)")
            assert not knocks.failures, knocks.failures
            pace.hurry()
            await asyncio.wait_for(orders, 120)
        await fleet.check()
        failed = len(fleet.calls.failures) + len(knocks.failures)
        say(f"{fleet.calls.made} calls of orders and {knocks.made} signals, {failed} failed; {fleet.calls.sent_away} long polls were sent away")
        assert not fleet.calls.failures
        assert "panicked" not in cluster.logs(100_000)
        await fleet.close()


def test_draining_what_is_not_there_is_refused_with_a_sentence(tmp_path):
    with Cluster(tmp_path / "cluster", count=1) as alone:
        for arguments, sentence in [
            (("drain", 0), "a node's id is 1 or more"),
            (("drain", 9), "there is no node 9 in this cluster"),
            (("drain", 1), "node 1 is the only one of its cluster: nobody else can lead"),
        ]:
            said = tenure(*arguments, node=alone.node(1))
            assert said.returncode != 0 and sentence in said.stderr, f"{arguments}: {said.stdout}{said.stderr}"
        assert alone.leaders()[0] == 1
