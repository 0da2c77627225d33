"""Many orders in flight over all addresses, with a log of every call, and the checks at the end."""

import asyncio
import itertools
import json
import random
import sys
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.enums.v1 import WorkflowExecutionStatus
from temporalio.api.query.v1 import WorkflowQuery
from temporalio.api.workflowservice.v1 import request_response_pb2 as w

from .cluster import ROOT, Process
from .rpc import Api, execution, history, name_of, names, start_request, unique

CLOSED = {"WorkflowExecutionCompleted", "WorkflowExecutionFailed", "WorkflowExecutionTimedOut",
          "WorkflowExecutionTerminated", "WorkflowExecutionCanceled"}
ACTIVITY_END = {"ActivityTaskCompleted", "ActivityTaskFailed", "ActivityTaskTimedOut", "ActivityTaskCanceled"}


@dataclass
class Door:
    """An address, and whether the node behind it is known to be up. `life` counts its deaths."""

    api: Api
    up: bool = True
    life: int = 0

    def died(self) -> None:
        self.up = False
        self.life += 1

    def came_back(self) -> None:
        self.api = Api(self.api.address)
        self.up = True


@dataclass
class Failure:
    method: str
    address: str
    error: str


@dataclass
class Calls:
    """Every call goes to a node that is up; a failure counts unless that node died meanwhile."""

    doors: list[Door]
    random: random.Random
    failures: list[Failure] = field(default_factory=list)
    made: int = 0
    # Long polls that a node sent away because it stops, as SDKs ask again elsewhere by themselves.
    sent_away: int = 0
    longest: tuple[float, str] = (0.0, "")

    async def __call__(self, method: str, request, timeout: float = 15, waits: bool = False):
        """The reply; tries another node only after one that died under the call. `waits`: a long poll, not timed."""
        while True:
            open_doors = [d for d in self.doors if d.up]
            if not open_doors:
                await asyncio.sleep(0.02)
                continue
            door = self.random.choice(open_doors)
            life, began = door.life, time.monotonic()
            self.made += 1
            try:
                reply = await door.api.call(method, request, timeout)
            except grpc.RpcError as error:
                if door.life != life:
                    continue
                if waits and error.code() == grpc.StatusCode.UNAVAILABLE and error.details() == "this node is stopping":
                    self.sent_away += 1
                    continue
                self.failures.append(Failure(method, door.api.address, f"{error.code()} {error.details()} "
                                             f"after {time.monotonic() - began:.2f} s"))
                if len(self.failures) > 50:
                    raise AssertionError(f"too many calls failed: {self.failures[:5]}") from error
                if error.code() in (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INVALID_ARGUMENT):
                    raise
                await asyncio.sleep(0.1)
                continue
            if not waits and door.life == life:
                self.longest = max(self.longest, (time.monotonic() - began, f"{method} at {door.api.address}"))
            return reply


@dataclass
class OrderInFlight:
    id: str
    case: str  # happy, declined, late
    run: str = ""
    events: list = field(default_factory=list)


