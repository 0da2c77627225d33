"""Runs that follow each other, and starts of every kind, seen through raw calls and through the SDK.

Each test passes against the reference server too (`--target=oracle`); that is where its expectations come from.
"""

import asyncio
import datetime

import grpc
import pytest
from temporalio import workflow
from temporalio.api.command.v1 import Command, ContinueAsNewWorkflowExecutionCommandAttributes
from temporalio.api.command.v1 import FailWorkflowExecutionCommandAttributes
from temporalio.api.common.v1 import Header, Memo, RetryPolicy, WorkflowType
from temporalio.api.enums.v1 import (
    CommandType,
    ContinueAsNewInitiator,
    PendingWorkflowTaskState,
    RetryState,
    WorkflowExecutionStatus,
    WorkflowIdConflictPolicy,
    WorkflowIdReusePolicy,
)
from temporalio.api.failure.v1 import ApplicationFailureInfo, Failure
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import request_response_pb2 as w
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from harness.hand import Hand, activity, cancel_activity, cancel_workflow, complete_workflow, failure
from harness.rpc import data, describe, history, names, payload, payloads, seconds, signal, start_request, unique

INITIATOR = ContinueAsNewInitiator
STATUS = WorkflowExecutionStatus


def continue_as_new(queue: str = "", type: str = "", **fields) -> Command:
    return Command(
        command_type=CommandType.COMMAND_TYPE_CONTINUE_AS_NEW_WORKFLOW_EXECUTION,
        continue_as_new_workflow_execution_command_attributes=ContinueAsNewWorkflowExecutionCommandAttributes(
            workflow_type=WorkflowType(name=type) if type else None,
            task_queue=TaskQueue(name=queue) if queue else None,
            **fields,
        ),
    )


def fail_with(message: str, non_retryable: bool = False, delay_s: float | None = None) -> Command:
    info = ApplicationFailureInfo(type="Error", non_retryable=non_retryable)
    if delay_s is not None:
        info.next_retry_delay.CopyFrom(seconds(delay_s))
    return Command(
        command_type=CommandType.COMMAND_TYPE_FAIL_WORKFLOW_EXECUTION,
        fail_workflow_execution_command_attributes=FailWorkflowExecutionCommandAttributes(
            failure=Failure(message=message, application_failure_info=info)
        ),
    )


def retrying(attempts: int = 0, initial_s: float = 0.2) -> RetryPolicy:
    return RetryPolicy(initial_interval=seconds(initial_s), maximum_attempts=attempts)


async def refused(call) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as caught:
        await call
    return caught.value.code(), caught.value.details()


class Run:
    """One run of a chain, told by its first and last events."""

    def __init__(self, run_id: str, events: list):
        self.id = run_id
        self.events = events
        self.started = events[0].workflow_execution_started_event_attributes
        last = events[-1]
        self.ended = getattr(last, last.WhichOneof("attributes"))

    @property
    def backoff(self) -> float:
        return self.started.first_workflow_task_backoff.ToTimedelta().total_seconds()


async def runs(hand: Hand) -> list[Run]:
    """The runs of the workflow's chain, oldest first; checks how they name each other."""
    found: list[Run] = []
    run_id = (await hand.describe()).workflow_execution_info.execution.run_id
    while run_id:
        found.insert(0, Run(run_id, await hand.events(run_id)))
        run_id = found[0].started.continued_execution_run_id
    for number, run in enumerate(found):
        assert run.started.first_execution_run_id == found[0].id
        assert run.started.original_execution_run_id == run.id
        if number + 1 < len(found):
            assert run.ended.new_execution_run_id == found[number + 1].id
        shown = (await describe(hand.api, hand.id, run.id)).workflow_execution_info
        assert shown.first_run_id == found[0].id
    return found


# --- continue as new ---


