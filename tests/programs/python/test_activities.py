"""Activities: retries, timeouts, heartbeats, completion from elsewhere, what cancellation does to them."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from temporalio import activity, workflow
from temporalio.client import AsyncActivityCancelledError, WorkflowFailureError
from temporalio.client import WorkflowExecutionStatus as Status
from temporalio.common import RetryPolicy
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    ApplicationErrorCategory,
    CancelledError,
    TimeoutError,
    TimeoutType,
    is_cancelled_exception,
)
from temporalio.workflow import ActivityCancellationType

from harness.stage import ended_as, event_names, events, eventually

QUICK = RetryPolicy(initial_interval=timedelta(milliseconds=50), maximum_attempts=4, non_retryable_error_types=["Fatal"])


@activity.defn
async def flaky(good: int, type: str) -> int:
    attempt = activity.info().attempt
    if attempt < good:
        raise ApplicationError(f"attempt {attempt}", attempt, type=type)
    return attempt


@activity.defn
async def impatient() -> int:
    """Says itself when it wants to be tried again."""
    if activity.info().attempt == 1:
        raise ApplicationError("soon", next_retry_delay=timedelta(milliseconds=50))
    return activity.info().attempt


@activity.defn
async def harmless() -> None:
    raise ApplicationError("no harm", category=ApplicationErrorCategory.BENIGN, non_retryable=True)


@activity.defn
async def climb(steps: int) -> list[int]:
    """Goes on from where its last attempt's heartbeat stood, and falls once on the way."""
    info = activity.info()
    reached = info.heartbeat_details[0] if info.heartbeat_details else 0
    for step in range(reached, steps):
        activity.heartbeat(step + 1)
        if step + 1 == steps // 2 and info.attempt == 1:
            await asyncio.sleep(0.2)
            raise ApplicationError("fell")
    return [reached, info.attempt]


@activity.defn
async def silent(seconds: float) -> None:
    await asyncio.sleep(seconds)


@activity.defn
async def told() -> str:
    """Waits to be told that it is cancelled."""
    try:
        while True:
            activity.heartbeat()
            await asyncio.sleep(0.05)
    except asyncio.CancelledError:
        await asyncio.sleep(0.1)
        raise


@dataclass
class Ask:
    """Which activity to run and how; times in seconds."""

    name: str
    arguments: list
    start_to_close: float | None = 10
    schedule_to_close: float | None = None
    schedule_to_start: float | None = None
    heartbeat: float | None = None
    attempts: int = 4


@workflow.defn
class Asks:
    """Runs one activity; tells how it timed out if it did."""

    @workflow.run
    async def run(self, ask: Ask) -> Any:
        def after(seconds: float | None) -> timedelta | None:
            return None if seconds is None else timedelta(seconds=seconds)

        policy = RetryPolicy(
            initial_interval=QUICK.initial_interval, maximum_attempts=ask.attempts,
            non_retryable_error_types=QUICK.non_retryable_error_types,
        )
        try:
            return await workflow.execute_activity(
                ask.name, args=ask.arguments, retry_policy=policy, start_to_close_timeout=after(ask.start_to_close),
                schedule_to_close_timeout=after(ask.schedule_to_close), heartbeat_timeout=after(ask.heartbeat),
                schedule_to_start_timeout=after(ask.schedule_to_start),
            )
        except ActivityError as error:
            if isinstance(error.cause, TimeoutError):
                return error.cause.type
            raise


ALL = [flaky, impatient, harmless, climb, silent, told]


@pytest.mark.short
async def test_an_activity_is_tried_again(stage):
    async with stage.worker(Asks, activities=ALL):
        handle = await stage.start(Asks.run, Ask("flaky", [3, "Passing"]))
        assert await handle.result() == 3
    started = [e for e in await events(handle) if e.HasField("activity_task_started_event_attributes")]
    assert len(started) == 1
    attributes = started[0].activity_task_started_event_attributes
    assert (attributes.attempt, attributes.last_failure.message) == (3, "attempt 2")


