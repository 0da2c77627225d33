"""An order from checkout to doorstep, as a durable workflow in plain Temporal Python SDK.

    python orders.py worker --address 127.0.0.1:7233

runs a worker for it. Nothing here knows Tenure: the same file runs on any server that speaks the API.
"""

import argparse
import asyncio
import signal as signals
from dataclasses import dataclass, field
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.worker import Worker

TASK_QUEUE = "orders"


@dataclass
class Order:
    """What the customer asked for; the times are parameters so that a test need not wait for the real ones."""

    id: str
    item: str = "Espresso machine"
    price_cents: int = 24_900
    card: str = "4242"
    pickup_within_s: float = 60
    linger_s: float = 5


@dataclass
class Receipt:
    order_id: str
    status: str
    payment: str
    notifications: list[str] = field(default_factory=list)


@dataclass
class Charge:
    order_id: str
    card: str
    price_cents: int


@dataclass
class Notification:
    order_id: str
    text: str


@activity.defn(name="chargeCustomer")
async def charge_customer(charge: Charge) -> str:
    """Declines cards that begin with 0; for the others the payment provider is 'down' at the first two attempts."""
    if charge.card.startswith("0"):
        raise ApplicationError("the card was declined", type="CardDeclined", non_retryable=True)
    attempt = activity.info().attempt
    if attempt <= 2:
        raise ApplicationError(f"payment provider is unavailable (attempt {attempt})", type="ProviderDown")
    return f"payment-{charge.order_id}"


@activity.defn(name="refundCustomer")
async def refund_customer(payment: str) -> str:
    return f"refund-of-{payment}"


@activity.defn(name="releaseItem")
async def release_item(order_id: str) -> None:
    """Puts the item of an order that was never paid back on the shelf."""


@activity.defn(name="sendPushNotification")
async def send_push_notification(notification: Notification) -> str:
    return notification.text


@workflow.defn(name="Order")
class OrderWorkflow:
    """Created -> Paid -> Picked up -> Delivered -> Completed; or Declined; or Refunded."""

    def __init__(self) -> None:
        self.status = "Created"
        self.sent: list[str] = []

    @workflow.run
    async def run(self, order: Order) -> Receipt:
        self.order = order
        self.validate()
        payment = await self.charge()
        self.status = "Paid"

        try:
            await workflow.wait_condition(
                lambda: self.status == "Picked up", timeout=timedelta(seconds=order.pickup_within_s)
            )
        except asyncio.TimeoutError:
            await self.activity("refundCustomer", payment)
            self.status = "Refunded"
            raise ApplicationError("not picked up in time, refunded", type="NotPickedUp") from None

        await self.notify("picked up")
        await workflow.wait_condition(lambda: self.status == "Delivered")
        await self.notify("delivered")
        await asyncio.sleep(order.linger_s)
        await self.notify("how was it?")
        self.status = "Completed"
        return Receipt(order.id, self.status, payment, self.sent)

    @workflow.signal(name="pickedUp")
    def picked_up(self) -> None:
        if self.status == "Paid":
            self.status = "Picked up"

    @workflow.signal(name="delivered")
    def delivered(self) -> None:
        if self.status == "Picked up":
            self.status = "Delivered"

    @workflow.query(name="getStatus")
    def get_status(self) -> str:
        return self.status

    def validate(self) -> None:
        if self.order.price_cents <= 0:
            self.status = "Rejected"
            raise ApplicationError("an order needs a price", type="InvalidOrder", non_retryable=True)

    async def charge(self) -> str:
        order = self.order
        try:
            return await self.activity("chargeCustomer", Charge(order.id, order.card, order.price_cents))
        except ActivityError as failure:
            await self.activity("releaseItem", order.id)
            self.status = "Declined"
            raise ApplicationError("payment failed", type="PaymentFailed") from failure

    async def notify(self, text: str) -> None:
        note = Notification(self.order.id, f"{self.order.item}: {text}")
        self.sent.append(await self.activity("sendPushNotification", note))

    async def activity(self, name: str, argument: object) -> str:
        return await workflow.execute_activity(
            name,
            argument,
            result_type=str,
            start_to_close_timeout=timedelta(seconds=10),
            retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(seconds=2)),
        )


ACTIVITIES = [charge_customer, refund_customer, release_item, send_push_notification]


def order_worker(client: Client, task_queue: str = TASK_QUEUE, **options) -> Worker:
    return Worker(client, task_queue=task_queue, workflows=[OrderWorkflow], activities=ACTIVITIES, **options)


async def work(address: str, namespace: str, task_queue: str, sticky_s: float) -> None:
    """Runs a worker until SIGINT or SIGTERM; a server that is not there yet, or away, is waited for."""
    stop = asyncio.Event()
    for number in (signals.SIGINT, signals.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    while True:
        try:
            client = await Client.connect(address, namespace=namespace)
            break
        except RuntimeError:
            await asyncio.sleep(0.5)
    async with order_worker(
        client, task_queue, sticky_queue_schedule_to_start_timeout=timedelta(seconds=sticky_s)
    ):
        print(f"worker on {address} polls {task_queue}", flush=True)
        await stop.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("role", choices=["worker"])
    parser.add_argument("--address", default="127.0.0.1:7233")
    parser.add_argument("--namespace", default="default")
    parser.add_argument("--task-queue", default=TASK_QUEUE)
    parser.add_argument("--sticky-timeout", type=float, default=10, help="seconds until another worker may take over")
    args = parser.parse_args()
    asyncio.run(work(args.address, args.namespace, args.task_queue, args.sticky_timeout))


if __name__ == "__main__":
    main()
