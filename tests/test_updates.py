"""Workflow updates: what their callers, and the workers that answer them, may rely on.

Each test passes against the reference server too (`--target=oracle`); that is where its expectations come from.
"""

import asyncio
from contextlib import suppress
from datetime import timedelta

import grpc
import pytest
from temporalio import workflow
from temporalio.api.errordetails.v1 import MultiOperationExecutionFailure
from temporalio.api.update.v1 import Request
from temporalio.api.workflowservice.v1 import request_response_pb2 as w
from temporalio.client import WithStartWorkflowOperation, WorkflowUpdateFailedError, WorkflowUpdateStage
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import ApplicationError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from harness.cluster import Cluster
from harness.hand import Hand, complete_workflow, query_result, start_timer
from harness.rpc import Api, data, names, seconds, unique
from harness.updates import (
    ACCEPTED,
    ADMITTED,
    COMPLETED,
    accept,
    admitted,
    message,
    named,
    poll_update,
    reject,
    respond,
    update,
    update_request,
    update_with_start,
)

FIRST_TASK = ["WorkflowExecutionStarted", "WorkflowTaskScheduled", "WorkflowTaskStarted", "WorkflowTaskCompleted"]
TASK = FIRST_TASK[1:]
UPDATE = ["WorkflowExecutionUpdateAccepted", "WorkflowExecutionUpdateCompleted"]
CLOSED = "Workflow Update failed because the Workflow completed before the Update completed."
ABORTED = (grpc.StatusCode.NOT_FOUND, "workflow update was aborted by closing workflow")
TASK_FAILED = (
    grpc.StatusCode.FAILED_PRECONDITION,
    "Unable to perform workflow execution update due to unexpected workflow task failure.",
)


async def refused(call) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as caught:
        await call
    return caught.value.code(), caught.value.details()


@pytest.fixture
async def idle(hand) -> Hand:
    """A run whose first task is completed."""
    await hand.start()
    await hand.step()
    return hand


# --- the protocol ---


async def test_an_update_is_accepted_and_answered(idle):
    (call,) = await admitted(idle, "u")
    assert await idle.event_names() == FIRST_TASK, "an update's task is not in history until it brings something"
    task = await idle.poll()
    assert names(task.history.events) == FIRST_TASK + TASK[:2]
    assert (task.previous_started_event_id, task.started_event_id, task.attempt) == (3, 6, 1)
    (request,) = task.messages
    assert (request.id, request.protocol_instance_id, request.event_id) == ("u/request", "u", 5)
    body = Request()
    assert request.body.Unpack(body)
    assert (body.meta.update_id, body.meta.identity, body.input.name, data(body.input.args)) == ("u", "client", "up", [b"in"])
    messages = [accept("u"), respond("u")]
    done = await idle.complete(task, *map(named, messages), messages=messages)
    assert done.reset_history_event_id == 0
    reply = await call
    assert reply.stage == COMPLETED
    assert data(reply.outcome.success) == [b"done"]
    assert reply.update_ref.update_id == "u"
    assert reply.update_ref.workflow_execution.run_id == idle.run
    assert reply.link.workflow_event.run_id == idle.run
    events = await idle.events()
    assert names(events) == FIRST_TASK + TASK + UPDATE
    accepted = events[7].workflow_execution_update_accepted_event_attributes
    assert (accepted.protocol_instance_id, accepted.accepted_request_message_id) == ("u", "u/request")
    assert accepted.accepted_request_sequencing_event_id == 5
    assert accepted.accepted_request == body
    completed = events[8].workflow_execution_update_completed_event_attributes
    assert (completed.meta.update_id, completed.accepted_event_id) == ("u", 8)
    assert data(completed.outcome.success) == [b"done"]


async def test_a_rejected_update_leaves_no_trace(idle):
    for _ in range(2):
        (call,) = await admitted(idle, "u")
        task = await idle.poll()
        done = await idle.complete(task, messages=[reject("u")])
        assert done.reset_history_event_id == 3
        reply = await call
        assert (reply.stage, reply.outcome.failure.message) == (COMPLETED, "no")
        assert reply.link.workflow.reason == "Update rejected"
    assert await idle.event_names() == FIRST_TASK
    assert (await refused(poll_update(idle, "u"))) == (grpc.StatusCode.NOT_FOUND, 'update "u" not found')