async def test_a_run_continues_as_new_with_what_its_command_says(hand):
    await hand.start(
        input=payloads("one"), memo=Memo(fields={"m": payload("1")}), retry_policy=retrying(3),
        header=Header(fields={"h": payload("x")}), workflow_execution_timeout=seconds(100),
        workflow_run_timeout=seconds(50), workflow_task_timeout=seconds(7),
    )
    await hand.step(continue_as_new())
    await hand.step(
        continue_as_new(
            queue=hand.queue, type="T2", input=payloads("two"), workflow_run_timeout=seconds(400),
            workflow_task_timeout=seconds(3), memo=Memo(fields={"m2": payload("2")}), failure=failure("so far"),
            last_completion_result=payloads("result"), retry_policy=retrying(5), backoff_start_interval=seconds(5),
        )
    )
    first, second, third = await runs(hand)
    assert names(first.events)[-1] == "WorkflowExecutionContinuedAsNew"
    ended = first.ended
    assert (ended.workflow_type.name, ended.task_queue.name) == ("T", hand.queue)
    assert (ended.workflow_run_timeout.seconds, ended.workflow_task_timeout.seconds) == (50, 7)
    assert ended.initiator == INITIATOR.CONTINUE_AS_NEW_INITIATOR_UNSPECIFIED

    started = second.started
    assert started.initiator == INITIATOR.CONTINUE_AS_NEW_INITIATOR_WORKFLOW
    assert not (started.HasField("input") or started.HasField("memo") or started.HasField("header"))
    assert not started.HasField("retry_policy") and started.attempt == 1 and started.identity == ""
    timeouts = [started.workflow_execution_timeout, started.workflow_run_timeout, started.workflow_task_timeout]
    assert [t.seconds for t in timeouts] == [100, 50, 7]
    assert started.workflow_execution_expiration_time == first.started.workflow_execution_expiration_time
    # A run that was short gives way after a second.
    assert 0 < second.backoff < 1

    started = third.started
    assert (started.workflow_type.name, data(started.input)) == ("T2", [b"two"])
    assert data(started.last_completion_result) == [b"result"] and started.continued_failure.message == "so far"
    assert (started.workflow_run_timeout.seconds, started.workflow_task_timeout.seconds) == (100, 3)
    assert started.retry_policy.maximum_attempts == 5 and list(started.memo.fields) == ["m2"]
    assert third.backoff == 5

    shown = await describe(hand.api, hand.id, first.id)
    assert shown.workflow_execution_info.status == STATUS.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW
    shown = await hand.describe()
    info, extended = shown.workflow_execution_info, shown.workflow_extended_info
    assert (info.execution.run_id, info.type.name) == (third.id, "T2")
    assert info.execution_time.ToDatetime() - info.start_time.ToDatetime() == datetime.timedelta(seconds=5)
    expires = [extended.run_expiration_time, extended.execution_expiration_time]
    assert expires == [first.started.workflow_execution_expiration_time] * 2
    # Without a run id it is the current run's history.
    assert names(await history(hand.api, hand.id)) == ["WorkflowExecutionStarted"]
    code, message = await refused(signal(hand.api, hand.id, "s", run_id=first.id))
    assert (code, message) == (grpc.StatusCode.NOT_FOUND, "workflow execution already completed")


async def test_a_run_does_not_continue_past_a_signal_that_it_has_not_seen(hand):
    await hand.start()
    task = await hand.poll()
    await hand.signal("s")
    code, message = await refused(hand.complete(task, continue_as_new()))
    assert (code, message) == (grpc.StatusCode.INVALID_ARGUMENT, "UnhandledCommand")
    assert (await hand.event_names())[3:] == ["WorkflowTaskFailed", "WorkflowExecutionSignaled", "WorkflowTaskScheduled"]
    await hand.step(continue_as_new())
    assert len(await runs(hand)) == 2


