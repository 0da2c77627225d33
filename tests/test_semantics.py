"""What workers and clients may rely on, seen through raw calls that go to the three addresses in turn.

Each test passes against the reference server too (`--target=oracle`); that is where its expectations come from.
"""

import asyncio
import time

import grpc
import pytest
from temporalio.api.command.v1 import Command
from temporalio.api.common.v1 import RetryPolicy
from temporalio.api.enums.v1 import (
    CommandType,
    PendingActivityState,
    RetryState,
    TimeoutType,
    WorkflowExecutionStatus,
    WorkflowIdConflictPolicy,
    WorkflowIdReusePolicy,
    WorkflowTaskFailedCause,
)
from temporalio.api.workflowservice.v1 import request_response_pb2 as w

from harness.hand import (
    activity,
    cancel_activity,
    cancel_timer,
    cancel_workflow,
    complete_workflow,
    fail_workflow,
    failure,
    marker,
    query_result,
    start_timer,
)
from harness.rpc import data, execution, history, name_of, names, payloads, seconds, start_request, unique

FIRST_TASK = ["WorkflowExecutionStarted", "WorkflowTaskScheduled", "WorkflowTaskStarted", "WorkflowTaskCompleted"]
TASK = ["WorkflowTaskScheduled", "WorkflowTaskStarted", "WorkflowTaskCompleted"]


async def refused(call) -> grpc.StatusCode:
    with pytest.raises(grpc.RpcError) as caught:
        await call
    return caught.value.code()


async def eventually(probe, seconds: float = 10):
    """The first true value of an async `probe`."""
    deadline = time.monotonic() + seconds
    while not (value := await probe()):
        assert time.monotonic() < deadline, f"not within {seconds} s"
        await asyncio.sleep(0.05)
    return value


async def nothing(poll) -> bool:
    """Whether a poll came back empty: the server lets it go a little before the caller's deadline, if it can."""
    try:
        return not (await poll).task_token
    except grpc.RpcError as error:
        return error.code() in (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED)


# --- starting ---


async def test_start_is_applied_once_for_its_request_id(hand):
    first = await hand.start(request_id="r1")
    again = await hand.start(request_id="r1")
    assert first.run_id == again.run_id
    assert again.started
    assert await refused(hand.start(request_id="r2")) == grpc.StatusCode.ALREADY_EXISTS


REUSE = WorkflowIdReusePolicy
CONFLICT = WorkflowIdConflictPolicy


@pytest.mark.parametrize(
    "end, reuse, starts",
    [
        ("complete", REUSE.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE, True),
        ("complete", REUSE.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY, False),
        ("complete", REUSE.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE, False),
        ("fail", REUSE.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY, True),
        ("fail", REUSE.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE, False),
        ("terminate", REUSE.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY, True),
    ],
)
async def test_id_reuse_policy_after_close(hand, end, reuse, starts):
    first = await hand.start()
    if end == "terminate":
        await hand.terminate()
    else:
        await hand.step(complete_workflow() if end == "complete" else fail_workflow("no"))
    if starts:
        second = await hand.start(workflow_id_reuse_policy=reuse)
        assert second.run_id != first.run_id
        assert (await hand.describe()).workflow_execution_info.execution.run_id == second.run_id
    else:
        assert await refused(hand.start(workflow_id_reuse_policy=reuse)) == grpc.StatusCode.ALREADY_EXISTS


async def test_conflict_policy_use_existing_answers_with_the_running_one(hand):
    first = await hand.start()
    second = await hand.start(workflow_id_conflict_policy=CONFLICT.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING)
    assert second.run_id == first.run_id
    assert not second.started


async def test_conflict_policy_terminate_existing_ends_the_running_one(hand):
    first = await hand.start()
    second = await hand.start(workflow_id_conflict_policy=CONFLICT.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING)
    assert second.run_id != first.run_id
    assert names(await hand.events(first.run_id))[-1] == "WorkflowExecutionTerminated"
    task = await hand.step(complete_workflow())
    assert task.workflow_execution.run_id == second.run_id


async def test_start_delay_holds_the_first_task_back(hand):
    await hand.start(workflow_start_delay=seconds(1))
    began = time.monotonic()
    await hand.step(complete_workflow())
    assert time.monotonic() - began > 0.8


