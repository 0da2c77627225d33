"""Descriptions of task queues, which ask all shards for what they have."""

import asyncio
import time

import pytest
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import request_response_pb2 as w

from harness.cluster import Cluster
from harness.hand import Hand
from harness.rpc import Api

WAITING = 48
WATCHED_S = 8


@pytest.fixture
def own(tmp_path, request):
    """Three nodes to be hurt."""
    with Cluster(tmp_path / "cluster") as cluster:
        request.node.servers = cluster
        yield cluster


@pytest.mark.tenure
@pytest.mark.own_cluster
async def test_a_backlog_is_never_told_without_the_shards_of_a_node_that_dies(own, say):
    apis = [Api(address) for address in own.addresses]
    hands = [Hand(apis) for _ in range(WAITING)]
    for hand in hands:
        hand.queue = hands[0].queue
    await asyncio.gather(*(hand.start() for hand in hands))
    request = w.DescribeTaskQueueRequest(
        namespace="default", task_queue=TaskQueue(name=hands[0].queue), report_stats=True,
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
    )
    home = own.locate(hands[0].queue)["leader"]
    owners = {own.locate(hand.id)["leader"] for hand in hands[:12]}
    died = next(node for node in own.nodes if node.number != home and node.number in owners)
    asked = [api for api, node in zip(apis, own.nodes) if node is not died]
    told, slowest = [], 0.0

    async def watch(api: Api) -> None:
        nonlocal slowest
        end = time.monotonic() + WATCHED_S
        while time.monotonic() < end:
            begin = time.monotonic()
            told.append((await api.call("DescribeTaskQueue", request, 20)).stats.approximate_backlog_count)
            slowest = max(slowest, time.monotonic() - begin)

    watches = [asyncio.create_task(watch(api)) for api in asked]
    await asyncio.sleep(1)
    died.kill()
    await asyncio.gather(*watches)
    say(f"{len(told)} descriptions, the slowest took {slowest:.2f} s")
    assert set(told) == {WAITING}, "every answer counts the shards that had no leader at the time"
