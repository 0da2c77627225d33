"""What operators do: activities are paused, reset and changed; runs are deleted.

Each test passes against the reference server too (`--target=oracle`).
"""

import asyncio
import uuid

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from temporalio.api.activity.v1 import ActivityOptions
from temporalio.api.common.v1 import RetryPolicy
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import request_response_pb2 as w

from harness.hand import activity, cancel_activity, complete_workflow, start_timer
from harness.rpc import data, execution, names, seconds
from test_semantics import eventually, nothing, refused

STATE = PendingActivityState
NO_ACTIVITY = "Can't find pending activity with such ID. Invalid activityID or activity already completed"


async def error(call) -> tuple[str, str]:
    with pytest.raises(grpc.RpcError) as caught:
        await call
    return caught.value.code().name, caught.value.details()


class Operator:
    """Acts on the activities of one hand-driven workflow."""

    def __init__(self, hand):
        self.hand = hand

    async def call(self, method: str, *, select: dict | None = None, **fields):
        request = getattr(w, f"{method}Request")(
            namespace="default", execution=execution(self.hand.id), identity="operator",
            **(select or {"id": "a1"}), **fields,
        )
        return await self.hand.api.call(method, request)

    async def pause(self, **fields):
        return await self.call("PauseActivity", **fields)

    async def unpause(self, **fields):
        return await self.call("UnpauseActivity", **fields)

    async def reset(self, **fields):
        return await self.call("ResetActivity", **fields)

    async def update(self, mask: list[str], select: dict | None = None, **options):
        return await self.call(
            "UpdateActivityOptions", select=select, activity_options=ActivityOptions(**options),
            update_mask=FieldMask(paths=mask),
        )

    async def pending(self, place: int = 0):
        return (await self.hand.describe()).pending_activities[place]


@pytest.fixture
async def operator(hand):
    await hand.start()
    await hand.step(activity("a1", hand.queue, attempts=5, backoff_s=0.5, start_to_close=60))
    return Operator(hand)


async def test_a_paused_activity_is_not_handed_out(operator):
    hand = operator.hand
    await operator.pause(reason="why", request_id="r1")
    shown = await operator.pending()
    assert (shown.state, shown.paused) == (STATE.PENDING_ACTIVITY_STATE_PAUSED, True)
    assert (shown.pause_info.manual.identity, shown.pause_info.manual.reason) == ("operator", "why")
    await operator.pause(reason="again", request_id="r1")
    await operator.pause(reason="others wait, too", request_id="r2")
    assert await nothing(hand.poll_activity(timeout=4))
    await operator.unpause()
    task = await hand.poll_activity()
    assert task.attempt == 1
    shown = await operator.pending()
    assert (shown.state, shown.paused) == (STATE.PENDING_ACTIVITY_STATE_STARTED, False)
    assert not shown.HasField("pause_info")


async def test_a_running_attempt_learns_that_it_is_paused(operator):
    hand = operator.hand
    task = await hand.poll_activity()
    await operator.pause()
    assert (await operator.pending()).state == STATE.PENDING_ACTIVITY_STATE_PAUSE_REQUESTED
    answer = await hand.heartbeat(task, "50")
    assert (answer.activity_paused, answer.activity_reset, answer.cancel_requested) == (True, False, False)
    await hand.fail_activity(task)
    shown = await operator.pending()
    assert (shown.state, shown.attempt) == (STATE.PENDING_ACTIVITY_STATE_PAUSED, 2)
    assert shown.last_failure.message == "no"
    assert not shown.HasField("next_attempt_schedule_time")
    assert await nothing(hand.poll_activity(timeout=4))
    await operator.unpause(reset_attempts=True, reset_heartbeat=True)
    task = await hand.poll_activity()
    assert (task.attempt, data(task.heartbeat_details)) == (1, [])
    await operator.pause()
    await hand.complete_activity(task)
    assert names(await hand.events())[-3:-1] == ["ActivityTaskStarted", "ActivityTaskCompleted"]


async def test_a_paused_activity_does_not_time_out(hand):
    await hand.start()
    await hand.step(activity("a1", hand.queue, schedule_to_start=1, start_to_close=1, schedule_to_close=2))
    operator = Operator(hand)
    await operator.pause()
    await asyncio.sleep(3)
    assert (await operator.pending()).state == STATE.PENDING_ACTIVITY_STATE_PAUSED
    await operator.unpause()
    await eventually(lambda: timed_out(hand))