@pytest.mark.parametrize("type, attempts", [("Passing", 4), ("Fatal", 1)], ids=["exhausted", "non-retryable"])
async def test_the_last_failure_reaches_the_client(stage, type, attempts):
    async with stage.worker(Asks, activities=ALL):
        with pytest.raises(WorkflowFailureError) as caught:
            await stage.run(Asks.run, Ask("flaky", [9, type]))
    error = caught.value.cause
    assert isinstance(error, ActivityError) and error.activity_type == "flaky"
    assert isinstance(error.cause, ApplicationError)
    assert (error.cause.message, error.cause.type, list(error.cause.details)) == (f"attempt {attempts}", type, [attempts])


async def test_the_activity_sets_its_next_retry(stage):
    async with stage.worker(Asks, activities=ALL):
        assert await stage.run(Asks.run, Ask("impatient", [])) == 2


async def test_a_benign_failure_keeps_its_category(stage):
    async with stage.worker(Asks, activities=ALL):
        with pytest.raises(WorkflowFailureError) as caught:
            await stage.run(Asks.run, Ask("harmless", []))
    assert caught.value.cause.cause.category == ApplicationErrorCategory.BENIGN


@pytest.mark.parametrize(
    "ask, type",
    [
        (Ask("silent", [5.0], start_to_close=0.5, attempts=1), TimeoutType.START_TO_CLOSE),
        (Ask("silent", [5.0], start_to_close=None, schedule_to_close=0.5), TimeoutType.SCHEDULE_TO_CLOSE),
        (Ask("silent", [5.0], heartbeat=0.5, attempts=1), TimeoutType.HEARTBEAT),
        (Ask("silent", [5.0], start_to_close=0.4, attempts=2), TimeoutType.START_TO_CLOSE),
    ],
    ids=["start-to-close", "schedule-to-close", "heartbeat", "start-to-close-twice"],
)
async def test_timeouts(stage, ask, type):
    async with stage.worker(Asks, activities=ALL, graceful_shutdown_timeout=timedelta(0)):
        assert await stage.run(Asks.run, ask) == type


async def test_schedule_to_start_timeout(stage):
    async with stage.worker(Asks):
        ask = Ask("silent", [1.0], schedule_to_start=0.5)
        assert await stage.run(Asks.run, ask) == TimeoutType.SCHEDULE_TO_START


@pytest.mark.short
async def test_an_attempt_goes_on_from_the_last_heartbeat(stage):
    async with stage.worker(Asks, activities=ALL):
        assert await stage.run(Asks.run, Ask("climb", [10], heartbeat=5)) == [5, 2]


# --- cancellation ---


@workflow.defn
class Stops:
    """Cancels its activity and tells when the wait for it ended."""

    @workflow.run
    async def run(self, type: int) -> str:
        running = workflow.start_activity(
            told, start_to_close_timeout=timedelta(seconds=20), heartbeat_timeout=timedelta(seconds=2),
            cancellation_type=ActivityCancellationType(type), retry_policy=RetryPolicy(maximum_attempts=1),
        )
        await asyncio.sleep(0.5)
        running.cancel()
        try:
            return await running
        except ActivityError as error:
            assert isinstance(error.cause, CancelledError)
            await asyncio.sleep(0.1)
            return "cancelled"


@pytest.mark.parametrize(
    "type, seen",
    [
        (ActivityCancellationType.WAIT_CANCELLATION_COMPLETED, ["ActivityTaskCancelRequested", "ActivityTaskCanceled"]),
        (ActivityCancellationType.TRY_CANCEL, ["ActivityTaskCancelRequested"]),
        (ActivityCancellationType.ABANDON, []),
    ],
    ids=["wait-completed", "try-cancel", "abandon"],
)
async def test_cancellation_type(stage, type, seen):
    async with stage.worker(Stops, activities=ALL, graceful_shutdown_timeout=timedelta(0)):
        handle = await stage.start(Stops.run, int(type))
        assert await handle.result() == "cancelled"
    happened = [n for n in await event_names(handle) if "ActivityTaskCancel" in n]
    assert happened[: len(seen)] == seen


