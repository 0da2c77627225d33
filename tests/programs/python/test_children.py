"""Child workflows: results, failures, ids, parent close policies, cancellation types, retry."""

import asyncio
from datetime import timedelta

import pytest
from temporalio import workflow
from temporalio.client import WorkflowExecutionStatus as Status
from temporalio.client import WorkflowFailureError
from temporalio.common import RetryPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import (
    ApplicationError,
    CancelledError,
    ChildWorkflowError,
    TerminatedError,
    TimeoutError,
    WorkflowAlreadyStartedError,
)
from temporalio.workflow import ChildWorkflowCancellationType as CancellationType
from temporalio.workflow import ParentClosePolicy

from harness.rpc import unique
from harness.stage import ended_as, event_names, eventually, events

pytestmark = pytest.mark.needs("children")


@workflow.defn
class Child:
    """Does as it is told: returns, fails, or waits for a signal, and then lingers when it is cancelled."""

    def __init__(self) -> None:
        self.said: str | None = None

    @workflow.run
    async def run(self, what: str) -> str:
        match what:
            case "fail":
                raise ApplicationError("as told", "detail", type="Told")
            case "second try" if workflow.info().attempt == 1:
                raise ApplicationError("first try")
            case "wait":
                try:
                    await workflow.wait_condition(lambda: self.said is not None)
                except asyncio.CancelledError:
                    await asyncio.sleep(0.1)
                    raise
                return self.said or ""
        return f"{what} from attempt {workflow.info().attempt}"

    @workflow.signal
    def say(self, word: str) -> None:
        self.said = word


@workflow.defn
class Parent:
    """Runs one child and wraps what comes of it."""

    @workflow.run
    async def run(self, what: str, options: dict) -> str:
        retry = RetryPolicy(initial_interval=timedelta(milliseconds=50), maximum_attempts=options.get("attempts", 1))
        try:
            result = await workflow.execute_child_workflow(
                Child.run,
                what,
                id=options.get("id", f"{workflow.info().workflow_id}/child"),
                retry_policy=retry,
                id_reuse_policy=WorkflowIDReusePolicy(options.get("reuse", WorkflowIDReusePolicy.ALLOW_DUPLICATE)),
                execution_timeout=timedelta(seconds=options["timeout"]) if "timeout" in options else None,
                task_queue=options.get("queue"),
            )
        except WorkflowAlreadyStartedError as error:
            return f"there is a {error.workflow_type} already"
        return f"child said: {result}"


async def test_the_parent_gets_the_childs_result(stage):
    async with stage.worker(Parent, Child):
        handle = await stage.start(Parent.run, "yes", {})
        assert await handle.result() == "child said: yes from attempt 1"
    names = await event_names(handle)
    assert [n for n in names if "ChildWorkflow" in n] == [
        "StartChildWorkflowExecutionInitiated", "ChildWorkflowExecutionStarted", "ChildWorkflowExecutionCompleted",
    ]
    child = await stage.handle(f"{handle.id}/child").describe()
    assert child.parent_id == handle.id and child.parent_run_id == handle.first_execution_run_id
    assert child.root_id == handle.id


@pytest.mark.short
async def test_a_childs_failure_keeps_its_cause_and_details(stage):
    async with stage.worker(Parent, Child):
        with pytest.raises(WorkflowFailureError) as caught:
            await stage.run(Parent.run, "fail", {})
    child = caught.value.cause
    assert isinstance(child, ChildWorkflowError)
    assert (child.workflow_type, child.namespace) == ("Child", "default")
    assert isinstance(child.cause, ApplicationError)
    assert (child.cause.type, child.cause.message, list(child.cause.details)) == ("Told", "as told", ["detail"])


async def test_a_child_is_tried_again(stage):
    async with stage.worker(Parent, Child):
        handle = await stage.start(Parent.run, "second try", {"attempts": 3})
        assert await handle.result() == "child said: second try from attempt 2"
    assert (await event_names(handle)).count("ChildWorkflowExecutionStarted") == 1


async def test_a_child_in_another_queue(stage):
    queue = unique("other")
    async with stage.worker(Parent), stage.worker(Child, queue=queue):
        assert await stage.run(Parent.run, "there", {"queue": queue}) == "child said: there from attempt 1"