async def test_a_worker_that_knows_no_updates_rejects_them(idle):
    (call,) = await admitted(idle, "u")
    done = await idle.complete(await idle.poll())
    assert done.reset_history_event_id == 3
    failure = (await call).outcome.failure
    assert (failure.source, failure.application_failure_info.type) == ("Server", "UnprocessedUpdate")
    assert failure.application_failure_info.non_retryable


async def test_the_same_id_is_the_same_update(idle):
    first, second = await admitted(idle, "u", "u")
    task = await idle.poll()
    assert len(task.messages) == 1
    await idle.complete(task, messages=[accept("u")])
    assert (await update(idle, "u", wait=ACCEPTED)).stage == ACCEPTED
    await idle.signal("s")
    await idle.step(messages=[respond("u")])
    for reply in (await first, await second, await update(idle, "u"), await poll_update(idle, "u")):
        assert (reply.stage, data(reply.outcome.success)) == (COMPLETED, [b"done"])
    await idle.terminate()
    for run in ("", idle.run):
        assert data((await update(idle, "u", run=run)).outcome.success) == [b"done"]
        assert data((await poll_update(idle, "u", run=run)).outcome.success) == [b"done"]


async def test_a_poll_tells_how_far_an_update_has_come(idle):
    (call,) = await admitted(idle, "u")
    for wait in (None, 0, ADMITTED):
        assert (await poll_update(idle, "u", wait)).stage == ADMITTED
    waits = asyncio.create_task(poll_update(idle, "u", ACCEPTED))
    await idle.step(messages=[accept("u")])
    assert (await waits).stage == ACCEPTED
    waits = asyncio.create_task(poll_update(idle, "u"))
    await idle.signal("s")
    await idle.step(messages=[respond("u")])
    assert (await waits).stage == COMPLETED
    await call


async def test_several_updates_ride_on_one_task_in_the_order_of_admission(idle):
    calls = await admitted(idle, "b", "a", "c")
    task = await idle.poll()
    assert [m.protocol_instance_id for m in task.messages] == ["b", "a", "c"]
    messages = [accept("a"), respond("a"), accept("c"), respond("c"), reject("b")]
    await idle.complete(task, named(messages[2]), start_timer("t", 60), named(messages[0]), messages=messages)
    replies = await asyncio.gather(*calls)
    assert [r.outcome.WhichOneof("value") for r in replies] == ["failure", "success", "success"]
    accepted, completed = UPDATE
    assert (await idle.event_names())[7:] == [accepted, "TimerStarted", accepted, completed, completed]


async def test_an_update_rides_on_the_first_task(hand):
    await hand.start()
    (call,) = await admitted(hand, "u")
    task = await hand.poll()
    assert [m.event_id for m in task.messages] == [2]
    assert (await hand.complete(task, messages=[reject("u")])).reset_history_event_id == 0
    await call
    assert await hand.event_names() == FIRST_TASK


async def test_an_update_during_a_task_has_the_next_one(hand):
    await hand.start()
    task = await hand.poll()
    (call,) = await admitted(hand, "u")
    await hand.complete(task)
    assert await hand.event_names() == FIRST_TASK + TASK[:1]
    await hand.step(messages=[reject("u")])
    await call
    assert await hand.event_names() == FIRST_TASK + TASK


async def test_the_next_task_in_the_answer_carries_updates(idle):
    (first,) = await admitted(idle, "u")
    task = await idle.poll()
    (second,) = await admitted(idle, "v")
    reply = await idle.complete(task, messages=[accept("u"), respond("u")], return_new_workflow_task=True)
    await first
    following = reply.workflow_task
    assert [m.id for m in following.messages] == ["v/request"]
    assert names(following.history.events) == ["WorkflowTaskCompleted", *UPDATE, *TASK[:2]]
    assert await idle.event_names() == FIRST_TASK + TASK + UPDATE
    await idle.complete(following, messages=[accept("v"), respond("v")])
    await second
    assert await idle.event_names() == FIRST_TASK + TASK + UPDATE + TASK + UPDATE


# --- the task of an update ---


