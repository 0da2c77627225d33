"""Bulk in one workflow (F2, F7): nodes stay up, leaders stay where they are, and another workflow of the same shard does
not notice."""

import asyncio
import contextlib
import time

import grpc
import pytest
import pytest_asyncio
from temporalio.api.enums.v1 import WorkflowExecutionStatus
from temporalio.api.workflowservice.v1 import request_response_pb2 as w

from harness.cluster import Cluster
from harness.commands import command
from harness.hand import Hand, activity, complete_workflow, marker
from harness.rpc import Api, execution, payloads, unique

pytestmark = [pytest.mark.tenure, pytest.mark.alone]

MIB = 1 << 20
LARGE = "x" * (2 * MIB - 1000)
UNNOTICED = 2.0


@pytest.fixture(scope="module")
def crowded(directory):
    """Three nodes with one shard for all workflows."""
    with Cluster(directory / "large-entries", 3, "[cluster]\nshards = 1\n") as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def crowded_apis(crowded):
    apis = [Api(address) for address in crowded.addresses]
    yield apis
    for api in apis:
        await api.close()


@contextlib.asynccontextmanager
async def unnoticed(cluster: Cluster, apis: list[Api]):
    """What happens within: others' signals get through in time, and every leader stays."""
    other = Hand(apis)
    await other.start()
    took: list[float] = []

    async def signals():
        while True:
            begin = time.monotonic()
            await other.signal("s")
            took.append(time.monotonic() - begin)
            await asyncio.sleep(0.05)

    def leaders():
        return cluster.leaders(), [node.total("tenure_raft_leader_changes_total") for node in cluster.nodes]

    before = leaders()
    signalling = asyncio.ensure_future(signals())
    try:
        yield
        # What is over sooner than the first signal is told by that one.
        deadline = time.monotonic() + UNNOTICED
        while not took and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
    finally:
        signalling.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await signalling
    assert all(node.running for node in cluster.nodes)
    assert leaders() == before
    assert took, f"no signal was answered within {UNNOTICED} s"
    assert max(took) < UNNOTICED, f"the slowest of {len(took)} signals took {max(took):.1f} s"


async def test_large_signals_during_a_workflow_task(crowded, crowded_apis):
    async with unnoticed(crowded, crowded_apis):
        hand = Hand(crowded_apis)
        await hand.start()
        task = await hand.poll()
        answers = await asyncio.gather(*[hand.signal("s", LARGE) for _ in range(40)], return_exceptions=True)
        told = {(answer.code().name, answer.details()) for answer in answers if isinstance(answer, grpc.RpcError)}
        # Beyond 50 MiB the run is ended.
        assert told <= {("INVALID_ARGUMENT", "Workflow history size exceeds limit."),
                        ("NOT_FOUND", "workflow execution already completed")}
        with pytest.raises(grpc.RpcError) as caught:
            await hand.complete(task)
        assert caught.value.code().name == "NOT_FOUND"
        shown = (await hand.describe()).workflow_execution_info
        assert shown.status == WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_TERMINATED


async def test_large_heartbeats_of_many_activities(crowded, crowded_apis):
    hand = Hand(crowded_apis)
    await hand.start()
    await hand.step(*[activity(str(n), hand.queue, start_to_close=60) for n in range(40)])
    tasks = [await hand.poll_activity() for _ in range(40)]
    async with unnoticed(crowded, crowded_apis):
        await asyncio.gather(*[hand.heartbeat(task, LARGE) for task in tasks])
    async with unnoticed(crowded, crowded_apis):
        await hand.terminate()


async def test_large_details_of_activities_that_time_out_together(crowded, crowded_apis):
    hand = Hand(crowded_apis)
    await hand.start()
    await hand.step(*[activity(str(n), hand.queue, start_to_close=60, heartbeat=10) for n in range(20)])
    tasks = [await hand.poll_activity() for _ in range(20)]
    async with unnoticed(crowded, crowded_apis):
        await asyncio.gather(*[hand.heartbeat(task, LARGE) for task in tasks])
        deadline = time.monotonic() + 40
        # Besides the first task: scheduled, started and timed out, and the next task.
        while (await hand.describe()).workflow_execution_info.history_length < 4 + 3 * 20 + 1:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.2)


async def test_a_request_larger_than_any_entry_never_is(crowded, crowded_apis):
    """The largest request that is taken makes an entry that fits."""
    async with unnoticed(crowded, crowded_apis):
        hand = Hand(crowded_apis)
        await hand.start()
        task = await hand.poll()
        await hand.signal("s", LARGE)
        large = payloads("x" * (MIB - 1000))
        again = command("CONTINUE_AS_NEW_WORKFLOW_EXECUTION", workflow_type={"name": "W"}, task_queue={"name": hand.queue},
                        input=large)
        records = [command("RECORD_MARKER", marker_name="m", details={"d": large}) for _ in range(2)]
        with pytest.raises(grpc.RpcError) as caught:
            await hand.complete(task, *records, again)
        assert caught.value.details() == "UnhandledCommand"
        await hand.step(*records, again)
        await hand.step(marker("m"), complete_workflow())


async def reset(hand: Hand, run_id: str, finish: int):
    request = w.ResetWorkflowExecutionRequest(
        namespace="default", workflow_execution=execution(hand.id, run_id), reason="again", request_id=unique("reset"),
        workflow_task_finish_event_id=finish)
    return (await hand.api.call("ResetWorkflowExecution", request, 60)).run_id


async def test_a_reset_of_the_largest_run(crowded, crowded_apis):
    hand = Hand(crowded_apis)
    run = (await hand.start()).run_id
    await hand.step()
    for _ in range(24):
        await hand.signal("s", LARGE)
    task = await hand.poll()
    await hand.complete(task, marker("m"))
    worker = Hand(crowded_apis)
    await worker.start()
    await worker.step(activity("a", worker.queue, start_to_close=120, heartbeat=2))
    beating = await worker.poll_activity()

    async def beats():
        while True:
            await worker.heartbeat(beating)
            await asyncio.sleep(0.2)

    heart = asyncio.ensure_future(beats())
    async with unnoticed(crowded, crowded_apis):
        again = await reset(hand, run, task.started_event_id + 1)
    heart.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await heart
    shown = (await hand.describe(again)).workflow_execution_info
    assert shown.history_size_bytes > 48 * 10**6
    # Besides what is kept: the task failed, and another is scheduled.
    assert shown.history_length == task.started_event_id + 2
    await hand.complete(await hand.poll(), complete_workflow())


async def test_a_reset_of_a_long_chain(crowded, crowded_apis):
    """What came since is told again, as far as it fits into an entry; what does not is refused."""
    hand = Hand(crowded_apis)
    first = (await hand.start()).run_id
    again = command("CONTINUE_AS_NEW_WORKFLOW_EXECUTION", workflow_type={"name": "W"}, task_queue={"name": hand.queue})
    base = None
    for nth in range(8):
        for _ in range(2 if nth else 0):
            await hand.signal("s", LARGE)
        task = await hand.poll()
        await hand.complete(task, again)
        base = task.workflow_execution.run_id if nth == 2 else base
    async with unnoticed(crowded, crowded_apis):
        with pytest.raises(grpc.RpcError) as caught:
            await reset(hand, first, 4)
        assert caught.value.code().name == "INVALID_ARGUMENT" and "exceeds limit of" in caught.value.details()
        told = await reset(hand, base, 6)
    shown = (await hand.describe(told)).workflow_execution_info
    assert shown.history_size_bytes > 11 * len(LARGE)
    await hand.terminate()