class Fleet:
    """The orders, the calls and what has been seen."""

    def __init__(self, addresses: list[str], count: int, seed: int, namespace: str = "default"):
        self.random = random.Random(seed)
        self.numbers = itertools.count()
        self.doors = [Door(Api(address)) for address in addresses]
        self.calls = Calls(self.doors, self.random)
        self.queue = unique("orders")
        self.namespace = namespace
        self.orders = []
        for _ in range(count):
            self.another_order()
        self.started = 0
        self.steps_done = 0
        self.finished = 0

    async def close(self) -> None:
        for door in self.doors:
            await door.api.close()

    def add_door(self, address: str) -> None:
        """Calls go to this node, too."""
        self.doors.append(Door(Api(address)))

    def another_order(self) -> OrderInFlight:
        case, = self.random.choices(["happy", "declined", "late"], weights=[8, 1, 1])
        order = OrderInFlight(f"order-{next(self.numbers):03}-{self.queue[-6:]}", case)
        self.orders.append(order)
        return order

    async def run(self, pace: "Pace", enough: asyncio.Event | None = None) -> None:
        """One customer for each order, who comes again until it is enough."""
        async def customer(order: OrderInFlight) -> None:
            await self.live(order, pace)
            while enough and not enough.is_set():
                await self.live(self.another_order(), pace)

        await asyncio.gather(*[customer(order) for order in list(self.orders)])

    async def live(self, order: OrderInFlight, pace: "Pace") -> None:
        """One customer: starts the order, sees it paid, picks it up, has it delivered, sees it end."""
        await pace.turn("start")
        request = start_request(order.id, self.queue, namespace=self.namespace, type="Order",
                                input=Payloads(payloads=[self.form(order)]))
        order.run = (await self.calls("StartWorkflowExecution", request)).run_id
        self.started += 1
        if order.case == "happy":
            await self.seen(order, lambda happened: "TimerStarted" in happened)
            await self.step(order, pace, "pickedUp")
            await self.seen(order, lambda happened: "TimerCanceled" in happened)
            await self.step(order, pace, "delivered")
        await self.seen(order, lambda happened: happened[-1] in CLOSED)
        self.finished += 1

    async def step(self, order: OrderInFlight, pace: "Pace", signal: str) -> None:
        await pace.turn("step")
        request = w.SignalWorkflowExecutionRequest(
            namespace=self.namespace, workflow_execution=execution(order.id), signal_name=signal,
            request_id=uuid.uuid4().hex, identity="customer",
        )
        await self.calls("SignalWorkflowExecution", request)
        self.steps_done += 1

    @staticmethod
    def form(order: OrderInFlight) -> Payload:
        fields = {"id": order.id, "card": "0000" if order.case == "declined" else "4242",
                  "pickup_within_s": 2 if order.case == "late" else 600, "linger_s": 1}
        return Payload(metadata={"encoding": b"json/plain"}, data=json.dumps(fields).encode())

    async def seen(self, order: OrderInFlight, wanted) -> None:
        """Long-polls the order's history until the names of its events satisfy `wanted`."""
        token, events = b"", []
        while True:
            reply = await self.calls(
                "GetWorkflowExecutionHistory",
                w.GetWorkflowExecutionHistoryRequest(
                    namespace=self.namespace, execution=execution(order.id, order.run), wait_new_event=True,
                    next_page_token=token,
                ),
                timeout=30, waits=True,
            )
            events += reply.history.events
            if events and wanted(names(events)):
                return
            token = reply.next_page_token
            if not token:
                assert events and name_of(events[-1]) in CLOSED, f"{order.id}: {names(events)}"
                raise AssertionError(f"{order.id} ended early: {names(events)}")

    # --- afterwards ---

    async def check(self) -> None:
        """Every order ended once with the right result, every activity ended once, every signal is there once."""
        for order in self.orders:
            order.events = await history(self.random.choice(self.doors).api, order.id, order.run, namespace=self.namespace)
            happened = names(order.events)
            where = f"{order.id} ({order.case}): {happened}"
            assert sum(name in CLOSED for name in happened) == 1 and happened[-1] in CLOSED, where
            ended = [scheduled_by(e) for e in order.events if name_of(e) in ACTIVITY_END]
            assert len(ended) == len(set(ended)) == happened.count("ActivityTaskScheduled"), where
            assert "ActivityTaskTimedOut" not in happened, where
            last = order.events[-1]
            if order.case == "happy":
                receipt = json.loads(last.workflow_execution_completed_event_attributes.result.payloads[0].data)
                assert receipt["status"] == "Completed" and receipt["order_id"] == order.id, receipt
                assert happened.count("ActivityTaskCompleted") == 4, where
                assert happened.count("WorkflowExecutionSignaled") == 2, where
                assert len(receipt["notifications"]) == 3, receipt
            else:
                failure = last.workflow_execution_failed_event_attributes.failure
                kind = {"declined": "PaymentFailed", "late": "NotPickedUp"}[order.case]
                assert failure.application_failure_info.type == kind, where
                assert happened.count("ActivityTaskCompleted") == {"declined": 1, "late": 2}[order.case], where

        await self.check_lists()

    async def check_lists(self) -> None:
        """Any node lists and counts the orders as their histories are."""
        api = self.random.choice(self.doors).api
        query, listed, token = f"TaskQueue = '{self.queue}'", {}, b""
        while True:
            page = await api.call("ListWorkflowExecutions", w.ListWorkflowExecutionsRequest(
                namespace=self.namespace, query=query, page_size=37, next_page_token=token))
            for info in page.executions:
                assert info.execution.run_id not in listed, f"{info.execution} comes twice"
                listed[info.execution.run_id] = (info.execution.workflow_id, info.status, info.history_length)
            if not (token := page.next_page_token):
                break
        status = {"happy": WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_COMPLETED}
        failed = WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_FAILED
        assert listed == {order.run: (order.id, status.get(order.case, failed), len(order.events)) for order in self.orders}
        counted = await api.call("CountWorkflowExecutions", w.CountWorkflowExecutionsRequest(
            namespace=self.namespace, query=f"{query} GROUP BY ExecutionStatus"))
        groups = {json.loads(group.group_values[0].data): group.count for group in counted.groups}
        happy = sum(order.case == "happy" for order in self.orders)
        expected = {"Completed": happy, "Failed": len(self.orders) - happy}
        assert groups == {status: count for status, count in expected.items() if count}
        assert counted.count == len(self.orders)

    async def ask_all(self, sample: int) -> None:
        """Queries some closed orders, through any node."""
        wanted = {"happy": "Completed", "declined": "Declined", "late": "Refunded"}
        for order in self.random.sample(self.orders, min(sample, len(self.orders))):
            reply = await self.calls("QueryWorkflow", w.QueryWorkflowRequest(
                namespace=self.namespace, execution=execution(order.id, order.run),
                query=WorkflowQuery(query_type="getStatus")))
            assert json.loads(reply.query_result.payloads[0].data) == wanted[order.case]

    def longest_gap(self, since: float, until: float) -> tuple[float, float]:
        """The longest time between two events of any order in [since, until], and when it began; Unix seconds."""
        times = sorted(
            t for order in self.orders for e in order.events if since <= (t := e.event_time.ToNanoseconds() / 1e9) <= until
        )
        times = [since, *times, until]
        return max((later - earlier, earlier) for earlier, later in zip(times, times[1:]))