@pytest.mark.parametrize("fields, message", [
    ({"queue": "/_sys/q"}, "error validating ContinueAsNewWorkflowExecutionCommand TaskQueue: task queue name cannot "
                           "start with reserved prefix /_sys/. WorkflowType=T TaskQueue=name:\"/_sys/q\""),
    ({"workflow_run_timeout": seconds(-1)},
     "Invalid WorkflowRunTimeout on ContinueAsNewWorkflowExecutionCommand: negative duration. WorkflowType=T"),
    ({"backoff_start_interval": seconds(-1)},
     "Invalid BackoffStartInterval on ContinueAsNewWorkflowExecutionCommand: negative duration. WorkflowType=T"),
    ({"retry_policy": RetryPolicy(maximum_attempts=-1)},
     "invalid WorkflowRetryPolicy on ContinueAsNewWorkflowExecutionCommand: MaximumAttempts cannot be negative on "
     "retry policy.. WorkflowType=T"),
])
async def test_a_bad_continuation_fails_its_task(hand, fields, message):
    await hand.start()
    code, said = await refused(hand.complete(await hand.poll(), continue_as_new(**fields)))
    assert code == grpc.StatusCode.INVALID_ARGUMENT
    assert said.startswith(f"BadContinueAsNewAttributes: {message}")
    assert (await hand.event_names())[-1] == "WorkflowTaskFailed"


# --- retries ---


async def test_a_failed_run_is_tried_again(hand):
    await hand.start(input=payloads("in"), memo=Memo(fields={"m": payload("1")}), retry_policy=retrying(3))
    for message in "abc":
        await hand.step(fail_with(message))
    first, second, third = await runs(hand)
    states = [run.ended.retry_state for run in (first, second, third)]
    in_progress = RetryState.RETRY_STATE_IN_PROGRESS
    assert states == [in_progress, in_progress, RetryState.RETRY_STATE_MAXIMUM_ATTEMPTS_REACHED]
    assert [run.started.attempt for run in (first, second, third)] == [1, 2, 3]
    # A run that was short gives way after a second.
    assert 0.2 < second.backoff < 1 and 0.4 < third.backoff < 1
    assert third.started.initiator == INITIATOR.CONTINUE_AS_NEW_INITIATOR_RETRY
    assert third.started.continued_failure.message == "b"
    assert data(third.started.input) == [b"in"] and list(third.started.memo.fields) == ["m"]
    assert (await hand.describe()).workflow_execution_info.status == STATUS.WORKFLOW_EXECUTION_STATUS_FAILED


@pytest.mark.parametrize("command, start, state", [
    (fail_with("no"), {}, RetryState.RETRY_STATE_RETRY_POLICY_NOT_SET),
    (fail_with("no", non_retryable=True), {"retry_policy": retrying()}, RetryState.RETRY_STATE_NON_RETRYABLE_FAILURE),
    (fail_with("no"), {"retry_policy": RetryPolicy(non_retryable_error_types=["Error"])},
     RetryState.RETRY_STATE_NON_RETRYABLE_FAILURE),
    (fail_with("no", delay_s=9), {"retry_policy": retrying(), "workflow_execution_timeout": seconds(5)},
     RetryState.RETRY_STATE_TIMEOUT),
])
async def test_some_failures_are_final(hand, command, start, state):
    await hand.start(**start)
    await hand.step(command)
    [run] = await runs(hand)
    assert run.ended.retry_state == state and run.ended.new_execution_run_id == ""


async def test_a_failure_says_when_to_try_again_within_the_policys_maximum(hand):
    await hand.start(retry_policy=RetryPolicy(maximum_interval=seconds(50)))
    await hand.step(fail_with("later", delay_s=20))
    assert (await runs(hand))[-1].backoff == 20


async def test_a_run_that_timed_out_is_tried_again(hand):
    await hand.start(workflow_run_timeout=seconds(1), retry_policy=retrying(2))
    for _ in range(100):
        await asyncio.sleep(0.1)
        found = await runs(hand)
        if len(found) == 2 and names(found[1].events)[-1] == "WorkflowExecutionTimedOut":
            break
    first, second = found
    assert names(first.events)[-1] == "WorkflowExecutionTimedOut"
    assert first.ended.retry_state == RetryState.RETRY_STATE_IN_PROGRESS
    cause = second.started.continued_failure
    assert (cause.message, cause.source, cause.WhichOneof("failure_info")) == (
        "workflow timeout", "Server", "timeout_failure_info")
    assert second.ended.retry_state == RetryState.RETRY_STATE_MAXIMUM_ATTEMPTS_REACHED