async def test_run_timeout_closes_the_workflow(hand):
    await hand.start(workflow_run_timeout=seconds(1))
    await eventually(lambda: closed(hand))
    assert (await hand.event_names())[-1] == "WorkflowExecutionTimedOut"


async def closed(hand) -> bool:
    status = (await hand.describe()).workflow_execution_info.status
    return status != WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_RUNNING


async def test_signals_of_one_request_id_are_applied_once(hand):
    await hand.start()
    for _ in range(3):
        await hand.signal("s", "x", request_id="same")
    assert (await hand.event_names()).count("WorkflowExecutionSignaled") == 1


# --- workflow tasks ---


async def test_plain_workflow_has_five_events(hand):
    await hand.start(input=payloads("hello"))
    task = await hand.step(complete_workflow("bye"))
    assert task.attempt == 1
    assert names(task.history.events) == FIRST_TASK[:3]
    events = await hand.events()
    assert names(events) == FIRST_TASK + ["WorkflowExecutionCompleted"]
    assert data(events[0].workflow_execution_started_event_attributes.input) == [b"hello"]
    assert data(events[-1].workflow_execution_completed_event_attributes.result) == [b"bye"]


async def test_signal_during_a_task_is_buffered_and_flushed_after_it(hand):
    await hand.start()
    task = await hand.poll()
    await hand.signal("s", "1")
    await hand.signal("s", "2")
    assert "WorkflowExecutionSignaled" not in await hand.event_names()
    await hand.complete(task, start_timer("t", 60))
    assert await hand.event_names() == FIRST_TASK + ["TimerStarted"] + ["WorkflowExecutionSignaled"] * 2 + TASK[:1]


async def test_closing_over_a_buffered_signal_is_an_unhandled_command(hand):
    await hand.start()
    task = await hand.poll()
    await hand.signal("s")
    assert await refused(hand.complete(task, complete_workflow())) == grpc.StatusCode.INVALID_ARGUMENT
    retried = await hand.poll()
    assert "WorkflowExecutionSignaled" in names(retried.history.events)
    await hand.complete(retried, complete_workflow())
    events = await hand.events()
    failed = next(e for e in events if name_of(e) == "WorkflowTaskFailed")
    assert (
        failed.workflow_task_failed_event_attributes.cause
        == WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND
    )
    assert names(events)[-1] == "WorkflowExecutionCompleted"


async def test_failed_task_is_tried_again_and_only_its_first_failure_is_history(hand):
    await hand.start()
    for attempt in (1, 2, 3):
        task = await hand.poll()
        assert task.attempt == attempt
        await hand.fail_task(task)
    task = await hand.poll()
    assert task.attempt == 4
    assert names(task.history.events) == FIRST_TASK[:3] + ["WorkflowTaskFailed"] + TASK[:2]
    assert await hand.event_names() == FIRST_TASK[:3] + ["WorkflowTaskFailed"]
    await hand.complete(task, complete_workflow())
    assert await hand.event_names() == FIRST_TASK[:3] + ["WorkflowTaskFailed"] + TASK + ["WorkflowExecutionCompleted"]


async def test_task_that_is_not_answered_times_out_and_its_token_is_stale(hand):
    await hand.start(workflow_task_timeout=seconds(1))
    lost = await hand.poll()
    again = await hand.poll()
    assert again.attempt == 2
    assert "WorkflowTaskTimedOut" in names(again.history.events)
    assert await refused(hand.complete(lost, complete_workflow())) == grpc.StatusCode.NOT_FOUND
    await hand.complete(again, complete_workflow())


@pytest.mark.parametrize(
    "commands, cause",
    [
        ([activity("", "q")], "BAD_SCHEDULE_ACTIVITY_ATTRIBUTES"),
        ([start_timer("", 1)], "BAD_START_TIMER_ATTRIBUTES"),
        ([start_timer("t", 9), start_timer("t", 9)], "START_TIMER_DUPLICATE_ID"),
        ([cancel_timer("none")], "BAD_CANCEL_TIMER_ATTRIBUTES"),
        ([cancel_activity(99)], "BAD_REQUEST_CANCEL_ACTIVITY_ATTRIBUTES"),
        ([marker("")], "BAD_RECORD_MARKER_ATTRIBUTES"),
    ],
)
async def test_bad_command_fails_the_task_with_its_cause(hand, commands, cause):
    await hand.start()
    task = await hand.poll()
    assert await refused(hand.complete(task, *commands)) == grpc.StatusCode.INVALID_ARGUMENT
    failed = (await hand.events())[-1]
    assert name_of(failed) == "WorkflowTaskFailed"
    found = WorkflowTaskFailedCause.Name(failed.workflow_task_failed_event_attributes.cause)
    assert found == f"WORKFLOW_TASK_FAILED_CAUSE_{cause}"
    assert failed.workflow_task_failed_event_attributes.failure.message
    await hand.step(complete_workflow())


