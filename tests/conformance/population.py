"""Five hundred runs of every status, in a namespace of their own, that the scenarios of lists and counts share.

They are made once for each time that scenarios are played. Workflow ids are fixed, attributes follow from a run's number,
and what depends on the clock lies on one side or the other of a mark, so that what a query finds is always the same.
"""

import asyncio
import json
import time
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

import grpc
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import CommandType
from temporalio.api.command.v1 import Command

from harness.commands import command, request
from harness.hand import activity, complete_workflow, fail_workflow
from harness.rpc import Api, execution, payload, seconds

from .driver import Driver

DAY = 86_400
PATIENCE_S = 80
AT_ONCE = 12
OWN = {"CustomText": 1, "CustomKeyword": 2, "CustomInt": 3, "CustomDouble": 4, "CustomBool": 5, "CustomDatetime": 6,
       "CustomList": 7}

KEYWORDS = ["red", "green", "blue", "Red", "", "it's", "reddish"]
TEXTS = ["the quick brown fox", "Fox and Hound", "e-mail to Ann", "lazy dog", "fox"]
LISTS = [["a"], ["a", "b"], ["b", "c d"], ["A"], [], ["late", "a"]]
NAMES, TYPES, QUEUES = ["order", "pay", "Order", "x_y"], ["order", "Payment", "refund"], ["shop", "bank", "Desk"]

# What becomes of the runs that are started, by number. Those that go on as new leave a run each, and parents four children.
RUNNING, COMPLETED, FAILED, CANCELED = range(0, 130), range(130, 220), range(220, 280), range(280, 315)
TERMINATED, CONTINUED, TIMED_OUT, PARENTS = range(315, 365), range(365, 385), range(385, 400), range(400, 410)
SEQUENCE, HIDDEN = range(410, 440), range(440, 445)
# Of those that run:
UPSERTED, FAILING, PAUSED, DELAYED = range(100, 112), range(112, 114), range(114, 118), range(118, 124)
POLLED = [*QUEUES, "family"]
# Started before the first mark; the others after it.
EARLY = 200
CHILDREN = 4

# What the index must tell before anything is asked: a query and how many it counts.
SETTLED = {
    "": 500,
    "ExecutionStatus = 'Running'": 190, "ExecutionStatus = 'Completed'": 110, "ExecutionStatus = 'Failed'": 60,
    "ExecutionStatus = 'Canceled'": 35, "ExecutionStatus = 'Terminated'": 70, "ExecutionStatus = 'ContinuedAsNew'": 20,
    "ExecutionStatus = 'TimedOut'": 15,
    "CustomKeyword = 'upserted'": len(UPSERTED), "TemporalPauseInfo IS NOT NULL": len(PAUSED),
    "TemporalReportedProblems IS NOT NULL": len(FAILING), "TemporalNamespaceDivision = 'secret'": len(HIDDEN),
}


def id_of(number: int) -> str:
    if number in PARENTS:
        return f"parent-{number}"
    if number in SEQUENCE:
        return f"seq-{number}"
    if number in HIDDEN:
        return f"hidden-{number}"
    return f"{NAMES[number % 4]}-{number:03}"


def type_of(number: int) -> str:
    return "Parent" if number in PARENTS else "Seq" if number in SEQUENCE else TYPES[number % 3]