async def test_the_time_of_a_chain_ends_it(hand):
    await hand.start(workflow_execution_timeout=seconds(1), retry_policy=retrying())
    await asyncio.sleep(1.5)
    [run] = await runs(hand)
    assert run.ended.retry_state == RetryState.RETRY_STATE_TIMEOUT


# --- cron ---


async def test_a_cron_run_comes_again_however_it_ended(hand):
    await hand.start(cron_schedule="@every 1s", input=payloads("in"))
    await hand.step(complete_workflow("r1"))
    await hand.step(fail_with("bad luck"))
    await hand.step(complete_workflow())
    found = await runs(hand)
    assert len(found) == 4
    cron = INITIATOR.CONTINUE_AS_NEW_INITIATOR_CRON_SCHEDULE
    for run in found:
        started = run.started
        assert (started.initiator, started.cron_schedule, started.attempt) == (cron, "@every 1s", 1)
        assert data(started.input) == [b"in"] and run.backoff == 1
    assert data(found[1].started.last_completion_result) == [b"r1"]
    assert found[1].ended.retry_state == RetryState.RETRY_STATE_RETRY_POLICY_NOT_SET
    assert data(found[2].started.last_completion_result) == [b"r1"]
    assert found[2].started.continued_failure.message == "bad luck"
    assert not found[3].started.HasField("last_completion_result")
    assert not found[3].started.HasField("continued_failure")
    await hand.terminate()
    assert len(await runs(hand)) == 4


async def test_a_cron_run_is_tried_again_before_its_next_turn(hand):
    await hand.start(cron_schedule="@every 1s", retry_policy=retrying(2))
    await hand.step(fail_with("a"))
    await hand.step(fail_with("b"))
    first, second, third = await runs(hand)
    assert first.ended.retry_state == RetryState.RETRY_STATE_IN_PROGRESS
    assert second.started.initiator == INITIATOR.CONTINUE_AS_NEW_INITIATOR_RETRY
    assert second.ended.retry_state == RetryState.RETRY_STATE_MAXIMUM_ATTEMPTS_REACHED
    assert third.started.initiator == INITIATOR.CONTINUE_AS_NEW_INITIATOR_CRON_SCHEDULE
    assert third.started.attempt == 1


async def test_a_cron_run_is_cancelled_before_its_turn(hand):
    await hand.start(cron_schedule="@every 60s")
    await hand.signal("s")
    assert (await hand.describe()).HasField("pending_workflow_task") is False
    await hand.request_cancel()
    await hand.step(cancel_workflow())
    [run] = await runs(hand)
    assert names(run.events)[:4] == ["WorkflowExecutionStarted", "WorkflowExecutionSignaled",
                                     "WorkflowExecutionCancelRequested", "WorkflowTaskScheduled"]


@pytest.mark.parametrize("schedule", [
    "0 12 * * *", "*/5 * * * *", "CRON_TZ=Europe/Berlin 0 12 * * *", "TZ=America/New_York 30 9 * * MON-FRI", "@hourly",
    "@daily", "@weekly", "@monthly", "@yearly", "@every 1h30m", "0 0 13 * 5", "0 0 29 2 *", "? ? ? jan ?",
])
async def test_a_cron_schedule_says_when(hand, schedule):
    """The day of the year and the zone decide, so two servers are asked at the same minute elsewhere; here the turn
    has to be ahead, and in whole seconds."""
    await hand.start(cron_schedule=schedule)
    [run] = await runs(hand)
    assert run.backoff >= 1 and run.backoff == int(run.backoff)
    due = (await hand.describe()).workflow_execution_info.execution_time
    if not schedule.startswith("@every"):
        # Rounded up to a second.
        assert due.seconds % 60 in (0, 1)
    await hand.terminate()


