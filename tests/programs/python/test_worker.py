"""The worker's side: caches, restarts, broken code, changed code, randomness, load."""

import asyncio
import contextlib
from datetime import timedelta

import pytest
from temporalio import activity, workflow
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError
from temporalio.worker import PollerBehaviorAutoscaling, Replayer, UnsandboxedWorkflowRunner

from harness.stage import SANDBOX, event_names, events, eventually


@activity.defn
async def add_one(number: int) -> int:
    return number + 1


@workflow.defn
class Steps:
    """Adds one by activity, again and again, with a timer between; waits for a signal in the middle."""

    def __init__(self) -> None:
        self.may_go = False
        self.reached = 0

    @workflow.run
    async def run(self, steps: int) -> int:
        for step in range(steps):
            self.reached = await workflow.execute_activity(
                add_one, self.reached, start_to_close_timeout=timedelta(seconds=20)
            )
            await asyncio.sleep(0.01)
            if step == steps // 2:
                await workflow.wait_condition(lambda: self.may_go)
        return self.reached

    @workflow.signal
    def go(self) -> None:
        self.may_go = True

    @workflow.query
    def where(self) -> int:
        return self.reached


@pytest.mark.short
@pytest.mark.parametrize("cached", [0, 1])
async def test_a_worker_that_forgets(stage, cached):
    """With a cache for none or one of three workflows, each task begins from the whole history."""
    async with stage.worker(Steps, activities=[add_one], max_cached_workflows=cached):
        handles = [await stage.start(Steps.run, 4) for _ in range(3)]
        for handle in handles:
            await handle.signal(Steps.go)
        assert await asyncio.gather(*[handle.result() for handle in handles]) == [4] * 3


@pytest.mark.short
async def test_another_worker_goes_on(stage):
    """The first worker is stopped in the middle; the second one, at another address, begins from the history."""
    async with stage.worker(Steps, activities=[add_one]):
        handle = await stage.start(Steps.run, 6)
        await eventually(lambda: reached(handle, 4))
    await handle.signal(Steps.go)
    async with stage.worker(Steps, activities=[add_one]):
        assert await handle.result() == 6
        assert await handle.query(Steps.where) == 6


async def reached(handle, wanted: int) -> bool:
    return await handle.query(Steps.where) >= wanted


async def test_a_worker_stops_while_its_workflows_run(stage):
    """Workers come and go under twenty workflows."""
    handles = [await stage.start(Steps.run, 6) for _ in range(20)]
    for handle in handles:
        await handle.signal(Steps.go)
    for _ in range(3):
        async with stage.worker(Steps, activities=[add_one]):
            await asyncio.sleep(0.4)
    async with stage.worker(Steps, activities=[add_one]):
        assert await asyncio.gather(*[handle.result() for handle in handles]) == [6] * 20


@pytest.mark.short
async def test_many_workflows_at_once(stage):
    workers = [stage.worker(Steps, activities=[add_one], workflow_runner=UnsandboxedWorkflowRunner()) for _ in range(2)]
    async with contextlib.AsyncExitStack() as stack:
        for worker in workers:
            await stack.enter_async_context(worker)
        handles = await asyncio.gather(*[stage.start(Steps.run, 3) for _ in range(30)])
        await asyncio.gather(*[handle.signal(Steps.go) for handle in handles])
        assert await asyncio.gather(*[handle.result() for handle in handles]) == [3] * 30


async def test_pollers_that_scale_themselves(stage):
    scaling = PollerBehaviorAutoscaling(minimum=1, initial=2, maximum=8)
    async with stage.worker(
        Steps, activities=[add_one], workflow_task_poller_behavior=scaling, activity_task_poller_behavior=scaling
    ):
        handles = [await stage.start(Steps.run, 3) for _ in range(10)]
        for handle in handles:
            await handle.signal(Steps.go)
        assert await asyncio.gather(*[handle.result() for handle in handles]) == [3] * 10


# --- broken and changed code ---


@workflow.defn(name="Fixable")
class BrokenOnce:
    @workflow.run
    async def run(self) -> str:
        raise RuntimeError("a bug")


@workflow.defn(name="Fixable")
class Fixed:
    @workflow.run
    async def run(self) -> str:
        return "fixed"


async def test_a_failed_workflow_task_is_tried_again_with_fixed_code(stage):
    async with stage.worker(BrokenOnce):
        handle = await stage.start("Fixable", task_timeout=timedelta(seconds=2))
        await eventually(lambda: failed_task(handle))
    async with stage.worker(Fixed):
        assert await handle.result() == "fixed"
    assert (await event_names(handle)).count("WorkflowTaskFailed") == 1