async def test_next_task_comes_with_the_answer_when_asked_for(hand):
    await hand.start()
    task = await hand.poll()
    await hand.signal("s")
    reply = await hand.complete(task, return_new_workflow_task=True)
    assert "WorkflowExecutionSignaled" in names(reply.workflow_task.history.events)
    await hand.complete(reply.workflow_task, complete_workflow())
    assert await closed(hand)


async def test_forced_new_task_is_a_heartbeat(hand):
    await hand.start()
    task = await hand.poll()
    reply = await hand.complete(task, force_create_new_workflow_task=True, return_new_workflow_task=True)
    assert reply.workflow_task.task_token
    await hand.complete(reply.workflow_task, complete_workflow())
    assert await hand.event_names() == FIRST_TASK + TASK + ["WorkflowExecutionCompleted"]


# --- sticky queues ---


async def test_sticky_task_goes_to_the_workers_own_queue_with_the_new_events_only(hand):
    await hand.start()
    sticky = unique("sticky")
    task = await hand.poll()
    await hand.complete(task, sticky=sticky)
    poll = asyncio.create_task(hand.poll(sticky, sticky=True))
    await asyncio.sleep(0.3)
    await hand.signal("s")
    task = await poll
    assert names(task.history.events) == ["WorkflowTaskCompleted", "WorkflowExecutionSignaled"] + TASK[:2]
    assert task.history.events[0].event_id == 4
    await hand.complete(task, complete_workflow())


async def test_sticky_task_that_nobody_takes_goes_back_to_the_normal_queue(hand):
    await hand.start()
    sticky = unique("sticky")
    task = await hand.poll()
    poll = asyncio.create_task(hand.poll(sticky, sticky=True, timeout=3))
    await hand.complete(task, sticky=sticky, sticky_s=1)
    assert await nothing(poll)
    await hand.signal("s")
    task = await hand.poll()
    assert names(task.history.events)[0] == "WorkflowExecutionStarted", "the whole history"
    await hand.complete(task, complete_workflow())


async def test_reset_sticky_sends_the_next_task_to_the_normal_queue(hand):
    await hand.start()
    sticky = unique("sticky")
    await hand.complete(await hand.poll(), sticky=sticky, sticky_s=60)
    await hand.api.call(
        "ResetStickyTaskQueue",
        w.ResetStickyTaskQueueRequest(namespace="default", execution=execution(hand.id)),
    )
    await hand.signal("s")
    task = await hand.poll(timeout=5)
    assert names(task.history.events)[0] == "WorkflowExecutionStarted"
    await hand.complete(task, complete_workflow())


# --- activities ---


async def test_activity_result_reaches_the_workflow(hand):
    await hand.start()
    await hand.step(activity("a", hand.queue))
    task = await hand.poll_activity()
    assert (task.activity_id, task.attempt, data(task.input)) == ("a", 1, [b"in"])
    await hand.complete_activity(task, "out")
    assert await refused(hand.complete_activity(task, "again")) == grpc.StatusCode.NOT_FOUND
    await hand.step(complete_workflow())
    assert await hand.event_names() == (
        FIRST_TASK
        + ["ActivityTaskScheduled", "ActivityTaskStarted", "ActivityTaskCompleted"]
        + TASK
        + ["WorkflowExecutionCompleted"]
    )


async def test_activity_retries_stay_out_of_history(hand):
    await hand.start()
    await hand.step(activity("a", hand.queue, attempts=3))
    for attempt in (1, 2):
        task = await hand.poll_activity()
        assert task.attempt == attempt
        await hand.fail_activity(task, f"failure {attempt}")
    task = await hand.poll_activity()
    assert task.attempt == 3
    pending = (await hand.describe()).pending_activities
    assert [(p.attempt, p.state, p.last_failure.message) for p in pending] == [
        (3, PendingActivityState.PENDING_ACTIVITY_STATE_STARTED, "failure 2")
    ]
    assert "ActivityTaskStarted" not in await hand.event_names()
    await hand.complete_activity(task)
    started = next(e for e in await hand.events() if name_of(e) == "ActivityTaskStarted")
    assert started.activity_task_started_event_attributes.attempt == 3


