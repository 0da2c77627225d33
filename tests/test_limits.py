"""Limits, on servers whose limits are small. Each test passes against the reference server too (`--target=oracle`)."""

import grpc
import pytest
import pytest_asyncio
from temporalio.api.command.v1 import Command
from temporalio.api.common.v1 import Memo
from temporalio.api.enums.v1 import (
    SuggestContinueAsNewReason,
    WorkflowExecutionStatus,
    WorkflowIdConflictPolicy,
    WorkflowTaskFailedCause,
)
from temporalio.api.workflowservice.v1 import request_response_pb2 as w

from harness.cluster import Cluster, Oracle
from harness.commands import command
from harness.hand import Hand, activity, complete_workflow, fail_workflow, marker, start_timer
from harness.rpc import Api, execution, name_of, names, payload, payloads
from test_admin import error
from test_semantics import FIRST_TASK

BLOB, MEMO, ID = 2000, 3000, 100
ACTIVITIES, SIGNALS, BUFFERED, BUFFERED_SIZE = 3, 10, 5, 5000
EVENTS, SUGGESTED_EVENTS = 60, 20

SETTINGS = f"""
[limits]
blob_size = {BLOB}
memo_size = {MEMO}
id_length = {ID}
pending_activities = {ACTIVITIES}
signals = {SIGNALS}
buffered_events = {BUFFERED}
buffered_events_size = {BUFFERED_SIZE}
history_count = {EVENTS}
suggest_continue_as_new_count = {SUGGESTED_EVENTS}
"""
# The reference server looks at the error limit of what is over the warning limit.
CONFIGURATION = {
    "limit.blobSize.warn": BLOB // 2,
    "limit.memoSize.warn": MEMO // 2,
    "limit.historyCount.warn": EVENTS // 2,
    "limit.blobSize.error": BLOB,
    "limit.memoSize.error": MEMO,
    "limit.maxIDLength": ID,
    "limit.numPendingActivities.error": ACTIVITIES,
    "history.maximumSignalsPerExecution": SIGNALS,
    "history.maximumBufferedEventsBatch": BUFFERED,
    "history.maximumBufferedEventsSizeInBytes": BUFFERED_SIZE,
    "limit.historyCount.error": EVENTS,
    "limit.historyCount.suggestContinueAsNew": SUGGESTED_EVENTS,
}


@pytest.fixture(scope="module")
def small(request, directory):
    if request.config.getoption("--target") == "oracle":
        server = Oracle(directory / "limits", configuration=CONFIGURATION)
    else:
        server = Cluster(directory / "limits", 1, SETTINGS)
    with server as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def small_api(small):
    api = Api(small.addresses[0])
    yield api
    await api.close()


@pytest.fixture
def hand(small_api) -> Hand:
    return Hand([small_api])


def big(size: int = BLOB + 1):
    return payloads("x" * size)


def memo(size: int, key: str = "m") -> Memo:
    return Memo(fields={key: payload("x" * size)})


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"input": big()}, "Blob data size exceeds limit."),
        ({"memo": memo(MEMO + 1)}, "Memo size exceeds limit."),
        ({"request_id": "x" * (ID + 1)}, "RequestId length exceeds limit."),
        ({"type": "x" * (ID + 1)}, "WorkflowType length exceeds limit."),
    ],
)
async def test_a_start_stays_within_its_limits(hand, fields, message):
    assert await error(hand.start(**fields)) == ("INVALID_ARGUMENT", message)


async def test_a_signal_stays_within_its_limits(hand):
    await hand.start()
    assert await error(hand.signal("s", "x" * BLOB)) == ("INVALID_ARGUMENT", "Blob data size exceeds limit.")
    assert await error(hand.signal("x" * (ID + 1))) == ("INVALID_ARGUMENT", "SignalName length exceeds limit.")
    for _ in range(SIGNALS):
        await hand.signal("s")
    message = "exceeded workflow execution limit for signal events"
    assert await error(hand.signal("s")) == ("INVALID_ARGUMENT", message)


