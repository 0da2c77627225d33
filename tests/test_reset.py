"""Resets, through raw calls and the official CLI. Each test passes against the reference server too."""

import subprocess
import uuid

import pytest
from temporalio.api.enums.v1 import ResetReapplyExcludeType, ResetReapplyType, WorkflowTaskFailedCause
from temporalio.api.workflowservice.v1 import request_response_pb2 as w

from harness.cluster import TEMPORAL
from harness.commands import command
from harness.hand import Hand, activity, complete_workflow, marker, start_timer
from harness.rpc import data, execution, history, name_of, names, payloads, seconds
from test_admin import error
from test_semantics import FIRST_TASK, TASK, eventually

RESET_TASK = FIRST_TASK[:3] + ["WorkflowTaskFailed"]


async def reset(hand, finish: int, run_id: str = "", **fields) -> str:
    fields.setdefault("request_id", uuid.uuid4().hex)
    request = w.ResetWorkflowExecutionRequest(
        namespace="default", workflow_execution=execution(hand.id, run_id), reason="why",
        workflow_task_finish_event_id=finish, identity="test", **fields,
    )
    return (await hand.api.call("ResetWorkflowExecution", request)).run_id


async def current(hand) -> list:
    return await history(hand.api, hand.id)


@pytest.fixture
async def twice(hand):
    """A run with two completed tasks; a signal came before each, and one after them."""
    await hand.start(input=payloads("in"))
    await hand.step(activity("a1", hand.queue, start_to_close=60), start_timer("t1", 100), marker("m"))
    await hand.signal("s1", "x")
    await hand.step(start_timer("t2", 200))
    await hand.signal("s2", "y")
    return hand


async def test_a_reset_begins_anew_and_tells_signals_again(twice):
    base = twice.run
    new = await reset(twice, 4)
    events = await current(twice)
    assert names(events) == RESET_TASK + ["WorkflowExecutionSignaled"] * 2 + TASK[:1]
    failed = events[3].workflow_task_failed_event_attributes
    assert failed.cause == WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW
    assert (failed.base_run_id, failed.new_run_id, failed.identity) == (base, new, "history-service")
    assert failed.failure.message == "why"
    assert failed.failure.HasField("reset_workflow_failure_info")
    signals = [e.workflow_execution_signaled_event_attributes for e in events[4:6]]
    assert [(s.signal_name, data(s.input)) for s in signals] == [("s1", [b"x"]), ("s2", [b"y"])]

    ended = (await twice.events(base))[-1]
    assert name_of(ended) == "WorkflowExecutionTerminated"
    terminated = ended.workflow_execution_terminated_event_attributes
    assert (terminated.reason, terminated.identity) == ("why", "history-resetter")
    was = await twice.describe(base)
    assert was.workflow_extended_info.reset_run_id == new
    now = await twice.describe()
    assert now.workflow_execution_info.execution.run_id == new
    assert now.workflow_execution_info.first_run_id == base
    assert now.workflow_execution_info.root_execution.run_id == new
    assert now.workflow_extended_info.HasField("last_reset_time")
    assert now.workflow_extended_info.original_start_time == was.workflow_execution_info.start_time
    assert list(now.workflow_extended_info.request_id_infos) == list(was.workflow_extended_info.request_id_infos)

    task = await twice.poll()
    assert (task.workflow_execution.run_id, task.attempt, task.previous_started_event_id) == (new, 1, 0)
    await twice.complete(task, complete_workflow())
    assert names(await current(twice))[-1] == "WorkflowExecutionCompleted"


async def test_what_was_pending_is_pending_again(twice):
    finish = [e.event_id for e in await twice.events() if name_of(e) == "WorkflowTaskCompleted"][-1]
    await reset(twice, finish)
    events = await current(twice)
    assert names(events) == FIRST_TASK + ["ActivityTaskScheduled", "TimerStarted", "MarkerRecorded"] + [
        "WorkflowExecutionSignaled", *TASK[:2], "WorkflowTaskFailed", "WorkflowExecutionSignaled", *TASK[:1]]
    assert [a.activity_id for a in (await twice.describe()).pending_activities] == ["a1"]
    task = await twice.poll_activity()
    assert (task.activity_id, task.attempt, data(task.input)) == ("a1", 1, [b"in"])
    await twice.complete_activity(task, "done")
    task = await twice.poll()
    assert "ActivityTaskCompleted" in names(task.history.events)
    await twice.complete(task, complete_workflow())


async def test_a_task_that_was_not_started_is_started_and_failed(twice):
    await reset(twice, 3)
    events = await current(twice)
    assert names(events)[:4] == RESET_TASK
    assert events[2].workflow_task_started_event_attributes.identity == "history-service"


@pytest.mark.parametrize(
    "fields",
    [
        {"reset_reapply_type": ResetReapplyType.RESET_REAPPLY_TYPE_NONE},
        {"reset_reapply_exclude_types": [ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_SIGNAL]},
    ],
)
async def test_signals_may_be_left_out(twice, fields):
    await reset(twice, 4, **fields)
    assert names(await current(twice)) == RESET_TASK + TASK[:1]