async def test_a_signal_before_the_start_makes_the_task_a_normal_one(idle):
    (call,) = await admitted(idle, "u")
    await idle.signal("s")
    assert await idle.event_names() == FIRST_TASK + ["WorkflowTaskScheduled", "WorkflowExecutionSignaled"]
    task = await idle.poll()
    assert [m.event_id for m in task.messages] == [6]
    assert (await idle.complete(task, messages=[reject("u")])).reset_history_event_id == 0
    await call
    assert (await idle.event_names())[4:] == [TASK[0], "WorkflowExecutionSignaled", *TASK[1:]]


async def test_a_signal_after_the_start_makes_the_task_a_normal_one(idle):
    (call,) = await admitted(idle, "u")
    task = await idle.poll()
    await idle.signal("s")
    assert await idle.event_names() == FIRST_TASK + TASK[:2]
    assert (await idle.complete(task, messages=[reject("u")])).reset_history_event_id == 0
    await call
    assert await idle.event_names() == FIRST_TASK + TASK + ["WorkflowExecutionSignaled", TASK[0]]


async def test_a_task_that_brings_more_than_rejections_stays(idle):
    (call,) = await admitted(idle, "u")
    assert (await idle.complete(await idle.poll(), start_timer("t", 60), messages=[reject("u")])).reset_history_event_id == 0
    await call
    # The worker was shown the timer's event besides the task: it has to say that it can forget that, too.
    for capable, left in ((False, TASK), (True, [])):
        before = await idle.event_names()
        (call,) = await admitted(idle, "u")
        capabilities = w.RespondWorkflowTaskCompletedRequest.Capabilities(
            discard_speculative_workflow_task_with_events=capable
        )
        await idle.step(messages=[reject("u")], capabilities=capabilities)
        await call
        assert await idle.event_names() == before + left
        await idle.signal("s")
        await idle.step(start_timer(f"t{capable}", 60))


async def test_a_failed_task_is_in_history_and_tried_again_with_its_updates(idle):
    (call,) = await admitted(idle, "u")
    for attempt, event_id in ((1, 5), (2, 8), (3, 8)):
        task = await idle.poll()
        assert (task.attempt, [m.event_id for m in task.messages]) == (attempt, [event_id])
        if attempt < 3:
            await idle.fail_task(task)
            assert await idle.event_names() == FIRST_TASK + TASK[:2] + ["WorkflowTaskFailed"]
    await idle.complete(task, messages=[reject("u")])
    await call
    assert await idle.event_names() == FIRST_TASK + TASK[:2] + ["WorkflowTaskFailed"] + TASK


async def test_a_run_whose_task_fails_again_and_again_takes_no_updates(idle):
    await idle.signal("s")
    for _ in range(2):
        await idle.fail_task(await idle.poll())
    assert await refused(update(idle)) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "Unable to perform workflow execution update due to Workflow Task in failed state.",
    )


async def test_a_task_that_times_out_is_in_history(hand):
    await hand.start(workflow_task_timeout=seconds(1))
    await hand.step()
    (call,) = await admitted(hand, "u")
    await hand.poll()
    await hand.step(messages=[reject("u")])
    await call
    assert await hand.event_names() == FIRST_TASK + TASK[:2] + ["WorkflowTaskTimedOut"] + TASK


async def test_a_task_that_nobody_takes_becomes_a_normal_one(idle):
    (call,) = await admitted(idle, "u")
    await asyncio.sleep(5.5)
    expected = FIRST_TASK + [TASK[0], "WorkflowTaskTimedOut", TASK[0]]
    assert await idle.event_names() == expected
    task = await idle.poll()
    assert [m.event_id for m in task.messages] == [7]
    await idle.complete(task, messages=[reject("u")])
    await call


async def test_the_worker_of_a_sticky_queue_gets_what_is_new(hand):
    await hand.start()
    sticky = unique("sticky")
    await hand.step(sticky=sticky)
    poll = asyncio.create_task(hand.poll(sticky, sticky=True))
    await asyncio.sleep(0.2)
    (call,) = await admitted(hand, "u")
    task = await poll
    assert [e.event_id for e in task.history.events] == [4, 5, 6]
    assert [m.event_id for m in task.messages] == [5]
    assert (await hand.complete(task, messages=[reject("u")], sticky=sticky)).reset_history_event_id == 3
    await call
    assert await hand.event_names() == FIRST_TASK