@pytest.mark.parametrize("schedule, message", [
    *[(bad, "invalid CronSchedule.") for bad in (
        "foo", "* * * *", "60 * * * *", "* * * * 7", "@every x", "@reboot", "*/0 * * * *", "5-1 * * * *",
        "CRON_TZ=Nowhere/Foo 0 12 * * *", "  ",
    )],
    ("0 0 31 2 *", "invalid CronSchedule, no time can be found to satisfy the schedule"),
])
async def test_a_cron_schedule_has_to_be_one(hand, schedule, message):
    code, said = await refused(hand.start(cron_schedule=schedule))
    assert (code, said) == (grpc.StatusCode.INVALID_ARGUMENT, message)


async def test_a_cron_schedule_goes_with_no_delay(hand):
    code, said = await refused(hand.start(cron_schedule="@daily", workflow_start_delay=seconds(1)))
    assert (code, said) == (
        grpc.StatusCode.INVALID_ARGUMENT, "CronSchedule and WorkflowStartDelay may not be used together.")


# --- signal with start ---


def signal_with_start(hand: Hand, request_id: str = "", **fields) -> w.SignalWithStartWorkflowExecutionRequest:
    return w.SignalWithStartWorkflowExecutionRequest(
        namespace=hand.namespace, workflow_id=hand.id, workflow_type=WorkflowType(name="T"),
        task_queue=TaskQueue(name=hand.queue), signal_name="s", signal_input=payloads("si"), identity="test",
        request_id=request_id or unique("r"), **fields,
    )


async def test_a_signal_starts_the_workflow_that_it_needs(hand):
    async def call(request):
        return await hand.api.call("SignalWithStartWorkflowExecution", request)

    header = Header(fields={"h": payload("x")})
    first = await call(signal_with_start(hand, "r1", input=payloads("in"), header=header))
    assert first.started and first.first_execution_run_id == first.run_id
    link = first.signal_link.workflow_event
    assert (link.workflow_id, link.run_id, link.request_id_ref.request_id) == (hand.id, first.run_id, "r1")
    second = await call(signal_with_start(hand, "r2"))
    for request_id in ("r1", "r2"):
        again = await call(signal_with_start(hand, request_id))
        assert (again.run_id, again.started) == (first.run_id, False)
    assert (second.run_id, second.started) == (first.run_id, False)
    events = await hand.events(first.run_id)
    assert names(events) == ["WorkflowExecutionStarted", "WorkflowExecutionSignaled", "WorkflowTaskScheduled",
                             "WorkflowExecutionSignaled"]
    signaled = events[1].workflow_execution_signaled_event_attributes
    assert (signaled.signal_name, data(signaled.input), signaled.request_id) == ("s", [b"si"], "r1")
    assert list(signaled.header.fields) == ["h"]

    replace = WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING
    third = await call(signal_with_start(hand, "r3", workflow_id_conflict_policy=replace))
    assert third.started and third.run_id != first.run_id
    assert names(await hand.events(first.run_id))[-1] == "WorkflowExecutionTerminated"
    await hand.step(complete_workflow())
    reject = WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE
    code, _ = await refused(call(signal_with_start(hand, workflow_id_reuse_policy=reject)))
    assert code == grpc.StatusCode.ALREADY_EXISTS
    assert (await call(signal_with_start(hand))).started


@pytest.mark.parametrize("start", [
    {"workflow_start_delay": seconds(60)}, {"cron_schedule": "@every 60s"},
])
async def test_a_signal_with_start_ends_a_delay(hand, start):
    await hand.start(**start)
    await hand.signal("plain")
    assert len(await hand.events()) == 2
    await hand.api.call("SignalWithStartWorkflowExecution", signal_with_start(hand))
    assert (await hand.event_names())[2:] == ["WorkflowExecutionSignaled", "WorkflowTaskScheduled"]