async def test_signals_that_wait_for_a_running_task_are_told_too(twice):
    task = await twice.poll()
    await twice.signal("s3")
    await twice.request_cancel()
    base = twice.run
    await reset(twice, 4)
    assert names(await twice.events(base))[-4:] == [
        "WorkflowTaskFailed", "WorkflowExecutionSignaled", "WorkflowExecutionCancelRequested",
        "WorkflowExecutionTerminated"]
    assert names(await current(twice)) == RESET_TASK + ["WorkflowExecutionSignaled"] * 3 + TASK[:1]
    assert (await error(twice.complete(task)))[0] == "NOT_FOUND"


async def test_a_closed_run_is_reset(hand):
    await hand.start(workflow_run_timeout=seconds(1000))
    await hand.step(complete_workflow())
    base = hand.run
    new = await reset(hand, 4, base)
    shown = await hand.describe()
    assert shown.workflow_execution_info.execution.run_id == new
    info = shown.workflow_execution_info
    timeout = shown.workflow_extended_info.run_expiration_time.ToDatetime() - info.start_time.ToDatetime()
    assert abs(timeout.total_seconds() - 1000) < 1, "it counts from the reset"
    again = await reset(hand, 4, base)
    assert again != new
    assert (await hand.describe(base)).workflow_extended_info.reset_run_id == again
    assert names(await hand.events(new))[-1] == "WorkflowExecutionTerminated"


async def test_a_start_that_is_tried_again_is_answered_with_the_new_run(hand):
    await hand.start(request_id="same")
    await hand.step(start_timer("t", 100))
    new = await reset(hand, 4)
    again = await hand.start(request_id="same")
    assert (again.run_id, again.started) == (new, True)


@pytest.mark.tenure
async def test_a_request_resets_once(twice):
    # The reference server resets again.
    assert await reset(twice, 4, request_id="r") == await reset(twice, 4, request_id="r")


@pytest.mark.parametrize("finish", [-1, 0, 1, 1000])
async def test_the_point_is_within_history(twice, finish):
    assert await error(reset(twice, finish)) == (
        "INVALID_ARGUMENT", "Workflow task finish ID must be > 1 && <= workflow last event ID.")


@pytest.mark.parametrize("finish", [2, 5])
async def test_the_point_is_the_end_of_a_task(twice, finish):
    message = f"StateRebuilder unable to Rebuild mutable state to event ID: {finish - 1}, version: 0, " \
              "this event must be at the boundary"
    assert await error(reset(twice, finish)) == ("INVALID_ARGUMENT", message)


async def test_a_reset_names_a_run_and_itself(hand):
    await hand.start()
    assert await error(reset(hand, 3, request_id="")) == ("INVALID_ARGUMENT", "RequestId is not set on request.")
    long = "x" * 2000
    assert await error(reset(hand, 3, request_id=long)) == ("INVALID_ARGUMENT", "RequestId length exceeds limit.")
    assert await error(reset(hand, 3, "x")) == ("INVALID_ARGUMENT", "Invalid RunId.")
    unknown = str(uuid.uuid4())
    assert await error(reset(hand, 3, unknown)) == (
        "NOT_FOUND", f'workflow execution not found for workflow ID "{hand.id}" and run ID "{unknown}"')


@pytest.mark.parametrize(
    "type, expected",
    [
        ("FirstWorkflowTask", RESET_TASK + ["WorkflowExecutionSignaled"] * 2 + TASK[:1]),
        ("LastWorkflowTask", None),
    ],
)
async def test_the_official_cli_resets(twice, cluster, type, expected):
    command = [TEMPORAL, "workflow", "reset", "--address", cluster.addresses[0], "--workflow-id", twice.id,
               "--type", type, "--reason", "why"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    found = names(await current(twice))
    if expected:
        assert found == expected
    else:
        assert found.count("WorkflowTaskFailed") == 1 and found.count("WorkflowTaskCompleted") == 1


# --- children ---


async def with_child(hand, child) -> str:
    """Starts a run with a child that runs, and a second completed task; gives that task's id."""
    await hand.start()
    await hand.step(command(
        "START_CHILD_WORKFLOW_EXECUTION", namespace="default", workflow_id=child.id,
        workflow_type={"name": "C"}, task_queue={"name": child.queue}, parent_close_policy="PARENT_CLOSE_POLICY_TERMINATE"))
    await hand.step(marker("m"))
    return next(e.event_id for e in reversed(await hand.events()) if name_of(e) == "WorkflowTaskCompleted")


async def test_a_child_goes_on_and_the_new_run_hears_of_its_end(hand, apis):
    child = Hand(apis)
    finish = await with_child(hand, child)
    await reset(hand, finish)
    shown = (await hand.describe()).pending_children
    assert [pending.workflow_id for pending in shown] == [child.id]
    await child.step(complete_workflow("x"))
    await eventually(lambda: heard(hand))
    assert not (await hand.describe()).pending_children
    task = await hand.poll()
    await hand.complete(task, complete_workflow())


async def heard(hand) -> bool:
    return "ChildWorkflowExecutionCompleted" in names(await current(hand))


async def test_a_child_from_after_the_point_goes_on_and_is_not_heard_of(hand, apis):
    child = Hand(apis)
    await with_child(hand, child)
    await reset(hand, 4)
    assert not (await hand.describe()).pending_children
    await child.step(complete_workflow())
    assert names(await current(hand)) == RESET_TASK + TASK[:1]