async def test_an_update_does_not_wait_for_the_end_of_a_start_delay(hand):
    await hand.start(workflow_start_delay=seconds(60))
    (call,) = await admitted(hand, "u")
    task = await hand.poll()
    assert [m.event_id for m in task.messages] == [2]
    await hand.complete(task, messages=[accept("u"), respond("u")])
    assert data((await call).outcome.success) == [b"done"]


async def test_a_heartbeat_keeps_the_updates_of_its_task(idle):
    (call,) = await admitted(idle, "u")
    reply = await idle.complete(await idle.poll(), force_create_new_workflow_task=True, return_new_workflow_task=True)
    following = reply.workflow_task
    assert not following.messages
    await idle.complete(following, messages=[reject("u")])
    assert (await call).outcome.failure.message == "no"
    assert await idle.event_names() == FIRST_TASK + TASK + TASK


async def test_queries_ride_on_a_task_that_leaves_no_trace(idle):
    (call,) = await admitted(idle, "u")
    query = asyncio.create_task(idle.query("q"))
    await asyncio.sleep(0.3)
    task = await idle.poll()
    results = {id: query_result("answer") for id in task.queries}
    assert (await idle.complete(task, messages=[reject("u")], query_results=results)).reset_history_event_id == 3
    await call
    assert data((await query).query_result) == [b"answer"]


# --- violations ---


@pytest.mark.parametrize(
    "messages, commands, why",
    [
        ([accept("zz")], [], "update zz wasn't found on the server. This is most likely a transient error which will "
                             "be resolved automatically by retries"),
        ([accept("u"), accept("u")], [], "invalid state transition attempted for Update u: received *update.Acceptance "
                                         "message while in state ProvisionallyAccepted"),
        ([respond("u")], [], "invalid state transition attempted for Update u: received *update.Response message "
                             "while in state Sent"),
        ([reject("u"), accept("u")], [], "invalid state transition attempted for Update u: received "
                                         "*update.Acceptance message while in state ProvisionallyCompleted"),
        ([], [named(accept("u"))], "ProtocolMessageCommand referenced absent message ID u/accept"),
        ([message("u", "x", Request())], [], "Message type *update.Request not supported"),
        ([accept("u", after=0)], [], "invalid *update.Acceptance: accepted_request_sequencing_event_id is not set"),
    ],
)
async def test_a_message_that_breaks_the_protocol_fails_the_task(idle, messages, commands, why):
    (call,) = await admitted(idle, "u")
    why = f"BadUpdateWorkflowExecutionMessage: {why}"
    task = await idle.poll()
    assert await refused(idle.complete(task, *commands, messages=messages)) == (grpc.StatusCode.INVALID_ARGUMENT, why)
    assert await refused(call) == TASK_FAILED
    events = await idle.events()
    assert names(events) == FIRST_TASK + TASK[:2] + ["WorkflowTaskFailed"]
    assert events[-1].workflow_task_failed_event_attributes.failure.message == why
    assert (await refused(poll_update(idle, "u")))[0] == grpc.StatusCode.NOT_FOUND


# --- ends ---


async def test_updates_end_with_their_run(idle):
    (first,) = await admitted(idle, "accepted")
    await idle.step(messages=[accept("accepted")])
    calls = await admitted(idle, "sent", "rejected")
    task = await idle.poll()
    calls += await admitted(idle, "unsent")
    await idle.complete(task, complete_workflow(), messages=[reject("rejected")])
    assert (await first).outcome.failure.message == CLOSED
    assert await refused(calls[0]) == ABORTED
    assert (await calls[1]).outcome.failure.message == "no"
    assert await refused(calls[2]) == ABORTED
    assert (await poll_update(idle, "accepted")).outcome.failure.message == CLOSED
    assert await refused(update(idle, "new")) == (grpc.StatusCode.NOT_FOUND, "workflow execution already completed")


async def test_a_terminated_run_forgets_a_task_that_was_not_started(idle):
    (call,) = await admitted(idle, "u")
    await idle.terminate()
    assert await refused(call) == ABORTED
    assert await idle.event_names() == FIRST_TASK + ["WorkflowExecutionTerminated"]


# --- limits and form ---