def scheduled_by(event) -> int:
    return getattr(event, event.WhichOneof("attributes")).scheduled_event_id


class Pace:
    """Lets one turn of a kind through at a time, so that there is something to do during every fault."""

    def __init__(self, **per_second: float):
        self.locks = {kind: asyncio.Lock() for kind in per_second}
        self.pause = {kind: 1 / rate for kind, rate in per_second.items()}

    async def turn(self, kind: str) -> None:
        async with self.locks[kind]:
            await asyncio.sleep(self.pause[kind])

    def hurry(self) -> None:
        self.pause = {kind: 0.0 for kind in self.pause}


class Workers:
    """A worker process for each address, started again should it end."""

    def __init__(self, addresses: list[str], queue: str, directory: Path, sticky_s: float = 1):
        script = ROOT / "examples" / "orders.py"
        self.processes = [
            Process([sys.executable, script, "worker", "--address", address, "--task-queue", queue,
                     "--sticky-timeout", sticky_s], directory / f"worker{i}.log")
            for i, address in enumerate(addresses, 1)
        ]

    async def __aenter__(self) -> "Workers":
        for process in self.processes:
            process.start()
        self.watch = asyncio.create_task(self.supervise())
        return self

    async def __aexit__(self, *_) -> None:
        self.watch.cancel()
        for process in self.processes:
            process.kill()

    async def supervise(self) -> None:
        while True:
            await asyncio.sleep(0.5)
            for process in self.processes:
                if not process.running:
                    process.start()

    def logs(self, lines: int = 30) -> str:
        return "\n".join(f"--- {p.log.name}\n{p.tail(lines)}" for p in self.processes)


@asynccontextmanager
async def under_way(fleet: Fleet, addresses: list[str], directory: Path, *how) -> AsyncIterator[asyncio.Task]:
    """The fleet's orders, with workers. If what is done meanwhile fails, it is told how far they are."""
    async with Workers(addresses, fleet.queue, directory) as workers:
        orders = asyncio.create_task(fleet.run(*how))
        try:
            yield orders
        except BaseException:
            orders.cancel()
            print(workers.logs())
            print(f"{fleet.started} started, {fleet.finished} finished, failures {fleet.calls.failures[:10]}")
            raise