@pytest.mark.parametrize(
    "options, fail, state",
    [
        ({"attempts": 2}, {}, RetryState.RETRY_STATE_MAXIMUM_ATTEMPTS_REACHED),
        ({"attempts": 0}, {"non_retryable": True}, RetryState.RETRY_STATE_NON_RETRYABLE_FAILURE),
        ({"attempts": 0, "non_retryable": ["Bad"]}, {"type": "Bad"}, RetryState.RETRY_STATE_NON_RETRYABLE_FAILURE),
        (
            {"attempts": 0, "backoff_s": 30, "schedule_to_close": 5},
            {},
            RetryState.RETRY_STATE_TIMEOUT,
        ),
    ],
    ids=["attempts", "non-retryable", "non-retryable-type", "no-time-left"],
)
async def test_activity_fails_for_good(hand, options, fail, state):
    await hand.start()
    await hand.step(activity("a", hand.queue, **options))
    for _ in range(options["attempts"] or 1):
        await hand.fail_activity(await hand.poll_activity(), **fail)
    await hand.step(complete_workflow())
    failed = next(e for e in await hand.events() if name_of(e) == "ActivityTaskFailed")
    assert failed.activity_task_failed_event_attributes.retry_state == state


@pytest.mark.parametrize(
    "timeouts, polls, kind",
    [
        ({"schedule_to_start": 1, "start_to_close": 9}, False, TimeoutType.TIMEOUT_TYPE_SCHEDULE_TO_START),
        ({"schedule_to_close": 1}, False, TimeoutType.TIMEOUT_TYPE_SCHEDULE_TO_START),
        ({"schedule_to_close": 1, "start_to_close": 9}, True, TimeoutType.TIMEOUT_TYPE_SCHEDULE_TO_CLOSE),
        ({"start_to_close": 1}, True, TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE),
        ({"start_to_close": 9, "heartbeat": 1}, True, TimeoutType.TIMEOUT_TYPE_HEARTBEAT),
    ],
    ids=["schedule-to-start", "never-started", "schedule-to-close", "start-to-close", "heartbeat"],
)
async def test_activity_timeouts(hand, timeouts, polls, kind):
    await hand.start()
    await hand.step(activity("a", hand.queue, **timeouts))
    task = await hand.poll_activity() if polls else None
    await hand.step(complete_workflow())
    if task:
        assert await refused(hand.complete_activity(task)) == grpc.StatusCode.NOT_FOUND
    timed_out = next(e for e in await hand.events() if name_of(e) == "ActivityTaskTimedOut")
    attributes = timed_out.activity_task_timed_out_event_attributes
    assert attributes.failure.timeout_failure_info.timeout_type == kind


async def test_heartbeat_details_reach_the_next_attempt(hand):
    await hand.start()
    await hand.step(activity("a", hand.queue, attempts=2, start_to_close=20, heartbeat=1))
    task = await hand.poll_activity()
    for step in range(4):
        await hand.heartbeat(task, f"step {step}")
        await asyncio.sleep(0.4)
    pending = (await hand.describe()).pending_activities[0]
    assert data(pending.heartbeat_details) == [b"step 3"]
    again = await hand.poll_activity()
    assert again.attempt == 2
    assert data(again.heartbeat_details) == [b"step 3"]
    assert await refused(hand.heartbeat(task)) == grpc.StatusCode.NOT_FOUND
    await hand.complete_activity(again)
    await hand.step(complete_workflow())


async def test_cancelled_activity_learns_it_from_its_heartbeat(hand):
    await hand.start()
    await hand.step(activity("a", hand.queue, start_to_close=20, heartbeat=10))
    task = await hand.poll_activity()
    assert not (await hand.heartbeat(task)).cancel_requested
    await hand.signal("stop")
    await hand.step(cancel_activity(5))
    assert (await hand.heartbeat(task)).cancel_requested
    await hand.api.call(
        "RespondActivityTaskCanceled",
        w.RespondActivityTaskCanceledRequest(
            namespace="default", task_token=task.task_token, details=payloads("stopped"), identity="hand"
        ),
    )
    await hand.step(complete_workflow())
    happened = await hand.event_names()
    tail = ["ActivityTaskCancelRequested", "ActivityTaskStarted", "ActivityTaskCanceled"]
    assert happened == FIRST_TASK + ["ActivityTaskScheduled", "WorkflowExecutionSignaled"] + TASK + tail + TASK + [
        "WorkflowExecutionCompleted"
    ]


