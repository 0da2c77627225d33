"""Workers and clients in Rust and in Python (the official SDK) use each other's workflows and activities."""

import asyncio
import contextlib
from dataclasses import asdict, dataclass
from datetime import timedelta

import pytest
import pytest_asyncio
from google.protobuf.timestamp_pb2 import Timestamp
from temporalio import activity, workflow
from temporalio.client import (Client, WithStartWorkflowOperation, WorkflowFailureError, WorkflowQueryFailedError,
                               WorkflowUpdateFailedError, WorkflowUpdateStage)
from temporalio.common import RetryPolicy, WorkflowIDConflictPolicy
from temporalio.exceptions import ActivityError, ApplicationError, CancelledError, ChildWorkflowError, TimeoutError
from temporalio.worker import Worker

from harness import rust
from harness.rpc import unique
from harness.stage import SANDBOX, Stage, eventually
from orders import ACTIVITIES, Order, OrderWorkflow

DAY = 24 * 3600


@activity.defn(name="join")
async def join(words: list[str], between: str | None) -> str:
    return (" " if between is None else between).join(words)


@activity.defn(name="nothing")
async def nothing(value: str | None) -> str | None:
    return value


@activity.defn(name="backwards")
async def backwards(data: bytes) -> bytes:
    return data[::-1]


@activity.defn(name="tomorrow")
async def tomorrow(day: Timestamp) -> Timestamp:
    return Timestamp(seconds=day.seconds + DAY, nanos=day.nanos)


@activity.defn(name="misbehave")
async def misbehave(how: str) -> None:
    match how:
        case "declines":
            raise ApplicationError("too much", "limit", 7, type="Declined", non_retryable=True)
        case "breaks":
            raise ValueError("broken")
        case "is slow":
            await asyncio.sleep(60)
        case "waits":
            while True:
                activity.heartbeat("still here")
                await asyncio.sleep(0.1)


@workflow.defn(name="Shout")
class Shout:
    @workflow.run
    async def run(self, text: str) -> str:
        if not text:
            raise ApplicationError("nothing to shout", type="Empty")
        return text.upper()


@dataclass
class Seen:
    """What a Python workflow can tell of a failure in Rust."""

    kind: str
    message: str
    type: str | None = None
    details: list | None = None
    non_retryable: bool | None = None
    cause: str | None = None


def seen(failure: ActivityError | ChildWorkflowError) -> Seen:
    match failure.cause:
        case ApplicationError() as it:
            cause = it.cause.type if isinstance(it.cause, ApplicationError) else None
            return Seen("application", it.message, it.type, list(it.details), it.non_retryable, cause)
        case TimeoutError() as it:
            return Seen("timeout", it.message, it.type.name)
        case CancelledError() as it:
            return Seen("cancelled", it.message)
        case other:
            return Seen(type(other).__name__, str(other))