async def test_a_child_runs_out_of_time(stage):
    async with stage.worker(Parent, Child):
        with pytest.raises(WorkflowFailureError) as caught:
            await stage.run(Parent.run, "wait", {"timeout": 1})
    assert isinstance(caught.value.cause.cause, TimeoutError)


async def test_a_child_that_is_terminated_fails_its_parent(stage):
    async with stage.worker(Parent, Child):
        handle = await stage.start(Parent.run, "wait", {})
        child = stage.handle(f"{handle.id}/child")
        await eventually(lambda: running(child))
        await child.terminate("enough")
        with pytest.raises(WorkflowFailureError) as caught:
            await handle.result()
    assert isinstance(caught.value.cause.cause, TerminatedError)


@pytest.mark.parametrize("first", ["running", "closed"])
async def test_a_childs_id_that_is_taken(stage, first):
    id = unique("taken")
    async with stage.worker(Parent, Child):
        taken = await stage.start(Child.run, "wait", id=id)
        if first == "closed":
            await taken.signal(Child.say, "done")
            await taken.result()
        reject = int(WorkflowIDReusePolicy.REJECT_DUPLICATE)
        handle = await stage.start(Parent.run, "second", {"id": id, "reuse": reject})
        assert await handle.result() == "there is a Child already"
        if first == "closed":
            assert await stage.run(Parent.run, "second", {"id": id}) == "child said: second from attempt 1"
        else:
            await taken.signal(Child.say, "done")
            assert await taken.result() == "done"
    assert "StartChildWorkflowExecutionFailed" in await event_names(handle)


# --- the parent closes ---


@workflow.defn
class Leaver:
    """Starts a child and closes as it is told."""

    def __init__(self) -> None:
        self.may_go = False

    @workflow.run
    async def run(self, policy: int, end: str) -> str:
        child = await workflow.start_child_workflow(
            Child.run, "wait", id=f"{workflow.info().workflow_id}/child", parent_close_policy=ParentClosePolicy(policy)
        )
        await workflow.wait_condition(lambda: self.may_go)
        if end == "fail":
            raise ApplicationError("leaves")
        return child.first_execution_run_id or ""

    @workflow.signal
    def go(self) -> None:
        self.may_go = True


@pytest.mark.parametrize("end", ["complete", "fail", "terminate"])
@pytest.mark.parametrize(
    "policy, childs_end",
    [
        (ParentClosePolicy.TERMINATE, Status.TERMINATED),
        (ParentClosePolicy.REQUEST_CANCEL, Status.CANCELED),
        (ParentClosePolicy.ABANDON, Status.COMPLETED),
    ],
    ids=["terminate", "request-cancel", "abandon"],
)
async def test_parent_close_policy(stage, policy, childs_end, end):
    async with stage.worker(Leaver, Child):
        handle = await stage.start(Leaver.run, int(policy), end)
        child = stage.handle(f"{handle.id}/child")
        await eventually(lambda: running(child))
        if end == "terminate":
            await handle.terminate()
        else:
            await handle.signal(Leaver.go)
        await ended_as(handle, {"complete": Status.COMPLETED, "fail": Status.FAILED, "terminate": Status.TERMINATED}[end])
        if policy == ParentClosePolicy.ABANDON:
            assert (await child.describe()).status == Status.RUNNING
            await child.signal(Child.say, "alone")
            assert await child.result() == "alone"
        await ended_as(child, childs_end)


# --- cancellation ---


@workflow.defn
class Canceller:
    """Cancels its child and tells how the wait for it ended, and how many steps that took."""

    @workflow.run
    async def run(self, type: int) -> str:
        child = await workflow.start_child_workflow(
            Child.run, "wait", id=f"{workflow.info().workflow_id}/child", cancellation_type=CancellationType(type),
            parent_close_policy=ParentClosePolicy.ABANDON,
        )
        await asyncio.sleep(0.05)
        child.cancel()
        try:
            return await child
        except ChildWorkflowError as error:
            assert isinstance(error.cause, CancelledError)
            # The request to cancel goes out once the task is completed, and not from a closed workflow.
            await asyncio.sleep(0.2)
            return "cancelled"