async def test_ten_updates_may_be_in_flight(idle):
    calls = await admitted(idle, *(f"u{i}" for i in range(10)))
    task = await idle.poll()
    await idle.complete(task, messages=[accept(m.protocol_instance_id) for m in task.messages])
    limit = (grpc.StatusCode.RESOURCE_EXHAUSTED, "limit on number of concurrent in-flight updates has been reached (10)")
    assert await refused(update(idle, "more")) == limit
    await idle.signal("s")
    await idle.step(messages=[respond(f"u{i}") for i in range(10)])
    await asyncio.gather(*calls)


INVALID, NOT_FOUND = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize(
    "change, code, why",
    [
        (lambda r: r.request.input.ClearField("name"), INVALID, "Update name is not set on request."),
        (lambda r: r.request.ClearField("input"), INVALID, "Update input is not set on request."),
        (lambda r: r.request.ClearField("meta"), INVALID, "Update meta is not set on request."),
        (lambda r: r.ClearField("request"), INVALID, "Update meta is not set on request."),
        (lambda r: r.ClearField("workflow_execution"), INVALID, "Execution is not set on request."),
        (lambda r: setattr(r.request.meta, "update_id", "x" * 1001), INVALID, "UpdateId length exceeds limit."),
        (lambda r: setattr(r.wait_policy, "lifecycle_stage", ADMITTED), grpc.StatusCode.PERMISSION_DENIED,
         "UpdateWorkflowExecution issued asynchronously and waiting on update admitted is not supported."),
        (lambda r: setattr(r, "first_execution_run_id", "other"), NOT_FOUND, "workflow execution not found"),
        (lambda r: setattr(r.workflow_execution, "workflow_id", "nobody"), NOT_FOUND, "workflow not found for ID: nobody"),
    ],
)
async def test_what_is_wrong_with_a_request_is_said(idle, change, code, why):
    request = update_request(idle)
    change(request)
    assert await refused(idle.api.call("UpdateWorkflowExecution", request)) == (code, why)


# --- update with start ---


def statuses(error: grpc.RpcError) -> list[tuple[int, str]]:
    """Code and message of each operation, from the error's details."""
    details = dict(error.trailing_metadata() or ())["grpc-status-details-bin"]
    name = b"temporal.api.errordetails.v1.MultiOperationExecutionFailure"
    value = details[details.index(name) + len(name) :]
    # Field 2 of `Any`, length-delimited: a tag byte, a varint, the message.
    start = 2 if value[1] < 0x80 else 3
    return [(s.code, s.message) for s in MultiOperationExecutionFailure.FromString(value[start:]).statuses]


async def with_start_refused(call) -> list[tuple[int, str]]:
    with pytest.raises(grpc.RpcError) as caught:
        await call
    assert caught.value.details() == "Update-with-Start could not be executed."
    found = statuses(caught.value)
    assert caught.value.code().value[0] in [code for code, _ in found]
    return found


ABORTED_WITH = (10, "Operation was aborted.")
RUN_ID = "01234567-89ab-4cde-8f01-23456789abcd"


async def test_update_with_start_starts_once(hand):
    call = asyncio.create_task(update_with_start(hand, update_request(hand, "u", ACCEPTED)))
    task = await hand.poll()
    hand.run = task.workflow_execution.run_id
    assert [m.id for m in task.messages] == ["u/request"]
    await hand.complete(task, messages=[accept("u", 2)])
    start, updated = (await call).responses
    assert start.start_workflow.started
    assert start.start_workflow.run_id == hand.run
    assert updated.update_workflow.stage == ACCEPTED
    # The running one takes the same update whatever the policy says, and another one if it may.
    again = await update_with_start(hand, update_request(hand, "u", ACCEPTED), workflow_id_conflict_policy=1)
    assert not again.responses[0].start_workflow.started
    assert again.responses[1].update_workflow.stage == ACCEPTED
    running = f"Workflow execution is already running. WorkflowId: {hand.id}, RunId: {hand.run}."
    call = update_with_start(hand, update_request(hand, "v"), workflow_id_conflict_policy=1)
    assert await with_start_refused(call) == [(6, running), ABORTED_WITH]
    call = asyncio.create_task(update_with_start(hand, update_request(hand, "v"), workflow_id_conflict_policy=2))
    task = await hand.poll()
    await hand.complete(task, named(accept("v")), named(respond("v")), complete_workflow(),
                        messages=[accept("v"), respond("v")])
    start, updated = (await call).responses
    assert (start.start_workflow.run_id, start.start_workflow.started) == (hand.run, False)
    assert data(updated.update_workflow.outcome.success) == [b"done"]
    # The last run answers for what it completed.
    start, updated = (await update_with_start(hand, update_request(hand, "v"), workflow_id_reuse_policy=3)).responses
    assert (start.start_workflow.run_id, start.start_workflow.started) == (hand.run, False)
    assert data(updated.update_workflow.outcome.success) == [b"done"]
    finished = f"Workflow execution already finished. WorkflowId: {hand.id}, RunId: {hand.run}. " \
               "Workflow Id reuse policy: reject duplicate workflow Id."
    call = update_with_start(hand, update_request(hand, "x"), workflow_id_reuse_policy=3)
    assert await with_start_refused(call) == [(6, finished), ABORTED_WITH]