async def timed_out(hand) -> bool:
    return "ActivityTaskTimedOut" in await hand.event_names()


async def test_a_paused_activity_can_be_cancelled(operator):
    hand = operator.hand
    await operator.pause()
    await hand.signal("s")
    await hand.step(cancel_activity(5))
    assert "ActivityTaskCanceled" in await hand.event_names()


async def test_a_reset_counts_attempts_from_one(operator):
    hand = operator.hand
    task = await hand.poll_activity()
    await hand.heartbeat(task, "1")
    await hand.fail_activity(task)
    await operator.reset()
    task = await hand.poll_activity()
    assert (task.attempt, data(task.heartbeat_details)) == (1, [b"1"])
    await operator.reset(reset_heartbeat=True)
    assert (await hand.heartbeat(task, "2")).activity_reset
    await hand.fail_activity(task)
    task = await hand.poll_activity()
    assert (task.attempt, data(task.heartbeat_details)) == (2, [])
    await operator.reset()
    assert await refused(hand.complete_activity(task)) == grpc.StatusCode.NOT_FOUND


async def test_a_reset_ends_a_pause_unless_told_to_keep_it(operator):
    await operator.pause()
    await operator.reset(keep_paused=True)
    assert (await operator.pending()).paused
    await operator.reset(select={"match_all": True})
    assert not (await operator.pending()).paused


async def test_activities_are_selected_by_id_type_or_all(hand):
    await hand.start()
    await hand.step(*[activity(id, hand.queue, type=type) for id, type in (("a", "A"), ("b", "B"), ("c", "A"))])
    operator = Operator(hand)

    async def paused():
        return [a.activity_id for a in (await hand.describe()).pending_activities if a.paused]

    await operator.pause(select={"type": "A"})
    assert await paused() == ["a", "c"]
    await operator.unpause(select={"id": "c"})
    assert await paused() == ["a"]
    await operator.pause(select={"id": "b"})
    await operator.unpause(select={"unpause_all": True})
    assert await paused() == []


@pytest.mark.parametrize("method", ["PauseActivity", "UnpauseActivity", "ResetActivity"])
async def test_what_is_not_there_is_refused(operator, method):
    request = getattr(w, f"{method}Request")
    api, id = operator.hand.api, operator.hand.id
    assert await error(operator.call(method, select={"id": "other"})) == ("NOT_FOUND", NO_ACTIVITY)
    assert await error(operator.call(method, select={"type": "other"})) == ("NOT_FOUND", NO_ACTIVITY)
    neither = request(namespace="default", execution=execution(id))
    assert await error(api.call(method, neither)) == (
        "INVALID_ARGUMENT", "Either Activity.Id or Activity.Type should be set on request.")
    assert await error(api.call(method, request(namespace="default", id="a1"))) == (
        "INVALID_ARGUMENT", "WorkflowId is not set on request.")
    bad = request(namespace="default", id="a1", execution=execution(id, "x"))
    assert await error(api.call(method, bad)) == ("INVALID_ARGUMENT", "RunId is not valid UUID.")
    await operator.hand.terminate()
    assert await error(operator.call(method)) == ("NOT_FOUND", "workflow execution already completed")


async def test_options_change_by_field_mask(operator):
    hand = operator.hand
    other = f"{hand.queue}-other"
    reply = await operator.update(
        ["task_queue.name", "heartbeatTimeout", "retry_policy.maximum_attempts", "priority"],
        task_queue=TaskQueue(name=other), heartbeat_timeout=seconds(7), start_to_close_timeout=seconds(1),
        retry_policy=RetryPolicy(maximum_attempts=9),
    )
    options = reply.activity_options
    assert options.task_queue.name == other
    assert options.heartbeat_timeout == seconds(7)
    assert options.start_to_close_timeout == seconds(60), "not in the mask"
    assert (options.retry_policy.maximum_attempts, options.retry_policy.initial_interval) == (9, seconds(0.5))
    assert (await operator.pending()).activity_options.heartbeat_timeout == seconds(7)
    assert (await hand.poll_activity(queue=other)).task_token
    restored = await operator.call("UpdateActivityOptions", restore_original=True)
    assert restored.activity_options.task_queue.name == hand.queue
    assert restored.activity_options.retry_policy.maximum_attempts == 5


