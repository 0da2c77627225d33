"""The story that scripts/quickstart tells: an order, its leader's death, its end. Wants scripts/cluster to be up."""

import asyncio
import json
import logging
import os
import subprocess
import time
import uuid
from pathlib import Path

from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

from orders import Order, OrderWorkflow, order_worker

ROOT = Path(__file__).resolve().parent.parent
OFFSET = int(os.environ.get("TENURE_PORT_OFFSET") or 0)
BINARY = Path(os.environ["TENURE_DATA"]) / "bin" / "tenure"
began = time.monotonic()
# The payment provider fails on purpose; the SDK would print a traceback each time.
logging.getLogger("temporalio.activity").setLevel(logging.CRITICAL)


def say(text: str) -> None:
    print(f"[{time.monotonic() - began:5.1f} s] {text}", flush=True)


def address(node: int) -> str:
    return f"127.0.0.1:{7233 + OFFSET + 10 * (node - 1)}"


async def cluster(*arguments: str) -> str:
    """What scripts/cluster prints; the workers in this process go on meanwhile."""
    command = [ROOT / "scripts" / "cluster", *arguments]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"scripts/cluster {' '.join(arguments)}: {done.stderr}{done.stdout}")
    return done.stdout.strip()


def locate(workflow_id: str, ask: int) -> dict:
    command = [BINARY, "cluster", "locate", "--namespace", "default", "--workflow-id", workflow_id, "--json",
               "--address", f"127.0.0.1:{7234 + OFFSET + 10 * (ask - 1)}"]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


async def reaches(order, status: str, within_s: float = 30) -> None:
    deadline = time.monotonic() + within_s
    while (found := await order.query(OrderWorkflow.get_status)) != status:
        if time.monotonic() > deadline:
            raise SystemExit(f"the order is '{found}', not '{status}', after {within_s} s")
        await asyncio.sleep(0.02)


async def main() -> None:
    id = f"order-{uuid.uuid4().hex[:6]}"
    place = locate(id, ask=1)
    leader = place["leader"]
    others = [node for node in (1, 2, 3) if node != leader]
    say(f"{id} belongs to slot {place['slot']}, shard {place['shard']}; node {leader} leads it")

    client = await Client.connect(address(others[0]))
    async with order_worker(client), order_worker(await Client.connect(address(others[1]))):
        say(f"two workers, on nodes {others[0]} and {others[1]}")
        started = await client.start_workflow(OrderWorkflow.run, Order(id, linger_s=2), id=id, task_queue="orders")
        order = client.get_workflow_handle_for(OrderWorkflow.run, id, run_id=started.result_run_id)
        say("order placed; the payment provider fails twice ...")
        await reaches(order, "Paid")
        say("... and is tried a third time. getStatus: Paid. The order waits to be picked up")

        say(await cluster("kill", str(leader)) + " (kill -9)")
        killed = time.monotonic()
        await order.signal(OrderWorkflow.picked_up)
        acknowledged = time.monotonic() - killed
        await reaches(order, "Picked up")
        went_on = time.monotonic() - killed
        new_leader = locate(id, ask=others[0])["leader"]
        say(f"signal pickedUp, sent at once to node {others[0]}. getStatus: Picked up; node {new_leader} leads now")
        say(f"observed gap: {acknowledged:.2f} s until the signal was acknowledged, {went_on:.2f} s until the order moved")

        say(await cluster("restart", str(leader)))
        await order.signal(OrderWorkflow.delivered)
        receipt = await order.result()
        say(f"{receipt.status}: {receipt.payment}; told the customer: {', '.join(receipt.notifications)}")
        back = await Client.connect(address(leader))
        answer = await back.get_workflow_handle_for(OrderWorkflow.run, id).query(OrderWorkflow.get_status)
        say(f"getStatus after the end, asked at node {leader}: {answer}")
    await print_history(order)


async def print_history(order) -> None:
    print(f"\nHistory of {order.id}")
    first = None
    async for event in order.fetch_history_events():
        first = first or event.event_time.ToNanoseconds()
        name = EventType.Name(event.event_type).removeprefix("EVENT_TYPE_").title().replace("_", "")
        after = (event.event_time.ToNanoseconds() - first) / 1e9
        print(f"{event.event_id:4}  {after:7.3f} s  {name:28} {detail(event)}")


def detail(event) -> str:
    attributes = getattr(event, event.WhichOneof("attributes"))
    for field in ("signal_name", "activity_type", "timer_id", "workflow_type"):
        if field in attributes.DESCRIPTOR.fields_by_name and attributes.ByteSize():
            value = getattr(attributes, field)
            return getattr(value, "name", value)
    if "attempt" in attributes.DESCRIPTOR.fields_by_name and attributes.attempt > 1:
        return f"attempt {attributes.attempt}"
    return ""


if __name__ == "__main__":
    asyncio.run(main())
