"""Queries: of running and closed workflows, refused, failed, and those that every workflow answers."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from temporalio import workflow
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.client import WorkflowQueryFailedError, WorkflowQueryRejectedError
from temporalio.client import WorkflowExecutionStatus as Status
from temporalio.common import QueryRejectCondition, RawValue
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from harness.rpc import unique
from harness.stage import ended_as, event_names


@workflow.defn
class Ledger:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.end = ""

    @workflow.run
    async def run(self) -> int:
        workflow.set_current_details("*waits* for lines")
        await workflow.wait_condition(lambda: bool(self.end))
        if self.end == "fail":
            raise ApplicationError("as told")
        return len(self.lines)

    @workflow.signal(description="adds a line")
    def write(self, line: str) -> None:
        self.lines.append(line)

    @workflow.signal
    def close(self, how: str) -> None:
        self.end = how

    @workflow.query
    def line(self, number: int) -> str:
        return self.lines[number]

    @workflow.query
    def count(self) -> int:
        return len(self.lines)

    @workflow.query(dynamic=True)
    def other(self, name: str, arguments: Sequence[RawValue]) -> str:
        return f"{name} of {len(arguments)}"


@pytest.fixture
async def ledger(stage):
    async with stage.worker(Ledger):
        yield await stage.start(Ledger.run)


@pytest.mark.short
async def test_a_query_sees_the_signals_before_it(stage, ledger):
    for n in range(10):
        await stage.handle(ledger.id).signal(Ledger.write, f"line {n}")
        assert await stage.handle(ledger.id).query(Ledger.count) == n + 1
    assert await ledger.query(Ledger.line, 7) == "line 7"
    assert await ledger.query("anything", args=[1, 2]) == "anything of 2"
    await ledger.signal(Ledger.close, "well")
    assert await ledger.result() == 10


async def test_a_query_leaves_no_trace(ledger):
    assert await ledger.query(Ledger.count) == 0
    before = await event_names(ledger)
    for _ in range(3):
        assert await ledger.query(Ledger.count) == 0
    assert await event_names(ledger) == before
    await ledger.terminate()


async def test_a_failed_query(ledger):
    with pytest.raises(WorkflowQueryFailedError, match="index out of range"):
        await ledger.query(Ledger.line, 3)
    assert await ledger.query(Ledger.count) == 0
    await ledger.terminate()


@pytest.mark.parametrize("end", ["well", "fail", "terminated"])
async def test_a_closed_workflow_answers(stage, ledger, end):
    await ledger.signal(Ledger.write, "x")
    await close(ledger, end)
    assert await stage.handle(ledger.id).query(Ledger.count) == 1


REJECTED = {
    ("running", QueryRejectCondition.NOT_OPEN): None,
    ("well", QueryRejectCondition.NOT_OPEN): Status.COMPLETED,
    ("fail", QueryRejectCondition.NOT_OPEN): Status.FAILED,
    ("well", QueryRejectCondition.NOT_COMPLETED_CLEANLY): None,
    ("fail", QueryRejectCondition.NOT_COMPLETED_CLEANLY): Status.FAILED,
    ("terminated", QueryRejectCondition.NOT_COMPLETED_CLEANLY): Status.TERMINATED,
}


@pytest.mark.parametrize("end, condition", REJECTED, ids=lambda part: getattr(part, "name", part))
async def test_reject_condition(ledger, end, condition):
    await close(ledger, end)
    if (status := REJECTED[end, condition]) is None:
        assert await ledger.query(Ledger.count, reject_condition=condition) == 0
    else:
        with pytest.raises(WorkflowQueryRejectedError) as caught:
            await ledger.query(Ledger.count, reject_condition=condition)
        assert caught.value.status == status
    if end == "running":
        await ledger.terminate()


async def close(ledger, end: str) -> None:
    if end == "running":
        return
    if end == "terminated":
        assert await ledger.query(Ledger.count) >= 0
        await ledger.terminate()
        return await ended_as(ledger, Status.TERMINATED)
    await ledger.signal(Ledger.close, end)
    await ended_as(ledger, Status.FAILED if end == "fail" else Status.COMPLETED)


async def test_stack_trace_and_metadata(ledger):
    assert "run (workflow: Ledger" in await ledger.query("__stack_trace", result_type=str)
    metadata = await ledger.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
    assert metadata.definition.type == "Ledger"
    assert {d.name: d.description for d in metadata.definition.signal_definitions}["write"] == "adds a line"
    assert metadata.current_details == "*waits* for lines"
    await ledger.terminate()


async def test_nobody_there(stage):
    with pytest.raises(RPCError) as caught:
        await stage.handle(unique("nobody")).query(Ledger.count)
    assert caught.value.status == RPCStatusCode.NOT_FOUND


@workflow.defn
class Broken:
    """Cannot get past its first task."""

    @workflow.run
    async def run(self) -> None:
        raise RuntimeError("not a failure of the workflow, but of its code")

    @workflow.query
    def why(self) -> str:
        return "broken"


async def test_a_workflow_whose_task_fails(stage):
    """The worker cannot answer, and says why."""
    async with stage.worker(Broken):
        handle = await stage.start(Broken.run)
        with pytest.raises((WorkflowQueryFailedError, RPCError)):
            await handle.query(Broken.why, rpc_timeout=timedelta(seconds=5))
        await handle.terminate()