@pytest.mark.parametrize("change, message", [
    (lambda r: r.ClearField("workflow_id"), "WorkflowId is not set on request."),
    (lambda r: r.ClearField("signal_name"), "signal not set"),
    (lambda r: r.ClearField("workflow_type"), "workflow type not set"),
    (lambda r: r.ClearField("task_queue"), "taskQueue is not set"),
    (lambda r: setattr(r, "signal_name", "x" * 1001), "signal name exceeds maximum allowed length (1001/1000)"),
    (lambda r: setattr(r, "request_id", "x" * 1001), "Request ID exceeds maximum allowed length (1001/1000)"),
    (lambda r: setattr(r.workflow_type, "name", "x" * 1001),
     "workflow type name exceeds maximum allowed length (1001/1000)"),
    (lambda r: setattr(r, "cron_schedule", "foo"), "invalid CronSchedule."),
    (lambda r: setattr(r, "workflow_id_conflict_policy", 1),
     "Invalid WorkflowIDConflictPolicy: WORKFLOW_ID_CONFLICT_POLICY_FAIL is not supported for this operation."),
])
async def test_a_bad_signal_with_start_is_refused(hand, change, message):
    request = signal_with_start(hand)
    change(request)
    code, said = await refused(hand.api.call("SignalWithStartWorkflowExecution", request))
    assert (code, said) == (grpc.StatusCode.INVALID_ARGUMENT, message)


async def test_a_start_is_answered_with_the_chain_that_is_there(hand):
    await hand.start()
    await hand.step(continue_as_new())
    first, second = await runs(hand)
    use = WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING
    reply = await hand.api.call(
        "StartWorkflowExecution", start_request(hand.id, hand.queue, workflow_id_conflict_policy=use))
    assert (reply.run_id, reply.first_execution_run_id, reply.started) == (second.id, first.id, False)


# --- eager execution ---


def eager_activity(id: str, queue: str, eager: bool = True) -> Command:
    command = activity(id, queue)
    command.schedule_activity_task_command_attributes.request_eager_execution = eager
    return command


async def test_a_start_takes_the_first_task_along(hand):
    reply = await hand.start(request_eager_execution=True)
    task = reply.eager_workflow_task
    assert (task.started_event_id, task.attempt, task.workflow_execution.run_id) == (3, 1, reply.run_id)
    assert names(task.history.events) == ["WorkflowExecutionStarted", "WorkflowTaskScheduled", "WorkflowTaskStarted"]
    assert task.history.events[0].workflow_execution_started_event_attributes.eager_execution_accepted
    assert task.history.events[2].workflow_task_started_event_attributes.identity == "test"
    assert (await hand.describe()).pending_workflow_task.state == PendingWorkflowTaskState.Value(
        "PENDING_WORKFLOW_TASK_STATE_STARTED")
    await hand.complete(task, complete_workflow("r"))
    assert (await hand.event_names())[-1] == "WorkflowExecutionCompleted"


@pytest.mark.parametrize("start", [{"workflow_start_delay": seconds(60)}, {"cron_schedule": "@every 60s"}])
async def test_a_start_that_waits_takes_nothing_along(hand, start):
    reply = await hand.start(request_eager_execution=True, **start)
    assert not reply.HasField("eager_workflow_task")
    [run] = await runs(hand)
    assert not run.started.eager_execution_accepted


async def test_a_start_that_finds_a_run_takes_nothing_along(hand):
    await hand.start()
    use = WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING
    reply = await hand.start(request_eager_execution=True, workflow_id_conflict_policy=use)
    assert not reply.HasField("eager_workflow_task")
    replace = WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING
    reply = await hand.start(request_eager_execution=True, workflow_id_conflict_policy=replace)
    assert reply.HasField("eager_workflow_task")


async def test_a_retry_of_an_eager_start_is_not_eager(hand):
    reply = await hand.start(request_eager_execution=True, retry_policy=retrying(2))
    await hand.complete(reply.eager_workflow_task, fail_with("a"))
    assert [run.started.eager_execution_accepted for run in await runs(hand)] == [True, False]
    await hand.step(complete_workflow())