TERMINATING: list[tuple[Command, str]] = [
    (complete_workflow("x" * BLOB),
     "BadScheduleActivityAttributes: CompleteWorkflowExecutionCommandAttributes.Result exceeds size limit."),
    (fail_workflow("x" * BLOB),
     "BadFailWorkflowExecutionAttributes: FailWorkflowExecutionCommandAttributes.Failure exceeds size limit."),
    (command("RECORD_MARKER", marker_name="m", details={"d": big()}),
     "BadRecordMarkerAttributes: RecordMarkerCommandAttributes.Details exceeds size limit."),
    (command("MODIFY_WORKFLOW_PROPERTIES", upserted_memo=memo(BLOB)),
     "BadModifyWorkflowPropertiesAttributes: ModifyWorkflowPropertiesCommandAttributes exceeds size limit."),
]


@pytest.mark.parametrize("bad, message", TERMINATING)
async def test_a_command_that_is_too_large_ends_the_run(hand, bad, message):
    await hand.start()
    assert await error(hand.step(bad)) == ("INVALID_ARGUMENT", message)
    assert await hand.event_names() == FIRST_TASK[:3] + ["WorkflowTaskFailed", "WorkflowExecutionTerminated"]
    last = (await hand.events())[-1].workflow_execution_terminated_event_attributes
    assert (last.reason, last.identity) == (message, "history-service")


async def test_a_memo_that_has_grown_too_large_ends_the_run(hand):
    await hand.start(memo=memo(BLOB - 500, "a"))
    grown = command("MODIFY_WORKFLOW_PROPERTIES", upserted_memo=memo(BLOB - 400, "b"))
    message = "BadModifyWorkflowPropertiesAttributes: ModifyWorkflowPropertiesCommandAttributes. Memo exceeds size limit."
    assert await error(hand.step(grown)) == ("INVALID_ARGUMENT", message)


async def test_too_many_activities_fail_the_task(hand):
    await hand.start()
    message = "PendingActivitiesLimitExceeded: the number of pending activities, 3, has reached the per-workflow limit of 3"
    bad = hand.step(*[activity(str(n), hand.queue) for n in range(ACTIVITIES + 1)])
    assert await error(bad) == ("INVALID_ARGUMENT", message)
    assert await hand.event_names() == FIRST_TASK[:3] + ["WorkflowTaskFailed"]
    await hand.step(*[activity(str(n), hand.queue) for n in range(ACTIVITIES)])


async def test_a_timer_id_that_is_too_long_fails_the_task(hand):
    await hand.start()
    long = "x" * (ID + 1)
    message = f"BadStartTimerAttributes: TimerId on StartTimerCommand exceeds length limit. TimerId={long} " \
              f"Length={ID + 1} Limit={ID}"
    assert await error(hand.step(start_timer(long, 1))) == ("INVALID_ARGUMENT", message)


async def test_too_many_buffered_events_fail_the_task_that_they_wait_for(hand):
    await hand.start()
    task = await hand.poll()
    for _ in range(BUFFERED):
        await hand.signal("s")
    assert await hand.event_names() == FIRST_TASK[:3]
    await hand.signal("s")
    assert await hand.event_names() == FIRST_TASK[:3] + ["WorkflowTaskFailed"] + ["WorkflowExecutionSignaled"] * 6
    assert await error(hand.complete(task)) == ("NOT_FOUND", "Workflow task not found.")
    assert (await hand.poll()).attempt == 2