@workflow.defn
class Tidy:
    """Is cancelled in an activity, and cleans up with another one."""

    @workflow.run
    async def run(self) -> None:
        try:
            await workflow.execute_activity(
                told, start_to_close_timeout=timedelta(seconds=20), heartbeat_timeout=timedelta(seconds=2)
            )
        except Exception as error:
            assert is_cancelled_exception(error)
            await workflow.execute_activity(flaky, args=[1, ""], start_to_close_timeout=timedelta(seconds=5))
            raise


@pytest.mark.short
async def test_a_cancelled_workflow_cancels_its_activity_and_cleans_up(stage):
    async with stage.worker(Tidy, activities=ALL):
        handle = await stage.start(Tidy.run)
        await eventually(lambda: has_started(handle))
        await handle.cancel()
        await ended_as(handle, Status.CANCELED)
    names = await event_names(handle)
    assert "WorkflowExecutionCancelRequested" in names and "ActivityTaskCompleted" in names


async def has_started(handle) -> bool:
    return any(a.state == 2 for a in (await handle.describe()).raw_description.pending_activities)


# --- completed from elsewhere ---


@activity.defn
async def elsewhere() -> str:
    activity.raise_complete_async()


@workflow.defn
class Waits:
    @workflow.run
    async def run(self) -> str:
        return await workflow.execute_activity(
            elsewhere, activity_id="the-one", start_to_close_timeout=timedelta(seconds=20),
            heartbeat_timeout=timedelta(seconds=15), retry_policy=RetryPolicy(maximum_attempts=1),
            cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )


@pytest.fixture
async def waiting(stage):
    """A workflow whose activity has been started and left to others, and a handle for that activity."""
    async with stage.worker(Waits, activities=[elsewhere]):
        handle = await stage.start(Waits.run)
        await eventually(lambda: has_started(handle))
        run = handle.first_execution_run_id
        yield handle, stage.client.get_async_activity_handle(workflow_id=handle.id, run_id=run, activity_id="the-one")


@pytest.mark.short
async def test_completed_by_id(waiting):
    handle, there = waiting
    await there.heartbeat("half", 50)
    assert (await handle.describe()).raw_description.pending_activities[0].heartbeat_details.payloads[1].data == b"50"
    await there.complete("by another")
    assert await handle.result() == "by another"


async def test_failed_by_id(waiting):
    handle, there = waiting
    await there.fail(ApplicationError("no luck", type="Luck"))
    with pytest.raises(WorkflowFailureError) as caught:
        await handle.result()
    assert caught.value.cause.cause.type == "Luck"


async def test_cancelled_by_id(waiting):
    handle, there = waiting
    await handle.cancel()
    with pytest.raises(AsyncActivityCancelledError):
        while True:
            await there.heartbeat()
            await asyncio.sleep(0.05)
    await there.report_cancellation("bye")
    await ended_as(handle, Status.CANCELED)


tokens: "asyncio.Queue[bytes]" = asyncio.Queue()


@activity.defn(name="elsewhere")
async def hands_out_its_token() -> str:
    await tokens.put(activity.info().task_token)
    activity.raise_complete_async()


async def test_completed_by_token(stage):
    async with stage.worker(Waits, activities=[hands_out_its_token]):
        handle = await stage.start(Waits.run)
        there = stage.client.get_async_activity_handle(task_token=await tokens.get())
        await there.heartbeat()
        await there.complete("by token")
        assert await handle.result() == "by token"


# --- many ---


@workflow.defn
class Crowd:
    @workflow.run
    async def run(self, size: int) -> int:
        each = [
            workflow.execute_activity(flaky, args=[1, ""], start_to_close_timeout=timedelta(seconds=30))
            for _ in range(size)
        ]
        return sum(await asyncio.gather(*each))


async def test_two_hundred_activities_at_once(stage):
    async with stage.worker(Crowd, activities=ALL):
        assert await stage.run(Crowd.run, 200) == 200
