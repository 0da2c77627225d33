"""Updates: validators, stages, ids, failures, and those that start their workflow."""

import asyncio
from datetime import timedelta

import pytest
from temporalio import activity, workflow
from temporalio.client import (
    WithStartWorkflowOperation,
    WorkflowExecutionStatus,
    WorkflowUpdateFailedError,
    WorkflowUpdateStage,
)
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from harness.rpc import unique
from harness.stage import ended_as, event_names

pytestmark = pytest.mark.needs("updates")


@activity.defn
async def price(item: str) -> int:
    return len(item)


@workflow.defn
class Cart:
    """Takes updates until it is told to check out."""

    def __init__(self) -> None:
        self.items: list[str] = []
        self.done = False
        self.go = False

    @workflow.run
    async def run(self) -> list[str]:
        await workflow.wait_condition(lambda: self.done and workflow.all_handlers_finished())
        return self.items

    @workflow.update
    async def add(self, item: str) -> int:
        self.items.append(item)
        return len(self.items)

    @add.validator
    def check(self, item: str) -> None:
        if not item:
            raise ApplicationError("nothing to add", type="Empty")

    @workflow.update
    async def add_priced(self, item: str) -> int:
        """Takes an activity and a moment."""
        cost = await workflow.execute_activity(price, item, start_to_close_timeout=timedelta(seconds=10))
        self.items.append(item)
        return cost

    @workflow.update
    async def add_later(self, item: str) -> str:
        await workflow.wait_condition(lambda: self.go)
        self.items.append(item)
        return item

    @workflow.update
    async def spoil(self) -> None:
        raise ApplicationError("it fell", type="Spoilt")

    @workflow.update(name="by another name")
    def named(self) -> str:
        return workflow.current_update_info().id if workflow.current_update_info() else ""

    @workflow.signal
    def release(self) -> None:
        self.go = True

    @workflow.signal
    def check_out(self) -> None:
        self.done = True

    @workflow.query
    def count(self) -> int:
        return len(self.items)


@pytest.fixture
async def cart(stage):
    async with stage.worker(Cart, activities=[price]):
        handle = await stage.start(Cart.run)
        yield handle
        if (await handle.describe()).status == WorkflowExecutionStatus.RUNNING:
            await handle.terminate()


@pytest.mark.short
async def test_an_update_answers_with_its_result(stage, cart):
    assert await cart.execute_update(Cart.add, "bread") == 1
    assert await cart.execute_update(Cart.add_priced, "butter") == 6
    assert await stage.handle(cart.id).execute_update("by another name", id="my-id") == "my-id"
    assert await cart.query(Cart.count) == 2
    await cart.signal(Cart.check_out)
    assert await cart.result() == ["bread", "butter"]
    names = await event_names(cart)
    assert names.count("WorkflowExecutionUpdateAccepted") == names.count("WorkflowExecutionUpdateCompleted") == 3


@pytest.mark.short
async def test_a_rejected_update_leaves_no_trace(cart):
    await cart.execute_update(Cart.add, "bread")
    before = await event_names(cart)
    with pytest.raises(WorkflowUpdateFailedError) as caught:
        await cart.execute_update(Cart.add, "")
    assert isinstance(caught.value.cause, ApplicationError)
    assert (caught.value.cause.message, caught.value.cause.type) == ("nothing to add", "Empty")
    assert await event_names(cart) == before
    assert await cart.execute_update(Cart.add, "butter") == 2


async def test_a_failed_update(cart):
    with pytest.raises(WorkflowUpdateFailedError) as caught:
        await cart.execute_update(Cart.spoil)
    assert isinstance(caught.value.cause, ApplicationError) and caught.value.cause.type == "Spoilt"
    assert "WorkflowExecutionUpdateCompleted" in await event_names(cart)


async def test_an_update_that_nobody_handles(cart):
    with pytest.raises(WorkflowUpdateFailedError) as caught:
        await cart.execute_update("unheard of")
    assert "unheard of" in str(caught.value.cause)


async def test_accepted_first_and_completed_later(stage, cart):
    update = await cart.start_update(Cart.add_later, "milk", wait_for_stage=WorkflowUpdateStage.ACCEPTED)
    assert "WorkflowExecutionUpdateAccepted" in await event_names(cart)
    waiting = asyncio.create_task(update.result())
    await asyncio.sleep(0.2)
    assert not waiting.done()
    await cart.signal(Cart.release)
    assert await waiting == "milk"
    again = stage.handle(cart.id).get_update_handle(update.id)
    assert await again.result() == "milk"


@pytest.mark.short
async def test_an_update_id_is_used_once(stage, cart):
    same = [stage.handle(cart.id).execute_update(Cart.add, f"bread {n}", id="only") for n in range(5)]
    assert await asyncio.gather(*same) == [1] * 5
    assert await cart.query(Cart.count) == 1


async def test_many_at_once(stage, cart):
    counts = await asyncio.gather(*[stage.handle(cart.id).execute_update(Cart.add_priced, f"i{n}") for n in range(8)])
    assert counts == [2] * 8
    await cart.signal(Cart.check_out)
    assert sorted(await cart.result()) == sorted(f"i{n}" for n in range(8))