async def test_too_large_buffered_events_fail_the_task_that_they_wait_for(hand):
    """F2."""
    await hand.start()
    task = await hand.poll()
    large = "x" * (BUFFERED_SIZE // 3)
    for _ in range(2):
        await hand.signal("s", large)
    assert await hand.event_names() == FIRST_TASK[:3]
    await hand.signal("s", large)
    assert await hand.event_names() == FIRST_TASK[:3] + ["WorkflowTaskFailed"] + ["WorkflowExecutionSignaled"] * 3
    failed = (await hand.events())[3].workflow_task_failed_event_attributes
    assert WorkflowTaskFailedCause.Name(failed.cause) == "WORKFLOW_TASK_FAILED_CAUSE_FORCE_CLOSE_COMMAND"
    assert await error(hand.complete(task)) == ("NOT_FOUND", "Workflow task not found.")
    assert (await hand.poll()).attempt == 2


@pytest.mark.parametrize(
    "last, end",
    [
        ("WorkflowExecutionCompleted", lambda hand: hand.step(complete_workflow("done"))),
        ("WorkflowExecutionContinuedAsNew", lambda hand: hand.step(command(
            "CONTINUE_AS_NEW_WORKFLOW_EXECUTION", workflow_type={"name": "W"}, task_queue={"name": hand.queue}))),
        ("WorkflowExecutionTerminated", lambda hand: hand.terminate("enough")),
        ("WorkflowExecutionTerminated", lambda hand: hand.start(
            request_id="another",
            workflow_id_conflict_policy=WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING)),
    ],
    ids=["complete", "continue-as-new", "terminate", "replace"],
)
async def test_a_run_that_ends_at_the_limit_of_its_history_keeps_its_end(hand, last, end):
    """F30."""
    run = (await hand.start()).run_id
    await hand.step(*[marker("m")] * (EVENTS - 6), force_create_new_workflow_task=True)
    assert len(await hand.events()) == EVENTS - 1
    if last == "WorkflowExecutionTerminated":
        await hand.poll()
    await end(hand)
    events = await hand.events(run)
    assert name_of(events[-1]) == last
    assert len(events) > EVENTS
    if last == "WorkflowExecutionTerminated":
        reason = events[-1].workflow_execution_terminated_event_attributes.reason
        assert reason in ("enough", "TerminateIfRunning WorkflowIdReusePolicy")


async def test_a_long_history_is_told_of_and_a_longer_one_ends_the_run(hand):
    await hand.start()
    suggested = []
    while True:
        task = await hand.poll()
        started = task.history.events[-1].workflow_task_started_event_attributes
        suggested.append((task.started_event_id, started.suggest_continue_as_new))
        if started.suggest_continue_as_new:
            assert list(started.suggest_continue_as_new_reasons) == [
                SuggestContinueAsNewReason.SUGGEST_CONTINUE_AS_NEW_REASON_TOO_MANY_HISTORY_EVENTS]
        call = hand.complete(task, marker("m"), marker("m"), force_create_new_workflow_task=True)
        if task.started_event_id + 4 > EVENTS:
            break
        await call
    assert await error(call) == ("INVALID_ARGUMENT", "Workflow history count exceeds limit.")
    assert [told for _, told in suggested] == [id > SUGGESTED_EVENTS for id, _ in suggested]
    events = await hand.events()
    assert names(events)[-2:] == ["WorkflowTaskFailed", "WorkflowExecutionTerminated"]
    assert name_of(events[-3]) == "WorkflowTaskStarted"
    reason = events[-1].workflow_execution_terminated_event_attributes.reason
    assert reason == "Workflow history count exceeds limit."
    shown = await hand.describe()
    assert shown.workflow_execution_info.status == WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_TERMINATED


async def test_a_signal_that_would_make_history_too_long_is_refused(hand):
    await hand.start()
    await hand.step(*[marker("m")] * (EVENTS - 6))
    await hand.signal("s")
    # The reference server lets one more through.
    found = None
    for _ in range(2):
        try:
            await hand.signal("s")
        except grpc.RpcError as refusal:
            found = refusal
            break
    assert found and (found.code().name, found.details()) == ("INVALID_ARGUMENT", "Workflow history count exceeds limit.")
    events = await hand.event_names()
    assert events[-1] == "WorkflowExecutionTerminated"
    assert len(events) <= EVENTS + 2


async def test_a_query_stays_within_its_limits(hand):
    await hand.start()
    request = w.QueryWorkflowRequest(namespace="default", execution=execution(hand.id))
    request.query.query_type = "q"
    request.query.query_args.CopyFrom(big())
    with pytest.raises(grpc.RpcError) as caught:
        await hand.api.call("QueryWorkflow", request)
    assert caught.value.details() == "Blob data size exceeds limit."


async def test_a_namespace_tells_the_limits_that_hold(small_api):
    described = await small_api.call("DescribeNamespace", w.DescribeNamespaceRequest(namespace="default"))
    limits = described.namespace_info.limits
    assert (limits.blob_size_limit_error, limits.memo_size_limit_error) == (BLOB, MEMO)