async def test_activity_can_be_answered_by_its_id(hand):
    await hand.start()
    await hand.step(activity("a", hand.queue, start_to_close=20, heartbeat=10), activity("b", hand.queue))
    await hand.poll_activity()
    await hand.poll_activity()
    beat = w.RecordActivityTaskHeartbeatByIdRequest(
        namespace="default", workflow_id=hand.id, activity_id="a", details=payloads("x"), identity="hand"
    )
    await hand.api.call("RecordActivityTaskHeartbeatById", beat)
    done = w.RespondActivityTaskCompletedByIdRequest(
        namespace="default", workflow_id=hand.id, run_id=hand.run, activity_id="a", result=payloads("y"), identity="hand"
    )
    await hand.api.call("RespondActivityTaskCompletedById", done)
    assert await refused(hand.api.call("RespondActivityTaskCompletedById", done)) == grpc.StatusCode.NOT_FOUND
    await hand.api.call(
        "RespondActivityTaskFailedById",
        w.RespondActivityTaskFailedByIdRequest(
            namespace="default", workflow_id=hand.id, activity_id="b", failure=failure("no"), identity="hand"
        ),
    )
    await hand.step(complete_workflow())
    happened = await hand.event_names()
    assert happened.count("ActivityTaskCompleted") == 1
    assert happened.count("ActivityTaskFailed") == 1


async def test_activities_finish_in_any_order(hand):
    await hand.start()
    await hand.step(*[activity(f"a{i}", hand.queue) for i in range(12)])
    tasks = [await hand.poll_activity() for _ in range(12)]
    assert {t.activity_id for t in tasks} == {f"a{i}" for i in range(12)}
    task = await asyncio.gather(hand.poll(), *[hand.complete_activity(t) for t in reversed(tasks)])
    await hand.complete(task[0])
    if (await hand.describe()).HasField("pending_workflow_task"):
        await hand.step()
    assert (await hand.event_names()).count("ActivityTaskCompleted") == 12
    await hand.terminate()


# --- timers, cancel, terminate, markers ---


async def test_timer_fires_not_before_its_time(hand):
    await hand.start()
    await hand.step(start_timer("t", 1))
    began = time.monotonic()
    await hand.step(complete_workflow())
    assert 0.9 < time.monotonic() - began < 3
    events = {name_of(e): e for e in await hand.events()}
    passed = events["TimerFired"].event_time.ToNanoseconds() - events["TimerStarted"].event_time.ToNanoseconds()
    assert passed >= 1_000_000_000


async def test_cancelled_timer_never_fires(hand):
    await hand.start()
    await hand.step(start_timer("t", 5), start_timer("u", 6))
    await hand.signal("s")
    await hand.step(cancel_timer("t"))
    await hand.step(complete_workflow())
    happened = await hand.event_names()
    assert (happened.count("TimerCanceled"), happened.count("TimerFired")) == (1, 1)


async def test_cancel_request_reaches_the_workflow_once(hand):
    await hand.start()
    await hand.step(start_timer("t", 60))
    await hand.request_cancel(request_id="c")
    await hand.request_cancel(request_id="c")
    await hand.step(cancel_workflow())
    happened = await hand.event_names()
    assert happened.count("WorkflowExecutionCancelRequested") == 1
    assert happened[-1] == "WorkflowExecutionCanceled"
    info = (await hand.describe()).workflow_execution_info
    assert info.status == WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_CANCELED


async def test_terminate_closes_at_once_and_only_once(hand):
    await hand.start()
    task = await hand.poll()
    await hand.terminate("because")
    last = (await hand.events())[-1]
    assert last.workflow_execution_terminated_event_attributes.reason == "because"
    assert await refused(hand.complete(task, complete_workflow())) == grpc.StatusCode.NOT_FOUND
    assert await refused(hand.terminate()) == grpc.StatusCode.NOT_FOUND
    assert await refused(hand.signal("s")) == grpc.StatusCode.NOT_FOUND


async def test_marker_is_recorded(hand):
    await hand.start()
    await hand.step(marker("m"), complete_workflow())
    assert "MarkerRecorded" in await hand.event_names()