async def test_a_completion_takes_activities_along(hand):
    await hand.start()
    task = await hand.poll()
    queue = hand.queue
    commands = [eager_activity("a", queue), eager_activity("b", unique("q")), eager_activity("c", queue, eager=False)]
    reply = await hand.complete(task, *commands)
    assert [task.activity_id for task in reply.activity_tasks] == ["a", "b"]
    first = reply.activity_tasks[0]
    assert (first.workflow_namespace, first.activity_type.name, data(first.input)) == ("default", "A", [b"in"])
    assert (first.attempt, first.workflow_execution.run_id) == (1, hand.run)
    await hand.complete_activity(first, "done")
    assert (await hand.event_names())[4:] == ["ActivityTaskScheduled"] * 3 + [
        "ActivityTaskStarted", "ActivityTaskCompleted", "WorkflowTaskScheduled"]
    assert (await hand.poll_activity()).activity_id == "c"


async def test_an_activity_that_is_cancelled_at_once_is_not_taken_along(hand):
    await hand.start()
    reply = await hand.complete(await hand.poll(), eager_activity("a", hand.queue), cancel_activity(5))
    assert not reply.activity_tasks
    closing = Hand([hand.api])
    await closing.start()
    reply = await closing.complete(await closing.poll(), eager_activity("a", hand.queue), complete_workflow())
    assert not reply.activity_tasks


async def test_a_start_that_is_repeated_takes_the_same_task_along(hand):
    first = await hand.start(request_eager_execution=True, request_id="r")
    for _ in range(3):
        again = await hand.start(request_eager_execution=True, request_id="r")
        assert again.eager_workflow_task.started_event_id == 3
    assert not (await hand.start(request_id="r")).HasField("eager_workflow_task")
    await hand.complete(first.eager_workflow_task, complete_workflow())
    assert not (await hand.start(request_eager_execution=True, request_id="r")).HasField("eager_workflow_task")


@pytest.mark.tenure
async def test_what_a_caller_does_not_wait_for_comes_to_a_poll(hand):
    """The caller goes before the answer comes: the first task is another's at once, not after its timeout."""
    for hand in (hand.beside() for _ in range(50)):
        request = start_request(hand.id, hand.queue, request_eager_execution=True)
        try:
            await hand.api.call("StartWorkflowExecution", request, timeout=0.0005)
        except grpc.RpcError:
            break
    else:
        pytest.fail("the answer was always quicker than the caller")
    again = await hand.api.call("StartWorkflowExecution", request)
    task = again.eager_workflow_task if again.HasField("eager_workflow_task") else await hand.poll(timeout=5)
    assert task.workflow_execution.run_id == again.run_id
    await hand.complete(task, complete_workflow())


# --- the SDK ---


@workflow.defn
class Countdown:
    @workflow.run
    async def run(self, left: int) -> str:
        if left > 0:
            workflow.continue_as_new(left - 1)
        return f"done in {workflow.info().run_id != workflow.info().first_execution_run_id}"


@workflow.defn
class ThirdTime:
    @workflow.run
    async def run(self) -> int:
        if workflow.info().attempt < 3:
            raise RuntimeError("not yet")
        return workflow.info().attempt


async def test_the_sdk_follows_a_chain_to_its_result(clients):
    from temporalio.common import RetryPolicy as Policy

    queue = unique("q")
    async with Worker(clients[0], task_queue=queue, workflows=[Countdown, ThirdTime],
                      workflow_runner=UnsandboxedWorkflowRunner(),
                      workflow_failure_exception_types=[RuntimeError]):
        client = clients[-1]
        assert await client.execute_workflow(Countdown.run, 2, id=unique("wf"), task_queue=queue) == "done in True"
        policy = Policy(initial_interval=datetime.timedelta(milliseconds=100))
        assert await client.execute_workflow(ThirdTime.run, id=unique("wf"), task_queue=queue, retry_policy=policy) == 3
        assert await client.execute_workflow(
            Countdown.run, 1, id=unique("wf"), task_queue=queue, request_eager_start=True) == "done in True"
        handle = await client.start_workflow(
            Countdown.run, 0, id=unique("wf"), task_queue=queue, start_signal="s", start_signal_args=[1])
        assert await handle.result() == "done in False"
