"""Local activities: markers, retries inside a task and over a timer, cancellation, heartbeats of the task."""

import asyncio
from datetime import timedelta

import pytest
from temporalio import activity, workflow
from temporalio.client import WorkflowFailureError
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError

from harness.stage import event_names

calls: list[str] = []


@activity.defn
async def note(what: str, good: int, seconds: float) -> str:
    assert activity.info().is_local
    calls.append(what)
    await asyncio.sleep(seconds)
    if activity.info().attempt < good:
        raise ApplicationError(f"attempt {activity.info().attempt}")
    return f"{what} {activity.info().attempt}"


@workflow.defn
class Local:
    @workflow.run
    async def run(self, what: str, good: int, seconds: float, between_ms: int) -> list[str]:
        """Runs the activity, sleeps a moment, and runs it again."""
        first = await self.note(what, good, seconds, between_ms)
        await asyncio.sleep(0.01)
        return [first, await self.note(f"{what} again", 1, 0, between_ms)]

    async def note(self, what: str, good: int, seconds: float, between_ms: int) -> str:
        return await workflow.execute_local_activity(
            note, args=[what, good, seconds], start_to_close_timeout=timedelta(seconds=20),
            local_retry_threshold=timedelta(seconds=0.2),
            retry_policy=RetryPolicy(
                initial_interval=timedelta(milliseconds=between_ms), backoff_coefficient=1, maximum_attempts=3
            ),
        )


@pytest.mark.short
async def test_a_marker_keeps_the_result(stage):
    """Replayed at each task, for there is no cache; and run once all the same."""
    async with stage.worker(Local, activities=[note], max_cached_workflows=0):
        handle = await stage.start(Local.run, stage.queue, 1, 0, 10)
        assert await handle.result() == [f"{stage.queue} 1", f"{stage.queue} again 1"]
    names = await event_names(handle)
    assert names.count("MarkerRecorded") == 2 and "ActivityTaskScheduled" not in names
    assert calls.count(stage.queue) == 1


async def test_it_is_tried_again_at_once(stage):
    async with stage.worker(Local, activities=[note]):
        handle = await stage.start(Local.run, stage.queue, 3, 0, 10)
        assert await handle.result() == [f"{stage.queue} 3", f"{stage.queue} again 1"]
    assert (await event_names(handle)).count("TimerStarted") == 1


async def test_it_is_tried_again_after_a_timer(stage):
    async with stage.worker(Local, activities=[note]):
        handle = await stage.start(Local.run, stage.queue, 2, 0, 400)
        assert await handle.result() == [f"{stage.queue} 2", f"{stage.queue} again 1"]
    assert (await event_names(handle)).count("TimerStarted") == 2


async def test_its_failure(stage):
    async with stage.worker(Local, activities=[note]):
        with pytest.raises(WorkflowFailureError) as caught:
            await stage.run(Local.run, stage.queue, 9, 0, 10)
    assert "attempt 3" in str(caught.value.cause)


async def test_one_that_takes_longer_than_a_workflow_task(stage):
    """The worker completes the task with nothing but the wish for a new one, again and again."""
    async with stage.worker(Local, activities=[note]):
        handle = await stage.start(Local.run, stage.queue, 1, 2.5, 10, task_timeout=timedelta(seconds=1))
        assert (await handle.result())[0] == f"{stage.queue} 1"
    names = await event_names(handle)
    assert calls.count(stage.queue) == 1
    assert "WorkflowTaskTimedOut" not in names and names.index("MarkerRecorded") > 6


@workflow.defn
class Hasty:
    """Cancels its local activity."""

    @workflow.run
    async def run(self) -> str:
        slow = workflow.start_local_activity(
            note, args=["slow", 1, 5], start_to_close_timeout=timedelta(seconds=20),
            cancellation_type=workflow.ActivityCancellationType.TRY_CANCEL,
        )
        await asyncio.sleep(0.1)
        slow.cancel()
        try:
            return await slow
        except ActivityError:
            return "cancelled"


async def test_cancelled(stage):
    async with stage.worker(Hasty, activities=[note]):
        assert await stage.run(Hasty.run, task_timeout=timedelta(seconds=1)) == "cancelled"