async def test_workflow_retry_policy_starts_a_new_run(hand):
    first = await hand.start(retry_policy=RetryPolicy(maximum_attempts=2, initial_interval=seconds(1)))
    await hand.step(fail_workflow("no"))
    last = (await hand.events(first.run_id))[-1].workflow_execution_failed_event_attributes
    assert last.new_execution_run_id
    task = await hand.step(complete_workflow())
    assert task.workflow_execution.run_id == last.new_execution_run_id


# --- queries ---


async def test_query_of_an_idle_workflow_and_after_its_end(hand):
    await hand.start()
    await hand.step(start_timer("t", 60))

    async def ask(answer: str):
        asked = asyncio.create_task(hand.query("q"))
        task = await hand.poll()
        assert task.query.query_type == "q"
        assert names(task.history.events)[0] == "WorkflowExecutionStarted"
        await hand.answer_query(task, answer)
        assert data((await asked).query_result) == [answer.encode()]

    await ask("idle")
    await hand.signal("s")
    await hand.step(complete_workflow())
    await ask("closed")


async def test_query_rides_on_a_workflow_task(hand):
    await hand.start()
    await hand.step()
    await hand.signal("s")
    asked = asyncio.create_task(hand.query("q"))
    await asyncio.sleep(0.5)
    task = await hand.poll()
    assert [q.query_type for q in task.queries.values()] == ["q"]
    await hand.complete(task, query_results={id: query_result("rode") for id in task.queries})
    assert data((await asked).query_result) == [b"rode"]


async def test_failed_query_says_why(hand):
    await hand.start()
    await hand.step()
    asked = asyncio.create_task(hand.query("q"))
    task = await hand.poll()
    await hand.api.call(
        "RespondQueryTaskCompleted",
        w.RespondQueryTaskCompletedRequest(
            namespace="default", task_token=task.task_token, completed_type=2, error_message="unknown query"
        ),
    )
    with pytest.raises(grpc.RpcError) as caught:
        await asked
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "unknown query" in caught.value.details()


# --- reading history ---


async def test_history_comes_in_pages_through_every_node(hand, apis):
    await hand.start()
    for i in range(25):
        await hand.signal("s", str(i))
    await hand.step(complete_workflow())
    whole = await history(apis[0], hand.id)
    assert len(whole) == 30
    for api in apis:
        for page in (1, 7, 1000):
            assert await history(api, hand.id, page=page) == whole
    tokens_travel, token = [], b""
    for i in range(100):
        reply = await apis[i % 3].call(
            "GetWorkflowExecutionHistory",
            w.GetWorkflowExecutionHistoryRequest(
                namespace="default", execution=execution(hand.id), maximum_page_size=4, next_page_token=token
            ),
        )
        tokens_travel += reply.history.events
        if not (token := reply.next_page_token):
            break
    assert tokens_travel == whole


async def test_history_backwards(hand, apis):
    await hand.start()
    for i in range(10):
        await hand.signal("s", str(i))
    await hand.step(complete_workflow())
    found, token = [], b""
    while True:
        reply = await hand.api.call(
            "GetWorkflowExecutionHistoryReverse",
            w.GetWorkflowExecutionHistoryReverseRequest(
                namespace="default", execution=execution(hand.id), maximum_page_size=4, next_page_token=token
            ),
        )
        found += reply.history.events
        if not (token := reply.next_page_token):
            break
    assert found[::-1] == await hand.events()


async def test_long_poll_returns_when_something_happens(hand, apis):
    await hand.start()
    await hand.step()
    for api in apis:
        known = len(await hand.events())
        token = b""
        seen = []
        while len(seen) < known:
            reply = await api.call("GetWorkflowExecutionHistory", waiting(hand, token))
            seen += reply.history.events
            token = reply.next_page_token
        waits = asyncio.create_task(api.call("GetWorkflowExecutionHistory", waiting(hand, token), 30))
        await asyncio.sleep(0.3)
        assert not waits.done()
        await hand.signal("s")
        reply = await waits
        assert names(reply.history.events)[0] == "WorkflowExecutionSignaled"
        await hand.step()


def waiting(hand, token: bytes = b"", closing: bool = False):
    return w.GetWorkflowExecutionHistoryRequest(
        namespace="default",
        execution=execution(hand.id, hand.run),
        wait_new_event=True,
        history_event_filter_type=2 if closing else 1,
        next_page_token=token,
    )