@pytest.mark.parametrize(
    "type, seen, childs_end",
    [
        (CancellationType.WAIT_CANCELLATION_COMPLETED, "ChildWorkflowExecutionCanceled", Status.CANCELED),
        (CancellationType.WAIT_CANCELLATION_REQUESTED, "ExternalWorkflowExecutionCancelRequested", Status.CANCELED),
        (CancellationType.TRY_CANCEL, "RequestCancelExternalWorkflowExecutionInitiated", Status.CANCELED),
        (CancellationType.ABANDON, "TimerFired", Status.RUNNING),
    ],
    ids=["wait-completed", "wait-requested", "try-cancel", "abandon"],
)
async def test_cancellation_type(stage, type, seen, childs_end):
    async with stage.worker(Canceller, Child):
        handle = await stage.start(Canceller.run, int(type))
        assert await handle.result() == "cancelled"
        child = stage.handle(f"{handle.id}/child")
        if childs_end == Status.RUNNING:
            assert (await child.describe()).status == Status.RUNNING
            await child.terminate()
        else:
            await ended_as(child, childs_end)
    names = await event_names(handle)
    assert seen in names, names
    if type == CancellationType.ABANDON:
        assert "RequestCancelExternalWorkflowExecutionInitiated" not in names


async def test_cancelling_the_parent_cancels_the_child(stage):
    async with stage.worker(Parent, Child):
        handle = await stage.start(Parent.run, "wait", {})
        child = stage.handle(f"{handle.id}/child")
        await eventually(lambda: running(child))
        await handle.cancel()
        await ended_as(child, Status.CANCELED)
        with pytest.raises(WorkflowFailureError) as caught:
            await handle.result()
        assert isinstance(caught.value.cause, CancelledError)
    requested = [e for e in await events(child) if e.HasField("workflow_execution_cancel_requested_event_attributes")]
    by = requested[0].workflow_execution_cancel_requested_event_attributes.external_workflow_execution
    assert by.workflow_id == handle.id


# --- many ---


@workflow.defn
class Family:
    """A tree of workflows: each node but the leaves has `width` children. Returns the number of its leaves."""

    @workflow.run
    async def run(self, width: int, depth: int) -> int:
        if depth == 0:
            return 1
        below = [
            workflow.execute_child_workflow(
                Family.run, args=[width, depth - 1], id=f"{workflow.info().workflow_id}/{i}",
                parent_close_policy=ParentClosePolicy.ABANDON,
            )
            for i in range(width)
        ]
        return sum(await asyncio.gather(*below))


@pytest.mark.short
async def test_a_tree_of_children_over_all_shards(stage):
    async with stage.worker(Family):
        handle = await stage.start(Family.run, 4, 2)
        assert await handle.result() == 16
        leaf = await stage.handle(f"{handle.id}/3/2").describe()
        assert (leaf.parent_id, leaf.root_id) == (f"{handle.id}/3", handle.id)


@workflow.defn
class Talker:
    """Signals its child and waits for it."""

    @workflow.run
    async def run(self, word: str) -> str:
        child = await workflow.start_child_workflow(
            Child.run, "wait", id=f"{workflow.info().workflow_id}/child", static_summary="of a talker",
            memo={"from": "parent"},
        )
        await child.signal(Child.say, word)
        return await child


async def test_a_parent_signals_its_child(stage):
    async with stage.worker(Talker, Child):
        handle = await stage.start(Talker.run, "hush")
        assert await handle.result() == "hush"
    signals = [n for n in await event_names(handle) if "Signal" in n]
    assert signals == ["SignalExternalWorkflowExecutionInitiated", "ExternalWorkflowExecutionSignaled"]
    child = await stage.handle(f"{handle.id}/child").describe()
    assert await child.memo() == {"from": "parent"}
    assert await child.static_summary() == "of a talker"


async def running(handle) -> bool:
    """Whether the workflow is there, and has begun."""
    try:
        return "WorkflowTaskCompleted" in await event_names(handle)
    except Exception as error:
        assert "not found" in str(error).lower(), error
        return False