async def test_updates_keep_their_order(cart):
    for n in range(10):
        assert await cart.execute_update(Cart.add, f"i{n}") == n + 1
    await cart.signal(Cart.check_out)
    assert await cart.result() == [f"i{n}" for n in range(10)]


async def test_the_worker_comes_after_the_update(stage):
    handle = await stage.start(Cart.run)
    update = asyncio.create_task(handle.execute_update(Cart.add, "bread"))
    await asyncio.sleep(0.3)
    assert not update.done()
    async with stage.worker(Cart, activities=[price]):
        assert await update == 1
    await handle.terminate()


async def test_a_closed_workflow_keeps_what_was_completed(stage, cart):
    await cart.execute_update(Cart.add, "bread", id="before")
    await cart.signal(Cart.check_out)
    await cart.result()
    assert await stage.handle(cart.id).get_update_handle("before").result() == 1
    with pytest.raises(RPCError) as caught:
        await cart.execute_update(Cart.add, "butter")
    assert caught.value.status == RPCStatusCode.NOT_FOUND


async def test_an_update_that_was_accepted_when_its_workflow_ended(cart):
    update = await cart.start_update(Cart.add_later, "milk", wait_for_stage=WorkflowUpdateStage.ACCEPTED)
    await cart.terminate("enough")
    with pytest.raises(WorkflowUpdateFailedError) as caught:
        await asyncio.wait_for(update.result(), 10)
    assert "complete" in str(caught.value.cause).lower()


async def test_updates_replay(stage):
    """Without a cache each task replays all accepted updates."""
    async with stage.worker(Cart, activities=[price], max_cached_workflows=0, client=stage.client):
        handle = await stage.start(Cart.run)
        for n in range(4):
            assert await handle.execute_update(Cart.add_priced, "x" * n) == n
        with pytest.raises(WorkflowUpdateFailedError):
            await handle.execute_update(Cart.add, "")
        await handle.signal(Cart.check_out)
        assert len(await handle.result()) == 4


# --- over the end of a run ---


@workflow.defn
class Till:
    """Goes on as new after each update."""

    @workflow.init
    def __init__(self, sum: int) -> None:
        self.sum = sum
        self.moved = False

    @workflow.run
    async def run(self, sum: int) -> int:
        await workflow.wait_condition(lambda: self.moved and workflow.all_handlers_finished())
        if self.sum >= 10:
            return self.sum
        workflow.continue_as_new(self.sum)

    @workflow.update
    async def take(self, coins: int) -> int:
        self.sum += coins
        self.moved = True
        return self.sum


@pytest.mark.needs("continue-as-new")
async def test_updates_follow_a_workflow_that_goes_on_as_new(stage):
    async with stage.worker(Till):
        handle = await stage.start(Till.run, 0)
        for n in range(1, 6):
            assert await stage.handle(handle.id).execute_update(Till.take, 2) == 2 * n
        assert await handle.result() == 10


# --- with start ---


def with_start(stage, id: str, conflict=WorkflowIDConflictPolicy.USE_EXISTING):
    return WithStartWorkflowOperation(Cart.run, id=id, task_queue=stage.queue, id_conflict_policy=conflict)


@pytest.mark.short
@pytest.mark.needs("update-with-start")
async def test_update_with_start(stage):
    id = unique("cart")
    async with stage.worker(Cart, activities=[price]):
        runs = []
        for n in range(3):
            operation = with_start(stage, id)
            added = await stage.client.execute_update_with_start_workflow(
                Cart.add, f"i{n}", start_workflow_operation=operation
            )
            assert added == n + 1
            runs.append((await operation.workflow_handle()).first_execution_run_id)
        assert len(set(runs)) == 1
        await stage.handle(id).signal(Cart.check_out)
        await ended_as(stage.handle(id), WorkflowExecutionStatus.COMPLETED)


@pytest.mark.needs("update-with-start")
async def test_update_with_start_that_is_rejected_still_starts(stage):
    id = unique("cart")
    async with stage.worker(Cart, activities=[price]):
        with pytest.raises(WorkflowUpdateFailedError):
            await stage.client.execute_update_with_start_workflow(
                Cart.add, "", start_workflow_operation=with_start(stage, id)
            )
        assert await stage.handle(id).query(Cart.count) == 0
        await stage.handle(id).terminate()


@pytest.mark.needs("update-with-start")
async def test_update_with_start_of_a_running_workflow_may_fail(stage):
    id = unique("cart")
    async with stage.worker(Cart, activities=[price]):
        await stage.start(Cart.run, id=id)
        operation = with_start(stage, id, WorkflowIDConflictPolicy.FAIL)
        with pytest.raises(Exception, match="(?i)already"):
            await stage.client.execute_update_with_start_workflow(Cart.add, "x", start_workflow_operation=operation)
        assert await stage.handle(id).query(Cart.count) == 0
        await stage.handle(id).terminate()