async def test_close_event_is_waited_for_through_every_node(hand, apis):
    await hand.start()

    async def last_event(api):
        token = b""
        while True:
            reply = await api.call("GetWorkflowExecutionHistory", waiting(hand, token, closing=True), 30)
            if reply.history.events:
                return reply.history.events
            token = reply.next_page_token
            assert token

    waits = [asyncio.create_task(last_event(api)) for api in apis]
    await asyncio.sleep(0.3)
    await hand.step(complete_workflow("end"))
    for found in await asyncio.gather(*waits):
        assert names(found) == ["WorkflowExecutionCompleted"]


# --- describing ---


async def test_describe_shows_what_is_pending(hand, apis):
    await hand.start()
    await hand.step(activity("a", hand.queue), start_timer("t", 60))
    await hand.signal("s")
    for api in apis:
        found = await hand.describe()
        assert [a.activity_id for a in found.pending_activities] == ["a"]
        assert found.HasField("pending_workflow_task")
        info = found.workflow_execution_info
        assert info.status == WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_RUNNING
        assert info.history_length == len(await hand.events())
        assert info.type.name == "T"
        assert info.task_queue == hand.queue
    await hand.terminate()


async def test_task_queue_shows_its_pollers(hand, apis):
    poll = asyncio.create_task(hand.poll(timeout=10))
    for api in apis:

        async def pollers():
            request = w.DescribeTaskQueueRequest(
                namespace="default", task_queue={"name": hand.queue}, task_queue_type=1
            )
            return [p.identity for p in (await api.call("DescribeTaskQueue", request)).pollers]

        assert await eventually(pollers) == ["hand"]
    poll.cancel()


async def test_backlog_is_handed_out_when_a_worker_comes(hand):
    others = [type(hand)([hand.api]) for _ in range(20)]
    for other in others:
        other.queue = hand.queue
        await other.start()
    request = w.DescribeTaskQueueRequest(
        namespace="default", task_queue={"name": hand.queue}, task_queue_type=1, report_stats=True
    )

    async def all_counted():
        return (await hand.api.call("DescribeTaskQueue", request)).stats.approximate_backlog_count == len(others)

    assert await eventually(all_counted), "F44"
    seen = {(await hand.poll()).workflow_execution.workflow_id for _ in others}
    assert seen == {other.id for other in others}


async def test_abandoned_poll_swallows_no_task(hand):
    """A worker that went away while it polled must not be given a task that nobody then answers."""
    polls = [asyncio.create_task(hand.poll(timeout=30)) for _ in range(3)]
    await asyncio.sleep(0.5)
    for poll in polls:
        poll.cancel()
    assert await nothing(hand.poll(timeout=3))
    await hand.start()
    task = await hand.poll(timeout=5)
    assert task.attempt == 1
    await hand.complete(task, complete_workflow())


# --- workers that go ---


@pytest.mark.tenure  # The reference server has to be told to end polls.
async def test_f81_task_that_meets_a_worker_that_goes_is_taken_by_another(hand, apis):
    """The start and the shutdown race for the polls; the task must not wait for its time-out of ten seconds."""
    for turn in range(10):
        here, key = hand.beside(unique("wf"), unique("q")), unique("worker")

        def poll(api, key=key, queue=here.queue):
            request = w.PollWorkflowTaskQueueRequest(
                namespace="default", task_queue={"name": queue}, identity="goes", worker_instance_key=key)
            return asyncio.create_task(api.call("PollWorkflowTaskQueue", request, 20))

        polls = [poll(api) for api in apis]

        async def seen(queue=here.queue):
            asked = w.DescribeTaskQueueRequest(namespace="default", task_queue={"name": queue}, task_queue_type=1)
            return (await apis[0].call("DescribeTaskQueue", asked)).pollers

        await eventually(seen)
        goes = w.ShutdownWorkerRequest(namespace="default", identity="goes", worker_instance_key=key, task_queue=here.queue)
        await asyncio.gather(here.start(), apis[turn % len(apis)].call("ShutdownWorker", goes))
        began = time.monotonic()
        done, _ = await asyncio.wait(polls, timeout=3)
        assert len(done) == len(polls), "all polls of the worker end"
        if not any(task.task_token for task in await asyncio.gather(*polls)):
            assert (await here.poll(timeout=8)).task_token
        assert time.monotonic() - began < 8