def queue_of(number: int) -> str:
    if number in PARENTS:
        return "family"
    if number in SEQUENCE or number in HIDDEN or number in TIMED_OUT:
        return "idle"
    return f"failing-{number}" if number in FAILING else QUEUES[number // 3 % 3]


def value(found) -> Payload:
    return Payload(metadata={"encoding": b"json/plain"}, data=json.dumps(found).encode())


def given(number: int) -> dict[str, Payload]:
    """The search attributes that a run is started with; every tenth has none."""
    if number in HIDDEN:
        return {"TemporalNamespaceDivision": value("secret"), "CustomKeyword": value("red")}
    if number % 10 == 9 or number not in range(0, TIMED_OUT.stop):
        return {}
    return {
        "CustomKeyword": value(KEYWORDS[number % 7]),
        "CustomInt": value(number % 40 - 20),
        "CustomDouble": value(number % 16 / 4 - 1),
        "CustomBool": value(number % 2 == 0),
        "CustomDatetime": value(f"2024-{number % 12 + 1:02}-15T12:00:00.5Z"),
        "CustomText": value(TEXTS[number % 5]),
        "CustomList": value(LISTS[number % 6]),
    }


@dataclass
class Population:
    apis: list[Api]
    namespace: str
    token: str
    began: float
    # The label of each run, by its run id: its number, or its workflow id if it has none.
    labels: dict[str, str] = field(default_factory=dict)
    # What queries are filled in with: marks of time, and run ids.
    words: dict[str, str] = field(default_factory=dict)

    def label(self, info) -> str:
        """A run of a list. The second run of a chain has its number with a plus."""
        name = info.execution.workflow_id
        number = name.rpartition("-")[2] if not name.startswith("child") else name
        return number if info.execution.run_id in self.labels or number == name else f"{number}+"


POPULATIONS: dict[Api, asyncio.Task] = {}


async def populated(s: Driver) -> tuple[Driver, Population]:
    """The driver turned to the namespace of the population, which is made if it is not there yet."""
    key = s.plain[0]
    if key not in POPULATIONS:
        POPULATIONS[key] = asyncio.create_task(make(s.plain))
    population = await asyncio.shield(POPULATIONS[key])
    s.namespace, s.token, s.began = population.namespace, population.token, population.began
    return s, population


class Maker:
    def __init__(self, apis: list[Api], namespace: str):
        self.apis, self.namespace, self.turn = apis, namespace, 0

    async def call(self, method: str, timeout: float = 20, **fields):
        made = request(method, **fields)
        if "namespace" in made.DESCRIPTOR.fields_by_name and not made.namespace:
            made.namespace = self.namespace
        self.turn += 1
        return await self.apis[self.turn % len(self.apis)].call(method, made, timeout)

    async def until(self, probe, what: str) -> None:
        """Until a call succeeds and its answer is true."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                if await probe():
                    return
                error = None
            except grpc.aio.AioRpcError as refused:
                if refused.code() == grpc.StatusCode.UNIMPLEMENTED:
                    raise
                error = refused.details()
            if time.monotonic() > deadline:
                raise TimeoutError(f"{what}: {error or 'not yet'}")
            await asyncio.sleep(0.1)


async def make(apis: list[Api]) -> Population:
    token = uuid.uuid4().hex[:10]
    found = Population(apis, f"lists-{token}", token, time.time())
    maker = Maker(apis, found.namespace)
    # Asked first, so that a server without counts says so at once.
    await maker.call("CountWorkflowExecutions", namespace="default")
    await maker.call("RegisterNamespace", workflow_execution_retention_period=seconds(DAY))
    await maker.until(lambda: maker.call("ListSearchAttributes"), "the namespace")
    await maker.call("AddSearchAttributes", search_attributes=OWN)
    await maker.until(lambda: started(maker, found, RUNNING[0]), "the search attributes")

    await in_parallel([started(maker, found, number) for number in range(1, EARLY)])
    await mark(found, "started")
    await in_parallel([started(maker, found, number) for number in (*range(EARLY, SEQUENCE.start), *HIDDEN)])
    await worked(maker, found)
    await asyncio.gather(*[failing(maker, queue_of(number)) for number in FAILING])
    await in_parallel([paused(maker, id_of(number)) for number in PAUSED])
    for number in SEQUENCE:
        await started(maker, found, number)
    await maker.until(lambda: has(maker, "ExecutionStatus = 'TimedOut'", 15), "the time-outs")
    await mark(found, "closed")
    await in_parallel([terminated(maker, id_of(number)) for number in TERMINATED])
    # In another order than that in which they were started.
    for number in range(20):
        await terminated(maker, id_of(SEQUENCE[number * 7 % 20]))
    for query, count in SETTLED.items():
        await maker.until(lambda: has(maker, query, count), f"{count} of {query or 'all'}")
    await mark(found, "settled")
    found.words |= {"run": run_of(found, 0), "parent_run": run_of(found, PARENTS[0])}
    return found


def run_of(found: Population, number: int) -> str:
    return next(run for run, label in found.labels.items() if label == str(number))


async def in_parallel(calls: list) -> None:
    room = asyncio.Semaphore(AT_ONCE)

    async def one(call) -> None:
        async with room:
            await call

    await asyncio.gather(*[one(call) for call in calls])


async def mark(found: Population, name: str) -> None:
    """A time that lies apart from all that came before it and all that comes after it, however coarse the clocks."""
    await asyncio.sleep(0.02)
    now = datetime.now(timezone.utc)
    await asyncio.sleep(0.02)
    text = "%Y-%m-%dT%H:%M:%S.%f"
    found.words |= {
        name: now.strftime(text) + "Z",
        f"{name}_zoned": now.astimezone(timezone(timedelta(hours=2))).strftime(text) + "+02:00",
        f"{name}_ns": str(int(now.timestamp() * 1_000_000) * 1000),
    }


async def has(maker: Maker, query: str, count: int) -> bool:
    return (await maker.call("CountWorkflowExecutions", query=query)).count == count


async def started(maker: Maker, found: Population, number: int) -> bool:
    fields = {}
    if number % 20 == 0:
        fields["memo"] = {"fields": {"note": payload(f"of {number}")}}
    if number in TIMED_OUT:
        fields["workflow_run_timeout"] = seconds(1)
    if number in DELAYED:
        fields["workflow_start_delay"] = seconds(3600)
    reply = await maker.call(
        "StartWorkflowExecution", workflow_id=id_of(number), workflow_type={"name": type_of(number)},
        task_queue={"name": queue_of(number)}, request_id=f"start-{number}", identity="test",
        search_attributes={"indexed_fields": given(number)}, **fields,
    )
    found.labels[reply.run_id] = str(number)
    return True


async def terminated(maker: Maker, id: str) -> None:
    await maker.call("TerminateWorkflowExecution", workflow_execution={"workflow_id": id}, reason="enough")


def commands_of(task) -> list[Command]:
    """What a run does with its first task; those that run on do nothing more with the next."""
    id = task.workflow_execution.workflow_id
    if id.startswith("child"):
        return [complete_workflow("done")] if int(id.split("-")[1]) % 2 == 0 else []
    number = int(id.rpartition("-")[2])
    if number in PARENTS:
        first = task.previous_started_event_id == 0
        return [child(number, each) for each in range(CHILDREN)] if first else []
    if number in COMPLETED:
        return [complete_workflow("done")]
    if number in FAILED:
        return [fail_workflow("no")]
    if number in CANCELED:
        return [Command(command_type=CommandType.COMMAND_TYPE_CANCEL_WORKFLOW_EXECUTION,
                        cancel_workflow_execution_command_attributes={})]
    if number in CONTINUED and not task.history.events[0].workflow_execution_started_event_attributes.continued_execution_run_id:
        return [command("CONTINUE_AS_NEW_WORKFLOW_EXECUTION",
                        search_attributes={"indexed_fields": {"CustomKeyword": value("next")}})]
    if number in UPSERTED:
        return [command("UPSERT_WORKFLOW_SEARCH_ATTRIBUTES", search_attributes={"indexed_fields": {
            "CustomKeyword": value("upserted"), "CustomInt": value(None), "TemporalChangeVersion": value([f"patch-{number}", "p"]),
        }})]
    if number in PAUSED:
        return [activity("a", "idle", type="Pay" if number % 2 else "Ship", start_to_close=600)]
    return []


def child(number: int, each: int) -> Command:
    return command("START_CHILD_WORKFLOW_EXECUTION", workflow_id=f"child-{number}-{each}", workflow_type={"name": "Child"},
                   task_queue={"name": "family"}, parent_close_policy=1)


# Tasks that come, but for further ones of parents: one for each run that is not idle or delayed.
FIRST_TASKS = TIMED_OUT.start - len(FAILING) - len(DELAYED) + len(PARENTS) * (1 + CHILDREN) + len(CONTINUED)


async def worked(maker: Maker, found: Population) -> None:
    """Answers the first workflow task of each run."""
    seen: set[str] = set()
    all_seen = asyncio.Event()

    async def poller(queue: str) -> None:
        while True:
            task = await maker.call("PollWorkflowTaskQueue", 70, task_queue={"name": queue}, identity="hand")
            if task.task_token:
                await maker.call("RespondWorkflowTaskCompleted", task_token=task.task_token, identity="hand",
                                 commands=commands_of(task))
                seen.add(task.workflow_execution.run_id)
            if len(seen) == FIRST_TASKS:
                all_seen.set()

    pollers = [asyncio.create_task(poller(queue)) for queue in POLLED for _ in range(3)]
    waiting = asyncio.create_task(all_seen.wait())
    try:
        done, _ = await asyncio.wait([waiting, *pollers], timeout=PATIENCE_S, return_when=asyncio.FIRST_COMPLETED)
        for each in done:
            each.result()
        assert all_seen.is_set(), f"{len(seen)} of {FIRST_TASKS} tasks came"
    finally:
        for each in (waiting, *pollers):
            each.cancel()
        await asyncio.gather(waiting, *pollers, return_exceptions=True)


async def failing(maker: Maker, queue: str) -> None:
    """Fails a run's task so often that it is a problem to report."""
    for _ in range(5):
        task = await maker.call("PollWorkflowTaskQueue", 70, task_queue={"name": queue}, identity="hand")
        await maker.call("RespondWorkflowTaskFailed", task_token=task.task_token, cause=23, identity="hand",
                         failure={"message": "no"})


async def paused(maker: Maker, id: str) -> None:
    async def scheduled() -> bool:
        described = await maker.call("DescribeWorkflowExecution", execution=execution(id))
        return bool(described.pending_activities)

    await maker.until(scheduled, f"the activity of {id}")
    await maker.call("PauseActivity", execution={"workflow_id": id}, id="a", identity="operator", reason="why")