@workflow.defn(name="UsesRust")
class UsesRust:
    @workflow.run
    async def run(self, rust: str, part: str) -> dict:
        self.rust = rust
        return await getattr(self, part)()

    def activity(self, name: str, *arguments, result: type | None = None, seconds: float = 10, **options):
        return workflow.start_activity(name, args=arguments, result_type=result, task_queue=self.rust,
                                       start_to_close_timeout=timedelta(seconds=seconds),
                                       retry_policy=RetryPolicy(maximum_attempts=1), **options)

    async def values(self) -> dict:
        noon = Timestamp(seconds=DAY // 2)
        return {
            "total": await self.activity("total", [1, 2, 3], 4, result=int),
            "null": await self.activity("total", [5], None, result=int),
            "left out": await self.activity("total", [6], result=int),
            "bytes": list(await self.activity("flip", b"\x00abc\xff", result=bytes)),
            "protobuf": (await self.activity("echo", noon, result=Timestamp)).ToJsonString(),
            "none": await self.activity("echo", None),
            "child": await workflow.execute_child_workflow("hello", "Bo", task_queue=self.rust, result_type=str),
        }

    async def failures(self) -> dict:
        invalid = Order("none", price_cents=0)
        return {
            "activity": await self.outcome(self.activity("decline", "a car")),
            "timeout": await self.outcome(self.activity("dawdle", seconds=1)),
            "child": await self.outcome(workflow.execute_child_workflow("Order", invalid, task_queue=self.rust)),
        }

    async def cancellation(self) -> dict:
        dawdling = self.activity("dawdle", seconds=60, heartbeat_timeout=timedelta(seconds=3),
                                 cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED)
        await asyncio.sleep(0.2)
        dawdling.cancel()
        return {"activity": await self.outcome(dawdling)}

    async def outcome(self, work) -> dict:
        try:
            return {"result": await work}
        except (ActivityError, ChildWorkflowError) as failure:
            return asdict(seen(failure))


class Neighbours(Stage):
    """A worker in Rust and one in Python, each with its queue."""

    def __init__(self, client: Client, addresses: list[str]):
        super().__init__([client])
        self.rust = unique("rust")
        self.addresses = addresses

    async def in_rust(self, name: str, *arguments, **options):
        """A workflow there, told where Python's activities are."""
        return await self.start(name, *arguments, task_queue=self.rust, **options)

    async def in_python(self, part: str) -> dict:
        return await self.run(UsesRust.run, self.rust, part)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def neighbours(server, directory):
    stage = Neighbours(await Client.connect(server.addresses[0]), server.addresses)
    log = directory / f"{stage.rust}.log"
    activities = [join, nothing, backwards, tomorrow, misbehave]
    with rust.Program("worker", "--task-queue", stage.rust, addresses=server.addresses, log=log):
        async with stage.worker(UsesRust, Shout, activities=activities):
            yield stage


async def test_rust_calls_activities_in_python_with_values_of_every_kind(neighbours):
    handle = await neighbours.in_rust("errands", neighbours.queue, ["a", "b"])
    assert await handle.result() == {
        "joined": "a-b", "spaced": "a b", "nothing": None, "something": "x", "backwards": list(b"\xffcba\x00"),
    }


async def test_rust_passes_protobuf_on(neighbours):
    handle = await neighbours.in_rust("relay", neighbours.queue, Timestamp(seconds=DAY), result_type=Timestamp)
    assert await handle.result() == Timestamp(seconds=2 * DAY)


@pytest.mark.parametrize("how, expected", [
    ("declines", {"type": "Declined", "message": "too much", "retryable": False, "details": ["limit", 7]}),
    ("breaks", {"type": "ValueError", "message": "broken", "retryable": True}),
    ("is slow", {"timeout": "TIMEOUT_TYPE_START_TO_CLOSE", "retryable": True}),
])
async def test_rust_sees_how_an_activity_in_python_fails(neighbours, how, expected):
    found = await (await neighbours.in_rust("inspect", neighbours.queue, how)).result()
    assert {key: found[key] for key in expected} == expected
    assert not found["cancelled"]


async def test_a_failure_travels_from_python_through_rust_to_python(neighbours):
    handle = await neighbours.in_rust("suffer", neighbours.queue, "declines")
    with pytest.raises(WorkflowFailureError) as caught:
        await handle.result()
    outer = caught.value.cause
    assert isinstance(outer, ActivityError) and outer.activity_type == "misbehave", repr(outer)
    inner = outer.cause
    assert isinstance(inner, ApplicationError)
    assert (inner.type, inner.message, tuple(inner.details), inner.non_retryable) == (
        "Declined", "too much", ("limit", 7), True)


async def test_a_cancellation_travels_from_python_through_rust_to_python(neighbours):
    handle = await neighbours.in_rust("suffer", neighbours.queue, "waits")

    async def waiting():
        pending = (await handle.describe()).raw_description.pending_activities
        return any(it.HasField("last_heartbeat_time") for it in pending)

    await eventually(waiting)
    await handle.cancel()
    with pytest.raises(WorkflowFailureError) as caught:
        await handle.result()
    assert isinstance(caught.value.cause, CancelledError)
    events = [event async for event in handle.fetch_history_events()]
    assert any(event.HasField("activity_task_canceled_event_attributes") for event in events), "it has stopped"


async def test_rust_has_a_child_in_python(neighbours):
    assert await (await neighbours.in_rust("delegate", neighbours.queue, "hey")).result() == "HEY"
    assert await (await neighbours.in_rust("delegate", neighbours.queue, "")).result() == "Empty: nothing to shout"


async def test_python_calls_rust_with_values_of_every_kind(neighbours):
    assert await neighbours.in_python("values") == {
        "total": 10, "null": 5, "left out": 6, "bytes": list(b"\xffcba\x00"), "protobuf": "1970-01-01T12:00:00Z",
        "none": None, "child": "Hello, Bo!",
    }


async def test_python_sees_how_rust_fails(neighbours):
    found = await neighbours.in_python("failures")
    assert found["activity"] == asdict(
        Seen("application", "a car is declined", "Declined", ["a car", 7], non_retryable=True, cause="Limit"))
    assert found["timeout"]["type"] == "START_TO_CLOSE"
    child = found["child"]
    assert (child["kind"], child["type"], child["non_retryable"]) == ("application", "InvalidOrder", True)


async def test_python_cancels_an_activity_in_rust(neighbours):
    found = await neighbours.in_python("cancellation")
    assert found["activity"]["kind"] == "cancelled"


async def test_a_python_client_speaks_to_a_rust_workflow(neighbours):
    handle = await neighbours.in_rust("subscription", "Ann", 999)
    await eventually(lambda: handle.query("charges"))
    assert await handle.execute_update("change_amount", 1299) == 999
    with pytest.raises(WorkflowUpdateFailedError) as caught:
        await handle.execute_update("change_amount", 0)
    assert isinstance(caught.value.cause, ApplicationError) and caught.value.cause.type == "InvalidAmount"
    with pytest.raises(WorkflowUpdateFailedError) as caught:
        await handle.execute_update("no such update")
    assert "there are: change_amount" in str(caught.value.cause)
    with pytest.raises(WorkflowQueryFailedError, match="there are: charges"):
        await handle.query("no such query")
    await handle.signal("end")
    assert await handle.result() == 999
    assert await handle.query("charges") == 1, "asked after the end"


async def test_a_python_client_starts_a_rust_workflow_by_signal_and_by_update(neighbours):
    id = unique("loyalty")
    handle = await neighbours.in_rust("loyalty", {"customer": "Ann", "points": 60, "coupons": 0}, id=id,
                                      start_signal="add_points", start_signal_args=[50])

    async def coupon():
        return (await handle.query("account")) == {"customer": "Ann", "points": 10, "coupons": 1}

    await eventually(coupon)
    await handle.terminate("the test ends")

    start = WithStartWorkflowOperation("subscription", args=["Bo", 500], id=unique("subscription"),
                                       task_queue=neighbours.rust, id_conflict_policy=WorkflowIDConflictPolicy.FAIL)
    update = await neighbours.client.start_update_with_start_workflow(
        "change_amount", 700, start_workflow_operation=start, wait_for_stage=WorkflowUpdateStage.COMPLETED)
    assert await update.result() == 500, "the workflow's first lines came before the update"
    handle = await start.workflow_handle()
    await handle.signal("end")
    assert await handle.result() == 500


async def orders_served_by(neighbours, directory, workflows: str, activities: str) -> None:
    """A client in Rust has three orders delivered by one queue's workers."""
    queue = unique("orders")
    of_rust = [kind for kind, language in (("workflows", workflows), ("activities", activities)) if language == "rust"]
    async with contextlib.AsyncExitStack() as workers:
        for only in of_rust:
            options = ["--task-queue", queue, "--only", only]
            log = directory / f"{queue}.log"
            workers.enter_context(rust.Program("worker", *options, addresses=neighbours.addresses, log=log))
        await workers.enter_async_context(Worker(
            neighbours.client, task_queue=queue, workflow_runner=SANDBOX,
            workflows=[OrderWorkflow] if workflows == "python" else [],
            activities=ACTIVITIES if activities == "python" else []))
        await rust.run("rush", "--task-queue", queue, "--orders", 3, addresses=neighbours.addresses)


async def test_a_rust_client_and_one_queue_of_workers_in_either_language_or_both(neighbours, directory):
    async with asyncio.TaskGroup() as group:
        for workflows, activities in [("python", "python"), ("python", "rust"), ("rust", "python")]:
            group.create_task(orders_served_by(neighbours, directory, workflows, activities))
