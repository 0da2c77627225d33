"""Closed runs are kept for their namespace's retention and not longer, on a server that skips time."""

import grpc
import pytest
import pytest_asyncio
from temporalio.api.namespace.v1 import NamespaceConfig
from temporalio.api.workflowservice.v1 import request_response_pb2 as w

from harness.hand import Hand, complete_workflow, start_timer
from harness.rpc import names, seconds, unique
from harness.stage import eventually
from test_time_skipping import DAY, running

pytestmark = [pytest.mark.tenure, pytest.mark.own_cluster]

HOUR = 3600


@pytest_asyncio.fixture
async def api(directory):
    async with running(directory) as api:
        yield api


async def namespace(api, days: float) -> str:
    name = unique("namespace")
    await api.call("RegisterNamespace", w.RegisterNamespaceRequest(
        namespace=name, workflow_execution_retention_period=seconds(days * DAY)))

    async def known():
        try:
            return await api.call("DescribeNamespace", w.DescribeNamespaceRequest(namespace=name))
        except grpc.aio.AioRpcError:
            return None

    await eventually(known)
    return name


async def keeps(api, name: str, days: float) -> None:
    await api.call("UpdateNamespace", w.UpdateNamespaceRequest(
        namespace=name, config=NamespaceConfig(workflow_execution_retention_ttl=seconds(days * DAY))))


async def closed(api, name: str) -> Hand:
    hand = Hand([api], name)
    await hand.start()
    await hand.step(complete_workflow("out"))
    return hand


async def is_there(hand: Hand) -> bool:
    try:
        shown = await hand.describe(hand.run)
        assert names(await hand.events())[-1] == "WorkflowExecutionCompleted"
        return shown.workflow_execution_info.execution.run_id == hand.run
    except grpc.aio.AioRpcError as error:
        assert error.code() == grpc.StatusCode.NOT_FOUND
        return False


async def is_gone(hand: Hand) -> bool:
    return not await is_there(hand)


async def test_a_closed_run_goes_when_its_time_is_over_and_not_before(api):
    name = await namespace(api, 2)
    early = await closed(api, name)
    await api.skip(DAY)
    late = await closed(api, name)
    await api.skip(DAY - HOUR)
    assert await is_there(early) and await is_there(late)
    await api.skip(2 * HOUR)
    await eventually(lambda: is_gone(early))
    assert await is_there(late)
    await api.skip(DAY)
    await eventually(lambda: is_gone(late))


async def test_a_running_one_stays(api):
    hand = Hand([api], await namespace(api, 1))
    await hand.start()
    await hand.step(start_timer("t", 30 * DAY))
    await api.skip(20 * DAY)
    assert names(await hand.events())[-1] == "TimerStarted"
    await hand.signal("s")
    await hand.step(complete_workflow("out"))
    assert await is_there(hand)
    await api.skip(DAY - HOUR)
    assert await is_there(hand)
    await api.skip(2 * HOUR)
    await eventually(lambda: is_gone(hand))


async def test_retention_is_that_of_the_namespace_now(api):
    name = await namespace(api, 1)
    hand = await closed(api, name)
    await keeps(api, name, 5)
    await api.skip(4 * DAY)
    assert await is_there(hand)
    await api.skip(2 * DAY)
    await eventually(lambda: is_gone(hand))


async def test_a_run_of_an_id_goes_without_the_one_after_it(api):
    name = await namespace(api, 2)
    hand = await closed(api, name)
    first = hand.run
    await api.skip(DAY)
    await hand.start()
    await hand.step(start_timer("t", 10 * DAY))
    second = hand.run
    await api.skip(DAY + HOUR)
    hand.run = first
    await eventually(lambda: is_gone(hand))
    hand.run = second
    assert names(await hand.events())[0] == "WorkflowExecutionStarted"
    shown = await hand.describe()
    assert shown.workflow_execution_info.execution.run_id == second
