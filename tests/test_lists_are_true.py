"""What was acknowledged by one node is listed and counted by another, at the first try, while leaders are moved.

With `--rounds 20000` as often.
"""

import asyncio
import itertools
import random
import time

import grpc
import pytest
import pytest_asyncio
from temporalio.api.command.v1 import Command, UpsertWorkflowSearchAttributesCommandAttributes
from temporalio.api.common.v1 import Payload, SearchAttributes
from temporalio.api.enums.v1 import CommandType
from temporalio.api.operatorservice.v1 import request_response_pb2 as o
from temporalio.api.workflowservice.v1 import request_response_pb2 as w

from harness.cluster import Cluster
from harness.hand import Hand, complete_workflow
from harness.rpc import Api, seconds, unique

pytestmark = [pytest.mark.tenure, pytest.mark.own_cluster]

AT_ONCE = 16
KEYWORD = 2


@pytest.fixture(scope="module")
def cluster(directory):
    with Cluster(directory / "lists") as running:
        yield running


@pytest_asyncio.fixture
async def apis(cluster):
    made = [Api(address) for address in cluster.addresses]
    yield made
    for api in made:
        await api.close()


@pytest.fixture
async def namespace(apis) -> str:
    name = unique("space")
    await apis[0].call("RegisterNamespace", w.RegisterNamespaceRequest(
        namespace=name, workflow_execution_retention_period=seconds(86_400)))
    await apis[0].call("AddSearchAttributes", o.AddSearchAttributesRequest(
        namespace=name, search_attributes={"Stage": KEYWORD}))
    return name


def upsert(stage: str) -> Command:
    payload = Payload(metadata={"encoding": b"json/plain"}, data=f'"{stage}"'.encode())
    return Command(
        command_type=CommandType.COMMAND_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES,
        upsert_workflow_search_attributes_command_attributes=UpsertWorkflowSearchAttributesCommandAttributes(
            search_attributes=SearchAttributes(indexed_fields={"Stage": payload})
        ),
    )


class Rounds:
    """Each round is one change, and a list and a count of it at two other nodes."""

    def __init__(self, apis, namespace: str, wanted: int):
        self.apis, self.namespace, self.left, self.done, self.again = apis, namespace, wanted, 0, 0

    async def finds(self, hand: Hand, query: str, expected: int) -> None:
        query = f"WorkflowId = '{hand.id}' AND {query}"
        listed, counted = await asyncio.gather(
            hand.api.call("ListWorkflowExecutions", w.ListWorkflowExecutionsRequest(namespace=self.namespace, query=query)),
            hand.api.call("CountWorkflowExecutions", w.CountWorkflowExecutionsRequest(namespace=self.namespace, query=query)),
        )
        found = [run.execution.run_id for run in listed.executions]
        assert found == [hand.run] * expected, f"{query}: {found}"
        assert counted.count == expected, f"{query}: {counted.count}"

    async def step(self, hand: Hand, *commands: Command) -> None:
        """A task that was given to somebody else meanwhile comes again."""
        while True:
            try:
                await hand.step(*commands)
                return
            except grpc.aio.AioRpcError as error:
                if error.code() != grpc.StatusCode.NOT_FOUND:
                    raise
                self.again += 1

    async def one_after_the_other(self) -> None:
        for number in itertools.count():
            if self.left <= 0:
                return
            self.left -= 3
            offset = number % len(self.apis)
            hand = Hand(self.apis[offset:] + self.apis[:offset], self.namespace)
            await hand.start()
            await self.finds(hand, "ExecutionStatus = 'Running' AND Stage IS NULL", 1)
            await self.step(hand)
            await hand.signal("go")
            await self.step(hand, upsert("packed"))
            await self.finds(hand, "Stage = 'packed' AND CloseTime IS NULL", 1)
            await hand.signal("end")
            await self.step(hand, complete_workflow())
            await self.finds(hand, "Stage = 'packed' AND ExecutionStatus = 'Completed'", 1)
            await self.finds(hand, "ExecutionStatus = 'Running'", 0)
            self.done += 3


async def move_leaders(cluster, seed: int, moved: list) -> None:
    chance = random.Random(seed)
    while True:
        leaders = await asyncio.to_thread(cluster.leaders)
        shard = chance.choice([shard for shard in leaders if shard != 0])
        to = chance.choice([number for number in (1, 2, 3) if number != leaders[shard]])
        if await asyncio.to_thread(cluster.transfer_leader, shard, cluster.node(to)):
            moved.append(shard)
        await asyncio.sleep(0.2)


async def test_what_was_acknowledged_is_listed_and_counted_at_once(cluster, apis, namespace, request, say):
    rounds = Rounds(apis, namespace, request.config.getoption("--rounds"))
    seed, moved, begin = random.randrange(1 << 32), [], time.monotonic()
    say(f"seed {seed}")
    moving = asyncio.create_task(move_leaders(cluster, seed, moved))
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(rounds.one_after_the_other())
    finally:
        moving.cancel()
    assert moved, "no leader was moved"
    say(f"{rounds.done} rounds in {time.monotonic() - begin:.0f} s, leaders moved {len(moved)} times, "
        f"{rounds.again} tasks again")