async def test_an_update_with_start_ends_with_its_run(hand):
    call = asyncio.create_task(update_with_start(hand, update_request(hand, "u")))
    await hand.step(complete_workflow())
    assert await with_start_refused(call) == [(0, ""), (5, ABORTED[1])]


@pytest.mark.parametrize(
    "start, change, expected",
    [
        ({"cron_schedule": "* * * * *"}, None, [(3, "CronSchedule is not allowed."), ABORTED_WITH]),
        ({"request_eager_execution": True}, None, [(3, "RequestEagerExecution is not supported."), ABORTED_WITH]),
        ({"workflow_start_delay": seconds(3)}, None, [(3, "WorkflowStartDelay is not supported."), ABORTED_WITH]),
        ({"type": ""}, None, [(3, "WorkflowType is not set on request."), ABORTED_WITH]),
        ({}, lambda r: setattr(r.workflow_execution, "workflow_id", "other"),
         [ABORTED_WITH, (3, "WorkflowId is not consistent with previous operation(s).")]),
        ({}, lambda r: setattr(r.workflow_execution, "run_id", RUN_ID), [ABORTED_WITH, (3, "RunId is not allowed.")]),
        ({}, lambda r: setattr(r, "first_execution_run_id", "other"),
         [ABORTED_WITH, (3, "FirstExecutionRunId is not allowed.")]),
        ({}, lambda r: setattr(r, "namespace", "other"),
         [ABORTED_WITH, (3, "Operation namespace did not match request's namespace.")]),
        ({}, lambda r: r.request.input.ClearField("name"), [ABORTED_WITH, (3, "Update name is not set on request.")]),
    ],
)
async def test_what_is_wrong_with_an_update_with_start_is_said(hand, start, change, expected):
    request = update_request(hand)
    if change:
        change(request)
    assert await with_start_refused(update_with_start(hand, request, **start)) == expected
    assert (await refused(hand.describe()))[0] == NOT_FOUND, "nothing was started"


async def test_only_start_and_update_go_together(hand):
    request = w.ExecuteMultiOperationRequest(namespace="default")
    expected = (INVALID, "Operations have to be exactly [Start, Update].")
    assert await refused(hand.api.call("ExecuteMultiOperation", request)) == expected


# --- with an SDK ---


@workflow.defn
class Counter:
    def __init__(self) -> None:
        self.count = 0
        self.done = False

    @workflow.run
    async def run(self) -> int:
        await workflow.wait_condition(lambda: self.done and workflow.all_handlers_finished())
        return self.count

    @workflow.update
    async def add(self, by: int) -> int:
        self.count += by
        if by > 100:
            await workflow.sleep(timedelta(milliseconds=300))
        if by == 13:
            raise ApplicationError("unlucky")
        return self.count

    @add.validator
    def check(self, by: int) -> None:
        if by < 0:
            raise ValueError("negative")

    @workflow.signal
    def stop(self) -> None:
        self.done = True


def worker(client, queue: str, **options) -> Worker:
    return Worker(client, task_queue=queue, workflows=[Counter], workflow_runner=UnsandboxedWorkflowRunner(), **options)


