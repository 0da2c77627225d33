"""Runs that follow each other: continue-as-new, workflow retry, cron."""

import asyncio
import contextlib
from datetime import timedelta

import pytest
from temporalio import workflow
from temporalio.client import WorkflowContinuedAsNewError, WorkflowFailureError
from temporalio.client import WorkflowExecutionStatus as Status
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError, CancelledError, TimeoutError
from temporalio.service import RPCError

from harness.stage import ended_as, event_names, events, eventually


# --- continue-as-new ---


@workflow.defn
class Count:
    """Counts down, one run a step; hands on what it heard by signal."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    @workflow.run
    async def run(self, left: int, heard: list[str]) -> list[str]:
        self.heard = heard + self.heard
        if left == 0:
            return self.heard
        workflow.continue_as_new(args=[left - 1, self.heard])

    @workflow.signal
    def hear(self, word: str) -> None:
        self.heard.append(word)


@pytest.mark.short
@pytest.mark.needs("continue-as-new")
async def test_continue_as_new_gives_the_last_runs_result(stage):
    async with stage.worker(Count):
        handle = await stage.start(Count.run, 5, ["x"], memo={"kept": "memo"})
        assert await handle.result() == ["x"]
        last = await stage.handle(handle.id).describe()
    assert last.run_id != handle.first_execution_run_id
    assert await last.memo() == {"kept": "memo"}
    first = stage.handle(handle.id, handle.first_execution_run_id)
    assert (await first.describe()).status == Status.CONTINUED_AS_NEW
    with pytest.raises(WorkflowContinuedAsNewError) as caught:
        await first.result(follow_runs=False)
    second = (await events(stage.handle(handle.id, caught.value.new_execution_run_id)))[0]
    started = second.workflow_execution_started_event_attributes
    assert started.continued_execution_run_id == started.first_execution_run_id == handle.first_execution_run_id
    final = (await events(stage.handle(handle.id)))[0].workflow_execution_started_event_attributes
    assert final.first_execution_run_id == handle.first_execution_run_id


@workflow.defn
class Caterpillar:
    """Goes on as something else, in another queue, with a memo and timeouts of its own."""

    @workflow.run
    async def run(self, queue: str) -> str:
        workflow.continue_as_new(
            "a leaf", workflow="Butterfly", task_queue=queue, memo={"was": "Caterpillar"},
            run_timeout=timedelta(seconds=20), task_timeout=timedelta(seconds=7),
        )


@workflow.defn
class Butterfly:
    @workflow.run
    async def run(self, ate: str) -> list:
        info = workflow.info()
        return [ate, workflow.memo(), info.run_timeout.total_seconds() if info.run_timeout else None,
                info.task_timeout.total_seconds(), info.continued_run_id is not None]


@pytest.mark.needs("continue-as-new")
async def test_continue_as_another_workflow(stage):
    other = f"{stage.queue}-other"
    async with stage.worker(Caterpillar), stage.worker(Butterfly, queue=other):
        handle = await stage.start(Caterpillar.run, other, result_type=list)
        assert await handle.result() == ["a leaf", {"was": "Caterpillar"}, 20.0, 7.0, True]


@workflow.defn
class Relay:
    """Hands a growing list of signals on, ten at a time, until it has `total`."""

    def __init__(self) -> None:
        self.fresh: list[int] = []

    @workflow.run
    async def run(self, total: int, had: list[int]) -> list[int]:
        await workflow.wait_condition(lambda: len(self.fresh) >= min(10, total - len(had)))
        have = had + self.fresh
        if len(have) >= total:
            return have
        workflow.continue_as_new(args=[total, have])

    @workflow.signal
    def add(self, number: int) -> None:
        self.fresh.append(number)


@pytest.mark.needs("continue-as-new")
async def test_no_signal_is_lost_between_runs(stage):
    async with stage.worker(Relay):
        handle = await stage.start(Relay.run, 60, [])
        await asyncio.gather(*[stage.handle(handle.id).signal(Relay.add, n) for n in range(60)])
        assert sorted(await handle.result()) == list(range(60))


@workflow.defn
class Talkative:
    """Goes on when the server suggests it."""

    def __init__(self) -> None:
        self.heard = 0

    @workflow.run
    async def run(self, again: bool) -> bool:
        if again:
            return workflow.info().is_continue_as_new_suggested()
        await workflow.wait_condition(lambda: workflow.info().is_continue_as_new_suggested())
        assert workflow.info().get_current_history_length() > 4096 or workflow.info().get_current_history_size() > 4 << 20
        workflow.continue_as_new(True)

    @workflow.signal
    def hear(self, words: str) -> None:
        self.heard += 1


@pytest.mark.needs("continue-as-new", "suggest-continue-as-new")
async def test_a_long_history_suggests_to_go_on_as_new(stage):
    async with stage.worker(Talkative):
        handle = await stage.start(Talkative.run, False)
        for _ in range(6):
            await handle.signal(Talkative.hear, "x" * 900_000)

        async def moved_on():
            with contextlib.suppress(RPCError):  # once the second run has completed
                await stage.handle(handle.id).signal(Talkative.hear, "x")
            await asyncio.sleep(1)  # a signal that comes at the same time undoes the step
            return (await stage.handle(handle.id).describe()).run_id != handle.first_execution_run_id

        await eventually(moved_on)
        assert await handle.result() is False


# --- retry ---


@workflow.defn
class Stubborn:
    """Fails until its `good` attempt."""

    @workflow.run
    async def run(self, good: int, type: str) -> int:
        attempt = workflow.info().attempt
        if attempt < good:
            raise ApplicationError(f"attempt {attempt}", type=type)
        return attempt


QUICK = RetryPolicy(initial_interval=timedelta(milliseconds=100), maximum_attempts=4, non_retryable_error_types=["Fatal"])


@pytest.mark.short
@pytest.mark.needs("workflow-retry")
async def test_a_workflow_is_tried_again(stage):
    async with stage.worker(Stubborn):
        handle = await stage.start(Stubborn.run, 3, "Passing", retry_policy=QUICK)
        assert await handle.result() == 3
        first = stage.handle(handle.id, handle.first_execution_run_id)
        failed = (await events(first))[-1].workflow_execution_failed_event_attributes
        started = (await events(stage.handle(handle.id, failed.new_execution_run_id)))[0]
    attributes = started.workflow_execution_started_event_attributes
    assert attributes.attempt == 2
    assert attributes.continued_failure.message == "attempt 1"
    assert attributes.first_workflow_task_backoff.ToMilliseconds() > 0


@pytest.mark.needs("workflow-retry")
@pytest.mark.parametrize("good, type, attempts", [(9, "Passing", 4), (9, "Fatal", 1)], ids=["exhausted", "non-retryable"])
async def test_the_last_failure_stays(stage, good, type, attempts):
    async with stage.worker(Stubborn):
        handle = await stage.start(Stubborn.run, good, type, retry_policy=QUICK)
        with pytest.raises(WorkflowFailureError) as caught:
            await handle.result()
    assert isinstance(caught.value.cause, ApplicationError)
    assert caught.value.cause.message == f"attempt {attempts}"


@workflow.defn
class Sleeper:
    @workflow.run
    async def run(self) -> None:
        await asyncio.sleep(600)


@pytest.mark.needs("workflow-retry")
async def test_a_run_that_times_out_is_tried_again(stage):
    async with stage.worker(Sleeper):
        handle = await stage.start(
            Sleeper.run, run_timeout=timedelta(seconds=1),
            retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=100), maximum_attempts=2),
        )
        with pytest.raises(WorkflowFailureError) as caught:
            await handle.result()
    assert isinstance(caught.value.cause, TimeoutError)
    last = (await events(stage.handle(handle.id)))[0].workflow_execution_started_event_attributes
    assert last.attempt == 2


@pytest.mark.needs("workflow-retry")
async def test_the_execution_timeout_ends_the_chain(stage):
    async with stage.worker(Stubborn):
        handle = await stage.start(
            Stubborn.run, 1_000, "Passing", execution_timeout=timedelta(seconds=2),
            retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=400), backoff_coefficient=1),
        )
        with pytest.raises(WorkflowFailureError) as caught:
            await handle.result()
    assert isinstance(caught.value.cause, (TimeoutError, ApplicationError))


# --- cron ---


@workflow.defn
class Job:
    """Gives one more than its last run did; the second run fails."""

    @workflow.run
    async def run(self) -> int:
        info = workflow.info()
        last = workflow.get_last_completion_result(int) if workflow.has_last_completion_result() else 0
        failure = workflow.get_last_failure()
        if last == 1 and failure is None:
            raise ApplicationError("the second run", type="Second")
        assert info.cron_schedule == "@every 1s"
        return (last or 0) + 1


@pytest.mark.short
@pytest.mark.needs("cron")
async def test_cron_runs_again_with_the_last_result_and_failure(stage):
    async with stage.worker(Job):
        handle = await stage.start(Job.run, cron_schedule="@every 1s")

        async def third():
            names = await event_names(stage.handle(handle.id))
            started = (await events(stage.handle(handle.id)))[0].workflow_execution_started_event_attributes
            return started if started.HasField("continued_failure") and names else None

        started = await eventually(third)
        assert started.continued_failure.application_failure_info.type == "Second"
        assert started.first_execution_run_id == handle.first_execution_run_id
        assert started.cron_schedule == "@every 1s"
        assert started.last_completion_result.payloads[0].data == b"1"
        first = (await events(stage.handle(handle.id, handle.first_execution_run_id)))[-1]
        assert first.HasField("workflow_execution_completed_event_attributes")
        assert first.workflow_execution_completed_event_attributes.new_execution_run_id
        await stage.handle(handle.id).terminate("enough")
        await ended_as(stage.handle(handle.id), Status.TERMINATED)


@pytest.mark.needs("cron")
@pytest.mark.parametrize("schedule", ["0 12 * * *", "CRON_TZ=America/New_York 15 8 1 * MON-FRI", "@monthly"])
async def test_cron_waits_for_its_time_and_can_be_cancelled(stage, schedule):
    async with stage.worker(Sleeper):
        handle = await stage.start(Sleeper.run, cron_schedule=schedule)
        started = (await events(handle))[0].workflow_execution_started_event_attributes
        assert started.first_workflow_task_backoff.ToSeconds() > 0
        await handle.cancel()
        with pytest.raises(WorkflowFailureError) as caught:
            await handle.result()
    assert isinstance(caught.value.cause, CancelledError)


@pytest.mark.needs("cron")
async def test_a_cron_schedule_that_nobody_can_read(stage):
    with pytest.raises(Exception, match="(?i)invalid.*cron"):
        await stage.start(Sleeper.run, cron_schedule="every now and then")


# --- delay ---


@workflow.defn
class Late:
    @workflow.run
    async def run(self) -> float:
        info = workflow.info()
        return (workflow.now() - info.workflow_start_time).total_seconds()


async def test_start_delay(stage):
    async with stage.worker(Late):
        assert await stage.run(Late.run, start_delay=timedelta(seconds=1)) >= 0.9