@pytest.mark.parametrize(
    "mask, options, message",
    [
        (["start_to_close_timeout"], {"start_to_close_timeout": seconds(-3)},
         "invalid StartToCloseTimeout: negative duration"),
        (["start_to_close_timeout"], {},
         "a valid StartToCloseTimeout or ScheduleToCloseTimeout must be set on the activity. "
         "ActivityId=a1 ActivityType=A"),
        (["retry_policy"], {}, "RetryPolicy is not provided"),
        (["retry_policy.backoff_coefficient"], {"retry_policy": RetryPolicy(backoff_coefficient=0.5)},
         "BackoffCoefficient cannot be less than 1 on retry policy."),
        (["task_queue.name"], {}, "TaskQueue is not provided"),
        (["task_queue.name"], {"task_queue": TaskQueue(name="")}, "missing task queue name"),
    ],
)
async def test_bad_options_are_refused(operator, mask, options, message):
    assert await error(operator.update(mask, **options)) == ("INVALID_ARGUMENT", message)


async def test_an_update_says_what_to_change(operator):
    assert await error(operator.call("UpdateActivityOptions")) == (
        "INVALID_ARGUMENT", "ActivityOptions are not provided")
    assert await error(operator.call("UpdateActivityOptions", activity_options=ActivityOptions())) == (
        "INVALID_ARGUMENT", "UpdateMask is not provided")
    both = operator.call("UpdateActivityOptions", restore_original=True, update_mask=FieldMask(paths=["priority"]))
    assert await error(both) == ("INVALID_ARGUMENT", "Both UpdateMask and RestoreOriginal are provided")


# --- deleting ---


async def delete(hand, run_id: str = ""):
    request = w.DeleteWorkflowExecutionRequest(namespace="default", workflow_execution=execution(hand.id, run_id))
    return await hand.api.call("DeleteWorkflowExecution", request)


async def gone(hand, run_id: str) -> bool:
    try:
        await hand.describe(run_id)
    except grpc.RpcError as found:
        return found.code() == grpc.StatusCode.NOT_FOUND
    return False


async def test_a_deleted_run_is_no_more(hand):
    await hand.start()
    await hand.step(start_timer("t", 60))
    await delete(hand)
    await eventually(lambda: gone(hand, ""))
    not_found = ("NOT_FOUND", f"workflow not found for ID: {hand.id}")
    assert await error(delete(hand)) == not_found
    assert await error(hand.describe()) == not_found
    by_run = f'workflow execution not found for workflow ID "{hand.id}" and run ID "{hand.run}"'
    assert await error(hand.describe(hand.run)) == ("NOT_FOUND", by_run)
    assert await refused(hand.events()) == grpc.StatusCode.NOT_FOUND
    assert await refused(hand.signal("s")) == grpc.StatusCode.NOT_FOUND
    before = hand.run
    await hand.start()
    assert hand.run != before
    await hand.step(complete_workflow())


@pytest.mark.tenure
async def test_a_closed_run_is_deleted_and_the_next_one_stays(hand):
    # The reference server takes its time for closed ones.
    await hand.start()
    await hand.step(complete_workflow())
    first = hand.run
    await hand.start()
    await delete(hand, first)
    assert await gone(hand, first)
    assert (await hand.describe()).workflow_execution_info.execution.run_id == hand.run


async def test_only_what_is_there_is_deleted(hand):
    assert await error(delete(hand)) == ("NOT_FOUND", f"workflow not found for ID: {hand.id}")
    await hand.start()
    assert await error(delete(hand, "x")) == ("INVALID_ARGUMENT", "Invalid RunId.")
    assert await refused(delete(hand, str(uuid.uuid4()))) == grpc.StatusCode.NOT_FOUND
    request = w.DeleteWorkflowExecutionRequest(namespace="default")
    assert await error(hand.api.call("DeleteWorkflowExecution", request)) == (
        "INVALID_ARGUMENT", "Execution is not set on request.")


@pytest.mark.parametrize("retention_s, accepted", [(-1, False), (0, False), (3599, False), (3600, True)])
async def test_a_namespace_keeps_closed_runs_for_an_hour_at_least(hand, retention_s, accepted):
    request = w.RegisterNamespaceRequest(
        namespace=f"ns-{uuid.uuid4().hex[:8]}", workflow_execution_retention_period=seconds(retention_s))
    call = hand.api.call("RegisterNamespace", request)
    if accepted:
        await call
    else:
        assert await error(call) == ("INVALID_ARGUMENT", "A valid retention period is not set on request.")