async def failed_task(handle) -> bool:
    return "WorkflowTaskFailed" in await event_names(handle)


async def test_a_bug_may_fail_the_workflow(stage):
    async with stage.worker(BrokenOnce, workflow_failure_exception_types=[RuntimeError]):
        with pytest.raises(WorkflowFailureError) as caught:
            await stage.run("Fixable")
    assert isinstance(caught.value.cause, ApplicationError) and caught.value.cause.type == "RuntimeError"


@workflow.defn(name="Evolving")
class Before:
    def __init__(self) -> None:
        self.may_go = False

    @workflow.run
    async def run(self) -> str:
        await workflow.wait_condition(lambda: self.may_go)
        return "old"

    @workflow.signal
    def go(self) -> None:
        self.may_go = True


@workflow.defn(name="Evolving")
class Patched:
    def __init__(self) -> None:
        self.may_go = False

    @workflow.run
    async def run(self) -> str:
        new = workflow.patched("new-way")
        await workflow.wait_condition(lambda: self.may_go)
        return "new" if new else "old"

    @workflow.signal
    def go(self) -> None:
        self.may_go = True


@workflow.defn(name="Evolving")
class Deprecated:
    def __init__(self) -> None:
        self.may_go = False

    @workflow.run
    async def run(self) -> str:
        workflow.deprecate_patch("new-way")
        await workflow.wait_condition(lambda: self.may_go)
        return "new"

    @workflow.signal
    def go(self) -> None:
        self.may_go = True


async def test_patches(stage):
    """Old runs keep their way through two changes of the code; a new one is marked, and tells its version."""
    async with stage.worker(Before):
        old = await stage.start("Evolving", result_type=str)
        await eventually(lambda: has_begun(old))
    async with stage.worker(Patched):
        new = await stage.start("Evolving", result_type=str)
        await eventually(lambda: has_begun(new))
        await old.signal("go")
        assert await old.result() == "old"
    async with stage.worker(Deprecated):
        await new.signal("go")
        assert await new.result() == "new"
    names = await event_names(new)
    assert names[4:6] == ["MarkerRecorded", "UpsertWorkflowSearchAttributes"]
    versions = (await new.describe()).search_attributes["TemporalChangeVersion"]
    assert versions == ["new-way"]


async def has_begun(handle) -> bool:
    return "WorkflowTaskCompleted" in await event_names(handle)


# --- randomness and replay ---


@workflow.defn
class Dice:
    """Draws ids and numbers in several tasks; the query shows what this worker has drawn."""

    def __init__(self) -> None:
        self.drawn: list[str] = []

    @workflow.run
    async def run(self) -> list[str]:
        for _ in range(3):
            self.drawn += [str(workflow.uuid4()), str(workflow.random().random()), workflow.now().isoformat()]
            await asyncio.sleep(0.01)
        return self.drawn

    @workflow.query
    def seen(self) -> list[str]:
        return self.drawn


async def test_what_a_replay_draws_is_what_was_drawn(stage):
    async with stage.worker(Dice, max_cached_workflows=0):
        handles = [await stage.start(Dice.run) for _ in range(3)]
        drawn = [await handle.result() for handle in handles]
        assert [await handle.query(Dice.seen) for handle in handles] == drawn
    assert len({pick for picks in drawn for pick in picks if "-" in pick and "T" not in pick}) == 9


@pytest.mark.short
async def test_histories_from_the_server_replay(stage):
    async with stage.worker(Steps, Dice, activities=[add_one]):
        steps = await stage.start(Steps.run, 4)
        await steps.signal(Steps.go)
        dice = await stage.start(Dice.run)
        await asyncio.gather(steps.result(), dice.result())
    replayer = Replayer(workflows=[Steps, Dice], workflow_runner=SANDBOX)
    for handle in steps, dice:
        history = await handle.fetch_history()
        await replayer.replay_workflow(history)
        again = type(history).from_json(handle.id, history.to_json())
        await replayer.replay_workflow(again)
    with pytest.raises(workflow.NondeterminismError):
        await Replayer(workflows=[SwappedSteps], workflow_runner=SANDBOX).replay_workflow(await steps.fetch_history())


@workflow.defn(name="Steps")
class SwappedSteps:
    @workflow.run
    async def run(self, steps: int) -> int:
        await asyncio.sleep(1)
        return steps

    @workflow.signal
    def go(self) -> None:
        pass