async def test_handlers_and_validators_of_an_sdk(clients):
    queue, id = unique("counter"), unique("counter")
    async with worker(clients[0], queue):
        handle = await clients[1].start_workflow(Counter.run, id=id, task_queue=queue)
        assert await handle.execute_update(Counter.add, 1) == 1
        with pytest.raises(WorkflowUpdateFailedError) as rejected:
            await handle.execute_update(Counter.add, -1)
        assert rejected.value.cause.message == "negative"
        with pytest.raises(WorkflowUpdateFailedError) as failed:
            await handle.execute_update(Counter.add, 13)
        assert failed.value.cause.message == "unlucky"
        slow = await handle.start_update(Counter.add, 1000, wait_for_stage=WorkflowUpdateStage.ACCEPTED, id="slow")
        assert await handle.execute_update(Counter.add, 1) == 1015
        assert await slow.result() == 1015
        assert await handle.get_update_handle("slow", result_type=int).result() == 1015
        assert await handle.execute_update(Counter.add, 1000, id="slow") == 1015
        results = await asyncio.gather(*[handle.execute_update(Counter.add, 1) for _ in range(8)])
        assert sorted(results) == list(range(1016, 1024))
        await handle.signal(Counter.stop)
        assert await handle.result() == 1023


async def test_update_with_start_of_an_sdk(clients):
    queue, id = unique("counter"), unique("counter")

    def start():
        return WithStartWorkflowOperation(
            Counter.run, id=id, task_queue=queue, id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING
        )

    async with worker(clients[0], queue, max_cached_workflows=0):
        for count in (1, 2):
            operation = start()
            client = clients[count]
            assert await client.execute_update_with_start_workflow(Counter.add, 1, start_workflow_operation=operation) == count
        handle = await operation.workflow_handle()
        await handle.signal(Counter.stop)
        assert await handle.result() == 2


@pytest.mark.tenure
@pytest.mark.own_cluster
@pytest.mark.timeout(200)
async def test_updates_outlive_the_leader(tmp_path, request):
    """What was admitted is answered, and what was answered stays, when the leader dies in between."""
    with Cluster(tmp_path / "cluster") as cluster:
        request.node.servers = cluster
        workflow_id = unique("wf")
        located = await asyncio.to_thread(cluster.locate, workflow_id)
        leader = cluster.node(located["leader"])
        rest = [node for node in cluster.nodes if node is not leader]
        hand = Hand([Api(node.address) for node in rest])
        hand.id = workflow_id
        await hand.start()
        await hand.step()
        (done,) = await admitted(hand, "done")
        await hand.step(messages=[accept("done"), respond("done")])
        await done
        (accepted,) = await admitted(hand, "accepted")
        await hand.step(messages=[accept("accepted")])
        (waits,) = await admitted(hand, "waits", timeout=60)
        leader.kill()
        task = await hand.poll(timeout=40)
        assert [m.protocol_instance_id for m in task.messages] == ["waits"]
        await hand.complete(task, messages=[accept("waits"), respond("waits"), respond("accepted")], timeout=30)
        for reply in (await waits, await accepted, await update(hand, "done")):
            assert data(reply.outcome.success) == [b"done"]
        accepted_name, completed_name = UPDATE
        events = await hand.event_names()
        assert events.count(accepted_name) == events.count(completed_name) == 3


@pytest.mark.tenure
@pytest.mark.own_cluster
@pytest.mark.timeout(200)
async def test_rejections_are_heard_while_leaders_move(tmp_path, request):
    """A rejection is written nowhere: a caller whose leader is gone before it answered has the worker asked again."""
    with Cluster(tmp_path / "cluster") as cluster:
        request.node.servers = cluster
        hand = Hand([Api(node.address) for node in cluster.nodes])
        await hand.start()
        await hand.step()
        located = await asyncio.to_thread(cluster.locate, hand.id)

        async def worker():
            while True:
                task = await hand.poll(timeout=60)
                if task.task_token:
                    with suppress(grpc.RpcError):
                        await hand.complete(task, messages=[reject(m.protocol_instance_id) for m in task.messages])

        async def move():
            for round in range(100):
                node = cluster.nodes[round % len(cluster.nodes)]
                await asyncio.to_thread(cluster.transfer_leader, located["shard"], node)
                await asyncio.sleep(0.2)

        busy = [asyncio.create_task(worker()), asyncio.create_task(move())]
        for number in range(30):
            reply = await update(hand, f"u{number}", timeout=30)
            assert reply.outcome.failure.message == "no"
        for task in busy:
            task.cancel()
        await asyncio.gather(*busy, return_exceptions=True)
        assert not set(UPDATE) & set(await hand.event_names())
