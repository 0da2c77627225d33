"""The order workflow with the official SDK: the four cases, asked for its state at every stage and through every node."""

import asyncio
import itertools
import time
from contextlib import asynccontextmanager

import pytest
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ActivityError, ApplicationError

from harness.rpc import unique
from orders import Order, OrderWorkflow, order_worker


class Shop:
    """An order on a queue of its own; each call goes to the next address."""

    def __init__(self, clients):
        self.clients = itertools.cycle(clients)
        self.id = unique("order")
        self.queue = unique("orders")

    @asynccontextmanager
    async def working(self):
        async with order_worker(next(self.clients), self.queue) as worker:
            yield worker

    async def place(self, **fields):
        fields = {"linger_s": 0.3} | fields
        return await next(self.clients).start_workflow(
            OrderWorkflow.run, Order(self.id, **fields), id=self.id, task_queue=self.queue
        )

    @property
    def order(self):
        return next(self.clients).get_workflow_handle_for(OrderWorkflow.run, self.id)

    async def status(self) -> str:
        return await self.order.query(OrderWorkflow.get_status)

    async def reaches(self, status: str, seconds: float = 20) -> None:
        deadline = time.monotonic() + seconds
        while (found := await self.status()) != status:
            assert time.monotonic() < deadline, f"status is {found}, not {status}, after {seconds} s"
            await asyncio.sleep(0.05)

    async def event_names(self) -> list[str]:
        from harness.rpc import names

        return names((await self.order.fetch_history()).events)


@pytest.fixture
def shop(clients):
    return Shop(clients)


async def failure_of(order) -> ApplicationError:
    with pytest.raises(WorkflowFailureError) as caught:
        await order.result()
    assert isinstance(caught.value.cause, ApplicationError)
    return caught.value.cause


async def test_happy_order_tells_its_state_at_every_stage(shop):
    async with shop.working():
        await shop.place()
        await shop.reaches("Paid")
        await shop.order.signal(OrderWorkflow.picked_up)
        await shop.reaches("Picked up")
        await shop.order.signal(OrderWorkflow.delivered)
        await shop.reaches("Delivered")
        receipt = await shop.order.result()
        assert receipt.status == "Completed"
        assert receipt.payment == f"payment-{shop.id}"
        assert [n.split(": ")[1] for n in receipt.notifications] == ["picked up", "delivered", "how was it?"]
        for _ in range(3):
            assert await shop.status() == "Completed", "asked after the end"
    happened = await shop.event_names()
    assert happened.count("ActivityTaskCompleted") == 4
    assert happened[-1] == "WorkflowExecutionCompleted"


async def test_charge_succeeds_at_the_third_attempt(shop):
    async with shop.working():
        await shop.place()
        await shop.reaches("Paid")
        started = [e async for e in shop.order.fetch_history_events() if e.HasField("activity_task_started_event_attributes")]
        assert started[0].activity_task_started_event_attributes.attempt == 3
        assert "payment provider" in started[0].activity_task_started_event_attributes.last_failure.message
        await shop.order.terminate("seen enough")


async def test_declined_card_fails_the_order_and_is_compensated(shop):
    async with shop.working():
        order = await shop.place(card="0000")
        failure = await failure_of(order)
        assert failure.type == "PaymentFailed"
        assert isinstance(failure.cause, ActivityError)
        assert failure.cause.cause.type == "CardDeclined"
        assert await shop.status() == "Declined"
    happened = await shop.event_names()
    assert happened.count("ActivityTaskFailed") == 1, "non-retryable: one attempt"
    assert happened.count("ActivityTaskCompleted") == 1, "the item was released"
    assert happened[-1] == "WorkflowExecutionFailed"


async def test_order_that_is_not_picked_up_in_time_is_refunded(shop):
    async with shop.working():
        order = await shop.place(pickup_within_s=1)
        assert (await failure_of(order)).type == "NotPickedUp"
        assert await shop.status() == "Refunded"
    happened = await shop.event_names()
    assert happened.count("TimerFired") == 1
    assert happened.count("ActivityTaskCompleted") == 2, "charged and refunded"


async def test_signal_in_the_wrong_state_is_ignored(shop):
    async with shop.working():
        await shop.place()
        await shop.order.signal(OrderWorkflow.delivered)
        await shop.reaches("Paid")
        await shop.order.signal(OrderWorkflow.delivered)
        await asyncio.sleep(0.2)
        assert await shop.status() == "Paid"
        await shop.order.signal(OrderWorkflow.picked_up)
        await shop.reaches("Picked up")
        await shop.order.signal(OrderWorkflow.picked_up)
        await shop.order.signal(OrderWorkflow.delivered)
        assert (await shop.order.result()).status == "Completed"


async def test_invalid_order_is_rejected_before_anything_is_charged(shop):
    async with shop.working():
        order = await shop.place(price_cents=0)
        assert (await failure_of(order)).type == "InvalidOrder"
        assert await shop.status() == "Rejected"
    assert "ActivityTaskScheduled" not in await shop.event_names()


async def test_order_goes_on_with_another_worker(shop):
    """The first worker's sticky cache is lost; the second one replays."""
    async with shop.working():
        await shop.place()
        await shop.reaches("Paid")
    async with shop.working():
        await shop.order.signal(OrderWorkflow.picked_up)
        await shop.reaches("Picked up")
        await shop.order.signal(OrderWorkflow.delivered)
        assert (await shop.order.result()).status == "Completed"
